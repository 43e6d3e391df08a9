"""Run every test that this machine can run, and close with the list of those that it cannot, and why.

`make test` runs it; ARGS names suites (lint, unit, middleware, integration, kubernetes, newcomer, molecule) to run
only those. `make test-long` runs, with `--long`, what `make test` leaves out: the tests that are marked `long`, and each room's own scenario.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "collections")]

from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import register  # noqa: E402


@dataclass
class Outcome:
    """What a suite came to.

    Attributes:
        passed: how many tests passed.
        failed: names of those that did not.
        skipped: name and reason of those that could not run.
        seconds: how long each test took that ran, by name.
    """

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def lint(log: TextIO) -> Outcome:
    """The linters, as one test."""
    done = subprocess.run(
        ["make", "--no-print-directory", "lint"], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False
    )
    return Outcome(passed=1) if done.returncode == 0 else Outcome(failed=["make lint"])


def pytest_suite(log: TextIO, *paths: str, folder: str = ".", long: bool = False) -> Outcome:
    """Tests of pytest, read from the report that it writes.

    Args:
        log: where its output goes.
        paths: what to run.
        folder: where to run it, relative to the checkout: the middleware is a project of its own.
        long: run the tests that are marked `long`, which are left out otherwise.
    """
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.xml")
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "--junit-xml",
                str(report),
                *(["-m", "long"] if long else []),
                *paths,
            ],
            cwd=ROOT / folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
        outcome = Outcome()
        cases = ElementTree.parse(report).iter("testcase") if report.exists() else []  # noqa: S314 # written by pytest just now
        for case in cases:
            name = f"{case.get('classname')}::{case.get('name')}"
            skipped = case.find("skipped")
            outcome.seconds[name] = float(case.get("time") or 0)
            if case.find("failure") is not None or case.find("error") is not None:
                outcome.failed.append(name)
            elif skipped is not None:
                outcome.skipped.append((name, skipped.get("message") or "no reason given"))
            else:
                outcome.passed += 1
    nothing_collected = long and done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    if done.returncode != 0 and not outcome.failed and not nothing_collected:
        outcome.failed.append(f"pytest {' '.join(paths)} (exit {done.returncode})")
    return outcome


def rooms() -> set[str]:
    """The scenarios that `default` verifies on its whole lab: each by itself would make a part of that lab once more."""
    verified = (ROOT / "molecule" / "default" / "verify.yml").read_text(encoding="utf-8")
    return set(re.findall(r"import_playbook: \.\./(\w+)/verify\.yml", verified))


def molecule(log: TextIO, long: bool = False) -> Outcome:
    """The Molecule scenarios, one test each. One that cannot run says so in a line of its own.

    Args:
        log: where their output goes.
        long: run the rooms, each by itself, which are left out otherwise.
    """
    outcome = Outcome()
    place = Path(f"/tmp/hc-molecule-{os.environ.get('USER') or 'root'}")  # as in molecule/shared/inventory
    # A lab more: else each scenario takes the runtime along as the last one, and the next makes it again.
    register(place / "runtime", "tests", place)
    scenarios = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
    for scenario in sorted(scenarios & rooms() if long else scenarios - rooms()):
        started = time.monotonic()
        done = subprocess.run(
            ["molecule", "test", "-s", scenario],
            cwd=ROOT,
            env={**os.environ, "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        reason = re.search(rf"SKIPPED scenario {scenario}: (.*)", done.stdout)
        if done.returncode != 0:
            print(done.stdout, file=log)
            outcome.failed.append(f"molecule::{scenario}")
        elif reason:
            outcome.skipped.append((f"molecule::{scenario}", reason[1].strip().rstrip("'\"")))
        else:
            outcome.passed += 1
        took = outcome.seconds[f"molecule::{scenario}"] = time.monotonic() - started
        verdict = "FAILED" if done.returncode else "skipped" if reason else "passed"
        print(f"molecule::{scenario} {verdict} in {took:.0f} s", file=log, flush=True)
    shutil.rmtree(place, ignore_errors=True)
    return outcome


#: What wants a cluster.
CLUSTER = tuple(f"tests/integration/test_{name}.py" for name in ("kubernetes", "cluster_class", "minikube"))
Suite = Callable[[TextIO], Outcome]


def suites_of(long: bool) -> dict[str, Suite]:
    """The suites by name, but for lint: what `make test` runs of them, or what it leaves out."""
    return {
        "unit": lambda log: pytest_suite(log, "tests/unit", long=long),
        "middleware": lambda log: pytest_suite(log, "tests", folder="files/middleware", long=long),
        "integration": lambda log: pytest_suite(
            log, "tests/integration", *(f"--ignore={path}" for path in CLUSTER), long=long
        ),
        "kubernetes": lambda log: pytest_suite(log, *CLUSTER, long=long),
        "newcomer": lambda log: pytest_suite(log, "tests/newcomer", long=long),
        "molecule": lambda log: molecule(log, long=long),
    }


SUITES: dict[str, Suite] = {"lint": lint, **suites_of(long=False)}
LONG_SUITES = suites_of(long=True)
#: Suites of which two run at the same time, one list after the other. The middleware's has the processors for itself, as it counts what is
#: answered in how many seconds; those of the last make labs, each with names, ports and directories of its own.
SIDE_BY_SIDE = (("lint", "unit"), ("middleware",), ("integration", "molecule", "kubernetes", "newcomer"))
#: How many tests are named with the time that they took.
SLOWEST = 10


def run(name: str, suites: dict[str, Suite]) -> tuple[str, Outcome]:
    """Run a suite while others run: what it prints is shown in one piece."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        started = time.monotonic()
        try:
            outcome = suites[name](log)
        except Exception as error:  # else it would be silent until all others are through
            outcome = Outcome(failed=[f"{name}: {error!r}"])
        log.seek(0)
        print(f"\n=== {name}\n{log.read()}", flush=True)
    return f"{name} {time.monotonic() - started:.0f} s", outcome


