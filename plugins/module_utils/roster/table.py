# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""A teacher's list, as it comes: the rows of a CSV file, and everything that is wrong with them, by line.

Lists come from Moodle, from Google Classroom, from a spreadsheet: in UTF-8 or Windows-1252, with commas, semicolons or tabs,
in Spanish or English, their columns in any order.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: What a column may mean, and the headers that are taken for it as `key` makes them: those of Moodle's participants and grades
#: ("Apellido(s)", "Número de ID"), of Google Classroom's grades ("Email Address"), of Moodle's upload, and what people write.
HEADERS: dict[str, tuple[str, ...]] = {
    "code": ("code", "codigo", "codigoestudiantil", "idnumber", "numerodeid", "studentid", "matricula"),
    "name": ("name", "fullname", "nombrecompleto", "nombresyapellidos", "apellidosynombres", "estudiante", "student"),
    "first": ("firstname", "givenname", "nombre", "nombres"),
    "last": ("lastname", "surname", "familyname", "apellido", "apellidos"),
    "email": (
        *("email", "emailaddress", "mail", "correo", "correoelectronico"),
        *("direcciondecorreo", "direcciondecorreoelectronico", "direcciondeemail"),
    ),
    "group": ("group", "groups", "group1", "grupo", "grupos", "section", "seccion"),
    "number": ("number", "numero"),
    "account": ("account", "cuenta"),
    "lab": ("lab", "laboratorio"),
}
#: What Google Classroom writes in the first column of rows that are no student's.
SUMMARIES = ("date", "fecha", "points", "puntos", "classaverage", "promediodelaclase")
DELIMITERS = ",;\t"
#: Letters that are no letter with an accent.
LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"})
EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>]+")
ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


@dataclass(frozen=True)
class Problem:
    """What is wrong at a line of the list; line 0 means all of it."""

    line: int
    text: str


@dataclass(frozen=True)
class Row:
    """A student as the list has him.

    Attributes:
        line: where his row begins, from 1.
        code: what the school calls him; empty where the list has no such column, as are the next ones.
        first: given names; all of the name, where the list has it in one column.
        last: surnames.
        email: his address, in small letters.
        groups: the sections that he is in.
        number: what he is to be in the class; None leaves that to the class.
        account: what he is called on the server.
        lab: what his lab is to be called.
    """

    line: int
    code: str = ""
    first: str = ""
    last: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()
    number: int | None = None
    account: str = ""
    lab: str = ""

    @property
    def name(self) -> str:
        """The name in one line."""
        return f"{self.first} {self.last}".strip()


class UnreadableError(Exception):
    """No row can be read; the message says what was found, and what helps."""


def plain(text: str) -> str:
    """A text in small letters without accents."""
    parts = unicodedata.normalize("NFKD", text.casefold().translate(LETTERS))
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def key(header: str) -> str:
    """What is compared of a header: letters and digits, small, without accents, and without what stands in brackets."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\(.*?\)", "", plain(header)))


def decoded(content: bytes) -> str:
    """The text of a file that a spreadsheet or a web page saved.

    Raises:
        UnreadableError: it is no text, or in none of the encodings that they use.
    """
    if content.startswith(b"PK\x03\x04"):
        raise UnreadableError(
            "it is a spreadsheet's own file, not CSV: in the spreadsheet, File > Save as > CSV UTF-8 (Guardar como > CSV UTF-8)"
        )
    encodings = ["utf-16"] if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            continue
        if "\0" not in text:
            return unicodedata.normalize("NFC", text)
        line = text[: text.index("\0")].count("\n") + 1
    raise UnreadableError(
        f"line {line} is no text in UTF-8 or Windows-1252: save the list as CSV UTF-8, or remove what is odd there"
    )


def read_table(content: bytes, columns: Mapping[str, str] | None = None) -> tuple[list[Row], list[Problem]]:
    """The students of a list, and what is wrong with it.

    Args:
        content: the file.
        columns: the header that means something, for whatever `HEADERS` does not find by itself; an empty one is no column.

    Returns:
        The rows that can be read, in their order, and the problems of all others.

    Raises:
        UnreadableError: there is no row at all, or no header that means something.
    """
    text = decoded(content)
    said = re.fullmatch(r'"?sep=(.)"?\r?', text.partition("\n")[0])  # a spreadsheet's own line about the separator
    begin = 1 if said else 0
    body = text.partition("\n")[2] if said else text
    delimiter = said[1] if said else _delimiter(body, columns or {})
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    lines: list[tuple[int, list[str]]] = []
    line = begin + 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((line, [" ".join(cell.split()) for cell in cells]))
            line = begin + reader.line_num + 1
    except csv.Error as error:
        raise UnreadableError(
            f"line {line}: a quotation mark is not closed, or stands inside of a cell ({error})"
        ) from error
    if not lines:
        raise UnreadableError("it is empty: a line of headers and a line for each student are needed")
    (line, header), *rows = lines
    meaning = _meaning(line, header, columns or {})
    taken = [(number, cells) for number, cells in rows if not _is_summary(cells, meaning)]
    if not taken:
        raise UnreadableError(f"it has no student: line {line} has the headers, and nothing stands below")
    return _rows(taken, meaning, len(header))


def _delimiter(body: str, columns: Mapping[str, str]) -> str:
    """What separates the cells: that with which most headers mean something."""
    header = next((line for line in io.StringIO(body, newline=None) if line.strip()), "")
    known = {name for names in HEADERS.values() for name in names} | {key(name) for name in columns.values()}

    def fit(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([header], delimiter=delimiter), [])
        return sum(key(cell) in known for cell in cells), len(cells)

    return max(DELIMITERS, key=fit)


def _meaning(line: int, header: list[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Which column means what.

    Raises:
        UnreadableError: none names a student, two mean the same, or one that was asked for is not there.
    """
    keys = [key(cell) for cell in header]
    found: dict[str, int] = {}
    for what, names in HEADERS.items():
        asked = columns.get(what)
        if asked == "":
            continue
        wanted = names if asked is None else (key(asked),)
        places = [place for place, name in enumerate(keys) if name and name in wanted]
        if asked is not None and not places:
            raise UnreadableError(
                f"line {line} has no column {asked!r}, which `columns` names for {what}; it has: {_listed(header)}"
            )
        if len(places) > 1:
            twice = ", ".join(repr(header[place]) for place in places)
            raise UnreadableError(
                f"line {line}: the columns {twice} mean {what}, each of them: name one in `columns` of roster.yml, or rename the others"
            )
        if places:
            found[what] = places[0]
    if "first" in found and "last" not in found and "name" not in found:
        found["name"] = found.pop("first")  # "Nombre" alone is all of the name
    if not {"name", "first", "code", "email"} & set(found):
        raise UnreadableError(
            f"line {line} has no header that means a name, an e-mail or a code; it has: {_listed(header)}."
            " Put a line such as Nombre;Correo;Grupo above the students, or name the columns in `columns` of roster.yml"
        )
    return found


