"""`/api/v1/importaciones`: what another system brings, many patients and consultations at once, with a report of its own."""

from __future__ import annotations

import json
from typing import Any

from flask import Response
from pydantic import ValidationError

from historia_clinica import answers, schemas
from historia_clinica.errors import FieldError, ProblemError
from historia_clinica.imports.records import TAKEN, identifier, unlike
from historia_clinica.messages import said
from historia_clinica.resource import Resource
from historia_clinica.store import CONSULTA, PACIENTE
from historia_clinica.transactions import Transaction, in_transaction

blueprint = Resource("importaciones", __name__, "/importaciones", tag="Importaciones")


@blueprint.operation(
    "POST", "", "Importa pacientes y sus consultas, fila por fila", "importaciones.escribir", schemas.Importacion,
    body=schemas.ImportacionDatos, leaves="cambios",
)  # fmt: skip
def bring(data: schemas.ImportacionDatos) -> Response:
    """Take what can be taken, each row in a transaction of its own; sent again, it adds what is missing."""
    patients = consultations = known = 0
    refused = []
    for number, row in enumerate(data.filas):
        try:
            said_there = schemas.FilaImportada.model_validate(row)
            for consultation in said_there.consultas:
                CONSULTA.let_in(consultation)
            one, more = in_transaction(_take)(said_there)
        except ValidationError as error:
            refused.append({"fila": number, "errores": [_wrong(*found) for found in said(error)]})
        except ProblemError as error:
            refused.append({"fila": number, "errores": [_wrong(error.members.get("campo", "fila"), error.detail)]})
        else:
            patients, consultations, known = patients + one, consultations + more, known + (not one and not more)
    report = {"pacientes": patients, "consultas": consultations, "repetidas": known, "rechazadas": refused}
    return answers.answer(json.dumps(report, ensure_ascii=False))


def _take(transaction: Transaction, row: schemas.FilaImportada) -> tuple[int, int]:
    """Register what is not here, and return how many patients and consultations that were; raises what registering one does."""
    cedula = row.paciente.cedula
    there = PACIENTE.find(transaction, {"cedula": cedula})
    if there is None:
        PACIENTE.register(transaction, {"cedula": cedula}, row.paciente)
    elif fields := unlike(json.loads(there), row.paciente):
        raise FieldError("cedula", TAKEN.format(cedula, ", ".join(fields)))
    added = 0
    for consultation in row.consultas:
        key = {"cedula": cedula, "consulta_id": identifier(cedula, consultation)}
        if CONSULTA.find(transaction, key) is None:
            CONSULTA.register(transaction, key, consultation)
            added += 1
    return int(there is None), added


def _wrong(field: Any, why: str) -> dict[str, str]:
    return {"campo": str(field), "mensaje": why.removeprefix(f"{field}: ")}
