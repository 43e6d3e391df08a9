"""`/api/v1/sesiones`: logging in, going on and logging out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, json

from historia_clinica import permissions, schemas, sessions
from historia_clinica.answers import JSON
from historia_clinica.errors import UnauthorizedError
from historia_clinica.resource import Resource
from historia_clinica.transactions import Transaction, in_transaction, require_open_session

blueprint = Resource("sesiones", __name__, "/sesiones", tag="Sesiones")


@blueprint.operation(
    "POST",
    "",
    "Entra con documento y contraseña",
    None,
    schemas.Sesion,
    201,
    body=schemas.Credenciales,
    also=[401, 429],
)
def log_in(data: schemas.Credenciales) -> Response:
    """Open a session."""
    return _secret(sessions.log_in(data.documento_id, data.clave), HTTPStatus.CREATED)


@blueprint.operation(
    "POST", "/renovacion", "Renueva una sesión con su token de renovación, que sirve una sola vez", None, schemas.Sesion,
    body=schemas.Renovacion, also=[401],
)  # fmt: skip
def renew(data: schemas.Renovacion) -> Response:
    """Give a session a new token."""
    renewed = in_transaction(sessions.renew)(data.refresco)
    if renewed is None:
        raise UnauthorizedError("El token de renovación ya no vale.")
    return _secret(renewed)


@blueprint.operation(
    "GET", "/actual", "Dice quién pregunta y qué puede hacer", "sesion.propia", schemas.Quien, conditional=False
)
def who() -> Response:
    """Say who asks and what he may do: the table of permissions, for his role."""
    person = permissions.current()
    if person is None:
        return _secret({"acceso": "open", "documento_id": None, "rol": None, "medico_id": None, "permisos": {}})
    require_open_session()
    who = {"documento_id": person.documento_id, "rol": person.rol, "medico_id": person.medico_id}
    may = {name: roles[person.rol] for name, roles in permissions.PERMISSIONS.items() if person.rol in roles}
    return _secret({"acceso": "rules", **who, "permisos": may})


@blueprint.operation(
    "DELETE", "/actual", "Sale: la sesión se cierra y sus tokens ya no valen", "sesion.propia", status=204
)
def log_out() -> Response:
    """Close the session of whoever asks."""
    _close()
    return Response(status=HTTPStatus.NO_CONTENT)


@in_transaction
def _close(transaction: Transaction) -> None:
    if person := permissions.current():
        sessions.close(transaction, person.sesion)


def _secret(body: dict[str, Any], status: int = HTTPStatus.OK) -> Response:
    """Answer with what nobody on the way may keep."""
    return Response(json.dumps(body), status, {"Cache-Control": "no-store"}, mimetype=JSON)
