"""`/api/v1/medicos`: the doctors. They are retired, never deleted: consultations name them."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import Response, url_for
from psycopg.errors import UniqueViolation
from pydantic import BaseModel

from historia_clinica import answers, store
from historia_clinica.db import in_transaction
from historia_clinica.errors import ProblemError
from historia_clinica.pipeline import Pipeline
from historia_clinica.resource import Resource
from historia_clinica.schemas import Medico, MedicoCambios, MedicoDatos, Medicos, MedicosFiltro
from historia_clinica.sql import statement
from historia_clinica.store import MEDICO

blueprint = Resource("medicos", __name__, "/medicos", tag="Médicos")


@blueprint.get("")
@blueprint.operation("Lista los médicos por su número", "medicos.leer", Medicos, headers=["If-None-Match"], also=[304])
@blueprint.input(MedicosFiltro, location="query", arg_name="conditions")
def search(conditions: MedicosFiltro) -> Response:
    """List doctors by their number."""
    bodies = store.page(MEDICO, conditions.model_dump(exclude_none=True))
    return answers.page("medicos", bodies, conditions.limite, ["id"])


@blueprint.post("")
@blueprint.operation("Registra un médico", "medicos.escribir", Medico, 201, also=[409])
@blueprint.input(MedicoDatos, arg_name="data")
def create(data: MedicoDatos) -> Response:
    """Register a doctor. `registro` is his alone: sent twice, it makes one doctor."""
    number, body = _insert(data)
    return answers.answer(body, HTTPStatus.CREATED, Location=url_for("medicos.read", medico_id=number))


@blueprint.get("/<numero:medico_id>")
@blueprint.operation("Lee un médico", "medicos.leer", Medico, also=[304, 404], headers=["If-None-Match"])
def read(medico_id: str) -> Response:
    """Answer with one doctor."""
    return answers.answer(store.read(MEDICO, id=medico_id))


@blueprint.put("/<numero:medico_id>")
@blueprint.operation(
    "Reemplaza los datos de un médico", "medicos.escribir", Medico, also=[404, 409, 412, 428], headers=["If-Match"]
)
@blueprint.input(MedicoDatos, arg_name="data")
def replace(medico_id: str, data: MedicoDatos) -> Response:
    """Replace what is written about a doctor."""
    return answers.answer(_amend(medico_id, lambda _: data))


@blueprint.patch("/<numero:medico_id>")
@blueprint.operation(
    "Cambia algunos datos de un médico", "medicos.escribir", Medico, also=[404, 409, 412, 428], headers=["If-Match"]
)
@blueprint.input(MedicoCambios, arg_name="changes")
def change(medico_id: str, changes: BaseModel) -> Response:
    """Change some of what is written about a doctor."""
    given = changes.model_dump(exclude_unset=True)
    return answers.answer(_amend(medico_id, lambda body: answers.merged(MedicoDatos, body, given)))


@blueprint.delete("/<numero:medico_id>")
@blueprint.operation(
    "Retira un médico: ya no atiende, y sus consultas quedan", "medicos.escribir", None, 204, also=[404]
)
def retire(medico_id: str) -> Response:
    """Retire a doctor; doing it twice is doing it once."""
    _retire(medico_id)
    return Response(status=HTTPStatus.NO_CONTENT)


def _taken(registration: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.CONFLICT, f"registro: ya hay un médico con el registro {registration}.", campo="registro"
    )


@in_transaction
def _insert(pipeline: Pipeline, data: MedicoDatos) -> tuple[int, str]:
    try:
        row = pipeline.execute(statement("medico_insert"), data.model_dump()).rows()[0]
    except UniqueViolation:
        raise _taken(data.registro) from None
    return row["id"], MEDICO.read(pipeline, {"id": row["id"]})


@in_transaction
def _amend(pipeline: Pipeline, medico_id: str, new: Callable[[str], MedicoDatos]) -> str:
    try:
        return MEDICO.amend(pipeline, {"id": medico_id}, new)
    except UniqueViolation:
        raise ProblemError(
            HTTPStatus.CONFLICT, "registro: ya hay otro médico con ese registro.", campo="registro"
        ) from None


@in_transaction
def _retire(pipeline: Pipeline, medico_id: str) -> None:
    if pipeline.execute(statement("medico_retire"), {"id": medico_id}).count() == 0:
        raise MEDICO.not_found({"id": medico_id})
