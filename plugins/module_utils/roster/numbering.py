# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What each student of a class has: a number, a lab's name and a block of ports, given once and kept beside the list.

Students come and go, names are corrected, lists are sorted anew: a number stays the student's who got it, and is nobody else's later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.values import name_faults
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.table import Problem, Row, plain

#: The form of the file that this release reads and writes.
FORMAT = 1
#: How many ports a student has: the coordinator's, behind it those of workers, and as the last one the API's.
BLOCK = 20
#: Where the first block begins unless the class says otherwise: above the default lab's ports.
FIRST_PORT = 16000
#: Words of surnames that name nobody.
PARTICLES = ("de", "del", "la", "las", "los", "y", "da", "das", "dos", "van", "von")
#: What no lab of a class is called: Ansible's own groups, and the lab of whoever has no class.
RESERVED = ("all", "ungrouped", "localhost", "lab", "classroom")


@dataclass(frozen=True)
class Kept:
    """What a student was given.

    Attributes:
        number: from 1; nobody else's, ever.
        lab: the lab's name: 1 to 28 of a-z, 0-9 and hyphens, as a namespace, a directory and a user may be called.
        port: the first one of the block.
        code: what the school calls him, as far as the list says; by this, by the address and by the name he is known again.
        email: his address, in small letters.
        name: his name.
    """

    number: int
    lab: str
    port: int
    code: str = ""
    email: str = ""
    name: str = ""


@dataclass(frozen=True)
class Student:
    """A student of the list with what he has."""

    row: Row
    kept: Kept

    @property
    def api_port(self) -> int:
        """The API's port: the last one of the block."""
        return self.kept.port + BLOCK - 1


@dataclass(frozen=True)
class Machine:
    """What limits the choice of ports and names.

    Attributes:
        outgoing: ports that the system gives to outgoing connections.
        busy: ports of labs of this machine that are no student's of this class.
        labs: their names, and where a block of theirs begins.
    """

    outgoing: Collection[int] = ()
    busy: Collection[int] = ()
    labs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Class:
    """A class.

    Attributes:
        students: those of the list, in its order.
        left: what those have who are on the list no more.
        kept: what all have, by number; this is written.
    """

    students: list[Student]
    left: list[Kept]
    kept: list[Kept]


def parse_kept(text: str) -> list[Kept]:
    """What a file says that was written by `kept_text`.

    Raises:
        ValueError: it is not such a file; the message says why.
    """
    data = json.loads(text)
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("students"), list):
        raise ValueError(f"it is no list of students in the format {FORMAT}")
    names = {each.name for each in fields(Kept)}
    try:
        kept = [Kept(**{name: value for name, value in each.items() if name in names}) for each in data["students"]]
    except (AttributeError, TypeError) as error:
        raise ValueError(f"a student lacks what each one has ({error})") from error
    for each in kept:
        if not (isinstance(each.number, int) and isinstance(each.port, int) and not name_faults(each.lab)):
            raise ValueError(f"the student {each.lab!r} has no number, port or lab's name that can be")
    return kept


def kept_text(kept: Iterable[Kept]) -> str:
    """What is written, the same text for the same students."""
    students = [asdict(each) for each in sorted(kept, key=lambda each: each.number)]
    return json.dumps({"format": FORMAT, "students": students}, indent=1, ensure_ascii=False) + "\n"


def enrol(
    rows: Sequence[Row], kept: Sequence[Kept], machine: Machine, first_port: int = FIRST_PORT
) -> tuple[Class, list[Problem]]:
    """Give each row what its student has, or the next number, name and block.

    Args:
        rows: of the list.
        kept: what was given before.
        machine: what limits the choice.
        first_port: where the blocks begin.

    Returns:
        The class, and what stands against it; with a problem, the class is not to be used.
    """
    problems: list[Problem] = []
    known = _Known(kept)
    found: dict[int, Kept | None] = {}
    for row in rows:
        matches = known.of(row)
        if len(matches) > 1:
            numbers = " and ".join(f"{each.number} ({each.lab})" for each in matches)
            problems.append(Problem(row.line, f"fits the numbers {numbers}: correct its code or e-mail"))
        match = matches[0] if matches else None
        if match and row.number not in (None, match.number):
            problems.append(Problem(row.line, f"has the number {row.number}, but this student's is {match.number}"))
        if match and row.lab not in ("", match.lab):
            problems.append(Problem(row.line, f"has the lab {row.lab}, but this student's is {match.lab}"))
        found[row.line] = match
    twice: dict[int, int] = {}
    for line, match in found.items():
        if match and twice.setdefault(match.number, line) != line:
            problems.append(
                Problem(line, f"and line {twice[match.number]} are both the student {match.number} ({match.lab})")
            )
    return _given(rows, found, kept, machine, first_port, problems)


