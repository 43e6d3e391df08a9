"""Lines of the grader's record, for tests of what is made of them."""

from __future__ import annotations

from typing import Any

from grading.checks import NOT_RUN, PASSED
from grading.exercise import Exercise, exercises
from support.labs import ROOT

#: Two exercises of the project, of ten points each.
FIRST, SECOND = [each for each in exercises([ROOT / "exercises"]) if each.about.points == 10][:2]


def line(
    exercise: Exercise, *verdicts: str, time: str = "2026-03-02T10:00:00.000Z", reason: str = ""
) -> dict[str, Any]:
    """A line of the record with two checks of five points each, of which the second one builds on the first."""
    checks = [
        {
            "name": f"check-{number}",
            "verdict": verdict.removesuffix(" after"),
            "points": 5 * (verdict == PASSED),
            "of": 5,
            "message": {} if verdict == PASSED else {"es": f"No hay {number}.", "en": f"There is no {number}."},
            "seconds": 0.5,
            "after": "check-1" if verdict.endswith(" after") else "",
        }
        for number, verdict in enumerate(verdicts, 1)
    ]
    points = sum(5 * (verdict == PASSED) for verdict in verdicts)
    made: dict[str, Any] = {"exercise": exercise.id, "points": points, "of": 10, "checks": checks, "time": time}
    return {**made, "reason": reason} if reason else made


WAITS = f"{NOT_RUN} after"
