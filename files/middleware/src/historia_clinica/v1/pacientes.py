"""`/api/v1/pacientes`: the patients by `cedula`, and the history of each."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import Response, url_for
from psycopg.errors import UniqueViolation
from pydantic import BaseModel

from historia_clinica import access, answers, idempotency, store
from historia_clinica.db import asking, in_transaction
from historia_clinica.errors import ProblemError
from historia_clinica.idempotency import Created
from historia_clinica.pipeline import Pipeline
from historia_clinica.resource import Resource
from historia_clinica.schemas import (
    Accesos,
    AccesosFiltro,
    Historia,
    Motivo,
    Paciente,
    PacienteCambios,
    PacienteDatos,
    PacienteNuevo,
    Pacientes,
    PacientesFiltro,
)
from historia_clinica.store import ACCESO, HISTORIA, PACIENTE

blueprint = Resource("pacientes", __name__, "/pacientes", tag="Pacientes")


@blueprint.get("")
@blueprint.operation(
    "Busca pacientes, por cédula", "pacientes.buscar", Pacientes, also=[304], headers=["If-None-Match"]
)
@blueprint.input(PacientesFiltro, location="query", arg_name="conditions")
def search(conditions: PacientesFiltro) -> Response:
    """List patients by their cedula."""
    bodies = store.page(PACIENTE, conditions.model_dump(exclude_none=True))
    return answers.page("pacientes", bodies, conditions.limite, ["cedula"])


@blueprint.post("")
@blueprint.operation(
    "Registra un paciente", "pacientes.escribir", Paciente, 201, also=[409], headers=["Idempotency-Key"]
)
@blueprint.input(PacienteNuevo, arg_name="data")
def create(data: PacienteNuevo) -> Response:
    """Register a patient."""

    def insert(pipeline: Pipeline) -> Created:
        PACIENTE.insert(pipeline, data.model_dump())
        return Created(url_for("pacientes.read", cedula=data.cedula), PACIENTE.read(pipeline, {"cedula": data.cedula}))

    try:
        created = idempotency.create(data.cedula, insert)
    except UniqueViolation:
        raise _taken(data.cedula) from None
    return answers.answer(created.body, HTTPStatus.CREATED, Location=created.location)


@blueprint.get("/<cedula:cedula>")
@blueprint.operation(
    "Lee un paciente", "pacientes.leer", Paciente, owner="cedula", also=[304, 404], headers=["If-None-Match"]
)
def read(cedula: str) -> Response:
    """Answer with one patient: one prepared statement, the path that has to be fast."""
    return answers.answer(store.read(PACIENTE, cedula=cedula))


@blueprint.put("/<cedula:cedula>")
@blueprint.operation(
    "Registra un paciente o reemplaza sus datos",
    "pacientes.escribir",
    Paciente,
    also=[201, 409, 412, 428],
    headers=["If-Match", "If-None-Match"],
)
@blueprint.input(PacienteDatos, arg_name="data")
def put(cedula: str, data: PacienteDatos) -> Response:
    """Register a patient, or replace what is written about one: sent twice, it makes one patient."""
    try:
        status, body = _put(cedula, data)
    except UniqueViolation:
        raise _taken(cedula) from None
    location = {"Location": url_for("pacientes.read", cedula=cedula)} if status == HTTPStatus.CREATED else {}
    return answers.answer(body, status, **location)


@blueprint.patch("/<cedula:cedula>")
@blueprint.operation(
    "Cambia algunos datos de un paciente",
    "pacientes.escribir",
    Paciente,
    also=[404, 412, 428],
    headers=["If-Match"],
)
@blueprint.input(PacienteCambios, arg_name="changes")
def change(cedula: str, changes: BaseModel) -> Response:
    """Change some of what is written about a patient."""
    given = changes.model_dump(exclude_unset=True)
    return answers.answer(_amend(cedula, lambda body: answers.merged(PacienteDatos, body, given)))


@blueprint.get("/<cedula:cedula>/historia")
@blueprint.operation(
    "Lee la historia clínica: el paciente, sus consultas y sus médicos",
    "historia.leer",
    Historia,
    owner="cedula",
    also=[304, 404],
    headers=["If-None-Match"],
)
@blueprint.input(Motivo, location="query", arg_name="why")
def history(cedula: str, why: Motivo) -> Response:
    """Answer with a patient and every consultation with its doctor, by one co-located query.

    Who reads it is kept, beside the history and in the same transaction.
    """
    with asking() as pipeline:
        body = HISTORIA.read(pipeline, {"cedula": cedula})
        access.record(pipeline, cedula, "historia", why.motivo)
    return answers.answer(body)


@blueprint.get("/<cedula:cedula>/accesos")
@blueprint.operation(
    "Lista quién leyó la historia, lo más nuevo primero",
    "accesos.leer",
    Accesos,
    owner="cedula",
    also=[304],
    headers=["If-None-Match"],
)
@blueprint.input(AccesosFiltro, location="query", arg_name="conditions")
def accesses(cedula: str, conditions: AccesosFiltro) -> Response:
    """List who read the patient's history, the newest first."""
    given = {"cedula": cedula, "limite": conditions.limite}
    if conditions.despues:
        given["despues_momento"], given["despues_id"] = conditions.despues.split(",")
    return answers.page("accesos", store.page(ACCESO, given), conditions.limite, ["momento", "id"])


def _taken(cedula: str) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, f"cedula: ya hay un paciente con la cédula {cedula}.", campo="cedula")


@in_transaction
def _put(pipeline: Pipeline, cedula: str, data: PacienteDatos) -> tuple[HTTPStatus, str]:
    key = {"cedula": cedula}
    body = PACIENTE.lock(pipeline, key)
    if body is None:
        answers.require_no_match()
        PACIENTE.insert(pipeline, data.model_dump() | key)
        return HTTPStatus.CREATED, PACIENTE.read(pipeline, key)
    answers.require_none()
    answers.require_match(body)
    return HTTPStatus.OK, PACIENTE.update(pipeline, key, data)


@in_transaction
def _amend(pipeline: Pipeline, cedula: str, new: Callable[[str], PacienteDatos]) -> str:
    return PACIENTE.amend(pipeline, {"cedula": cedula}, new)
