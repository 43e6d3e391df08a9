# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Minikube: what it says, what that means, and what to do about it.

The first parts decide and touch nothing, the last two look at the machine and run programs:

1. settings: what a person wants, checked and typed;
2. reading: statuses, profiles, event streams and images as Minikube prints them;
3. decisions: what has to be done, what differs, what helps after a failure;
4. what stands in the way of a start, as ``preflight`` asks it (``probe``, ``problems``);
5. images: what a build would see;
6. running: Minikube's programs, and the lock of those who share a profile.

The parts that ``preflight`` uses run on the host's own Python, which may be an old one: nothing newer than 3.8 is used
at run time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem

#: Less than these, Kubernetes does not run (Minikube's own limits).
LEAST_CPUS = 2
LEAST_MEMORY = 1800
RUNTIMES = ("containerd", "docker", "crio")
#: Drivers whose node is a container: the engine says whether it works, and how much the node can have.
ENGINES = ("docker", "podman")
INSTALL_MINIKUBE = "https://minikube.sigs.k8s.io/docs/start/"
INSTALL_DOCKER = "https://docs.docker.com/engine/install/"
#: Folders that programs are put into, and that the PATH of an SSH session or a service may lack.
FOLDERS = ("/usr/local/bin", "/opt/homebrew/bin", "/snap/bin")


class MinikubeError(Exception):
    """Minikube cannot do it; the message says why, in its own words, and what helps."""


