"""The files of a class's marks: what a person reads, and what Moodle, CI and other programs take."""

from __future__ import annotations

import csv
import io
import json
import time
from xml.etree import ElementTree

import pytest

from grading.checks import BROKEN, FAILED, NOT_RUN, PASSED
from grading.grade import DOWN, NOT_BEGUN
from grading.marks import Marks, Student, marks_of
from grading.reports import as_json, class_page, junit_xml, moodle_csv, student_page, title
from support.marks import FIRST, SECOND, WAITS, line
from support.moodle import Gradebook

ANA = Student("ana-soto", "Ana Soto", "2026001", "ana@uni.edu")
BETO = Student("beto-nunez", "Beto Núñez", "2026002", "beto@uni.edu")
CARLA = Student("carla-pena", "Carla Peña", "2026003", "carla@uni.edu")
NOW = {
    ANA: [line(FIRST, PASSED, PASSED), line(SECOND, PASSED, FAILED)],
    BETO: [line(FIRST, FAILED, WAITS), line(SECOND, NOT_RUN, reason=NOT_BEGUN)],
    CARLA: [line(FIRST, NOT_RUN, reason=DOWN), line(SECOND, NOT_RUN, reason=DOWN)],
}
CLASS = [marks_of(student, [FIRST, SECOND], now, {}) for student, now in NOW.items()]
NAMES = [title(each, "es") for each in (FIRST, SECOND)]


def read(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a CSV as Moodle reads it: none has more or fewer cells than the heading, and no two headings are the same."""
    heading, *rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    assert len(set(heading)) == len(heading)
    return [dict(zip(heading, row, strict=True)) for row in rows]


def test_moodle_gets_points_and_feedback_of_each_exercise() -> None:
    """A student is known by the code; who has no mark has no row, so that an import takes no earlier grade away."""
    text, left = moodle_csv(CLASS, "es")
    assert read(text) == [
        {
            "Número de ID": "2026001",
            NAMES[0]: "10",
            f"{NAMES[0]}: comentarios": "Resuelto.",
            NAMES[1]: "5",
            f"{NAMES[1]}: comentarios": "check-2 (falla): No hay 2.",
            "Nota de 100": "75.0",
        },
        {
            "Número de ID": "2026002",
            NAMES[0]: "0",
            f"{NAMES[0]}: comentarios": "check-1 (falla): No hay 1. check-2 (sin probar): No hay 2.",
            NAMES[1]: "0",
            f"{NAMES[1]}: comentarios": "No hay 1.",
            "Nota de 100": "0.0",
        },
    ]
    assert left == {"carla-pena": "No hay 1."}


@pytest.mark.parametrize(("decimal", "separator", "sign"), [("point", ",", "."), ("comma", ";", ",")])
def test_moodle_reads_back_what_was_marked(decimal: str, separator: str, sign: str) -> None:
    """Each student's points, whether the class has a decimal point or a comma; imported again, all is as it was."""
    course = Gradebook(each.code for each in (ANA, BETO, CARLA))
    text, _left = moodle_csv(CLASS, "es", decimal)
    for _time in range(2):
        course.take(text, separator, sign)
        assert course.grades == {
            ANA.code: {NAMES[0]: 10, NAMES[1]: 5, "Nota de 100": 75},
            BETO.code: {NAMES[0]: 0, NAMES[1]: 0, "Nota de 100": 0},
            CARLA.code: {},
        }
        assert course.feedback[ANA.code] == {NAMES[0]: "Resuelto.", NAMES[1]: "check-2 (falla): No hay 2."}


def test_moodle_loses_no_grade_by_an_import() -> None:
    """Neither of who has no mark this time, nor of an exercise that broke for all, nor the mark out of 100, which nobody has then."""
    course = Gradebook(each.code for each in (ANA, BETO, CARLA))
    course.take(moodle_csv([marks_of(each, [FIRST, SECOND], NOW[ANA], {}) for each in NOW], "es")[0])
    broken = line(SECOND, BROKEN, WAITS)
    now = {ANA: [line(FIRST, PASSED, FAILED), broken], BETO: [NOW[BETO][0], broken], CARLA: NOW[CARLA]}
    course.take(moodle_csv([marks_of(each, [FIRST, SECOND], now[each], {}) for each in now], "es")[0])
    assert course.grades == {
        ANA.code: {NAMES[0]: 5, NAMES[1]: 5, "Nota de 100": 75},
        BETO.code: {NAMES[0]: 0, NAMES[1]: 5, "Nota de 100": 75},
        CARLA.code: {NAMES[0]: 10, NAMES[1]: 5, "Nota de 100": 75},
    }


def test_every_row_for_moodle_says_whose_it_is() -> None:
    """An empty cell would be taken for the student of the row above; where more have an e-mail, that is what they are known by."""
    nameless = [Marks(Student(each.student.lab, email=each.student.email), each.results) for each in CLASS[:2]]
    assert [row["Dirección de correo"] for row in read(moodle_csv(nameless, "es")[0])] == [
        "ana@uni.edu",
        "beto@uni.edu",
    ]
    mixed = [CLASS[0], Marks(Student("x"), CLASS[1].results)]
    text, left = moodle_csv(mixed, "en")
    assert [row["ID number"] for row in read(text)] == ["2026001"]
    assert left == {"x": "has neither a code nor an e-mail by which Moodle could know the student"}


def test_what_is_broken_for_all_has_no_column_and_for_one_he_has_no_row() -> None:
    """A check's own fault is never a zero."""
    broken = line(SECOND, BROKEN, WAITS)
    some = [marks_of(ANA, [FIRST, SECOND], NOW[ANA], {}), marks_of(BETO, [FIRST, SECOND], [NOW[BETO][0], broken], {})]
    text, left = moodle_csv(some, "es")
    assert [row["Número de ID"] for row in read(text)] == ["2026001"]
    assert left == {"beto-nunez": f"hay que volver a calificar {SECOND.id} (check-1: No hay 1.)"}
    every = [marks_of(each, [FIRST, SECOND], [NOW[each][0], broken], {}) for each in (ANA, BETO)]
    text, left = moodle_csv(every, "es")
    assert [list(row) for row in read(text)] == [["Número de ID", NAMES[0], f"{NAMES[0]}: comentarios"]] * 2
    assert left == {}


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es", ["# Notas de Ana Soto", "**75,0 de 100**: 15 de 20 puntos.", "| check-2 | falla | 0/5 | No hay 2. |"]),
        (
            "en",
            ["# Marks of Ana Soto", "**75.0 of 100**: 15 of 20 points.", "| check-2 | failed | 0/5 | There is no 2. |"],
        ),
    ],
)
def test_a_student_reads_what_is_missing(language: str, said: list[str]) -> None:
    """Exercise by exercise, and check by check."""
    page = student_page(CLASS[0], "2026-03-02", language).splitlines()
    assert [text for text in said if text not in page] == []
    assert f"| {title(FIRST, language)} | " in "\n".join(page)


