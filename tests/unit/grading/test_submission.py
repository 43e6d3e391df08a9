"""What a student hands in from another machine counts where nothing was checked here, and is named wherever it stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grading import class_program, submission
from grading.checks import FAILED, NOT_RUN, PASSED
from grading.class_program import main
from grading.grade import DOWN, NOT_BEGUN
from grading.marks import Student
from support.classrooms import came_to, handed_in
from support.labs import ROOT
from support.marks import FIRST, SECOND, line

ANA = Student("ana-soto", "Ana Soto", "1", "ana@uni.edu")
BETO = Student("beto-nunez", "Beto Núñez", "2", "beto@uni.edu")
PASSES, HALF = line(FIRST, PASSED, PASSED), line(FIRST, PASSED, FAILED)


def counted(folder: Path, files: dict[str, str]) -> submission.Handed:
    """What counts of some files."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return submission.handed_in(folder, [ANA, BETO], [FIRST, SECOND])


def points(handed: submission.Handed) -> dict[str, int]:
    """The points of the first exercise, by lab."""
    return {lab: results[FIRST.id].points for lab, results in handed.by_lab.items() if FIRST.id in results}


def said(handed: submission.Handed) -> list[str]:
    """What is wrong, as a teacher reads it."""
    return [f"{name}: {text['en']}" for name, text in handed.wrong]


@pytest.mark.parametrize("student", ["1", "ana@uni.edu", " ANA@uni.edu "])
def test_a_student_is_known_by_code_or_address(tmp_path: Path, student: str) -> None:
    """As a student types it."""
    handed = counted(tmp_path, {"x.json": handed_in(student, HALF)})
    assert points(handed) == {"ana-soto": 5}
    result = handed.by_lab["ana-soto"][FIRST.id]
    assert (result.state, result.handed_in) == ("begun", "2026-03-02T12:00:00+00:00")
    assert said(handed) == []


def test_the_newest_file_counts(tmp_path: Path) -> None:
    """Whatever it is called; that the others do not count is said."""
    early, late = handed_in("1", PASSES), handed_in("ana@uni.edu", HALF, made="2026-03-02T09:00:00-05:00")
    handed = counted(tmp_path, {"a.json": late, "b.json": early})
    assert points(handed) == {"ana-soto": 5}
    assert said(handed) == ["b.json: it is older than a.json, which is the one that counts"]
    assert [path.name for path in handed.files["ana-soto"]] == ["a.json", "b.json"]


def test_one_lab_is_one_students(tmp_path: Path) -> None:
    """Of a file that was copied neither counts, since nobody knows here whose it is."""
    renamed = changed(lambda file: (file.update(student="2"), file["lab"].update(name="beto")))
    handed = counted(tmp_path, {"a.json": handed_in("1", PASSES), "b.json": renamed})
    assert points(handed) == {}
    assert said(handed) == [
        "a.json: it was made in the same lab as b.json: neither counts. Ask whose that is",
        "b.json: it was made in the same lab as a.json: neither counts. Ask whose that is",
    ]


def changed(change: Callable[[dict[str, Any]], object], keep: bool = False) -> str:
    """A file in which something is changed; with the checksum that belongs to it, unless that is kept."""
    text = json.loads(handed_in("1", PASSES))
    change(text)
    if not keep:
        text.pop("sha256", None)
        text["sha256"] = submission.digest_of(text)
    return json.dumps(text)


