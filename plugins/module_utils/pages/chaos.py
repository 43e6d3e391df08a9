# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a person reads before a node is broken on purpose, and after it."""

from __future__ import annotations

from collections import Counter

from ansible_collections.aula.historia_clinica.plugins.module_utils.chaos import FAULTS, FAULTS_IN_PODS
from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import command, invocation_of, psql
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row, columns, paragraph


def chaos_plan(lab: Row, asked: Row) -> list[str]:
    """What is going to happen, and where to look meanwhile, as lines of a page.

    Args:
        lab: the fact that the role preflight gives.
        asked: what the module ``chaos`` was asked for: ``fault``, ``node``, ``seconds``.
    """
    invocation = invocation_of(lab)
    fault, node, seconds = asked["fault"], asked["node"], asked["seconds"]
    what = (FAULTS if lab["target"] == "host" else FAULTS_IN_PODS)[fault]
    lines = paragraph(f"{fault} {node} for {seconds} s: {what}.", "")
    lines += ["Meanwhile, in another terminal:"]
    nodes = psql(invocation, lab, "SELECT node_name, responds, error FROM lab.nodes")
    lines += [f"  {nodes}"] if node != "citus-coordinator" else []
    lines += [f"  curl http://127.0.0.1:{lab['api_port']}/status", f"  {command(invocation, 'status')}"]
    return lines


def chaos_page(result: Row) -> list[str]:
    """What the prober saw, as lines of a page.

    Args:
        result: of the module ``chaos``.
    """

    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f} s"

    rows = result["probes"]
    table = [
        [
            row["node"],
            row["kind"],
            f"{row['answered']:,}",
            f"{row['failed']:,}",
            seconds(row["longest"]),
            seconds(row["first_error"]),
            seconds(row["back"]),
        ]
        for row in rows
    ]
    lines = columns(["node", "asked", "answered", "failed", "longest", "first error", "back"], table, right=range(2, 7))
    kinds: Counter[str] = Counter()
    for row in rows:
        kinds.update(row["errors"])
    said = ", ".join(f"{number:,} x {kind}" for kind, number in kinds.most_common())
    lines += paragraph(f"Errors: {said or 'none'}.", "")
    lines += paragraph("Seconds are counted from the fault; asked again and again is each shard, by its node.", "")
    well = max((row["back"] for row in rows if row["back"] is not None), default=0.0)
    what = f"{result['fault']} {result['node']}, {result['seconds']} s"
    return [*lines, f"{what}: everything answers again after {well:.1f} s."]
