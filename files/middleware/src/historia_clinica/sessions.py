"""Sessions: who has logged in, until when, and for whom a request asks.

A token is short-lived and carries everything; the session behind it lies on the coordinator, where
it is renewed and closed, and where every request looks whether it is still open.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from flask import Flask, current_app, g, request

from historia_clinica import passwords, schemas, tokens
from historia_clinica.access import Person
from historia_clinica.config import Settings
from historia_clinica.db import OnBehalf
from historia_clinica.errors import ProblemError, unauthorized
from historia_clinica.pipeline import Pipeline
from historia_clinica.sql import statement

SESSION_HOURS = 12

# What is written into a statement without a parameter: SET takes none. They come from a token that
# we signed, and are looked at all the same.
_LITERAL = re.compile("[0-9a-z]*")
_UUID = re.compile(schemas.UUID)


@dataclass(frozen=True)
class Sessions:
    """What the sessions of an application need.

    Attributes:
        lifted: whether the rules do not hold.
        keys: that sign tokens; None where the rules are lifted and nobody named them.
        failures: log-ins that failed, of each user. Not of each address: behind a forwarder everybody
            has the same one.
    """

    lifted: bool
    keys: tokens.SigningKeys | None
    failures: passwords.Attempts


def init_app(app: Flask, settings: Settings) -> None:
    """Give the application its sessions.

    Raises:
        ConfigurationError: the signing keys cannot be used.
    """
    keys = tokens.SigningKeys(settings.signing_keys) if settings.signing_keys else None
    if keys:
        keys.read()
    app.extensions["sessions"] = Sessions(
        lifted=settings.access == "open",
        keys=keys,
        failures=passwords.Attempts(most=5, seconds=300),
    )


def current() -> Sessions:
    """Return the sessions of the application that serves the current request."""
    sessions: Sessions = current_app.extensions["sessions"]
    return sessions


def identify() -> Person | None:
    """Find out who asks, by the request's token; nobody has to say while the rules are lifted.

    Raises:
        ProblemError: 401.
    """
    sessions = current()
    if sessions.lifted or sessions.keys is None:
        return None
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise unauthorized("Falta decir quién pregunta.")
    try:
        person = sessions.keys.verify(token.strip())
    except tokens.InvalidTokenError as error:
        raise unauthorized(str(error)) from None
    g.person = person
    g.on_behalf = on_behalf_of(person)
    return person


def on_behalf_of(person: Person) -> OnBehalf:
    """Return what a transaction on behalf of the person says first (row_security.sql reads it).

    Raises:
        ProblemError: 401: the token says something that no log-in ever wrote.
    """
    values = (person.rol, person.documento_id, person.medico_id or "")
    if not all(_LITERAL.fullmatch(value) for value in values) or not _UUID.fullmatch(person.sesion):
        raise unauthorized("El token no es de este laboratorio.")
    return OnBehalf("SET LOCAL historia.persona = '{}/{}/{}'".format(*values).encode(), person.sesion)


def log_in(pipeline: Pipeline, documento_id: str, password: str) -> dict[str, Any]:
    """Open a session for whoever knows the user's password.

    Who does not gets the same answer after the same time, whether there is such a user, whether he
    has a password, and whether he is retired.

    Raises:
        ProblemError: 401; 429 after too many failures.
    """
    user = pipeline.execute(statement("usuario_log_in"), {"documento_id": documento_id}).first()
    check(documento_id, password, user["clave_hash"] if user and user["activo"] else None)
    if user is None:
        raise AssertionError("nobody's password matches")
    return start(pipeline, documento_id, user["rol"], user["medico_id"])


def check(documento_id: str, password: str, kept: str | None) -> None:
    """Go on only if the password is the one whose hash was kept.

    Raises:
        ProblemError: 401; 429 after too many failures.
    """
    failures = current().failures
    if wait := failures.wait(documento_id):
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"Demasiados intentos fallidos; espere {wait} segundos.",
            headers={"Retry-After": str(wait)},
        )
    if not passwords.matches(password, kept):
        failures.failed(documento_id)
        raise unauthorized("El documento o la contraseña no son correctos.")
    failures.succeeded(documento_id)


def start(pipeline: Pipeline, documento_id: str, rol: str, medico_id: str | None) -> dict[str, Any]:
    """Open a session of a user and return what he needs to go on, as the API answers it."""
    person = Person(documento_id, rol, medico_id, str(uuid4()))
    secret = secrets.token_urlsafe(32)
    until = datetime.now(UTC) + timedelta(hours=SESSION_HOURS)
    pipeline.execute(
        statement("sesion_insert"),
        {"id": person.sesion, "documento_id": documento_id, "huella": _mark(secret), "vence_en": until},
    )
    return _answer(person, secret)


def renew(pipeline: Pipeline, refresh: str) -> dict[str, Any] | None:
    """Give a session a new token and a new refresh secret, or None; the old secret is used up.

    A secret that comes a second time was stolen, by the first or by the second: the session ends.
    """
    session, _, secret = refresh.partition(".")
    new = secrets.token_urlsafe(32)
    values = {"id": session, "huella": _mark(secret), "nueva": _mark(new)}
    row = pipeline.execute(statement("sesion_renew"), values).first()
    user = pipeline.execute(statement("usuario_log_in"), row).first() if row else None
    if row is None or user is None or not user["activo"]:
        close(pipeline, session)
        return None
    return _answer(Person(row["documento_id"], user["rol"], user["medico_id"], session), new)


def close(pipeline: Pipeline, session: str) -> None:
    """Close a session: its tokens are refused from now on."""
    pipeline.execute(statement("sesion_close"), {"id": session})


def close_all(pipeline: Pipeline, documento_id: str) -> None:
    """Close every session of a user: his password, his role or he himself is no longer what it was."""
    pipeline.execute(statement("sesiones_close"), {"documento_id": documento_id})


def _answer(person: Person, secret: str) -> dict[str, Any]:
    keys = current().keys
    if keys is None:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "Este servicio no tiene con qué firmar tokens.")
    token, expires = keys.sign(person)
    return {
        "token": token,
        "tipo": "Bearer",
        "vence_en": datetime.fromtimestamp(expires, UTC).isoformat().replace("+00:00", "Z"),
        "refresco": f"{person.sesion}.{secret}",
        "documento_id": person.documento_id,
        "rol": person.rol,
        "medico_id": person.medico_id,
    }


def _mark(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