#: What lies there, and what is said of it: the next case is a line.
WRONG = {
    "damaged": (
        changed(lambda file: file.update(student="2"), keep=True),
        "it is damaged: its checksum is not the one",
    ),
    "text": ("Ana: 10", "it is no file of make submit ("),
    "a list": ("[]", "it is no file of make submit ("),
    "of another program": ('{"sha256": ""}', "it is no file of make submit (format: Field required)"),
    "another format": (
        changed(lambda file: file.update(format=2)),
        "it is no file of make submit (format: Input should be 1)",
    ),
    "more than belongs there": (
        changed(lambda file: file.update(mark=100)),
        "it is no file of make submit (mark: Extra inputs",
    ),
    "nobody": (handed_in("9", PASSES), "it is 9's, who is not on the list"),
    "an older exercise": (
        changed(lambda file: file["exercises"][FIRST.id].update(version="0")),
        f"{FIRST.id} was checked with another version of the exercise, and does not count",
    ),
    "no exercise": (
        changed(lambda file: file["exercises"].update(x=file["exercises"].pop(FIRST.id))),
        "x is no exercise of this project, and does not count",
    ),
    "more points": (
        changed(lambda file: file["exercises"][FIRST.id]["checks"][0].update(verdict="failed")),
        f"{FIRST.id} does not have the points of its checks, and does not count",
    ),
    "fewer checks": (
        changed(
            lambda file: file["exercises"][FIRST.id].update(points=5, checks=file["exercises"][FIRST.id]["checks"][:1])
        ),
        f"{FIRST.id} does not have the points of its checks, and does not count",
    ),
    "a lab without identity": (
        changed(lambda file: file["lab"].update(database="")),
        "it is no file of make submit (lab.database: ",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_wrong_is_named_and_stops_nobody(tmp_path: Path, case: str) -> None:
    """What is right of the others counts."""
    text, message = WRONG[case]
    handed = counted(tmp_path, {"a.json": text, "b.json": handed_in("2", HALF, database="8")})
    assert points(handed) == {"beto-nunez": 5}
    [line_] = said(handed)
    assert line_.startswith(f"a.json: {message}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """As is one that is no text."""
    (tmp_path / "a.json").mkdir()
    (tmp_path / "b.json").write_bytes(b"\xff\xfe")
    assert [each.split(":")[1] for each in said(counted(tmp_path, {}))] == [" it cannot be read", " it cannot be read"]


def test_an_exercise_has_another_version_when_its_checks_are_others(tmp_path: Path) -> None:
    """Not where a statement or a wrong answer is."""
    folder = tmp_path / FIRST.id
    for name, text in {
        "exercise.yml": (FIRST.folder / "exercise.yml").read_text(),
        "check.py": "1",
        "es.md": "1",
    }.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    exercise = type(FIRST)(folder)
    before = submission.version_of(exercise)
    (folder / "es.md").write_text("2", encoding="utf-8")
    (folder / "wrong").mkdir()
    (folder / "wrong/x.sql").write_text("2", encoding="utf-8")
    assert submission.version_of(exercise) == before
    (folder / "check.py").write_text("2", encoding="utf-8")
    assert submission.version_of(exercise) != before


#: What the lab here comes to (None: there is none), what was handed in, and the points and whether they are the file's: the next case is a line.
HERE = {
    "no lab": (None, PASSES, ("10/20", True)),
    "not begun here": (line(FIRST, NOT_RUN, reason=NOT_BEGUN), PASSES, ("10/20", True)),
    "begun here": (line(FIRST, FAILED, FAILED), PASSES, ("0/20", False)),
    "better here": (line(FIRST, PASSED, PASSED), HALF, ("10/20", False)),
    "down here": (line(FIRST, NOT_RUN, reason=DOWN), PASSES, ("-", False)),
}


@pytest.mark.parametrize("case", HERE)
def test_what_was_checked_here_stays(
    roster: Path, case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All reports say of what was not, that it was made elsewhere."""
    here, handed, (wanted, is_handed) = HERE[case]
    student, lab = ("1", "ana-soto") if here else ("4", "dora-paz")

    def check(root: Path, name: str, chosen: Any, seconds: float) -> list[dict[str, Any]]:
        if name != lab or here is None:
            return came_to(root, name, chosen, seconds)
        other = line(SECOND, NOT_RUN, reason=here.get("reason", NOT_BEGUN))
        return [{**(here if each is chosen[0] else other), "exercise": each.id} for each in chosen]

    monkeypatch.setattr(class_program, "check_lab", check)
    folder = roster.parent / "submissions"
    folder.mkdir()
    (folder / "x.json").write_text(handed_in(student, handed), encoding="utf-8")
    (folder / "y.json").write_text("Ana: 10", encoding="utf-8")
    typed = ["grade", "--inventory", str(roster.parent), "--exercises", f"{FIRST.id},{SECOND.id}", "--language", "en"]
    assert main(ROOT / "exercises", typed) == 0
    out = capsys.readouterr().out
    row = next(each for each in out.splitlines() if f" {lab} " in each)
    assert row.split()[4] == wanted
    assert "submissions/y.json: it is no file of make submit" in out
    assert "submissions/x.json" not in out
    [day] = (roster.parent / "grades").iterdir()
    named = {
        path.name: "on the student's machine" in path.read_text(encoding="utf-8")
        for path in (
            day / "students" / f"{lab}.md",
            day / "curso.md",
            day / "curso.junit.xml",
            day / "curso.moodle.csv",
        )
    }
    assert set(named.values()) == {is_handed}, named
    [marks] = [
        each for each in json.loads((day / "curso.json").read_text(encoding="utf-8"))["students"] if each["lab"] == lab
    ]
    assert any(each["handed_in"] for each in marks["exercises"]) == is_handed
