"""The students' command on the server: what it understands, what it prints, and from where it runs something."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.accounts import (
    account_files,
    student_accounts,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def aula() -> ModuleType:
    """The program."""
    spec = importlib.util.spec_from_file_location("aula", ROOT / "files/programs/aula.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["aula"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "typed", ["status", "psql", "psql -c x", "check documentos", "chaos kill citus-worker-1 20", "rotate ana"]
)
def test_a_command_of_the_students_is_understood(aula: ModuleType, typed: str) -> None:
    """Each value is one of the Makefile's variables."""
    assert aula.understood(typed.split())


@pytest.mark.parametrize(
    "typed",
    [
        (),
        ("teardown",),
        ("check",),
        ("check", "documentos", "LAB=beto"),
        ("check", "documentos LAB=beto"),
        ("check", "../beto"),
        ("check", "$(id)"),
        ("check", "documentos\n"),
        ("check", "-f/etc/passwd"),
        ("status", "LAB=beto"),
        ("chaos", "fill", "citus-worker-1", "20"),
        ("chaos", "kill", "citus-worker-1"),
        ("rotate", "Ana; id"),
        ("--eval=x",),
    ],
)
def test_nothing_else_reaches_make(aula: ModuleType, typed: tuple[str, ...]) -> None:
    """Neither a word of the teacher's, nor a variable more, nor what a shell or make would read."""
    assert not aula.understood(list(typed))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("begin it: make exercise EXERCISE=documentos", "begin it: aula exercise documentos"),
        ("`make check EXERCISE=documentos LAB=ana`.", "`aula check documentos`."),
        ("make start LAB=ana-soto; then", "aula start; then"),
        ("make exercise-reset EXERCISE=limites", "aula exercise-reset limites"),
        ("make chaos FAULT=freeze NODE=citus-worker-2 DURATION=30", "aula chaos freeze citus-worker-2 30"),
        ("make psql ARGS=\"-c 'SELECT 1'\"", "aula psql -c 'SELECT 1'"),
        ("make teardown LAB=ana, make statusbar", "make teardown LAB=ana, make statusbar"),
    ],
)
def test_messages_name_what_the_student_can_type(aula: ModuleType, line: str, said: str) -> None:
    """Commands that the student has not stay as they are."""
    assert aula.as_typed(line) == said


def test_nothing_is_run_from_where_others_write(aula: ModuleType, tmp_path: Path) -> None:
    """Root's alone is what is root's from the top, and what others cannot write to."""
    if os.geteuid() != 0:
        pytest.skip("only root's files can be root's alone")
    place = tmp_path / "checkout"
    place.mkdir(mode=0o755)
    assert aula.of_root(place) == place
    place.chmod(0o775)
    with pytest.raises(aula.RefusedError):
        aula.of_root(place)
    place.chmod(0o755)
    os.chown(tmp_path, 65534, -1)
    with pytest.raises(aula.RefusedError):
        aula.of_root(place)


def test_accounts_are_of_labs_that_root_has_made_here() -> None:
    """Not of one user's labs, nor of those in a cluster, nor where the list names none."""

    def host(name: str, account: str, **lab: str) -> dict[str, object]:
        return {
            "student_account": account,
            "ansible_facts": {"lab": {"name": name, "target": "host", "user": f"hc-{name}"} | lab},
        }

    assert student_accounts(
        [
            host("ana", "asoto"),
            host("beto", ""),
            host("carla", "cdiaz", user="profe"),
            host("dora", "dpaz", target="kubernetes"),
            {"student_account": "eva"},
        ]
    ) == [{"account": "asoto", "lab": "ana", "login": "admin"}]


def test_an_account_is_told_of_its_teachers_exercises() -> None:
    """A file for each account, which the command reads."""
    [file] = account_files([{"account": "asoto", "lab": "ana", "login": "admin"}], "/srv/class", "en", "/srv/exercises")
    assert file["path"] == "accounts/asoto"
    assert json.loads(file["content"]) == {
        "lab": "ana",
        "login": "admin",
        "checkout": "/srv/class",
        "language": "en",
        "exercises_path": "/srv/exercises",
    }
