# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Promises about the API: it answers, and says what the database says."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.evidence import Broken, Evidence


def api_answers(evidence: Evidence) -> str:
    """The API lives."""
    return f"GET / says {evidence.answer('/')['estado']}"


def api_status(evidence: Evidence) -> str:
    """The API reaches the database and says which engine it is."""
    status = evidence.answer("/status")
    if status["motor"] != evidence.lab["engine"]:
        raise Broken(f"engine {status['motor']}, the lab's is {evidence.lab['engine']}")
    if len(status["nodos"]) < len(evidence.lab["nodes"]):
        raise Broken(f"{len(status['nodos'])} of {len(evidence.lab['nodes'])} nodes")
    if status["estado"] != "ok":
        raise Broken(f"GET /status says {status['estado']}")
    return f"{status['motor']}, PostgreSQL {status['postgresql']}, {len(status['nodos'])} nodes"


def api_users(evidence: Evidence) -> str:
    """The API's list of users has as many as the table, or a full page of them."""
    body = evidence.answer("/usuarios")
    listed, there = len(body["usuarios"]), int(evidence.rows("counts")[0]["usuario"])
    if listed != there and not (body["siguiente"] and listed < there):
        raise Broken(f"{listed} users, the table has {there}")
    return f"{listed} of {there} users"


def api_workers(evidence: Evidence) -> str:
    """The API's list of workers is the database's."""
    listed, there = len(evidence.answer("/citus/workers")["workers"]), len(evidence.rows("active-workers"))
    if listed != there:
        raise Broken(f"{listed} workers, the database has {there}")
    return f"{listed} workers"
