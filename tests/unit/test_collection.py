"""What judges the collection as others get it (tests/collection.py) finds nothing with other releases of Ansible than `make lint` has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: A release of each line that people have, and the newest that there is.
CORES = [("2.21.5", "3.13"), ("2.22.0rc1", "3.13")]


def judged(*arguments: str) -> None:
    """Run the judges, and fail with what they say."""
    judge = [sys.executable, "tests/collection.py", *arguments]
    done = subprocess.run(judge, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize(("core", "python"), CORES)
def test_sanity_finds_nothing(core: str, python: str) -> None:
    """Of what ansible-test finds, all is mended or an exception with its reason."""
    if subprocess.run(
        ["uv", "python", "find", "--no-python-downloads", python], capture_output=True, check=False
    ).returncode:
        pytest.skip(f"no Python {python} on this machine")
    judged("--core", core, "--python", python)
