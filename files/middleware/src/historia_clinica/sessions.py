"""Sessions: who has logged in, until when, and for whom a request asks.

A token is short-lived and carries everything; the session behind it lies on the coordinator, where it is renewed and closed,
and where every request looks whether it is still open.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import uuid4

from flask import Flask, current_app, g, request
from psycopg.rows import DictRow

from historia_clinica import attempts, passwords, schemas, tokens
from historia_clinica.config import Settings
from historia_clinica.errors import ProblemError, UnauthorizedError
from historia_clinica.permissions import Person
from historia_clinica.sql import statement
from historia_clinica.transactions import OnBehalf, Transaction, in_transaction, reading

SESSION_HOURS = 12
WRONG = "El documento o la contraseña no son correctos."

# What is written into a statement without a parameter: SET takes none. They come from a token that we signed, and are
# checked all the same.
_LITERAL = re.compile("[0-9a-z]*")
_UUID = re.compile(schemas.UUID)


class Sessions(NamedTuple):
    """What the sessions of an application need."""

    keys: tokens.SigningKeys | None  # that sign tokens; None where the rules are lifted and nobody named them
    lifted: bool  # whether the rules do not hold


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its sessions; raises ConfigurationError where the signing keys cannot be used."""
    keys = tokens.SigningKeys(settings.signing_keys) if settings.signing_keys else None
    app.extensions["sessions"] = Sessions(keys, settings.access == "open")


def current() -> Sessions:
    """Return the sessions of the application that serves the current request."""
    sessions: Sessions = current_app.extensions["sessions"]
    return sessions


def identify() -> Person | None:
    """Return who asks, by the request's token, or None while the rules are lifted; raises ProblemError (401)."""
    sessions = current()
    if sessions.lifted or sessions.keys is None:
        return None
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthorizedError("Falta autenticarse.")
    person = g.person = sessions.keys.verify(token.strip())
    g.on_behalf = on_behalf_of(person)
    return person


def on_behalf_of(person: Person) -> OnBehalf:
    """Return what a transaction on behalf of the person says first (row_security.sql reads it).

    Raises ProblemError (401) where the token says something that no log-in ever wrote.
    """
    values = (person.rol, person.documento_id, person.medico_id or "")
    if not all(_LITERAL.fullmatch(value) for value in values) or not _UUID.fullmatch(person.sesion):
        raise UnauthorizedError(tokens.STRANGE)
    return OnBehalf("SET LOCAL historia.persona = '{}/{}/{}'".format(*values).encode(), person.sesion)


def log_in(documento_id: str, password: str) -> dict[str, Any]:
    """Open a session for whoever knows the user's password; raises ProblemError (401, 429 after too many failures).

    Who does not gets the same answer after the same time, whether there is such a user, whether he has a password, and
    whether he is retired. Nobody waits for a connection meanwhile: none is held while a password is compared.
    """
    with reading() as transaction:
        attempts.require_patience(transaction, documento_id)
        user = find(transaction, documento_id)
    return in_transaction(_start)(
        documento_id, checked(documento_id, password, user if user and user["activo"] else None)
    )


def find(transaction: Transaction, documento_id: str) -> DictRow | None:
    """Return what logging in needs to know of a user (rol, medico_id, activo, usuario_activo, clave_hash), or None.

    One who is a retired doctor is not active, though as a user he may be.
    """
    rows = transaction.fetch(statement("usuario_log_in"), {"documento_id": documento_id})
    return rows[0] if rows else None


def checked(documento_id: str, password: str, user: DictRow | None) -> DictRow:
    """Return the user that `find` saw, if this is his password; raises ProblemError (401) and counts the failure."""
    right = passwords.matches(password, user["clave_hash"] if user else None)
    if user is None or not right:
        in_transaction(attempts.fail, single=True)(documento_id)
        raise UnauthorizedError(WRONG)
    return user


def confirm(transaction: Transaction, documento_id: str, user: DictRow) -> None:
    """Go on only if a user is still what he was when his password was compared; let nobody change him until the end.

    Raises ProblemError: 401, or 429 where too many other attempts have failed meanwhile.
    """
    transaction.execute(statement("usuario_lock"), {"documento_id": documento_id})
    if find(transaction, documento_id) != user:
        raise UnauthorizedError(WRONG)
    attempts.succeed(transaction, documento_id)


def _start(transaction: Transaction, documento_id: str, user: DictRow) -> dict[str, Any]:
    confirm(transaction, documento_id, user)
    return start(transaction, documento_id, user["rol"], user["medico_id"])


def start(transaction: Transaction, documento_id: str, rol: str, medico_id: str | None) -> dict[str, Any]:
    """Open a session of a user and return what he needs to go on, as the API answers it."""
    person = Person(documento_id, rol, medico_id, str(uuid4()))
    secret = _keys().refresh_secret(person.sesion)
    until = datetime.now(UTC) + timedelta(hours=SESSION_HOURS)
    values = {"id": person.sesion, "documento_id": documento_id, "huella": _mark(secret), "vence_en": until}
    transaction.execute(statement("sesion_insert"), values)
    return _answer(person, secret)


def renew(transaction: Transaction, refresh: str) -> dict[str, Any] | None:
    """Return a new token and a new refresh token of a session, or None; the old refresh token is used up.

    One that comes a second time was stolen, by the first or by the second: the session ends. One that was never ours ends
    nobody's session.
    """
    session, _, secret = refresh.partition(".")
    new = _keys().refresh_secret(session)
    values = {"id": session, "huella": _mark(secret), "nueva": _mark(new)}
    rows = transaction.fetch(statement("sesion_renew"), values)
    user = find(transaction, rows[0]["documento_id"]) if rows else None
    if user is None or not user["activo"]:
        if rows or _keys().issued(session, secret):
            close(transaction, session)
        return None
    return _answer(Person(rows[0]["documento_id"], user["rol"], user["medico_id"], session), new)


def close(transaction: Transaction, session: str) -> None:
    """Close a session: its tokens are refused from now on."""
    transaction.execute(statement("sesion_close"), {"id": session})


def close_all(transaction: Transaction, documento_id: str) -> None:
    """Close every session of a user: his password, his role or he himself is no longer what it was."""
    transaction.execute(statement("sesiones_close"), {"documento_id": documento_id})


def close_of_doctor(transaction: Transaction, medico_id: str) -> None:
    """Close every session of the users who are a doctor: he is retired, in this transaction.

    A log-in that is under way has its user locked: it is waited for, and what it opened is closed too.
    """
    for user in transaction.fetch(statement("medico_usuarios"), {"medico_id": medico_id}):
        transaction.execute(statement("usuario_lock"), user)
        close_all(transaction, user["documento_id"])


def _keys() -> tokens.SigningKeys:
    if (keys := current().keys) is None:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "Este servicio no tiene con qué firmar tokens.")
    return keys


def _answer(person: Person, secret: str) -> dict[str, Any]:
    token, expires = _keys().sign(person)
    until = datetime.fromtimestamp(expires, UTC).isoformat().replace("+00:00", "Z")
    who = {"documento_id": person.documento_id, "rol": person.rol, "medico_id": person.medico_id}
    return {"token": token, "tipo": "Bearer", "vence_en": until, "refresco": f"{person.sesion}.{secret}", **who}


def _mark(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
