# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a lab's namespace holds, as rows, of objects as the cluster's API gives them (JSON)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Object = Mapping[str, Any]

#: What a quantity of Kubernetes may end with, and what it is worth.
UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1, "k": 1e3, "Ki": 1024, "M": 1e6, "Mi": 1024**2, "G": 1e9, "Gi": 1024**3}


def quantity(text: str) -> float:
    """A quantity of Kubernetes as a number: CPUs or bytes.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", text)
    if not found or found[2] not in UNITS:
        raise ValueError(f"{text!r} is no quantity")
    return float(found[1]) * UNITS[found[2]]


def pod_rows(pods: Sequence[Object], metrics: Sequence[Object], now: datetime) -> list[dict[str, Any]]:
    """A row for each pod that is there to stay, by name: Jobs that have ended are left out.

    Args:
        pods: the pods.
        metrics: what the cluster's metrics server says of them; nothing where there is none.
        now: the time, for the age.
    """
    used = {
        metric["metadata"]["name"]: [container["usage"] for container in metric["containers"]] for metric in metrics
    }
    rows = []
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        status = pod.get("status") or {}
        if status.get("phase") in ("Succeeded", "Failed"):
            continue
        containers = status.get("containerStatuses") or []
        waiting = [
            reason for one in containers if (reason := ((one.get("state") or {}).get("waiting") or {}).get("reason"))
        ]
        usage = used.get(pod["metadata"]["name"])
        rows.append(
            {
                "name": pod["metadata"]["name"],
                "state": "ending"
                if pod["metadata"].get("deletionTimestamp")
                else (waiting or [str(status.get("phase", "?"))])[0],
                "ready": f"{sum(bool(one.get('ready')) for one in containers)}/{len(pod['spec']['containers'])}",
                "restarts": sum(int(one.get("restartCount", 0)) for one in containers),
                "seconds": (now - _time(pod["metadata"]["creationTimestamp"])).total_seconds(),
                "cpu": None if usage is None else sum(quantity(one["cpu"]) for one in usage),
                "memory_bytes": None if usage is None else sum(quantity(one["memory"]) for one in usage),
            }
        )
    return rows


def object_rows(things: Sequence[Object]) -> list[dict[str, str]]:
    """A row for each workload, Service and volume claim: kind, name, and what there is to say of it."""
    return [{"kind": thing["kind"], "name": thing["metadata"]["name"], "says": _says(thing)} for thing in things]


def _says(thing: Object) -> str:
    status, spec = thing.get("status") or {}, thing.get("spec") or {}
    if thing["kind"] in ("StatefulSet", "Deployment"):
        image = spec["template"]["spec"]["containers"][0]["image"]
        return f"{status.get('readyReplicas', 0)} of {spec.get('replicas', 1)} pods ready, {image}"
    if thing["kind"] == "Job":
        ended = [one["type"] for one in status.get("conditions") or [] if one["status"] == "True"]
        return ended[-1].lower() if ended else "runs"
    if thing["kind"] == "Service":
        ports = ", ".join(str(port["port"]) for port in spec.get("ports") or [])
        return f"{spec.get('clusterIP')}:{ports}"
    return f"{status.get('phase', '?')}, {(status.get('capacity') or {}).get('storage', '?')}"


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
