# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""How each engine moves groups of shards: through the lab's coordinator, in pieces of a few seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import psycopg

from ansible_collections.aula.historia_clinica.plugins.module_utils.moves.plan import STRATEGIES, Group, plan_moves


class MoveError(Exception):
    """Shards cannot be moved; the message says why and what helps."""


@dataclass(frozen=True)
class Goal:
    """What is wanted.

    Attributes:
        nodes: the workers that hold the shards in the end.
        by: a key of ``STRATEGIES``.
    """

    nodes: tuple[str, ...]
    by: str


@dataclass(frozen=True)
class Piece:
    """What a few seconds came to.

    Attributes:
        done: nothing is left to be moved.
        moved: the groups that were moved.
        left: those that are still to be moved.
        waits: what a move waits for, in words; empty where it goes on.
    """

    done: bool
    moved: tuple[Group, ...] = ()
    left: tuple[Group, ...] = ()
    waits: tuple[str, ...] = field(default_factory=tuple)


class Engine(Protocol):
    """What an engine has to give."""

    background: bool

    def advance(self, goal: Goal, seconds: float) -> Piece:
        """Move shards for about so long, or wait so long for what moves in the background."""

    def moves(self) -> bool:
        """Whether shards move although no run does it."""

    def cancel(self) -> None:
        """Let no more shards move; those that were moved stay."""

    def remove(self, node: str) -> None:
        """Take a node out that holds none."""

    def held(self) -> list[tuple[int, str]]:
        """Rows that keep their shards where they are: how many, and the query that shows them; none where nothing does."""


Connection = psycopg.Connection[Any]


def rows(connection: Connection, statement: str, *values: object) -> list[Any]:
    """The rows of an answer."""
    return connection.execute(statement, values).fetchall()


def groups_of(connection: Connection) -> list[Group]:
    """Every group of shards of the lab, by where it is."""
    return [
        Group(colocation, part, node, tuple(shards), int(size or 0))
        for colocation, part, node, shards, size in rows(connection, "SELECT * FROM lab.shard_groups()")
    ]


def nodes_of(connection: Connection) -> dict[str, dict[str, Any]]:
    """The lab's nodes by name: role, whether they respond, why not, and their bytes."""
    answer = rows(connection, "SELECT node_name, role, responds, error, size_bytes FROM lab.nodes")
    return {
        name: {"role": role, "responds": responds, "error": error or "", "size": int(size or 0)}
        for name, role, responds, error, size in answer
    }


def not_responding(connection: Connection) -> list[str]:
    """The nodes that do not answer, and why, as lines."""
    return [
        f"{name} does not answer: {node['error'].splitlines()[0] if node['error'] else 'no connection'}"
        for name, node in nodes_of(connection).items()
        if not node["responds"]
    ]


