"""Creation that can be repeated: what `Idempotency-Key` was answered with is answered again.

The key lies in the patient's shard, beside the row that it made, and both are written by one
transaction: there is no moment at which one is there without the other, on either engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from typing import NamedTuple

from flask import request
from psycopg.errors import UniqueViolation

from historia_clinica.db import alone, in_transaction
from historia_clinica.errors import InvalidFieldError, ProblemError
from historia_clinica.pipeline import Pipeline
from historia_clinica.schemas import CLAVE_IDEMPOTENTE
from historia_clinica.sql import statement


class Created(NamedTuple):
    """What was created: its address and its JSON."""

    location: str
    body: str


class _RaceError(Exception):
    """Another request with the same key ended between our look and our write."""


def create(cedula: str, work: Callable[[Pipeline], Created], *, single: bool = False) -> Created:
    """Create something of a patient, once for each key.

    Args:
        cedula: whose shard it is.
        work: creates it, in the transaction that also keeps the key.
        single: whether it writes by one statement, which without a key needs no transaction around it.

    Raises:
        InvalidFieldError: the key has another form than a key.
        ProblemError: 422 where the key was used for another request.
        psycopg.errors.UniqueViolation: it is there already, and not by this key.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return alone(work)() if single else in_transaction(work)()
    if not re.match(CLAVE_IDEMPOTENTE, key):
        raise InvalidFieldError("Idempotency-Key", "tiene que tener de 1 a 100 caracteres visibles de ASCII.")
    try:
        return _once(cedula, key, work)
    except (_RaceError, UniqueViolation):  # by the same key, perhaps: then it is there now
        return _once(cedula, key, work)


@in_transaction
def _once(pipeline: Pipeline, cedula: str, key: str, work: Callable[[Pipeline], Created]) -> Created:
    mark = sha256(f"{request.method} {request.path}\n".encode() + request.get_data()).hexdigest()
    parameters = {"cedula": cedula, "clave": key}
    known = pipeline.execute(statement("solicitud"), parameters).first()
    if known is not None:
        if known["huella"] != mark:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "Idempotency-Key: esa clave ya se usó con otra solicitud.",
                campo="Idempotency-Key",
            )
        return Created(known["ubicacion"], known["cuerpo"])
    created = work(pipeline)
    values = {**parameters, "huella": mark, "ubicacion": created.location, "cuerpo": created.body}
    if pipeline.execute(statement("solicitud_insert"), values).count() == 0:
        raise _RaceError
    return created
