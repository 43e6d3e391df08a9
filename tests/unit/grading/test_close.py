"""A class is closed: all of it is in the archive before anything goes, whatever is in the way and whenever the command is killed."""

from __future__ import annotations

import fcntl
import io
import os
import random
import re
import resource
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.accounts import accounts_of
from grading import archive as archives
from grading import class_program, close, record
from grading import exam as exams
from grading.class_program import main
from grading.exercise import ExerciseError
from support.classrooms import LABS, came_to, handed_in, killed
from support.labs import ROOT
from support.marks import FIRST

STUDENTS = LABS[:3]
#: Files of the class beside its list, of another class there, and of a lab that is nobody's.
OWN = {
    "grades/2026-03-02/curso.json": "{}",
    "grades/2026-03-02/students/ana-soto.md": "Ana",
    "grades/2026-03-02/exam/evidence/beto-nunez.json": "{}",
    "grades/curso.html": "Ana, Beto",
    "submissions/submission-1.json": handed_in("1"),
    "state/grading/ana-soto.jsonl": '{"points": 7}\n',
    "state/grading/zoe.jsonl": '{"points": 5}\n',
}
OTHERS = {
    "grades/2026-03-02/tarde.json": "{}",
    "grades/2026-03-02/students/otra.md": "Otra",
    "tarde.csv": "Nombre\nOtra\n",
    "exam.yml": "exercises: []\n",
    "state/grading/vieja.jsonl": "{}\n",
    "submissions/submission-7.json": handed_in("7"),
}
HANDOUTS = {
    f"curso.handouts/{lab}{name}": "secret" for lab in ("ana-soto", "beto-nunez") for name in ("/pgpass", ".zip")
}


def closed(roster: Path, *more: str) -> int:
    """Type the command."""
    typed = ["--inventory", str(roster.parent), "--exercises", FIRST.id, "--language", "en", *more]
    return main(ROOT / "exercises", ["class-close", *typed])


def lab_gone(roster: Path, lab: str) -> None:
    """Remove a lab, as its teardown does: the directory, then the host's link to it."""
    state = roster.parent / "state"
    shutil.rmtree(state / "labs" / lab, ignore_errors=True)  # in a run that is repeated it is gone
    (state / "registry" / lab).unlink(missing_ok=True)


