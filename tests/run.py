"""Run every test that this machine can run, and close with the list of those that it cannot, and why.

`make test` runs it; ARGS names suites (lint, unit, middleware, integration, kubernetes, newcomer, molecule) to run
only those.
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
    """

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def lint() -> Outcome:
    """The linters, as one test."""
    done = subprocess.run(["make", "--no-print-directory", "lint"], cwd=ROOT, check=False)
    return Outcome(passed=1) if done.returncode == 0 else Outcome(failed=["make lint"])


def pytest_suite(*paths: str, folder: str = ".") -> Outcome:
    """Tests of pytest, read from the report that it writes.

    Args:
        paths: what to run.
        folder: where to run it, relative to the checkout: the middleware is a project of its own.
    """
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.xml")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--junit-xml", str(report), *paths], cwd=ROOT / folder, check=False
        )
        outcome = Outcome()
        cases = ElementTree.parse(report).iter("testcase") if report.exists() else []  # noqa: S314 # written by pytest just now
        for case in cases:
            name = f"{case.get('classname')}::{case.get('name')}"
            skipped = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                outcome.failed.append(name)
            elif skipped is not None:
                outcome.skipped.append((name, skipped.get("message") or "no reason given"))
            else:
                outcome.passed += 1
    if done.returncode != 0 and not outcome.failed:
        outcome.failed.append(f"pytest {' '.join(paths)} (exit {done.returncode})")
    return outcome


def molecule() -> Outcome:
    """The Molecule scenarios, one test each, two at a time. One that cannot run says so in a line of its own."""
    place = Path(f"/tmp/hc-molecule-{os.environ.get('USER') or 'root'}")  # as in molecule/shared/inventory
    # A lab more: else each scenario that ends as the only one takes the runtime along, and the next makes it again.
    register(place / "runtime", "tests", place)
    try:
        with ThreadPoolExecutor(max_workers=2) as pool:
            names = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
            outcomes = list(pool.map(scenario, names))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Outcome(
        passed=sum(outcome.passed for outcome in outcomes),
        failed=[name for outcome in outcomes for name in outcome.failed],
        skipped=[skipped for outcome in outcomes for skipped in outcome.skipped],
    )


def scenario(name: str) -> Outcome:
    """One scenario; what it printed is shown where it failed."""
    started = time.monotonic()
    done = subprocess.run(
        ["molecule", "test", "-s", name],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    reason = re.search(rf"SKIPPED scenario {name}: (.*)", done.stdout)
    verdict = "FAILED" if done.returncode else "skipped" if reason else "passed"
    shown = f"{done.stdout}\n" if done.returncode else ""
    print(f"{shown}molecule::{name} {verdict} in {time.monotonic() - started:.0f} s", flush=True)
    if done.returncode:
        return Outcome(failed=[f"molecule::{name}"])
    if reason:
        return Outcome(skipped=[(f"molecule::{name}", reason[1].strip().rstrip("'\""))])
    return Outcome(passed=1)


#: What wants a cluster.
CLUSTER = ("tests/integration/test_kubernetes.py", "tests/integration/test_minikube.py")
SUITES: dict[str, Callable[[], Outcome]] = {
    "lint": lint,
    "unit": lambda: pytest_suite("tests/unit"),
    "middleware": lambda: pytest_suite("tests", folder="files/middleware"),
    "integration": lambda: pytest_suite("tests/integration", *(f"--ignore={path}" for path in CLUSTER)),
    "kubernetes": lambda: pytest_suite(*CLUSTER),
    "newcomer": lambda: pytest_suite("tests/newcomer"),
    "molecule": molecule,
}


def main(names: list[str]) -> int:
    """Run the suites named, or all of them."""
    unknown = set(names) - set(SUITES)
    if unknown:
        print(f"There is no suite {', '.join(sorted(unknown))}; there are: {', '.join(SUITES)}", file=sys.stderr)
        return 2
    total = Outcome()
    times = []
    for name in names or SUITES:
        print(f"\n=== {name}", flush=True)
        started = time.monotonic()
        outcome = SUITES[name]()
        times.append(f"{name} {time.monotonic() - started:.0f} s")
        total.passed += outcome.passed
        total.failed += outcome.failed
        total.skipped += outcome.skipped
    print(f"\nTimes: {', '.join(times)}")
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
