# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What is said of moves: the plan, how far they are, and that there is no room for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.aula.historia_clinica.plugins.module_utils.moves.plan import (
    Group,
    Move,
    bytes_of,
    shards_of,
)

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size_text(size: float) -> str:
    """Bytes as people read them."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} {UNITS[unit]}" if unit < 2 or size >= 100 else f"{size:.1f} {UNITS[unit]}"


def plan_page(
    groups: Sequence[Group],
    moves: Sequence[Move],
    present: Sequence[str],
    wanted: Sequence[str],
    leaving: Sequence[str],
) -> list[str]:
    """What would move, as lines: each worker before and after, and the sum.

    Args:
        groups: all groups.
        moves: those that would move.
        present: the workers that the database has.
        wanted: the workers that the lab will have.
        leaving: those that it will have no more.
    """
    moving = [move.group for move in moves]
    lines = []
    for name in [*dict.fromkeys([*present, *wanted])]:
        before = [group for group in groups if group.node == name]
        after = [group for group in before if group not in moving] + [move.group for move in moves if move.to == name]
        fate = " (leaves)" if name in leaving else "" if name in present else " (new)"
        then = f" -> {shards_of(after)} shards, {size_text(bytes_of(after))}" if moves else ""
        lines.append(f"{name}{fate}: {shards_of(before)} shards, {size_text(bytes_of(before))}{then}")
    if not moves:
        return [*lines, "No shard has to move."]
    return [*lines, f"To be moved: {shards_of(moving)} shards, {size_text(bytes_of(moving))}"]


def room_problem(moves: Sequence[Move], free: int | None) -> str:
    """Why the moves do not fit; empty where they do, or nobody knows.

    Args:
        moves: what moves.
        free: the free bytes of the disk that all nodes have together.
    """
    # Each move is a copy first, and what it writes is in the log, too.
    needed = 2 * bytes_of(move.group for move in moves)
    if free is None or needed <= free:
        return ""
    return (
        f"The workers that stay have no room: {size_text(bytes_of(move.group for move in moves))} of shards have to move, which needs"
        f" {size_text(needed)} (the copies, and their log), and {size_text(free)} are free. Nothing was changed."
        " Make room, or keep more workers; then run this again."
    )


def progress_line(done: Iterable[Mapping[str, int]], left: Iterable[Mapping[str, int]]) -> str:
    """How far it is: shards and bytes of all."""
    done, left = list(done), list(left)
    moved, size = sum(each["shards"] for each in done), sum(each["bytes"] for each in done)
    shards, whole = moved + sum(each["shards"] for each in left), size + sum(each["bytes"] for each in left)
    share = 100 * size // whole if whole else 100
    return f"moved {moved} of {shards} shards, {size_text(size)} of {size_text(whole)} ({share} %)"