# --- 1. Settings --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """What a profile shall be.

    Attributes:
        profile: its name, which is also that of its kube context.
        driver: what runs its node; empty: Minikube's choice.
        container_runtime: what runs its containers.
        cpus: how many it may use.
        memory: how many MiB it may use.
        kubernetes_version: empty: Minikube's choice.
        addons: those that shall be enabled; others are left alone.
        force: whether ``--force`` is passed; None: where root starts it.
    """

    profile: str = "historia-clinica"
    driver: str = ""
    container_runtime: str = "containerd"
    cpus: int = 4
    memory: int = 6144
    kubernetes_version: str = ""
    addons: tuple[str, ...] = ()
    force: bool | None = None


def memory_size(value: object) -> int | None:
    """MiB, from a number of them or a text as Minikube takes it (``6g``, ``4096m``, ``4096``); None for others."""
    found = re.fullmatch(r"([0-9]+)\s*([bkmg]?)(?:i?b)?", str(value).strip().lower())
    if not found or isinstance(value, bool):
        return None
    unit = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}[found[2] or "m"]
    return int(found[1]) * unit // 1024**2


def truth(value: object) -> bool | None:
    """What a person means by a yes or a no; None for anything else."""
    said = str(value).strip().lower()
    if said in ("true", "yes", "on", "1"):
        return True
    return False if said in ("false", "no", "off", "0") else None


def read_settings(values: Mapping[str, object]) -> tuple[Settings, list[Problem]]:
    """Check and type what a person wrote.

    Args:
        values: by the names of ``Settings``, of any type (what ``-e`` gives is text). None and what is missing leave
            the default.

    Returns:
        The settings, with the default for each that cannot be read, and a problem for each of these.
    """
    given = {name: value for name, value in values.items() if value is not None}
    read: dict[str, Any] = {}
    problems: list[Problem] = []

    def refuse(name: str, needed: str, remedy: str, id_: str = "minikube-setting") -> None:
        problems.append(Problem(id_, f"minikube_{name} is {given[name]!r}", needed, f"set minikube_{name}: {remedy}"))

    patterns = {
        "profile": (r"[a-zA-Z0-9][a-zA-Z0-9-]{1,62}", "2 to 63 of letters, digits and hyphens", "historia-clinica"),
        "driver": (r"[a-z0-9]*", "a driver's name, or nothing for Minikube's choice", "docker"),
        "container_runtime": ("|".join(RUNTIMES), f"one of {', '.join(RUNTIMES)}", "containerd"),
        "kubernetes_version": (
            r"|stable|latest|v?[0-9]+\.[0-9]+(\.[0-9]+(-[0-9a-z.]+)?)?",
            "a version such as v1.34.4, stable or latest, or nothing for Minikube's choice",
            "v1.34.4",
        ),
    }
    for name, (pattern, needed, remedy) in patterns.items():
        if name in given:
            if isinstance(given[name], str) and re.fullmatch(pattern, str(given[name])):
                read[name] = given[name]
            else:
                refuse(name, needed, remedy)
    if "force" in given and given["force"] not in ("", "auto"):
        read["force"] = truth(given["force"])
        if read["force"] is None:
            refuse("force", "true, false or auto (for root)", "auto")
    if "addons" in given:
        addons = given["addons"]
        if isinstance(addons, (list, tuple)) and all(re.fullmatch(r"[a-z0-9-]+", str(addon)) for addon in addons):
            read["addons"] = tuple(map(str, addons))
        else:
            refuse("addons", "a list of addons' names", "[metrics-server]")
    if "cpus" in given:
        digits = str(given["cpus"]).strip()
        if not re.fullmatch(r"[0-9]{1,4}", digits) or isinstance(given["cpus"], bool):
            refuse("cpus", "a whole number", "4")
        elif int(digits) < LEAST_CPUS:
            refuse("cpus", f"at least {LEAST_CPUS}, as Kubernetes does", str(LEAST_CPUS), "minikube-cpus")
        else:
            read["cpus"] = int(digits)
    if "memory" in given:
        memory = memory_size(given["memory"])
        if memory is None:
            refuse("memory", "a size such as 6g or 4096m", "6g")
        elif memory < LEAST_MEMORY:
            refuse("memory", f"at least {LEAST_MEMORY}m, as Kubernetes does", "2g", "minikube-memory")
        else:
            read["memory"] = memory
    return Settings(**read), problems


# --- 2. Reading what Minikube says --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Output:
    """A command that ended.

    Attributes:
        command: as a person would type it.
        rc: its exit code; negative: the signal that ended it.
        stdout: what it printed.
        stderr: what it printed as errors.
        late: it was ended after this many seconds; 0 where it ended by itself.
    """

    command: str
    rc: int
    stdout: str
    stderr: str = ""
    late: float = 0


@dataclass(frozen=True)
class Status:
    """How a profile is.

    Attributes:
        kind: ``absent``, ``running``, ``full`` (running, but the node's disk is), ``paused``, ``stopped``, ``partial``
            (its node runs, Kubernetes does not), ``gone`` (the profile is there, its node is not) or ``unknown``.
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


@dataclass(frozen=True)
class Failure:
    """Why a command of Minikube failed, in its own words.

    Attributes:
        name: its name for the reason, such as ``PROVIDER_DOCKER_NOT_RUNNING``; may be empty.
        message: the reason.
        advice: what it advises; may be empty.
        step: the last step that a start came to.
    """

    name: str = ""
    message: str = ""
    advice: str = ""
    step: str = ""


def parse_status(output: Output) -> Status:
    """How a profile is, from ``minikube status -o json``."""
    if output.rc == 85:
        return Status("absent")
    try:
        loaded = json.loads(output.stdout)
    except ValueError:
        return Status("unknown", parse_failure(output).message)
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


def parse_events(stdout: str) -> list[dict[str, str]]:
    """The events of ``-o json``: the data of each, with its ``type`` (``step``, ``info``, ``warning``, ``error``)."""
    events = []
    for line in stdout.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            event = json.loads(line)
            events.append({**event["data"], "type": event["type"].rsplit(".", 1)[-1]})
    return events


def parse_failure(output: Output) -> Failure:
    """Why a command failed.

    Errors occur in events of runs that succeed, and after the one that ended a run: that one is the last with an exit
    code. What fails before the events begin, or has none, is plain text on stderr.
    """
    events = parse_events(output.stdout)
    steps = [event.get("message", "") for event in events if event["type"] == "step"]
    step = steps[-1].rstrip(" .") if steps else ""
    ends = [event for event in events if event["type"] == "error" and event.get("exitcode")]
    if output.rc > 0 and ends:
        end = ends[-1]
        message = end.get("message", "")
        if end["exitcode"] == "55":  # the reasons are in what was said of each driver
            said = [event.get("message", "") for event in events if event["type"] == "info"]
            message = " ".join([message, *(text for text in said if ": Not healthy: " in text)])
        advice = end.get("advice", "")
        # An advice may be a template that was never filled in.
        advice = "" if "{{" in advice else " ".join(filter(None, [advice, end.get("url", "")]))
        return Failure(end.get("name", ""), shortened(message), shortened(advice), step)
    plain = re.search(r"Exiting due to ([A-Z0-9_]+): (.*)", output.stderr)
    if plain:
        return Failure(plain[1], shortened(plain[2]), "", step)
    if not events and output.stdout.strip() and not output.stderr.strip():
        return Failure("", shortened(output.stdout), "", step)
    return Failure("", last_line(output.stderr), "", step)


def shortened(text: str, limit: int = 500) -> str:
    """A text in one line, without what is no news to a person; its beginning and its end where it is long."""
    text = re.sub(r" --\w+[ =](?:(?:<no value>|\{\{[^}]*\}\})[-:]?)+", "", text)  # Go's templates, filled in or not
    text = re.sub(r"(stdout:|stderr:|Run 'docker run --help' for more information)", " ", text)
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit // 3]} ... {text[-limit * 2 // 3 :]}"


def last_line(text: str) -> str:
    """The last line that says something: no log line of Go's, no frame of a box, no headline of another one's output."""
    noise = re.compile(r"[EWIF]\d{4} |\W*$|stdout:|stderr:|See '|\W*(╭|│|╰)")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not noise.match(line.strip())]
    return shortened(lines[-1]) if lines else ""


