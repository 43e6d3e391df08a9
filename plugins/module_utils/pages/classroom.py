# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a teacher reads while the labs of a class are made, and when they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import clip, columns, human_duration


@dataclass
class Progress:
    """How far a student's lab is.

    Attributes:
        lab: its name.
        student: whose it is; empty where the list does not say.
        task: what is being done.
        changed: how many tasks have changed something.
        started: seconds on some clock.
        seconds: how long it took; None while it is being made.
        failures: each task that failed, with its page.
        reason: the first of them in a few words.
        left: what is left in the lab as it is, each with the reason.
        database_port: where its database is; 0 as long as nobody knows, as are the next two.
        api_port: where its API is.
        workers: how many workers it has.
    """

    lab: str
    student: str = ""
    task: str = ""
    changed: int = 0
    started: float = 0.0
    seconds: float | None = None
    failures: list[tuple[str, str]] = field(default_factory=list)
    reason: str = ""
    left: list[str] = field(default_factory=list)
    database_port: int = 0
    api_port: int = 0
    workers: int = 0

    @property
    def state(self) -> str:
        """``up``, ``failed``, or ``...`` while it is being made."""
        if self.failures:
            return "failed"
        return "..." if self.seconds is None else "up"

    def finish(self, now: float) -> bool:
        """Stop the clock; False where that was done before."""
        if self.seconds is not None:
            return False
        self.seconds = now - self.started
        return True


def live_lines(students: Collection[Progress], width: int, height: int) -> list[str]:
    """A line for each student, or one for all where the terminal has no room for so many."""
    if len(students) >= height:
        return [
            clip(f"{_count(students)} ... {next((each.task for each in students if each.seconds is None), '')}", width)
        ]
    widest = max((len(each.lab) for each in students), default=0)
    return [clip(f"{each.lab:{widest}}  {_what(each)}", width) for each in students]


def plain_line(student: Progress) -> str:
    """What is said of a student once, where nobody looks on."""
    return f"{student.lab}: {_what(student)}"


def _what(student: Progress) -> str:
    if student.failures:
        return f"FAILED    {student.failures[0][0]}: {student.reason}"
    if student.seconds is None:
        return f"...       {student.task}"
    return f"up        {human_duration(student.seconds)}"


def _count(students: Collection[Progress]) -> str:
    up = sum(each.state == "up" for each in students)
    failed = sum(each.state == "failed" for each in students)
    return f"{up} of {len(students)} labs are up" + (f", {failed} failed" if failed else "")


def class_page(students: Collection[Progress], seconds: float) -> str:
    """Who is up, where, since when; and below, what failed, and why, and what was left as it is.

    Args:
        students: those of the class.
        seconds: how long all of it took.
    """
    rows = [
        (
            each.student or each.lab,
            each.lab,
            each.state,
            str(each.database_port or "-"),
            str(each.api_port or "-"),
            str(each.workers or "-"),
            str(each.changed),
            f"{each.seconds or 0:.0f}",
        )
        for each in students
    ]
    headings = ("student", "lab", "state", "database", "API", "workers", "changed", "seconds")
    lines = columns(headings, rows, right=range(3, 8))
    for each in students:
        for task, page in each.failures:
            lines += ["", f"FAILED   {each.lab}{f' ({each.student})' if each.student else ''}: {task}", page]
    for text in dict.fromkeys(text for each in students for text in each.left):
        lines += ["", f"LEFT     {', '.join(each.lab for each in students if text in each.left)}", text]
    changed = sum(each.changed for each in students)
    return "\n".join([*lines, "", f"{_count(students)}; changed={changed}; {human_duration(seconds)}."])
