"""`/api/v1/pacientes`: the patients, their history and who read it. Nobody is deleted: a clinical history is kept."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, request

from historia_clinica import answers, audit, idempotency, schemas, store, texts
from historia_clinica.idempotency import Created
from historia_clinica.resource import Resource
from historia_clinica.sql import statement
from historia_clinica.store import PACIENTE
from historia_clinica.transactions import Transaction, reading

blueprint = Resource("pacientes", __name__, "/pacientes", tag="Pacientes")

ONE = "/<cedula>"


@blueprint.operation(
    "GET", "", "Busca pacientes, por cédula", "pacientes.buscar", schemas.Pacientes, query=schemas.PacientesFiltro,
    leaves="accesos_paginas",
)  # fmt: skip
def search(conditions: schemas.PacientesFiltro) -> Response:
    """List patients by their cedula; by the beginning of their family names too, however it is typed."""
    given = conditions.model_dump(exclude_none=True)
    if beginning := given.pop("apellido", None):
        given |= dict(zip(("orden_desde", "orden_hasta", "orden_patron"), texts.beginning(beginning), strict=True))
    return store.clinical_page("pacientes", given, ["cedula"])


@blueprint.operation(
    "POST", "", "Registra un paciente", "pacientes.escribir", schemas.Paciente, 201,
    body=schemas.PacienteNuevo, also=[409], headers=["Idempotency-Key"], leaves="cambios",
)  # fmt: skip
def create(data: schemas.PacienteNuevo) -> Response:
    """Register a patient."""

    def insert(transaction: Transaction) -> Created:
        return f"{request.path}/{data.cedula}", PACIENTE.register(transaction, {"cedula": data.cedula}, data)

    location, body = idempotency.create(data.cedula, "paciente", insert)
    return answers.answer(body, HTTPStatus.CREATED, Location=location)


@blueprint.operation(
    "GET", ONE, "Lee un paciente", "pacientes.leer", schemas.Paciente, owner="cedula", also=[404], leaves="accesos"
)
def read(cedula: str) -> Response:
    """Answer with one patient, and keep who reads it."""
    with reading() as transaction:
        body = PACIENTE.read(transaction, {"cedula": cedula})
        audit.read_one(transaction, cedula, "paciente")
    return answers.answer(body)


blueprint.changeable(
    ONE, PACIENTE, "pacientes.escribir",
    ("Registra un paciente o reemplaza sus datos", "Cambia algunos datos de un paciente"),
    schemas.Paciente, schemas.PacienteCambios,
)  # fmt: skip


@blueprint.operation(
    "GET", f"{ONE}/historia", "Lee la historia clínica: el paciente, sus consultas y sus médicos", "historia.leer",
    schemas.Historia, query=schemas.Motivo, owner="cedula", also=[404], leaves="accesos",
)  # fmt: skip
def history(cedula: str, conditions: schemas.Motivo) -> Response:
    """Answer with a patient and every consultation with its doctor, by one co-located query.

    Who reads it is kept, beside the history and in the same transaction.
    """
    with reading() as transaction:
        rows = transaction.fetch(statement("historia"), {"cedula": cedula})
        if not rows:
            raise PACIENTE.not_found({"cedula": cedula})
        audit.read_one(transaction, cedula, "historia", conditions.motivo)
    return answers.answer(rows[0]["cuerpo"])


@blueprint.operation(
    "GET", f"{ONE}/accesos", "Lista quién leyó la historia, lo más nuevo primero", "accesos.leer", schemas.Accesos,
    query=schemas.AccesosFiltro, owner="cedula",
)  # fmt: skip
def accesses(cedula: str, conditions: schemas.AccesosFiltro) -> Response:
    """List who read the patient's history, the newest first."""
    return store.page("accesos", "accesos", {"cedula": cedula, **conditions.given()}, ["momento", "id"])


@blueprint.operation(
    "GET", f"{ONE}/cambios", "Lista quién cambió la historia, y qué había antes, lo más nuevo primero", "accesos.leer",
    schemas.Cambios, query=schemas.AccesosFiltro, owner="cedula", leaves="accesos",
)  # fmt: skip
def changes(cedula: str, conditions: schemas.AccesosFiltro) -> Response:
    """List who changed the patient's history and what was there, the newest first, and keep who reads that."""
    with reading() as transaction:
        rows = transaction.fetch(*store.search("cambios", {"cedula": cedula, **conditions.given()}))
        audit.read_one(transaction, cedula, "cambios")
    return answers.page("cambios", [row["cuerpo"] for row in rows], conditions.limite, ["momento", "id"])
