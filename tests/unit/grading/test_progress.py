"""How far a class is, by the grader's record alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from grading.marks import Student
from grading.progress import DOWN, NONE, PARTLY, UP, Answer, Progress, progress_of, projector_page, status_page
from grading.record import TEACHER, Log
from support.marks import FIRST, SECOND

ANA = Student("ana-soto", "Ana Soto")
NOW = datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
STAGE = "stage"
HINT = "hint"


def progress(*did: int | str, other: str = "") -> Progress:
    """How far a student is who did this in one exercise, a minute after the other; numbers are the points of checks."""
    lines: list[dict[str, Any]] = []
    for minute, each in enumerate(did):
        kept = {"kind": "check", "points": each} if isinstance(each, int) else {"kind": each, "facts": {}}
        lines.append({"time": f"2026-03-02T10:{minute:02}:00.000Z", "exercise": FIRST.id, **kept})
    if other:
        lines.append(
            {"time": "2026-03-02T10:20:00.000Z", "exercise": SECOND.id, "kind": "check", "points": 0, "by": TEACHER}
        )
    return progress_of(ANA, Answer(UP), [FIRST, SECOND], lines, NOW)


#: What a student did, and: exercises passed, checks without gain, hints, whether the student is stuck. The next case is a line.
CASES = [
    ((), (0, 0, 0, False)),
    ((STAGE,), (0, 0, 0, False)),
    ((STAGE, 0, 0), (0, 2, 0, False)),
    ((STAGE, 0, HINT, 0, 0), (0, 3, 1, True)),
    ((STAGE, 5, 3, 5, 5), (0, 3, 0, True)),
    ((STAGE, 0, 0, 5), (0, 0, 0, False)),
    ((STAGE, 0, 0, 0, 10), (1, 0, 0, False)),
    ((STAGE, 10, 0, 0, 0), (1, 3, 0, False)),
    ((STAGE, 0, 0, 0, STAGE), (0, 0, 0, False)),
    ((STAGE, 10, STAGE), (0, 0, 0, False)),
]


@pytest.mark.parametrize(("did", "wanted"), CASES)
def test_who_gets_no_further_is_stuck(did: tuple[int | str, ...], wanted: tuple[int, int, int, bool]) -> None:
    """Three checks in a row without a point more, in the exercise that is not passed; a stage that is made anew begins anew."""
    found = progress(*did)
    assert (found.passed, found.checks, found.hints, found.is_stuck) == wanted


def test_what_a_teacher_checks_is_no_work_of_the_students() -> None:
    """Neither where the student is, nor since when."""
    found = progress(STAGE, 0, other="graded")
    assert (found.exercise, found.minutes) == (FIRST.id, 29)


def test_what_was_taken_over_is_passed_and_no_work_of_today() -> None:
    """It was done in another lab, some time ago."""
    taken = {"time": "2026-02-02T10:00:00.000Z", "exercise": FIRST.id, "kind": "mark", "points": 10}
    found = progress_of(ANA, Answer(UP), [FIRST, SECOND], [taken], NOW)
    assert (found.passed, found.exercise) == (1, "")


EVERY = [
    progress(STAGE, 0, 0, 0),
    Progress(Student("beto", "Beto <b>Núñez</b>"), Answer(PARTLY, ("citus-worker-1", "API"))),
    Progress(Student("carla"), Answer(DOWN)),
    Progress(Student("dora"), Answer(NONE)),
]


@pytest.mark.parametrize("language", ["es", "en"])
def test_a_terminal_shows_who_is_how_far_and_what_to_do(language: str) -> None:
    """A row for each, then one line for whatever is not well."""
    page = "\n".join(status_page(EVERY, language, "make class ROSTER=x"))
    for text in (
        "ana-soto",
        f"{FIRST.id} (3 ",
        "citus-worker-1, API",
        "make diagnose LAB=beto",
        "make start LAB=carla",
        "make class ROSTER=x",
    ):
        assert text in page
    assert page.splitlines()[-1].startswith("1 de 4" if language == "es" else "1 of 4")
    assert len(page.splitlines()) == 1 + 4 + 1 + 1 + 3 + 1


def test_a_projector_shows_it_too() -> None:
    """In one file that loads itself again; a name is no markup."""
    page = projector_page("roster", EVERY, "es", NOW, 10)
    assert 'content="10"' in page
    assert "Beto &lt;b&gt;Núñez&lt;/b&gt;" in page
    assert f'<td class="stuck">{FIRST.id} (atascado)</td>' in page
    assert page.count("<tr>") == 1 + len(EVERY)
    assert "http://" not in page.replace("http-equiv", "")


def test_the_record_of_a_lab_that_is_down_is_that_of_its_last_database(tmp_path: Path) -> None:
    """Nobody can ask which one it is now."""
    Log(tmp_path, "lab", "1").add("stage", FIRST.id, facts={})
    Log(tmp_path, "lab", "2").add("stage", SECOND.id, facts={})
    assert [line["exercise"] for line in Log(tmp_path, "lab", "").lines()] == [SECOND.id]
    assert Log(tmp_path, "other", "").lines() == []
