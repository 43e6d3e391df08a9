# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The pods of a lab, as lines of the pages of `status` and `diagnose`."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Commands
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import (
    Row,
    columns,
    human_duration,
    human_size,
    paragraph,
)


def pods_section(lab: Row, cluster_report: Row) -> list[str]:
    """The pods of a lab, as lines of the page of `status`.

    Args:
        lab: the fact that the role preflight gives.
        cluster_report: of the namespace, as `lab_info` gives it.
    """
    where = f"namespace {lab['namespace']} of the context {lab['context']}"
    commands = Commands(lab)
    start = commands["start"]
    if cluster_report["error"]:
        return ["Pods", *paragraph(cluster_report["error"]), f"  {start} starts what is down."]
    if not cluster_report["pods"]:
        return [
            "Pods",
            *paragraph(f"none in the {where}: the lab is stopped, its data lie in its volumes."),
            f"  {start} starts it.",
        ]
    known = any(pod["memory_bytes"] is not None for pod in cluster_report["pods"])
    headings = ["name", "state", "ready", "restarts", "up for", *(["CPU", "memory"] if known else [])]
    rows = [
        [
            pod["name"],
            pod["state"],
            pod["ready"],
            str(pod["restarts"]),
            human_duration(pod["seconds"]),
            *([_cpu(pod["cpu"]), human_size(pod["memory_bytes"])] if known else []),
        ]
        for pod in cluster_report["pods"]
    ]
    changed = [line for text in cluster_report["changed"] for line in paragraph(text, "    ", "  ! ")]
    if changed:
        changed.append(f"  {commands['lab']} repairs it.")
    lacking = [line for text in cluster_report["lacking"] for line in paragraph(text, "    ", "  ! ")]
    if lacking:
        lacking.append(f"  {start} has the cluster make what is lacking.")
    return [f"Pods in the {where}", *columns(headings, rows, (2, 3, 4, 5, 6)), *lacking, *changed]


def _cpu(cpus: float | None) -> str:
    return "?" if cpus is None else f"{cpus * 1000:.0f}m"
