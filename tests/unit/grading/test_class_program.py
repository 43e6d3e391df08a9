"""A class is graded as its list says, whatever is wrong with one lab, and what is written is its teacher's alone."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import stat
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from grading import class_program
from grading import exam as exams
from grading.checks import PASSED
from grading.class_program import main
from support.classrooms import LIST, came_to, handed_in
from support.labs import ROOT
from support.marks import FIRST, line

PLACE = ROOT / "exercises"


def run(roster: Path, *more: str, word: str = "grade") -> int:
    """Run a command for one exercise."""
    return main(PLACE, [word, "--inventory", str(roster.parent), "--exercises", FIRST.id, "--language", "en", *more])


def test_a_class_is_graded_whatever_is_wrong_with_a_lab(
    roster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each reason is said, also of labs that are nobody's; files are their owner's alone, and the list is left as it is."""
    monkeypatch.setattr(class_program, "check_lab", came_to)
    roster.chmod(0o644)
    assert run(roster) == 0
    said = capsys.readouterr().out
    for text in (
        "beto-nunez: There is no 1.",
        "carla-pena: the record of carla-pena cannot be written: [Errno 28] No space left on device",
        f"dora-paz: the lab dora-paz is not made yet. Make it with: make class ROSTER={roster}",
        "nobody's on the list, not graded: vieja",
        "1 of 4 students have a mark",
        "separator: comma, a row for each ID number",
    ):
        assert text in said
    [day] = (roster.parent / "grades").iterdir()
    files = sorted(str(path.relative_to(day)) for path in day.rglob("*") if path.is_file())
    students = [f"students/{lab}.md" for lab in ("ana-soto", "beto-nunez", "carla-pena", "dora-paz")]
    assert files == ["curso.json", "curso.junit.xml", "curso.md", "curso.moodle.csv", *students]
    made = [day.parent, *day.parent.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o600}
    assert [row.split(",")[0] for row in (day / "curso.moodle.csv").read_text(encoding="utf-8").splitlines()[1:]] == [
        "1"
    ]
    assert stat.S_IMODE(roster.stat().st_mode) == 0o644
    assert not (roster.parent / "state/grading/vieja.jsonl").exists()


def test_the_same_again_is_written_again(roster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same day, over what was there."""
    monkeypatch.setattr(class_program, "check_lab", came_to)
    monkeypatch.setattr("grading.class_program.date", Day)
    assert [run(roster), run(roster)] == [0, 0]
    [day] = (roster.parent / "grades").iterdir()
    before = {path: path.read_text(encoding="utf-8") for path in day.rglob("*.*") if path.is_file()}
    assert run(roster, "--decimal", "comma") == 0
    changed = [path.name for path, text in before.items() if path.read_text(encoding="utf-8") != text]
    assert changed == ["curso.moodle.csv"]


def test_where_a_file_finds_no_room_all_are_those_of_before(roster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks of two gradings would be mixed otherwise; nothing else lies there either."""
    monkeypatch.setattr(class_program, "check_lab", came_to)
    monkeypatch.setattr("grading.class_program.date", Day)
    assert run(roster) == 0
    grades = roster.parent / "grades"
    before = {path: path.read_bytes() for path in grades.rglob("*") if path.is_file()}
    later = {"time": "2026-03-02T11:00:00.000Z"}
    monkeypatch.setattr(class_program, "check_lab", lambda *asked: [each | later for each in came_to(*asked)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(map(len, before.values())) - 1, limits[1]))
    try:
        assert run(roster, "--decimal", "comma") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path: path.read_bytes() for path in grades.rglob("*") if path.is_file()} == before


class Day:
    """A day that does not end during a test."""

    @staticmethod
    def today() -> Day:
        """The one."""
        return Day()

    def isoformat(self) -> str:
        """Its name."""
        return "2026-03-02"


