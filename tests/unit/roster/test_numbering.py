"""Numbers, names and ports of students: given once, and theirs from then on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.values import name_faults
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.numbering import (
    BLOCK,
    Class,
    Kept,
    Machine,
    enrol,
    group_name,
    kept_text,
    parse_kept,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.table import Row

LINUX = Machine(outgoing=range(32768, 61000))
ANA = Row(2, code="1", first="Ana María", last="Soto Ríos", email="ana@uni.edu")
BETO = Row(3, code="2", first="Beto", last="Núñez", email="beto@uni.edu")
CARLA = Row(4, code="3", first="Carla", last="de la Peña", email="carla@uni.edu")


def enrolled(rows: Iterable[Row], kept: Iterable[Kept] = (), machine: Machine = LINUX) -> Class:
    """The class of rows that are right."""
    group, problems = enrol(list(rows), list(kept), machine)
    assert problems == []
    return group


def given(group: Class) -> dict[str, tuple[int, str, int]]:
    """Number, lab and port, by code."""
    return {each.row.code: (each.kept.number, each.kept.lab, each.kept.port) for each in group.students}


def test_each_gets_a_number_a_name_and_ports() -> None:
    """In the order of the list; the API's port is the block's last."""
    group = enrolled([ANA, BETO, CARLA])
    assert given(group) == {"1": (1, "ana-soto", 16000), "2": (2, "beto-nunez", 16020), "3": (3, "carla-pena", 16040)}
    assert [student.api_port for student in group.students] == [16019, 16039, 16059]
    assert group.left == []


#: What becomes of a list whose students were given something: another list, and whom it has by code.
LATER = {
    "the same": [ANA, BETO, CARLA],
    "sorted anew": [CARLA, BETO, ANA],
    "a name corrected": [replace(ANA, first="Anamaría", last="Sotto"), BETO, CARLA],
    "a code corrected": [replace(ANA, code="100"), BETO, CARLA],
    "another address": [replace(ANA, email="asoto@uni.edu"), BETO, CARLA],
    "without codes": [replace(row, code="") for row in (ANA, BETO, CARLA)],
    "without addresses": [replace(row, email="") for row in (ANA, BETO, CARLA)],
    "names alone, turned around": [
        Row(row.line, first=f"{row.last} {row.first}".upper()) for row in (ANA, BETO, CARLA)
    ],
}


@pytest.mark.parametrize("later", LATER.values(), ids=LATER)
def test_what_was_given_stays(later: list[Row]) -> None:
    """However the list looks the next week."""
    first = enrolled([ANA, BETO, CARLA])
    again = enrolled(later, first.kept)
    assert {each.row.line: (each.kept.number, each.kept.lab, each.kept.port) for each in again.students} == {
        each.row.line: (each.kept.number, each.kept.lab, each.kept.port) for each in first.students
    }
    assert (len(again.kept), again.left) == (3, [])


def test_students_come_and_go_and_come_back() -> None:
    """Nobody gets what another one had."""
    first = enrolled([ANA, BETO])
    second = enrolled([CARLA, ANA], first.kept)
    assert given(second) == {"3": (3, "carla-pena", 16040), "1": (1, "ana-soto", 16000)}
    assert [each.lab for each in second.left] == ["beto-nunez"]
    third = enrolled([BETO, CARLA], second.kept)
    assert given(third) == {"2": (2, "beto-nunez", 16020), "3": (3, "carla-pena", 16040)}


def test_what_is_kept_is_read_back() -> None:
    """And is the same text for the same class."""
    kept = enrolled([ANA, BETO]).kept
    assert parse_kept(kept_text(kept)) == kept
    assert kept_text(reversed(kept)) == kept_text(kept)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 9, "students": []}',
        '{"format": 1, "students": [{"number": 1}]}',
        '{"format": 1, "students": [7]}',
        '{"format": 1, "students": [{"number": 1, "lab": "../x", "port": 16000}]}',
    ],
)
def test_a_file_that_says_something_else_is_refused(text: str) -> None:
    """It is not taken for a class without students, who would all get new labs."""
    with pytest.raises(ValueError, match=r"\w"):
        parse_kept(text)


#: A name, and what the lab is called.
NAMES = [
    (Row(2, first="Ana María", last="Soto Ríos"), "ana-soto"),
    (Row(2, first="Ana María Soto Ríos"), "ana-soto"),
    (Row(2, first="Luis Herrera"), "luis-herrera"),
    (Row(2, first="Luis Herrera Díaz"), "luis-herrera"),
    (Row(2, first="José", last="de la Cruz Ñañez"), "jose-cruz"),
    (Row(2, first="Søren", last="Łuczak"), "soren-luczak"),
    (Row(2, first="María José", last="O'Neil-Díaz"), "maria-o"),
    (Row(2, first="Wolfeschlegelsteinhausen", last="Bergerdorff"), "wolfeschlegelsteinha"),
    (Row(2, first="Pelé"), "pele"),
    (Row(2, first="王", last="伟", email="wang.wei@uni.edu"), "wang-wei"),
    (Row(2, first="王伟"), "student-1"),
    (Row(2, email="20261234@uni.edu"), "student-1"),
    (Row(2, first="Lab"), "lab-1"),
    (Row(2, first="Grupo", groups=("Grupo",)), "grupo-1"),
    (Row(2, first="Ana", lab="la-mejor"), "la-mejor"),
]


@pytest.mark.parametrize(("row", "lab"), NAMES, ids=[lab for _row, lab in NAMES])
def test_a_labs_name_is_legal_everywhere(row: Row, lab: str) -> None:
    """As a namespace, a user and a directory, whatever the student is called."""
    (student,) = enrolled([row]).students
    assert student.kept.lab == lab
    assert name_faults(student.kept.lab) == []


def test_two_of_one_name_have_two_labs() -> None:
    """Also where one of them has left."""
    first = enrolled([ANA, replace(ANA, line=3, code="9", email="a@uni.edu")])
    assert [each.kept.lab for each in first.students] == ["ana-soto", "ana-soto-2"]
    third = replace(ANA, line=4, code="10", email="b@uni.edu")
    assert enrolled([third], first.kept).students[0].kept.lab == "ana-soto-3"


@pytest.mark.parametrize(
    ("section", "group"),
    [
        ("Grupo 1", "grupo_1"),
        ("01", "group_01"),
        ("Sección Á-2", "seccion_a_2"),
        ("***", "group"),
        ("All", "group_all"),
    ],
)
def test_a_section_is_a_group(section: str, group: str) -> None:
    """Of a name that Ansible takes."""
    assert group_name(section) == group


def test_ports_keep_away_from_outgoing_connections_and_other_labs() -> None:
    """A block is whole: 20 ports of nobody else."""
    rows = [Row(line, first=f"E{line}") for line in range(2, 1002)]
    other = range(16021, 16024)
    group = enrolled(rows, machine=Machine(outgoing=LINUX.outgoing, busy=other))
    ports = [port for each in group.students for port in range(each.kept.port, each.kept.port + BLOCK)]
    assert len(ports) == len(set(ports)) == 1000 * BLOCK
    assert not set(ports) & {*LINUX.outgoing, *other}
    assert (min(ports), max(ports) < 65536) == (16000, True)


def test_a_class_that_does_not_fit_is_told() -> None:
    """With how many, and what leaves no room."""
    rows = [Row(line, first=f"E{line}") for line in range(2, 1202)]
    _group, problems = enrol(rows, [], LINUX)
    assert [problem.line for problem in problems] == [1066]
    assert problems[0].text.startswith(
        "and 135 more of 1200 students get no ports: 20 for each fit between 16000 and 65535"
    )


KEPT = [Kept(1, "ana-soto", 16000, "1", "ana@uni.edu", "Ana Soto"), Kept(2, "beto", 16020, "2", "beto@uni.edu", "Beto")]
NEW = Row(5, code="9", first="Zoe", email="zoe@uni.edu")
#: Rows that cannot get what they ask for, and what is said of line 5.
REFUSED = [
    (replace(NEW, number=2), Machine(), "has the number 2, which is Beto's"),
    (Row(5, code="1", number=4), Machine(), "has the number 4, but this student's is 1"),
    (Row(5, code="1", lab="otro"), Machine(), "has the lab otro, but this student's is ana-soto"),
    (Row(5, code="1", email="beto@uni.edu"), Machine(), r"fits the numbers 1 (ana-soto) and 2 (beto)"),
    (replace(NEW, lab="Zoé!"), Machine(), "has the lab 'Zoé!': it has capitals"),
    (replace(NEW, lab="beto"), Machine(), "has the lab beto, a name that is taken"),
    (replace(NEW, lab="all"), Machine(), "has the lab all, a name that is taken"),
    (NEW, Machine(labs={"zoe": 15432}), "would get the lab zoe, which this machine has"),
]


@pytest.mark.parametrize(("row", "machine", "said"), REFUSED)
def test_what_cannot_be_given_is_told(row: Row, machine: Machine, said: str) -> None:
    """By the line."""
    _group, problems = enrol([row], KEPT, machine)
    assert [problem.line for problem in problems] == [5]
    assert problems[0].text.startswith(said)


def test_two_rows_are_not_one_student() -> None:
    """The one has the code, the other the address."""
    _group, problems = enrol([Row(2, code="1"), Row(3, email="ana@uni.edu")], KEPT, Machine())
    assert [(problem.line, problem.text) for problem in problems] == [
        (3, "and line 2 are both the student 1 (ana-soto)")
    ]


def test_a_number_of_the_list_is_taken_and_leaves_no_other_without() -> None:
    """Whoever comes before it in the list gets another one."""
    rows = [ANA, replace(BETO, number=1), CARLA]
    assert [each.kept.number for each in enrolled(rows).students] == [2, 1, 3]


def test_a_lab_that_is_there_is_taken_by_whom_the_list_gives_it() -> None:
    """Where the numbers were lost."""
    (student,) = enrolled([replace(ANA, lab="ana-soto")], machine=Machine(labs={"ana-soto": 16040})).students
    assert (student.kept.lab, student.kept.port) == ("ana-soto", 16040)