def _given(
    rows: Sequence[Row],
    found: dict[int, Kept | None],
    kept: Sequence[Kept],
    machine: Machine,
    first_port: int,
    problems: list[Problem],
) -> tuple[Class, list[Problem]]:
    numbers, labs = {each.number for each in kept}, {each.lab for each in kept}
    wished = {row.number for row in rows if row.number and not found[row.line]}
    taken = {*RESERVED, *labs, *(group_name(group) for row in rows for group in row.groups)}
    free = _blocks(first_port, machine, {each.port for each in kept})
    unplaced = []
    next_number = max(numbers, default=0) + 1
    students, all_kept = [], {each.number: each for each in kept}
    for row in rows:
        match = found[row.line]
        if match is None:
            number = row.number or 0
            if number in numbers:
                owner = next(each for each in kept if each.number == number)
                problems.append(Problem(row.line, f"has the number {number}, which is {owner.name or owner.lab}'s"))
            if not number:
                while next_number in wished:
                    next_number += 1
                number, next_number = next_number, next_number + 1
            lab = row.lab or _lab_name(row, number, taken)
            problems += _faults_of(row, lab, labs, machine)
            taken.add(lab)
            port = machine.labs[lab] if lab in machine.labs else next(free, 0)
            if not port:
                unplaced.append(row)
            match = Kept(number, lab, port)
        now = Kept(match.number, match.lab, match.port, row.code or match.code, row.email or match.email, row.name)
        students.append(Student(row, now))
        all_kept[now.number] = now
    if unplaced:
        problems.append(_unplaced(unplaced, len(rows), first_port, machine))
    here = {student.kept.number for student in students}
    left = [each for each in kept if each.number not in here]
    return Class(students, left, [all_kept[number] for number in sorted(all_kept)]), problems


def _faults_of(row: Row, lab: str, labs: Collection[str], machine: Machine) -> Iterator[Problem]:
    """What is wrong with the name of a lab that is new to the class."""
    if faults := name_faults(lab):
        yield Problem(row.line, f"has the lab {lab!r}: {'; '.join(faults)}; 1 to 28 of a-z, 0-9 and hyphens are needed")
    elif row.lab in RESERVED or row.lab in labs:
        yield Problem(row.line, f"has the lab {lab}, a name that is taken")
    elif lab in machine.labs and not row.lab:
        yield Problem(
            row.line,
            f"would get the lab {lab}, which this machine has, and no number says that it is this student's: if it is, write"
            f" {lab} in a column `lab` there, else another name; or bring back the file of numbers",
        )


def _unplaced(rows: Sequence[Row], students: int, first_port: int, machine: Machine) -> Problem:
    """That there are not enough ports."""
    outgoing = sorted(machine.outgoing)
    between = (
        f", without {outgoing[0]} to {outgoing[-1]}, which the system gives to outgoing connections" if outgoing else ""
    )
    return Problem(
        rows[0].line,
        f"and {len(rows) - 1} more of {students} students get no ports: {BLOCK} for each fit between {first_port} and 65535{between}."
        " Set a lower first_port in roster.yml, or split the class",
    )


class _Known:
    """Who was given something, to be found by a row."""

    def __init__(self, kept: Iterable[Kept]) -> None:
        self.codes: dict[str, Kept] = {}
        self.emails: dict[str, Kept] = {}
        self.names: dict[str, list[Kept]] = {}
        for each in kept:
            if each.code:
                self.codes[each.code] = each
            if each.email:
                self.emails[each.email] = each
            self.names.setdefault(_words(each.name), []).append(each)

    def of(self, row: Row) -> list[Kept]:
        """Those that the row fits, by code and address; where neither is known, by a name that contradicts neither."""
        by_mark = [self.codes.get(row.code), self.emails.get(row.email)]
        marked = {each.number: each for each in by_mark if each}
        if marked:
            return list(marked.values())
        named = [
            each
            for each in self.names.get(_words(row.name), [])
            if row.name and not (row.code and each.code) and not (row.email and each.email)
        ]
        return named[:1]


def _words(name: str) -> str:
    """A name as it is compared: its words in any order, without accents."""
    return " ".join(sorted(re.findall(r"\w+", plain(name))))


def _lab_name(row: Row, number: int, taken: Collection[str]) -> str:
    """A name for a lab of the student's own: given name and surname, else what stands before the address's @, else the number."""
    given, family = _ascii_words(row.first), _ascii_words(row.last)
    if not family:  # all in one column: of four words, the third is the first surname
        given, family = given[:1], given[-2:] if len(given) > 3 else given[1:]
    family = [word for word in family if word not in PARTICLES] or family
    words = [*given[:1], *family[:1]] or _ascii_words(row.email.partition("@")[0])
    name = re.sub(r"^[^a-z]+", "", "-".join(words))[:20].strip("-")
    if not name:
        return f"student-{number}"
    return f"{name}-{number}" if name in taken else name


def _ascii_words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", plain(text))


def group_name(section: str) -> str:
    """What Ansible calls a section: `Grupo 1` is `grupo_1`."""
    name = "_".join(_ascii_words(section)) or "group"
    return name if name[0].isalpha() and name not in RESERVED else f"group_{name}"


def _blocks(first_port: int, machine: Machine, taken: Collection[int]) -> Iterator[int]:
    """Where blocks begin that nobody has, from below."""
    used = {port // BLOCK for start in taken for port in (start, start + BLOCK - 1)}
    used |= {port // BLOCK for port in machine.busy}
    outgoing = {port // BLOCK for port in machine.outgoing}
    for block in range(-(-first_port // BLOCK), 65536 // BLOCK):
        if block not in used and block not in outgoing:
            yield block * BLOCK
