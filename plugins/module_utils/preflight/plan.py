# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a lab will be made of: choices, its record and the defaults made one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import MinikubeState, availability
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.kubeconfig import kubeconfig_path
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import Settings
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record, lab_user
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import DEFAULTS, PODS, Choices
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import Identity

COORDINATOR = "citus-coordinator"
POD_PORT = 5432
#: What stands in for the record of a lab that has none; its name, user and folders are its own.
NO_RECORD = Record("", "", "", DEFAULTS["workers"], DEFAULTS["database_port"], DEFAULTS["api_port"], "", "", "", "")


@dataclass(frozen=True)
class Plan:
    """What the lab will be, as far as choices, record and defaults say. No engine: the servers decide.

    The last four are empty on the target host; an empty storage class is the cluster's default.
    """

    name: str
    target: str
    engine: str | None
    workers: int
    directory: str
    database_port: int
    api_port: int
    postgres_bin: str
    user: str
    group: str
    runtime: str
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    storage_class: str = ""

    @property
    def pods(self) -> bool:
        """Whether the nodes are pods of a cluster, not processes of this machine."""
        return self.target in PODS

    @property
    def own_namespace(self) -> str:
        """The namespace that only this lab has, unless another is chosen."""
        return str(DEFAULTS["namespace"].format(name=self.name))

    @property
    def own_servers(self) -> bool:
        """Whether the servers are those that the runtime brings."""
        return is_below(self.runtime, self.postgres_bin)

    @property
    def nodes(self) -> list[dict[str, object]]:
        """Name, role, host and port of every node."""
        nodes: list[dict[str, object]] = []
        for number in range(self.workers + 1):
            name = f"citus-worker-{number}" if number else COORDINATOR
            role = "worker" if number else "coordinator"
            # A pod is reached through the Service of its name.
            host, port = (name, POD_PORT) if self.pods else ("127.0.0.1", self.database_port + number)
            nodes.append({"name": name, "role": role, "host": host, "port": port})
        return nodes

    @property
    def database_ports(self) -> range:
        """The database's ports on this machine: of every node; of pods, the one that is forwarded."""
        return range(self.database_port, self.database_port + (1 if self.pods else self.workers + 1))


def is_below(folder: str, path: str) -> bool:
    """Whether a path lies in a folder."""
    return Path(folder) in Path(path).parents


def locate(choices: Choices, known: str) -> Choices:
    """The choices, with the directory in which the host knows the lab (empty: nowhere) where a person named none."""
    return replace(choices, directory=known) if known and "directory" not in choices.made else choices


def basis(choices: Choices, record: Record | None) -> Record | None:
    """What stands in for the choices that are left open: the record; where a lab is made anew with other servers, without its engine."""
    if record is None or choices.purpose != "renew":
        return record
    other = choices.target not in (None, record.target) or choices.postgres_bin not in (None, record.postgres_bin)
    return replace(record, engine="") if other else record


def profile_settings(choices: Choices, record: Record | None) -> Settings:
    """Minikube's settings, with the profile that was chosen, or that the lab was made in, or the default."""
    recorded = record.context if record and record.target == "minikube" else ""
    if recorded and (not choices.builds or choices.profile_name is None):
        return replace(choices.profile, profile=recorded)
    return choices.profile


def make_plan(
    choices: Choices,
    record: Record | None,
    identity: Identity,
    wheel_bin: str,
    minikube_state: MinikubeState | None = None,
) -> Plan:
    """Make one plan of choices, record and defaults.

    To build, a choice comes first, then the record, then the default; a lab that is there, or goes, is as its record
    says, whatever was chosen. How many workers a lab has is chosen for a new one; later its record says it, until it is scaled.

    Args:
        choices: the choices.
        record: what the lab remembers, if it does.
        identity: who asks.
        wheel_bin: the folder of the runtime's own servers.
        minikube_state: what there is for Minikube, where that has a say.
    """
    settings = profile_settings(choices, record)
    obeyed = record is not None and not choices.builds
    chosen = choices.without_recorded() if obeyed or choices.purpose == "scale" else choices
    workers = choices.workers if record is None or choices.purpose in ("renew", "scale") else None
    target = chosen.target or (record.target if record else _default_target(minikube_state, settings))
    base = record or NO_RECORD
    # The record's cluster settings apply only to its own target.
    there = base if base.target == target else NO_RECORD
    plan = Plan(
        name=choices.name or "lab",
        target=target,
        engine=chosen.engine or base.engine or None,
        workers=workers or base.workers,
        directory=choices.directory,
        database_port=chosen.database_port or base.database_port,
        api_port=chosen.api_port or base.api_port,
        postgres_bin=wheel_bin,
        user=identity.user,
        group=identity.group,
        runtime=choices.runtime_directory,
    )
    if target == "host":
        # Of pods, the lab's only process here is the forwarder, which reads the person's own kubeconfig: that stays the person's.
        user = lab_user(plan.name, identity.uid, identity.user)
        # The runtime may have got another Python, and so another path, since.
        recorded = "" if is_below(plan.runtime, there.postgres_bin) else there.postgres_bin
        return replace(
            plan,
            postgres_bin=chosen.postgres_bin or recorded or wheel_bin,
            user=user,
            group=user if identity.root else identity.group,
        )
    if target == "minikube":
        context = settings.profile
        # Minikube writes into the one that the environment names.
        kubeconfig = there.kubeconfig if obeyed else str(kubeconfig_path(identity.env))
    else:
        context = chosen.context or there.context
        kubeconfig = chosen.kubeconfig or there.kubeconfig
    return replace(
        plan,
        kubeconfig=kubeconfig,
        context=context,
        namespace=chosen.namespace or there.namespace or plan.own_namespace,
        storage_class=chosen.storage_class or there.storage_class,
    )


def _default_target(minikube_state: MinikubeState | None, settings: Settings) -> str:
    return "minikube" if minikube_state and availability(minikube_state, settings)[0] else "host"
