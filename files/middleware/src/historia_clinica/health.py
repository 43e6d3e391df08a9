"""Whether the middleware lives (`/`) and whether the database behind it answers (`/status`)."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from flask import Blueprint

from historia_clinica import __version__, sessions
from historia_clinica.db import current_database
from historia_clinica.sql import statement

blueprint = Blueprint("health", __name__)


@blueprint.get("/")
def index() -> dict[str, str]:
    """Say that the process answers, without the database: its absence is no reason to restart."""
    return {"estado": "ok", "servicio": "historia-clinica", "version": __version__}


@blueprint.get("/status")
def status() -> dict[str, Any]:
    """Describe the database: engine, versions, the time of one round trip and every node."""
    with current_database().connection() as connection:
        before = perf_counter()
        connection.execute(b"SELECT 1")
        latency = perf_counter() - before
        versions = connection.execute(statement("versions")).fetchall()[0]
        nodes = connection.execute(statement("nodes")).fetchall()
    access = (
        {"acceso": "open", "aviso": "Las reglas de acceso están levantadas: cualquiera lee y escribe."}
        if sessions.current().lifted
        else {"acceso": "rules"}
    )
    return {
        "estado": "ok" if all(node["responde"] for node in nodes) else "degradado",
        **access,
        **versions,
        "latencia_ms": round(latency * 1000, 2),
        "nodos": nodes,
    }
