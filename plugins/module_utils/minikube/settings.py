# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a person wants of a profile, checked and typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem

#: Less than these, Kubernetes does not run (Minikube's own limits).
LEAST_CPUS = 2
LEAST_MEMORY = 1800
RUNTIMES = ("containerd", "docker", "crio")
#: Drivers whose node is a container: the engine says whether it works, and how much the node can have.
ENGINES = ("docker", "podman")


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
