"""`/api/v1/pacientes/{cedula}/consultas` and `/api/v1/consultas`: the consultations.

They are amended, never deleted: a clinical history is kept.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from flask import Response, request

from historia_clinica import answers, audit, idempotency, permissions, schemas, store
from historia_clinica.idempotency import Created
from historia_clinica.resource import Resource
from historia_clinica.store import CONSULTA, PACIENTE
from historia_clinica.transactions import Transaction, reading

blueprint = Resource("consultas", __name__, "", tag="Consultas")

ALL_OF_ONE = "/pacientes/<cedula>/consultas"
ONE = f"{ALL_OF_ONE}/<consulta_id>"
ORDER = ["fecha_consulta", "paciente_id", "id"]


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
    CONSULTA.let_in(data)

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