# --- 3. Decisions -------------------------------------------------------------------------------------------------


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
        return "create"
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
    """What became of a profile whose node somebody removed, and what helps."""
    engine = driver if driver in ENGINES else "docker"
    name = shlex.quote(profile)
    return (
        f"The node of the Minikube profile {profile} was removed: a start would hang. What its labs held still lies in the volume"
        f" {profile} of {engine}. Copy it aside:\n"
        f"{engine} run --rm -v {name}:/from:ro -v {name}-saved:/to busybox cp -a /from/hostpath-provisioner /to\n"
        f"Then, giving up what is in the volume: minikube delete -p {name}, and run this again."
    )


def fit(settings: Settings, probe: Probe) -> tuple[Settings, list[str], list[Problem]]:
    """The settings cut down to what the machine has.

    Returns:
        The settings, a sentence for each that was cut down, and a problem for each of which there is too little.
    """
    notes, found = [], []
    cpus, memory = settings.cpus, settings.memory
    place = f"{probe.driver} here" if probe.driver in ENGINES else "this machine"
    if probe.cpus is not None and probe.cpus < cpus:
        cpus = probe.cpus
        notes.append(f"minikube_cpus is {settings.cpus}, but {place} has {cpus}: the profile gets {cpus}.")
    if probe.memory is not None and probe.memory < memory:
        memory = probe.memory
        notes.append(f"minikube_memory is {settings.memory}m, but {place} has {memory}m: the profile gets {memory}m.")
    desktop = " (Docker Desktop: Settings, Resources)" if probe.driver == "docker" else ""
    otherwise = f"; give it more{desktop}, or set lab_target: host, which needs no Minikube"
    if cpus < LEAST_CPUS:
        found.append(
            Problem(
                "minikube-cpus",
                f"{place} has {cpus} CPU",
                f"at least {LEAST_CPUS}",
                f"Kubernetes needs them{otherwise}",
            )
        )
    if memory < LEAST_MEMORY:
        found.append(
            Problem(
                "minikube-memory",
                f"{place} has {memory} MiB of memory",
                f"at least {LEAST_MEMORY} MiB",
                f"Kubernetes needs them{otherwise}",
            )
        )
    return replace(settings, cpus=cpus, memory=memory), notes, found


def start_arguments(settings: Settings, create: bool, force: bool, keep_context: bool) -> list[str]:
    """The arguments of ``minikube`` that start a profile, and wait until node, DNS and storage work.

    Args:
        settings: what it shall be.
        create: whether it is new. One that is there keeps what it has: a wrong runtime would be saved and break it.
        force: whether ``--force`` is passed.
        keep_context: whether kubectl's current context stays.
    """
    arguments = [
        "start",
        f"--profile={settings.profile}",
        "--output=json",
        "--interactive=false",
        "--wait=all",
        f"--keep-context={str(keep_context).lower()}",
        # Said either way: Minikube's own configuration may have another default.
        f"--force={str(force).lower()}",
    ]
    if create:
        arguments += [
            f"--container-runtime={settings.container_runtime}",
            f"--cpus={settings.cpus}",
            f"--memory={settings.memory}m",
        ]
        if settings.driver:
            arguments.append(f"--driver={settings.driver}")
        if settings.kubernetes_version:
            arguments.append(f"--kubernetes-version={settings.kubernetes_version}")
    return arguments


