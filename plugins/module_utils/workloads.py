# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What the pods of a lab are waiting for, and what a person can do about it.

Everything here works on objects as the cluster's API gives them (JSON), and touches no cluster.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.rotation import announced_keys, password_file

Object = Mapping[str, Any]

#: Reasons for which waiting helps nobody: the same start would fail again.
HOPELESS = ("InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError")
#: So many failed starts in a row are no accident.
RESTARTS = 3

# What the last lines of a log tell: pattern, likely cause, what to do. The first that matches wins.
LOG_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"configuration file .* contains errors|unrecognized configuration parameter|invalid value for parameter"
        r"|could not access file|outside the valid range",
        "bad settings: the server refuses one of its settings",
        "correct the setting that its log names (database_pods_settings), then run this again",
    ),
    (
        r"[Nn]o space left on device",
        "no room: the volume is full",
        "give the volumes more (database_pods_storage, in a new lab), or remove what is not needed",
    ),
    (
        r"[Cc]annot allocate memory|could not map anonymous shared memory|could not resize shared memory",
        "no room: the server does not get the memory that its settings ask for",
        "lower shared_buffers or max_connections (database_pods_settings)",
    ),
    (
        r"was initialized by PostgreSQL version|incompatible with server",
        "the volume holds the data of another version of PostgreSQL",
        "name the image that made it: lab_database_image, with the version that the log says",
    ),
    (
        r"[Pp]ermission denied|[Oo]peration not permitted|wrong ownership",
        "the volume belongs to another user than the one that the image runs as (999)",
        "choose a storage class whose volumes take the pod's group (fsGroup), or make the volume's directory writable",
    ),
    (
        r"exec format error",
        "the image is for another processor",
        "name an image for this one: lab_database_image, with lab_engine=postgres_fdw where Citus has none",
    ),
    (
        r"ModuleNotFoundError|ImportError",
        "the image lacks a Python module",
        "build the image again: remove it, then run this again",
    ),
)


#: What a lab has in its namespace, beside a Service for each of its nodes.
OBJECTS = (
    ("ResourceQuota", "lab"),
    ("LimitRange", "lab"),
    ("ServiceAccount", "database"),
    ("ServiceAccount", "middleware"),
    ("NetworkPolicy", "default-deny"),
    ("NetworkPolicy", "names"),
    ("NetworkPolicy", "coordinator"),
    ("NetworkPolicy", "worker"),
    ("NetworkPolicy", "from-nodes"),
    ("NetworkPolicy", "from-clients"),
    ("NetworkPolicy", "middleware"),
    ("NetworkPolicy", "to-middleware"),
    ("Secret", "credentials"),
    ("ConfigMap", "database-settings"),
    ("Service", "citus-worker"),
    ("Service", "middleware-service"),
    ("StatefulSet", "citus-coordinator"),
    ("StatefulSet", "citus-worker"),
    ("Deployment", "middleware-citus"),
)
#: The Secret with the lab's passwords and keys, and where the service finds the password to try where the other is refused.
CREDENTIALS = "credentials"
NEXT_SERVICE = "historia-clinica-next"
#: Those of the service, which comes with a service file: unlike a password file it may be read by a group, and a mounted Secret always is.
SERVICE_LOGINS = ("middleware", "api")
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass
class Trouble:
    """Why one pod is not what it should be.

    Attributes:
        pod: its name.
        state: what the cluster calls it, for a search engine.
        cause: the likely cause, in a sentence.
        remedy: what helps.
        hopeless: whether waiting longer changes nothing.
        container: the container whose log tells more; empty where there is no log.
    """

    pod: str
    state: str
    cause: str
    remedy: str
    hopeless: bool = False
    container: str = ""
    events: list[str] = field(default_factory=list)
    log: str = ""

    def page(self) -> str:
        """The trouble as lines for a person."""
        lines = [
            f"Pod {self.pod}: {self.state}",
            f"  Likely cause: {self.cause}.",
            f"  Fix: {self.remedy}.",
        ]
        if self.events:
            lines += ["  Its events:", *(f"    {event}" for event in self.events)]
        if self.log:
            lines += ["  Last lines of its log:", *(f"    {line}" for line in self.log.splitlines())]
        return "\n".join(lines)


