"""An exam is shut before it begins and after it ends, and what counts is what was done between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from grading import exam as exams
from grading.checks import FAILED, NOT_RUN, PASSED
from grading.exercise import ExerciseError
from grading.grade import DOWN
from grading.marks import Student, in_time, marks_of
from grading.record import TEACHER
from support.labs import ROOT
from support.marks import FIRST, SECOND, WAITS, line

PLACE = ROOT / "exercises"
BEGIN, END = datetime(2026, 3, 2, 10, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC)
EXAM = exams.Exam.model_validate({"exercises": [FIRST.id], "from": BEGIN, "to": END})
ANA = Student("ana-soto")
TEXT = f"exercises: [{FIRST.id}]\nfrom: 2026-03-02T10:00:00Z\nto: 2026-03-02T12:00:00Z\n"


def test_an_exam_yml_is_read(tmp_path: Path) -> None:
    """Without hints, unless it says so; a time without a zone is this machine's."""
    path = tmp_path / exams.FILE
    path.write_text(TEXT, encoding="utf-8")
    assert exams.read(path, [PLACE])[0] == EXAM
    path.write_text(TEXT.replace("T10:00:00Z", " 10:00").replace("T12:00:00Z", " 12:00"), encoding="utf-8")
    exam, [each] = exams.read(path, [PLACE])
    assert exam.begin == datetime(2026, 3, 2, 10).astimezone()
    assert (exam.hints, each.id) == (False, FIRST.id)


#: What is wrong in an exam.yml, and what is said: the next case is a line.
WRONG = {
    ("to: 2026", "to: 2025"): "`to` is not after `from`",
    ("from: ", "begin: "): "from: Field required",
    (f"[{FIRST.id}]", "[]"): "exercises: List should have at least 1 item",
    (f"[{FIRST.id}]", "[x]"): "there is no exercise 'x'",
    ("exercises: ", "hint: true\nexercises: "): "hint: Extra inputs are not permitted",
    ("T12:00:00Z", "T25:00:00Z"): "cannot be read: hour must be in 0..23",
}


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change[1])
def test_what_is_wrong_in_an_exam_yml_is_named(tmp_path: Path, change: tuple[str, str]) -> None:
    """With the field."""
    path = tmp_path / exams.FILE
    path.write_text(TEXT.replace(*change), encoding="utf-8")
    with pytest.raises(ExerciseError) as caught:
        exams.read(path, [PLACE])
    assert WRONG[change] in caught.value.text["en"]


@pytest.mark.parametrize(
    ("time", "phase"),
    [
        (BEGIN - timedelta(seconds=1), "before"),
        (BEGIN, "during"),
        (END - timedelta(seconds=1), "during"),
        (END, "after"),
    ],
)
def test_an_exam_is_open_between_its_times(time: datetime, phase: str) -> None:
    """From the first second on, and not in the last one any more."""
    assert EXAM.phase(time) == phase


def test_an_exam_is_found_by_lab_and_exercise(tmp_path: Path) -> None:
    """Of its own class alone, until it is taken away; only the grader's user reads it; one that cannot be read shuts."""
    exams.keep(tmp_path, "curso", EXAM, ["ana-soto"])
    assert exams.exam_of(tmp_path, "ana-soto", FIRST.id) == EXAM
    assert exams.exam_of(tmp_path, "ana-soto", SECOND.id) is None
    assert exams.exam_of(tmp_path, "beto-nunez", FIRST.id) is None
    [path] = (tmp_path / "grading/exams").iterdir()
    assert [each.stat().st_mode & 0o777 for each in (path, path.parent, path.parents[1])] == [0o600, 0o700, 0o700]
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ExerciseError, match="repeat make exam"):
        exams.exam_of(tmp_path, "ana-soto", FIRST.id)
    exams.forget(tmp_path, "curso")
    exams.forget(tmp_path, "curso")
    assert exams.exam_of(tmp_path, "ana-soto", FIRST.id) is None


def at(time: datetime, *verdicts: str, by: str = "") -> dict[str, Any]:
    """A check at a time."""
    made = line(FIRST, *verdicts, time=time.isoformat())
    return {**made, "by": by} if by else made


MINUTE = timedelta(minutes=1)
#: When marks are taken and what the lab is then; when the student checked it before, and what it was; the points that count. The next case is a line.
CASES = {
    "at the end": ((END + MINUTE, PASSED, PASSED), None, 10),
    "at the end, better before": ((END + MINUTE, FAILED, WAITS), (END - MINUTE, PASSED, FAILED), 5),
    "before it began": ((END + MINUTE, FAILED, WAITS), (BEGIN - MINUTE, PASSED, PASSED), 0),
    "a student after the end": ((END + MINUTE, FAILED, WAITS), (END + MINUTE / 2, PASSED, PASSED), 0),
    "marks are taken late": ((END + 60 * MINUTE, PASSED, PASSED), (END - MINUTE, PASSED, FAILED), 5),
    "late, and nothing in time": ((END + 60 * MINUTE, PASSED, PASSED), None, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_what_counts_was_done_in_time(case: str) -> None:
    """A student's check between begin and end, and the state that the teacher finds at the end."""
    (time, *verdicts), before, points = CASES[case]
    now = at(time, *verdicts, by=TEACHER)
    kept = [at(before[0], *before[1:])] if before else []
    marks = marks_of(ANA, [FIRST], *in_time(EXAM, [now], {FIRST.id: [*kept, now]}))
    assert marks.tenths == 100 * points


def test_a_lab_that_is_down_at_the_end_has_no_mark() -> None:
    """It is started, and marks are taken again: what was checked in time counts then."""
    down = line(FIRST, NOT_RUN, reason=DOWN)
    del down["time"]
    assert marks_of(ANA, [FIRST], *in_time(EXAM, [down], {FIRST.id: []})).tenths is None
