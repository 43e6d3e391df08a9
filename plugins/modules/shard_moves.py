#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Move a lab's shards between its nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: shard_moves
short_description: Move a lab's shards between its nodes
description:
  - Plans which groups of shards have to move so that the workers have about as much each, and moves them while the lab is read and written.
  - The action of this name, which runs where the playbook does, asks the module again and again until nothing is left to be moved, and
    says in between how far it is.
  - Whatever ends it, also with a kill, leaves each shard whole in one place; run again, it goes on.
  - Needs the play's C(PG...) environment, which says how to reach the coordinator as its superuser, and runs with the interpreter of the
    runtime environment, which has the package psycopg.
options:
  lab:
    description: The fact C(lab) of the role preflight.
    type: dict
    required: true
  state:
    description:
      - V(planned) says what would move, and moves nothing.
      - V(balanced) moves it, so that the workers in the fact hold the shards; others that the database still has are emptied.
      - V(removed) takes the workers that are not in the fact out of the database, once they are empty.
      - V(cancelled) stops what moves in the background, of a run that was ended; shards that have moved stay where they are.
    type: str
    choices: [planned, balanced, removed, cancelled]
    default: balanced
  by:
    description: What the workers have about as much of, groups of shards (V(count)) or bytes (V(size)).
    type: str
    choices: [count, size]
    default: count
  seconds:
    description: How long to move, or to wait for what moves in the background, before saying how far it is.
    type: float
    default: 3
attributes:
  check_mode:
    support: full
    description: V(balanced) and V(removed) are V(planned).
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Spread the shards over the workers
  aula.historia_clinica.shard_moves:
    lab: "{{ ansible_facts['lab'] }}"
"""

RETURN = r"""
done:
  description: Nothing is left to be moved.
  returned: O(state=balanced)
  type: bool
background:
  description: C(moved) is all that a job in the background has moved, not what this call has.
  returned: O(state=balanced)
  type: bool
moved:
  description: The groups that were moved; shards and bytes of each.
  returned: O(state=balanced)
  type: list
  elements: dict
left:
  description: The groups that are still to be moved, in the same form.
  returned: O(state=balanced)
  type: list
  elements: dict
waits:
  description: What a move waits for.
  returned: O(state=balanced)
  type: list
  elements: str
page:
  description: What would move, or what was stopped, as lines.
  returned: O(state=planned) and O(state=cancelled)
  type: list
  elements: str
nodes:
  description: The names of the nodes that the database has now.
  returned: O(state=planned)
  type: list
  elements: str
leaving:
  description: The workers of them that the fact has not.
  returned: O(state=planned)
  type: list
  elements: str
moves:
  description: How many groups would move.
  returned: O(state=planned) and O(state=cancelled)
  type: int
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Commands, invocation_of, psql
from ansible_collections.aula.historia_clinica.plugins.module_utils.moves.plan import Group, plan_moves
from ansible_collections.aula.historia_clinica.plugins.module_utils.moves.report import plan_page, room_problem

try:
    import psycopg

    from ansible_collections.aula.historia_clinica.plugins.module_utils.moves.engines import (
        ENGINES,
        Goal,
        MoveError,
        beyond,
        groups_of,
        nodes_of,
        workers_in,
    )
except ImportError as error:  # the interpreter is not the runtime's
    MISSING: ImportError | None = error
else:
    MISSING = None


def shown(groups: tuple[Group, ...]) -> list[dict[str, int]]:
    """Groups as they are returned."""
    return [{"shards": len(group.shards), "bytes": group.size} for group in groups]


def plan(connection: Any, lab: dict[str, Any], by: str) -> dict[str, Any]:
    """What would move.

    Raises:
        MoveError: a node does not answer, or the rest has no room.
    """
    commands = Commands(lab)
    nodes, groups = nodes_of(connection), groups_of(connection)
    silent = [f"{name} ({node['error'].splitlines()[0]})" for name, node in nodes.items() if not node["responds"]]
    if silent:
        raise MoveError(
            f"{', '.join(silent)} does not answer, and shards move only between nodes that do. Nothing was changed."
            f" Start it: {commands['start']}; then run this again."
        )
    wanted = [str(node["name"]) for node in lab["nodes"] if node["role"] == "worker"]
    moves = plan_moves(groups, wanted, by)
    free = os.statvfs(lab["directory"]) if lab["target"] == "host" else None
    problem = room_problem(moves, free.f_bavail * free.f_frsize if free else None)
    if problem:
        raise MoveError(problem)
    held = ENGINES[lab["engine"]](connection).held() if moves else []
    if held:
        seen = "; ".join(f"{psql(invocation_of(lab), lab, query)} (rows: {number})" for number, query in held)
        raise MoveError(
            f"Rows of an older form keep their shards where they are. Nothing was changed. Mend them, then run this again. To see them: {seen}"
        )
    leaving = beyond(list(workers_in(nodes)), len(wanted))
    page = plan_page(groups, moves, list(workers_in(nodes)), wanted, leaving)
    return {
        "changed": bool(moves or leaving),
        "moves": len(moves),
        "page": page,
        "leaving": leaving,
        "nodes": list(nodes),
    }


def work(connection: Any, parameters: dict[str, Any], check: bool) -> dict[str, Any]:
    """Do what is asked for.

    Raises:
        MoveError: it cannot be done.
    """
    lab, state = parameters["lab"], parameters["state"]
    engine = ENGINES[lab["engine"]](connection)
    if state == "cancelled":
        moves = engine.moves()
        if moves and not check:
            engine.cancel()
        goes_on = Commands(lab)["rebalance"]
        page = (
            f"Stopped. Shards that have moved stay where they are. To go on: {goes_on}"
            if moves
            else "No shard was moving."
        )
        return {"changed": moves, "moves": 0, "page": [page]}
    if state == "planned" or check:
        return plan(connection, lab, parameters["by"])
    wanted = tuple(str(node["name"]) for node in lab["nodes"] if node["role"] == "worker")
    if state == "removed":
        leaving = beyond(list(workers_in(nodes_of(connection))), len(wanted))
        for node in leaving:
            engine.remove(node)
        return {"changed": bool(leaving)}
    there = tuple(name for name in workers_in(nodes_of(connection)) if name in wanted)
    piece = engine.advance(Goal(there, parameters["by"]), parameters["seconds"])
    return {
        "changed": bool(piece.moved),
        "done": piece.done,
        "background": engine.background,
        "moved": shown(piece.moved),
        "left": shown(piece.left),
        "waits": list(piece.waits),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "dict", "required": True},
            "state": {"choices": ["planned", "balanced", "removed", "cancelled"], "default": "balanced"},
            "by": {"choices": ["count", "size"], "default": "count"},
            "seconds": {"type": "float", "default": 3},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(
            msg=missing_required_lib(str(MISSING.name)) + " Run the role aula.historia_clinica.runtime first."
        )
    try:
        with psycopg.connect(autocommit=True) as connection:
            result = work(connection, module.params, module.check_mode)
    except MoveError as error:
        module.fail_json(msg=str(error))
    except psycopg.Error as error:
        # A detail of these quotes a row.
        quotes = isinstance(error, (psycopg.IntegrityError, psycopg.DataError))
        detail = f" ({error.diag.message_detail})" if error.diag.message_detail and not quotes else ""
        hint = f" {error.diag.message_hint}" if error.diag.message_hint else ""
        module.fail_json(msg=f"{str(error.diag.message_primary or error).strip()}{detail}.{hint}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
