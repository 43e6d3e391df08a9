"""Lists of students as teachers have them: what is read, and what is said of what cannot be."""

from __future__ import annotations

import re
import unicodedata

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.table import UnreadableError, read_table

ANA = ("Ana María Soto", "ana@uni.edu.co")
BETO = ("Beto Núñez Peña", "beto@uni.edu.co")

#: A list, as bytes, by where it comes from: each has Ana and Beto. The next kind is an entry.
LISTS = {
    "Moodle's participants, Spanish": (
        '\ufeff"Nombre","Apellido(s)","Dirección de correo","Grupos"\n'
        '"Ana María","Soto","Ana@uni.edu.co","Grupo 1, Lunes"\n"Beto","Núñez Peña","beto@uni.edu.co","Grupo 2"\n'
    ).encode(),
    "Moodle's participants, English": (
        b'"First name","Last name","Email address","Groups"\n'
        b'"Ana Mar\xc3\xada",Soto,ana@uni.edu.co,"Grupo 1, Lunes"\nBeto,"N\xc3\xba\xc3\xb1ez Pe\xc3\xb1a",beto@uni.edu.co,"Grupo 2"\n'
    ),
    "Moodle's grades, Spanish": (
        'Nombre,Apellido(s),"Número de ID",Institución,Departamento,"Dirección de correo","Tarea:Taller, 1 (Real)","Última descarga"\n'
        '"Ana María",Soto,,,,ana@uni.edu.co,4.50,1763000000\nBeto,"Núñez Peña",,,,beto@uni.edu.co,-,1763000000\n'
    ).encode(),
    "Moodle's grades, English, tabs": (
        "First name\tSurname\tID number\tInstitution\tDepartment\tEmail address\n"
        "Ana María\tSoto\t\t\t\tana@uni.edu.co\nBeto\tNúñez Peña\t\t\t\tbeto@uni.edu.co\n"
    ).encode(),
    "Google Classroom's grades": (
        b"Last Name,First Name,Email Address,Taller 1,Taller 2\r\nDate,,,2026-08-10,2026-08-17\r\nPoints,,,100,100\r\n"
        b"Class Average,,,71,80\r\nSoto,Ana Mar\xc3\xada,ana@uni.edu.co,71,80\r\nN\xc3\xba\xc3\xb1ez Pe\xc3\xb1a,Beto,beto@uni.edu.co,,\r\n"
    ),
    "Google Classroom's grades, Spanish": (
        "Apellidos,Nombre,Dirección de correo electrónico,Taller 1\nFecha,,,2026-08-10\nPuntos,,,100\n"
        "Soto,Ana María,ana@uni.edu.co,71\nNúñez Peña,Beto,beto@uni.edu.co,\n"
    ).encode(),
    "Excel, Spanish, Windows-1252": (
        "sep=;\r\n\r\n;;\r\nCorreo electrónico;Apellidos;Nombres\r\nana@uni.edu.co;Soto;Ana María\r\n;;\r\n\r\n"
        "beto@uni.edu.co;Núñez Peña;Beto\r\n;;\r\n"
    ).encode("cp1252"),
    "Excel, CSV UTF-8": (
        '\ufeffNOMBRE COMPLETO;CORREO\r\nAna María Soto;ana@uni.edu.co\r\n"Núñez Peña, Beto";beto@uni.edu.co\r\n'
    ).encode(),
    "Excel, Unicode text": (
        "Nombre\tCorreo\r\nAna  María Soto \tANA@uni.edu.co\r\nBeto Núñez Peña\tbeto@uni.edu.co\r\n"
    ).encode("utf-16"),
    "an old Macintosh's": b"Nombre,Correo\rAna Mar\xc3\xada Soto,ana@uni.edu.co\rBeto N\xc3\xba\xc3\xb1ez Pe\xc3\xb1a,beto@uni.edu.co\r",
    "accents in two characters": unicodedata.normalize(
        "NFD", "Código,Nombre,Correo\n,Ana María Soto,ana@uni.edu.co\n,Beto Núñez Peña,beto@uni.edu.co\n"
    ).encode(),
}


@pytest.mark.parametrize("content", LISTS.values(), ids=LISTS)
def test_a_list_is_read_as_it_comes(content: bytes) -> None:
    """Whoever made it: two students, by name and address."""
    rows, problems = read_table(content)
    assert problems == []
    assert [(row.name, row.email) for row in rows] == [ANA, BETO]


def test_all_columns_are_read_in_any_order() -> None:
    """Sections, too, of which a student has several."""
    content = "Grupo;Cuenta;Número;Laboratorio;Correo;Nombre;Código\nA, B;asoto;7;ana;ana@uni.edu;Ana;20\n".encode()
    (row,), problems = read_table(content)
    assert problems == []
    assert (row.code, row.groups, row.number, row.account, row.lab, row.line) == (
        "20",
        ("A", "B"),
        7,
        "asoto",
        "ana",
        2,
    )


