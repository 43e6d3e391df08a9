# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a machine has for Minikube, and what keeps a profile from being started there, as ``preflight`` asks it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import (
    DOCKER_GROUP,
    INSTALL_DOCKER,
    START_DOCKER,
    parse_failure,
    shortened,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.profiles import saved_profile
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import (
    Output,
    minikube_home,
    program_environment,
    run_command,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import (
    ENGINES,
    LEAST_CPUS,
    LEAST_MEMORY,
    Settings,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem

INSTALL_MINIKUBE = "https://minikube.sigs.k8s.io/docs/start/"


@dataclass(frozen=True)
class MinikubeState:
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


def inspect_minikube(
    settings: Settings,
    environment: Mapping[str, str] | None = None,
    run: Callable[[Sequence[str], Mapping[str, str], float], Output] | None = None,
) -> MinikubeState:
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
        return MinikubeState(root=root)
    answer = run([program, "version", "-o", "json"], env, 30)
    version = ""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        version = json.loads(answer.stdout)["minikubeVersion"]
    if answer.rc != 0 or not version:
        return MinikubeState(program, said=parse_failure(answer).message, root=root)
    asked = expected_driver(minikube_home(env), settings)
    states = []
    for driver in [asked] if asked else ENGINES:
        state = _inspect_driver(driver, env, root, run)
        states.append(replace(state, program=program, version=version, root=root))
        if state.health == "works":
            break
    # The one that works, else the one that is there, else Docker.
    nearness = ("works", "unproved", "stopped", "denied", "broken", "missing")
    best = min(states, key=lambda state: nearness.index(state.health))
    return replace(best, driver="") if best.health == "missing" and not asked else best


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


def _inspect_driver(
    driver: str, env: Mapping[str, str], root: bool, run: Callable[[Sequence[str], Mapping[str, str], float], Output]
) -> MinikubeState:
    memory = None
    with contextlib.suppress(ValueError, OSError, AttributeError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    seen = MinikubeState(driver=driver, health="unproved", cpus=os.cpu_count(), memory=memory)
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


def forces(state: MinikubeState, settings: Settings) -> bool:
    """Whether a start passes ``--force``: root's has to, but with the driver ``none``."""
    return state.root and state.driver != "none" if settings.force is None else settings.force


def fit(settings: Settings, state: MinikubeState) -> tuple[Settings, list[str], list[Problem]]:
    """The settings cut down to what the machine has.

    Returns:
        The settings, a sentence for each that was cut down, and a problem for each of which there is too little.
    """
    notes, found = [], []
    cpus, memory = settings.cpus, settings.memory
    place = f"{state.driver} here" if state.driver in ENGINES else "this machine"
    if state.cpus is not None and state.cpus < cpus:
        cpus = state.cpus
        notes.append(f"minikube_cpus is {settings.cpus}, but {place} has {cpus}: the profile gets {cpus}.")
    if state.memory is not None and state.memory < memory:
        memory = state.memory
        notes.append(f"minikube_memory is {settings.memory}m, but {place} has {memory}m: the profile gets {memory}m.")
    desktop = " (Docker Desktop: Settings, Resources)" if state.driver == "docker" else ""
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


def start_problems(state: MinikubeState, settings: Settings) -> list[Problem]:
    """Everything that keeps a profile from being started here, in a fixed order."""
    if not state.program:
        return [
            Problem(
                "minikube-missing",
                "there is no program minikube on the PATH",
                "Minikube",
                f"install it: {INSTALL_MINIKUBE} (macOS: brew install minikube)",
            )
        ]
    if not state.version:
        return [
            Problem(
                "minikube-broken",
                f"{state.program} version fails: {state.said or 'it says nothing'}",
                "a Minikube that runs on this machine",
                f"install it again: {INSTALL_MINIKUBE}",
            )
        ]
    found = []
    if state.root and settings.force is False and state.driver != "none":
        found.append(
            Problem(
                "minikube-root",
                "root starts Minikube, and minikube_force is false",
                "a user of its own, or --force: Minikube refuses root otherwise",
                "run this as a user who may use Docker, or set minikube_force: auto",
            )
        )
    engine = state.driver.capitalize()
    cases = {
        "missing": (
            "driver-missing",
            f"there is no {engine}" if state.driver else "there is neither Docker nor Podman",
            "a driver for Minikube's node",
            f"install Docker: {INSTALL_DOCKER}",
        ),
        "stopped": (
            "driver-stopped",
            f"{engine} does not run: {state.said}",
            f"{engine}, running",
            START_DOCKER if state.driver == "docker" else f"start {engine}, then run this again",
        ),
        "denied": (
            "driver-denied",
            f"this user has no right to {engine}'s socket: {state.said}",
            "the right to use it",
            DOCKER_GROUP if state.driver == "docker" else "run this as root, or use Docker",
        ),
        "broken": (
            "driver-broken",
            f"{engine} answers with an error: {state.said}",
            f"{engine}, working",
            f"see {state.driver} info",
        ),
    }
    if state.health in cases:
        found.append(Problem(*cases[state.health]))
        return found
    return found + fit(settings, state)[2]


def availability(state: MinikubeState, settings: Settings) -> tuple[bool, str]:
    """Whether a lab that leaves its target open takes Minikube, and why in one line.

    A driver that only a start can prove is not taken unasked.
    """
    found = start_problems(state, settings)
    if found:
        return False, f"Minikube cannot be used here: {found[0].found}; {found[0].remedy}"
    if state.health == "unproved":
        return (
            False,
            f"Minikube cannot be used here: neither Docker nor Podman is known to work (lab_target: minikube tries {state.driver})",
        )
    return True, f"Minikube {state.version} is there, and {state.driver} works"
