# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Promises about the nodes: each is registered, answers and computes as the others do."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.evidence import Broken, Evidence


def database_answers(evidence: Evidence) -> str:
    """One connection as the administrator, through the lab's one port."""
    if evidence.sql_error:
        raise Broken(evidence.sql_error)
    return f"127.0.0.1:{evidence.lab['database_port']}, database {evidence.lab['database']}"


def nodes_registered(evidence: Evidence) -> str:
    """The nodes that the database knows are those of the lab, where the lab has them."""
    found = sorted((str(row["role"]), str(row["node_name"])) for row in evidence.rows("nodes"))
    wanted = sorted((str(node["role"]), str(node["name"])) for node in evidence.lab["nodes"])
    missing = [name for role, name in wanted if (role, name) not in found]
    if missing:
        raise Broken(f"not registered: {', '.join(missing)}; found {', '.join(name for _, name in found) or 'none'}")
    addresses = {str(node["name"]): f"{node['host']}:{node['port']}" for node in evidence.lab["nodes"]}
    moved = [
        f"{row['node_name']} at {row['host']}:{row['port']} instead of {addresses[row['node_name']]}"
        for row in evidence.rows("nodes")
        if addresses.get(row["node_name"], f"{row['host']}:{row['port']}") != f"{row['host']}:{row['port']}"
    ]
    if moved:
        raise Broken(", ".join(moved))
    return f"1 coordinator, {sum(role == 'worker' for role, _ in found)} workers"


def nodes_answer(evidence: Evidence) -> str:
    """Every node answers a query that the coordinator sends."""
    nodes = evidence.rows("nodes")
    silent = [f"{row['node_name']}: {row['error']}" for row in nodes if not row["responds"]]
    if silent or not nodes:
        raise Broken("; ".join(silent) or "no nodes")
    return f"{len(nodes)} of {len(nodes)}"


def active_workers(evidence: Evidence) -> str:
    """The original's function names every worker."""
    found = len(evidence.rows("active-workers"))
    wanted = len(evidence.workers())
    if found < wanted:
        raise Broken(f"{found} of {wanted} workers")
    return f"{found} workers"


def settings_alike(evidence: Evidence) -> str:
    """Every node computes with the settings of the coordinator, whose session asks it."""
    wrong = [
        f"{row['node_name']} has {row['setting']} = {row['found']}, the coordinator {row['wanted']}"
        for row in evidence.rows("other-settings")
    ]
    if wrong:
        raise Broken("; ".join(wrong))
    return "time zone, formats, languages are the same on every node"


def objects_as_made(evidence: Evidence) -> str:
    """The namespace holds what a run made, as it made it."""
    if evidence.survey["error"]:
        raise Broken(evidence.survey["error"])
    if evidence.survey["changed"]:
        raise Broken("; ".join(evidence.survey["changed"]))
    return f"namespace {evidence.lab['namespace']}"
