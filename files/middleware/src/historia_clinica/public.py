"""What needs no token: the original lab's addresses and its users in the log, and whether the service lives and is ready."""

from __future__ import annotations

import logging
import threading
from time import perf_counter
from typing import Any

import psycopg
from flask import Blueprint, Response, current_app, jsonify, request, url_for

from historia_clinica import redaction, sessions
from historia_clinica.config import whole
from historia_clinica.errors import DatabaseUnavailableError, FieldError
from historia_clinica.pool import Database, current_database
from historia_clinica.schemas import DEFAULT_PAGE, LARGEST_PAGE
from historia_clinica.sql import statement

logger = logging.getLogger(__name__)
blueprint = Blueprint("public", __name__)

LIFTED = "Las reglas de acceso están levantadas: cualquiera lee y escribe."
LISTED = 50
PAUSE_SECONDS = 2  # servers and middleware of a lab start together: the tables may come a little later


@blueprint.get("/")
def index() -> dict[str, str]:
    """Say that the process answers, without the database: its absence is no reason to restart."""
    return {"estado": "ok", "servicio": "historia-clinica", "version": current_app.version}  # type: ignore[attr-defined]  # of our Application


@blueprint.get("/healthz/live")
def live() -> dict[str, str]:
    """Say that the process answers, to a supervisor or a kubelet."""
    return {"estado": "ok"}


@blueprint.get("/healthz/ready")
def ready() -> dict[str, str]:
    """Say that a request would be answered: a connection is free and the database answers on it."""
    with current_database().connection(patience=1) as connection:
        connection.execute(b"SELECT 1")
    return {"estado": "ok"}


@blueprint.get("/status")
def status() -> dict[str, Any]:
    """Describe the database: engine, versions, the time of one round trip and every node."""
    with current_database().connection() as connection:
        before = perf_counter()
        connection.execute(b"SELECT 1")
        latency = perf_counter() - before
        versions = connection.execute(statement("versions")).fetchall()[0]
        nodes = connection.execute(statement("nodes")).fetchall()
    state = "ok" if all(node["responde"] for node in nodes) else "degradado"
    access = {"acceso": "open", "aviso": LIFTED} if sessions.current().lifted else {"acceso": "rules"}
    return {"estado": state, **access, **versions, "latencia_ms": round(latency * 1000, 2), "nodos": nodes}


@blueprint.get("/usuarios")
def usuarios() -> Response:
    """List users by `documento_id`, a page at a time: `limite` of them, those after `despues`.

    The key of the last row leads to the next page: no row is counted or skipped, however many there are.
    """
    text = request.args.get("limite", str(DEFAULT_PAGE))
    limit = whole(text, 1, LARGEST_PAGE)
    if limit is None:
        raise FieldError("limite", f"tiene que ser un número entero de 1 a {LARGEST_PAGE}.")
    values = {"despues": request.args.get("despues", ""), "limite": limit}
    with current_database().connection() as connection:
        rows = connection.execute(statement("usuarios"), values).fetchall()
    page = rows[:limit]
    following = page[-1]["documento_id"] if len(rows) > limit else None
    response = jsonify(usuarios=page, siguiente=following)
    if following is not None:
        address = url_for("public.usuarios", limite=limit, despues=following)
        response.headers["Link"] = f'<{address}>; rel="next"'
    return response


@blueprint.get("/citus/workers")
def workers() -> dict[str, list[dict[str, Any]]]:
    """List the workers that take part in queries; both engines have the function that is asked."""
    with current_database().connection() as connection:
        return {"workers": connection.execute(statement("active_workers")).fetchall()}


def log_users(database: Database) -> None:
    """Log the first users as soon as the database answers, without keeping the start waiting."""
    threading.Thread(target=_log_users, args=(database,), name="users-in-log", daemon=True).start()


def _log_users(database: Database) -> None:
    told = ""
    while True:
        try:
            with database.connection() as connection:
                rows = connection.execute(statement("usuarios"), {"despues": "", "limite": LISTED}).fetchall()
            break
        except (DatabaseUnavailableError, psycopg.Error) as error:
            reason = redaction.told(error) if isinstance(error, psycopg.Error) else str(error)
            if reason != told:
                told = reason
                failed = "No se pudo leer la tabla usuario; el servicio sigue y lo vuelve a intentar."
                logger.warning(failed, extra={"datos": {"error": told}})
            if database.closed.wait(PAUSE_SECONDS):
                return
    for row in rows[:LISTED]:
        known = {"documento_id": "*" * 6 + row["documento_id"][-4:], "rol": row["rol"]}  # enough for who knows it
        logger.info("Usuario cargado de la tabla usuario.", extra={"datos": known})
    logger.info("Usuarios en la tabla usuario: %s.", f"más de {LISTED}" if len(rows) > LISTED else len(rows))
