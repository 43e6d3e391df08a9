"""`/api/v1/usuarios`: who may log in. They are retired, never deleted: what they did stays theirs."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, request
from psycopg.rows import DictRow

from historia_clinica import answers, attempts, passwords, permissions, schemas, sessions, store
from historia_clinica.resource import Resource
from historia_clinica.sql import statement
from historia_clinica.store import Kind, Values
from historia_clinica.transactions import Transaction, in_transaction, reading

# The original's /usuarios has the plain name.
blueprint = Resource("usuarios_v1", __name__, "/usuarios", tag="Usuarios")

ONE = "/<documento_id>"


class Users(Kind[schemas.UsuarioDatos]):
    """Users: whatever is changed about one, his sessions end."""

    def update(self, transaction: Transaction, key: Values, there: str, data: schemas.UsuarioDatos) -> str:
        """Write the data over what is there, end the sessions, and return it as JSON."""
        sessions.close_all(transaction, key["documento_id"])
        return super().update(transaction, key, there, data)


USUARIO = Users(
    "usuarios_v1", frozenset({"documento_id"}), "No hay usuario con el documento {documento_id}.",
    "usuario", schemas.UsuarioDatos, ("documento_id", "ya hay un usuario con el documento {documento_id}."),
)  # fmt: skip


@blueprint.operation(
    "GET", "", "Busca usuarios, por documento", "usuarios.buscar", schemas.Usuarios, query=schemas.UsuariosFiltro
)
def search(conditions: schemas.UsuariosFiltro) -> Response:
    """List users by their document."""
    return store.page("usuarios", "usuarios_v1", conditions.model_dump(exclude_none=True), ["documento_id"])


@blueprint.operation(
    "POST", "", "Registra un usuario, que todavía no tiene contraseña", "usuarios.escribir", schemas.Usuario, 201,
    body=schemas.UsuarioNuevo, also=[409],
)  # fmt: skip
def create(data: schemas.UsuarioNuevo) -> Response:
    """Register a user, who has no password yet. Sent twice, it makes one user."""
    body = in_transaction(USUARIO.create)({"documento_id": data.documento_id}, data)
    return answers.answer(body, HTTPStatus.CREATED, Location=f"{request.path}/{data.documento_id}")


@blueprint.operation("GET", ONE, "Lee un usuario", "usuarios.leer", schemas.Usuario, owner="documento_id", also=[404])
def read(documento_id: str) -> Response:
    """Answer with one user."""
    return USUARIO.answer({"documento_id": documento_id})


blueprint.changeable(
    ONE, USUARIO, "usuarios.escribir",
    ("Registra un usuario o reemplaza sus datos", "Cambia algunos datos de un usuario"),
    schemas.Usuario, schemas.UsuarioCambios,
)  # fmt: skip


@blueprint.operation(
    "DELETE", ONE, "Retira un usuario: ya no puede entrar", "usuarios.escribir", status=204, also=[404]
)
def retire(documento_id: str) -> Response:
    """Retire a user; doing it twice is doing it once."""
    _retire({"documento_id": documento_id})
    return Response(status=HTTPStatus.NO_CONTENT)


@blueprint.operation(
    "PUT", f"{ONE}/clave", "Cambia la contraseña de un usuario", "usuarios.clave", status=204,
    body=schemas.Clave, owner="documento_id", conditional=False, also=[404, 429],
)  # fmt: skip
def set_password(documento_id: str, data: schemas.Clave) -> Response:
    """Set a password; whoever sets his own says the one that he has. Every session of the user ends."""
    key = {"documento_id": documento_id}
    person = permissions.current()
    own = person is not None and person.documento_id == documento_id
    with reading() as transaction:
        if own:
            attempts.require_patience(transaction, documento_id)
        user = sessions.find(transaction, documento_id)
    if user is None:
        raise USUARIO.not_found(key)
    if own:
        sessions.checked(documento_id, data.clave_actual or "", user)
    _set_password(key, passwords.hashed(data.clave), user if own else None)
    return Response(status=HTTPStatus.NO_CONTENT)


@in_transaction
def _retire(transaction: Transaction, key: dict[str, str]) -> None:
    sessions.close_all(transaction, key["documento_id"])
    if transaction.execute(statement("usuario_retire"), key) == 0:
        raise USUARIO.not_found(key)


@in_transaction
def _set_password(transaction: Transaction, key: dict[str, str], clave_hash: str, known: DictRow | None) -> None:
    """Keep the hash, if the user is still what he was when he said the password that he had."""
    if known:
        sessions.confirm(transaction, key["documento_id"], known)
    sessions.close_all(transaction, key["documento_id"])
    transaction.execute(statement("usuario_password"), {**key, "clave_hash": clave_hash})