@pytest.fixture
def term(roster: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The list of a class at its end; of its labs, one is a student's who left. They are removed without Ansible."""
    for name, text in {**OWN, **OTHERS, **HANDOUTS}.items():
        path = roster.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    numbers = roster.with_name("curso.numbers.json")
    left = '{"number": 9, "lab": "zoe", "port": 16400, "code": "9"}]}'
    numbers.write_text(numbers.read_text(encoding="utf-8").replace("]}", f", {left}"), encoding="utf-8")

    def play(closing: close.Closing, *options: str) -> None:
        assert options[:2] == ("-i", str(roster.parent))
        for lab in options[-1].split(","):
            lab_gone(roster, lab)

    monkeypatch.setattr(close.Closing, "_play", play)
    monkeypatch.setattr(class_program, "check_lab", came_to)
    monkeypatch.setattr(close, "accounts_of", lambda labs: {})
    return roster


def tree(top: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def contents(roster: Path) -> dict[str, bytes]:
    """The files of the one archive of a class."""
    [path] = (roster.parent / "closed").glob("*.zip")
    return dict(archives.read(path).files)


def in_archive(roster: Path) -> dict[str, bytes]:
    """What of a class has to be in its archive."""
    folders = {"grades/": "grades/", "state/grading/": "records/", "submissions/": "submissions/"}
    named = {
        folder + name.removeprefix(place): text.encode()
        for name, text in OWN.items()
        for place, folder in folders.items()
        if name.startswith(place)
    }
    beside = ("curso.csv", "curso.numbers.json", "roster.yml", "exam.yml")
    return named | {f"list/{name}": (roster.parent / name).read_bytes() for name in beside}


def test_a_class_is_archived_and_leaves_nothing(term: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The archive has all of it and is its owner's alone; what is another class's stays."""
    wanted = in_archive(term)
    assert closed(term, "--yes", "yes") == 0
    said = capsys.readouterr().out
    assert "removed, with all of their data: ana-soto, beto-nunez, carla-pena" in said
    assert re.search(r"Ana Soto +ana-soto +50\.0 ", said)
    assert "The class curso is closed: 3 labs, 0 accounts" in said
    found = contents(term)
    assert {name: found.get(name) for name in wanted} == wanted
    final = [name for name in found if f"{date.today()}/final/" in name]
    assert f"grades/{date.today()}/final/curso.moodle.csv" in final
    made = (term.parent / "closed").iterdir()
    assert {path.name.split(".", 1)[1]: stat.S_IMODE(path.stat().st_mode) for path in made} == {
        "zip": 0o600,
        "zip.sha256": 0o600,
    }
    assert stat.S_IMODE((term.parent / "closed").stat().st_mode) == 0o700
    sums = next((term.parent / "closed").glob("*.sha256"))
    subprocess.run(["sha256sum", "--check", "--quiet", sums.name], cwd=sums.parent, check=True)
    left = {name for name in tree(term.parent) if not name.startswith("closed/")}
    assert left == {*OTHERS, "roster.yml"}
    assert [name for name in ("curso.handouts", f"grades/{date.today()}") if (term.parent / name).exists()] == []


def test_the_plan_alone_changes_nothing(term: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It counts what there is, and says whose marks are not taken any more."""
    before = tree(term.parent)
    assert closed(term, "--ansible=-e x=1 --check") == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == f"Closing the class curso ({term}):"
    assert "without an answer, left with the marks that they have: ana-soto, beto-nunez, carla-pena" in said
    assert "archived: 4 files of marks, 2 records of what was checked" in said
    assert f"closed/curso-{date.today()}.zip, until {date.today().replace(year=date.today().year + 5)}" in said
    assert "2 handouts" in said
    assert tree(term.parent) == before


@pytest.mark.parametrize("each", [5, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_any_moment_and_repeated_it_ends_well(
    each: int, term: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One archive has all that there was before the first run; nothing else is left."""
    wanted, place = in_archive(term), term.parent
    kept = tmp_path_factory.mktemp("kept") / "term"
    shutil.copytree(place, kept, symlinks=True)
    step = 1
    while killed(lambda: closed(term, "--yes", "yes"), step):
        again = closed(term, "--yes", "yes")
        assert again == 0, step
        every = [dict(archives.read(path).files) for path in (place / "closed").glob("*.zip")]
        assert any(wanted.items() <= each.items() for each in every), step
        left = {name for name in tree(place) if not re.fullmatch(r"closed/curso-.*\.zip(\.sha256)?", name)}
        assert left == {*OTHERS, "roster.yml"}, step
        assert not any((place / "state/registry" / lab).exists() for lab in STUDENTS), step
        shutil.rmtree(place)
        shutil.copytree(kept, place, symlinks=True)
        step += each
    print(f"killed at {step // each} moments")
    assert step > 40


def test_the_data_of_a_lab_that_stays_stay(
    term: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The class's, too; the next run goes on with the same archive, which has then all of both."""

    def play(closing: close.Closing, *options: str) -> None:
        for lab in ("ana-soto", "carla-pena"):
            lab_gone(term, lab)

    monkeypatch.setattr(close.Closing, "_play", play)
    wanted = in_archive(term)
    assert closed(term, "--yes", "yes") == 1
    said = capsys.readouterr().out
    assert (
        f"Not removed, with its data still here: beto-nunez. Above stands why; then repeat: make class-close ROSTER={term}"
        in said
    )
    left = tree(term.parent)
    assert "grades/2026-03-02/exam/evidence/beto-nunez.json" in left
    assert "curso.csv" in left
    assert "curso.numbers.json" in left
    assert "grades/2026-03-02/students/ana-soto.md" not in left
    assert "state/grading/ana-soto.jsonl" not in left
    assert {name for name in left if ".handouts" in name} == {
        "curso.handouts/beto-nunez/pgpass",
        "curso.handouts/beto-nunez.zip",
    }
    monkeypatch.setattr(close.Closing, "_play", lambda closing, *options: lab_gone(term, "beto-nunez"))
    (term.parent / "state/grading/beto-nunez.jsonl").write_text("later\n", encoding="utf-8")
    assert closed(term, "--yes", "yes") == 0
    assert "which was interrupted; it goes on with" in capsys.readouterr().out
    found = contents(term)
    assert (wanted | {"records/beto-nunez.jsonl": b"later\n"}).items() <= found.items()
    both = {f"grades/{date.today()}/{part}/students/beto-nunez.md" for part in ("final", "final-2")}
    assert both <= found.keys(), "marks of the same day are not written over"
    assert not term.exists()


def test_what_changes_while_a_class_is_closed_stays(
    term: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A student's last check, written behind the archive: repeated, it is in there, too."""
    path = term.parent / "state/grading/ana-soto.jsonl"

    def play(closing: close.Closing, *options: str) -> None:
        path.write_text("later\n", encoding="utf-8")
        for lab in STUDENTS:
            lab_gone(term, lab)

    monkeypatch.setattr(close.Closing, "_play", play)
    assert closed(term, "--yes", "yes") == 1
    assert (
        "It changed while the class was closed, and is still here: records/ana-soto.jsonl." in capsys.readouterr().out
    )
    assert path.exists()
    assert term.exists()
    monkeypatch.setattr(close.Closing, "_play", lambda closing, *options: None)
    assert closed(term, "--yes", "yes") == 0
    assert contents(term)["records/ana-soto.jsonl"] == b"later\n"
    assert not path.exists()


def hold(term: Path, begins: int, ends: int) -> None:
    """Keep an exam of the class that begins and ends so many hours from now."""
    begin, end = (datetime.now().astimezone() + timedelta(hours=hours) for hours in (begins, ends))
    exam = exams.Exam.model_validate({"exercises": [FIRST.id], "from": begin, "to": end})
    exams.keep(term.parent / "state", "curso", exam, STUDENTS)


def spoil(term: Path) -> None:
    """A closing was interrupted, and somebody moved its archive away."""
    (term.parent / "closed").mkdir()
    (term.parent / "closed/curso.closing").write_text("curso-2026-01-01.zip\n", encoding="utf-8")


def keep_for(term: Path, years: str) -> None:
    """The settings name a number of years, or something else."""
    (term.parent / "roster.yml").write_text(f"file: curso.csv\nretention_years: {years}\n", encoding="utf-8")


def elsewhere(term: Path) -> None:
    """The labs are on another machine, and what is graded, too."""
    for lab in LABS:
        lab_gone(term, lab)
    for name in ("grades", "submissions", "state/grading"):
        shutil.rmtree(term.parent / name)


#: What is so, what is typed, and what is said: the next case is a line.
REFUSED: dict[str, tuple[Callable[[Path], Any], Sequence[str], str]] = {
    "not sure": (
        lambda term: None,
        (),
        "Nothing was closed: curso has to be typed. Where nobody can type it: make class-close ROSTER=",
    ),
    "no such word": (lambda term: None, ("--yes", "no"), "YES=no: there is only yes"),
    "no list": (lambda term: term.unlink(), ("--roster", "curso.csv"), "there is no list of students"),
    "an exam": (lambda term: hold(term, -1, 1), (), "The class curso has an exam until"),
    "an exam to come": (lambda term: hold(term, 1, 2), (), "The class curso has an exam until"),
    "an exam without marks": (lambda term: hold(term, -2, -1), (), "The marks of the exam of curso, which ended on"),
    "no number of years": (lambda term: keep_for(term, "forever"), (), "retention_years of "),
    "no year": (lambda term: keep_for(term, "0"), (), "retention_years of "),
    "labs elsewhere": (elsewhere, (), "This machine has no lab of the class curso, and nothing was graded on it:"),
    "the archive is gone": (
        spoil,
        (),
        "A closing of curso was interrupted, and its archive is missing or has changed:",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_in_the_way_is_said_in_one_line(term: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is changed."""
    prepare, typed, said = REFUSED[case]
    prepare(term)
    before = tree(term.parent)
    assert closed(term, *(typed or (() if case == "not sure" else ("--yes", "yes")))) == 1
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert len(err.splitlines()) == 1
    assert tree(term.parent) == before


def test_an_exam_whose_marks_are_taken_is_no_hindrance(term: Path) -> None:
    """What is kept of it goes into the archive with the rest."""
    hold(term, -2, -1)
    path = term.parent / "grades" / str(date.today()) / "exam/curso.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}", encoding="utf-8")
    assert closed(term, "--yes", "yes") == 0
    assert {"records/exams/curso.json", f"grades/{date.today()}/exam/curso.json"} <= contents(term).keys()
    assert exams.kept(term.parent / "state") == []


def test_one_lab_is_not_closed(term: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """There is another word for that."""
    monkeypatch.setenv("LAB", "ana-soto")
    assert closed(term, "--yes", "yes") == 1
    assert "a single lab is removed with: make teardown LAB=ana-soto" in capsys.readouterr().err


def test_a_class_that_is_being_graded_is_not_closed(term: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told at once, and does not begin later, when nobody looks any more."""
    folder = os.open(record.folder(term.parent / "state"), os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        assert closed(term, "--yes", "yes") == 1
    finally:
        os.close(folder)
    assert "this command does not wait" in capsys.readouterr().err
    assert term.exists()


def test_without_room_for_the_archive_nothing_goes(term: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does half of one stay."""
    noise = random.Random(7).randbytes(300_000).hex()
    (term.parent / "state/grading/ana-soto.jsonl").write_text(noise, encoding="utf-8")
    before = tree(term.parent)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        assert closed(term, "--yes", "yes") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "The class's archive cannot be written to" in capsys.readouterr().err
    after = tree(term.parent)
    assert before.items() <= after.items()
    assert [name for name in after if name.startswith("closed/")] == []
    assert (term.parent / "state/registry/ana-soto").exists()


def test_archives_past_their_date_go(term: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are named before; those that are kept for longer stay, as does what is no archive."""
    folder = term.parent / "closed"
    for name, days in (("old", -1), ("last-day", 0)):
        archives.write(
            folder / f"{name}.zip", archives.Archive(name, f"{name}.csv", date.today() + timedelta(days), {})
        )
    (folder / "other.zip").write_bytes(b"something")
    assert closed(term, "--yes", "yes") == 0
    assert (
        f"deleted: the archive {folder}/old.zip, which was kept until {date.today() - timedelta(1)}"
        in capsys.readouterr().out
    )
    here = {path.name for path in folder.iterdir()}
    assert here == {
        "last-day.zip",
        "last-day.zip.sha256",
        "other.zip",
        f"curso-{date.today()}.zip",
        f"curso-{date.today()}.zip.sha256",
    }


def replaced(content: bytes, name: str, text: bytes) -> bytes:
    """An archive in which a file has another text."""
    into = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(into, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, text if entry.filename == name else old.read(entry))
    return into.getvalue()


#: What becomes of an archive, and what is said of it: the next case is a line.
DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off": (lambda content: content[:-30], "is damaged, or no archive of a class"),
    "a bit": (
        lambda content: content[:60] + bytes([content[60] ^ 1]) + content[61:],
        "is damaged, or no archive of a class",
    ),
    "a file": (lambda content: replaced(content, "list/x", b"other"), "is damaged (list/x)"),
    "no manifest": (lambda content: replaced(content, "manifest.json", b"{}"), "is no archive of a class"),
    "another format": (
        lambda content: replaced(content, "manifest.json", b'{"format": 9}'),
        "is no archive of a class",
    ),
    "text": (lambda content: b"text", "is damaged, or no archive of a class"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_an_archive_that_is_damaged_is_not_read(tmp_path: Path, case: str) -> None:
    """By its own checksums; where its checksum lies beside it, by that before."""
    path = tmp_path / "curso.zip"
    archives.write(path, archives.Archive("curso", "curso.csv", date(2031, 1, 1), {"list/x": b"sesame"}))
    change, said = DAMAGED[case]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ExerciseError, match=r"is not the archive whose checksum curso.zip.sha256 says"):
        archives.read(path)
    with pytest.raises(ExerciseError) as caught:
        archives.read(path, checksum=False)
    assert said in caught.value.text["en"]


def test_accounts_are_found_by_their_labs(tmp_path: Path) -> None:
    """Also those of students who left; one that cannot be read is nobody's."""
    (tmp_path / "accounts").mkdir()
    for account, text in {"ana": '{"lab": "ana-soto"}', "zoe": '{"lab": "zoe"}', "x": '{"lab": "x"}', "y": "{"}.items():
        (tmp_path / "accounts" / account).write_text(text, encoding="utf-8")
    assert accounts_of(["ana-soto", "zoe"], tmp_path) == {"ana": "ana-soto", "zoe": "zoe"}
    assert accounts_of(["ana-soto"], tmp_path / "nowhere") == {}
