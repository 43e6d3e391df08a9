# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Looks at a host for ``preflight``, and changes nothing. Linux and macOS.

Anything that cannot be determined (a process of another user, the memory of a system without psutil) is None: it causes neither a
problem nor an exception. psutil is used where nothing else knows: a check of a host that has no runtime yet has no psutil either, and
psutil does not say whose a port of another user is.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils import autostart
from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster_state import ClusterState
from ansible_collections.aula.historia_clinica.plugins.module_utils.data_directories import find
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.directory import (
    blocked_for_lab,
    data_major,
    free_disk,
    inspect_directory,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.identity import (
    current_identity,
    runtime_variables,
    user_exists,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.memory import available_memory
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.pods import (
    forwards,
    has_container_engine,
    inspect_cluster_of,
    inspect_minikube_for,
    profile_exists,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.ports import (
    free_ports,
    inspect_ports,
    outgoing_ports,
    reserved_ports,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.programs import (
    inspect_postgres,
    is_made,
    lab_python,
    wheel_bin,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.registered import registry_state
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import MinikubeState
from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import (
    Record,
    RecordError,
    read_record,
    state_root,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.case import Case
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import Choices, read_choices
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.decision import Decision, decide
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import (
    Folder,
    Identity,
    Installation,
    Machine,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.plan import Plan, basis, locate, make_plan
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import in_order
from ansible_collections.aula.historia_clinica.plugins.module_utils.processes import serving
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import (
    directory_of,
    neighbours_of,
    remember,
)

#: Processors as Kubernetes calls them.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def decide_on_machine(params: Mapping[str, Any], identity: Identity | None = None, dry: bool = False) -> Decision:
    """Read the choices and the record, look at the machine, and decide.

    Args:
        params: the options of the module ``preflight``, as they came.
        identity: who asks; the user of this process unless given.
        dry: check mode: what is not there yet may still come.
    """
    asks = identity or current_identity()
    choices, problems = read_choices(params, state_root(asks.uid, asks.env, asks.home))
    identity = identity or replace(asks, env=runtime_variables(choices.runtime_directory, asks.env))
    known = directory_of(choices.runtime_directory, choices.name) if choices.name else ""
    lab = params.get("remembered")
    remembered = (
        Record(**{field.name: lab[field.name] for field in fields(Record) if field.name in lab}) if lab else None
    )
    choices = locate(choices, known or (remembered.directory if remembered else ""))
    record, error = None, ""
    if choices.directory:
        try:
            record = read_record(choices.directory)
        except RecordError as failure:
            error = str(failure)
    found = record or remembered
    minikube_state = inspect_minikube_for(choices, found, identity)
    plan = make_plan(choices, basis(choices, found), identity, wheel_bin(choices.runtime_directory), minikube_state)
    machine = inspect_machine(choices, plan, record, error, identity, minikube_state)
    machine = replace(machine, **registry_state(choices, plan, record, known, identity))
    decision = decide(Case(choices, plan, found, error, machine, identity, dry))
    decision.lab["exists"] = record is not None
    decision.lab.update(as_wanted(decision.lab, choices.builds and record is not None))
    host = autostart.this_host()
    decision.lab["autostart"] = autostart.enabled_method(decision.lab, host)
    decision.lab["autostart_possible"] = (
        autostart.pick_method(autostart.boot_methods(decision.lab, host), host) is not None
    )
    return replace(decision, problems=in_order(problems + decision.problems))


def as_wanted(lab: Mapping[str, Any], there: bool) -> dict[str, bool]:
    """What of a lab needs no task of its own, since it is as the module of that task would leave it.

    Args:
        lab: the fact ``lab``, as far as it is known.
        there: whether the lab was made before, and is to be brought up to date.

    Returns:
        ``recorded``: as `lab_record` would; ``data_made``: as `data_directories` would. What cannot be looked at is left to the module,
        which says why.
    """
    recorded = data_made = False
    if there:
        with contextlib.suppress(OSError, LookupError, ValueError):
            owner = Ownership.of(lab["user"], lab["group"])
            record = Record(**{field.name: lab[field.name] for field in fields(Record) if field.name in lab})
            recorded = not remember(record, owner, lab["runtime"], write=False)
            names = [node["name"] for node in lab["nodes"]]
            data_made = lab["target"] == "host" and find(os.path.join(lab["directory"], "data"), names, owner).complete(
                names
            )
    return {"recorded": recorded, "data_made": data_made}


def inspect_machine(
    choices: Choices,
    plan: Plan,
    record: Record | None,
    record_error: str,
    identity: Identity,
    minikube_state: MinikubeState | None = None,
) -> Machine:
    """Look at everything that the plan touches. A lab that is only used is only looked for."""
    folder = (
        inspect_directory(choices.directory, record is not None, bool(record_error), plan, identity)
        if choices.directory
        else Folder()
    )
    made = is_made(choices.runtime_directory)
    interpreter_there = os.path.exists(lab_python(plan))
    if choices.purpose == "use":
        return Machine(folder=folder, runtime_made=made, interpreter_there=interpreter_there)
    if choices.purpose == "remove":
        return Machine(
            folder=folder,
            runtime_made=made,
            interpreter_there=interpreter_there,
            served=bool(choices.directory) and bool(serving(choices.directory)),
            forwards=forwards(choices.directory) if folder.kind == "remains" else (),
        )
    runtime_python = os.path.join(plan.runtime, "bin", "python")
    listeners = inspect_ports(plan, record)
    busy = {port for port, listener in listeners.items() if not listener.own}
    neighbours = tuple(neighbours_of(choices.runtime_directory, choices.directory)) if choices.directory else ()
    taken = busy | {plan.api_port, *plan.database_ports}
    for lab in neighbours:
        taken.update(lab.ports)
    return Machine(
        memory=available_memory(),
        disk=free_disk(folder.nearest),
        folder=folder,
        listeners=listeners,
        free_api_port=free_ports(plan.api_port, 1, 1, taken),
        free_database_port=free_ports(plan.database_port, plan.workers + 1, 100, taken),
        neighbours=neighbours,
        postgres=Installation() if plan.pods else inspect_postgres(plan.postgres_bin, plan, identity),
        data_major=data_major(choices.directory, plan)
        if choices.directory and choices.purpose in ("build", "scale")
        else None,
        runtime_there=os.path.isdir(plan.postgres_bin),
        runtime_blocked_by=blocked_for_lab(runtime_python, plan, identity) if os.path.exists(runtime_python) else "",
        minikube_state=minikube_state,
        profile_exists=plan.target == "minikube" and profile_exists(plan, identity),
        container_engine=minikube_state is None or has_container_engine(identity),
        cluster=inspect_cluster_of(plan, record, identity) if plan.pods else ClusterState(),
        architecture=ARCHITECTURES.get(platform.machine().lower(), platform.machine().lower()),
        runtime_made=made,
        recorded_kubeconfig_there=bool(record and record.kubeconfig and os.path.exists(record.kubeconfig)),
        user_exists=user_exists(plan.user),
        interpreter_there=interpreter_there,
        outgoing=outgoing_ports(),
        reserved=reserved_ports(),
    )
