# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The profiles that there are: how one is, what is saved of it, what differs from what is wanted, and what has to be done."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import last_line, parse_failure
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import Output
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import ENGINES, Settings


@dataclass(frozen=True)
class Status:
    """How a profile is.

    Attributes:
        kind: ``absent``, ``running``, ``full`` (running, but the node's disk is), ``paused``, ``stopped``, ``partial``
            (its node runs, Kubernetes does not), ``gone`` (the profile is there, its node is not), ``torn`` (what was saved
            of it cannot be read) or ``unknown``.
        said: what Minikube said of one that is unknown.
    """

    kind: str
    said: str = ""


@dataclass(frozen=True)
class Profile:
    """What Minikube has saved of a profile.

    Attributes:
        name: its name.
        driver, container_runtime, kubernetes_version: as in ``Settings``.
        cpus: 0: no limit.
        memory: MiB; 0: no limit.
        addons: those that are enabled. None: no start of it has ever come to its end.
    """

    name: str
    driver: str
    container_runtime: str
    cpus: int
    memory: int
    kubernetes_version: str
    addons: frozenset[str] | None


def parse_status(output: Output) -> Status:
    """How a profile is, from ``minikube status -o json``."""
    if output.rc == 85:
        return Status("absent")
    try:
        loaded = json.loads(output.stdout)
    except ValueError:
        failure = parse_failure(output)
        return Status("torn" if failure.name == "HOST_CONFIG_LOAD" else "unknown", failure.message)
    nodes = [node for node in (loaded if isinstance(loaded, list) else [loaded]) if isinstance(node, dict)]
    if not nodes:
        gone = re.search(r"no such (container|object)", output.stderr, re.IGNORECASE)
        return Status("gone" if gone else "unknown", last_line(output.stderr))
    hosts = {node.get("Host") for node in nodes}
    # A node that is only a worker has no API server, and says so.
    parts = {node.get(part) for node in nodes for part in ("Kubelet", "APIServer", "Kubeconfig")} - {"Irrelevant"}
    if "Paused" in parts:
        return Status("paused")
    if "Nonexistent" in hosts:
        return Status("gone")
    if hosts == {"Stopped"}:
        return Status("stopped")
    if parts == {"Running", "Configured"} and hosts <= {"Running", "InsufficientStorage"}:
        return Status("full" if "InsufficientStorage" in hosts else "running")
    return Status("partial")


def parse_profiles(output: Output) -> dict[str, Profile | None] | None:
    """The profiles that there are, from ``minikube profile list -o json``.

    Returns:
        Each by its name, with None for what a refused start leaves, which is no more than a name. None: it is no such list.
    """
    try:
        loaded = json.loads(output.stdout)
        found: dict[str, Profile | None] = {entry["Name"]: None for entry in loaded["invalid"] or []}
        for entry in loaded["valid"] or []:
            config = entry["Config"]
            found[entry["Name"]] = config and saved_profile(config)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return found


def saved_profile(config: Mapping[str, Any]) -> Profile:
    """The profile in a configuration as Minikube saves it.

    Raises:
        KeyError: it has not what Minikube saves.
    """
    kubernetes = config["KubernetesConfig"]
    addons = config["Addons"]
    return Profile(
        name=config["Name"],
        driver=config["Driver"],
        container_runtime=kubernetes["ContainerRuntime"],
        cpus=config["CPUs"],
        memory=config["Memory"],
        kubernetes_version=kubernetes["KubernetesVersion"],
        addons=None if addons is None else frozenset(name for name, enabled in addons.items() if enabled),
    )


def next_step(status: Status, profile: Profile | None, began: bool) -> str:
    """What has to be done so that a profile runs.

    Args:
        status: how it is.
        profile: what is saved of it, if it is there and more than a name.
        began: whether a start of it ever came as far as Kubernetes.

    Returns:
        - ``nothing``: it runs;
        - ``create``: start it with every setting;
        - ``start``: start what is there, as it is;
        - ``clean``: delete what a start left that ended before Kubernetes began, then create. Minikube cannot always take
          that up, and nobody can have used it;
        - ``refuse``: its node was removed, and with it all that was in it.
    """
    if profile is None:
        # A start that was killed while it wrote its settings left half of them, which no start can read.
        return "clean" if status.kind == "torn" and not began else "create"
    if profile.addons is None and not began:
        return "clean"
    if status.kind == "gone":
        return "refuse"
    # A start that was ended late leaves an API server that answers, but no storage class.
    if status.kind in ("running", "full") and profile.addons is not None:
        return "nothing"
    return "start"


def differences(settings: Settings, profile: Profile) -> list[dict[str, str]]:
    """In what a profile is not as it is wanted: entries of ``setting``, ``wanted`` and ``found``, as a person writes them.

    What was left to Minikube cannot differ, nor can a size that has no limit.
    """
    found = []

    def compare(setting: str, wanted: str, there: str, same: bool) -> None:
        if not same:
            found.append({"setting": f"minikube_{setting}", "wanted": wanted, "found": there})

    version, there = settings.kubernetes_version.lstrip("v"), profile.kubernetes_version.lstrip("v")
    named = version not in ("", "stable", "latest")
    compare("driver", settings.driver, profile.driver, settings.driver in ("", profile.driver))
    runtime = profile.container_runtime.replace("cri-o", "crio")
    compare("container_runtime", settings.container_runtime, runtime, settings.container_runtime == runtime)
    compare("cpus", str(settings.cpus), str(profile.cpus), profile.cpus in (0, settings.cpus))
    compare("memory", f"{settings.memory}m", f"{profile.memory}m", profile.memory in (0, settings.memory))
    compare(
        "kubernetes_version",
        settings.kubernetes_version,
        profile.kubernetes_version,
        not named or there == version or there.startswith(f"{version}."),
    )
    return found


def report_differences(profile: str, found: Sequence[Mapping[str, str]]) -> str:
    """The two ways out of a profile that is other than wanted."""
    said = ", ".join(f"{entry['setting']} {entry['found']} (wanted: {entry['wanted']})" for entry in found)
    keep = ", ".join(f"{entry['setting']}: {entry['found']}" for entry in found)
    return (
        f"The Minikube profile {profile} is used as it is: it has {said}. Two ways out: to keep it, set {keep};"
        f" to make it anew, and lose all that every lab has in it: minikube delete -p {shlex.quote(profile)}, then run this again."
    )


def report_removed_node(profile: str, driver: str) -> str:
    """What became of a profile whose node somebody removed, and what to do."""
    engine = driver if driver in ENGINES else "docker"
    name = shlex.quote(profile)
    return (
        f"The node of the Minikube profile {profile} was removed: a start would hang. What its labs held still lies in the volume"
        f" {profile} of {engine}. Copy it aside:\n"
        f"{engine} run --rm -v {name}:/from:ro -v {name}-saved:/to busybox cp -a /from/hostpath-provisioner /to\n"
        f"Then, giving up what is in the volume: minikube delete -p {name}, and run this again."
    )
