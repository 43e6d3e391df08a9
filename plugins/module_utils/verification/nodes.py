# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Checks of the nodes: each is registered, answers and computes as the others do."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import (
    CheckFailed,
    Observations,
)


def database_answers(observations: Observations) -> str:
    """One connection as the administrator, through the lab's one port."""
    if observations.sql_error:
        raise CheckFailed(observations.sql_error)
    return f"127.0.0.1:{observations.lab['database_port']}, database {observations.lab['database']}"


def nodes_registered(observations: Observations) -> str:
    """The nodes that the database knows are those of the lab, where the lab has them."""
    found = sorted((str(row["role"]), str(row["node_name"])) for row in observations.rows("nodes"))
    wanted = sorted((str(node["role"]), str(node["name"])) for node in observations.lab["nodes"])
    missing = [name for role, name in wanted if (role, name) not in found]
    if missing:
        raise CheckFailed(
            f"not registered: {', '.join(missing)}; found {', '.join(name for _, name in found) or 'none'}"
        )
    addresses = {str(node["name"]): f"{node['host']}:{node['port']}" for node in observations.lab["nodes"]}
    moved = [
        f"{row['node_name']} at {row['host']}:{row['port']} instead of {addresses[row['node_name']]}"
        for row in observations.rows("nodes")
        if addresses.get(row["node_name"], f"{row['host']}:{row['port']}") != f"{row['host']}:{row['port']}"
    ]
    if moved:
        raise CheckFailed(", ".join(moved))
    return f"1 coordinator, {sum(role == 'worker' for role, _ in found)} workers"


def nodes_answer(observations: Observations) -> str:
    """Every node answers a query that the coordinator sends."""
    nodes = observations.rows("nodes")
    silent = [f"{row['node_name']}: {row['error']}" for row in nodes if not row["responds"]]
    if silent or not nodes:
        raise CheckFailed("; ".join(silent) or "no nodes")
    return f"{len(nodes)} of {len(nodes)}"


def active_workers(observations: Observations) -> str:
    """The original's function names every worker."""
    found = len(observations.rows("active-workers"))
    wanted = len(observations.workers())
    if found < wanted:
        raise CheckFailed(f"{found} of {wanted} workers")
    return f"{found} workers"


def settings_alike(observations: Observations) -> str:
    """Every node computes with the settings of the coordinator, whose session asks it."""
    wrong = [
        f"{row['node_name']} has {row['setting']} = {row['found']}, the coordinator {row['wanted']}"
        for row in observations.rows("other-settings")
    ]
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return "time zone, formats, languages are the same on every node"


def objects_as_applied(observations: Observations) -> str:
    """The objects in the namespace are as a run applied them."""
    if observations.cluster_report["error"]:
        raise CheckFailed(observations.cluster_report["error"])
    if observations.cluster_report["changed"]:
        raise CheckFailed("; ".join(observations.cluster_report["changed"]))
    return f"namespace {observations.lab['namespace']}"
