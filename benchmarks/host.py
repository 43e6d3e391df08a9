"""A lab on this machine beside the same by hand: how long it takes, and how long a run that finds nothing to do.

    .venv/bin/python benchmarks/host.py [--engine citus] [--rounds 3]

By hand is what a person would type, one after the other: initdb for each server, start it, wait for it, create the database;
then the lab's own SQL by psql, its loader, its service, curl until it answers. Both have the runtime already, the same settings,
SQL, rows and waits; modules are packed, as after any run. Alternating; a ratio is the median of the rounds' ratios. Then a run with
neither runtime nor packed modules, until a request is answered (the packages are in the caches), and where the time of a second run
goes, by task. The last line is the same as JSON.
"""

from __future__ import annotations

import argparse
import configparser
import json
import os
import pwd
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "collections"))

from by_hand import DISTRIBUTE, LOGINS, RIGHTS, SQL, TABLES, checked

from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import register
from support.labs import ENGINES, Lab, Workshop, citus_servers, processes_of

NODES = ("citus-coordinator", "citus-worker-1", "citus-worker-2")


class ByHand:
    """The steps of a person in the lab's directory, with the settings and passwords that the lab made for itself."""

    def __init__(self, lab: Lab, place: Path) -> None:
        self.lab, self.kept = lab, place / "kept"
        self.bin = Path(lab.record["postgres_bin"])
        for part in ("config", "credentials", "middleware"):
            shutil.copytree(lab.directory / part, self.kept / part)
        # PostgreSQL refuses root.
        self.user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        passwords = (lab.directory / "credentials").glob("*.pgpass")
        self.passwords = {
            file.stem: file.read_text(encoding="utf-8").splitlines()[0].rpartition(":")[2] for file in passwords
        }

    def program(self, name: str) -> tuple[list[str], dict[str, str]]:
        """The command and the environment with which the lab runs one of its programs."""
        parser = configparser.RawConfigParser()
        parser.read(self.kept / f"config/programs/{name}.conf")
        section = parser[f"program:{name}"]
        return shlex.split(section["command"]), dict(re.findall(r'(\w+)="([^"]*)"', section["environment"]))

    def start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Run a command as the user of the servers."""
        with (self.kept / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                env={"PATH": os.environ["PATH"], **environment},
                cwd="/",
                stdout=log,
                stderr=log,
                user=self.user.pw_uid if self.user else None,
                group=self.user.pw_gid if self.user else None,
                extra_groups=[] if self.user else None,
            )

    def run(self, *command: str, **environment: str) -> None:
        """Run a command to its end."""
        if self.start(*command, **environment).wait():
            sys.exit(f"{command[:3]} failed; see {self.kept}/log")

    def psql(self, *arguments: str, port: int | None = None, database: str = "historia_clinica") -> None:
        """Run psql as administrator."""
        where = {"PGHOST": "127.0.0.1", "PGPORT": str(port or self.lab.database_port), "PGUSER": "admin"}
        secret = {"PGPASSFILE": str(self.lab.directory / "credentials/admin.pgpass"), "PGDATABASE": database}
        self.run(str(self.bin / "psql"), "-qAt", "-v", "ON_ERROR_STOP=1", *arguments, **where, **secret)

    def file(self, path: str) -> None:
        """Run a file of SQL."""
        self.psql("-f", str(SQL / path))

    def make(self) -> float:
        """All of it; how many seconds."""
        started = time.monotonic()
        directory = self.lab.directory
        for part in ("config", "credentials", "middleware"):
            shutil.copytree(self.kept / part, directory / part)
        (directory / "password").write_text(self.passwords["admin"] + "\n", encoding="utf-8")
        for folder in ("data", "run"):
            (directory / folder).mkdir()
        if self.user:
            subprocess.run(
                [shutil.which("chown") or "chown", "-R", "nobody:", str(directory), str(self.kept)], check=True
            )
        for number, node in enumerate(NODES):
            data = str(directory / "data" / node)
            options = ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin"]
            options += ["--builtin-locale", "C.UTF-8", "--locale", "C", "--username", "admin"]
            self.run(str(self.bin / "initdb"), "--pgdata", data, "--pwfile", str(directory / "password"), *options)
            with open(f"{data}/postgresql.conf", "a", encoding="utf-8") as settings:
                settings.write(f"\ninclude = '{directory}/config/{node}.conf'\n")
            command, environment = self.program(node)
            self.start(*command, **environment)
            port = self.lab.database_port + number
            while subprocess.run(
                [str(self.bin / "pg_isready"), "-q", "-h127.0.0.1", f"-p{port}"], check=False
            ).returncode:
                time.sleep(0.1)
            self.psql("-c", "CREATE DATABASE historia_clinica", port=port, database="postgres")
            if self.lab.engine == "citus":
                self.psql("-c", "CREATE EXTENSION citus", port=port)
        getattr(self, self.lab.engine)()
        for login in LOGINS:
            self.psql("-c", f"SELECT lab.create_login('{login}', '{self.passwords[login]}')")  # letters and digits
        for name in TABLES:
            self.file(f"clinical_schema/files/sql/{name}")
        for statement in DISTRIBUTE:
            self.psql("-c", statement)
        for name in RIGHTS:
            self.file(f"clinical_schema/files/sql/{name}")
        command, environment = self.program("middleware")
        load = [command[0], "-m", "historia_clinica.load", "--patients=1000", "--consultations=3", "--seed=42"]
        loader = {"PGUSER": "middleware", "PGPASSFILE": str(directory / "credentials/middleware.pgpass")}
        self.run(*load, **{**environment, **loader})
        self.file("clinical_schema/files/sql/analyze.sql")
        self.start(*command, **environment)
        self.lab.wait_until(self.serves)
        return time.monotonic() - started

    def answers(self, port: int) -> bool:
        """Whether a server takes connections."""
        return not subprocess.run(
            [str(self.bin / "pg_isready"), "-q", "-h127.0.0.1", f"-p{port}"], check=False
        ).returncode

    def serves(self) -> bool:
        """Whether the API answers with the database behind it."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.lab.api_port}/status", timeout=5).close()
        except OSError:
            return False
        return True

    def nodes(self) -> str:
        """The nodes as the engines want them."""
        ports = range(self.lab.database_port, self.lab.database_port + len(NODES))
        roles = ("coordinator", "worker", "worker")
        return json.dumps(
            [
                {"name": name, "role": role, "host": "127.0.0.1", "port": port}
                for name, role, port in zip(NODES, roles, ports, strict=True)
            ]
        )

    def citus(self) -> None:
        """Make the servers one database, with Citus."""
        self.file("citus/files/sql/lab.sql")
        self.psql("-c", f"SELECT lab.register_nodes('{self.nodes()}')")
        self.psql("-c", "SELECT lab.set_shard_count(32)")

    def postgres_fdw(self) -> None:
        """Make the servers one database, with postgres_fdw."""
        scripts = SQL / "postgres_fdw/files/sql"
        # In the order of the role (vars/main.yml).
        for name in ("definitions", "schema", "views", "nodes", "tables", "copies", "waits", "changes", "privileges"):
            self.file(f"postgres_fdw/files/sql/{name}.sql")
        worker = "\n".join((scripts / f"{name}.sql").read_text(encoding="utf-8") for name in ("definitions", "worker"))
        values = f"'{self.nodes()}', '{json.dumps(self.passwords)}', 32, 'by hand', $worker${worker}$worker$"
        self.psql("-c", f"SELECT lab.join_nodes({values})")
        self.psql("-c", "SELECT * FROM lab.subscribe()")

    def remove(self) -> None:
        """End all, remove all."""
        mine = [*processes_of(self.lab.directory), *processes_of(Path(f"--port={self.lab.api_port}"))]
        for process in mine:
            process.kill()
        for process in mine:
            process.wait()
        shutil.rmtree(self.lab.directory)


