"""What a lab's namespace holds, as rows, from objects as a cluster gives them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.namespace_rows import (
    object_rows,
    pod_rows,
    quantity,
)

NOW = datetime(2026, 11, 25, 12, 1, tzinfo=UTC)


def pod(
    name: str, state: dict[str, Any], phase: str = "Running", ready: bool = True, **metadata: Any
) -> dict[str, Any]:
    """A pod with one container."""
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-11-25T12:00:00Z", **metadata},
        "spec": {"containers": [{}]},
        "status": {"phase": phase, "containerStatuses": [{"state": state, "ready": ready, "restartCount": 2}]},
    }


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
