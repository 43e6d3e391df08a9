"""`/api/v1/pacientes/{cedula}/consultas` and `/api/v1/consultas`: the consultations.

They are amended, never deleted: a clinical history is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

from flask import Response, url_for
from pydantic import BaseModel

from historia_clinica import access, answers, idempotency, store
from historia_clinica.db import asking, in_transaction
from historia_clinica.errors import InvalidFieldError
from historia_clinica.idempotency import Created
from historia_clinica.pipeline import Pipeline
from historia_clinica.resource import Resource
from historia_clinica.schemas import (
    Consulta,
    ConsultaCambios,
    ConsultaDatos,
    Consultas,
    ConsultasFiltro,
    Motivo,
    Pagina,
    PaginaConMotivo,
)
from historia_clinica.sql import statement
from historia_clinica.store import CONSULTA, PACIENTE

blueprint = Resource("consultas", __name__, "", tag="Consultas")

KEY = ["fecha_consulta", "paciente_id", "id"]


@blueprint.get("/consultas")
@blueprint.operation(
    "Busca consultas, las más nuevas primero", "consultas.buscar", Consultas, also=[304], headers=["If-None-Match"]
)
@blueprint.input(ConsultasFiltro, location="query", arg_name="conditions")
def search(conditions: ConsultasFiltro) -> Response:
    """Search consultations by date, doctor, diagnosis and the patient's city; the newest first."""
    bodies = store.page(CONSULTA, _conditions(conditions))
    return answers.page("consultas", bodies, conditions.limite, KEY)


@blueprint.get("/pacientes/<cedula:cedula>/consultas")
@blueprint.operation(
    "Lista las consultas de un paciente, las más nuevas primero",
    "consultas.leer",
    Consultas,
    owner="cedula",
    also=[304, 404],
    headers=["If-None-Match"],
)
@blueprint.input(PaginaConMotivo, location="query", arg_name="conditions")
def list_of_patient(cedula: str, conditions: PaginaConMotivo) -> Response:
    """List a patient's consultations, the newest first, and keep who reads them."""
    with asking() as pipeline:
        bodies = CONSULTA.page(pipeline, {**_conditions(conditions), "cedula": cedula})
        if not bodies:
            PACIENTE.read(pipeline, {"cedula": cedula})  # nobody's list is not an empty list
        access.record(pipeline, cedula, "consultas", conditions.motivo)
    return answers.page("consultas", bodies, conditions.limite, KEY)


@blueprint.post("/pacientes/<cedula:cedula>/consultas")
@blueprint.operation(
    "Registra una consulta", "consultas.escribir", Consulta, 201, also=[404], headers=["Idempotency-Key"]
)
@blueprint.input(ConsultaDatos, arg_name="data")
def create(cedula: str, data: ConsultaDatos) -> Response:
    """Register a consultation of a patient."""
    access.require_own_doctor(data.medico_id)

    def insert(pipeline: Pipeline) -> Created:
        consulta_id = uuid4()
        body = _insert(pipeline, {"cedula": cedula, "id": consulta_id}, data)
        return Created(_address(cedula, consulta_id), body)

    created = idempotency.create(cedula, insert, single=True)
    return answers.answer(created.body, HTTPStatus.CREATED, Location=created.location)


@blueprint.get("/pacientes/<cedula:cedula>/consultas/<uuid:consulta_id>")
@blueprint.operation(
    "Lee una consulta", "consultas.leer", Consulta, owner="cedula", also=[304, 404], headers=["If-None-Match"]
)
@blueprint.input(Motivo, location="query", arg_name="why")
def read(cedula: str, consulta_id: UUID, why: Motivo) -> Response:
    """Answer with one consultation, and keep who reads it."""
    with asking() as pipeline:
        body = CONSULTA.read(pipeline, {"cedula": cedula, "id": consulta_id})
        access.record(pipeline, cedula, "consulta", why.motivo)
    return answers.answer(body)


@blueprint.put("/pacientes/<cedula:cedula>/consultas/<uuid:consulta_id>")
@blueprint.operation(
    "Registra una consulta con el identificador dado, o la reemplaza",
    "consultas.escribir",
    Consulta,
    also=[201, 404, 409, 412, 428],
    headers=["If-Match", "If-None-Match"],
)
@blueprint.input(ConsultaDatos, arg_name="data")
def put(cedula: str, consulta_id: UUID, data: ConsultaDatos) -> Response:
    """Register a consultation under an identifier of the caller, or replace one."""
    access.require_own_doctor(data.medico_id)
    status, body = _put(cedula, consulta_id, data)
    location = {"Location": _address(cedula, consulta_id)} if status == HTTPStatus.CREATED else {}
    return answers.answer(body, status, **location)


