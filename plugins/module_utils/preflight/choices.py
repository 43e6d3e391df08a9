# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What may be chosen of a lab, each choice once, and what a person chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils import paths
from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Invocation, parse_invocation
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import Settings, read_settings
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight import values
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.values import Given
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem

TARGETS = ("host", "minikube", "kubernetes")
#: Those whose nodes are pods of a cluster.
PODS = TARGETS[1:]
ENGINES = ("citus", "postgres_fdw")
#: What the facts are wanted for: a lab that is made or brought up to date, one that goes and is made anew, one that gets another
#: number of workers, one that is there, one that goes.
PURPOSES = ("build", "renew", "scale", "use", "remove")
#: Purposes that remove the existing lab, so a damaged one is not a problem.
GOES = ("renew", "remove")

#: What the pods run, unless an image is named.
DATABASE_IMAGES = {"citus": "docker.io/citusdata/citus:14.1.0", "postgres_fdw": "docker.io/library/postgres:18"}
#: The only processor that the image of Citus is made for, as Kubernetes calls it.
CITUS_ARCHITECTURE = "amd64"


@dataclass(frozen=True)
class Choice:
    """What there is to know of a choice beside its name and its type.

    Attributes:
        read: what may stand in it.
        targets: those to which it means something.
        default: what it is where neither a person nor the record says; None where that depends on other things.
        example: what would do, for a person who wrote what will not.
    """

    read: Callable[[Given], object]
    targets: tuple[str, ...]
    default: Any
    example: str


def choice(read: Callable[[Given], object], *targets: str, default: object = None, example: str = "") -> Any:
    """Declare a choice: a field that is None where it is left open, for all targets unless some are named."""
    return field(default=None, metadata={"choice": Choice(read, targets or TARGETS, default, example or str(default))})


@dataclass(frozen=True)
class Choices:
    """What a person chose, as far as it can be read. None leaves a choice to the record, and then to the default.

    Attributes:
        name: the lab's name; empty where it is wrong.
        purpose: one of ``PURPOSES``.
        invocation: how the person reaches the lab.
        profile: what Minikube's profile shall be.
        profile_problems: what is wrong with that.
        made: the names of the choices that were made.
        refused: those of them that were wrong.
        runtime_directory: where the runtime is; the default one where none is chosen.
        directory: the lab's directory, also the default one; empty where there is none.
    """

    name: str
    purpose: str
    invocation: Invocation
    profile: Settings
    profile_problems: tuple[Problem, ...]
    made: frozenset[str]
    refused: frozenset[str]

    runtime_directory: str = choice(values.path)
    directory: str = choice(values.path)
    target: str | None = choice(values.one_of("target-unknown", *TARGETS))
    engine: str | None = choice(values.one_of("engine-unknown", *ENGINES))
    workers: int | None = choice(values.number("workers-invalid", 1, 64), default=2)
    database_port: int | None = choice(values.port, default=15432)
    api_port: int | None = choice(values.port, default=8080)
    postgres_bin: str | None = choice(values.path, "host")
    kubeconfig: str | None = choice(values.path, "kubernetes")
    context: str | None = choice(values.one_line("a context's name"), "kubernetes", example="NAME")
    namespace: str | None = choice(values.namespace, *PODS, default="hc-{name}")
    storage_class: str | None = choice(values.storage_class, *PODS, example="standard")
    database_image: str | None = choice(values.image, *PODS, example=DATABASE_IMAGES["postgres_fdw"])
    python_image: str | None = choice(values.image, *PODS, default="docker.io/library/python:3.11-slim")
    middleware_image: str | None = choice(values.image, *PODS, example="registry.example/historia-clinica:1")
    image_build_command: str | None = choice(values.one_line("a command in one line"), "kubernetes", example="COMMAND")

    @property
    def builds(self) -> bool:
        """Whether the lab, or more of it, is going to be made."""
        return self.purpose in ("build", "renew", "scale")

    @property
    def profile_name(self) -> str | None:
        """The chosen Minikube profile; None for the default name, which every play that imports the role minikube sets anyway."""
        return self.profile.profile if self.profile.profile != Settings().profile else None

    def unused(self, target: str) -> list[str]:
        """The variables that were set and mean nothing to a target."""
        return [f"lab_{name}" for name, each in CHOICES.items() if name in self.made and target not in each.targets]

    def without_recorded(self) -> Choices:
        """The choices as if none had been made of what a record remembers. Where the lab is, is no such choice."""
        recorded = {each.name for each in fields(paths.Record)} - {"directory"}
        return replace(self, **{name: None for name in CHOICES if name in recorded})  # type: ignore[arg-type]  # each may be None


#: Every choice by its name: the option of the module, and behind ``lab_`` the variable.
CHOICES: dict[str, Choice] = {each.name: each.metadata["choice"] for each in fields(Choices) if each.metadata}
DEFAULTS = {name: each.default for name, each in CHOICES.items()}


def read_choices(params: Mapping[str, Any], root: Path) -> tuple[Choices, list[Problem]]:
    """Check and type what a person wrote.

    Args:
        params: the options of the module ``preflight``, of any type: a value that is given with ``-e`` is text.
        root: the folder under which the user's labs and the runtime lie.

    Returns:
        The choices, each None where it was left open or refused, and a problem for each that was refused.
    """
    invocation = parse_invocation(params.get("invocation") or {})
    name = values.lab_name(Given("lab_name", params["name"], "ana", invocation))
    problems = [name] if isinstance(name, Problem) else []
    name = "" if isinstance(name, Problem) else name
    if params.get("unread"):
        problems.append(_cut(params["unread"]))
    scales = params.get("purpose") == "scale"
    made = {each: params[each] for each in CHOICES if not values.is_left_open(params.get(each))}
    taken: dict[str, Any] = {}
    for each, value in made.items():
        variable = each if each == "runtime_directory" else f"lab_{each}"
        variable, verb = ("scale_workers", "scale") if scales and each == "workers" else (variable, "lab")
        example = CHOICES[each].example.format(name=name or "lab")
        read = CHOICES[each].read(Given(variable, value, example, invocation, verb))
        if isinstance(read, Problem):
            problems.append(read)
        else:
            taken[each] = read
    if scales and "workers" not in made:
        problems.append(
            Given("scale_workers", None, "3", invocation, "scale").wrong(
                "workers-invalid", "a number of workers", found="not set"
            )
        )
    refused = frozenset(made) - frozenset(taken)
    taken.setdefault("runtime_directory", str(paths.runtime_directory(root)))
    taken.setdefault("directory", str(paths.lab_directory(root, name)) if name and "directory" not in made else "")
    profile, profile_problems = read_settings(params.get("minikube") or {})
    purpose = params.get("purpose") or "build"
    return Choices(
        name, purpose, invocation, profile, tuple(profile_problems), frozenset(made), refused, **taken
    ), problems


def _cut(unread: str) -> Problem:
    return Problem(
        "value-cut",
        f"an option -e ends in {values.shown(unread)}, which is no variable=value: Ansible gave the variable before it"
        " what stands before the blank",
        "a value with blanks in braces or in quotes of its own",
        "type it like one of these: -e '{lab_directory: /a place/lab}', or with make ARGS='-e lab_directory=\"/a place/lab\"'",
    )