def test_columns_can_be_named_and_left_out() -> None:
    """Where a header means nothing by itself, or something else."""
    content = b"Doc;Nombre;Numero;Correo personal;Correo\n1;Ana;88;a@x.co;ana@uni.edu\n"
    (row,), problems = read_table(content, {"code": "doc.", "number": ""})
    assert problems == []
    assert (row.code, row.number, row.email) == ("1", None, "ana@uni.edu")


#: A list that has no row to read, and what is said: the next case is a line.
UNREADABLE = [
    (b"", "it is empty"),
    (b"\n;;\n", "it is empty"),
    (b"PK\x03\x04\x14", "Save as > CSV UTF-8"),
    (b"Nombre\nAna\0\n", "line 2 is no text"),
    (b"Nombre\nAna\n\x81\n", "line 3 is no text"),
    (b"Nombre;Correo\n", "it has no student: line 1"),
    (b"Last Name,First Name,Email Address\nDate,,\n", "it has no student"),
    (
        b"Ana Soto;ana@uni.edu\nBeto;b@uni.edu\n",
        "line 1 has no header that means a name.*'Ana Soto', 'ana@uni.edu'.*Nombre;Correo",
    ),
    (b'Nombre;Correo\n\n"Ana;a@x.co\nBeto;b@x.co\n', "line 3: a quotation mark is not closed"),
    (b"Nombre;Correo;E-mail\nAna;a@x.co;a@y.co\n", "line 1: the columns 'Correo', 'E-mail' mean email"),
]


@pytest.mark.parametrize(("content", "said"), UNREADABLE)
def test_what_is_no_list_is_told(content: bytes, said: str) -> None:
    """With the line, and what helps."""
    with pytest.raises(UnreadableError, match=f"(?s){said}"):
        read_table(content)


def test_a_column_that_is_named_and_not_there_is_told() -> None:
    """With those that are."""
    with pytest.raises(
        UnreadableError, match="no column 'Documento', which `columns` names for code; it has: 'Nombre', 'Doc'"
    ):
        read_table(b"Nombre,Doc\nAna,1\n", {"code": "Documento"})


HEADER = "Código;Nombre;Correo;Número;Cuenta;Lab\n1;Ana;ana@uni.edu;1;ana;ana\n"
#: A third line below `HEADER`, and what is said of it.
WRONG = [
    (";Beto;;;;", "has no code and no e-mail"),
    ("2;;beto@uni.edu;;;", "has no name"),
    ("2;Beto;beto;;;", "has the e-mail 'beto'"),
    ("2;Beto;a@x.co, b@x.co;;;", "has the e-mail 'a@x.co, b@x.co'"),
    ("2;Beto;;dos;;", "has the number 'dos'"),
    ("2;Beto;;0;;", "has the number '0'"),
    ("2;Beto;;-3;;", "has the number '-3'"),
    ("2;Beto;;;Beto N;", "has the account 'Beto N'"),
    ("1;Beto;;;;", "has the code 1, as line 2 has"),
    ("2;Beto;ANA@uni.edu;;;", "has the e-mail ana@uni.edu, as line 2 has"),
    ("2;Beto;;1;;", "has the number 1, as line 2 has"),
    ("2;Beto;;;ana;", "has the account ana, as line 2 has"),
    ("2;Beto;;;;ana", "has the lab ana, as line 2 has"),
    ("2;Beto;;;;;;x", "has 8 cells, and 6 headers"),
]


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_a_row_that_is_wrong_missing_or_double_is_told(line: str, said: str) -> None:
    """By its line."""
    _rows, problems = read_table(f"{HEADER}{line}\n".encode())
    assert [problem.line for problem in problems] == [3]
    assert problems[0].text.startswith(said)


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Blank lines count, and cells of two lines."""
    lines = [line for line, _said in WRONG]
    content = f"{HEADER}\n" + "".join(f"{line}\n" for line in lines) + '9;"Dos\nlíneas";x@y.co;;;\n9;Z;;;;\n'
    _rows, problems = read_table(content.encode())
    assert {problem.line for problem in problems} == {*range(4, 4 + len(lines)), 4 + len(lines) + 2}


def test_the_same_name_twice_is_double_only_where_nothing_else_tells_them_apart() -> None:
    """Two students may well be called alike."""
    assert read_table(b"Nombre;Correo\nAna Soto;a@x.co\nAna Soto;b@x.co\n")[1] == []
    (problem,) = read_table("Nombre\nAna Sotó\nAna Soto\n".encode())[1]
    assert re.match("has the name Ana Soto, as line 2 has", problem.text)
