"""Runs of site.yml on this machine beside those of an earlier build: the first one, and one that finds nothing to do; and the lab at rest.

    .venv/bin/python benchmarks/runs.py [--engine citus] [--rounds 3]

The earlier build is service.BEFORE, from the repository's history, with an environment of its own as its `make env` makes it. In each round
both make a lab in turn: from nothing but `.venv` to the first answered request, then again. A ratio is the median of the rounds' ratios.
Of this build besides, after its lab was stopped and started: the memory of its processes, and the seconds that the API takes from its start
to its first answer. Ends with 1 where a target is missed. The last line is JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pwd
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import psutil
import service

from support.labs import ENGINES, ROOT, citus_servers

DATABASE_PORT, API_PORT = 25300, 25399
#: What is asked for: seconds beside the earlier build, megabytes, seconds.
TARGETS = {"first_ratio": 0.75, "second_ratio": 0.55, "rest_MB": 140, "cold_start_seconds": 1.2}


@dataclass(frozen=True)
class Build:
    """A checkout with its environment.

    Attributes:
        root: the checkout.
        place: a folder for its lab and the lab's runtime.
        engine: of its lab.
    """

    root: Path
    place: Path
    engine: str

    @property
    def directory(self) -> Path:
        """Of its lab."""
        return self.place / "lab"

    def play(self, playbook: str) -> float:
        """The seconds of a playbook on its lab."""
        servers = {"lab_postgres_bin": citus_servers()} if self.engine == "citus" else {}
        values = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "lab_target": "host",
            "lab_engine": self.engine,
            "lab_directory": str(self.directory),
            "runtime_directory": str(self.place / "runtime"),
            "lab_database_port": DATABASE_PORT,
            "lab_api_port": API_PORT,
            **servers,
        }
        inventory = self.place / "bench.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"bench": values}}}), encoding="utf-8")
        started = time.monotonic()
        done = subprocess.run(
            [str(self.root / ".venv/bin/ansible-playbook"), "-i", str(inventory), f"playbooks/{playbook}"],
            cwd=self.root,
            env={**os.environ, "ANSIBLE_CONFIG": str(self.root / "ansible.cfg")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        return time.monotonic() - started

    def first(self) -> float:
        """The seconds from the command to the first answered request, with ``.venv`` as ``make env`` leaves it, and nothing else."""
        with contextlib.suppress(FileNotFoundError):  # before the first run there are none
            shutil.rmtree(self.root / ".venv/payloads")
        started = time.monotonic()
        with ThreadPoolExecutor() as threads:
            run = threads.submit(self.play, "site.yml")
            until_answered(run.done)
            seconds = time.monotonic() - started
            run.result()
        return seconds

    def remove(self) -> None:
        """Remove the lab and the runtime."""
        self.play("teardown.yml")
        with contextlib.suppress(FileNotFoundError):  # it goes with its last lab
            shutil.rmtree(self.place / "runtime")


def until_answered(given_up: Callable[[], bool] = lambda: False) -> None:
    """Wait for an answer of the API, or until nothing will answer any more; five minutes at most."""
    limit = time.monotonic() + 300
    while not given_up():
        if time.monotonic() > limit:
            sys.exit(f"Nothing answers at port {API_PORT}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{API_PORT}/status", timeout=5).close()
        except OSError:
            time.sleep(0.02)  # nobody tells when it listens
        else:
            return


def before(place: Path) -> Path:
    """The checkout of the earlier build, with its environment."""
    place.mkdir()
    service.unpack_before(place)
    make = ["make", "--quiet", "env"]
    subprocess.run(make, cwd=place, check=True, stdout=subprocess.DEVNULL)
    return place


def at_rest(build: Build) -> tuple[float, float]:
    """Megabytes of the lab's processes after a start, and the seconds of the API from its start to its first answer."""
    build.play("stop.yml")
    build.play("start.yml")
    until_answered()
    user = pwd.getpwuid((build.directory / "data").stat().st_uid).pw_name
    processes = [each for each in psutil.process_iter(["username"]) if each.info["username"] == user]
    mine = [each for each in processes if str(build.place) in " ".join([*each.cmdline(), *each.environ().values()])]
    resting = sum(each.memory_full_info().pss for each in mine) / 1e6
    control = [
        str(build.place / "runtime/bin/supervisorctl"),
        f"--configuration={build.directory}/config/supervisord.conf",
    ]
    subprocess.run([*control, "stop", "middleware"], check=True, stdout=subprocess.DEVNULL)
    with subprocess.Popen([*control, "start", "middleware"], stdout=subprocess.DEVNULL):
        started = time.monotonic()
        until_answered()
        return resting, time.monotonic() - started


def main() -> None:
    """Measure both builds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, default="citus" if citus_servers() else "postgres_fdw")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hc-runs-", dir="/tmp") as folder:
        place = Path(folder)
        place.chmod(0o755)
        for name in ("now", "then"):
            (place / name).mkdir()
        builds = (
            Build(ROOT, place / "now", options.engine),
            Build(before(place / "before"), place / "then", options.engine),
        )
        firsts, seconds, rest, cold = [], [], 0.0, 0.0
        for _ in range(options.rounds):
            first, second = [], []
            for build in builds:
                first.append(build.first())
                second.append(min(build.play("site.yml"), build.play("site.yml")))
                if build is builds[0]:
                    rest, cold = at_rest(build)
                build.remove()
            print(
                f"first {first[0]:.1f} beside {first[1]:.1f} s, second {second[0]:.1f} beside {second[1]:.1f} s",
                flush=True,
            )
            firsts.append(first[0] / first[1])
            seconds.append(second[0] / second[1])
    found = {
        "engine": options.engine,
        "first_ratio": round(statistics.median(firsts), 2),
        "second_ratio": round(statistics.median(seconds), 2),
        "rest_MB": round(rest),
        "cold_start_seconds": round(cold, 2),
    }
    missed = [name for name, limit in TARGETS.items() if float(str(found[name])) > limit]
    print(json.dumps(found | {"missed": missed}))
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
