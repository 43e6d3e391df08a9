"""Reading and changing the things of the clinical history, by the statements of their kind.

Whatever kind it is, a thing is registered once, replaced and amended only by whoever has seen what is there, and told by the
JSON that the database writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from flask import Response, request
from psycopg.errors import UniqueViolation
from pydantic import BaseModel

from historia_clinica import (
    answers,
    audit,
    diagnoses,
    documents,
    municipalities,
    names,
    permissions,
    schemas,
    sql,
    transactions,
)
from historia_clinica.errors import FieldError, ProblemError, TakenError
from historia_clinica.transactions import Transaction, in_transaction, reading

Values = Mapping[str, Any]
Data = TypeVar("Data", bound=BaseModel)  # what is written about one


@dataclass(frozen=True)
class Readable:
    """A kind of thing that is read; a key is the values that tell one from the others, by the names that addresses and statements use."""

    many: str  # the statement that reads it
    key: frozenset[str]  # the names of its key
    missing: str  # what to say where there is none, with values in braces

    def answer(self, key: Values) -> Response:
        """Answer with the one of this key, asked for in one message, the fast path; raises ProblemError (404)."""
        for row in transactions.read(*self._statement(key)):
            return answers.answer(row["cuerpo"])
        raise self.not_found(key)

    def not_found(self, key: Values) -> ProblemError:
        """Return the 404 that says which one is missing."""
        return ProblemError(HTTPStatus.NOT_FOUND, self.missing.format(**key))

    def _statement(self, key: Values) -> tuple[bytes, Values]:
        """Return the statement that reads the one of this key, and its values."""
        values = {**key, "limite": 1}
        return sql.search(self.many, frozenset(values), self.key), values


@dataclass(frozen=True)
class Kind(Readable, Generic[Data]):
    """A kind of thing that is written, too."""

    one: str  # the name that begins its statements: `<one>_insert.sql`, `_lock` and `_update`
    data: type[Data]  # what is written about it
    unique: tuple[str, str]  # the field that no two have alike, and what to say where one has it already
    creates: bool = True  # whether it may be registered under a key of the caller
    clinical: bool = False  # whether it is kept who changed it, and what it was

    def put(self, key: Values, data: Data) -> Response:
        """Register the one of this key, or replace it: sent twice, it makes one. Raises ProblemError (404, 409, 412, 428)."""
        created, body = in_transaction(self._put)(key, data)
        return answers.answer(body, HTTPStatus.CREATED, Location=request.path) if created else answers.answer(body)

    def patch(self, key: Values, changes: BaseModel) -> Response:
        """Change some of what is written about the one of this key; for the rest see `put`.

        Raises pydantic.ValidationError where the result is not what may be written.
        """
        given = changes.model_dump(mode="json", exclude_unset=True)
        return answers.answer(in_transaction(self._patch)(key, lambda there: self.merged(there, given)))

    def merged(self, there: str, given: dict[str, Any]) -> Data:
        """Return what is there with a change; raises pydantic.ValidationError where the result is not what may be written."""
        return answers.merged(self.data, there, given)

    def find(self, transaction: Transaction, key: Values) -> str | None:
        """Return the one of this key as JSON, or None."""
        rows = transaction.fetch(*self._statement(key))
        return rows[0]["cuerpo"] if rows else None

    def read(self, transaction: Transaction, key: Values) -> str:
        """Return the one of this key as JSON; raises ProblemError (404)."""
        body = self.find(transaction, key)
        if body is None:
            raise self.not_found(key)
        return body

    def lock(self, transaction: Transaction, key: Values) -> str | None:
        """Return the one of this key as JSON, or None, and let nobody else change it until the transaction ends."""
        locked = transaction.execute(sql.statement(f"{self.one}_lock"), key)
        return self.find(transaction, key) if locked else None

    def register(self, transaction: Transaction, key: Values, data: Data) -> str:
        """Add the one of this key, keep who did, and return it as JSON; raises as `create` does."""
        self._keep(transaction, key, "registro", None)
        return self.create(transaction, key, data)

    def create(self, transaction: Transaction, key: Values, data: Data) -> str:
        """Add the one of this key, and return it as JSON; raises TakenError."""
        self.write(transaction, "insert", {**data.model_dump(), **key})
        return self.read(transaction, key)

    def update(self, transaction: Transaction, key: Values, _there: str, data: Data) -> str:
        """Write the data over what is there, which was locked, and return it as JSON; raises TakenError."""
        self.write(transaction, "update", {**data.model_dump(), **key})
        return self.read(transaction, key)

    def write(self, transaction: Transaction, how: str, values: Values) -> list[Any]:
        """Execute `<one>_<how>.sql` and return its rows; raises TakenError where another one has its unique field."""
        try:
            return transaction.fetch(sql.statement(f"{self.one}_{how}"), values)
        except UniqueViolation as error:
            field, sentence = self.unique
            raise TakenError(field, sentence.format(**values)) from error

    def _put(self, transaction: Transaction, key: Values, data: Data) -> tuple[bool, str]:
        there = self.lock(transaction, key)
        if there is None and self.creates:
            answers.require_unseen()
            return True, self.register(transaction, key, data)
        if there is None:
            raise self.not_found(key)
        answers.require_seen(there)
        self._keep(transaction, key, "reemplazo", there)
        return False, self.update(transaction, key, there, data)

    def _patch(self, transaction: Transaction, key: Values, new: Callable[[str], Data]) -> str:
        there = self.lock(transaction, key)
        if there is None:
            raise self.not_found(key)
        answers.require_seen(there)
        data = new(there)
        self._keep(transaction, key, "cambio", there)
        return self.update(transaction, key, there, data)

    def _keep(self, transaction: Transaction, key: Values, action: str, there: str | None) -> None:
        if self.clinical:
            audit.change(transaction, key, self.many, action, there)


class Patients(Kind[schemas.PacienteDatos]):
    """Patients: whoever is registered, or born on another day after all, has a document of that age."""

    def create(self, transaction: Transaction, key: Values, data: schemas.PacienteDatos) -> str:
        """Add the one of this key, and return it as JSON; raises TakenError, FieldError (422)."""
        _require_document_of_age(key["cedula"], data.fecha_nacimiento)
        return super().create(transaction, key, data)

    def update(self, transaction: Transaction, key: Values, there: str, data: schemas.PacienteDatos) -> str:
        """Write the data over what is there, and return it as JSON; raises FieldError (422)."""
        if data.fecha_nacimiento != json.loads(there)["fecha_nacimiento"]:
            _require_document_of_age(key["cedula"], data.fecha_nacimiento)
        return super().update(transaction, key, there, data)

    def merged(self, there: str, given: dict[str, Any]) -> schemas.PacienteDatos:
        """Return what is there with a change: another name takes its parts along, another part the name; likewise a city and its code."""
        return super().merged(there, municipalities.of_change(json.loads(there), names.of_change(given)))

    def write(self, transaction: Transaction, how: str, values: Values) -> list[Any]:
        """Execute `paciente_<how>.sql` and return its rows; whoever has a document of Colombians is one. Raises TakenError."""
        known = values["nacionalidad"] or documents.nationality(values["cedula"])
        return super().write(transaction, how, {**values, "nacionalidad": known})


def _require_document_of_age(cedula: str, born: str) -> None:
    """Go on only if somebody born on that day can have the document today."""
    if why := documents.unfit(cedula, date.fromisoformat(born), datetime.now(schemas.COLOMBIA).date()):
        raise FieldError("fecha_nacimiento", why)


PACIENTE = Patients(
    "pacientes", frozenset({"cedula"}), "No hay paciente con el documento {cedula}.",
    "paciente", schemas.PacienteDatos, ("cedula", "ya hay un paciente con el documento {cedula}."), clinical=True,
)  # fmt: skip


class Consultations(Kind[schemas.ConsultaDatos]):
    """Consultations: a doctor writes his own alone, and only one who attends has any."""

    @staticmethod
    def let_in(data: BaseModel) -> None:
        """Let in the codes of diagnoses that the lab does not know, with their mark; raises FieldError (422) where it takes none.

        In a transaction of its own, before the consultation's: a copy of a reference table has a row only once it is committed.
        """
        if codes := diagnoses.used(data):
            try:
                in_transaction(_let_in)(codes)
            except UniqueViolation:  # somebody else let one in meanwhile: it is there now
                in_transaction(_let_in)(codes)

    def put(self, key: Values, data: schemas.ConsultaDatos) -> Response:
        """Register or replace one, of the person's own; raises ProblemError (403, 404, 409, 412, 422, 428)."""
        permissions.require_own_doctor(data.medico_id)
        self.let_in(data)
        return super().put(key, data)

    def patch(self, key: Values, changes: BaseModel) -> Response:
        """Change some of what is written about one; for the rest see `put`."""
        self.let_in(changes)
        return super().patch(key, changes)

    def lock(self, transaction: Transaction, key: Values) -> str | None:
        """Lock a consultation of the person's own: nobody takes over another's.

        It is read first, because the database shows for a change only what the person may change.
        """
        there = self.find(transaction, key)
        if there is None:
            return None
        permissions.require_own_doctor(json.loads(there)["medico_id"])
        return super().lock(transaction, key)

    def create(self, transaction: Transaction, key: Values, data: schemas.ConsultaDatos) -> str:
        """Add the one of this key, and return it as JSON; raises ProblemError: 404 the patient, 422 the doctor or the date."""
        _require_possible(transaction, key, data)
        moment = (data.fecha_consulta or datetime.now(UTC)).astimezone(UTC)
        values = data.model_dump() | {"fecha_consulta": moment}
        self.write(transaction, "insert", values | dict(key))
        # As consultas.sql would read it back, which would be a fifth of the work; Citus lets RETURNING build no JSON.
        values |= {"fecha_consulta": _written(moment), "fecha_fin": data.fecha_fin and _written(data.fecha_fin)}
        written = {"paciente_id": key["cedula"], "id": str(key["consulta_id"]), **values}
        return json.dumps(written, ensure_ascii=False, separators=(", ", " : "))

    def update(self, transaction: Transaction, key: Values, there: str, data: schemas.ConsultaDatos) -> str:
        """Write the data over what is there, and return it as JSON; without `fecha_consulta` it keeps the one it has.

        Raises ProblemError: 403 or 422 for the doctor, 422 for the date.
        """
        before = json.loads(there)
        permissions.require_own_doctor(data.medico_id)
        was = datetime.fromisoformat(before["fecha_consulta"])
        dated = data.model_copy(update={"fecha_consulta": data.fecha_consulta or was})
        ended = before["fecha_fin"] and datetime.fromisoformat(before["fecha_fin"])
        if (dated.medico_id, dated.fecha_consulta, dated.fecha_fin) != (before["medico_id"], was, ended):
            _require_possible(transaction, key, dated, before["medico_id"])
        return super().update(transaction, key, there, dated)


