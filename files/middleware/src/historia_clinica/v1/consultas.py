"""`/api/v1/pacientes/{cedula}/consultas` and `/api/v1/consultas`: the consultations.

They are amended, never deleted: a clinical history is kept.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from flask import Response, request

from historia_clinica import answers, audit, idempotency, permissions, schemas, store
from historia_clinica.errors import FieldError
from historia_clinica.idempotency import Created
from historia_clinica.resource import Resource
from historia_clinica.sql import statement
from historia_clinica.store import PACIENTE, Kind, Values
from historia_clinica.transactions import Transaction, reading

blueprint = Resource("consultas", __name__, "", tag="Consultas")

ALL_OF_ONE = "/pacientes/<cedula>/consultas"
ONE = f"{ALL_OF_ONE}/<consulta_id>"
ORDER = ["fecha_consulta", "paciente_id", "id"]


class Consultations(Kind[schemas.ConsultaDatos]):
    """Consultations: a doctor writes his own alone, and only one who attends has any."""

    def put(self, key: Values, data: schemas.ConsultaDatos) -> Response:
        """Register or replace one, of the person's own; raises ProblemError (403, 404, 409, 412, 422, 428)."""
        permissions.require_own_doctor(data.medico_id)
        return super().put(key, data)

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
        values["fecha_consulta"] = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
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
        if (dated.medico_id, dated.fecha_consulta) != (before["medico_id"], was):
            _require_possible(transaction, key, dated, before["medico_id"])
        return super().update(transaction, key, there, dated)


CONSULTA = Consultations(
    "consulta", "consultas", frozenset({"cedula", "consulta_id"}), "El paciente {cedula} no tiene la consulta {consulta_id}.",
    schemas.ConsultaDatos, ("id", "ya hay una consulta {consulta_id}."), clinical=True,
)  # fmt: skip


@blueprint.operation(
    "GET", "/consultas", "Busca consultas, las más nuevas primero", "consultas.buscar", schemas.Consultas,
    query=schemas.ConsultasFiltro, leaves="accesos_paginas",
)  # fmt: skip
def search(conditions: schemas.ConsultasFiltro) -> Response:
    """Search consultations by date, doctor, diagnosis and the patient's city; the newest first."""
    return store.clinical_page("consultas", _given(conditions), ORDER)


@blueprint.operation(
    "GET", ALL_OF_ONE, "Lista las consultas de un paciente, las más nuevas primero", "consultas.leer", schemas.Consultas,
    query=schemas.PaginaConMotivo, owner="cedula", also=[404], leaves="accesos",
)  # fmt: skip
def list_of_patient(cedula: str, conditions: schemas.PaginaConMotivo) -> Response:
    """List a patient's consultations, the newest first, and keep who reads them."""
    with reading() as transaction:
        rows = transaction.fetch(*store.search("consultas", {**_given(conditions), "cedula": cedula}))
        if not rows:
            PACIENTE.read(transaction, {"cedula": cedula})  # nobody's list is not an empty list
        audit.read_one(transaction, cedula, "consultas", conditions.motivo)
    return answers.page("consultas", [row["cuerpo"] for row in rows], conditions.limite, ORDER)


@blueprint.operation(
    "POST", ALL_OF_ONE, "Registra una consulta", "consultas.escribir", schemas.Consulta, 201,
    body=schemas.ConsultaDatos, also=[404], headers=["Idempotency-Key"], leaves="cambios",
)  # fmt: skip
def create(cedula: str, data: schemas.ConsultaDatos) -> Response:
    """Register a consultation of a patient."""
    permissions.require_own_doctor(data.medico_id)

    def insert(transaction: Transaction) -> Created:
        key = {"cedula": cedula, "consulta_id": uuid4()}
        return f"{request.path}/{key['consulta_id']}", CONSULTA.register(transaction, key, data)

    location, body = idempotency.create(cedula, "consulta", insert, single=True)
    return answers.answer(body, HTTPStatus.CREATED, Location=location)


@blueprint.operation(
    "GET", ONE, "Lee una consulta", "consultas.leer", schemas.Consulta,
    query=schemas.Motivo, owner="cedula", also=[404], leaves="accesos",
)  # fmt: skip
def read(cedula: str, consulta_id: str, conditions: schemas.Motivo) -> Response:
    """Answer with one consultation, and keep who reads it."""
    with reading() as transaction:
        body = CONSULTA.read(transaction, {"cedula": cedula, "consulta_id": consulta_id})
        audit.read_one(transaction, cedula, "consulta", conditions.motivo)
    return answers.answer(body)


blueprint.changeable(
    ONE, CONSULTA, "consultas.escribir",
    ("Registra una consulta con el identificador dado, o la reemplaza", "Cambia algunos datos de una consulta"),
    schemas.Consulta, schemas.ConsultaCambios,
)  # fmt: skip


def _given(conditions: schemas.Pagina) -> dict[str, Any]:
    given = conditions.model_dump(exclude_none=True, exclude={"motivo"})
    if after := given.pop("despues", None):
        given |= dict(zip(("despues_fecha", "despues_paciente", "despues_id"), after.split(","), strict=True))
    return given


def _require_possible(
    transaction: Transaction, key: Values, data: schemas.ConsultaDatos, before: str | None = None
) -> None:
    """Go on only if there is the patient, born by then, and the doctor, who attends or was its doctor before."""
    medico_id, moment = data.medico_id, data.fecha_consulta
    rows = transaction.fetch(statement("consulta_allowed"), {"cedula": key["cedula"], "medico_id": medico_id})
    if not rows:
        raise PACIENTE.not_found(key)
    if rows[0]["activo"] is None:
        raise FieldError("medico_id", f"no hay médico con el número {medico_id}.")
    if not rows[0]["activo"] and medico_id != before:
        raise FieldError("medico_id", f"el médico {medico_id} está retirado.")
    born = rows[0]["fecha_nacimiento"]
    if moment and moment.astimezone(schemas.COLOMBIA).date() < born:
        raise FieldError("fecha_consulta", f"es anterior al nacimiento del paciente ({born}).")
