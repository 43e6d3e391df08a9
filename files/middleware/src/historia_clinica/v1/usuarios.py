"""`/api/v1/usuarios`: who may log in. They are retired, never deleted: what they did stays theirs."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import Response, url_for
from psycopg.errors import UniqueViolation
from pydantic import BaseModel

from historia_clinica import access, answers, passwords, sessions, store
from historia_clinica.db import in_transaction
from historia_clinica.errors import ProblemError
from historia_clinica.pipeline import Pipeline
from historia_clinica.resource import Resource
from historia_clinica.schemas import (
    Clave,
    Usuario,
    UsuarioCambios,
    UsuarioDatos,
    UsuarioNuevo,
    Usuarios,
    UsuariosFiltro,
)
from historia_clinica.sql import statement
from historia_clinica.store import USUARIO

# The original's /usuarios has the plain name.
blueprint = Resource("usuarios_v1", __name__, "/usuarios", tag="Usuarios")


@blueprint.get("")
@blueprint.operation(
    "Busca usuarios, por documento", "usuarios.buscar", Usuarios, also=[304], headers=["If-None-Match"]
)
@blueprint.input(UsuariosFiltro, location="query", arg_name="conditions")
def search(conditions: UsuariosFiltro) -> Response:
    """List users by their document."""
    bodies = store.page(USUARIO, conditions.model_dump(exclude_none=True))
    return answers.page("usuarios", bodies, conditions.limite, ["documento_id"])


@blueprint.post("")
@blueprint.operation(
    "Registra un usuario, que todavía no tiene contraseña", "usuarios.escribir", Usuario, 201, also=[409]
)
@blueprint.input(UsuarioNuevo, arg_name="data")
def create(data: UsuarioNuevo) -> Response:
    """Register a user, who has no password yet. Sent twice, it makes one user."""
    try:
        body = _insert(data)
    except UniqueViolation:
        raise _taken(data.documento_id) from None
    return answers.answer(
        body, HTTPStatus.CREATED, Location=url_for("usuarios_v1.read", documento_id=data.documento_id)
    )


@blueprint.get("/<cedula:documento_id>")
@blueprint.operation(
    "Lee un usuario", "usuarios.leer", Usuario, owner="documento_id", also=[304, 404], headers=["If-None-Match"]
)
def read(documento_id: str) -> Response:
    """Answer with one user."""
    return answers.answer(store.read(USUARIO, documento_id=documento_id))


@blueprint.put("/<cedula:documento_id>")
@blueprint.operation(
    "Registra un usuario o reemplaza sus datos",
    "usuarios.escribir",
    Usuario,
    also=[201, 409, 412, 428],
    headers=["If-Match", "If-None-Match"],
)
@blueprint.input(UsuarioDatos, arg_name="data")
def put(documento_id: str, data: UsuarioDatos) -> Response:
    """Register a user, or replace what is written about one."""
    try:
        status, body = _put(documento_id, data)
    except UniqueViolation:
        raise _taken(documento_id) from None
    location = {"Location": url_for("usuarios_v1.read", documento_id=documento_id)} if status == 201 else {}
    return answers.answer(body, status, **location)


@blueprint.patch("/<cedula:documento_id>")
@blueprint.operation(
    "Cambia algunos datos de un usuario", "usuarios.escribir", Usuario, also=[404, 412, 428], headers=["If-Match"]
)
@blueprint.input(UsuarioCambios, arg_name="changes")
def change(documento_id: str, changes: BaseModel) -> Response:
    """Change some of what is written about a user."""
    given = changes.model_dump(exclude_unset=True)
    return answers.answer(_amend(documento_id, lambda body: answers.merged(UsuarioDatos, body, given)))


@blueprint.delete("/<cedula:documento_id>")
@blueprint.operation("Retira un usuario: ya no puede entrar", "usuarios.escribir", None, 204, also=[404])
def retire(documento_id: str) -> Response:
    """Retire a user; doing it twice is doing it once."""
    _retire(documento_id)
    return Response(status=HTTPStatus.NO_CONTENT)


@blueprint.put("/<cedula:documento_id>/clave")
@blueprint.operation(
    "Cambia la contraseña de un usuario", "usuarios.clave", None, 204, owner="documento_id", also=[404, 429]
)
@blueprint.input(Clave, arg_name="data")
def set_password(documento_id: str, data: Clave) -> Response:
    """Set a password; whoever sets his own says the one that he has. Every session of the user ends."""
    _set_password(documento_id, data)
    return Response(status=HTTPStatus.NO_CONTENT)


def _taken(documento_id: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.CONFLICT, f"documento_id: ya hay un usuario con el documento {documento_id}.", campo="documento_id"
    )


@in_transaction
def _insert(pipeline: Pipeline, data: UsuarioNuevo) -> str:
    USUARIO.insert(pipeline, data.model_dump())
    return USUARIO.read(pipeline, {"documento_id": data.documento_id})


@in_transaction
def _put(pipeline: Pipeline, documento_id: str, data: UsuarioDatos) -> tuple[HTTPStatus, str]:
    key = {"documento_id": documento_id}
    body = USUARIO.lock(pipeline, key)
    if body is None:
        answers.require_no_match()
        USUARIO.insert(pipeline, data.model_dump() | key)
        return HTTPStatus.CREATED, USUARIO.read(pipeline, key)
    answers.require_none()
    answers.require_match(body)
    sessions.close_all(pipeline, documento_id)
    return HTTPStatus.OK, USUARIO.update(pipeline, key, data)


@in_transaction
def _amend(pipeline: Pipeline, documento_id: str, new: Callable[[str], UsuarioDatos]) -> str:
    sessions.close_all(pipeline, documento_id)
    return USUARIO.amend(pipeline, {"documento_id": documento_id}, new)


@in_transaction
def _retire(pipeline: Pipeline, documento_id: str) -> None:
    sessions.close_all(pipeline, documento_id)
    if pipeline.execute(statement("usuario_retire"), {"documento_id": documento_id}).count() == 0:
        raise USUARIO.not_found({"documento_id": documento_id})


@in_transaction
def _set_password(pipeline: Pipeline, documento_id: str, data: Clave) -> None:
    person = access.current()
    user = pipeline.execute(statement("usuario_log_in"), {"documento_id": documento_id}).first()
    if user is None:
        raise USUARIO.not_found({"documento_id": documento_id})
    if person and person.documento_id == documento_id:
        sessions.check(documento_id, data.clave_actual or "", user["clave_hash"])
    sessions.close_all(pipeline, documento_id)
    values = {"documento_id": documento_id, "clave_hash": passwords.hashed(data.clave)}
    pipeline.execute(statement("usuario_password"), values)