CONSULTA = Consultations(
    "consultas", frozenset({"cedula", "consulta_id"}), "El paciente {cedula} no tiene la consulta {consulta_id}.",
    "consulta", schemas.ConsultaDatos, ("id", "ya hay una consulta {consulta_id}."), clinical=True,
)  # fmt: skip


def _let_in(transaction: Transaction, codes: dict[str, str]) -> None:
    missing = transaction.fetch(sql.statement("diagnoses_missing"), {"codigos": sorted(set(codes.values()))})
    for code, may in ((row["codigo"], row["entra"]) for row in missing):
        if not may:
            raise FieldError(
                next(field for field, given in codes.items() if given == code), diagnoses.UNKNOWN.format(code)
            )
        transaction.execute(sql.statement("diagnosis_insert"), {"codigo": code})


def _require_possible(
    transaction: Transaction, key: Values, data: schemas.ConsultaDatos, before: str | None = None
) -> None:
    """Go on only if there is the patient, born by then, and the doctor, who attends or was its doctor before."""
    medico_id, moment = data.medico_id, data.fecha_consulta
    rows = transaction.fetch(sql.statement("consulta_allowed"), {"cedula": key["cedula"], "medico_id": medico_id})
    if not rows:
        raise PACIENTE.not_found(key)
    if rows[0]["activo"] is None:
        raise FieldError("medico_id", f"no hay médico con el número {medico_id}.")
    if not rows[0]["activo"] and medico_id != before:
        raise FieldError("medico_id", f"el médico {medico_id} está retirado.")
    born = rows[0]["fecha_nacimiento"]
    if moment and moment.astimezone(schemas.COLOMBIA).date() < born:
        raise FieldError("fecha_consulta", f"es anterior al nacimiento del paciente ({born}).")
    if data.fecha_fin and data.fecha_fin < (moment or datetime.now(UTC)):
        raise FieldError("fecha_fin", schemas.ENDS_EARLIER)


def _written(moment: datetime) -> str:
    """Return a moment as the database's JSON has it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def search(many: str, conditions: Values) -> tuple[bytes, Values]:
    """Return the statement that reads a page of those that meet the conditions, and its values."""
    return sql.search(many, frozenset(conditions), frozenset({"limite"})), conditions


def page(name: str, many: str, conditions: Values, key: Sequence[str]) -> Response:
    """Answer with a page of those that meet the conditions, ordered by the fields of the key."""
    bodies = [row["cuerpo"] for row in transactions.read(*search(many, conditions))]
    return answers.page(name, bodies, conditions["limite"], key)


def clinical_page(many: str, conditions: Values, key: Sequence[str]) -> Response:
    """Answer as `page` does, and keep whom it shows."""
    with reading() as transaction:
        rows = transaction.fetch(*search(many, conditions))
        audit.read_page(transaction, many, rows[: conditions["limite"]])
    return answers.page(many, [row["cuerpo"] for row in rows], conditions["limite"], key)
