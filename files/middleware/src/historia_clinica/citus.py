"""`/citus/workers`: the active workers, by the original's function; both engines answer it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from historia_clinica.db import fetch

blueprint = Blueprint("citus", __name__, url_prefix="/citus")


@blueprint.get("/workers")
def workers() -> dict[str, list[dict[str, Any]]]:
    """List the workers that take part in queries."""
    return {"workers": fetch("active_workers")}
