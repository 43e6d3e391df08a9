# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The page of `status`."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Commands
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.autostart import after_reboot
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.failure import first_error
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.lab import api_url, headed
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.pods import pods_section
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import (
    Row,
    columns,
    human_duration,
    human_number,
    human_size,
    paragraph,
)


def status_page(lab: Row, found: Row) -> str:
    """Nodes, processes, pods, tables, shards and endpoints on one page.

    Args:
        lab: the fact that the role preflight gives.
        found: what the module `lab_info` gives.
    """
    sections = [
        [
            f"{headed(lab)}: {lab['engine']} on {lab['target']}, {lab['workers']} workers",
            f"  {lab['directory']}",
            f"  {after_reboot(lab)}",
        ],
        process_lines(found["processes"], Commands(lab)["start"]),
        *([pods_section(lab, found["cluster_report"])] if found["cluster_report"] else []),
    ]
    database = found["database"]
    if database["error"]:
        error = first_error(database["error"])
        sections.append(["Database", *paragraph(error), f"  {Commands(lab)['start']} starts what is down."])
    else:
        sections += [
            _nodes(database["nodes"], Commands(lab)["start"]),
            _tables(database["tables"]),
            _shards(database["shards"]),
        ]
    sections.append(_endpoints(lab, found["api"], not database["error"]))
    return "\n\n".join("\n".join(section) for section in sections)


def process_lines(processes: Sequence[Row], start: str) -> list[str]:
    """The processes of a lab on this machine, as lines of a page."""
    if not processes:
        return ["Processes", f"  none: the lab is stopped; {start} starts it."]
    rows = [
        (
            str(process["name"]),
            str(process["state"]).lower(),
            str(process["pid"] or "-"),
            human_duration(process["uptime_seconds"]),
            human_size(process["memory_bytes"]),
        )
        for process in processes
    ]
    total = sum(process["memory_bytes"] or 0 for process in processes)
    advice = []
    if any(process["state"] == "UNSUPERVISED" for process in processes):
        advice = paragraph(
            "The supervisor was killed. What it had started runs on, but nobody starts again what ends."
            " This ends it in good order and starts all of it anew, with a supervisor:"
        )
        advice.append(f"  {start}")
    elif not all(process["pid"] for process in processes):
        advice = [f"  {start} starts what is stopped."]
    return [
        f"Processes, {human_size(total)} of memory in all",
        *columns(("name", "state", "pid", "up for", "memory"), rows, (2, 3, 4)),
        *advice,
    ]


def _nodes(nodes: Sequence[Row], start: str) -> list[str]:
    rows = [
        (
            str(node["node_name"]),
            str(node["role"]),
            f"{node['host']}:{node['port']}",
            str(node["version"]) if node["responds"] else "no answer",
            human_number(node["shards"]),
            human_size(node["size_bytes"]),
        )
        for node in nodes
    ]
    lines = columns(("node", "role", "address", "PostgreSQL", "shards", "size"), rows, (4, 5))
    for node in nodes:
        if not node["responds"]:
            lines += paragraph(f"{node['node_name']}: {node['error']}", "    ", "  ! ")
    if not all(node["responds"] for node in nodes):
        lines.append(f"  {start} starts what is down.")
    return ["Nodes", *lines]


def _tables(tables: Sequence[Row]) -> list[str]:
    rows = [
        (
            str(table["table_name"]),
            str(table["kind"]),
            str(table["distribution_column"] or "-"),
            "-" if table["shard_count"] is None else str(table["shard_count"]),
            human_number(table["rows"]),
            human_size(table["size_bytes"]),
        )
        for table in tables
    ]
    return ["Tables", *columns(("table", "kind", "distributed by", "shards", "rows", "size"), rows, (3, 4, 5))]


def _shards(shards: Sequence[Row]) -> list[str]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for shard in shards:
        groups.setdefault((str(shard["node_name"]), str(shard["table_name"])), []).append(shard)
    rows = [
        (
            node,
            table,
            str(len(held)),
            human_number(
                None if any(shard["rows"] is None for shard in held) else sum(shard["rows"] for shard in held)
            ),
            human_size(
                None
                if any(shard["size_bytes"] is None for shard in held)
                else sum(shard["size_bytes"] for shard in held)
            ),
        )
        for (node, table), held in sorted(groups.items())
    ]
    return ["Shards on each node", *columns(("node", "table", "shards", "rows", "size"), rows, (2, 3, 4))]


def _endpoints(lab: Row, api: Row, database_answers: bool) -> list[str]:
    body = api["body"]
    if api["status"] == 200:
        said = f"{body.get('estado', 'answers')}, {body.get('latencia_ms', '?')} ms to the database"
    elif api["status"]:
        said = f"{api['status']} {body.get('detail', '')}".strip()
    else:
        said = "no answer"
    rows = [
        ("API", api_url(lab), said),
        (
            "database",
            f"127.0.0.1:{lab['database_port']}",
            f"{lab['database']}, {'answers' if database_answers else 'no answer'}",
        ),
    ]
    return ["Endpoints", *columns(("what", "where", "says"), rows)]
