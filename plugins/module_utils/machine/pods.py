# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Minikube, and the cluster of a lab in pods."""

from __future__ import annotations

import os
import re
import shlex
import shutil

from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster_state import ClusterState, inspect_cluster
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.programs import lab_python
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.system import read_text
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import (
    MinikubeState,
    inspect_minikube,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.kubeconfig import knows_context
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import (
    minikube_home,
    program_environment,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import ENGINES
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import Choices
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import Identity
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.plan import Plan, profile_settings


def inspect_minikube_for(choices: Choices, record: Record | None, identity: Identity) -> MinikubeState | None:
    """Inspect Minikube and its drivers; None if the target cannot be minikube."""
    if not choices.builds or "target" in choices.refused:
        return None
    target = choices.target or (record.target if record else None)
    if target not in (None, "minikube") or (record and record.target != "minikube"):
        return None
    return inspect_minikube(profile_settings(choices, record), identity.env)


def has_container_engine(identity: Identity) -> bool:
    """Whether a program that could be Minikube's driver is installed."""
    path = program_environment(identity.env)["PATH"]
    return any(shutil.which(name, path=path) for name in ENGINES)


def profile_exists(plan: Plan, identity: Identity) -> bool:
    """Whether Minikube has the profile, running or not."""
    return (minikube_home(identity.env) / "profiles" / plan.context / "config.json").is_file()


def inspect_cluster_of(plan: Plan, record: Record | None, identity: Identity) -> ClusterState:
    """What the cluster of the plan is like; one that Minikube has not started yet is no failure."""
    if not plan.kubeconfig or not plan.context:
        return ClusterState(said="it is not named")
    if record and record.target != plan.target:
        return ClusterState(said="the lab is elsewhere")
    env = program_environment(identity.env)
    python = lab_python(plan)
    if plan.target != "minikube":
        return inspect_cluster(python, plan.kubeconfig, plan.context, plan.namespace, env)
    asleep = ClusterState(said=f"the Minikube profile {plan.context} does not run, and is going to be started")
    if not knows_context(read_text(plan.kubeconfig), plan.context):
        return asleep
    seen = inspect_cluster(python, plan.kubeconfig, plan.context, plan.namespace, env)
    return seen if seen.state in ("seen", "unseen") else asleep


def forwards(directory: str) -> tuple[str, ...]:
    """Kubeconfig, context and namespace of the pods to which a lab forwards, by its forwarder's command; empty where it has none."""
    path = os.path.join(directory, "config", "programs", "forwarder.conf")
    command = re.search(r"^command = (.*)$", read_text(path), re.MULTILINE)
    if not command:
        return ()
    words = shlex.split(command.group(1).replace("%%", "%"))
    return tuple(
        next((word.partition("=")[2] for word in words if word.startswith(f"--{name}=")), "")
        for name in ("kubeconfig", "context", "namespace")
    )
