"""What a person reads of a lab's namespace, from objects as a cluster gives them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.survey import (
    diagnosis_page,
    object_rows,
    pod_rows,
    pods_section,
    quantity,
)

LAB: dict[str, Any] = {
    "name": "ana",
    "way": {"checkout": "/home/ana/historia-clinica", "values": {"lab_name": "ana"}},
    "target": "minikube",
    "engine": "citus",
    "directory": "/labs/ana",
    "namespace": "hc-ana",
    "context": "historia-clinica",
}
NOW = datetime(2026, 11, 25, 12, 1, tzinfo=UTC)
ROW = {"name": "citus-worker-1", "state": "Running", "ready": "1/1", "restarts": 0, "seconds": 60.0}


def pod(
    name: str, state: dict[str, Any], phase: str = "Running", ready: bool = True, **metadata: Any
) -> dict[str, Any]:
    """A pod with one container."""
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-11-25T12:00:00Z", **metadata},
        "spec": {"containers": [{}]},
        "status": {"phase": phase, "containerStatuses": [{"state": state, "ready": ready, "restartCount": 2}]},
    }


def survey(**changes: Any) -> dict[str, Any]:
    """What lab_info gives of a namespace."""
    pods = [{**ROW, "cpu": None, "memory_bytes": None}]
    details: dict[str, Any] = {"objects": [], "troubles": [], "events": [], "logs": {}}
    return {"error": "", "pods": pods, "changed": [], **details, **changes}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("1.5", 1.5),
        ("1500000n", 0.0015),
        ("250u", 0.00025),
        ("12m", 0.012),
        ("2k", 2000),
        ("2M", 2_000_000),
        ("2G", 2_000_000_000),
        ("3Ki", 3072),
        ("64Mi", 67_108_864),
        ("2Gi", 2_147_483_648),
    ],
)
def test_quantities_are_numbers(text: str, number: float) -> None:
    """CPUs and bytes as Kubernetes writes them."""
    assert quantity(text) == pytest.approx(number)


def test_a_quantity_that_is_none_is_refused() -> None:
    """With its text."""
    with pytest.raises(ValueError, match="'1 GB' is no quantity"):
        quantity("1 GB")


def test_pods_are_rows_with_their_state_age_and_use() -> None:
    """What waits says what for; what ends says so; a Job that has ended is no pod of the lab; metrics where there are some."""
    pods = [
        pod("b", {"waiting": {"reason": "CrashLoopBackOff"}}, ready=False),
        pod("a", {"running": {}}),
        pod("c", {"running": {}}, deletionTimestamp="now"),
        pod("schema-init-job-x", {}, phase="Succeeded"),
    ]
    metrics = [{"metadata": {"name": "a"}, "containers": [{"usage": {"cpu": "12m", "memory": "64Mi"}}]}]
    rows = pod_rows(pods, metrics, NOW)
    assert [(row["name"], row["state"], row["ready"]) for row in rows] == [
        ("a", "Running", "1/1"),
        ("b", "CrashLoopBackOff", "0/1"),
        ("c", "ending", "1/1"),
    ]
    assert (rows[0]["seconds"], rows[0]["restarts"]) == (60, 2)
    assert [row["memory_bytes"] for row in rows] == [64 * 1024**2, None, None]


def test_objects_say_what_there_is_to_say_of_them() -> None:
    """Workloads their pods, a Job how it ended, a Service its address, a claim its volume."""
    template = {"template": {"spec": {"containers": [{"image": "postgres:18"}]}}}
    things = [
        {"kind": "StatefulSet", "spec": {"replicas": 2, **template}, "status": {"readyReplicas": 1}},
        {"kind": "Deployment", "spec": template},
        {"kind": "Job", "status": {"conditions": [{"type": "Complete", "status": "True"}]}},
        {"kind": "Job", "status": {"active": 1}},
        {"kind": "Service", "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 5432}]}},
        {"kind": "PersistentVolumeClaim", "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}}},
    ]
    rows = object_rows([{**thing, "metadata": {"name": "some"}} for thing in things])
    said = [
        "1 of 2 pods ready, postgres:18",
        "0 of 1 pods ready, postgres:18",
        "complete",
        "runs",
        "10.0.0.1:5432",
        "Bound, 2Gi",
    ]
    assert [row["says"] for row in rows] == said


def test_pods_of_a_stopped_lab_say_that_the_data_stay() -> None:
    """And how to start it, by its name."""
    text = " ".join(" ".join(pods_section(LAB, survey(pods=[]))).split())
    assert "the lab is stopped, its data lie in its volumes." in text
    assert "make start LAB=ana starts it." in text


def test_a_cluster_that_does_not_answer_is_told() -> None:
    """Instead of the pods."""
    assert "  the cluster does not answer" in pods_section(LAB, survey(error="the cluster does not answer", pods=[]))


def test_pods_are_a_table_and_metrics_are_columns_where_there_are_some() -> None:
    """Numbers to the right; processor in thousandths, memory as people say it; below it what somebody changed."""
    small = {"name": "b", "state": "CrashLoopBackOff", "ready": "0/1", "restarts": 12, "seconds": 7200.0}
    measured = [
        {**ROW, "name": "citus-coordinator-0", "cpu": 0.0123, "memory_bytes": 64 * 1024**2},
        {**small, "cpu": None, "memory_bytes": None},
    ]
    assert pods_section(LAB, survey(pods=measured, changed=["Secret credentials is not there"])) == [
        "Pods in the namespace hc-ana of the context historia-clinica",
        "  name                 state             ready  restarts     up for  CPU  memory",
        "  citus-coordinator-0  Running             1/1         0  1 min 0 s  12m   64 MB",
        "  b                    CrashLoopBackOff    0/1        12        2 h    ?       ?",
        "  ! Secret credentials is not there",
        "  make lab LAB=ana puts it right.",
    ]
    assert pods_section(LAB, survey(pods=[{**small, "cpu": None, "memory_bytes": None}])) == [
        "Pods in the namespace hc-ana of the context historia-clinica",
        "  name  state             ready  restarts  up for",
        "  b     CrashLoopBackOff    0/1        12     2 h",
    ]


WAIT = {
    "waits_for": "pacientes_05",
    "seconds": 42.4,
    "waiting_node": "citus-coordinator",
    "waiting_pid": 7,
    "waiting_login": "admin",
    "waiting_query": "UPDATE pacientes SET correo = NULL WHERE cedula = '1000119527'",
    "blocking_node": "citus-worker-1",
    "blocking_pid": 9,
    "blocking_login": "readonly",
    "blocking_state": "idle in transaction",
    "blocking_query": "SELECT 1",
}


def test_the_diagnosis_has_everything_in_one_go() -> None:
    """Processes, pods, workloads, what is not ready and why, events, who waits, the logs of pods and of this machine."""
    pods = survey(
        objects=[{"kind": "Service", "name": "citus-worker-1", "says": "10.0.0.1:5432"}],
        troubles=["Pod citus-worker-1: Pending\n  Likely cause: no room."],
        events=["Warning FailedScheduling (x3): 0/1 nodes are available"],
        logs={"citus-coordinator-0": "ready to accept connections", "citus-worker-1": ""},
    )
    found = {"processes": [], "survey": pods, "database": {"waits": [WAIT], "error": ""}}
    page = diagnosis_page(LAB, found, "logs/forwarder.log\n  listening")
    assert "1000119527" not in page
    wait = (
        "admin (process 7 on citus-coordinator) has waited 42 s for pacientes_05,"
        " held by readonly (process 9 on citus-worker-1, idle in transaction)"
    )
    assert f"Who waits for whom {wait}" in " ".join(page.split())
    for text in ("make start LAB=ana", "Likely cause: no room.", "FailedScheduling (x3)", "10.0.0.1:5432"):
        assert text in page
    assert "Last lines of citus-worker-1\n  nothing" in page
    assert page.endswith("Last lines of the logs on this machine\n  logs/forwarder.log\n    listening")


def test_the_diagnosis_of_a_lab_without_pods_is_that_of_its_processes() -> None:
    """On the target host."""
    found = {"processes": [], "survey": {}, "database": {"error": "connection refused\nIs it running?"}}
    page = diagnosis_page({**LAB, "target": "host"}, found, "logs/middleware.log")
    assert "Who waits for whom\n  the database does not say: connection refused\n" in page
    assert "Pods" not in page
    assert "logs/middleware.log" in page
