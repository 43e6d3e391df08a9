# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Which groups of shards move where, so that the nodes that stay have about as much each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

#: How a balance is reckoned: so many groups of shards each, or so many bytes. The names are those of Citus' strategies.
STRATEGIES = {"count": "by_shard_count", "size": "by_disk_size"}
#: By size, what differs less than this part of the average is left where it is: as Citus has it.
TOLERANCE = 0.1


@dataclass(frozen=True)
class Group:
    """Shards that lie and move together.

    Attributes:
        colocation: the number of the tables' co-location group.
        part: which of its parts this is.
        node: where the shards are.
        shards: their names.
        size: their bytes, indexes included.
    """

    colocation: int
    part: int
    node: str
    shards: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class Move:
    """A group that goes to another node."""

    group: Group
    to: str


def plan_moves(groups: Sequence[Group], nodes: Sequence[str], by: str) -> list[Move]:
    """The moves after which only ``nodes`` hold shards, each about as many.

    Args:
        groups: all groups.
        nodes: the names of the nodes that stay.
        by: a key of ``STRATEGIES``.

    Raises:
        ValueError: no node stays, while there are shards.
    """
    if groups and not nodes:
        raise ValueError("no node is left for the shards")
    if by == "size":
        return _plan(groups, nodes, weigh=lambda group: group.size, tolerance=TOLERANCE)
    # Tables that lie together are spread by themselves: else one node could hold all of one table.
    moves: list[Move] = []
    for colocation in sorted({group.colocation for group in groups}):
        mine = [group for group in groups if group.colocation == colocation]
        moves += _plan(mine, nodes, weigh=lambda group: 1, tolerance=0)
    return moves


def _plan(groups: Sequence[Group], nodes: Sequence[str], weigh: Callable[[Group], int], tolerance: float) -> list[Move]:
    at: dict[str, list[Group]] = {node: [] for node in nodes}
    homeless: list[Group] = []
    for group in groups:
        at.get(group.node, homeless).append(group)

    def load(node: str) -> int:
        return sum(map(weigh, at[node]))

    def emptiest() -> str:
        return min(nodes, key=lambda node: (load(node), nodes.index(node)))

    places: dict[Group, str] = {}
    for group in sorted(homeless, key=lambda each: (-weigh(each), each.part)):
        places[group] = emptiest()
        at[places[group]].append(group)
    allowed = tolerance * sum(map(weigh, groups)) / max(len(nodes), 1)
    while nodes:
        fullest, least = max(nodes, key=load), emptiest()
        gap = load(fullest) - load(least)
        # What is moved makes the gap smaller: it is less than the gap, and best half of it.
        fitting = [group for group in at[fullest] if 0 < weigh(group) < gap]
        if gap <= max(allowed, 1) or not fitting:
            break
        group = min(fitting, key=lambda each: (abs(gap - 2 * weigh(each)), each.part))
        if abs(gap - 2 * weigh(group)) >= gap:
            break
        at[fullest].remove(group)
        at[least].append(group)
        places[group] = least
    return [Move(group, to) for group, to in sorted(places.items(), key=_order) if group.node != to]


def _order(place: tuple[Group, str]) -> tuple[int, int]:
    return place[0].colocation, place[0].part


def shards_of(groups: Iterable[Group]) -> int:
    """How many shards the groups have."""
    return sum(len(group.shards) for group in groups)


def bytes_of(groups: Iterable[Group]) -> int:
    """How many bytes the groups have."""
    return sum(group.size for group in groups)