@blueprint.patch("/pacientes/<cedula:cedula>/consultas/<uuid:consulta_id>")
@blueprint.operation(
    "Cambia algunos datos de una consulta",
    "consultas.escribir",
    Consulta,
    also=[404, 412, 428],
    headers=["If-Match"],
)
@blueprint.input(ConsultaCambios, arg_name="changes")
def change(cedula: str, consulta_id: UUID, changes: BaseModel) -> Response:
    """Change some of what is written about a consultation."""
    given = changes.model_dump(exclude_unset=True)
    return answers.answer(_amend(cedula, consulta_id, lambda body: answers.merged(ConsultaDatos, body, given)))


def _conditions(conditions: Pagina) -> dict[str, Any]:
    given = conditions.model_dump(exclude_none=True, exclude={"motivo"})
    if after := given.pop("despues", None):
        given |= dict(zip(("despues_fecha", "despues_paciente", "despues_id"), after.split(","), strict=True))
    return given


def _address(cedula: str, id: UUID) -> str:  # the column's name
    return url_for("consultas.read", cedula=cedula, consulta_id=id)


def _insert(pipeline: Pipeline, key: dict[str, Any], data: ConsultaDatos) -> str:
    _require_allowed(pipeline, key, data.medico_id)
    moment = (data.fecha_consulta or datetime.now(UTC)).astimezone(UTC)
    values = data.model_dump() | {"fecha_consulta": moment}
    CONSULTA.insert(pipeline, values | key)
    # As consultas.sql would read it back, which would be a fifth of the work; Citus lets RETURNING build no JSON.
    values["fecha_consulta"] = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    written = {"paciente_id": key["cedula"], "id": str(key["id"]), **values}
    return json.dumps(written, ensure_ascii=False, separators=(", ", " : "))


def _require_allowed(pipeline: Pipeline, key: dict[str, Any], medico_id: str) -> None:
    parameters = {"cedula": key["cedula"], "medico_id": medico_id}
    row = pipeline.execute(statement("consulta_allowed"), parameters).first()
    if row is None:
        raise PACIENTE.not_found(key)
    if row["activo"] is None:
        raise InvalidFieldError("medico_id", f"no hay médico con el número {medico_id}.")
    if not row["activo"]:
        raise InvalidFieldError("medico_id", f"el médico {medico_id} está retirado.")


@in_transaction
def _put(pipeline: Pipeline, cedula: str, consulta_id: UUID, data: ConsultaDatos) -> tuple[HTTPStatus, str]:
    key = {"cedula": cedula, "id": consulta_id}
    body = _lock(pipeline, key)
    if body is None:
        answers.require_no_match()
        return HTTPStatus.CREATED, _insert(pipeline, key, data)
    answers.require_none()
    answers.require_match(body)
    return HTTPStatus.OK, _update(pipeline, key, body, data)


@in_transaction
def _amend(pipeline: Pipeline, cedula: str, consulta_id: UUID, new: Callable[[str], ConsultaDatos]) -> str:
    key = {"cedula": cedula, "id": consulta_id}
    body = _lock(pipeline, key)
    if body is None:
        raise CONSULTA.not_found(key)
    answers.require_match(body)
    return _update(pipeline, key, body, new(body))


def _lock(pipeline: Pipeline, key: dict[str, Any]) -> str | None:
    """Lock a consultation of the person's own: nobody takes over another's.

    It is read first, because the database shows for a change only what the person may change.
    """
    body = CONSULTA.find(pipeline, key)
    if body is None:
        return None
    access.require_own_doctor(Consulta.model_validate_json(body).medico_id)
    return CONSULTA.lock(pipeline, key)


def _update(pipeline: Pipeline, key: dict[str, Any], body: str, data: ConsultaDatos) -> str:
    there = Consulta.model_validate_json(body)
    access.require_own_doctor(data.medico_id)
    if data.medico_id != there.medico_id:
        _require_allowed(pipeline, key, data.medico_id)
    return CONSULTA.update(
        pipeline, key, data.model_copy(update={"fecha_consulta": data.fecha_consulta or there.fecha_consulta})
    )
