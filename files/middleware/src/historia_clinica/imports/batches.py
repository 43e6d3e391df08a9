"""A batch of records, written in one transaction: its patients and consultations, and beside each patient who brought them.

It is written as if nothing of it were there, which is so for most files; where the database refuses a row, the batch looks at what is
there and leaves that out. So the same file imported again, or the rest of one that was interrupted, adds what is missing and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import errors
from psycopg.rows import dict_row

from historia_clinica import diagnoses
from historia_clinica.imports.mapping import KEY, PATIENT
from historia_clinica.imports.records import TAKEN, Consultation, Doctor, Record, Refused, unlike
from historia_clinica.load.blocks import Connection, in_order_of_parts
from historia_clinica.redaction import told
from historia_clinica.schemas import COLOMBIA, ConsultaDatos, PacienteNuevo
from historia_clinica.sql import statement

#: Who imports is the lab's administrator, and says so in what is kept of changes.
ROLE = "administrador"
ACTION = "registro"
#: A batch that another process was in the way of is written again, so many times at most.
ATTEMPTS = 5
MISSING = "cedula: no hay paciente con el documento {}."
CONSULTATION = tuple(ConsultaDatos.model_fields)
_CROSSED = (errors.DeadlockDetected, errors.LockNotAvailable, errors.SerializationFailure, errors.UniqueViolation)
#: Citus reports what a worker refused during COPY as an internal error (XX000), as it does with much else.
_REFUSED = (psycopg.IntegrityError, psycopg.DataError, psycopg.InternalError)


class Who(NamedTuple):
    """Who imports, and what: kept beside each row."""

    name: str
    reason: str


class Written(NamedTuple):
    """What became of a batch."""

    patients: int
    consultations: int
    present: int  # rows that said nothing new
    refused: list[Refused]

    def and_then(self, other: Written) -> Written:
        """Return what became of both."""
        return Written(
            self.patients + other.patients,
            self.consultations + other.consultations,
            self.present + other.present,
            self.refused + other.refused,
        )


def doctors(connection: Connection) -> list[Doctor]:
    """Return all doctors."""
    return [Doctor(str(number), *rest) for number, *rest in connection.execute(statement("import_doctors"))]


def codes(connection: Connection) -> frozenset[str] | None:
    """Return the codes of all diagnoses of the lab, or None where others may come in."""
    there = connection.execute(statement("import_diagnoses")).fetchall()
    return None if any(may for _code, may in there) else frozenset(code for code, _may in there)


def write(connection: Connection, records: Sequence[Record], who: Who) -> Written:
    """Write what of the records is not there.

    Args:
        connection: in autocommit mode.

    Raises:
        psycopg.Error: the database failed; nothing of this batch is there, or, where an engine commits on each node by itself, what is
            there is found by the next call.
    """
    if not records:
        return Written(0, 0, 0, [])
    _let_in(connection, records)
    written = _tried(connection, records, who)
    if isinstance(written, Written):
        return written
    if not isinstance(written, _REFUSED):
        raise written
    if len(records) > 1:
        # The database refuses one of them: halves go on, until that one stands alone.
        middle = len(records) // 2
        first, second = (write(connection, half, who) for half in (records[:middle], records[middle:]))
        return first.and_then(second)
    if isinstance(written, psycopg.InternalError):
        raise written
    return Written(0, 0, 0, [Refused(records[0].line, records[0].fields, told(written))])


def _let_in(connection: Connection, records: Sequence[Record]) -> None:
    """Let in the codes of diagnoses that the lab does not know, with their mark; committed at once, as the copies of the table need it."""
    used = {code for one in records if one.consultation for code in diagnoses.used(one.consultation.data).values()}
    if used:
        for code, _may in connection.execute(statement("diagnoses_missing"), {"codigos": sorted(used)}).fetchall():
            with suppress(errors.UniqueViolation):  # another process let it in meanwhile
                connection.execute(statement("diagnosis_insert"), {"codigo": code})


def _tried(connection: Connection, records: Sequence[Record], who: Who) -> Written | psycopg.Error:
    """Return what became of the records; or why the database refuses them, though what is there was left out."""
    looked = False
    for left in reversed(range(ATTEMPTS)):
        try:
            with connection.transaction():
                return _write(connection, records, who, look=looked)
        except (*_CROSSED, *_REFUSED) as error:
            if not left or (looked and not isinstance(error, _CROSSED)):
                return error
            looked = True
    raise AssertionError("the last attempt returns")


def look(connection: Connection, records: Sequence[Record], _who: Who) -> Written:
    """Return what would become of the records beside what is there; raises psycopg.Error."""
    return _sorted_out(connection, records, look=True)[0]


def _write(connection: Connection, records: Sequence[Record], who: Who, *, look: bool) -> Written:
    written, patients, consultations = _sorted_out(connection, in_order_of_parts(connection, list(records)), look=look)
    _copy(connection, "import_patients", [[getattr(patient, field) for field in PATIENT] for patient in patients])
    _copy(connection, "import_consultations",
          [[cedula, one.id, *(getattr(one.data, field) for field in CONSULTATION)] for cedula, one in consultations])  # fmt: skip
    brought = [(patient.cedula, "pacientes", patient.cedula) for patient in patients]
    brought += [(cedula, "consultas", str(one.id)) for cedula, one in consultations]
    _copy(connection, "import_changes",
          [[cedula, who.name, ROLE, ACTION, who.reason, table, row] for cedula, table, row in brought])  # fmt: skip
    return written


def _sorted_out(
    connection: Connection, records: Sequence[Record], *, look: bool
) -> tuple[Written, list[PacienteNuevo], list[tuple[str, Consultation]]]:
    """Return what becomes of the records, and which patients and consultations are new, each of these with its patient's document."""
    known: dict[str, dict[str, Any]] = {}  # what is said of a patient: by the database, or by the first row about him
    visits: set[UUID] = set()
    if look or any(record.patient is None for record in records):
        cedulas = {"cedulas": list({record.cedula for record in records})}
        with connection.cursor(row_factory=dict_row) as cursor:
            known = {row["cedula"]: row for row in cursor.execute(statement("import_patients_present"), cedulas)}
        visits = {key for (key,) in connection.execute(statement("consultations_present"), cedulas)}
    patients: list[PacienteNuevo] = []
    consultations: list[tuple[str, Consultation]] = []
    present, refused = 0, []
    for record in records:
        new = record.patient is not None and record.cedula not in known
        if record.patient and new:
            known[record.cedula] = record.patient.model_dump()
            patients.append(record.patient)
        if why := _contradiction(record, known.get(record.cedula)):
            refused.append(Refused(record.line, record.fields, why))
        elif record.consultation and record.consultation.id not in visits:
            visits.add(record.consultation.id)
            consultations.append((record.cedula, record.consultation))
        elif not new:
            present += 1
    return Written(len(patients), len(consultations), present, refused), patients, consultations


def _contradiction(record: Record, known: dict[str, Any] | None) -> str | None:
    """Return why a record does not go with what is known of its patient, or None."""
    if known is None:
        return MISSING.format(record.cedula)
    if record.patient:
        fields = unlike(known, record.patient)
        return f"{KEY}: {TAKEN.format(record.cedula, ', '.join(fields))}" if fields else None
    born, visit = date.fromisoformat(str(known["fecha_nacimiento"])), record.consultation
    moment = visit and visit.data.fecha_consulta
    if moment and moment.astimezone(COLOMBIA).date() < born:
        return f"fecha_consulta: es anterior al nacimiento del paciente ({born})."
    return None


def _copy(connection: Connection, name: str, rows: list[list[Any]]) -> None:
    if rows:
        with connection.cursor().copy(statement(name)) as copy:
            for row in rows:
                copy.write_row(row)
