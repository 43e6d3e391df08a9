"""Marks as files: pages to read, CSV for Moodle, JUnit XML, JSON. Everything here is text; `class_program` writes it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from grading.checks import BROKEN, FAILED, NOT_RUN, PASSED
from grading.exercise import Exercise
from grading.marks import ABSENT, BEGUN, NEW, OPEN, Marks, Result, unknown

FORMAT = 1
#: What is written for a decimal sign, and the separator of cells that goes with it: a spreadsheet that has a comma for the one has a semicolon for
#: the other. Moodle's import asks for the separator; a point is a number for it in every language, a comma where the site's language has it.
DECIMALS = {"point": (".", ","), "comma": (",", ";")}
#: What Moodle takes for "no grade".
NO_GRADE = "-"
#: What XML cannot hold.
CONTROLS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
TEXTS = {
    "es": {
        "marks of": "Notas de {name}",
        "the class": "Notas de {name}, {day}",
        "lab": "Laboratorio `{lab}`, {day}.",
        "mark": "**{mark} de 100**: {points} de {of} puntos.",
        "no mark": "Todavía sin nota: {why}.",
        "again": "hay que volver a calificar {exercises}",
        "exercises": ("ejercicio", "estado", "puntos", "fecha"),
        "checks": ("comprobación", "resultado", "puntos", "qué falta"),
        "class": ("estudiante", "laboratorio", "nota de 100", "puntos", "resueltos"),
        "each": "Por ejercicio",
        "graded": "{graded} de {all} estudiantes tienen nota.",
        "without": "Sin nota",
        "strangers": "Laboratorios de esta máquina que no son de nadie en la lista: {labs}. No se calificaron.",
        "id": "Número de ID",
        "email": "Dirección de correo",
        "total": "Nota de 100",
        "comments": "{exercise}: comentarios",
        "handed": "Comprobado en la máquina del estudiante; entregado el {day}.",
        "handed in": "Comprobado en la máquina del estudiante",
        "no id": "no tiene ni código ni correo con el que Moodle lo reconozca",
        PASSED: "resuelto",
        BEGUN: "empezado",
        NEW: "sin empezar",
        ABSENT: "no en este laboratorio",
        OPEN: "por calificar",
        "check passed": "pasa",
        "check failed": "falla",
        "check not run": "sin probar",
        "check broken": "dañada",
    },
    "en": {
        "marks of": "Marks of {name}",
        "the class": "Marks of {name}, {day}",
        "lab": "Lab `{lab}`, {day}.",
        "mark": "**{mark} of 100**: {points} of {of} points.",
        "no mark": "No mark yet: {why}.",
        "again": "{exercises} must be graded again",
        "exercises": ("exercise", "state", "points", "date"),
        "checks": ("check", "verdict", "points", "what is missing"),
        "class": ("student", "lab", "mark of 100", "points", "passed"),
        "each": "By exercise",
        "graded": "{graded} of {all} students have a mark.",
        "without": "Without a mark",
        "strangers": "Labs of this machine that are nobody's on the list: {labs}. They were not graded.",
        "id": "ID number",
        "email": "Email address",
        "total": "Mark of 100",
        "comments": "{exercise}: feedback",
        "handed": "Checked on the student's machine; handed in on {day}.",
        "handed in": "Checked on the student's machine",
        "no id": "has neither a code nor an e-mail by which Moodle could know the student",
        PASSED: "passed",
        BEGUN: "begun",
        NEW: "not begun",
        ABSENT: "not in this lab",
        OPEN: "to be graded",
        "check passed": "passed",
        "check failed": "failed",
        "check not run": "not run",
        "check broken": "broken",
    },
}


def say(language: str, text: str, /, **values: object) -> str:
    """A sentence of a page."""
    return str(TEXTS[language][text]).format(**values)


def mark_text(marks: Marks, decimal: str = "point") -> str:
    """The mark out of 100, with one decimal; `-` where there is none."""
    return NO_GRADE if marks.tenths is None else f"{marks.tenths // 10}{DECIMALS[decimal][0]}{marks.tenths % 10}"


def why(marks: Marks, language: str) -> str:
    """Why there is no mark; empty where there is one."""
    if marks.reason:
        return marks.reason[language]
    still = [
        f"{each.exercise.id} ({': '.join(filter(None, (check['name'], said(check, language))))})"
        for each in marks.results
        if each.state == OPEN
        for check in unknown(each.checks)[:1]
    ]
    return say(language, "again", exercises=", ".join(still)) if still else ""


def student_page(marks: Marks, day: str, language: str) -> str:
    """A student's page, in Markdown: every check, and what is missing."""
    student = marks.student
    head = [f"# {cell(say(language, 'marks of', name=student.name or student.lab))}", ""]
    head += [say(language, "lab", lab=student.lab, day=day), "", total(marks, language)]
    if not marks.results:
        return "\n".join([*head, ""])
    rows = [
        (title(each.exercise, language), say(language, each.state), f"{each.points}/{each.of}", day_of(each.time))
        for each in marks.results
    ]
    lines = [*head, "", *table(TEXTS[language]["exercises"], rows)]
    for each in marks.results:
        lines += ["", f"## {cell(title(each.exercise, language))}", ""]
        if each.reason:
            lines.append(cell(sentence(each.reason[language])))
            continue
        if each.handed_in:
            lines += [say(language, "handed", day=day_of(each.handed_in)), ""]
        checks = [
            (
                check["name"],
                say(language, f"check {check['verdict']}"),
                f"{check['points']}/{check['of']}",
                said(check, language),
            )
            for check in each.checks
        ]
        lines += table(TEXTS[language]["checks"], checks)
    return "\n".join([*lines, ""])


