"""`/api/v1/sesiones`: logging in, going on and logging out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, json

from historia_clinica import access, sessions
from historia_clinica.answers import JSON
from historia_clinica.db import asking, in_transaction
from historia_clinica.errors import unauthorized
from historia_clinica.pipeline import Pipeline
from historia_clinica.resource import Resource
from historia_clinica.schemas import Credenciales, Quien, Renovacion, Sesion

blueprint = Resource("sesiones", __name__, "/sesiones", tag="Sesiones")


@blueprint.post("")
@blueprint.operation("Entra con documento y contraseña", None, Sesion, 201, also=[401, 429])
@blueprint.input(Credenciales, arg_name="data")
def log_in(data: Credenciales) -> Response:
    """Open a session."""
    return _secret(in_transaction(sessions.log_in)(data.documento_id, data.clave), HTTPStatus.CREATED)


@blueprint.post("/renovacion")
@blueprint.operation("Renueva una sesión con su refresco, que se gasta", None, Sesion, 200, also=[401])
@blueprint.input(Renovacion, arg_name="data")
def renew(data: Renovacion) -> Response:
    """Give a session a new token."""
    renewed = in_transaction(sessions.renew)(data.refresco)
    if renewed is None:
        raise unauthorized("El refresco ya no vale.")
    return _secret(renewed, HTTPStatus.OK)


@blueprint.get("/actual")
@blueprint.operation("Dice quién pregunta y qué puede hacer", "sesion.propia", Quien)
def who() -> Response:
    """Say who asks and what he may do: the table of permissions, for his role."""
    person = access.current()
    if person:
        with asking():  # which looks whether the session is open
            pass
    return _secret(
        {
            "acceso": "rules" if person else "open",
            "documento_id": person and person.documento_id,
            "rol": person and person.rol,
            "medico_id": person and person.medico_id,
            "permisos": {
                name: roles[person.rol]
                for name, roles in access.PERMISSIONS.items()
                if person is not None and person.rol in roles
            },
        },
        HTTPStatus.OK,
    )


@blueprint.delete("/actual")
@blueprint.operation("Sale: la sesión se cierra y sus tokens ya no valen", "sesion.propia", None, 204)
def log_out() -> Response:
    """Close the session of whoever asks."""
    _close()
    return Response(status=HTTPStatus.NO_CONTENT)


@in_transaction
def _close(pipeline: Pipeline) -> None:
    if person := access.current():
        sessions.close(pipeline, person.sesion)


def _secret(body: dict[str, Any], status: HTTPStatus) -> Response:
    """Answer with what nobody on the way may keep."""
    return Response(json.dumps(body), status, {"Cache-Control": "no-store"}, mimetype=JSON)