def test_a_student_without_a_mark_reads_why() -> None:
    """A lab that is down, a stage that was not prepared."""
    assert "No mark yet: There is no 1." in student_page(CLASS[2], "2026-03-02", "en")
    assert "not begun | 0/10 |" in student_page(CLASS[1], "2026-03-02", "en")


def test_what_a_lab_says_is_no_markup() -> None:
    """Neither a column more, nor a link, nor HTML."""
    told = line(FIRST, PASSED, FAILED)
    told["checks"][1]["message"]["en"] = "Found `x` | [a](b)\n<script>"
    page = student_page(marks_of(ANA, [FIRST], [told], {}), "2026-03-02", "en")
    assert r"| check-2 | failed | 0/5 | Found \`x\` \| \[a\](b) \<script> |" in page


def test_the_class_has_a_row_for_each_student_and_says_who_has_no_mark() -> None:
    """And which labs of the machine are nobody's."""
    page = class_page("roster", CLASS, ["vieja"], "2026-03-02", "en")
    for text in (
        "| Ana Soto | ana-soto | 75.0 | 15/20 | 1/2 |",
        "| Beto Núñez | beto-nunez | 0.0 | 0/20 | 0/2 |",
        "| Carla Peña | carla-pena | - | - | - |",
        "2 of 3 students have a mark.",
        "- Carla Peña: There is no 1.",
        "nobody's on the list: vieja.",
        f"| {title(SECOND, 'en')} | 0 | 1 | 1 | 0 |",
    ):
        assert text in page


def test_junit_has_a_suite_for_each_student() -> None:
    """Failed is a failure, broken an error, not run is skipped; what XML cannot hold is a question mark."""
    told = line(SECOND, BROKEN, FAILED)
    told["checks"][1]["message"]["en"] = "a\x00b"
    every = [*CLASS, marks_of(ANA, [SECOND], [told], {})]
    suites = list(ElementTree.fromstring(junit_xml(every, "en")))  # noqa: S314 # written by what is tested
    counts = [[suite.get(name) for name in ("name", "tests", "failures", "errors", "skipped")] for suite in suites]
    assert counts == [
        ["ana-soto", "4", "1", "0", "0"],
        ["beto-nunez", "3", "1", "0", "2"],
        ["carla-pena", "1", "0", "0", "1"],
        ["ana-soto", "2", "1", "1", "0"],
    ]
    case = suites[0][3]
    assert (case.get("classname"), case.get("name")) == (SECOND.id, "check-2")
    failure = suites[3].find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "a?b"


def test_other_programs_get_all_of_it() -> None:
    """A mark is a number, none is null; messages are in both languages."""
    read = json.loads(as_json("roster", CLASS, ["vieja"], "2026-03-02"))
    assert [each["mark"] for each in read["students"]] == [75.0, 0.0, None]
    assert read["students"][2]["reason"] == {"es": "No hay 1.", "en": "There is no 1."}
    assert (read["class"], read["day"], read["strangers"]) == ("roster", "2026-03-02", ["vieja"])
    assert read["students"][0]["exercises"][1]["checks"][1]["message"]["es"] == "No hay 2."


@pytest.mark.parametrize(("zone", "day"), [("UTC", "2026-03-02"), ("America/Bogota", "2026-03-01")])
def test_the_day_of_an_attempt_is_the_teachers(zone: str, day: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of Greenwich."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        marks = marks_of(ANA, [FIRST], [line(FIRST, PASSED, PASSED, time="2026-03-02T01:00:00.000Z")], {})
        assert f"| passed | 10/10 | {day} |" in student_page(marks, day, "en")
    finally:
        monkeypatch.undo()
        time.tzset()
