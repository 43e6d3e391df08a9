# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What was seen of the machine, of the cluster, and of who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster_state import ClusterState
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import MinikubeState
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import CITUS_ARCHITECTURE


@dataclass(frozen=True)
class Identity:
    """Who asks, on which system."""

    uid: int
    user: str
    group: str
    home: str
    system: str
    env: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""

    @property
    def root(self) -> bool:
        """Whether the lab's processes will be another user's."""
        return self.uid == 0


@dataclass(frozen=True)
class Listener:
    """Who holds a port. ``own``: it is this very lab; ``connection``: not to listen, but as the near end of a connection."""

    port: int
    own: bool = False
    connection: bool = False
    pid: int | None = None
    name: str = ""
    user: str = ""

    def __str__(self) -> str:
        """As a person reads it; a process of another user keeps its name to itself."""
        known = [f"{what} {value}" for what, value in (("pid", self.pid), ("user", self.user)) if value]
        whose = "an outgoing connection of " if self.connection else ""
        return f"{whose}{self.name or 'a process'}{' (' + ', '.join(known) + ')' if known else ''}"


@dataclass(frozen=True)
class Folder:
    """What is at the lab's directory.

    Attributes:
        kind: ``absent``, ``empty``, ``lab`` (with a record), ``remains`` (a lab's files without a readable
            record) or ``foreign``.
        holds: what a foreign one holds, in words.
        nearest: the nearest parent that exists, or the directory itself.
        obstacle: why nothing can be made there; empty where it can.
        blocked_by: the first folder on the way that the lab's user may not enter; empty where there is none.
    """

    kind: str = "absent"
    holds: str = ""
    nearest: str = "/"
    obstacle: str = ""
    blocked_by: str = ""


@dataclass(frozen=True)
class Installation:
    """A PostgreSQL.

    Attributes:
        missing: which of ``programs.PROGRAMS`` are not there or not executable.
        version: such as 18.6; empty where it could not be asked.
        error: why it could not be asked.
        extensions: those of interest that it has.
        blocked_by: the first folder or program that the lab's user may not use.
    """

    missing: tuple[str, ...] = ()
    version: str = ""
    error: str = ""
    extensions: frozenset[str] = frozenset()
    blocked_by: str = ""


@dataclass(frozen=True)
class Machine:
    """What was seen of the host, and of the cluster. None: it could not be found out, and is not held against it.

    Attributes:
        minikube_state: what there is for Minikube; None where that has no say.
        profile_exists: the Minikube profile was made before.
        container_engine: a program that could be Minikube's driver is installed.
        outgoing: the ports that the system gives to outgoing connections.
        reserved: which of them it does not, as Linux writes it: ``8080,9000-9005``; None where no system setting says so.
        interpreter_there: the runtime has a Python for modules; one that was made before there was any has none.
        architecture: this machine's processor, as Kubernetes calls it.
        runtime_made: the runtime is there, and whole.
        served: something still works on the lab's directory; looked at before the lab is removed.
        forwards: kubeconfig, context and namespace of the pods of a lab without a record, as its forwarder has them.
        namesake: where another lab of this name is, or was when it was last seen; empty where there is none.
        gone: the directory in which the host knows the lab is not there, and is not the default one, which would be made anew.
        known_here: the host's list has the lab at the directory that is meant.
        listed: it is the list of the user's own runtime, by which `make psql` finds a lab.
        own_user: the lab's user was made for it: its home is the lab's directory.
        labs: the labs that the host knows, name to directory.
    """

    memory: int | None = None
    disk: int | None = None
    folder: Folder = field(default_factory=Folder)
    listeners: Mapping[int, Listener] = field(default_factory=dict)
    free_api_port: int | None = None
    free_database_port: int | None = None
    neighbours: tuple[Record, ...] = ()
    postgres: Installation = field(default_factory=Installation)
    data_major: int | None = None
    runtime_there: bool = True
    runtime_blocked_by: str = ""
    minikube_state: MinikubeState | None = None
    profile_exists: bool = False
    container_engine: bool = True
    cluster: ClusterState = field(default_factory=ClusterState)
    architecture: str = CITUS_ARCHITECTURE
    recorded_kubeconfig_there: bool = False
    user_exists: bool = True
    runtime_made: bool = True
    served: bool = False
    forwards: tuple[str, ...] = ()
    namesake: str = ""
    gone: bool = False
    known_here: bool = False
    listed: bool = False
    own_user: bool = False
    labs: Mapping[str, str] = field(default_factory=dict)
    interpreter_there: bool = True
    outgoing: range = range(0)
    reserved: str | None = None
