"""The pods of a lab on its pages, and the page of `diagnose`."""

from __future__ import annotations

from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.diagnosis import diagnosis_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.pods import pods_section

LAB: dict[str, Any] = {
    "name": "ana",
    "invocation": {"checkout": "/home/ana/historia-clinica", "values": {"lab_name": "ana"}},
    "target": "minikube",
    "engine": "citus",
    "directory": "/labs/ana",
    "namespace": "hc-ana",
    "context": "historia-clinica",
}
ROW = {"name": "citus-worker-1", "state": "Running", "ready": "1/1", "restarts": 0, "seconds": 60.0}


def cluster_report(**changes: Any) -> dict[str, Any]:
    """What lab_info gives of a namespace."""
    pods = [{**ROW, "cpu": None, "memory_bytes": None}]
    details: dict[str, Any] = {"objects": [], "troubles": [], "events": [], "logs": {}}
    return {"error": "", "pods": pods, "lacking": [], "changed": [], **details, **changes}


def test_a_statefulset_that_is_a_pod_short_is_named_with_what_helps() -> None:
    """Nobody would see it else: there is neither a pod nor an event."""
    lines = pods_section(LAB, cluster_report(lacking=["StatefulSet citus-worker has 1 of 2 pods"]))
    assert lines[-2:] == [
        "  ! StatefulSet citus-worker has 1 of 2 pods",
        "  make start LAB=ana has the cluster make what is lacking.",
    ]


def test_pods_of_a_stopped_lab_say_that_the_data_stay() -> None:
    """And how to start it, by its name."""
    text = " ".join(" ".join(pods_section(LAB, cluster_report(pods=[]))).split())
    assert "the lab is stopped, its data lie in its volumes." in text
    assert "make start LAB=ana starts it." in text


def test_a_cluster_that_does_not_answer_is_told() -> None:
    """Instead of the pods."""
    assert "  the cluster does not answer" in pods_section(
        LAB, cluster_report(error="the cluster does not answer", pods=[])
    )


def test_pods_are_a_table_and_metrics_are_columns_where_there_are_some() -> None:
    """Numbers to the right; processor in thousandths, memory as people say it; below it what somebody changed."""
    small = {"name": "b", "state": "CrashLoopBackOff", "ready": "0/1", "restarts": 12, "seconds": 7200.0}
    measured = [
        {**ROW, "name": "citus-coordinator-0", "cpu": 0.0123, "memory_bytes": 64 * 1024**2},
        {**small, "cpu": None, "memory_bytes": None},
    ]
    assert pods_section(LAB, cluster_report(pods=measured, changed=["Secret credentials is not there"])) == [
        "Pods in the namespace hc-ana of the context historia-clinica",
        "  name                 state             ready  restarts     up for  CPU  memory",
        "  citus-coordinator-0  Running             1/1         0  1 min 0 s  12m   64 MB",
        "  b                    CrashLoopBackOff    0/1        12        2 h    ?       ?",
        "  ! Secret credentials is not there",
        "  make lab LAB=ana repairs it.",
    ]
    assert pods_section(LAB, cluster_report(pods=[{**small, "cpu": None, "memory_bytes": None}])) == [
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
    pods = cluster_report(
        objects=[{"kind": "Service", "name": "citus-worker-1", "says": "10.0.0.1:5432"}],
        troubles=["Pod citus-worker-1: Pending\n  Likely cause: no room."],
        events=["Warning FailedScheduling (x3): 0/1 nodes are available"],
        logs={"citus-coordinator-0": "ready to accept connections", "citus-worker-1": ""},
    )
    found = {"processes": [], "cluster_report": pods, "database": {"waits": [WAIT], "error": ""}}
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
    found = {"processes": [], "cluster_report": {}, "database": {"error": "connection refused\nIs it running?"}}
    page = diagnosis_page({**LAB, "target": "host"}, found, "logs/middleware.log")
    assert "Who waits for whom\n  the database does not say: connection refused\n" in page
    assert "Pods" not in page
    assert "logs/middleware.log" in page