ANEW = "the last resort, which loses all that every lab has in it: minikube delete -p {profile}, then run this again"
LOGS = "look at minikube logs -p {profile}; " + ANEW
START_DOCKER = (
    "start Docker (Linux: sudo systemctl start docker; macOS, Windows: open Docker Desktop), then run this again"
)
DOCKER_GROUP = "sudo usermod -aG docker $USER, then log out and in (or: newgrp docker)"
ASK_DRIVER = "see docker info; install or start Docker, or name another driver with minikube_driver"

#: What helps after an exit code; a reason's name goes before a code, a code before its family of ten.
HELP: dict[str | int, str] = {
    "RSRC_OVER_ALLOC_MEM": "set minikube_memory to what the machine has, such as 2g",
    "MK_ADDON_ENABLE": "take minikube_addons from the list of: minikube addons list -p {profile}",
    "PROVIDER_DOCKER_NOT_FOUND": f"install Docker: {INSTALL_DOCKER}",
    "DRV_DOCKER_NOT_RUNNING": START_DOCKER,
    "GUEST_SSH_CERT_NOT_FOUND": "see whether its node is there: docker ps -a --filter name={profile}; if it was removed, "
    + ANEW,
    10: LOGS,
    14: "correct the setting that it names (minikube_profile, minikube_memory, minikube_kubernetes_version)",
    23: "set minikube_memory to at least 1800m; Docker Desktop has its own limit in Settings, Resources",
    29: "set minikube_cpus to at least 2, and to no more than the machine has (Docker Desktop: Settings, Resources)",
    48: "check the network and HTTPS_PROXY, and that minikube_kubernetes_version exists; then run this again",
    50: "another start of the profile was under way: run this again",
    55: ASK_DRIVER,
    56: "set minikube_driver to docker, podman, or another that https://minikube.sigs.k8s.io/docs/drivers/ has for this system",
    57: "work as another user, or let root pass --force: minikube_force: auto",
    63: START_DOCKER,
    65: "install the driver's program, or name another one with minikube_driver",
    69: DOCKER_GROUP,
    80: "run this again; " + ANEW,
    81: "set minikube_driver to the one that the profile has; " + ANEW,
    82: "see that the driver runs (docker info), then run this again",
    90: "if its container runtime was changed by hand, minikube start -p {profile} --container-runtime=containerd (or what it was"
    " made with) puts it right; " + ANEW,
    106: "set minikube_kubernetes_version to the profile's, or to nothing; " + ANEW,
}
FAMILIES: dict[int, str] = {
    2: "give the profile less or the machine more: minikube_cpus, minikube_memory, or free disk space",
    4: HELP[48],
    5: ASK_DRIVER,
    6: ASK_DRIVER,
}


