# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Checks of the API: it answers, and agrees with the database."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import (
    CheckFailed,
    Observations,
)


def api_answers(observations: Observations) -> str:
    """The API lives."""
    return f"GET / says {observations.answer('/')['estado']}"


def api_status(observations: Observations) -> str:
    """The API reaches the database and says which engine it is."""
    status = observations.answer("/status")
    if status["motor"] != observations.lab["engine"]:
        raise CheckFailed(f"engine {status['motor']}, the lab's is {observations.lab['engine']}")
    if len(status["nodos"]) < len(observations.lab["nodes"]):
        raise CheckFailed(f"{len(status['nodos'])} of {len(observations.lab['nodes'])} nodes")
    if status["estado"] != "ok":
        raise CheckFailed(f"GET /status says {status['estado']}")
    return f"{status['motor']}, PostgreSQL {status['postgresql']}, {len(status['nodos'])} nodes"


def api_users(observations: Observations) -> str:
    """The API's list of users has as many as the table, or a full page of them."""
    body = observations.answer("/usuarios")
    listed, there = len(body["usuarios"]), int(observations.rows("counts")[0]["usuario"])
    if listed != there and not (body["siguiente"] and listed < there):
        raise CheckFailed(f"{listed} users, the table has {there}")
    return f"{listed} of {there} users"


def api_workers(observations: Observations) -> str:
    """The API's list of workers is the database's."""
    listed, there = len(observations.answer("/citus/workers")["workers"]), len(observations.rows("active-workers"))
    if listed != there:
        raise CheckFailed(f"{listed} workers, the database has {there}")
    return f"{listed} workers"
