"""`/healthz/live` and `/healthz/ready`: what a supervisor, a kubelet or a load balancer asks."""

from __future__ import annotations

from flask import Blueprint

from historia_clinica.db import current_database

blueprint = Blueprint("healthz", __name__, url_prefix="/healthz")


@blueprint.get("/live")
def live() -> dict[str, str]:
    """Say that the process answers; the database's absence is no reason to restart it."""
    return {"estado": "ok"}


@blueprint.get("/ready")
def ready() -> dict[str, str]:
    """Say that a request would be answered: a connection is free and the database answers on it."""
    with current_database().connection() as connection:
        connection.execute(b"SELECT 1")
    return {"estado": "ok"}
