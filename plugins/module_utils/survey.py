# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a lab's namespace holds, as rows, and as the pages that a person reads of them.

``survey`` works on objects as the cluster's API gives them (JSON); the pages are pure functions of what it gives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.report import (
    Commands,
    columns,
    first_error,
    headed,
    human_duration,
    human_size,
    paragraph,
    process_lines,
    status_page,
    wait_line,
)

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


# ---------------------------------------------------------------------------------------------------- pages


def pods_section(lab: Object, survey: Object) -> list[str]:
    """The pods of a lab, as lines of the page of `status`.

    Args:
        lab: the fact that the role preflight gives.
        survey: of the namespace, as `lab_info` gives it.
    """
    where = f"namespace {lab['namespace']} of the context {lab['context']}"
    commands = Commands(lab)
    start = commands["start"]
    if survey["error"]:
        return ["Pods", *paragraph(survey["error"]), f"  {start} starts what is down."]
    if not survey["pods"]:
        return [
            "Pods",
            *paragraph(f"none in the {where}: the lab is stopped, its data lie in its volumes."),
            f"  {start} starts it.",
        ]
    known = any(pod["memory_bytes"] is not None for pod in survey["pods"])
    headings = ["name", "state", "ready", "restarts", "up for", *(["CPU", "memory"] if known else [])]
    rows = [
        [
            pod["name"],
            pod["state"],
            pod["ready"],
            str(pod["restarts"]),
            human_duration(pod["seconds"]),
            *([_cpu(pod["cpu"]), human_size(pod["memory_bytes"])] if known else []),
        ]
        for pod in survey["pods"]
    ]
    changed = [line for text in survey["changed"] for line in paragraph(text, "    ", "  ! ")]
    if changed:
        changed.append(f"  {commands['lab']} puts it right.")
    return [f"Pods in the {where}", *columns(headings, rows, (2, 3, 4, 5, 6)), *changed]


def _cpu(cpus: float | None) -> str:
    return "?" if cpus is None else f"{cpus * 1000:.0f}m"


def status_page_of_pods(lab: Object, found: Object) -> str:
    """The page of `status`, with the pods of a lab that has some.

    Args:
        lab: the fact that the role preflight gives.
        found: what the module `lab_info` gives.
    """
    return status_page(lab, found, pods_section(lab, found["survey"]) if found["survey"] else ())


def diagnosis_page(lab: Object, found: Object, logs: str) -> str:
    """The original's diagnosis in one go: all there is, what is not ready and why, events, the last lines of each log.

    Args:
        lab: the fact that the role preflight gives.
        found: what the module `lab_info` gives, with the details.
        logs: the last lines of the logs on this machine.
    """
    survey = found["survey"]
    sections = [
        [f"{headed(lab)}: {lab['engine']} on {lab['target']}", f"  {lab['directory']}"],
        process_lines(found["processes"], Commands(lab)["start"]),
    ]
    if survey:
        sections.append(pods_section(lab, survey))
    if survey and not survey["error"]:
        things = [(thing["kind"], thing["name"], thing["says"]) for thing in survey["objects"]]
        sections.append(["Workloads, Services, volumes", *columns(("kind", "name", "says"), things)])
        not_ready = [line for trouble in survey["troubles"] for line in trouble.splitlines()]
        sections.append(["Not ready", *([f"  {line}" for line in not_ready] or ["  nothing"])])
        events = [line for event in survey["events"] for line in paragraph(event, "      ", "  ")]
        sections.append(["Events, the newest last", *(events or ["  none"])])
        for pod, log in survey["logs"].items():
            sections.append([f"Last lines of {pod}", *(f"  {line}" for line in log.splitlines() or ["nothing"])])
    database = found["database"]
    waits = [line for wait in database.get("waits", []) for line in paragraph(wait_line(wait), "      ", "  ")]
    if database["error"]:
        waits = paragraph(f"the database does not say: {first_error(database['error'])}")
    sections.append(["Who waits for whom", *(waits or ["  nobody waits"])])
    sections.append(["Last lines of the logs on this machine", *(f"  {line}" for line in logs.splitlines())])
    return "\n\n".join("\n".join(section) for section in sections)
