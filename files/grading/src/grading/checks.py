"""Checks of an exercise: functions with a docstring in both languages, points, and what they build on."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grading.lab import Lab

LANGUAGES = ("es", "en")
#: Seconds that a check may take. All checks of an exercise together should stay below 3.
SECONDS = 5.0
PASSED, FAILED, NOT_RUN, BROKEN = "passed", "failed", "not run", "broken"

Function = Callable[["Lab"], None]


class CheckError(Exception):
    """A check.py cannot be used; the message says what is wrong with it."""


class Failed(Exception):  # noqa: N818 - a verdict, not an error of the program
    """What a check raises where the student's lab is not as it should be.

    Args:
        es: what was found instead, in Spanish: it follows the check's docstring.
        en: the same in English.
    """

    def __init__(self, es: str = "", en: str = "") -> None:
        super().__init__(en)
        self.found = {"es": es, "en": en}


@dataclass(frozen=True)
class Check:
    """One check of an exercise.

    Attributes:
        name: the function's.
        points: what it is worth.
        after: the name of the check that it builds on; empty where it builds on none.
        seconds: how long it may take.
        message: what a student reads when it fails, by language.
        function: takes the lab; raises Failed where it is not right.
    """

    name: str
    points: int
    after: str
    seconds: float
    message: dict[str, str]
    function: Function


@dataclass(frozen=True)
class Verdict:
    """What a check came to.

    Attributes:
        name: the check's.
        verdict: passed, failed, not run or broken.
        points: what it gave.
        of: what it could give.
        message: what is missing, or why it was not run or is broken, by language; empty where it passed.
        seconds: how long it took.
        after: the check for which it waits, where that is why it was not run.
    """

    name: str
    verdict: str
    points: int
    of: int
    message: dict[str, str]
    seconds: float = 0.0
    after: str = ""


def check(points: int, after: Function | None = None, seconds: float = SECONDS) -> Callable[[Function], Function]:
    """Make a function a check.

    Args:
        points: what it is worth.
        after: the check that it builds on: where that one did not pass, this one is not run.
        seconds: how long it may take, before it is cut off and counts as broken.
    """

    def mark(function: Function) -> Function:
        function.__check__ = Check(  # type: ignore[attr-defined] # where collect() finds it
            name=function.__name__,
            points=points,
            after=after.__name__ if after else "",
            seconds=seconds,
            message=languages(inspect.getdoc(function) or "", function.__name__),
            function=function,
        )
        return function

    return mark


def languages(docstring: str, name: str) -> dict[str, str]:
    """The two texts of a docstring: `es: ...`, then `en: ...`, each as one line.

    Raises:
        CheckError: a language is missing.
    """
    found = re.fullmatch(r"es: (.+?)\s+en: (.+)", docstring, re.DOTALL)
    if not found:
        raise CheckError(f"the docstring of {name} is not `es: ...`, a blank line, `en: ...`")
    return {language: " ".join(text.split()) for language, text in zip(LANGUAGES, found.groups(), strict=True)}


def collect(namespace: dict[str, Any]) -> list[Check]:
    """The checks that a check.py defines, in its order.

    Raises:
        CheckError: there are none, or one builds on another that does not stand before it.
    """
    checks = [value.__check__ for value in namespace.values() if isinstance(getattr(value, "__check__", None), Check)]
    if not checks:
        raise CheckError("it defines no check: a function under @check(points=...)")
    seen: set[str] = set()
    for each in checks:
        if each.after and each.after not in seen:
            raise CheckError(f"{each.name} builds on {each.after}, which does not stand before it")
        seen.add(each.name)
    return checks