def explain(output: Output, profile: str) -> str:
    """A failed command as a person wants to read it: what ended how, why, what Minikube advises, and what helps."""
    failure = parse_failure(output)
    helps = HELP.get(failure.name) or HELP.get(output.rc) or FAMILIES.get(output.rc // 10, LOGS)
    end = f"ended with exit code {output.rc}"
    if output.late:
        end = f"did not end within {output.late:g} s and was stopped"
        helps = "if it only was slow (a first start downloads up to 1 GB), set minikube_timeout higher; " + ANEW
    elif output.rc < 0:
        end, helps = f"was ended by signal {-output.rc}", "run this again: a start that was interrupted is taken up"
    reason = failure.message or (f"its last step was: {failure.step}" if failure.step else "it gave no reason")
    lines = [f"{output.command} {end}{f' ({failure.name})' if failure.name else ''}: {reason}"]
    if failure.advice:
        lines.append(f"Minikube advises: {failure.advice}")
    lines.append(f"What helps: {helps.format(profile=shlex.quote(profile))}")
    return "\n".join(lines)


# --- 4. What stands in the way ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """What a machine has for Minikube.

    Attributes:
        program: path of ``minikube``; empty where there is none.
        version: what it calls itself; empty where it does not answer.
        driver: the driver that the profile has, that was asked for, that Minikube is configured for, or else the
            container engine that works, or that comes nearest to it; empty where there is none at all.
        health: of the driver: ``works``, ``missing``, ``stopped``, ``denied``, ``broken``, or ``unproved`` where only a
            start can tell.
        said: the driver's own words where it does not work; Minikube's where that has no version.
        root: whether root asks.
        cpus: how many a profile can have; None where that is not known.
        memory: how many MiB a profile can have; None where that is not known.
    """

    program: str = ""
    version: str = ""
    driver: str = ""
    health: str = "missing"
    said: str = ""
    root: bool = False
    cpus: int | None = None
    memory: int | None = None


def forces(probe: Probe, settings: Settings) -> bool:
    """Whether a start passes ``--force``: root's has to, but with the driver ``none``."""
    return probe.root and probe.driver != "none" if settings.force is None else settings.force


def problems(probe: Probe, settings: Settings) -> list[Problem]:
    """Everything that keeps a profile from being started here, in a fixed order."""
    if not probe.program:
        return [
            Problem(
                "minikube-missing",
                "there is no program minikube on the PATH",
                "Minikube",
                f"install it: {INSTALL_MINIKUBE} (macOS: brew install minikube)",
            )
        ]
    if not probe.version:
        return [
            Problem(
                "minikube-broken",
                f"{probe.program} version fails: {probe.said or 'it says nothing'}",
                "a Minikube that runs on this machine",
                f"install it again: {INSTALL_MINIKUBE}",
            )
        ]
    found = []
    if probe.root and settings.force is False and probe.driver != "none":
        found.append(
            Problem(
                "minikube-root",
                "root starts Minikube, and minikube_force is false",
                "a user of its own, or --force: Minikube refuses root otherwise",
                "run this as a user who may use Docker, or set minikube_force: auto",
            )
        )
    engine = probe.driver.capitalize()
    cases = {
        "missing": (
            "driver-missing",
            f"there is no {engine}" if probe.driver else "there is neither Docker nor Podman",
            "a driver for Minikube's node",
            f"install Docker: {INSTALL_DOCKER}",
        ),
        "stopped": (
            "driver-stopped",
            f"{engine} does not run: {probe.said}",
            f"{engine}, running",
            START_DOCKER if probe.driver == "docker" else f"start {engine}, then run this again",
        ),
        "denied": (
            "driver-denied",
            f"this user has no right to {engine}'s socket: {probe.said}",
            "the right to use it",
            DOCKER_GROUP if probe.driver == "docker" else "run this as root, or use Docker",
        ),
        "broken": (
            "driver-broken",
            f"{engine} answers with an error: {probe.said}",
            f"{engine}, working",
            f"see {probe.driver} info",
        ),
    }
    if probe.health in cases:
        found.append(Problem(*cases[probe.health]))
        return found
    return found + fit(settings, probe)[2]


def availability(probe: Probe, settings: Settings) -> tuple[bool, str]:
    """Whether a lab that leaves its target open takes Minikube, and why in one line.

    A driver that only a start can prove is not taken unasked.
    """
    found = problems(probe, settings)
    if found:
        return False, f"Minikube cannot be used here: {found[0].found}; {found[0].remedy}"
    if probe.health == "unproved":
        return (
            False,
            f"Minikube cannot be used here: neither Docker nor Podman is known to work (lab_target: minikube tries {probe.driver})",
        )
    return True, f"Minikube {probe.version} is there, and {probe.driver} works"


def probe(
    settings: Settings,
    environment: Mapping[str, str] | None = None,
    run: Callable[[Sequence[str], Mapping[str, str], float], Output] | None = None,
) -> Probe:
    """Look at what the machine has for Minikube: three short commands at most, and nothing is changed.

    Args:
        settings: the profile and the driver that are wanted.
        environment: of the commands; this process's own unless given.
        run: runs a command; replaced in tests.
    """
    run = run or run_command
    env = program_environment(os.environ if environment is None else environment)
    program = shutil.which("minikube", path=env["PATH"]) or ""
    root = os.geteuid() == 0
    if not program:
        return Probe(root=root)
    answer = run([program, "version", "-o", "json"], env, 30)
    version = ""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        version = json.loads(answer.stdout)["minikubeVersion"]
    if answer.rc != 0 or not version:
        return Probe(program, said=parse_failure(answer).message, root=root)
    asked = expected_driver(minikube_home(env), settings)
    states = []
    for driver in [asked] if asked else ENGINES:
        state = _look_at_driver(driver, env, root, run)
        states.append(replace(state, program=program, version=version, root=root))
        if state.health == "works":
            break
    # The one that works, else the one that is there, else Docker.
    nearness = ("works", "unproved", "stopped", "denied", "broken", "missing")
    best = min(states, key=lambda state: nearness.index(state.health))
    return replace(best, driver="") if best.health == "missing" and not asked else best


def _look_at_driver(
    driver: str, env: Mapping[str, str], root: bool, run: Callable[[Sequence[str], Mapping[str, str], float], Output]
) -> Probe:
    memory = None
    with contextlib.suppress(ValueError, OSError, AttributeError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    seen = Probe(driver=driver, health="unproved", cpus=os.cpu_count(), memory=memory)
    if driver not in ENGINES:
        return seen
    if not shutil.which(driver, path=env["PATH"]):
        return replace(seen, health="missing")
    # Minikube's Podman is root's (it goes through sudo) unless it is told otherwise: only a start can tell.
    if driver == "podman" and not root and platform.system() == "Linux":
        return seen
    answer = run([driver, "info", "--format", "{{json .}}"], env, 20)
    try:
        info = json.loads(answer.stdout)
    except ValueError:
        info = {}
    host = info.get("host") or {}  # as Podman has it
    cpus = info.get("NCPU") or host.get("cpus")
    there = (info.get("MemTotal") or host.get("memTotal") or 0) // 1024**2
    if answer.rc == 0 and cpus and there:
        return replace(seen, health="works", cpus=min(cpus, seen.cpus or cpus), memory=min(there, memory or there))
    said = shortened(" ".join(answer.stderr.split("\n"))) or f"{driver} info says nothing within {answer.late:g} s"
    if "permission denied" in answer.stderr.lower() and "socket" in answer.stderr.lower():
        return replace(seen, health="denied", said=said)
    stopped = answer.late or re.search(
        r"cannot connect|is the docker daemon running|connection refused", answer.stderr, re.I
    )
    return replace(seen, health="stopped" if stopped else "broken", said=said)


# --- 5. Images ----------------------------------------------------------------------------------------------------


def parse_images(output: Output) -> dict[str, str] | None:
    """The images of a cluster, id by name, from ``minikube image ls --format json``.

    Returns:
        None where no cluster answers: one that does has images, its own; one that is stopped has an empty list.
    """
    try:
        return {tag: entry["id"] for entry in json.loads(output.stdout) for tag in entry["repoTags"] or []} or None
    except (ValueError, KeyError, TypeError):
        return None


def ignored(path: str, patterns: Sequence[str]) -> bool:
    """Whether a ``.dockerignore`` keeps a file from a build: the last pattern that fits the file or a folder above it decides."""
    parts = path.split("/")
    candidates = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    out = False
    for pattern in patterns:
        body = os.path.normpath(pattern.lstrip("!").strip()).lstrip("/")
        expression = re.escape(body).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*")
        expression = expression.replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        if any(re.fullmatch(expression, candidate) for candidate in candidates):
            out = not pattern.startswith("!")
    return out


def context_files(directory: Path) -> list[Path]:
    """The files that a build of a directory can see, in order: all but what its ``.dockerignore`` names.

    Raises:
        OSError: it cannot be read.
    """
    rules = directory / ".dockerignore"
    lines = rules.read_text(encoding="utf-8").splitlines() if rules.exists() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    files = []
    for parent, folders, names in os.walk(directory):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in (*names, *links):
            path = Path(parent, name)
            relative = path.relative_to(directory).as_posix()
            # Applied here, and left out: Minikube's archive would lack the Dockerfile where it names all files.
            if relative == "Dockerfile" or (relative != ".dockerignore" and not ignored(relative, patterns)):
                files.append(path)
    return sorted(files)


def content_digest(directory: Path, build_arguments: Mapping[str, str]) -> str:
    """What an image would be made of, in 16 characters: the same for the same files and arguments, wherever they lie.

    Raises:
        OSError: the directory cannot be read.
    """
    digest = hashlib.sha256(json.dumps(dict(sorted(build_arguments.items()))).encode())
    for path in context_files(directory):
        if path.is_symlink():
            kind, content = "link", os.readlink(path).encode()
        else:
            kind, content = "program" if os.access(path, os.X_OK) else "file", path.read_bytes()
        digest.update(
            f"\n{kind} {path.relative_to(directory).as_posix()} {hashlib.sha256(content).hexdigest()}".encode()
        )
    return digest.hexdigest()[:16]


def stage_context(directory: Path, target: Path) -> None:
    """Copy what a build can see, readable by every user of the image whatever this machine's umask is.

    Raises:
        OSError: it cannot be read, or written there.
    """
    for path in context_files(directory):
        copy = target / path.relative_to(directory)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy, follow_symlinks=False)
        if not path.is_symlink():
            copy.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
    for parent, folders, _ in os.walk(target):
        for folder in folders:
            Path(parent, folder).chmod(0o755)


def build_options(container_runtime: str, build_arguments: Mapping[str, str]) -> list[str]:
    """Build arguments as the runtime's own builder takes them; the wrong form fails without an exit code."""
    form = "opt=build-arg:" if container_runtime == "containerd" else "build-arg="
    return [f"--build-opt={form}{name}={value}" for name, value in sorted(build_arguments.items())]


# --- 6. Running ---------------------------------------------------------------------------------------------------


def program_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment that programs run in: a PATH that has the usual folders, and messages in one language."""
    path = environment.get("PATH", os.defpath).split(os.pathsep)
    home = environment.get("HOME")
    folders = [*FOLDERS, *([f"{home}/.local/bin", f"{home}/bin"] if home else [])]
    path += [folder for folder in folders if folder not in path]
    return {**environment, "PATH": os.pathsep.join(path), "LC_ALL": "C", "MINIKUBE_IN_STYLE": "false"}


def minikube_home(environment: Mapping[str, str]) -> Path:
    """Where Minikube keeps its profiles."""
    home = environment.get("MINIKUBE_HOME", "")
    place = Path(home) if home else Path(environment.get("HOME") or os.path.expanduser("~"))
    return place if home and place.name == ".minikube" else place / ".minikube"


def expected_driver(home: Path, settings: Settings) -> str:
    """The driver that a start will use, as far as it is known before.

    Returns:
        The one that the profile has, if a start of it ever came to its end; else the one that was asked for; else the one
        that Minikube is configured for. Empty where none of them says one.
    """
    configured = ""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        configured = json.loads((home / "config/config.json").read_text(encoding="utf-8")).get("driver") or ""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        path = home / "profiles" / settings.profile / "config.json"
        profile = saved_profile(json.loads(path.read_text(encoding="utf-8")))
        if profile.addons is not None:
            return profile.driver
    return settings.driver or configured


def kubeconfig_path(environment: Mapping[str, str]) -> Path:
    """The file that Minikube writes a profile's context into: the first that ``KUBECONFIG`` names, or kubectl's own."""
    named = [path for path in environment.get("KUBECONFIG", "").split(os.pathsep) if path]
    home = environment.get("HOME") or os.path.expanduser("~")
    return Path(os.path.abspath(named[0] if named else os.path.join(home, ".kube", "config")))


def knows_context(kubeconfig: str, name: str) -> bool:
    """Whether the text of a kubeconfig has an entry of this name."""
    return re.search(rf"""^[\s-]*name:\s*["']?{re.escape(name)}["']?\s*$""", kubeconfig, re.MULTILINE) is not None


def has_current_context(kubeconfig: str) -> bool:
    """Whether the text of a kubeconfig names a current context."""
    return re.search(r"""^current-context:\s*["']?[^\s"']""", kubeconfig, re.MULTILINE) is not None


def run_command(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> Output:
    """Run a program to its end, or for so many seconds.

    Args:
        command: the program and its arguments.
        environment: all of its environment.
        seconds: how long it may take.

    Raises:
        OSError: it cannot be run.
    """
    # Files, not pipes: a pipe stays open as long as any grandchild lives.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        late: float = 0
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            late = seconds
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    name = " ".join([os.path.basename(command[0]), *map(shlex.quote, command[1:])])
    return Output(name, process.returncode, texts[0], texts[1], late)


class Minikube:
    """Runs Minikube for one profile.

    Attributes:
        program: its path.
        profile: the profile's name.
        environment: of every command.
        home: where Minikube keeps its profiles.
        kubeconfig: the file that has the profile's context.
    """

    def __init__(self, program: str, profile: str, environment: Mapping[str, str]) -> None:
        self.program = program
        self.profile = profile
        self.environment = program_environment(environment)
        self.home = minikube_home(self.environment)
        self.kubeconfig = kubeconfig_path(self.environment)

    def run(self, *arguments: str, seconds: float = 120) -> Output:
        """Run a command of Minikube."""
        return run_command([self.program, *arguments], self.environment, seconds)

    def demand(self, *arguments: str, seconds: float = 120) -> Output:
        """Run a command of Minikube that has to succeed.

        Raises:
            MinikubeError: it does not.
        """
        output = self.run(*arguments, seconds=seconds)
        if output.rc != 0 or output.late:
            raise MinikubeError(explain(output, self.profile))
        return output

    def status(self) -> Status:
        """How the profile is."""
        return parse_status(self.run("status", f"--profile={self.profile}", "--output=json"))

    def saved(self) -> tuple[bool, Profile | None]:
        """Whether there is a profile of this name, and what is saved of it if that is more than the name.

        Raises:
            MinikubeError: Minikube does not say.
        """
        output = self.run("profile", "list", "--light", "--output=json")
        found = parse_profiles(output)
        if found is None:
            raise MinikubeError(explain(output, self.profile))
        return self.profile in found, found.get(self.profile)

    def look(self) -> tuple[Status, bool, Profile | None]:
        """How the profile is, whether there is one of its name, and what is saved of it: two questions, asked at once.

        Raises:
            MinikubeError: Minikube does not say.
        """
        with ThreadPoolExecutor() as threads:
            status = threads.submit(self.status)
            there, profile = self.saved()
            return status.result(), there, profile

    def images(self) -> dict[str, str]:
        """The images of the profile's cluster, id by name.

        Raises:
            MinikubeError: the cluster does not answer.
        """
        output = self.run("image", "ls", f"--profile={self.profile}", "--format=json")
        images = parse_images(output)
        if images is None:
            raise MinikubeError(
                f"The Minikube profile {self.profile} does not run, so it has no images:"
                f" {parse_failure(output).message or 'minikube image ls says nothing'}."
                f" What helps: minikube status -p {shlex.quote(self.profile)}; the role minikube starts it."
            )
        return images

    def began(self) -> bool:
        """Whether a start of the profile ever came as far as Kubernetes: it makes the certificates first."""
        return (self.home / "profiles" / self.profile / "apiserver.crt").exists()

    def read_kubeconfig(self) -> str:
        """The text of the kubeconfig; empty where it cannot be read."""
        try:
            return self.kubeconfig.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


class Lock:
    """Held by the one task that works on a profile."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    @property
    def holder(self) -> str:
        """The process that holds it, as it wrote itself down."""
        return os.pread(self._descriptor, 20, 0).decode("ascii", "replace")

    def sign(self) -> None:
        """Write down this process."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def remove(self) -> None:
        """Remove the file; whoever waits for it makes a new one."""
        self._path.unlink()


@contextlib.contextmanager
def locked(home: Path, profile: str, seconds: float) -> Iterator[Lock]:
    """Let one task at a time work on a profile that several labs share.

    A person's own ``minikube start`` is waited for as well, and one whose task was killed while it goes on.

    Args:
        home: where Minikube keeps its profiles: whoever shares these shares the lock.
        profile: the profile's name.
        seconds: how long to wait for the others.

    Raises:
        MinikubeError: the others take longer.
        OSError: the lock's file cannot be made.
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{profile}.historia-clinica.lock"
    limit = time.monotonic() + seconds

    def wait(holder: object) -> None:
        if time.monotonic() > limit:
            raise MinikubeError(
                f"Something else has been working on the Minikube profile {profile} for more than {seconds:g} s (process {holder})."
                " What helps: wait for it, or end it, then run this again."
            )
        time.sleep(0.1)

    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        lock = Lock(descriptor, path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = lock.holder
            os.close(descriptor)
            wait(holder)
            continue
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                break
        os.close(descriptor)  # whoever held it removed it
    try:
        lock.sign()
        while True:
            busy = processes_at(profile)
            if not busy:
                break
            wait(busy[0])
        yield lock
    finally:
        os.close(descriptor)


def works_at(command: Sequence[str], profile: str) -> bool:
    """Whether a command line is a Minikube that starts, stops or deletes a profile."""
    if not command or os.path.basename(command[0]) != "minikube":
        return False
    words = " ".join(command[1:])
    named = re.search(r"(?:^| )(?:-p|--profile)[ =]?(\S+)", words)
    works = re.match(r"(?:(?:-p|--profile)[ =]?\S+ )?(?:start|stop|delete)\b", words)
    return works is not None and (named[1] if named else "minikube") == profile


def processes_at(profile: str) -> list[int]:
    """The processes of this user that are a Minikube that starts, stops or deletes a profile."""
    found = []
    if os.path.isdir("/proc/self"):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    if entry.stat().st_uid == os.geteuid():
                        text = Path(entry.path, "cmdline").read_text(encoding="utf-8", errors="replace")
                        if works_at(text.split("\0")[:-1], profile):
                            found.append(int(entry.name))
        return found
    command = ["ps", "-x", "-o", "pid=,command="]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    for line in done.stdout.splitlines():
        pid, _, text = line.strip().partition(" ")
        if works_at(text.split(), profile):
            found.append(int(pid))
    return found
