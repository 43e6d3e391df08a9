"""What the project needs, in the several places that say so, is the same everywhere."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
INPUTS = [*sorted((ROOT / "requirements").glob("*.in")), ROOT / "benchmarks/rivals/requirements.in"]
LOCKS = [*(path.with_suffix(".txt") for path in INPUTS), ROOT / "files/middleware/requirements.txt"]
PYPROJECT = ROOT / "files/middleware/pyproject.toml"


def wanted() -> dict[str, dict[str, str]]:
    """The bounds of each package, by where they stand; those of a package that is bounded twice in a file, by its markers too."""
    lines = [
        (path.name, line.split("#")[0].strip()) for path in INPUTS for line in path.read_text("utf-8").splitlines()
    ]
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    lines += [(PYPROJECT.name, text) for text in project["dependencies"]]
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for place, text in lines:
        if text and not text.startswith("-r"):
            requirement = Requirement(text)
            name = canonicalize_name(requirement.name) + (f"; {requirement.marker}" if requirement.marker else "")
            found[name][place] = str(requirement.specifier)
    return found


def test_a_package_has_the_same_bounds_everywhere() -> None:
    """Else one place takes what the other refuses, and nobody sees it before a release comes that lies between."""
    bounds = wanted()
    assert len(bounds["psycopg"]) >= 2
    assert {name: places for name, places in bounds.items() if len(set(places.values())) > 1} == {}


def test_a_package_has_one_version_in_all_locks() -> None:
    """What the middleware's image holds is what the host's runtime holds, and what the tests were run with."""
    versions: dict[str, dict[str, str]] = defaultdict(dict)
    for lock in (ROOT / "requirements/runtime.txt", ROOT / "requirements/control.txt", LOCKS[-1]):
        # The lock of the controlling machine has two versions of what differs with its Python.
        for name, version in re.findall(r"^([a-z0-9.-]+)==(\S+)(?! ; python)", lock.read_text("utf-8"), re.MULTILINE):
            versions[name][str(lock.relative_to(ROOT))] = version
    ours = {re.split(r"[;\[]", name)[0].strip() for name, places in wanted().items() if PYPROJECT.name in places}
    assert "psycopg" in ours
    assert {name: versions[name] for name in ours if len(set(versions[name].values())) != 1} == {}


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_input_has_its_lock(path: Path) -> None:
    """With the hashes of every package."""
    lock = path.with_suffix(".txt").read_text(encoding="utf-8")
    packages = re.findall(r"^[a-z0-9.-]+(?:\[[a-z,]+\])?==", lock, re.MULTILINE)
    assert packages
    assert lock.count("--hash=sha256:") >= len(packages)


def test_every_collection_that_is_used_is_declared() -> None:
    """Who has ansible-core alone gets them with the collection; `ansible` brings them."""
    declared = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    used = set()
    for place in ("roles", "playbooks"):
        for path in (ROOT / place).rglob("*.yml"):
            used |= set(
                re.findall(r"^\s*(?:- )?((?!ansible\.builtin)\w+\.\w+)\.\w+:", path.read_text("utf-8"), re.MULTILINE)
            )
    assert {"kubernetes.core", "community.postgresql"} <= used
    assert used - {"aula.historia_clinica"} == set(declared)
    assert all(re.fullmatch(r">=\d+\.\d+\.\d+", bound) for bound in declared.values())