def unfinished(workload: Object) -> str:
    """What a StatefulSet, a Deployment or a Job still waits for; empty once it is done.

    A Job that failed counts as done: ``failed`` tells.
    """
    kind, name = workload["kind"], workload["metadata"]["name"]
    status = workload.get("status") or {}
    if kind == "Job":
        return "" if _condition(workload, "Complete") or failed(workload) else f"Job {name} has not finished"
    wanted = workload["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return f"{kind} {name}: the change has not been taken up"
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if kind == "StatefulSet" and status.get("currentRevision") == status.get("updateRevision"):
        updated = status.get("replicas", 0)
    if updated != wanted or status.get("replicas", 0) != wanted:
        return f"{kind} {name}: {min(updated, wanted)} of {wanted} pods are up to date"
    if ready != wanted:
        return f"{kind} {name}: {ready} of {wanted} pods are ready"
    return ""


def changed_by_hand(found: Sequence[Object], nodes: Sequence[str]) -> list[str]:
    """What somebody deleted, scaled or edited of what a run made, a sentence each.

    Each object carries what was applied. The cluster writes sizes in another way and adds what was left out, so what is
    compared is what people change: how many pods, the data of Secret and ConfigMap, the rules of Services and policies.

    Args:
        found: the objects of the namespace, of every kind in OBJECTS.
        nodes: the names of the lab's nodes.
    """
    there = {(thing["kind"], thing["metadata"]["name"]): thing for thing in found}
    wanted = [*OBJECTS, *(("Service", node) for node in nodes)]
    lines = [f"{kind} {name} is not there" for kind, name in wanted if (kind, name) not in there]
    for (kind, name), thing in there.items():
        if (kind, name) not in wanted:
            continue
        applied = json.loads((thing["metadata"].get("annotations") or {}).get(APPLIED, "{}"))
        spec, made = thing.get("spec") or {}, applied.get("spec") or {}
        if kind in ("StatefulSet", "Deployment") and spec.get("replicas") != made.get("replicas", 1):
            here, there_were = int(spec.get("replicas", 1)), int(made.get("replicas", 1))
            lines.append(
                f"{kind} {name} has {here} replicas, {there_were} were made{_scaled_workers(name, here, there_were)}"
            )
        if thing.get("data") != applied.get("data"):
            lines.append(f"{kind} {name} has other data than were written")
        if kind in ("Service", "NetworkPolicy") and not _holds(spec, made):
            lines.append(f"{kind} {name} has other rules than were written")
    return lines


def _scaled_workers(name: str, here: int, made: int) -> str:
    """What becomes of the workers where somebody scales their StatefulSet, as the rest of a sentence; nothing of other workloads."""
    if name != "citus-worker":
        return ""
    others = ", ".join(f"citus-worker-{number}" for number in range(min(here, made) + 1, max(here, made) + 1))
    if here > made:
        return f": no nodes of the database, and without rows: {others}; make scale adds and removes workers"
    return f": nobody reaches the rows of {others}, which stay in volumes; make scale removes workers"


def lacking_pods(workload: Object) -> str:
    """What pods a StatefulSet lacks that it was asked for, in a sentence; empty where it has all of them."""
    wanted = (workload.get("spec") or {}).get("replicas", 1)
    found = (workload.get("status") or {}).get("replicas", 0)
    if workload["kind"] != "StatefulSet" or found >= wanted:
        return ""
    return f"StatefulSet {workload['metadata']['name']} has {found} of {wanted} pods"


def _holds(found: object, wanted: object) -> bool:
    """Whether everything that was wanted is in what was found, which may say more."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_holds(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_holds, found, wanted))
    return found == wanted or (wanted in ({}, None) and found in ({}, None))


def failed(job: Object) -> str:
    """Why a Job was given up; empty where it was not."""
    condition = _condition(job, "Failed")
    return f"{condition.get('reason', '')}: {condition.get('message', '')}" if condition else ""


def find_troubles(pods: Sequence[Object], events: Sequence[Object]) -> list[Trouble]:
    """The pods that are not ready, each with its likely cause, in order of name."""
    troubles = []
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        if _ready(pod) or pod["metadata"].get("deletionTimestamp"):
            continue
        own = [event for event in events if _about(event, "Pod", pod["metadata"]["name"])]
        trouble = _diagnose(pod, own)
        trouble.events = event_lines(own)
        troubles.append(trouble)
    return troubles


def find_refusals(workloads: Sequence[Object], events: Sequence[Object]) -> list[str]:
    """Why pods of these workloads were not even made: the cluster's own words (quota, pod security), the newest last."""
    names = {str(workload["metadata"]["name"]) for workload in workloads}
    said: dict[str, None] = {}
    for event in sorted(events, key=_when):
        about = event.get("involvedObject") or {}
        # A Deployment's pods are made by its ReplicaSet, which has its name and a suffix.
        owner = str(about.get("name", ""))
        ours = owner in names or (about.get("kind") == "ReplicaSet" and owner.rpartition("-")[0] in names)
        if ours and event.get("reason") == "FailedCreate":
            said[str(event.get("message", ""))] = None
    return list(said)[-3:]


def explain_log(trouble: Trouble, log: str) -> None:
    """Give a trouble the last lines of its pod's log, and the cause that they tell, where they tell one."""
    trouble.log = "\n".join(log.splitlines()[-15:])
    for pattern, cause, remedy in LOG_CAUSES:
        if re.search(pattern, trouble.log):
            trouble.cause, trouble.remedy = cause, remedy
            return


def event_lines(events: Sequence[Object], most: int = 6) -> list[str]:
    """The last events, a line each, oldest first."""
    return [
        f"{event.get('type', '')} {event.get('reason', '')} (x{event.get('count') or 1}):"
        f" {' '.join(str(event.get('message', '')).split())}"
        for event in sorted(events, key=_when)[-most:]
    ]


def network_verdict(exit_code: int) -> str:
    """What pg_isready, run where a network policy forbids it, says of the cluster's network.

    Raises:
        ValueError: it was not even tried.
    """
    if exit_code in (0, 1):  # the server answered
        return "not enforced by this cluster's network"
    if exit_code == 2:
        return "enforced"
    raise ValueError(f"the connection was not tried: exit code {exit_code}")


def mounted_files(pod: Object) -> dict[str, str]:
    """The files in a pod's first container that hold a part of the lab's Secret: the key of each, by its path."""
    keys = {
        volume["name"]: {item["path"]: item["key"] for item in volume["secret"].get("items") or []}
        for volume in pod["spec"].get("volumes") or []
        if (volume.get("secret") or {}).get("secretName") == CREDENTIALS
    }
    return {
        f"{mount['mountPath']}/{path}": key
        for mount in pod["spec"]["containers"][0].get("volumeMounts") or []
        for path, key in keys.get(mount["name"], {}).items()
    }


def takes_next_password(workload: Object) -> bool:
    """Whether the pods of a workload go on while their password is changed: the service has to know where the next one will be."""
    if workload["kind"] != "Deployment":
        return True
    variables = workload["spec"]["template"]["spec"]["containers"][0].get("env") or []
    return {"name": "HISTORIA_CLINICA_NEXT_SERVICE", "value": NEXT_SERVICE} in variables


def secret_data(credentials: Mapping[str, Any], coming: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The texts that the lab's Secret holds, by their keys.

    Args:
        credentials: ``passwords`` by login and the texts of ``keys`` by name, as the module ``credentials`` gives them.
        coming: what takes their place, in the same form: the service knows it too, and uses it where the other is refused.
    """
    passwords, keys = credentials["passwords"], credentials["keys"]
    texts = {**passwords, "nodes.pgpass": password_file(passwords)}
    for login in SERVICE_LOGINS:
        texts[f"{login}.service"] = f"[historia-clinica]\npassword={passwords[login]}\n"
        if coming:
            texts[f"{login}.service"] += f"[{NEXT_SERVICE}]\npassword={coming['passwords'][login]}\n"
    for name, text in keys.items():
        texts[f"{name}.keys"] = announced_keys(text, coming["keys"][name]) if coming else text
    return texts


def secret_credentials(secrets: Sequence[Object], names: Sequence[str]) -> list[dict[str, str]]:
    """The password files of logins, and the files of keys, that a Secret knows.

    Args:
        secrets: the Secret, or nothing.
        names: the logins that are wanted, and the files of keys (``NAME.keys``).

    Returns:
        Entries of ``path``, ``content`` and ``mode``, for the module ``text_files``.
    """
    found = {
        name: base64.b64decode(secret["data"][name]).decode()
        for secret in secrets
        for name in names
        if name in (secret.get("data") or {})
    }
    files = {
        name if name.endswith(".keys") else f"{name}.pgpass": text
        if name.endswith(".keys")
        else f"*:*:*:{name}:{text}\n"
        for name, text in found.items()
    }
    return [{"path": path, "content": content, "mode": "0600"} for path, content in files.items()]


def _diagnose(pod: Object, events: Sequence[Object]) -> Trouble:
    name = str(pod["metadata"]["name"])
    status = pod.get("status") or {}
    if status.get("reason") == "Evicted":
        return Trouble(
            name,
            f"Evicted: {status.get('message', '')}",
            "no room: its node ran out of memory or disk",
            "free some, or give the cluster more",
        )
    scheduled = _condition(pod, "PodScheduled", "False")
    if scheduled:
        return _unscheduled(name, str(scheduled.get("message", "")))
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for container in containers:
        if not container.get("ready"):
            return _container(name, container, events)
    return Trouble(
        name,
        str(status.get("phase", "Pending")),
        "its node has not started it yet",
        "look at the node: kubectl describe nodes",
    )


def _unscheduled(name: str, message: str) -> Trouble:
    state = f"Pending, Unschedulable: {message}"
    if re.search(r"PersistentVolumeClaim|persistentvolumeclaim", message):
        return Trouble(
            name,
            state,
            "volume not bound: nothing in the cluster gives the volume that it claims",
            "look at kubectl get storageclass,pvc; a default storage class is needed, or one that is named (lab_storage_class)",
        )
    if "Insufficient" in message:
        return Trouble(
            name,
            state,
            "no room: no node has the memory or processor that it asks for",
            "make room, lower lab_workers, or give the cluster more (minikube_cpus, minikube_memory in a new profile)",
        )
    return Trouble(name, state, "no node takes it", "see the message above, and kubectl describe nodes")


def _container(pod: str, container: Object, events: Sequence[Object]) -> Trouble:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    image, name = str(container.get("image", "")), str(container.get("name", ""))
    restarts = int(container.get("restartCount", 0))
    said = reason + (f": {message}" if message else "")
    if reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"):
        everything = " ".join([message, *(str(event.get("message", "")) for event in events)])
        missing = re.search(r"not found|manifest unknown|denied|unauthorized|no match for platform", everything)
        return Trouble(
            pod,
            said,
            f"image not pulled: {image}" + ("" if missing else " (the network, or its registry)"),
            "see whether that image exists and this cluster reaches its registry; lab_database_image, lab_python_image and"
            " lab_image_build_command name others",
            hopeless=reason in HOPELESS or bool(missing),
        )
    if reason in HOPELESS:
        return Trouble(
            pod, said, "an object that it needs is missing", "run the whole of site.yml again", hopeless=True
        )
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    if ended and (reason == "CrashLoopBackOff" or state.get("terminated") or restarts):
        code, why = ended.get("exitCode"), str(ended.get("reason", ""))
        trouble = Trouble(
            pod,
            f"{reason or why}: its container {name} ended with exit code {code} ({why}), {restarts} restarts",
            "its program ends by itself",
            "see the last lines of its log",
            hopeless=restarts >= RESTARTS,
            container=name,
        )
        if why == "OOMKilled":
            trouble.cause = "no room: it used more memory than its limit"
            trouble.remedy = "lower what it uses (shared_buffers, work_mem in database_pods_settings)"
        elif why == "ContainerCannotRun" or code in (126, 127):
            trouble.cause, trouble.remedy = (
                "the image lacks the program that it should run",
                f"name another image than {image}",
            )
        return trouble
    if "running" in state:
        return Trouble(
            pod,
            "Running, not ready",
            "it has started and does not serve yet",
            "see its events and the last lines of its log; a slow machine only needs longer",
            container=name,
        )
    mount = [
        str(event.get("message", ""))
        for event in events
        if event.get("reason") in ("FailedMount", "FailedAttachVolume")
    ]
    if mount:
        return Trouble(
            pod, f"{said}: {mount[-1]}", "a volume of it cannot be mounted", "run the whole of site.yml again"
        )
    return Trouble(pod, said or "Pending", "its container is still being made", "a slow machine only needs longer")


def _ready(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") == "Succeeded" or bool(_condition(pod, "Ready"))


def _condition(thing: Object, kind: str, value: str = "True") -> Object:
    for condition in (thing.get("status") or {}).get("conditions") or []:
        if condition["type"] == kind and condition["status"] == value:
            return dict(condition)
    return {}


def _about(event: Object, kind: str, name: str) -> bool:
    about = event.get("involvedObject") or {}
    return about.get("kind") == kind and about.get("name") == name


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")