def total(marks: Marks, language: str) -> str:
    """The mark, or why there is none, in a sentence."""
    if marks.tenths is None:
        return say(language, "no mark", why=why(marks, language).rstrip("."))
    sign = {"es": "comma", "en": "point"}[language]
    return say(language, "mark", mark=mark_text(marks, sign), points=marks.points, of=marks.of)


def class_page(name: str, every: Sequence[Marks], strangers: Sequence[str], day: str, language: str) -> str:
    """The class in Markdown: a row for each student, one for each exercise, who has no mark and why.

    Args:
        name: the class's.
        every: marks of each student, in the order of the list.
        strangers: labs of this machine that are nobody's on the list.
        day: on which it was graded.
        language: es or en.
    """
    sign = {"es": "comma", "en": "point"}[language]
    rows = [
        (
            each.student.name or each.student.lab,
            each.student.lab,
            mark_text(each, sign),
            f"{each.points}/{each.of}" if each.results else NO_GRADE,
            f"{sum(result.state == PASSED for result in each.results)}/{sum(result.of > 0 for result in each.results)}"
            if each.results
            else NO_GRADE,
        )
        for each in every
    ]
    graded = say(language, "graded", graded=sum(each.tenths is not None for each in every), all=len(every))
    lines = [f"# {cell(say(language, 'the class', name=name, day=day))}", "", graded, ""]
    lines += table(TEXTS[language]["class"], rows)
    without = [
        f"- {cell(each.student.name or each.student.lab)}: {cell(why(each, language))}"
        for each in every
        if each.tenths is None
    ]
    if without:
        lines += ["", f"## {say(language, 'without')}", "", *without]
    handed = [
        f"- {cell(marks.student.name or marks.student.lab)} ({day_of(each[0].handed_in)}):"
        f" {', '.join(result.exercise.id for result in each)}"
        for marks in every
        if (each := [result for result in marks.results if result.handed_in])
    ]
    if handed:
        lines += ["", f"## {say(language, 'handed in')}", "", *handed]
    if strangers:
        lines += ["", say(language, "strangers", labs=", ".join(strangers))]
    return "\n".join([*lines, "", f"## {say(language, 'each')}", "", *by_exercise(every, language), ""])


def by_exercise(every: Sequence[Marks], language: str) -> list[str]:
    """How many students are how far, exercise by exercise."""
    states = (PASSED, BEGUN, NEW, OPEN)
    counts: dict[str, dict[str, int]] = {}
    for marks in every:
        for result in marks.results:
            if result.state != ABSENT:
                count = counts.setdefault(title(result.exercise, language), dict.fromkeys(states, 0))
                count[result.state] += 1
    heading = (TEXTS[language]["exercises"][0], *(say(language, state) for state in states))
    return table(heading, [(name, *map(str, count.values())) for name, count in counts.items()])


def moodle_csv(every: Sequence[Marks], language: str, decimal: str = "point") -> tuple[str, dict[str, str]]:
    """A file that Moodle's import of grades takes, and whom it leaves out, with the reason.

    Moodle does not take a row whose student's cell is empty for nobody's, but for the one's above it; and what it finds in a cell replaces the grade that is
    there. So all rows are known by the same column, and who has no mark yet has no row; an exercise that nobody has a mark in has no column, nor has the
    mark out of 100 then, which not everybody has.

    Args:
        every: marks of each student.
        language: of headings and feedback.
        decimal: point or comma.

    Returns:
        The text (UTF-8), and the reason by the name of each lab that has no row.
    """
    separator = DECIMALS[decimal][1]
    by_code = sum(bool(each.student.code) for each in every) >= sum(bool(each.student.email) for each in every)
    known = [each.id for each in exercises_of(every) if any(is_marked(result) for result in results_of(every, each.id))]
    left, rows, totals = {}, [], []
    for marks in every:
        mark = marks.student.code if by_code else marks.student.email
        results = {each.exercise.id: each for each in marks.results}
        if not mark:
            left[marks.student.lab] = say(language, "no id")
        elif marks.reason or any(results[name].state == OPEN for name in known):
            left[marks.student.lab] = why(marks, language)
        else:
            cells = [text for name in known for text in (grade(results[name]), feedback(results[name], language))]
            rows.append([mark, *cells])
            totals.append(mark_text(marks, decimal))
    titles = [title(each, language) for each in exercises_of(every) if each.id in known]
    heading = [say(language, "id" if by_code else "email")]
    heading += [text for name in titles for text in (name, say(language, "comments", exercise=name))]
    if NO_GRADE not in totals:
        heading.append(say(language, "total"))
        rows = [[*row, text] for row, text in zip(rows, totals, strict=True)]
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows([heading, *rows])
    return out.getvalue(), left


