"""A node is broken on purpose: what is noticed is measured, and the node is put right, whatever becomes of who asked for it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
from typing import Any

import psutil
import pytest

from support.chaos import WORKER, all_respond, broken, goes_on_alone, noticed, rows
from support.labs import ROOT, Lab, only
from support.stream import stream_on

GUIDE = ROOT / "docs" / "en" / "chaos.md"


def stopped(lab: Lab, node: str) -> bool:
    """Whether a node's server is frozen."""
    return psutil.Process(lab.postmaster(node)).status() == psutil.STATUS_STOPPED


#: What is broken, and whose rows are not answered meanwhile: the next case is a line.
FAULTS = [
    pytest.param("freeze", WORKER, {WORKER}, id="frozen-worker"),
    pytest.param("cut", WORKER, {WORKER}, id="cut-worker", marks=pytest.mark.long),
    pytest.param("kill", "citus-coordinator", {WORKER, "citus-worker-2"}, id="killed-coordinator"),
    pytest.param("cut", "citus-coordinator", {WORKER, "citus-worker-2"}, id="cut-coordinator", marks=pytest.mark.long),
    pytest.param("freeze", "citus-coordinator", {WORKER, "citus-worker-2"}, id="frozen-coordinator", marks=pytest.mark.long),
    pytest.param("cut", "middleware", set(), id="cut-middleware", marks=pytest.mark.long),
    pytest.param("fill", WORKER, set(), id="filled-disk", marks=pytest.mark.long),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "node", "missed"), FAULTS)
def test_what_is_noticed_is_what_the_node_had(lab: Lab, fault: str, node: str, missed: set[str]) -> None:
    """Rows of other workers are answered all the while; afterwards everything is."""
    noticed(lab, fault, node, missed)
    assert not (lab.directory / "data" / ".ballast").exists()


@only("postgres_fdw")
def test_a_node_is_put_right_where_the_run_is_killed(lab: Lab) -> None:
    """What broke it goes on by itself, to the end of its time."""
    code = lab.kill_while(
        "chaos.yml",
        lambda: stopped(lab, WORKER) and goes_on_alone(lab),
        "-e",
        f"chaos_fault=freeze chaos_node={WORKER} chaos_seconds=3",
    )
    assert code == -signal.SIGKILL
    assert stopped(lab, WORKER)
    lab.wait_until(lambda: not stopped(lab, WORKER) and all_respond(lab))


@only("postgres_fdw")
def test_the_next_word_puts_right_what_was_killed_with_all_it_had(lab: Lab) -> None:
    """`make start` finds what is left, and undoes it."""
    lab.kill_while(
        "chaos.yml",
        lambda: stopped(lab, WORKER) and goes_on_alone(lab),
        "-e",
        f"chaos_fault=freeze chaos_node={WORKER} chaos_seconds=600",
    )
    os.kill(json.loads((lab.directory / "run" / "fault.json").read_text())["pid"], signal.SIGKILL)
    assert stopped(lab, WORKER)
    run = lab.play("start.yml")
    assert run.rc == 0, run.stdout + run.stderr
    lab.wait_until(lambda: not stopped(lab, WORKER) and all_respond(lab))
    assert lab.play("start.yml").recap[lab.name]["changed"] == 0


@only("postgres_fdw")
def test_what_cannot_be_done_is_refused_before_anything_is_changed(lab: Lab) -> None:
    """A node that is not there, a fault that is none, a duration out of bounds: all of it at once."""
    run = broken(lab, "explode", "citus-worker-9", 601)
    assert run.rc != 0
    for said in (
        "FAULT=explode is none of kill",
        "NODE=citus-worker-9 is none of this lab's nodes",
        "DURATION=601 is no whole number",
    ):
        assert said in run.stdout, run.stdout
    with lab.stopped("citus-worker-2"):
        run = broken(lab, "kill", WORKER, 3)
    assert run.rc != 0
    assert "citus-worker-2 does not answer: a lab is broken only when it is well" in " ".join(run.stdout.split())
    lab.wait_until(lambda: all_respond(lab))
    check = broken(lab, "kill", WORKER, 3, "--check")
    assert (check.rc, rows(check)) == (0, {})


@pytest.mark.long
@only("postgres_fdw")
def test_commands_of_the_guide_do_what_it_says(lab: Lab) -> None:
    """One after the other in one shell, on this lab."""
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    assert script.count("make chaos") >= 5
    environment = {**os.environ, "INVENTORY": str(lab.inventory), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=script,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert done.stdout.count("everything answers again after") == script.count("make chaos")


@pytest.mark.long
def test_nothing_acknowledged_is_lost(lab: Lab) -> None:
    """Faults in an order of the seed's, LAB_TEST_FAULTS of each kind (2), while four clients write: what was acknowledged is there."""
    each = int(os.environ.get("LAB_TEST_FAULTS", "2"))
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    print(f"\nseed {seed}, {4 * each} faults")
    chosen: list[tuple[str, Any]] = [
        (fault, chance.choice(["citus-coordinator", WORKER, "citus-worker-2", "middleware"]))
        for fault in ("kill", "freeze", "cut", "fill")
        for _ in range(each)
    ]
    chance.shuffle(chosen)
    stream = stream_on(lab)
    with stream.flowing():
        for fault, node in chosen:
            run = broken(lab, fault, node, 2)
            assert run.rc == 0, run.stdout + run.stderr
            print(
                f"{fault} {node}: {re.findall(r'answers again after (.*)[.]', run.stdout)}, {len(stream.written)} written"
            )
    assert len(stream.written) > 10 * len(chosen)
    assert stream.lost() == []
    assert lab.play("verify.yml").rc == 0
