"""A block of the sample: 1000 patients and their consultations, written in one transaction.

A block whose load was interrupted is simply loaded again. Usually nothing of it is there. Where
something is (an engine without two-phase commit can end half-way; a person registered a cédula of
ours; somebody deleted a patient whose consultations grow), the first row that does not fit is
refused by a key, and the block looks at what is there and adds only what is missing. Looking first,
always, would cost a question to every partition of every block.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

import psycopg

from historia_clinica.load import sample
from historia_clinica.load.catalogue import DOCTORS
from historia_clinica.sql import statement

BLOCK = 1000

# What PostgreSQL adds to the hash of a partition key of one column (hash_combine64). Only the order
# of rows comes from it: were it wrong, the load would be slower and nothing else.
HASH_COMBINE = 0x49A0F4DD15E5A8E3

Connection = psycopg.Connection[tuple[Any, ...]]


class Size(NamedTuple):
    """How much of a block is there or asked for."""

    patients: int
    per_patient: int

    @property
    def consultations(self) -> int:
        """Consultations of the whole block."""
        return self.patients * self.per_patient

    def at_least(self, other: Size) -> Size:
        """Return what holds both: a block grows in either direction and never shrinks."""
        return Size(max(self.patients, other.patients), max(self.per_patient, other.per_patient))


class Added(NamedTuple):
    """Rows that were written."""

    patients: int
    consultations: int


NOTHING = Size(0, 0)


def recorded(connection: Connection, seed: int) -> dict[int, Size]:
    """Return the blocks of a seed that are finished, by number from 1."""
    rows = connection.execute(statement("chunks"), {"seed": seed})
    return {block: Size(patients, consultations // max(1, patients)) for block, patients, consultations in rows}


def asked(patients: int, per_patient: int) -> dict[int, Size]:
    """Return the blocks that hold so many patients, by number from 1."""
    return {
        block: Size(min(BLOCK, patients - (block - 1) * BLOCK), per_patient)
        for block in range(1, -(-patients // BLOCK) + 1)
    }


def add_doctors(connection: Connection) -> int:
    """Insert the doctors of the sample that are missing and return how many those were."""
    ids = {"ids": [doctor.id for doctor in DOCTORS]}
    present = {row[0] for row in connection.execute(statement("doctors_present"), ids)}
    missing = [vars(doctor) for doctor in DOCTORS if doctor.id not in present]
    if missing:
        # One transaction: where doctors are copied to every node, its commit waits for them once.
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(statement("doctor_insert"), missing)
    return len(missing)


def complete(connection: Connection, seed: int, block: int, wanted: Size) -> Added:
    """Bring a block up to the wanted size and record it.

    Args:
        connection: in autocommit mode.

    Raises:
        psycopg.Error: the database refused; nothing of this call is recorded.
    """
    try:
        return _attempt(connection, seed, block, wanted, look=False)
    except (psycopg.IntegrityError, psycopg.InternalError):
        # Citus reports what a worker refused during COPY as an internal error (XX000).
        return _attempt(connection, seed, block, wanted, look=True)


class _OfSomebody(Protocol):
    @property
    def cedula(self) -> str: ...


_Someone = TypeVar("_Someone", bound=_OfSomebody)


class _Person(NamedTuple):
    """What a block has to write of one patient; no row where the record says it was written."""

    cedula: str
    created: str
    row: str | None
    consultations: dict[str, str]


def _attempt(connection: Connection, seed: int, block: int, wanted: Size, *, look: bool) -> Added:
    with connection.transaction():
        connection.execute(statement("chunk_lock"), {"seed": seed, "block": block})
        have = recorded(connection, seed).get(block, NOTHING)
        target = have.at_least(wanted)
        if target == have:
            return Added(0, 0)
        first = (block - 1) * BLOCK + 1
        people = [
            _person(seed, first + place, have if place < have.patients else NOTHING, target)
            for place in range(target.patients)
        ]
        people = in_order_of_parts(connection, people)
        if look:
            people = _missing(connection, people)
        patients = [person.row for person in people if person.row]
        consultations = [row for person in people for row in person.consultations.values()]
        _copy(connection, "copy_patients", patients)
        _copy(connection, "copy_consultations", consultations)
        connection.execute(
            statement("chunk_finished"),
            {
                "seed": seed,
                "block": block,
                "patients": target.patients,
                "consultations": target.consultations,
            },
        )
    return Added(len(patients), len(consultations))


def _person(seed: int, number: int, have: Size, target: Size) -> _Person:
    patient = sample.patient(seed, number)
    rows = (
        sample.consultation(seed, number, patient, which)
        for which in range(have.per_patient + 1, target.per_patient + 1)
    )
    return _Person(
        patient.cedula,
        patient.created,
        None if have.patients else patient.row,
        {row.id: row.row for row in rows},
    )


def in_order_of_parts(connection: Connection, people: list[_Someone]) -> list[_Someone]:
    """Put together what lies together: COPY sends rows to a foreign partition in one go.

    In any order it would send a few rows to each of many partitions, again and again; and two processes that write the same people would
    wait for each other.
    """
    cedulas = {"cedulas": [person.cedula for person in people]}
    rows = connection.execute(statement("partition_hashes"), cedulas)
    part = {cedula: (key + HASH_COMBINE) % 2**64 % max(1, parts) for cedula, key, parts in rows}
    return sorted(people, key=lambda person: (part[person.cedula], person.cedula))


def _missing(connection: Connection, people: list[_Person]) -> list[_Person]:
    """Keep what is not there yet; nothing of patients who were deleted or are somebody else's."""
    cedulas = {"cedulas": [person.cedula for person in people]}
    present: dict[str, datetime] = dict(connection.execute(statement("patients_present"), cedulas).fetchall())
    ids = {key.hex for (key,) in connection.execute(statement("consultations_present"), cedulas)}
    kept = []
    for person in people:
        created = present.get(person.cedula)
        deleted = created is None and person.row is None
        of_others = created is not None and created != datetime.fromisoformat(person.created)
        if not deleted and not of_others:
            kept.append(
                person._replace(
                    row=person.row if created is None else None,
                    consultations={key: row for key, row in person.consultations.items() if key not in ids},
                )
            )
    return kept


def _copy(connection: Connection, name: str, rows: list[str]) -> None:
    if rows:
        with connection.cursor().copy(statement(name)) as copy:
            copy.write("".join(rows))