def is_marked(result: Result) -> bool:
    """Whether there is a mark for an exercise."""
    return result.state not in (OPEN, ABSENT)


def grade(result: Result) -> str:
    """What Moodle reads of an exercise."""
    return str(result.points) if is_marked(result) else NO_GRADE


def feedback(result: Result, language: str) -> str:
    """What a student reads of an exercise in Moodle: in one line, what is missing; where nothing is, that it passed."""
    if result.reason:
        return sentence(result.reason[language])
    missing = [
        f"{check['name']} ({say(language, 'check ' + check['verdict'])}): {said(check, language)}"
        for check in result.checks
        if check["verdict"] != PASSED
    ]
    where = [say(language, "handed", day=day_of(result.handed_in))] if result.handed_in else []
    return " ".join([*where, *(map(ended, missing) if missing else [sentence(say(language, PASSED))])])


def exercises_of(every: Sequence[Marks]) -> list[Exercise]:
    """The exercises, in order, each once."""
    return list({result.exercise.id: result.exercise for marks in every for result in marks.results}.values())


def results_of(every: Sequence[Marks], name: str) -> Iterator[Result]:
    """What all students did of an exercise."""
    return (result for marks in every for result in marks.results if result.exercise.id == name)


def junit_xml(every: Sequence[Marks], language: str) -> str:
    """A suite for each student, a case for each check: failed, broken (an error), not run (skipped); what was checked elsewhere says so."""
    root = ElementTree.Element("testsuites")
    for marks in every:
        suite = ElementTree.SubElement(root, "testsuite", name=marks.student.lab)
        if marks.reason:
            _case(suite, "lab", {"name": marks.student.lab, "verdict": NOT_RUN, "message": marks.reason}, language)
        for result in marks.results:
            for check in result.checks or [{"name": "", "verdict": NOT_RUN, "message": result.reason}]:
                where = f" ({say(language, 'handed in')})" if result.handed_in else ""
                _case(suite, f"{result.exercise.id}{where}", check, language)
        cases = list(suite)
        suite.set("tests", str(len(cases)))
        for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(name, str(sum(case.find(kind) is not None for case in cases)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, exercise: str, check: Mapping[str, Any], language: str) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=exercise, name=check["name"] or exercise)
    case.set("time", f"{check.get('seconds', 0):.3f}")
    kind = {FAILED: "failure", BROKEN: "error", NOT_RUN: "skipped"}.get(check["verdict"])
    if kind:
        ElementTree.SubElement(case, kind, message=CONTROLS.sub("?", said(check, language)))


def as_json(name: str, every: Sequence[Marks], strangers: Sequence[str], day: str) -> str:
    """All of it for other programs, in both languages: `format`, `class`, `day`, `students`, `strangers`."""
    students = [
        {
            "lab": marks.student.lab,
            "name": marks.student.name,
            "code": marks.student.code,
            "email": marks.student.email,
            "groups": list(marks.student.groups),
            "points": marks.points,
            "of": marks.of,
            "mark": None if marks.tenths is None else marks.tenths / 10,
            "reason": dict(marks.reason),
            "exercises": [
                {
                    "id": each.exercise.id,
                    "state": each.state,
                    "points": each.points,
                    "of": each.of,
                    "time": each.time,
                    "handed_in": each.handed_in,
                    "reason": dict(each.reason),
                    "checks": list(each.checks),
                }
                for each in marks.results
            ],
        }
        for marks in every
    ]
    whole = {"format": FORMAT, "class": name, "day": day, "students": students, "strangers": list(strangers)}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def title(exercise: Exercise, language: str) -> str:
    """What an exercise is called, with its name, so that no two are called the same."""
    return f"{getattr(exercise.about.title, language)} ({exercise.id})"


def day_of(time: str) -> str:
    """The day of a time of the record, as this machine's clock had it; empty where there is none."""
    return datetime.fromisoformat(time).astimezone().date().isoformat() if time else ""


def said(check: Mapping[str, Any], language: str) -> str:
    """What a check says, in one line."""
    return " ".join(str(check["message"].get(language, "")).split())


def sentence(text: str) -> str:
    """A text that begins and ends as a sentence."""
    return ended(f"{text[:1].upper()}{text[1:]}")


def ended(text: str) -> str:
    """A text that ends as a sentence."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown."""
    lines = [heading, ["---"] * len(heading), *rows]
    return [f"| {' | '.join(map(cell, line))} |" for line in lines]


def cell(text: str) -> str:
    """A text as a cell of a page has it: what a student's lab or a list says is no markup."""
    return re.sub(r"([\\|<*`\[\]])", r"\\\1", " ".join(text.split()))