def run_alone(name: str, suites: dict[str, Suite]) -> tuple[str, Outcome]:
    """Run a suite, with its output as it comes."""
    print(f"\n=== {name}", flush=True)
    started = time.monotonic()
    outcome = suites[name](sys.stdout)
    return f"{name} {time.monotonic() - started:.0f} s", outcome


def main(arguments: list[str]) -> int:
    """Run the suites named, or all of them."""
    names = [argument for argument in arguments if argument != "--long"]
    suites = LONG_SUITES if "--long" in arguments else SUITES
    unknown = set(names) - set(suites)
    if unknown:
        print(f"There is no suite {', '.join(sorted(unknown))}; there are: {', '.join(suites)}", file=sys.stderr)
        return 2
    results = []
    for beside in SIDE_BY_SIDE:
        chosen = [name for name in names or suites if name in beside]
        if len(chosen) == 1:
            results.append(run_alone(chosen[0], suites))
            continue
        with ThreadPoolExecutor(max_workers=2) as pool:
            results += pool.map(lambda name: run(name, suites), chosen)
    total = Outcome()
    for _, outcome in results:
        total.passed += outcome.passed
        total.failed += outcome.failed
        total.skipped += outcome.skipped
        total.seconds |= outcome.seconds
    print(f"\nTimes: {', '.join(times for times, _ in results)}; the slowest tests, with what they set up for others:")
    for name in sorted(total.seconds, key=total.seconds.__getitem__, reverse=True)[:SLOWEST]:
        print(f"  {total.seconds[name]:4.0f} s {name}")
    if total.failed:
        print("Failed:", *(f"  {name}" for name in total.failed), sep="\n")
    if total.skipped:
        print("Could not run on this machine:", *(f"  {name}: {reason}" for name, reason in total.skipped), sep="\n")
    else:
        print("Everything could run on this machine.")
    print(f"{total.passed} passed, {len(total.failed)} failed, {len(total.skipped)} skipped")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
