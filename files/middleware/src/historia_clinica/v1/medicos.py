"""`/api/v1/medicos`: the doctors. They are retired, never deleted: consultations name them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, request
from psycopg.errors import UniqueViolation

from historia_clinica import answers, names, schemas, sessions, store
from historia_clinica.errors import TakenError
from historia_clinica.resource import Resource
from historia_clinica.sql import statement
from historia_clinica.store import Kind, Values
from historia_clinica.transactions import Transaction, in_transaction

blueprint = Resource("medicos", __name__, "/medicos", tag="Médicos")

ONE = "/<medico_id>"


class Doctors(Kind[schemas.MedicoDatos]):
    """Doctors: with one who is retired, the sessions of his users end."""

    def merged(self, there: str, given: dict[str, Any]) -> schemas.MedicoDatos:
        """Return what is there with a change: another name takes its parts along, another part the name."""
        return super().merged(there, names.doctor_of_change(given))

    def write(self, transaction: Transaction, how: str, values: Values) -> list[Any]:
        """Execute `medico_<how>.sql` and return its rows; raises TakenError where another one has the registration, or the document."""
        try:
            return super().write(transaction, how, values)
        except TakenError as error:
            if isinstance(error.__cause__, UniqueViolation) and "(documento)" in str(error.__cause__):
                raise TakenError("documento", f"ya hay un médico con el documento {values['documento']}.") from error
            raise

    def update(self, transaction: Transaction, key: Values, there: str, data: schemas.MedicoDatos) -> str:
        """Write the data over what is there, end the sessions of a doctor who is retired, and return it as JSON."""
        body = super().update(transaction, key, there, data)
        if not data.activo:
            sessions.close_of_doctor(transaction, key["medico_id"])
        return body


MEDICO = Doctors(
    "medicos", frozenset({"medico_id"}), "No hay médico con el número {medico_id}.",
    "medico", schemas.MedicoDatos, ("registro", "ya hay un médico con el registro {registro}."), creates=False,
)  # fmt: skip


@blueprint.operation(
    "GET", "", "Lista los médicos por su número", "medicos.leer", schemas.Medicos, query=schemas.MedicosFiltro
)
def search(conditions: schemas.MedicosFiltro) -> Response:
    """List doctors by their number."""
    return store.page("medicos", "medicos", conditions.model_dump(exclude_none=True), ["id"])


@blueprint.operation(
    "POST", "", "Registra un médico", "medicos.escribir", schemas.Medico, 201, body=schemas.MedicoDatos, also=[409]
)
def create(data: schemas.MedicoDatos) -> Response:
    """Register a doctor. `registro` is his alone: sent twice, it makes one doctor."""
    number, body = _create(data)
    return answers.answer(body, HTTPStatus.CREATED, Location=f"{request.path}/{number}")


@blueprint.operation("GET", ONE, "Lee un médico", "medicos.leer", schemas.Medico, also=[404])
def read(medico_id: str) -> Response:
    """Answer with one doctor."""
    return MEDICO.answer({"medico_id": medico_id})


blueprint.changeable(
    ONE, MEDICO, "medicos.escribir", ("Reemplaza los datos de un médico", "Cambia algunos datos de un médico"),
    schemas.Medico, schemas.MedicoCambios,
)  # fmt: skip


@blueprint.operation(
    "DELETE", ONE, "Retira un médico: ya no atiende, y sus consultas quedan", "medicos.escribir", status=204, also=[404]
)
def retire(medico_id: str) -> Response:
    """Retire a doctor; doing it twice is doing it once."""
    _retire({"medico_id": medico_id})
    return Response(status=HTTPStatus.NO_CONTENT)


@in_transaction
def _create(transaction: Transaction, data: schemas.MedicoDatos) -> tuple[int, str]:
    [row] = MEDICO.write(transaction, "insert", data.model_dump())
    return row["id"], MEDICO.read(transaction, {"medico_id": row["id"]})


@in_transaction
def _retire(transaction: Transaction, key: dict[str, str]) -> None:
    if transaction.execute(statement("medico_retire"), key) == 0:
        raise MEDICO.not_found(key)
    sessions.close_of_doctor(transaction, key["medico_id"])
