"""Faults that a person asks for, and what a prober makes of answers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.chaos import Probe, kind_of, problems, rows_of
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.chaos import chaos_page, chaos_plan

NODES = ("citus-coordinator", "citus-worker-1")
#: What is typed, and what is said of it: the next case is a line.
TYPED = [
    ("kill", "citus-worker-1", "20", []),
    ("fill", "middleware", 600, []),
    ("", "citus-worker-1", 20, ["FAULT= is none of kill, freeze, cut, fill"]),
    ("kill,freeze", "citus-worker-1", 20, ["FAULT=kill,freeze is none of kill, freeze, cut, fill"]),
    ("kill", "citus-worker-9", 20, ["NODE=citus-worker-9 is none of this lab's nodes: citus-coordinator, citus-worker-1, middleware"]),
    ("kill", "", 0, ["NODE= is none of this lab's nodes: citus-coordinator, citus-worker-1, middleware", "DURATION=0 is no whole number of seconds from 1 to 600"]),
    ("kill", "middleware", "601", ["DURATION=601 is no whole number of seconds from 1 to 600"]),
    ("kill", "middleware", "-1", ["DURATION=-1 is no whole number of seconds from 1 to 600"]),
    ("kill", "middleware", "1.5", ["DURATION=1.5 is no whole number of seconds from 1 to 600"]),
    ("kill", "middleware", "9" * 99, [f"DURATION={'9' * 99} is no whole number of seconds from 1 to 600"]),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "node", "seconds", "said"), TYPED)
def test_what_cannot_be_done_is_said_in_words(fault: str, node: str, seconds: object, said: list[str]) -> None:
    """All of it at once."""
    assert problems(fault, node, seconds, NODES) == said


def test_a_disk_that_a_pod_has_not_is_said_in_words() -> None:
    """On a host the middleware's is that of all."""
    [said] = problems("fill", "middleware", 5, NODES, pods=True)
    assert said.startswith("FAULT=fill needs a node with a volume")
    assert problems("fill", "citus-worker-1", 5, NODES, pods=True) == []


def test_a_probe_knows_its_first_error_and_when_it_was_answered_again() -> None:
    """An answer between two errors is not the end of it."""
    probe = Probe("citus-worker-1", "read")
    for error, seconds, at in (
        ("", 0.1, 99),
        ("refused", 0.2, 101),
        ("", 0.1, 102),
        ("late", 2.5, 104),
        ("", 0.3, 106),
        ("", 0.1, 107),
    ):
        probe.count(error, seconds, at)
    assert rows_of([probe], zero=100) == [
        {
            "node": "citus-worker-1",
            "kind": "read",
            "answered": 4,
            "failed": 2,
            "longest": 2.5,
            "first_error": 1,
            "back": 6,
            "errors": {"refused": 1, "late": 1},
        }
    ]  # fmt: skip


def test_a_probe_that_met_no_error_has_nothing_to_come_back_from() -> None:
    """No moment is made up."""
    probe = Probe("citus-worker-2", "write")
    probe.count("", 0.1, 101)
    [row] = rows_of([probe], zero=100)
    assert (row["first_error"], row["back"], row["failed"]) == (None, None, 0)


#: What drivers and servers say, and what kind of error that is.
SAID = {
    "OperationalError connection failed: Connection refused": "connection refused",
    "QueryCanceled canceling statement due to statement timeout": "no answer in time",
    'could not connect to server "citus-worker-1"': "a worker could not be reached",
    "AdminShutdown terminating connection due to administrator command": "connection cut",
    "HTTPError HTTP Error 503: SERVICE UNAVAILABLE": "503 of the API",
    "something else": "another error",
}


@pytest.mark.parametrize("said", SAID)
def test_errors_are_counted_by_kind(said: str) -> None:
    """By what was said, whoever said it."""
    assert kind_of(said) == SAID[said]


def test_pages_say_what_happens_and_what_was_noticed() -> None:
    """Before and after, with the commands to look with."""
    lab = {
        "name": "lab",
        "target": "host",
        "api_port": 8080,
        "directory": "/labs/lab",
        "listed": True,
        "invocation": {"checkout": "/src"},
    }
    plan = chaos_plan(lab, {"fault": "freeze", "node": "citus-worker-1", "seconds": 5})
    assert plan[0].startswith("freeze citus-worker-1 for 5 s: all of its processes stop")
    assert "  make status" in plan
    pods = chaos_plan({**lab, "target": "minikube"}, {"fault": "cut", "node": "citus-worker-1", "seconds": 5})
    assert pods[0].startswith("cut citus-worker-1 for 5 s: its Service leads to no pod")
    assert any("lab.nodes" in line for line in plan)
    assert not any(
        "lab.nodes" in line for line in chaos_plan(lab, {"fault": "kill", "node": "citus-coordinator", "seconds": 5})
    )
    probe = Probe("citus-worker-1", "read")
    probe.count("refused", 0.5, 101)
    probe.count("", 0.1, 103)
    page = chaos_page({"fault": "kill", "node": "citus-worker-1", "seconds": 3, "probes": rows_of([probe], 100)})
    assert page[-1] == "kill citus-worker-1, 3 s: everything answers again after 3.0 s."
    assert "Errors: 1 x refused." in page


@pytest.fixture(scope="module")
def fault() -> ModuleType:
    """The program that breaks nodes."""
    pytest.importorskip("supervisor")
    path = Path(__file__).parents[2] / "files" / "programs" / "fault.py"
    spec = importlib.util.spec_from_file_location("fault", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_disk_is_filled_up_to_what_leaves_the_machine_alive(fault: ModuleType) -> None:
    """A tenth of it, one gibibyte at least; and never more than ten are taken."""
    gib = 1 << 30
    assert fault.ballast_bytes(100 * gib, 15 * gib) == 5 * gib
    assert fault.ballast_bytes(5 * gib, 3 * gib) == 2 * gib
    assert fault.ballast_bytes(1000 * gib, 900 * gib) == 10 * gib
    assert fault.ballast_bytes(100 * gib, 25 * gib, fault.KEEP_SHARE_OF_A_NODE) == 5 * gib
    with pytest.raises(fault.FaultError, match="nothing is left to fill"):
        fault.ballast_bytes(100 * gib, 10 * gib)
