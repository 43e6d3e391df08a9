"""What a person has exported for something else stays out of the lab, however it is called: `support/exported.py` is the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.exported import EXPORTED, broken_package, everything_works, together
from support.labs import Lab, engines_alike


@pytest.fixture
def shadow(tmp_path: Path) -> dict[str, str]:
    """A package of somebody else's that stands before the lab's psycopg."""
    tmp_path.chmod(0o755)
    return broken_package(tmp_path / "packages", "psycopg")


@engines_alike
def test_whatever_is_exported_the_lab_is_the_same(lab: Lab, shadow: dict[str, str]) -> None:
    """All of the table at once."""
    everything_works(lab, {**together(EXPORTED), **shadow})


@pytest.mark.long
@pytest.mark.parametrize("case", [*EXPORTED])
def test_each_case_alone(lab: Lab, case: str) -> None:
    """One of them may hide another."""
    everything_works(lab, EXPORTED[case])
