"""The best attempt counts, and what nobody knows is no zero."""

from __future__ import annotations

import pytest

from grading.checks import BROKEN, FAILED, NOT_RUN, PASSED
from grading.grade import DOWN, ELSEWHERE, NOT_BEGUN
from grading.marks import BEGUN, Marks, Result, Student, marks_of
from support.marks import FIRST, SECOND, WAITS, line

ANA = Student("ana-soto", "Ana Soto")
#: What was found now, what an earlier attempt came to, and the points and the state that count: the next case is a line.
CASES = {
    "all of it": ([PASSED, PASSED], None, 10, "passed"),
    "a part": ([PASSED, FAILED], None, 5, "begun"),
    "nothing": ([FAILED, WAITS], None, 0, "begun"),
    "better before": ([FAILED, WAITS], [PASSED, PASSED], 10, "passed"),
    "worse before": ([PASSED, FAILED], [FAILED, WAITS], 5, "begun"),
    "a check is broken": ([PASSED, BROKEN], None, 5, "open"),
    "what it builds on is broken": ([BROKEN, WAITS], None, 0, "open"),
    "a server does not answer": ([NOT_RUN, NOT_RUN], None, 0, "open"),
    "broken, and nothing before": ([BROKEN, BROKEN], [FAILED, WAITS], 0, "open"),
    "broken, and passed before": ([BROKEN, BROKEN], [PASSED, PASSED], 10, "passed"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_an_exercise_came_to(case: str) -> None:
    """By the best attempt; where a part is not known, there is no mark, unless all of it was right before."""
    now, before, points, state = CASES[case]
    kept = [line(FIRST, *before, time="2026-03-01T10:00:00.000Z")] if before else []
    marks = marks_of(ANA, [FIRST], [line(FIRST, *now)], {FIRST.id: kept})
    [result] = marks.results
    assert (result.points, result.state) == (points, state)
    assert marks.tenths == (None if state == "open" else 100 * points)


def test_the_checks_that_are_shown_are_those_that_count() -> None:
    """With the day on which they passed."""
    before = line(FIRST, PASSED, PASSED, time="2026-03-01T10:00:00.000Z")
    [result] = marks_of(ANA, [FIRST], [line(FIRST, PASSED, FAILED)], {FIRST.id: [before]}).results
    assert (result.time, [each["verdict"] for each in result.checks]) == (before["time"], [PASSED, PASSED])


def test_where_a_check_is_broken_it_is_shown_whatever_was_better_before() -> None:
    """Else nobody would read which one it is; the points stay those of the best attempt."""
    before = line(FIRST, PASSED, FAILED, time="2026-03-01T10:00:00.000Z")
    [result] = marks_of(ANA, [FIRST], [line(FIRST, FAILED, BROKEN)], {FIRST.id: [before]}).results
    assert (result.points, [each["verdict"] for each in result.checks]) == (5, [FAILED, BROKEN])


def test_what_was_not_begun_gives_no_points_and_what_cannot_be_done_takes_none() -> None:
    """Of an exercise for another engine nothing is asked."""
    now = [line(FIRST, NOT_RUN, reason=NOT_BEGUN), line(SECOND, PASSED, FAILED)]
    marks = marks_of(ANA, [FIRST, SECOND], now, {})
    assert (marks.points, marks.of, marks.tenths) == (5, 20, 250)
    now[0]["reason"] = ELSEWHERE
    marks = marks_of(ANA, [FIRST, SECOND], now, {})
    assert (marks.points, marks.of, marks.tenths) == (5, 10, 500)


def test_a_lab_that_is_down_has_no_marks() -> None:
    """But a reason."""
    marks = marks_of(ANA, [FIRST], [line(FIRST, NOT_RUN, reason=DOWN)], {})
    assert (marks.results, marks.tenths, marks.reason["en"]) == ((), None, "There is no 1.")


@pytest.mark.parametrize(("points", "tenths"), [(0, 0), (1, 33), (2, 67), (30, 1000)])
def test_a_mark_is_rounded_as_people_do(points: int, tenths: int) -> None:
    """Out of 100, in tenths, here of thirty points."""
    results = [Result(each, BEGUN, points * (number == 0)) for number, each in enumerate([FIRST, SECOND, FIRST])]
    assert Marks(ANA, results).tenths == tenths
