"""Which shards move where, what is said of it, and what does not fit."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.moves.plan import Group, Move, plan_moves
from ansible_collections.aula.historia_clinica.plugins.module_utils.moves.report import (
    plan_page,
    progress_line,
    room_problem,
    size_text,
)
from support.modules import RunModule

MIB = 1024 * 1024


def groups(*held: str, sizes: tuple[int, ...] = (), colocation: int = 1) -> list[Group]:
    """Groups of two shards each, by the node that holds them."""
    return [
        Group(colocation, part, node, (f"a_{part}", f"b_{part}"), sizes[part] if sizes else MIB)
        for part, node in enumerate(held)
    ]


def after(before: list[Group], moves: list[Move]) -> dict[str, list[Group]]:
    """What each node holds in the end."""
    places = {group: group.node for group in before} | {move.group: move.to for move in moves}
    return {node: [group for group, place in places.items() if place == node] for node in set(places.values())}


@dataclass(frozen=True)
class Case:
    """Groups, the nodes that stay, and how many groups each of them has in the end; ``moves`` are as few as can be."""

    held: tuple[str, ...]
    nodes: tuple[str, ...]
    ends: dict[str, int]
    moves: int


CASES = {
    "out": Case(("a", "b") * 16, ("a", "b", "c", "d"), {"a": 8, "b": 8, "c": 8, "d": 8}, 16),
    "out, not divisible": Case(("a", "b") * 16, ("a", "b", "c"), {"a": 11, "b": 11, "c": 10}, 10),
    "in": Case(("a", "b", "c", "c"), ("a", "b"), {"a": 2, "b": 2}, 2),
    "in, to one": Case(("a", "b", "c"), ("a",), {"a": 3}, 2),
    "spread already": Case(("a", "b", "a"), ("a", "b"), {"a": 2, "b": 1}, 0),
    "more nodes than groups": Case(("a", "a"), ("a", "b", "c"), {"a": 1, "b": 1}, 1),
    "nothing": Case((), ("a",), {}, 0),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_node_gets_as_many_groups(case: Case) -> None:
    """With no more moves than that takes."""
    before = groups(*case.held)
    moves = plan_moves(before, list(case.nodes), "count")
    assert Counter({node: len(held) for node, held in after(before, moves).items()}) == case.ends
    assert len(moves) == case.moves


def test_tables_that_lie_apart_are_spread_apart() -> None:
    """Not all of one table on one node, and all of another on the next."""
    before = [*groups("a", "a"), *groups("b", "b", colocation=2)]
    held = after(before, plan_moves(before, ["a", "b"], "count"))
    assert {node: sorted(group.colocation for group in mine) for node, mine in held.items()} == {
        "a": [1, 2],
        "b": [1, 2],
    }


def test_by_size_a_large_group_weighs_as_much_as_many_small_ones() -> None:
    """What differs by less than a tenth of the average is left alone."""
    before = groups("a", "a", "a", "a", "b", sizes=(60, 20, 20, 20, 1))
    held = after(before, plan_moves(before, ["a", "b"], "size"))
    assert {node: sum(group.size for group in mine) for node, mine in held.items()} == {"a": 60, "b": 61}
    near = groups("a", "b", sizes=(100, 95))
    assert plan_moves(near, ["a", "b"], "size") == []


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_comes_to_an_end_and_is_kept(seed: int) -> None:
    """Whatever lies where: nothing stays on a node that leaves, and once it is done there is nothing left to plan."""
    chance = random.Random(seed)
    before = [
        Group(colocation, part, chance.choice("abcde"), ("x",), chance.randrange(10**6))
        for colocation in (1, 2)
        for part in range(32)
    ]
    nodes = list("abc")
    for by in ("count", "size"):
        held = after(before, plan_moves(before, nodes, by))
        assert set(held) <= set(nodes)
        then = [Group(g.colocation, g.part, node, g.shards, g.size) for node, mine in held.items() for g in mine]
        assert plan_moves(then, nodes, by) == []


def test_shards_without_a_node_are_refused() -> None:
    """Nobody asks for it; it would lose them."""
    with pytest.raises(ValueError, match="no node is left"):
        plan_moves(groups("a"), [], "count")


def test_the_plan_says_what_each_worker_has_before_and_after() -> None:
    """And the sum; where nothing moves, what there is."""
    before = groups("w-1", "w-2", "w-3")
    moves = plan_moves(before, ["w-1", "w-2"], "count")
    assert plan_page(before, moves, ["w-1", "w-2", "w-3"], ["w-1", "w-2"], ["w-3"]) == [
        "w-1: 2 shards, 1.0 MiB -> 4 shards, 2.0 MiB",
        "w-2: 2 shards, 1.0 MiB -> 2 shards, 1.0 MiB",
        "w-3 (leaves): 2 shards, 1.0 MiB -> 0 shards, 0 B",
        "To be moved: 2 shards, 1.0 MiB",
    ]
    assert plan_page(before[:1], [], ["w-1"], ["w-1", "w-2"], []) == [
        "w-1: 2 shards, 1.0 MiB",
        "w-2 (new): 0 shards, 0 B",
        "No shard has to move.",
    ]


def test_what_has_no_room_is_refused_with_the_numbers() -> None:
    """A copy, and its log: twice the bytes."""
    moves = [Move(groups("a")[0], "b")]
    assert room_problem(moves, 2 * MIB) == ""
    assert room_problem(moves, None) == ""
    problem = room_problem(moves, 2 * MIB - 1)
    assert "1.0 MiB of shards have to move, which needs 2.0 MiB" in problem
    assert "2.0 MiB are free. Nothing was changed." in problem


def test_progress_is_shards_and_bytes_of_all() -> None:
    """With nothing to be moved it is all done."""
    done, left = [{"shards": 2, "bytes": MIB}], [{"shards": 6, "bytes": 3 * MIB}]
    assert progress_line(done, left) == "moved 2 of 8 shards, 1.0 MiB of 4.0 MiB (25 %)"
    assert progress_line([], []) == "moved 0 of 0 shards, 0 B of 0 B (100 %)"


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (2048, "2 KiB"), (5 * MIB, "5.0 MiB"), (300 * MIB, "300 MiB")]
)
def test_sizes_are_short(size: int, text: str) -> None:
    """As people read them."""
    assert size_text(size) == text


def test_data_that_are_not_needed_any_more_go_or_are_set_aside(run_module: RunModule, tmp_path: Path) -> None:
    """And are no loss to the next run; where a server still works on them they stay."""
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "PG_VERSION").touch()
    (tmp_path / ".created").write_text("one\ntwo\nthree\n")
    (tmp_path / "three" / "postmaster.pid").touch()
    refused = run_module("data_directories", directory=str(tmp_path), names=["three"], state="absent")
    assert "the server three has not ended" in refused["msg"]
    assert run_module("data_directories", directory=str(tmp_path), names=["two"], state="kept", check=True)["changed"]
    assert run_module("data_directories", directory=str(tmp_path), names=["two", "none"], state="kept")["changed"]
    assert not run_module("data_directories", directory=str(tmp_path), names=["two"], state="kept")["changed"]
    assert run_module("data_directories", directory=str(tmp_path), names=["one"], state="absent")["changed"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".created", "three", "two.kept"]
    assert (tmp_path / ".created").read_text() == "three\n"
