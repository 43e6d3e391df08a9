"""A lab that is used gets more workers, and gives them back."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from support.labs import ROOT, Lab, engines_alike, only
from support.readme import commands
from support.steady import steady

GUIDE = Path(__file__).parents[2] / "docs" / "en" / "scale.md"


def connect(lab: Lab) -> psycopg.Connection[Any]:
    """As an application does."""
    return lab.connect("middleware", options="-c statement_timeout=30s")


def shards(lab: Lab) -> dict[str, int]:
    """How many shards of distributed tables each worker has."""
    with lab.connect() as admin:
        held = admin.execute(
            "SELECT node_name, sum(cardinality(shards))::integer FROM lab.shard_groups() GROUP BY 1 ORDER BY 1"
        ).fetchall()
    return dict(held)


def typed(lab: Lab, command: str) -> str:
    """What a command of the guide prints, for this lab."""
    done = subprocess.run(
        ["bash", "-c", f"{command} INVENTORY={lab.inventory}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@engines_alike  # the same playbook; the moves of the one are the lab's own, of the other Citus'
def test_a_lab_is_scaled_out_and_in_while_it_is_used(lab: Lab) -> None:
    """By the guide's commands, in their order: no client sees an error, no row that was acknowledged is lost, a plan changes nothing."""
    before = shards(lab)
    whole = sum(before.values())
    typed_commands = [command.text for command in commands(GUIDE) if command.text.startswith("make")]
    assert len(typed_commands) == 6
    for command in typed_commands:
        held, record = shards(lab), lab.record
        with steady(lambda: connect(lab), pause=0.05, first=random.randrange(10**8, 9 * 10**8)) as seen:
            said = typed(lab, command)
        print(f"\n{lab.engine}: {command}: {seen.report()}")
        with lab.connect() as admin:
            lost = seen.lost(admin)
            admin.execute("DELETE FROM pacientes WHERE apellido = 'Continua'")
        assert (seen.errors, lost) == ([], []), command
        workers = re.search(r"WORKERS=(\d)", command)
        if "--check" in command:
            assert (shards(lab), lab.record) == (held, record)
            assert "To be moved: " in said or "No shard has to move." in said
        elif workers:
            now = shards(lab)
            assert (len(now), sum(now.values())) == (int(workers[1]), whole)
            assert max(now.values()) - min(now.values()) <= whole // 16, now
            assert "(100 %)" in said
            assert lab.record["workers"] == int(workers[1])
            assert lab.play("site.yml").recap[lab.name]["changed"] == 0
            assert lab.play("verify.yml").rc == 0
    assert shards(lab) == before
    assert not (lab.directory / "data" / "citus-worker-3").exists()


@only("postgres_fdw")  # the same look with every engine
def test_a_node_that_does_not_answer_stops_the_plan(lab: Lab) -> None:
    """It is named with the command that starts it, and nothing is changed."""
    record = lab.record
    with lab.without("citus-worker-2"):
        refused = lab.play("scale.yml", "-e", "scale_workers=3")
    assert refused.rc != 0
    said = " ".join(refused.stdout.split())
    assert "citus-worker-2 (" in said
    assert "does not answer, and shards move only between nodes that do. Nothing was changed. Start it: " in said
    assert lab.record == record
    assert not (lab.directory / "data" / "citus-worker-3").exists()
