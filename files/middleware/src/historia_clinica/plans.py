"""What a plan says about a distributed query: which tasks went to which node, and what each cost.

The two engines put it in different places of EXPLAIN's JSON. Citus lists its tasks, each with the plan and the time of the
node that ran it. postgres_fdw has a Foreign Scan for each part, with the time that the coordinator waited for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Plan = dict[str, Any]

NOT_BY_CITUS = "Citus mide cada tarea en su nodo y no dice cuánto la esperó el coordinador."
NOT_BY_FDW = "postgres_fdw mide cuánto esperó el coordinador y no cuánto de eso trabajó el nodo."


@dataclass(frozen=True)
class Task:
    """A part of a query that one node did.

    Attributes:
        node: the node's name.
        at_node: milliseconds that the node worked; None where the engine does not measure it.
        waited: milliseconds that the coordinator waited; None likewise.
    """

    node: str
    at_node: float | None
    waited: float | None


def tasks(plan: Plan, addresses: Mapping[tuple[str, str], str], shards: Mapping[str, str]) -> list[Task]:
    """Find the tasks of an analyzed plan.

    Args:
        plan: one element of what EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) returns.
        addresses: the nodes' names by host and port, which Citus says.
        shards: the nodes' names by shard, which postgres_fdw says.
    """
    found = []
    for step in _steps(plan["Plan"]):
        for task in step.get("Distributed Query", {}).get("Job", {}).get("Tasks", []):
            # "host=... port=... dbname=...": the task was sent; without it the coordinator ran it on a shard of its own.
            address = re.search(r"host=(\S+) port=(\d+)", task.get("Node", ""))
            node = addresses.get((address[1], address[2]), f"{address[1]}:{address[2]}") if address else "?"
            times = [inner["Execution Time"] for group in task.get("Remote Plan", []) for inner in group]
            found.append(Task(node, sum(times), None))
        if step["Node Type"] == "Foreign Scan" and step["Actual Loops"]:
            # A join that was pushed down names every shard of it; they lie on one node.
            names = re.findall(r"\w+", step.get("Relation Name") or step.get("Relations", ""))
            nodes = [shards[name] for name in names if name in shards]
            found.append(Task(nodes[0] if nodes else "?", None, step["Actual Total Time"]))
    return found


def by_node(found: Sequence[Task]) -> list[dict[str, Any]]:
    """Sum up the tasks of each node: how many, the time it worked on them, the longest wait for one."""
    summary = []
    for node in sorted({task.node for task in found}):
        own = [task for task in found if task.node == node]
        worked = [task.at_node for task in own if task.at_node is not None]
        waited = [task.waited for task in own if task.waited is not None]
        summary.append(
            {
                "nodo": node,
                "tareas": len(own),
                "ms_nodo": round(sum(worked), 3) if worked else None,
                "ms_espera": round(max(waited), 3) if waited else None,
                "razon": NOT_BY_CITUS if worked else NOT_BY_FDW,
            }
        )
    return summary


def _steps(step: Plan) -> Iterator[Plan]:
    yield step
    for below in step.get("Plans", []):
        yield from _steps(below)