class Citus:
    """Citus moves shards in the background, by a plan of its own: it is started and watched."""

    background = True
    RUNNING = ("scheduled", "running", "cancelling", "failing")
    OPEN = ("blocked", "runnable", "running", "cancelling")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def advance(self, goal: Goal, seconds: float) -> Piece:
        """Start the job, or see how far it is; wake what waits for a node that is back."""
        leaving = [name for name, node in nodes_of(self._connection).items() if node["role"] == "worker"]
        leaving = [name for name in leaving if name not in goal.nodes]
        rows(self._connection, "SELECT lab.set_leaving(%s)", leaving)
        if not self._runs():
            # What an earlier attempt left behind stops the next one.
            self._connection.execute("CALL citus_cleanup_orphaned_resources()")
            rows(self._connection, "SELECT lab.forget_removed_nodes()")
            start = "SELECT citus_rebalance_start(%s, %s)"
            [(job,)] = rows(self._connection, start, STRATEGIES[goal.by], bool(leaving))
            if job is None:
                left = tuple(group for group in groups_of(self._connection) if group.node in leaving)
                if left:
                    raise MoveError(
                        f"{len(left)} groups of shards stay on {', '.join(leaving)}: Citus plans no move of them"
                    )
                return Piece(done=True)
        limit = time.monotonic() + seconds
        while self._runs() and time.monotonic() < limit:
            time.sleep(0.2)  # nobody tells when a job has ended
        return self._seen()

    def _tasks(self) -> list[Any]:
        return rows(
            self._connection, "SELECT job_state, task_state, retries, message, shard_name FROM lab.background_moves()"
        )

    def _runs(self) -> bool:
        return any(task[0] in self.RUNNING for task in self._tasks())

    def _seen(self) -> Piece:
        tasks = self._tasks()
        by_shard = {shard: group for group in groups_of(self._connection) for shard in group.shards}
        done, left, waits = [], [], []
        for state, task, retries, message, shard in tasks:
            group = by_shard.get(str(shard).rpartition(".")[2])
            if group and task == "done":
                done.append(group)
            elif group and (task in self.OPEN or state in self.RUNNING):
                left.append(group)
            if task == "error" or (task == "runnable" and retries):
                waits.append(" ".join(str(message or "").split()))
        if waits:
            silent = not_responding(self._connection)
            if not silent:
                rows(self._connection, "SELECT lab.wake_moves()")
            waits = silent + waits
        return Piece(done=False, moved=tuple(done), left=tuple(left), waits=tuple(dict.fromkeys(filter(None, waits))))

    def moves(self) -> bool:
        """Whether the job goes on: it does so without the run that started it."""
        return self._runs()

    def cancel(self) -> None:
        """Stop the job: the move that is under way is taken back."""
        rows(self._connection, "SELECT citus_rebalance_stop()")

    def remove(self, node: str) -> None:
        """Take a node out, with what its last moves have left to be dropped there."""
        self._connection.execute("CALL citus_cleanup_orphaned_resources()")
        rows(self._connection, "SELECT lab.remove_node(%s)", node)

    def held(self) -> list[tuple[int, str]]:
        """Rows that a check refuses today: a shard is made anew with all checks."""
        return rows(self._connection, "SELECT held, query FROM lab.held_rows()")


class PostgresFdw:
    """The parts move one after the other, each under a lock that keeps others out of this part."""

    background = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        rows(connection, "SELECT set_config('statement_timeout', '10min', false)")

    def advance(self, goal: Goal, seconds: float) -> Piece:
        """Move groups for so long."""
        silent = not_responding(self._connection)
        moves = plan_moves(groups_of(self._connection), list(goal.nodes), goal.by)
        if silent:
            return Piece(done=False, left=tuple(move.group for move in moves), waits=tuple(silent))
        self._drop_left()
        moved: list[Group] = []
        limit = time.monotonic() + seconds
        for number, move in enumerate(moves):
            try:
                rows(
                    self._connection,
                    "SELECT lab.move_group(%s, %s, %s)",
                    move.group.colocation,
                    move.group.part,
                    move.to,
                )
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as busy:
                left = tuple(move.group for move in moves[number:])
                return Piece(False, tuple(moved), left, (busy.diag.message_primary or "somebody has a lock",))
            moved.append(move.group)
            self._drop_left()
            if time.monotonic() > limit:
                break
        left = tuple(move.group for move in moves[len(moved) :])
        return Piece(done=not left, moved=tuple(moved), left=left)

    def _drop_left(self) -> None:
        """Drop the copies that no longer count; one that somebody still reads goes the next time."""
        rows(self._connection, "SELECT lab.drop_left_parts()")

    def moves(self) -> bool:
        """Never: parts move only while a run moves them."""
        return False

    def cancel(self) -> None:
        """Nothing to be stopped."""

    def remove(self, node: str) -> None:
        """Take a node out."""
        rows(self._connection, "SELECT lab.remove_node(%s)", node)

    def held(self) -> list[tuple[int, str]]:
        """None: a part is made anew with its checks as they are."""
        return []


ENGINES: dict[str, type[Citus] | type[PostgresFdw]] = {"citus": Citus, "postgres_fdw": PostgresFdw}


def workers_in(nodes: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The names of the workers."""
    return (name for name, node in nodes.items() if node["role"] == "worker")


def number_of(name: str) -> int:
    """The number of a worker, which is the end of its name."""
    return int(name.rpartition("-")[2])


def beyond(workers: Sequence[str], wanted: int) -> list[str]:
    """The workers that a lab of so many has not, the last first."""
    return sorted((name for name in workers if number_of(name) > wanted), key=number_of, reverse=True)
