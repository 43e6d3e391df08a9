"""The module data_directories: PostgreSQL's own programs make real ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from support.modules import RunModule


@pytest.fixture
def arguments(open_place: Path, postgres_bin: Path, unprivileged: dict[str, str]) -> dict[str, Any]:
    """The arguments for two servers."""
    (open_place / "config").mkdir()
    (open_place / "admin.pgpass").write_text("*:*:*:admin:not-a-real-one\n")
    return {
        "directory": str(open_place / "data"),
        "config_directory": str(open_place / "config"),
        "names": ["citus-coordinator", "citus-worker-1"],
        "postgres_bin": str(postgres_bin),
        "superuser": "admin",
        "password_file": str(open_place / "admin.pgpass"),
        "database": "historia_clinica",
        **unprivileged,
    }


def test_data_directories_are_made_once(run_module: RunModule, arguments: dict[str, Any]) -> None:
    """Complete, with the lab's settings included and no trust in anybody; and never touched again."""
    first = run_module("data_directories", **arguments)
    assert first["created"] == arguments["names"], first
    data = Path(arguments["directory"], "citus-worker-1")
    assert "citus-worker-1.conf'" in (data / "postgresql.conf").read_text()
    rules = [line for line in (data / "pg_hba.conf").read_text().splitlines() if line[:1] not in ("", "#")]
    assert rules
    assert all(rule.split()[-1] == "scram-sha-256" for rule in rules)
    again = run_module("data_directories", **arguments)
    assert not again["changed"]
    assert sorted(path.name for path in Path(arguments["directory"]).iterdir()) == [".created", *arguments["names"]]


def test_an_interrupted_one_is_made_anew(run_module: RunModule, arguments: dict[str, Any]) -> None:
    """What a killed run left under a temporary name does not stand in the way."""
    left = Path(arguments["directory"], ".citus-coordinator.new", "base")
    left.mkdir(parents=True)
    if "owner" in arguments:
        for path in (left, *left.parents[:2]):
            shutil.chown(path, arguments["owner"])
    result = run_module("data_directories", **{**arguments, "names": ["citus-coordinator"]})
    assert result["created"] == ["citus-coordinator"], result
    assert not left.exists()


def test_one_that_is_gone_is_refused_and_one_that_is_new_is_made(
    run_module: RunModule, arguments: dict[str, Any]
) -> None:
    """An empty server in the place of one that held rows would look like a lab that works."""
    data = Path(arguments["directory"])
    assert run_module("data_directories", **arguments)["changed"]
    more = {**arguments, "names": [*arguments["names"], "citus-worker-2"]}
    assert run_module("data_directories", **more)["created"] == ["citus-worker-2"]
    shutil.rmtree(data / "citus-worker-1")
    for check in (True, False):
        refused = run_module(
            "data_directories", check=check, commands={"stop": "make stop", "reset": "make reset"}, **more
        )
        assert refused["failed"]
        assert "The data of citus-worker-1 are gone" in refused["msg"]
        assert "(make stop)" in refused["msg"]
        assert refused["msg"].endswith("make it anew: make reset")
    assert not (data / "citus-worker-1").exists()
    for name in ("citus-coordinator", "citus-worker-2"):
        shutil.rmtree(data / name)
    assert run_module("data_directories", **more)["created"] == more["names"]  # nothing is left to hide


def test_check_mode_names_what_would_be_made(run_module: RunModule, arguments: dict[str, Any]) -> None:
    """And makes nothing."""
    result = run_module("data_directories", check=True, **arguments)
    assert result["created"] == arguments["names"]
    assert not Path(arguments["directory"]).exists()


def test_a_failing_program_is_named_with_what_it_said(run_module: RunModule, arguments: dict[str, Any]) -> None:
    """A database name that PostgreSQL refuses: the message holds PostgreSQL's own words, and no directory is left."""
    result = run_module("data_directories", **{**arguments, "names": ["a"], "extensions": ["no_such_thing"]})
    assert result["failed"]
    assert "no_such_thing" in result["msg"]
    assert not Path(arguments["directory"], "a").exists()


def test_the_password_is_in_no_argument_list(run_module: RunModule, arguments: dict[str, Any]) -> None:
    """Nor left in a file of the data directories' folder."""
    result = run_module("data_directories", **{**arguments, "names": ["a"]})
    assert result["changed"]
    assert "not-a-real-one" not in str(result)
    assert sorted(path.name for path in Path(arguments["directory"]).iterdir()) == [".created", "a"]
