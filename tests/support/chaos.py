"""A node that is broken on purpose, on a host and in pods."""

from __future__ import annotations

import json
import re

import psutil

from support.labs import Lab, Run

WORKER = "citus-worker-1"


def broken(lab: Lab, fault: str, node: str, seconds: object, *arguments: str) -> Run:
    """Break a node of a lab."""
    values = {"chaos_fault": fault, "chaos_node": node, "chaos_seconds": seconds}
    return lab.play("chaos.yml", "-e", json.dumps(values), *arguments)


def rows(run: Run) -> dict[tuple[str, str], list[str]]:
    """The rows of the table that it printed: node and kind, to answered, failed, longest, first error and back."""
    found = re.findall(r"^ *(citus-\S+|middleware) +(read|write|request) +(.*)$", run.stdout, re.MULTILINE)
    return {(node, kind): re.split(r" {2,}", rest.strip()) for node, kind, rest in found}


def all_respond(lab: Lab) -> bool:
    """Whether every node answers the coordinator."""
    with lab.connect() as connection:
        return connection.execute("SELECT bool_and(responds) FROM lab.nodes").fetchall() == [(True,)]


def goes_on_alone(lab: Lab) -> bool:
    """Whether the program that breaks a node is no child any more of the run that started it: a kill of that run's does not reach it."""
    try:
        program = int(json.loads((lab.directory / "run" / "fault.json").read_text(encoding="utf-8"))["pid"])
    except (FileNotFoundError, ValueError):
        return False
    return program not in {child.pid for child in psutil.Process().children(recursive=True)}


def noticed(lab: Lab, fault: str, node: str, missed: set[str], seconds: int = 4) -> None:
    """Break a node, and see that what was noticed is what it had.

    Args:
        lab: which is well, as it is afterwards.
        fault: what is done to it.
        node: to which node.
        missed: the nodes whose rows are not answered meanwhile.
        seconds: for how long.
    """
    run = broken(lab, fault, node, seconds)
    assert run.rc == 0, run.stdout + run.stderr
    print(
        "\n".join(
            line for line in run.stdout.splitlines() if re.match(r" *(citus-\S+|middleware|Errors|[a-z]+ \S+,) ", line)
        )
    )
    table = rows(run)
    assert {of for of, kind in table if kind != "request"} == {WORKER, "citus-worker-2"}, run.stdout
    assert {of for (of, kind), cells in table.items() if kind == "read" and cells[1] != "0"} == missed, run.stdout
    assert all(int(cells[0].replace(",", "")) > 0 for cells in table.values())
    assert re.search(rf"{fault} {node}, {seconds} s: everything answers again after \d+\.\d s\.", run.stdout)
    assert all_respond(lab)
    assert not (lab.directory / "run" / "fault.json").exists()
