"""A student's marks: what the grader's record says that each exercise came to.

The best attempt since the stage was made counts, as `make check` promises. What could not be found out, because a server does not answer or a check is
broken, is no zero: there is no mark then, until it is graded again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grading.checks import BROKEN, FAILED, NOT_RUN, PASSED
from grading.exam import Exam
from grading.exercise import Exercise
from grading.grade import DOWN, ELSEWHERE, NOT_BEGUN

#: What an exercise came to, beside passed: begun, not begun, not of this lab, not known.
BEGUN, NEW, ABSENT, OPEN = "begun", "new", "elsewhere", "open"
#: What is said of an exercise of an exam without an attempt in its time.
NOTHING = {"es": "no se comprobó nada durante el examen", "en": "nothing was checked in the exam's time"}
#: What is said of an exercise that a student with a lab elsewhere has not handed in.
NOT_HANDED_IN = {"es": "no está en la entrega", "en": "it is not in the file that was handed in"}
Line = Mapping[str, Any]


@dataclass(frozen=True)
class Student:
    """Whose marks they are, as the list has it.

    Attributes:
        lab: the lab's name.
        name: the student's; empty where the list does not say, as are the next ones.
        code: what the school calls the student.
        email: the address, in small letters.
        groups: the sections.
    """

    lab: str
    name: str = ""
    code: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What an exercise came to.

    Attributes:
        exercise: which one.
        state: passed, begun, new, elsewhere or open.
        points: what the attempt that counts gave.
        checks: its checks, as the record has them; where it is open, those of now.
        time: when that was (UTC).
        reason: by language, why nothing was checked; empty where something was.
        handed_in: when the student made the file that it is from, on another machine (UTC); empty where it was checked here.
    """

    exercise: Exercise
    state: str
    points: int = 0
    checks: Sequence[Line] = ()
    time: str = ""
    reason: Mapping[str, str] = field(default_factory=dict)
    handed_in: str = ""

    @property
    def of(self) -> int:
        """What it could give: nothing where the lab cannot have it."""
        return 0 if self.state == ABSENT else self.exercise.about.points


@dataclass(frozen=True)
class Marks:
    """What a student did.

    Attributes:
        student: whose they are.
        results: of each exercise; none where the lab could not be checked.
        reason: by language, why it could not be; empty where it was.
    """

    student: Student
    results: Sequence[Result] = ()
    reason: Mapping[str, str] = field(default_factory=dict)

    @property
    def points(self) -> int:
        """All points."""
        return sum(each.points for each in self.results)

    @property
    def of(self) -> int:
        """What all exercises could give."""
        return sum(each.of for each in self.results)

    @property
    def is_known(self) -> bool:
        """Whether it is known what each exercise came to."""
        return not self.reason and all(each.state != OPEN for each in self.results)

    @property
    def tenths(self) -> int | None:
        """The mark, out of 100, in tenths; None where there is none."""
        return (2000 * self.points + self.of) // (2 * self.of) if self.is_known and self.of else None


def marks_of(
    student: Student, exercises: Sequence[Exercise], now: Sequence[Line], kept: Mapping[str, Sequence[Line]]
) -> Marks:
    """A student's marks.

    Args:
        student: whose they are.
        exercises: which ones count.
        now: what `check_lab` gave for them, in that order.
        kept: the checks of each exercise that count (`record.counting`), by its name.
    """
    down = next((line for line in now if line.get("reason") == DOWN), None)
    if down:
        return Marks(student, reason=down["checks"][0]["message"])
    found = zip(exercises, now, strict=True)
    return Marks(student, [result_of(each, line, kept.get(each.id, ())) for each, line in found])


def with_handed_in(marks: Marks, exercises: Sequence[Exercise], handed: Mapping[str, Result], has_lab: bool) -> Marks:
    """A student's marks with what was handed in of exercises that were not checked here; what was checked here stays as it is.

    Args:
        marks: what was found here.
        exercises: which ones count.
        handed: the results of the student's file, by exercise.
        has_lab: whether the student has a lab here: one that does not answer may know better.
    """
    if not handed or (marks.reason and has_lab):
        return marks
    here = {each.exercise.id: each for each in marks.results}
    found = [here.get(each.id, Result(each, NEW, reason=NOT_HANDED_IN)) for each in exercises]
    results = [handed.get(each.exercise.id, each) if each.state in (NEW, ABSENT) else each for each in found]
    return Marks(marks.student, results)


def in_time(
    exam: Exam, now: Sequence[Line], kept: Mapping[str, Sequence[Line]]
) -> tuple[list[Line], dict[str, list[Line]]]:
    """What counts in an exam of what `marks_of` takes: attempts between its begin and its end.

    Where marks are taken later, what a lab is by then is no attempt; who has made none in time has no points.
    """
    counted = {name: [line for line in lines if exam.counts(line)] for name, lines in kept.items()}

    def at_the_end(line: Line) -> Line:
        if line.get("reason") == DOWN or exam.counts(line):
            return line
        last: Line = {**line, "points": 0, "reason": NOT_BEGUN, "checks": [{"message": NOTHING}]}
        return max(counted.get(line["exercise"], ()), key=lambda each: each["time"], default=last)

    return [at_the_end(line) for line in now], counted


def result_of(exercise: Exercise, now: Line, kept: Sequence[Line]) -> Result:
    """What an exercise came to, by what it came to now, and before."""
    is_open = now.get("reason") not in (ELSEWHERE, NOT_BEGUN)
    if not is_open and not kept:
        state = ABSENT if now["reason"] == ELSEWHERE else NEW
        return Result(exercise, state, reason=now["checks"][0]["message"], time=now["time"])
    counts = max((*kept, now) if is_open else kept, key=lambda line: (line["points"], line["time"]))
    if counts["points"] == exercise.about.points:
        return Result(exercise, PASSED, counts["points"], counts["checks"], counts["time"])
    if is_open and unknown(now["checks"]):  # what is shown is why, and not an attempt in which all was known
        return Result(exercise, OPEN, counts["points"], now["checks"], now["time"])
    return Result(exercise, BEGUN, counts["points"], counts["checks"], counts["time"])


def unknown(checks: Sequence[Line]) -> list[Line]:
    """The checks that did not pass for another reason than that one failed: they, or what they build on, are broken, or nobody answered."""
    known = {each["name"]: each for each in checks}

    def root(each: Line) -> Line:
        return root(known[each["after"]]) if each["verdict"] == NOT_RUN and each.get("after") in known else each

    return [
        each
        for each in checks
        if each["verdict"] not in (PASSED, FAILED) and root(each)["verdict"] in (BROKEN, NOT_RUN)
    ]
