# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The configuration of a lab's PostgreSQL servers, as text and as programs of its supervisor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Settings = Mapping[str, Any]


def setting_value(value: Any) -> str:
    """A value as postgresql.conf writes it: booleans as on and off, all else in quotes."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "'{}'".format(str(value).replace("'", "''"))


def settings_text(settings: Settings) -> str:
    """The text of a file that postgresql.conf includes: one setting a line, in order of name."""
    lines = ["# Made by Ansible: set database_processes_settings instead of editing it."]
    lines += [f"{name} = {setting_value(settings[name])}" for name in sorted(settings)]
    return "\n".join(lines) + "\n"


def server_settings(
    nodes: Sequence[Mapping[str, Any]], common: Settings, by_role: Mapping[str, Settings], own: Settings
) -> list[dict[str, str]]:
    """The settings files of a lab's servers.

    Args:
        nodes: each with ``name``, ``role`` (a key of ``by_role``) and ``port``.
        common: settings of all servers.
        by_role: what the lab's engine adds, for the coordinator and for the workers.
        own: what a person set, over all of these.

    Returns:
        Entries of ``path``, ``content`` and ``mode``, for the module ``text_files``.
    """
    return [
        {
            "path": f"config/{node['name']}.conf",
            "content": settings_text(
                {**common, **by_role[node["role"]], **own, "port": node["port"], "cluster_name": node["name"]}
            ),
            "mode": "0600",
        }
        for node in nodes
    ]


def server_programs(lab: Mapping[str, Any], digest: str, memory: int = 0) -> list[dict[str, Any]]:
    """A lab's servers as programs for the module ``supervised_programs``.

    Args:
        lab: the fact that the role preflight gives.
        digest: what the runtime environment is made of: a new one restarts the servers.
        memory: megabytes that each process of a server may have; 0 for no bound.
    """
    programs, directory = lab["postgres_bin"], lab["directory"]
    return [
        {
            "name": node["name"],
            "command": [
                "/bin/sh",
                f"{directory}/bin/server.sh",
                f"{directory}/bin/server_log.sed",
                f"{directory}/run/{node['name']}.log",
                f"{programs}/postgres",
                "-D",
                f"{directory}/data/{node['name']}",
            ],
            "environment": {
                # The servers log in to each other with these passwords.
                "PGPASSFILE": f"{directory}/credentials/nodes.pgpass",
                "LAB_RUNTIME": digest,
                **({"LAB_MEMORY_MB": str(memory)} if memory else {}),
            },
            "stop_signal": "INT",
            "priority": 10 if node["role"] == "coordinator" else 20,
            "ready": [f"{programs}/pg_isready", "-q", "-h", node["host"], "-p", str(node["port"])],
        }
        for node in lab["nodes"]
    ]
