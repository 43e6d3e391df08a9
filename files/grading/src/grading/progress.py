"""How far a class is while it works: counted from the grader's own record, and shown in a terminal and on a projector."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import columns
from grading.exercise import Exercise
from grading.marks import Student
from grading.record import counting, since_stage

#: So many checks of an exercise in a row that gave no point more, and a student is stuck in it.
STUCK = 3
UP, PARTLY, DOWN, NONE = "up", "partly", "down", "none"
TEXTS = {
    "es": {
        "heading": ("estudiante", "estado", "resueltos", "en", "min"),
        UP: "listo",
        PARTLY: "incompleto",
        DOWN: "no responde",
        NONE: "no creado",
        "total": "{up} de {all} laboratorios listos; {passed} ejercicios resueltos; {stuck} atascados.",
        "stuck": "Atascado: {name} en {exercise} ({checks} comprobaciones sin un punto más, {hints} pistas).",
        "partly lab": "{lab}: no responde {what}. Vea por qué con: make diagnose LAB={lab}",
        "down lab": "{lab}: no responde. Inícielo con: make start LAB={lab}",
        "none lab": "{lab}: todavía no existe. Créelo con: {make}",
        "is stuck": "atascado",
    },
    "en": {
        "heading": ("student", "state", "passed", "at", "min"),
        UP: "up",
        PARTLY: "incomplete",
        DOWN: "down",
        NONE: "not made",
        "total": "{up} of {all} labs are up; {passed} exercises passed; {stuck} stuck.",
        "stuck": "Stuck: {name} in {exercise} ({checks} checks without a point more, {hints} hints).",
        "partly lab": "{lab}: no answer of {what}. See why with: make diagnose LAB={lab}",
        "down lab": "{lab}: does not answer. Start it with: make start LAB={lab}",
        "none lab": "{lab}: is not made yet. Make it with: {make}",
        "is stuck": "stuck",
    },
}
STYLE = """
body { font: 1.4rem system-ui, sans-serif; margin: 2rem; background: #fff; color: #111 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem 1rem; border-bottom: 1px solid #ccc }
.down, .none, .partly { color: #a00 } .stuck { font-weight: bold }
"""
Line = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a lab answers.

    Attributes:
        state: up, partly, down or none.
        silent: the parts that do not answer.
    """

    state: str
    silent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far a student is.

    Attributes:
        student: who.
        answer: what the lab answers.
        passed: how many exercises are passed.
        exercise: the one that the student worked on last, by name; empty where there is none.
        minutes: since then.
        checks: how many of its checks in a row gave no point more.
        hints: how many hints were asked for.
        is_done: whether that one is passed.
    """

    student: Student
    answer: Answer
    passed: int = 0
    exercise: str = ""
    minutes: int = 0
    checks: int = 0
    hints: int = 0
    is_done: bool = False

    @property
    def is_stuck(self) -> bool:
        """Whether the student gets no further by trying."""
        return not self.is_done and self.checks >= STUCK

    @property
    def name(self) -> str:
        """Who it is, in a word."""
        return self.student.name or self.student.lab


def progress_of(
    student: Student, answer: Answer, exercises: Sequence[Exercise], lines: Sequence[Line], now: datetime
) -> Progress:
    """How far a student is, by the record's lines about the lab.

    Args:
        student: who.
        answer: what the lab answers.
        exercises: which ones count.
        lines: in the order in which they were kept.
        now: the time, with its zone.
    """
    points = {each.id: each.about.points for each in exercises}
    since = {name: since_stage(lines, name) for name in points}
    passed = {name for name in points if any(line["points"] == points[name] for line in counting(lines, name))}
    own = [
        line
        for line in lines
        if "by" not in line
        and line["kind"] != "mark"
        and line["exercise"] in points
        and line.get("facts", {}) is not None
    ]
    if not own:
        return Progress(student, answer, len(passed))
    last = own[-1]
    kept = since[last["exercise"]]
    return Progress(
        student,
        answer,
        len(passed),
        last["exercise"],
        max(0, int((now - datetime.fromisoformat(last["time"])).total_seconds() // 60)),
        _without_gain([line["points"] for line in _of("check", kept) if "by" not in line]),
        len(_of("hint", kept)),
        last["exercise"] in passed,
    )


def _of(kind: str, lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line["kind"] == kind]


def _without_gain(points: Sequence[int]) -> int:
    """How many of the last checks gave no more than one before, or than nothing."""
    best, count = 0, 0
    for each in points:
        best, count = (each, 0) if each > best else (best, count + 1)
    return count


def status_page(every: Sequence[Progress], language: str, make: str) -> list[str]:
    """What a teacher reads in a terminal: a row for each student, by lab as commands name it, then who is stuck, and what does not answer.

    Args:
        every: how far each student is.
        language: es or en.
        make: the command that makes labs which are not there yet.
    """
    texts = TEXTS[language]
    rows = [
        (
            each.student.lab,
            str(texts[each.answer.state]),
            str(each.passed),
            each.exercise or "-",
            str(each.minutes) if each.exercise else "-",
        )
        for each in every
    ]
    lines = columns(texts["heading"], rows, right=(2, 4))
    stuck = [
        str(texts["stuck"]).format(name=each.name, exercise=each.exercise, checks=each.checks, hints=each.hints)
        for each in every
        if each.is_stuck
    ]
    silent = [
        str(texts[each.answer.state + " lab"]).format(
            lab=each.student.lab, what=", ".join(each.answer.silent), make=make
        )
        for each in every
        if each.answer.state != UP
    ]
    return [*lines, "", *stuck, *silent, total(every, language)]


def total(every: Sequence[Progress], language: str) -> str:
    """The class in a sentence."""
    return str(TEXTS[language]["total"]).format(
        up=sum(each.answer.state == UP for each in every),
        all=len(every),
        passed=sum(each.passed for each in every),
        stuck=sum(each.is_stuck for each in every),
    )


def projector_page(name: str, every: Sequence[Progress], language: str, now: datetime, seconds: int) -> str:
    """The same as a page of HTML that loads itself again and needs nothing else.

    Args:
        name: the class's.
        every: how far each student is.
        language: es or en.
        now: the time that it shows.
        seconds: after which it is loaded again.
    """
    texts = TEXTS[language]
    rows = []
    for each in every:
        state, exercise = str(texts[each.answer.state]), each.exercise or "-"
        if each.is_stuck:
            exercise += f" ({texts['is stuck']})"
        cells = [each.name, state, str(each.passed), exercise, str(each.minutes) if each.exercise else "-"]
        marks = ["", each.answer.state, "", "stuck" if each.is_stuck else "", ""]
        rows.append(
            "".join(f'<td class="{mark}">{html.escape(cell)}</td>' for mark, cell in zip(marks, cells, strict=True))
        )
    title = html.escape(f"{name}, {now:%H:%M:%S}")
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="{language}"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{seconds}">',
            f"<title>{title}</title><style>{STYLE}</style></head><body>",
            f"<h1>{title}</h1><p>{html.escape(total(every, language))}</p>",
            f"<table><tr>{''.join(f'<th>{html.escape(cell)}</th>' for cell in texts['heading'])}</tr>",
            *(f"<tr>{row}</tr>" for row in rows),
            "</table></body></html>",
            "",
        ]
    )
