"""The students' command on the server: what it understands, what it prints, and from where it runs something."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import sys
import tempfile
from collections.abc import Callable
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
    "typed",
    [
        "status",
        "psql",
        "psql -c x",
        "check documentos",
        "chaos kill citus-worker-1 20",
        "rotate ana",
        "import hospital.csv",
        "import ~/datos/hospital.csv hospital.yml --check",
    ],
)
def test_a_command_of_the_students_is_understood(aula: ModuleType, typed: str) -> None:
    """Each value is one of the Makefile's variables, or a file of the student's."""
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
        ("import",),
        ("import", "--check"),
        ("import", "a.csv", "a.yml", "b.yml"),
        ("import", "a.csv", "--check", "--check"),
        ("import", "a.csv", "--jobs=64"),
        ("import", ""),
        ("import", "a\n.csv"),
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
        ("make import FILE=datos/hospital.csv MAPPING=hospital.yml.", "aula import datos/hospital.csv hospital.yml."),
        (
            "make import FILE=hospital.csv MAPPING=hospital.yml ARGS=--check",
            "aula import hospital.csv hospital.yml --check",
        ),
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that anybody may enter, in which root, and nobody else, reads what is 0600."""
    if os.geteuid() != 0:
        pytest.skip("only root runs a program as another user")
    for place in (tmp_path, *tmp_path.parents[:-2]):
        place.chmod(place.stat().st_mode | 0o055)
    return tmp_path


def make_fifo(path: Path) -> None:
    """A pipe into which nobody writes."""
    os.mkfifo(path, 0o644)


#: What a student names, what is made there, and what is said: the next case is a line.
UNREADABLE: list[tuple[str, Callable[[Path], object], str]] = [
    ("a file of root's", lambda path: path.touch(0o600), "unreadable"),
    ("a link to one", lambda path: path.symlink_to("/etc/shadow"), "unreadable"),
    ("a folder", lambda path: path.mkdir(0o755), "unreadable"),
    ("nothing", lambda path: None, "unreadable"),
    ("a pipe", make_fifo, "unreadable"),
    ("a file without an end", lambda path: path.symlink_to("/dev/zero"), "large"),
    ("a byte too many", lambda path: path.write_bytes(b"x" * 4001), "large"),
]


@pytest.mark.parametrize(("make", "said"), [pytest.param(*case[1:], id=case[0]) for case in UNREADABLE])
def test_a_file_is_read_as_the_student_and_not_beyond_its_end(
    aula: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], said: str
) -> None:
    """What the account cannot read root does not read for it."""
    monkeypatch.setattr(aula, "SECONDS", 1)
    make(folder / "x.csv")
    with pytest.raises(aula.RefusedError) as refused:
        aula.content(pwd.getpwnam("nobody"), folder / "x.csv", 4000)
    assert refused.value.text == said
    for language in aula.TEXTS.values():
        assert str(folder / "x.csv") in language[said].format(**refused.value.values)


def test_a_file_of_the_students_is_read_whole(aula: ModuleType, folder: Path) -> None:
    """Up to its last byte."""
    (folder / "x.csv").write_bytes(b"\xff\n" * 2000)
    assert aula.content(pwd.getpwnam("nobody"), folder / "x.csv", 4000) == b"\xff\n" * 2000


#: Stands for the lab's import: says who runs it and on what, and refuses a row.
IMPORT = """\
#!/bin/sh
id -un
echo "$*"
cat "$3" "$5"
echo "The refused rows: ${3%.csv}.rechazadas.csv"
echo "line 2" > "${3%.csv}.rechazadas.csv"
exit 2
"""


@pytest.fixture
def home(aula: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a student is, with another hospital's file; the lab's import is IMPORT."""
    student = pwd.getpwnam("nobody")
    home = folder / "home"
    home.mkdir()
    for name in ("hospital.csv", "hospital.yml"):
        (home / name).write_text(f"{name}\n", encoding="utf-8")
        (home / name).chmod(0o600)
        os.chown(home / name, student.pw_uid, student.pw_gid)
    os.chown(home, student.pw_uid, student.pw_gid)
    (folder / "registry/ana/bin").mkdir(parents=True)
    (folder / "registry/ana/lab.json").write_text('{"user": "daemon"}', encoding="utf-8")
    (folder / "registry/ana/bin/import").write_text(IMPORT, encoding="utf-8")
    (folder / "registry/ana/bin/import").chmod(0o755)
    (folder / "tmp").mkdir(mode=0o755)
    monkeypatch.setattr(aula, "REGISTRY", folder / "registry")
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    monkeypatch.chdir(home)
    return home


def test_the_import_runs_as_the_labs_user_on_copies(
    aula: ModuleType, folder: Path, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It names the student and the student's own files; what it refuses lies beside them, as the student's; no copy is left."""
    student = pwd.getpwnam("nobody")
    typed = ["hospital.csv", str(home / "hospital.yml")]
    assert aula.bring(student, {"lab": "ana"}, typed) == 2
    assert capfd.readouterr().out.splitlines() == [
        "daemon",
        f"--user nobody hospital.csv --mapping {home}/hospital.yml",
        "hospital.csv",
        "hospital.yml",
        "The refused rows: hospital.rechazadas.csv",
    ]
    kept = home / "hospital.rechazadas.csv"
    assert (kept.read_text(encoding="utf-8"), kept.owner(), kept.stat().st_mode & 0o777) == (
        "line 2\n",
        "nobody",
        0o600,
    )
    assert [*(folder / "tmp").iterdir()] == []
    with pytest.raises(aula.RefusedError) as refused:
        aula.bring(student, {"lab": "ana"}, typed)
    assert refused.value.text == "earlier"


def test_a_student_who_leaves_leaves_neither_copies_nor_an_import(
    aula: ModuleType, folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import ends before its folder goes."""
    program = folder / "registry/ana/bin/import"
    program.write_text(f"#!/bin/sh\necho $$ > {folder}/tmp/number\necho begun\nexec sleep 60\n", encoding="utf-8")
    (folder / "tmp").chmod(0o777)

    def leave(line: str) -> str:
        raise SystemExit(line)

    monkeypatch.setattr(aula, "as_typed", leave)
    with pytest.raises(SystemExit, match="begun"):
        aula.bring(pwd.getpwnam("nobody"), {"lab": "ana"}, ["hospital.csv", str(home / "hospital.yml")])
    number = (folder / "tmp/number").read_text(encoding="utf-8").strip()
    assert not Path("/proc", number).exists()
    assert [path.name for path in (folder / "tmp").iterdir()] == ["number"]


def test_copies_that_stay_are_said(aula: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold what is in a student's file."""

    def fail(place: str) -> None:
        raise OSError(place)

    monkeypatch.setattr(aula.shutil, "rmtree", fail)
    with pytest.raises(aula.RefusedError) as refused:
        aula.bring(pwd.getpwnam("nobody"), {"lab": "ana"}, ["hospital.csv", str(home / "hospital.yml")])
    assert refused.value.text == "left"


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
