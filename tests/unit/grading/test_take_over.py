"""A class is taken over by somebody else, elsewhere: what was given and graded is there, and nothing that is there is lost."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from grading import archive as archives
from grading import class_program, labs, record
from grading.checks import FAILED, NOT_RUN, PASSED
from grading.class_program import main
from grading.classroom import read_classroom
from grading.exercise import Exercise
from grading.grade import NOT_BEGUN
from support.classrooms import handed_in, killed
from support.labs import ROOT
from support.marks import FIRST, SECOND, line

FILES = (
    "curso.csv",
    "curso.numbers.json",
    "exam.yml",
    "grades/2026-03-02/curso.json",
    "grades/2026-03-02/students/ana-soto.md",
    "submissions/submission-1.json",
)


def typed(word: str, inventory: Path, *more: str) -> int:
    """Type a command."""
    return main(ROOT / "exercises", [word, "--inventory", str(inventory), "--language", "en", *more])


def worked(root: Path, lab: str, exercise: Exercise, *verdicts: str) -> None:
    """Keep what a student did: the stage was made, and it was checked."""
    log = record.Log(root, lab, "1")
    log.add("stage", exercise.id, facts={})
    log.add("check", exercise.id, **{name: line(exercise, *verdicts)[name] for name in ("points", "of", "checks")})


@pytest.fixture
def copy(roster: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive of a class that goes on; the next teacher's machine has no lab."""
    root = roster.parent / "state"
    worked(root, "ana-soto", FIRST, PASSED, PASSED)
    worked(root, "ana-soto", SECOND, FAILED, FAILED)
    worked(root, "beto-nunez", FIRST, PASSED, FAILED)
    for name in FILES[2:]:
        path = roster.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(handed_in("1") if "submission" in name else f"{name}\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in roster.parent.rglob("*") if path.is_file()}
    assert typed("class-archive", roster.parent) == 0
    assert {path: path.read_bytes() for path in before} == before, "the class goes on"
    path, _checksum = sorted((roster.parent / "closed").iterdir())
    monkeypatch.setattr(labs, "state", lambda: roster.parent / "next/state")
    return path


@pytest.fixture
def place(roster: Path) -> Path:
    """The folder of the next teacher's inventory."""
    place = roster.parent / "next/inventory"
    place.mkdir(parents=True)
    settings = "plugin: aula.historia_clinica.roster\ntarget: host\n"
    (place / "roster.yml").write_text(settings, encoding="utf-8")
    return place


def test_a_class_is_there_as_it_was(copy: Path, place: Path, roster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """List, numbers and marks are the same, its owner's alone; typed twice it is there once."""
    for _time in range(2):
        assert typed("class-take-over", place, "--file", str(copy)) == 0
        said = capsys.readouterr().out
        assert f"The class curso is in {place}/curso.csv: 3 students, 2 files of marks, 2 records" in said
        assert f"It had other settings than {place}/roster.yml has" not in said
        assert f"Its labs are made with: make class ROSTER={place}/curso.csv" in said
    assert {name: (place / name).read_bytes() for name in FILES} == {
        name: (roster.parent / name).read_bytes() for name in FILES
    }
    made = [place.parent / "state/grading", *(place / "grades").rglob("*"), *(place.parent / "state/grading").iterdir()]
    assert len(made) > 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}
    assert {stat.S_IMODE((place / name).stat().st_mode) for name in FILES} == {0o600}
    assert stat.S_IMODE((place.parent / "state").stat().st_mode) == 0o755
    was = read_classroom(roster.parent, "", roster.parent / "state")
    now = read_classroom(place, "curso.csv", place.parent / "state")
    assert now.students == was.students


def test_other_settings_are_said(copy: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are the next teacher's, and nobody writes over them."""
    kept = archives.read(copy)
    settings = b"columns: {code: Documento}\nfirst_port: 20000\nfile: otro.csv\ntarget: host\n"
    archives.write(
        copy, archives.Archive(kept.name, kept.list, kept.until, {**kept.files, "list/roster.yml": settings})
    )
    assert typed("class-take-over", place, "--file", str(copy)) == 0
    said = capsys.readouterr().out
    assert (
        f"It had other settings than {place}/roster.yml has: {{columns: {{code: Documento}}, first_port: 20000}}."
        in said
    )
    assert (place / "roster.yml").read_text(encoding="utf-8").endswith("target: host\n")


def test_what_was_graded_counts_in_the_next_lab(
    copy: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a stage is made there, and after a worse attempt; a better one counts more; who takes over from them has it, too."""
    root = place.parent / "state"
    assert typed("class-take-over", place, "--file", str(copy)) == 0
    for lab in ("ana-soto", "beto-nunez"):
        (root / "labs" / lab).mkdir(parents=True)
        (root / "registry").mkdir(exist_ok=True)
        (root / "registry" / lab).symlink_to(root / "labs" / lab)

    def check(verdicts: Sequence[str], reason: str) -> Callable[..., list[dict[str, Any]]]:
        return lambda _root, _lab, chosen, _seconds: [
            {**line(each, *verdicts, reason=reason), "database": "2"} for each in chosen
        ]

    def graded() -> dict[str, tuple[str, str]]:
        capsys.readouterr()
        arguments = ["--roster", "curso.csv", "--exercises", f"{FIRST.id},{SECOND.id}"]
        assert typed("grade", place, *arguments) == 0
        rows = [row.split() for row in capsys.readouterr().out.splitlines()]
        return {row[2]: (row[3], row[4]) for row in rows if len(row) == 6 and row[4] != "-"}

    monkeypatch.setattr(class_program, "check_lab", check([NOT_RUN], NOT_BEGUN))
    assert graded() == {"ana-soto": ("50.0", "10/20"), "beto-nunez": ("25.0", "5/20")}
    page = place / f"grades/{date.today()}/students/ana-soto.md"
    assert page.read_text(encoding="utf-8").count("| check-2 |") == 2, "also of the exercise that gave nothing"
    worked_on = record.Log(root, "beto-nunez", "2")
    worked_on.add("stage", FIRST.id, facts={})
    monkeypatch.setattr(class_program, "check_lab", check([FAILED, FAILED], ""))
    assert graded() == {"ana-soto": ("50.0", "10/20"), "beto-nunez": ("25.0", "5/20")}
    better = line(FIRST, PASSED, PASSED)
    worked_on.add("check", FIRST.id, **{name: better[name] for name in ("points", "of", "checks")})
    assert graded() == {"ana-soto": ("50.0", "10/20"), "beto-nunez": ("50.0", "10/20")}
    text = record.for_another_lab(worked_on.path.read_text(encoding="utf-8"))
    worked_on.path.write_text(text, encoding="utf-8")
    again = record.counting(record.Log(root, "beto-nunez", "3").lines(), FIRST.id)
    assert max(each["points"] for each in again) == 10
    assert record.Log(root, "beto-nunez", "3").facts(FIRST.id) is None, "its stage is not this lab's"


def test_killed_at_any_moment_it_goes_on(copy: Path, place: Path) -> None:
    """The list is there last: until then there is no class."""
    step, again = 1, True

    def take_over() -> int:
        return typed("class-take-over", place, "--file", str(copy))

    while again:
        again = killed(take_over, step)
        assert (place / "curso.csv").exists() == (not again)
        assert take_over() == 0
        assert all((place / name).is_file() for name in FILES)
        for made in (place / "grades", place / "submissions", place.parent / "state"):
            shutil.rmtree(made)
        for name in FILES[:3]:
            (place / name).unlink()
        step += 1
    assert step > 8


def with_file(name: str, text: str) -> Callable[[Path, Path], None]:
    """A file is there."""

    def prepare(_copy: Path, place: Path) -> None:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    return prepare


def with_lab(_copy: Path, place: Path) -> None:
    """A lab is there that is called like a student's."""
    (place.parent / "state/labs/ana-soto").mkdir(parents=True)
    (place.parent / "state/registry").mkdir()
    (place.parent / "state/registry/ana-soto").symlink_to(place.parent / "state/labs/ana-soto")


def damaged(copy: Path, _place: Path) -> None:
    """A byte of the archive is another one."""
    content = copy.read_bytes()
    copy.write_bytes(content[:99] + bytes([content[99] ^ 1]) + content[100:])


def holding(name: str, text: bytes = b"x") -> Callable[[Path, Path], None]:
    """An archive with one more file, or another one."""

    def prepare(copy: Path, _place: Path) -> None:
        kept = archives.read(copy)
        files = {**kept.files, name: text}
        archives.write(copy, archives.Archive(kept.name, kept.list, kept.until, files))

    return prepare


#: What is so, and what is said: the next case is a line.
REFUSED: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "a list": (with_file("curso.csv", "Nombre\n"), "There is a class already, and nothing was changed: "),
    "numbers": (with_file("curso.numbers.json", "{}"), "There is a class already, and nothing was changed: "),
    "marks": (with_file("grades/2026-03-02/curso.json", "[]"), "There is a class already, and nothing was changed: "),
    "a record": (
        with_file("../state/grading/ana-soto.jsonl", "{}\n"),
        "There is a class already, and nothing was changed: ",
    ),
    "a lab": (with_lab, "Labs of the class are on this machine, and nothing was changed: ana-soto."),
    "damaged": (damaged, "{copy} is not the archive whose checksum curso-"),
    "out of it": (holding("grades/../../x"), "{copy} is no archive of a class: it holds grades/../../x"),
    "a path": (holding("/etc/x"), "{copy} is no archive of a class: it holds /etc/x"),
    "something else": (holding("other/x"), "{copy} is no archive of a class: it holds other/x"),
    "no numbers": (holding("list/curso.numbers.json", b"{}"), "{copy} does not have the numbers of the class"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_in_the_way_is_said_and_stays(
    copy: Path, place: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line; nothing is written."""
    prepare, said = REFUSED[case]
    prepare(copy, place)
    before = {path: path.read_bytes() for path in copy.parents[1].rglob("*") if path.is_file()}
    assert typed("class-take-over", place, "--file", str(copy)) == 1
    err = capsys.readouterr().err
    assert err.startswith(said.format(copy=copy))
    assert len(err.splitlines()) == 1
    assert {path: path.read_bytes() for path in copy.parents[1].rglob("*") if path.is_file()} == before


#: What is typed, and what is said: the next case is a line.
TYPED = {
    (): "Say which archive: make class-take-over FILE=",
    ("--file", "/nowhere.zip"): "The archive /nowhere.zip cannot be read: ",
    ("--file", "{copy}", "--roster", "otro.csv"): "The class of the archive is called curso.csv: ROSTER=",
    ("--file", "{copy}", "--inventory", "/nowhere"): "/nowhere is no inventory of a class",
}


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_what_is_typed_wrong_is_said(
    copy: Path, place: Path, words: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line."""
    assert typed("class-take-over", place, *(word.format(copy=copy) for word in words)) == 1
    err = capsys.readouterr().err
    assert err.startswith(TYPED[tuple(words)])
    assert len(err.splitlines()) == 1
    assert [path.name for path in place.iterdir()] == ["roster.yml"]


def test_the_archive_of_a_class_that_goes_on_is_kept_as_long(copy: Path) -> None:
    """As one that is closed."""
    assert archives.read(copy).until == date.today().replace(year=date.today().year + 5)
