"""What is kept of whoever reads or changes clinical data: who, when, what and why, in the transaction that does it.

It is not read where that cannot be kept, and not changed: a row beside the patient, or, of a page, which shows many patients, one
beside its reader. Which table an operation leaves its row in it declares (`Resource.operation`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from flask import g, request
from psycopg.rows import DictRow

from historia_clinica import permissions, texts
from historia_clinica.errors import FieldError
from historia_clinica.schemas import EXPECTED, MOTIVO
from historia_clinica.sql import statement
from historia_clinica.transactions import Transaction

#: Where an operation leaves its row.
Register = Literal["accesos", "accesos_paginas", "cambios"]
HEADER = "Motivo"

# Why a role reads, where whoever reads says nothing.
REASONS = {
    "administrador": "administración",
    "medico": "atención",
    "admisionista": "admisión",
    "resultados": "resultados",
    "paciente": "solicitud propia",
}


def read_reason() -> None:
    """Take the reason that the request's header gives, if it gives one; raises FieldError where it cannot be one."""
    sent = request.headers.get(HEADER)
    if sent is None:
        return
    with suppress(UnicodeError):  # curl sends UTF-8, which the server reads as Latin-1; browsers send that
        sent = sent.encode("latin-1").decode()
    if not re.match(MOTIVO, sent) or not texts.says_something(sent):
        raise FieldError(HEADER, EXPECTED[MOTIVO])
    g.reason = texts.composed(sent)


def read_one(transaction: Transaction, cedula: str, action: str, reason: str | None = None) -> None:
    """Keep that whoever asks was shown something of a patient: of his history, if the action says no more.

    While the rules are lifted nobody has said who he is, and there is nothing to keep: of changes and of pages neither.
    """
    _keep(transaction, "acceso_insert", reason, cedula=cedula, accion=action)


def read_page(transaction: Transaction, action: str, rows: Sequence[DictRow]) -> None:
    """Keep whom a page showed: the rows have `paciente_id` and, of consultations, `consulta_id`."""
    patients = sorted({row["paciente_id"] for row in rows})
    consultations = [row["consulta_id"] for row in rows] if action == "consultas" else None
    _keep(transaction, "acceso_pagina_insert", None, accion=action, pacientes=patients, consultas=consultations)


def change(transaction: Transaction, key: Any, table: str, action: str, before: str | None) -> None:
    """Keep that a patient, or one of his consultations, is registered or changed, and what was there, as JSON.

    Without a reason it is the action.
    """
    row = str(key.get("consulta_id", key["cedula"]))
    values = {"cedula": key["cedula"], "tabla": table, "fila": row, "accion": action, "antes": before}
    _keep(transaction, "cambio_insert", g.get("reason") or action, **values)


def _keep(transaction: Transaction, insert: str, reason: str | None, **values: Any) -> None:
    if person := permissions.current():
        who = {"documento_id": person.documento_id, "rol": person.rol}
        reason = reason or g.get("reason") or REASONS[person.rol]
        transaction.later(statement(insert), {**values, **who, "motivo": reason})
