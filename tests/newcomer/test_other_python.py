"""The lab from end to end with another Python than that of the suite, and so with the other ansible-core of the lock.

The oldest Python and the newest are promised; the suite runs on one. LAB_TEST_OTHER_PYTHON names the other.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.labs import ROOT, Lab, Workshop
from support.newcomer import clone

OTHER = os.environ.get("LAB_TEST_OTHER_PYTHON", "")
# One Python alone is enough to work on the project; .ci/run names another one wherever the machine has it.
pytestmark = pytest.mark.skipif(not OTHER, reason="LAB_TEST_OTHER_PYTHON names no Python beside that of the suite")


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    """A place for the lab and for a clone of the project; the packages come out of the person's cache."""
    with Workshop.open("hc-") as workshop:
        workshop.first_port = 31200
        clone(ROOT, workshop.place / "clone")
        yield workshop


def make(target: str, lab: Lab, checkout: Path) -> str:
    """Run one of the clone's targets with the other Python, and return what it printed."""
    done = subprocess.run(
        ["make", "--no-print-directory", target, f"INVENTORY={lab.inventory}", f"PYTHON={OTHER}"],
        cwd=checkout,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


def test_the_lab_is_made_asked_and_removed_with_another_python(workshop: Workshop) -> None:
    """Every check passes, a second run changes nothing, nothing is left."""
    lab = workshop.lab("other-python", "postgres_fdw", clinical_schema_patients=100)
    checkout = workshop.place / "clone"
    make("lab", lab, checkout)
    version = subprocess.run(
        [str(checkout / ".venv/bin/ansible"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    print(version)
    assert f"python version = {sys.version_info.major}.{sys.version_info.minor}." not in version
    assert re.search(r"(\d+) of \1 checks passed", make("verify", lab, checkout))
    assert "citus-worker-2" in make("status", lab, checkout)
    assert "changed=0" in make("lab", lab, checkout)
    make("teardown", lab, checkout)
    assert not lab.directory.exists()