def first_answer(lab: Lab, by_hand: ByHand, runtime: Path) -> float:
    """The seconds from the command to the first answered request, with `.venv` as `make env` leaves it, and nothing else."""
    checked(lab.play("teardown.yml"))
    shutil.rmtree(runtime)
    shutil.rmtree(Path(sys.prefix, "payloads"))
    started = time.monotonic()
    with ThreadPoolExecutor() as threads:
        run = threads.submit(lab.play, "site.yml")
        lab.wait_until(lambda: run.done() or by_hand.serves(), 300)
        seconds = time.monotonic() - started
        checked(run.result())
    return seconds


def profile(lab: Lab) -> list[tuple[float, str]]:
    """The seconds of each task of a run that finds nothing to do, the longest first."""
    lab.environment["ANSIBLE_CALLBACKS_ENABLED"] = "aula.historia_clinica.payloads,ansible.posix.profile_tasks"
    lab.environment["PROFILE_TASKS_TASK_OUTPUT_LIMIT"] = "100"
    told = checked(lab.play("site.yml")).stdout
    tasks = re.findall(r"^(\S.*?) -+ ([0-9.]+)s$", told, re.MULTILINE)
    return sorted(((float(seconds), name) for name, seconds in tasks), reverse=True)


def measure(lab: Lab, place: Path, rounds: int) -> dict[str, Any]:
    """Both ways in turn, then the second run and its tasks."""
    checked(lab.play("site.yml"))
    by_hand = ByHand(lab, place)
    ours, theirs = [], []
    for _ in range(rounds):
        checked(lab.play("teardown.yml"))
        theirs.append(by_hand.make())
        by_hand.remove()
        ours.append(checked(lab.play("site.yml")).seconds)
    firsts = [first_answer(lab, by_hand, place / "runtime") for _ in range(rounds)]
    again = [checked(lab.play("site.yml")) for _ in range(rounds)]
    looks = [checked(lab.play("status.yml")).seconds for _ in range(rounds)]
    ratios = sorted(mine / hers for mine, hers in zip(ours, theirs, strict=True))
    for seconds, name in profile(lab)[:12]:
        print(f"{seconds:6.2f} s  {name}")
    return {
        "engine": lab.engine,
        "site_seconds": round(statistics.median(ours), 1),
        "by_hand_seconds": round(statistics.median(theirs), 1),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_lowest": round(ratios[0], 2),
        "ratio_highest": round(ratios[-1], 2),
        "first_answer_seconds": round(statistics.median(firsts), 1),
        "second_run_seconds": round(statistics.median(run.seconds for run in again), 1),
        "second_run_tasks": again[0].recap[lab.name]["ok"],
        "second_run_changed": max(run.recap[lab.name]["changed"] for run in again),
        "status_seconds": round(statistics.median(looks), 1),
    }


def main() -> None:
    """Make a lab both ways."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, default="citus" if citus_servers() else "postgres_fdw")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with Workshop.open("hc-bench-") as workshop:
        # A lab more: else the one that is measured takes the runtime along each time.
        register(workshop.place / "runtime", "benchmark", workshop.place)
        result = measure(workshop.lab("bench", options.engine), workshop.place, options.rounds)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