def test_of_one_student_the_page_alone_is_written(
    roster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The class's files would have nobody else; a lab that is nobody's is no student's."""
    monkeypatch.setattr(class_program, "check_lab", came_to)
    monkeypatch.setenv("LAB", "ana-soto")
    assert run(roster) == 0
    assert [path.name for path in (roster.parent / "grades").rglob("*") if path.is_file()] == ["ana-soto.md"]
    monkeypatch.setenv("LAB", "vieja")
    assert run(roster) == 1
    assert "There is no student with the lab vieja in curso.csv; there are: ana-soto, beto" in capsys.readouterr().err


def test_two_teachers_do_not_grade_at_once(
    roster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second one is told, and waits for the first."""
    folder = roster.parent / "state/grading"
    folder.mkdir()
    first = os.open(folder, os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    told, print_ = threading.Event(), print

    def tell(*text: object, **how: Any) -> None:
        print_(*text, **how)
        told.set()

    monkeypatch.setattr(class_program, "check_lab", came_to)
    monkeypatch.setattr(class_program, "print", tell, raising=False)
    second = threading.Thread(target=run, args=(roster,))
    second.start()
    assert told.wait(30)
    assert "Another grading is under way" in capsys.readouterr().err
    assert not (roster.parent / "grades").exists()
    os.close(first)
    second.join(30)
    assert (roster.parent / "grades").exists()


#: What is typed or done, and what is said: the next case is a line.
REFUSED = {
    ("--decimal", "dot"): "DECIMAL=dot: there are point and comma",
    ("--watch", "no"): "WATCH=no: there is only yes",
    ("--exercises", "x"): "There is no exercise 'x'",
    ("--path", "/nowhere"): "EXERCISES_PATH: there is no folder /nowhere",
    ("--roster", "/nowhere.csv"): "there is no list of students /nowhere.csv",
    ("--inventory", "/nowhere"): "/nowhere is no inventory of a class: it has no roster.yml",
}


@pytest.mark.parametrize("typed", REFUSED, ids=" ".join)
def test_what_cannot_be_is_said_in_one_line(
    roster: Path, typed: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is written."""
    assert run(roster, *typed) == 1
    said = capsys.readouterr()
    assert said.err.startswith(REFUSED[typed])
    assert (len(said.err.splitlines()), said.out) == (1, "")
    assert not (roster.parent / "grades").exists()


def test_a_wrong_list_is_told_as_by_the_inventory(roster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every line that is wrong, in one message."""
    roster.write_text(f"{LIST};Eva;\n1;Fabio;f@uni.edu\n", encoding="utf-8")
    assert run(roster) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"2 things are wrong in {roster}; nothing was changed:",
        "  line 6 has no code and no e-mail",
        "  line 7 has the code 1, as line 2 has",
    ]


def test_the_marks_of_a_full_disk_are_not_lost(
    roster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was checked is in the record; one sentence says so."""
    monkeypatch.setattr(class_program, "check_lab", came_to)
    (roster.parent / "grades").write_text("no folder", encoding="utf-8")
    assert run(roster) == 1
    assert "The marks cannot be written" in capsys.readouterr().err


def test_the_state_of_a_class_is_shown(
    roster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labs that cannot be asked are down; a lab that is not made is said; with WATCH the page is kept until somebody ends it."""

    def end(seconds: float) -> None:
        """Ctrl+C in the pause between two looks."""
        raise KeyboardInterrupt

    assert run(roster, word="class-status") == 0
    said = capsys.readouterr().out
    assert said.count(" down ") == 3
    assert "dora-paz: is not made yet" in said
    assert not (roster.parent / "grades").exists()
    monkeypatch.setattr("grading.class_program.time.sleep", end)
    assert run(roster, "--watch", "yes", word="class-status") == 0
    page = roster.parent / "grades/curso.html"
    assert "Ana Soto" in page.read_text(encoding="utf-8")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    page.unlink()
    page.mkdir()
    capsys.readouterr()
    assert run(roster, "--watch", "yes", word="class-status") == 0, "it goes on where the page cannot be written"
    said = capsys.readouterr().out
    assert said.count(" down ") == 3
    assert "the page cannot be written" in said


def test_a_frozen_server_does_not_answer() -> None:
    """Connections to it are made; it says nothing. At a port of nobody's there is none."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        port = frozen.getsockname()[1]
        assert class_program.listens(port)
        assert not class_program.takes_sessions(port)
    assert not class_program.takes_sessions(port)


#: When it is, and what is said of an exam from ten to twelve: the next case is a line.
HELD = {
    "2026-03-02T09:00:00+00:00": "is shut until then",
    "2026-03-02T12:01:00+00:00": "1 of 4 students have a mark",
    "2026-03-02T13:00:00+00:00": "attempts made until then count",
}


@pytest.mark.parametrize("now", HELD)
def test_an_exam_is_held(
    roster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], now: str
) -> None:
    """It is kept for the labs of the class; after its end the marks are taken, with what they were taken from."""

    class Clock(datetime):
        """A clock that stands still."""

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromisoformat(now)

    def came(*asked: Any) -> list[dict[str, Any]]:
        return [{**each, "time": now, "by": "teacher"} for each in came_to(*asked)]

    monkeypatch.setattr(class_program, "datetime", Clock)
    monkeypatch.setattr(class_program, "check_lab", came)
    text = f"exercises: [{FIRST.id}]\nfrom: 2026-03-02T10:00:00Z\nto: 2026-03-02T12:00:00Z\n"
    (roster.parent / "exam.yml").write_text(text, encoding="utf-8")
    (roster.parent / "submissions").mkdir()
    (roster.parent / "submissions/dora.json").write_text(handed_in("4", line(FIRST, PASSED, PASSED)), encoding="utf-8")
    (roster.parent / "submissions/x.json").write_text("Ana: 10", encoding="utf-8")
    assert run(roster, word="exam") == 0
    said = capsys.readouterr().out
    assert HELD[now] in said
    assert "submissions/" not in said, "nobody knows when it was made"
    [kept] = exams.kept(roster.parent / "state")
    assert (kept.name, kept.labs) == ("curso", ("ana-soto", "beto-nunez", "carla-pena", "dora-paz"))
    evidence = list(roster.parent.glob("grades/*/exam/evidence/*.json"))
    assert len(evidence) == (0 if "09:00" in now else 4)
    assert {stat.S_IMODE(path.stat().st_mode) for path in evidence} <= {0o600}
    assert run(roster, "--state", "off", word="exam") == 0
    assert exams.kept(roster.parent / "state") == []


def test_a_grading_that_is_stopped_says_so(
    roster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a sentence, and no marks are written."""

    def stop(*asked: Any) -> list[dict[str, Any]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(class_program, "check_lab", stop)
    assert run(roster) == 1
    assert capsys.readouterr().err == "Stopped: no marks were written. Repeat the command when you like.\n"
    assert not (roster.parent / "grades").exists()
