"""Check a lab for all exercises: what a teacher's marks are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grading import labs, record
from grading.checks import NOT_RUN, Verdict
from grading.exercise import Exercise, ExerciseError
from grading.lab import identity
from grading.runner import check_exercises

#: Why an exercise was not checked, as `reason` of its line has it.
DOWN, NOT_BEGUN, ELSEWHERE = "down", "not begun", "elsewhere"
TEXTS = {
    NOT_BEGUN: {"es": "el escenario no está preparado", "en": "its stage is not prepared"},
    ELSEWHERE: {"es": "este laboratorio no tiene lo que necesita", "en": "this lab does not have what it needs"},
}


def check_lab(root: Path, name: str, chosen: Sequence[Exercise], seconds: float = math.inf) -> list[dict[str, Any]]:
    """Check exercises of a lab, and keep a line of the kind `check` for each.

    Args:
        root: the folder of the state (`labs.state()`).
        name: the lab's.
        chosen: which exercises.
        seconds: how long all of it may take.

    Returns:
        The lines, in the order of the exercises. Where one could not be checked, its only verdict is `not run`, and `reason` says why: `not begun`,
        `elsewhere`, or `down`: of a lab that does not answer nothing is kept.

    Raises:
        ExerciseError: there is no such lab.
    """
    lab = labs.find(root, name)
    try:
        log = record.Log(root, lab.name, identity(lab))
    except ExerciseError as error:
        return [
            {"lab": lab.name, "exercise": each.id, "reason": DOWN, **record.summary([_not_run(each, error.text)])}
            for each in chosen
        ]
    reasons = {each.id: ELSEWHERE for each in chosen if not each.can_be_done(lab.target, lab.engine)}
    stages = {}
    for each in chosen:
        facts = log.facts(each.id)
        if facts is not None:
            stages[each.id] = facts
        else:
            reasons.setdefault(each.id, NOT_BEGUN)
    verdicts = check_exercises(lab, [each for each in chosen if each.id not in reasons], stages, seconds)
    lines = []
    for each in chosen:
        reason = reasons.get(each.id, "")
        found = [_not_run(each, TEXTS[reason])] if reason else verdicts[each.id]
        more = {"reason": reason} if reason else {}
        lines.append(log.add("check", each.id, by=record.TEACHER, **more, **record.summary(found)))
    return lines


def _not_run(each: Exercise, reason: dict[str, str]) -> Verdict:
    return Verdict("", NOT_RUN, 0, each.about.points, reason)