def _listed(header: Iterable[str]) -> str:
    return ", ".join(repr(cell) for cell in header if cell) or "nothing"


def _is_summary(cells: list[str], meaning: Mapping[str, int]) -> bool:
    """Whether a row is one of Google Classroom's own: it names no student, and says so in its first cell."""
    email = meaning.get("email")
    return key(cells[0]) in SUMMARIES and (email is None or not "".join(cells[email : email + 1]))


def _rows(
    lines: list[tuple[int, list[str]]], meaning: Mapping[str, int], width: int
) -> tuple[list[Row], list[Problem]]:
    problems: list[Problem] = []
    values: list[tuple[int, dict[str, str]]] = []
    for line, cells in lines:
        if any(cells[width:]):
            problems.append(
                Problem(
                    line, f"has {len(cells)} cells, and {width} headers: put a name with a comma in quotation marks"
                )
            )
            continue
        values.append((line, {what: "".join(cells[place : place + 1]) for what, place in meaning.items()}))
    # A column that the school never fills is none.
    filled = {what for _line, cells in values for what, cell in cells.items() if cell}
    marks = [what for what in ("code", "email") if what in filled]
    identifying: Sequence[str] = marks or ("name", "first")
    rows = []
    for line, student in values:
        faults = list(_faults(student, filled, identifying))
        problems += [Problem(line, fault) for fault in faults]
        if not faults:
            rows.append(_row(line, student))
    return rows, problems + doubles(rows)


def _faults(cells: Mapping[str, str], filled: set[str], identifying: Sequence[str]) -> Iterable[str]:
    """What is wrong with one row."""
    if not any(cells.get(what) for what in identifying):
        words = {"code": "code", "email": "e-mail", "name": "name", "first": "name"}
        yield f"has no {' and no '.join(dict.fromkeys(words[what] for what in identifying))}"
    elif filled & {"name", "first"} and not (cells.get("name") or cells.get("first")):
        yield "has no name"
    if (email := cells.get("email", "")) and not EMAIL.fullmatch(email):
        yield f"has the e-mail {email!r}: one such as ana@uni.edu.co is needed"
    if (number := cells.get("number", "")) and not (re.fullmatch("[0-9]{1,5}", number) and int(number)):
        yield f"has the number {number!r}: a whole one from 1 on is needed, or none"
    if (account := cells.get("account", "")) and not ACCOUNT.fullmatch(account):
        yield f"has the account {account!r}: up to 32 of a-z, 0-9, - and _ are needed, a letter first"


def _row(line: int, cells: Mapping[str, str]) -> Row:
    first, last = cells.get("first", ""), cells.get("last", "")
    if "name" in cells:
        last, comma, first = cells["name"].partition(",")
        first, last = (first.strip(), last.strip()) if comma else (cells["name"], "")
    number = cells.get("number", "")
    return Row(
        line,
        code=cells.get("code", ""),
        first=first,
        last=last,
        email=cells.get("email", "").lower(),
        groups=tuple(part.strip() for part in re.split("[,;]", cells.get("group", "")) if part.strip()),
        number=int(number) if number else None,
        account=cells.get("account", ""),
        lab=cells.get("lab", ""),
    )


def doubles(rows: Iterable[Row]) -> list[Problem]:
    """Rows that claim what another one has."""
    seen: dict[tuple[str, object], int] = {}
    problems = []
    for row in rows:
        claims: dict[str, object] = {
            "code": row.code,
            "e-mail": row.email,
            "number": row.number,
            "account": row.account,
            "lab": row.lab,
            "name": "" if row.code or row.email else plain(row.name),
        }
        shown = {**claims, "name": row.name}
        for what, value in claims.items():
            if not value:
                continue
            other = seen.setdefault((what, value), row.line)
            if other != row.line:
                problems.append(Problem(row.line, f"has the {what} {shown[what]}, as line {other} has"))
    return problems
