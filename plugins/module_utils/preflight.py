# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a lab will be, and everything that stands in its way.

Decisions only: nothing here looks at the machine (module_utils/machine.py does) or changes anything. The order is

1. ``read_choices``: what a person wrote, checked and typed (a value given with ``-e`` is text);
2. ``settle``: the choices, the lab's record and the defaults made one plan;
3. ``decide``: the plan against what was seen of the machine: the fact ``lab``, and the list of problems.

It runs on the host's own Python, which may be the one that is too old: nothing newer than 3.8 is used at run time.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Way, choose, command, there
from ansible_collections.aula.historia_clinica.plugins.module_utils.kubernetes_look import OWNER, Sight
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import (
    Probe,
    availability,
    start_problems,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import INSTALL_DOCKER
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.kubeconfig import kubeconfig_path
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import Settings, read_settings
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import (
    COPY_NAME,
    RECORD_NAME,
    Record,
    lab_directory,
    lab_user,
    record_path,
    runtime_directory,
    state_root,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import PROBLEMS, Problem, in_order

TARGETS = ("host", "minikube", "kubernetes")
ENGINES = ("citus", "postgres_fdw")
#: What the facts are wanted for: a lab that is made or brought up to date, one that goes and is made anew, one that is there,
#: one that goes.
PURPOSES = ("build", "renew", "use", "remove")
#: The lab that is there goes: what an accident left of it is no obstacle.
GOES = ("renew", "remove")

AUTO = "auto"
DATABASE = "historia_clinica"
COORDINATOR = "citus-coordinator"
DEFAULT_WORKERS = 2
MAX_WORKERS = 64
DEFAULT_DATABASE_PORT = 15432
DEFAULT_API_PORT = 8080
OLDEST_POSTGRES = 17
PROGRAMS = ("postgres", "initdb", "psql")
#: What the pods run, unless an image is named.
DATABASE_IMAGES = {"citus": "docker.io/citusdata/citus:14.1.0", "postgres_fdw": "docker.io/library/postgres:18"}
PYTHON_IMAGE = "docker.io/library/python:3.11-slim"
#: The only processor that the image of Citus is made for, as Kubernetes calls it.
CITUS_ARCHITECTURE = "amd64"
POD_PORT = 5432
#: The label of the namespaces that are labs.
PART_OF = ("app.kubernetes.io/part-of", "historia-clinica")
#: Extensions that an engine cannot do without.
NEEDED_EXTENSIONS = {"citus": ("citus",), "postgres_fdw": ("postgres_fdw", "dblink")}
#: The longest socket names under the lab's directory. supervisord binds its own name with its process id behind it.
SOCKETS = ("run/.s.PGSQL.65535", "run/supervisor.sock.4194304")

MIB = 1024 * 1024
MEMORY_BASE, MEMORY_PER_WORKER = 448 * MIB, 32 * MIB
DISK_BASE, DISK_PER_WORKER = 768 * MIB, 128 * MIB

NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,26}[a-z0-9])?")
NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
#: A name of Kubernetes, and one that is the cluster's own.
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
SYSTEM_NAMESPACE = re.compile(r"default|kube-.*")
SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]+")
IMAGE = re.compile(
    r"(?:(?:[a-zA-Z0-9-]+[.:])[a-zA-Z0-9.:-]*/|localhost/)?"  # a registry
    r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


@dataclass(frozen=True)
class Choices:
    """What a person chose, as it came: any type. None, an empty text and ``auto`` leave it to the lab."""

    name: object = "lab"
    target: object = None
    engine: object = None
    workers: object = None
    directory: object = None
    database_port: object = None
    api_port: object = None
    postgres_bin: object = None
    runtime_directory: object = None
    kubeconfig: object = None
    context: object = None
    namespace: object = None
    storage_class: object = None
    database_image: object = None
    python_image: object = None
    middleware_image: object = None
    image_build_command: object = None
    minikube: Mapping[str, object] = field(default_factory=dict)
    purpose: str = "build"
    unread: str = ""
    remembered: Mapping[str, object] = field(default_factory=dict)
    way: Way = field(default_factory=Way)


#: Choices that mean nothing to a target: the reason says so where one is made.
UNUSED = {
    "host": (
        "kubeconfig",
        "context",
        "namespace",
        "storage_class",
        "database_image",
        "python_image",
        "middleware_image",
        "image_build_command",
    ),
    "minikube": ("postgres_bin", "kubeconfig", "context", "image_build_command"),
    "kubernetes": ("postgres_bin",),
}


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
class Wanted:
    """The choices that could be read. None: left to the lab.

    ``directory`` is the default one unless ``directory_chosen``; ``made`` names the choices that were made, ``refused`` those that
    were wrong. ``profile`` is Minikube's, where it was chosen, ``settings`` all that it shall be, and ``faults`` what is wrong with that.
    """

    purpose: str
    name: str
    target: str | None
    engine: str | None
    workers: int | None
    directory: str
    directory_chosen: bool
    database_port: int | None
    api_port: int | None
    postgres_bin: str | None
    runtime: str
    kubeconfig: str | None
    context: str | None
    namespace: str | None
    storage_class: str | None
    database_image: str | None
    python_image: str | None
    middleware_image: str | None
    image_build_command: str | None
    profile: str | None
    settings: Settings
    faults: tuple[Problem, ...]
    made: frozenset[str]
    refused: frozenset[str]
    way: Way

    @property
    def builds(self) -> bool:
        """Whether the lab is going to be made."""
        return self.purpose in ("build", "renew")


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
        return self.target != "host"

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
        facts = [f"pid {self.pid}" if self.pid else "", f"user {self.user}" if self.user else ""]
        said = ", ".join(fact for fact in facts if fact)
        return (
            ("an outgoing connection of " if self.connection else "")
            + (self.name or "a process")
            + (f" ({said})" if said else "")
        )


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
        missing: which of ``PROGRAMS`` are not there or not executable.
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
        probe: what there is for Minikube; None where that has no say.
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
    probe: Probe | None = None
    profile_exists: bool = False
    container_engine: bool = True
    cluster: Sight = field(default_factory=Sight)
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


@dataclass(frozen=True)
class Decision:
    """The outcome: the fact, what stands in the way, and what may do so later."""

    lab: dict[str, object]
    problems: list[Problem]
    warnings: list[str] = field(default_factory=list)


def shown(value: object) -> str:
    """A value as a message shows it: quoted, and short."""
    text = ascii(value) if not isinstance(value, str) or not value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def called(name: str) -> str:
    """A lab's name as a sentence says it, with a blank behind it: the default one has the name `lab`."""
    return "" if name == "lab" else f"{name} "


def _left_open(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in ("", AUTO))


def _integer(value: object) -> int | None:
    """A whole number, as such or as text; None for anything else, a boolean too."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        return int(value)
    return None


def name_faults(value: object) -> list[str]:
    """What is wrong with a lab's name, in words; empty where nothing is."""
    if not isinstance(value, str):
        return [f"it is no text but {type(value).__name__}"]
    if NAME.fullmatch(value):
        return []
    faults = []
    if not value:
        faults.append("it is empty")
    if len(value) > 28:
        faults.append(f"it has {len(value)} characters")
    if any(letter.isupper() for letter in value):
        faults.append("it has capitals")
    if any(letter.isspace() for letter in value):
        faults.append("it has spaces")
    if any(letter.isalpha() and ord(letter) > 127 for letter in value):
        faults.append("it has accents or letters beyond a-z")
    others = sorted({x for x in value if not (x.isalnum() or x.isspace() or x == "-")})
    if others:
        faults.append("it has " + " ".join(shown(other) for other in others[:5]))
    if value and not value[0].isalpha():
        faults.append("it does not start with a letter")
    if value.endswith("-"):
        faults.append("it ends with a hyphen")
    return faults or ["it has letters beyond a-z"]


class _Reader:
    """Reads choices one by one and gathers what is wrong with them."""

    def __init__(self, name: str, way: Way) -> None:
        self.name = name
        self.way = way
        self.problems: list[Problem] = []
        self.refused: set[str] = set()

    def refuse(self, choice: str, problem: Problem) -> None:
        self.refused.add(choice)
        self.problems.append(problem)

    def word(self, choice: str, value: object, known: tuple[str, ...]) -> str | None:
        if _left_open(value):
            return None
        if isinstance(value, str) and value in known:
            return value
        variable = f"lab_{choice}"
        lower = value.strip().lower() if isinstance(value, str) else ""
        suggestion = lower if lower in known else AUTO
        self.refuse(
            choice,
            Problem(
                f"{choice}-unknown",
                f"{variable} is {shown(value)}",
                f"one of {', '.join((AUTO, *known))}",
                choose(self.way, "lab", {variable: suggestion}),
            ),
        )
        return None

    def workers(self, value: object) -> int | None:
        if _left_open(value):
            return None
        number = _integer(value)
        if number is not None and 1 <= number <= MAX_WORKERS:
            return number
        self.refuse(
            "workers",
            Problem(
                "workers-invalid",
                f"lab_workers is {shown(value)}",
                f"a whole number from 1 to {MAX_WORKERS}",
                choose(self.way, "lab", {"lab_workers": DEFAULT_WORKERS}),
            ),
        )
        return None

    def port(self, choice: str, value: object, default: int) -> int | None:
        if _left_open(value):
            return None
        number = _integer(value)
        if number is not None and 1024 <= number <= 65535:
            return number
        self.refuse(
            choice,
            Problem(
                "port-invalid",
                f"lab_{choice} is {shown(value)}",
                "a whole number from 1024 to 65535 (lower ones are the system's)",
                choose(self.way, "lab", {f"lab_{choice}": default}),
            ),
        )
        return None

    def pods(self, choice: str, value: object, pattern: re.Pattern[str], needed: str, example: str) -> str | None:
        if _left_open(value):
            return None
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        self.refuse(
            choice,
            Problem(
                "pods-setting",
                f"lab_{choice} is {shown(value)}",
                needed,
                choose(self.way, "lab", {f"lab_{choice}": example}),
            ),
        )
        return None

    def namespace(self, value: object) -> str | None:
        namespace = self.pods("namespace", value, LABEL, "1 to 63 of a-z, 0-9 and hyphens", f"hc-{self.name or 'lab'}")
        if namespace and SYSTEM_NAMESPACE.fullmatch(namespace):
            self.refuse(
                "namespace",
                Problem(
                    "pods-setting",
                    f"lab_namespace is {namespace}, which is the cluster's own",
                    "a namespace for this lab alone: removing the lab removes it",
                    choose(self.way, "lab", {"lab_namespace": f"hc-{self.name or 'lab'}"}),
                ),
            )
            return None
        return namespace

    def path(self, choice: str, value: object) -> str | None:
        if _left_open(value):
            return None
        variable = choice if choice == "runtime_directory" else f"lab_{choice}"
        if not isinstance(value, str) or not _is_path(value):
            self.refuse(
                choice,
                Problem(
                    "directory-characters",
                    f"{variable} is {shown(value)}",
                    "a path without line breaks and other control characters",
                    f"write {variable} as one plain absolute path",
                ),
            )
            return None
        if not os.path.isabs(value):
            self.refuse(
                choice,
                Problem(
                    "directory-relative",
                    f"{variable} is {shown(value)}",
                    "an absolute path (it starts with /)",
                    "write it out: " + choose(self.way, "lab", {variable: os.path.abspath(os.path.expanduser(value))}),
                ),
            )
            return None
        return os.path.normpath(value)


def _is_path(value: str) -> bool:
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return not any(ord(letter) < 32 or ord(letter) == 127 for letter in value)


def read_choices(choices: Choices, identity: Identity) -> tuple[Wanted, list[Problem]]:
    """Check and type what a person wrote.

    Returns:
        The choices, each None where it was left open or refused, and a problem for each that was refused.
    """
    faults = name_faults(choices.name)
    name = choices.name if isinstance(choices.name, str) and not faults else ""
    reader = _Reader(name, choices.way)
    if faults:
        reader.refuse(
            "name",
            Problem(
                "lab-name",
                f"the lab's name is {shown(choices.name)}: {'; '.join(faults)}",
                PROBLEMS["lab-name"].replace("is not ", ""),
                f"rename the host in the inventory, or say it with lab_name: {choose(choices.way, 'lab', {'lab_name': 'ana'})}",
            ),
        )
    if choices.unread:
        reader.problems.append(
            Problem(
                "value-cut",
                f"an option -e ends in {shown(choices.unread)}, which is no variable=value: Ansible gave the variable before it"
                " what stands before the blank",
                "a value with blanks in braces or in quotes of its own",
                "type it like one of these: -e '{lab_directory: /a place/lab}', or with make ARGS='-e lab_directory=\"/a place/lab\"'",
            )
        )
    root = state_root(identity.uid, identity.env, identity.home)
    runtime = reader.path("runtime_directory", choices.runtime_directory)
    directory = reader.path("directory", choices.directory)
    if directory is None and "directory" not in reader.refused and name:
        directory = str(lab_directory(root, name))
    settings, setting_faults = read_settings(choices.minikube)
    # A play that imports the role minikube has its defaults all over: the default is no choice.
    profile = settings.profile if settings.profile != Settings().profile else None
    image = (IMAGE, "an image's name, such as docker.io/library/postgres:18")
    wanted = Wanted(
        purpose=choices.purpose,
        name=name,
        target=reader.word("target", choices.target, TARGETS),
        engine=reader.word("engine", choices.engine, ENGINES),
        workers=reader.workers(choices.workers),
        directory=directory or "",
        directory_chosen=not _left_open(choices.directory),
        database_port=reader.port("database_port", choices.database_port, DEFAULT_DATABASE_PORT),
        api_port=reader.port("api_port", choices.api_port, DEFAULT_API_PORT),
        postgres_bin=reader.path("postgres_bin", choices.postgres_bin),
        runtime=runtime or str(runtime_directory(root)),
        kubeconfig=reader.path("kubeconfig", choices.kubeconfig),
        context=reader.pods("context", choices.context, PRINTABLE, "a context's name", "NAME"),
        namespace=reader.namespace(choices.namespace),
        storage_class=reader.pods(
            "storage_class", choices.storage_class, SUBDOMAIN, "a storage class's name", "standard"
        ),
        database_image=reader.pods("database_image", choices.database_image, *image, DATABASE_IMAGES["postgres_fdw"]),
        python_image=reader.pods("python_image", choices.python_image, *image, PYTHON_IMAGE),
        middleware_image=reader.pods(
            "middleware_image", choices.middleware_image, *image, "registry.example/historia-clinica:1"
        ),
        image_build_command=reader.pods(
            "image_build_command", choices.image_build_command, PRINTABLE, "a command in one line", "COMMAND"
        ),
        profile=profile,
        settings=settings,
        faults=tuple(setting_faults),
        made=frozenset(
            choice for choices_ in UNUSED.values() for choice in choices_ if not _left_open(getattr(choices, choice))
        ),
        refused=frozenset(reader.refused),
        way=choices.way,
    )
    return wanted, reader.problems


def locate(wanted: Wanted, known: str) -> Wanted:
    """The choices, with the directory in which the host knows the lab (empty: nowhere) where a person named none."""
    return replace(wanted, directory=known) if known and not wanted.directory_chosen else wanted


def basis(wanted: Wanted, record: Record | None) -> Record | None:
    """What stands in for the choices that are left open: the record; where a lab is made anew with other servers, without its engine."""
    if record is None or wanted.purpose != "renew":
        return record
    other = wanted.target not in (None, record.target) or wanted.postgres_bin not in (None, record.postgres_bin)
    return replace(record, engine="") if other else record


def profile_settings(wanted: Wanted, record: Record | None) -> Settings:
    """Minikube's settings, with the profile that was chosen, or that the lab was made in, or the default."""
    recorded = record.context if record and record.target == "minikube" else ""
    if recorded and (not wanted.builds or wanted.profile is None):
        return replace(wanted.settings, profile=recorded)
    return wanted.settings


def settle(
    wanted: Wanted, record: Record | None, identity: Identity, wheel_bin: str, probe: Probe | None = None
) -> Plan:
    """Make one plan of choices, record and defaults.

    To build, a choice comes first, then the record, then the default; a lab that is there, or goes, is as its record
    says, whatever was chosen.

    Args:
        wanted: the choices.
        record: what the lab remembers, if it does.
        identity: who asks.
        wheel_bin: the folder of the runtime's own servers.
        probe: what there is for Minikube, where that has a say.
    """
    name = wanted.name or "lab"
    obeyed = record is not None and not wanted.builds
    chosen = _nothing(wanted) if obeyed else wanted
    settings = profile_settings(wanted, record)
    target = chosen.target or (record.target if record else None)
    if target is None:
        target = "minikube" if probe and availability(probe, settings)[0] else "host"
    # In pods the lab's only process here is the forwarder, which reads the person's own kubeconfig.
    apart = identity.root and target == "host"
    user = lab_user(name, identity.uid, identity.user) if apart else identity.user
    plan = Plan(
        name=name,
        target=target,
        engine=chosen.engine or (record.engine or None if record else None),
        workers=chosen.workers or (record.workers if record else DEFAULT_WORKERS),
        directory=wanted.directory,
        database_port=chosen.database_port or (record.database_port if record else DEFAULT_DATABASE_PORT),
        api_port=chosen.api_port or (record.api_port if record else DEFAULT_API_PORT),
        postgres_bin=wheel_bin,
        user=user,
        group=user if apart else identity.group,
        runtime=wanted.runtime,
    )
    there = record if record and record.target == target else None
    if target == "host":
        recorded_bin = there.postgres_bin if there else None
        # The runtime may have got another Python, and so another path, since.
        if recorded_bin and Path(wanted.runtime) in Path(recorded_bin).parents:
            recorded_bin = wheel_bin
        return replace(plan, postgres_bin=chosen.postgres_bin or recorded_bin or wheel_bin)
    if target == "minikube":
        context = settings.profile
        # Minikube writes into the one that the environment names.
        kubeconfig = there.kubeconfig if there and obeyed else str(kubeconfig_path(identity.env))
    else:
        context = chosen.context or (there.context if there else "")
        kubeconfig = chosen.kubeconfig or (there.kubeconfig if there else "")
    return replace(
        plan,
        kubeconfig=kubeconfig,
        context=context,
        namespace=chosen.namespace or (there.namespace if there else f"hc-{name}"),
        storage_class=chosen.storage_class or (there.storage_class if there else ""),
    )


def _nothing(wanted: Wanted) -> Wanted:
    """The choices as if none had been made of what a record remembers."""
    return replace(
        wanted,
        target=None,
        engine=None,
        workers=None,
        database_port=None,
        api_port=None,
        postgres_bin=None,
        kubeconfig=None,
        context=None,
        namespace=None,
        storage_class=None,
    )


def decide(
    wanted: Wanted,
    plan: Plan,
    record: Record | None,
    record_error: str,
    machine: Machine,
    identity: Identity,
    dry: bool = False,
) -> Decision:
    """Hold the plan against the record and the machine.

    Args:
        wanted: the choices.
        plan: what ``settle`` made of them.
        record: what the lab remembers, if it does.
        record_error: why the record cannot be read; empty where it can, or is not there.
        machine: what was seen of the host.
        identity: who asks.
        dry: nothing is going to be made (check mode): a runtime that is not there yet is no problem.

    Returns:
        The fact ``lab``, and the problems in the registry's order, without those of ``read_choices``.
    """
    engine, engine_reason = _engine(wanted, plan, record, machine)
    problems = _record_problems(wanted, record, record_error, machine, plan)
    if wanted.purpose == "renew":
        record = None  # what is made anew contradicts nothing
    # Whoever means the other lab of this name is not told what a second one would lack.
    taken = wanted.builds and machine.namesake
    if wanted.builds and not taken:
        problems += _directory_problems(wanted, plan, machine, identity)
        # A lab whose record is lost may well have the ports that look taken: nobody is told to end its servers.
        if record or not (record_error or machine.folder.kind == "remains"):
            problems += _port_problems(wanted, plan, record, machine)
        problems += _program_problems(wanted, plan, record, engine, machine, identity, dry)
        if not plan.pods:
            problems += _size_problems(wanted.way, plan, machine)
        # A lab that is elsewhere is not asked for what it would need here.
        elif record is None or record.target == plan.target:
            problems += _pod_problems(wanted, plan, engine, machine, "" if record else _owner(plan, identity))
    # A command for no cluster in particular would be one for the cluster that happens to be current.
    if not taken and (record is None or (wanted.builds and record.target == plan.target)):
        problems += _unnamed_cluster(wanted, plan)
    lab = _fact(wanted, plan, record, engine, machine, identity)
    lab["reasons"] = {"target": _target_reason(wanted, plan, record, machine), "engine": engine_reason}
    warnings = _port_warnings(wanted, plan, record, machine) if wanted.builds else []
    return Decision(lab, in_order(problems), warnings)


def _fact(
    wanted: Wanted, plan: Plan, record: Record | None, engine: str, machine: Machine, identity: Identity
) -> dict[str, object]:
    libpq = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(plan.database_port),
        "PGUSER": "admin",
        "PGDATABASE": DATABASE,
        "PGPASSFILE": os.path.join(plan.directory, "credentials", "admin.pgpass"),
        "PGCONNECT_TIMEOUT": "5",
    }
    cluster = {"K8S_AUTH_KUBECONFIG": plan.kubeconfig, "K8S_AUTH_CONTEXT": plan.context} if plan.pods else {}
    # The modules keep what they compile of the runtime's packages, where a shell forbids it too: `import kubernetes` alone
    # takes one and a half seconds else, in each of them.
    # What somebody locked in a transaction that was left open is waited for so long; then the role verification names him.
    options = {"PGOPTIONS": "-c lock_timeout=10s"}
    environment = {**libpq, **options, **cluster, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": ""}
    version = "" if plan.pods else machine.postgres.version or (record.postgres_version if record else "")
    return {
        "name": plan.name,
        "target": plan.target,
        "engine": engine,
        "workers": plan.workers,
        "directory": plan.directory,
        "user": plan.user,
        "group": plan.group,
        "root": identity.root,
        "user_exists": machine.user_exists,
        "own_user": machine.own_user,
        "database": DATABASE,
        "database_port": plan.database_port,
        "api_port": plan.api_port,
        "postgres_bin": plan.postgres_bin,
        "postgres_version": version,
        "runtime": plan.runtime,
        "runtime_state": _runtime_state(wanted, plan, machine),
        "python": os.path.join(plan.runtime, "bin", "python"),
        "interpreter": os.path.join(plan.runtime, "bin", "lab-python" if machine.interpreter_there else "python"),
        "nodes": plan.nodes,
        "exists": record is not None,
        "absent": _absent(wanted, machine) if wanted.purpose == "remove" else "",
        "listed": machine.listed,
        "way": asdict(_later(wanted, machine)),
        "kubeconfig": plan.kubeconfig,
        "context": plan.context,
        "namespace": plan.namespace,
        "owner": _owner(plan, identity) if plan.pods else "",
        "storage_class": plan.storage_class,
        "database_image": (wanted.database_image or DATABASE_IMAGES[engine]) if plan.pods else "",
        "python_image": (wanted.python_image or PYTHON_IMAGE) if plan.pods else "",
        "middleware_image": (wanted.middleware_image or "") if plan.pods else "",
        "image_build_command": (wanted.image_build_command or "") if plan.target == "kubernetes" else "",
        "libpq": libpq,
        # Whatever else of these kinds a person exported, the interpreter leaves out: roles/runtime/files/environment.sh.
        "environment": {**environment, "LAB_SETS": " ".join(environment)},
    }


def _later(wanted: Wanted, machine: Machine) -> Way:
    """How the lab is reached once it is made: where the host's list has its directory, nobody has to name that."""
    if not wanted.builds and not machine.known_here:
        return wanted.way
    return replace(
        wanted.way, values={name: value for name, value in wanted.way.values.items() if name != "lab_directory"}
    )


def _runtime_state(wanted: Wanted, plan: Plan, machine: Machine) -> str:
    """Whether the runtime is ``there``, ``gone``, or ``wanted``: gone, and needed to remove what runs of the lab."""
    if machine.runtime_made:
        return "there"
    pods = plan.pods and machine.folder.kind in ("lab", "remains")
    return "wanted" if wanted.purpose == "remove" and (pods or machine.served) else "gone"


def _engine(wanted: Wanted, plan: Plan, record: Record | None, machine: Machine) -> tuple[str, str]:
    if record and plan.engine == record.engine:
        reason = f"{record.engine}, as {RECORD_NAME} remembers"
        if not wanted.engine and record.engine == "postgres_fdw" and "citus" in machine.postgres.extensions:
            reason += "; its PostgreSQL has Citus, which a new lab would take: this one keeps its engine, and its data"
        return record.engine, reason
    if plan.engine:
        return plan.engine, f"{plan.engine}, as lab_engine says"
    if plan.pods:
        architectures, whose = _architectures(plan, machine)
        processors = ", ".join(architectures)
        if architectures == (CITUS_ARCHITECTURE,):
            return "citus", f"citus: {whose} {processors}, for which it has an image"
        return (
            "postgres_fdw",
            f"postgres_fdw: {whose} {processors}, and Citus has an image for {CITUS_ARCHITECTURE} only"
            " (lab_engine: citus with a lab_database_image that fits takes it all the same)",
        )
    if "citus" in machine.postgres.extensions:
        return "citus", f"citus: the PostgreSQL in {plan.postgres_bin} has the extension"
    whose = "the runtime's" if Path(plan.runtime) in Path(plan.postgres_bin).parents else f"{plan.postgres_bin}'s"
    return (
        "postgres_fdw",
        f"postgres_fdw: {whose} PostgreSQL has no Citus (lab_postgres_bin names one that has)",
    )


def _architectures(plan: Plan, machine: Machine) -> tuple[tuple[str, ...], str]:
    """The processors of the nodes, and how that is known."""
    if machine.cluster.architectures:
        return machine.cluster.architectures, "the cluster's nodes are"
    if plan.target == "minikube":
        return (machine.architecture,), "this machine is"
    return (CITUS_ARCHITECTURE,), "the cluster's nodes could not be asked and are taken for"


def _target_reason(wanted: Wanted, plan: Plan, record: Record | None, machine: Machine) -> str:
    cluster = ""
    if plan.pods:
        seen = machine.cluster
        cluster = f", namespace {plan.namespace} of the context {plan.context}"
        if wanted.builds and seen.state == "seen":
            cluster += f" (Kubernetes {seen.version})" if seen.version else ""
            if record is None and seen.namespace == "Active":
                cluster += "; that namespace is there already, with a lab whose record is gone"
        elif wanted.builds:
            cluster += f"; the cluster was not looked at: {seen.said}"
    ignored = [f"lab_{choice}" for choice in UNUSED[plan.target] if choice in wanted.made]
    unused = "".join(f" {variable} is not used by the target {plan.target}." for variable in ignored)
    if record and wanted.target in (None, record.target):
        reason = f"{record.target}, as {RECORD_NAME} remembers"
    elif wanted.target:
        reason = f"{wanted.target}, as lab_target says"
    elif machine.probe:
        found = availability(machine.probe, profile_settings(wanted, record))[1]
        if not machine.probe.program and not machine.container_engine:
            found += f"; and Docker: {INSTALL_DOCKER}"
        reason = f"{plan.target}: {found}"
    else:
        reason = plan.target
    return f"{reason}{cluster}.{unused}"


def _record_problems(
    wanted: Wanted, record: Record | None, record_error: str, machine: Machine, plan: Plan
) -> list[Problem]:
    if not wanted.directory:
        return []
    file = record_path(wanted.directory)
    if machine.folder.kind == "foreign":
        return [
            Problem(
                "directory-foreign",
                f"{wanted.directory} {machine.folder.holds}",
                "a directory of the lab's own: a lab's, an empty one, or one that is not there yet",
                f"look: {there(wanted.way, f'ls -la {shlex.quote(wanted.directory)}')}; then choose another lab_directory",
            )
        ]
    if record_error and machine.folder.obstacle and wanted.builds:
        return []
    if wanted.purpose in GOES and machine.forwards and wanted.target in (None, "host"):
        return [_pods_unrecorded(wanted, machine)]
    if record_error and wanted.purpose not in GOES:
        return [
            Problem(
                "record-unreadable",
                f"{file}: {record_error}",
                "the record that the lab wrote when it was made",
                f"look: {there(wanted.way, f'ls -l {shlex.quote(str(file))}')}; {_put_back(wanted)}",
            )
        ]
    if wanted.builds and machine.namesake:
        return [_name_taken(wanted, machine)]
    if record is None:
        return _unrecorded(wanted, machine)
    if record.name != wanted.name and wanted.name:
        return [
            Problem(
                "record-name",
                f"{file} says the lab is {shown(record.name)}, not {shown(wanted.name)}",
                "a directory for each lab",
                f"set lab_name: {record.name}, or another lab_directory for {wanted.name}",
            )
        ]
    problems = []
    if record.user != plan.user:
        this = command(wanted.way, "lab" if wanted.builds else "status")
        as_whom = (
            f"as root, e.g. sudo {this}"
            if record.user == f"hc-{record.name}"
            else f"as {record.user}, e.g. sudo -u {record.user} {this}"
        )
        problems.append(
            Problem(
                "record-user",
                f"the lab in {wanted.directory} runs as {record.user}; this run would use {plan.user}",
                "the user that made the lab",
                f"run it {as_whom}; or choose another lab_directory",
            )
        )
    if wanted.purpose == "build":
        problems += _contradictions(wanted, record, machine)
    if wanted.purpose == "use" and not machine.runtime_made:
        problems.append(
            Problem(
                "runtime-missing",
                f"{plan.runtime} is not there, or not whole",
                "the runtime, from which the lab's programs run",
                f"{command(wanted.way, 'lab')} (it makes the runtime anew, and keeps the lab's data)",
            )
        )
    return problems


def _put_back(wanted: Wanted) -> str:
    """How a lab gets its record back, without its data being given up."""
    return f"put it back: {_copy_back(wanted)}; or, giving up the lab's data: {command(wanted.way, 'reset')}"


def _copy_back(wanted: Wanted) -> str:
    """What makes the record's copy the record."""
    kept = (shlex.quote(os.path.join(wanted.directory, name)) for name in (COPY_NAME, RECORD_NAME))
    return there(wanted.way, f"cp {' '.join(kept)}")


def _pods_unrecorded(wanted: Wanted, machine: Machine) -> Problem:
    """A lab in a cluster whose record is gone: its pods would stay, and nobody would know of them."""
    kubeconfig, context, namespace = machine.forwards
    names = {
        "lab_target": "kubernetes",
        "lab_kubeconfig": kubeconfig,
        "lab_context": context,
        "lab_namespace": namespace,
    }
    return Problem(
        "record-missing",
        f"{wanted.directory} holds what is left of a lab in the namespace {namespace} of the context {context}, and no lab.json",
        "the cluster by name, so that the pods are removed too",
        f"put it back: {_copy_back(wanted)}; or say it: {command(wanted.way, 'teardown', **names)}",
    )


def _name_taken(wanted: Wanted, machine: Machine) -> Problem:
    another = choose(wanted.way, "lab", {"lab_name": f"{wanted.name[:26].rstrip('-')}-2"})
    return Problem(
        "name-taken",
        f"the lab {called(wanted.name)}is in {machine.namesake}; this run would make another one in {wanted.directory}",
        "a name for each lab of a host",
        f"to work on that one, leave lab_directory out: {command(wanted.way, 'lab', ('lab_directory',))}; to have another one beside it: {another}; "
        f"to remove that one: {command(wanted.way, 'teardown', ('lab_directory',))}",
    )


def _unrecorded(wanted: Wanted, machine: Machine) -> list[Problem]:
    if machine.gone and wanted.purpose not in GOES:
        return [
            Problem(
                "directory-gone",
                f"the lab {called(wanted.name)}is in {wanted.directory}, which is not there",
                "the directory of the lab, with its data",
                "bring it back (is its disk mounted?); or, where it is gone for good, let the host forget the lab: "
                + command(wanted.way, "teardown"),
            )
        ]
    remains = machine.folder.kind == "remains"
    if remains and wanted.purpose not in GOES:
        return [
            Problem(
                "record-missing",
                f"{wanted.directory} holds a lab's files, but no lab.json",
                "the record that the lab wrote when it was made",
                _put_back(wanted),
            )
        ]
    if wanted.purpose == "use":
        return [
            Problem(
                "lab-missing",
                f"there is no lab {called(wanted.name)}in {wanted.directory}; {_whereabouts(machine)}",
                "a lab that was made",
                command(wanted.way, "lab"),
            )
        ]
    return []


def _absent(wanted: Wanted, machine: Machine) -> str:
    """What to say where there is nothing of the lab to remove; empty where there is."""
    if machine.folder.kind in ("lab", "remains") or machine.known_here:
        return ""
    return f"There is no lab {called(wanted.name)}in {wanted.directory}; {_whereabouts(machine)}."


def _whereabouts(machine: Machine) -> str:
    """Which labs there are instead."""
    labs = [f"{name} in {place}" for name, place in machine.labs.items()]
    if not labs:
        return "this host has none"
    return f"this host has {', '.join(labs[:5])}" + (f" and {len(labs) - 5} more" if len(labs) > 5 else "")


def _contradictions(wanted: Wanted, record: Record, machine: Machine) -> list[Problem]:
    problems = []

    def contradiction(id_: str, variable: str, chosen: object, recorded: object) -> None:
        problems.append(
            Problem(
                id_,
                f"{variable} is {chosen}, but the lab was made with {recorded}",
                f"{recorded}, as {record_path(wanted.directory)} remembers",
                f"leave {variable} out ({command(wanted.way, 'lab', (variable,))}); or, giving up the lab's data: "
                + choose(wanted.way, "reset", {variable: chosen}),
            )
        )

    if wanted.target and wanted.target != record.target:
        contradiction("record-target", "lab_target", wanted.target, record.target)
    if wanted.engine and wanted.engine != record.engine:
        contradiction("record-engine", "lab_engine", wanted.engine, record.engine)
    if wanted.workers and wanted.workers < record.workers:
        contradiction("record-workers", "lab_workers", wanted.workers, record.workers)
    for variable, chosen, recorded in (
        ("lab_database_port", wanted.database_port, record.database_port),
        ("lab_api_port", wanted.api_port, record.api_port),
    ):
        if chosen and chosen != recorded:
            contradiction("record-ports", variable, chosen, recorded)
    if wanted.target not in (None, record.target) or record.target == "host":
        return problems
    cluster = [
        ("lab_namespace", wanted.namespace, record.namespace),
        ("lab_storage_class", wanted.storage_class, record.storage_class),
    ]
    if record.target == "minikube":
        cluster.append(("minikube_profile", wanted.profile, record.context))
    else:
        cluster.append(("lab_context", wanted.context, record.context))
        # A kubeconfig that was moved leads to the same cluster.
        if machine.recorded_kubeconfig_there:
            cluster.append(("lab_kubeconfig", wanted.kubeconfig, record.kubeconfig))
    for variable, chosen_name, recorded_name in cluster:
        if chosen_name and chosen_name != recorded_name:
            contradiction("record-cluster", variable, chosen_name, recorded_name or "the cluster's default")
    return problems


def _directory_problems(wanted: Wanted, plan: Plan, machine: Machine, identity: Identity) -> list[Problem]:
    if not wanted.directory:
        return []
    problems = []
    limit = 103 if identity.system == "Darwin" else 107
    room = limit - max(len(name) for name in SOCKETS) - 1
    length = len(os.fsencode(wanted.directory))
    elsewhere = "/srv/historia-clinica" if identity.root else identity.home
    shorter = choose(wanted.way, "lab", {"lab_directory": f"{elsewhere}/{wanted.name or 'lab'}"})
    if length > room:
        problems.append(
            Problem(
                "directory-too-long",
                f"{wanted.directory} has {length} bytes",
                f"at most {room}: a socket's path may have {limit} on this system",
                shorter,
            )
        )
    if machine.folder.obstacle and machine.folder.kind != "foreign":
        problems.append(
            Problem(
                "directory-not-writable",
                f"{wanted.directory}: {machine.folder.obstacle}",
                f"a directory that {identity.user} may make and write",
                f"look: {there(wanted.way, f'ls -ld {shlex.quote(machine.folder.nearest)}')}; or {shorter}",
            )
        )
    if machine.folder.blocked_by:
        problems.append(
            Problem(
                "directory-unreachable",
                f"{plan.user}, which runs the lab, may not enter {machine.folder.blocked_by}",
                "every folder on the way to the lab open to others (o+x)",
                f"look: {there(wanted.way, f'ls -ld {shlex.quote(machine.folder.blocked_by)}')}; or {shorter}",
            )
        )
    return problems


def _port_problems(wanted: Wanted, plan: Plan, record: Record | None, machine: Machine) -> list[Problem]:
    problems = []
    database = "database_port" not in wanted.refused and "workers" not in wanted.refused
    api = "api_port" not in wanted.refused
    last = plan.database_ports[-1]
    if database and last > 65535:
        problems.append(
            Problem(
                "port-invalid",
                f"lab_database_port {plan.database_port} and {plan.workers} workers need ports up to {last}",
                "ports up to 65535: worker N has lab_database_port + N",
                choose(wanted.way, "lab", {"lab_database_port": DEFAULT_DATABASE_PORT}),
            )
        )
    overlap = database and api and plan.api_port in plan.database_ports
    if overlap:
        free = _free_api_port(plan)
        problems.append(
            Problem(
                "ports-overlap",
                f"lab_api_port is {plan.api_port}, and the database has "
                + (
                    "it too" if plan.pods else f"{plan.database_port} to {last} (coordinator, then one for each worker)"
                ),
                "a port of its own for the API",
                choose(wanted.way, "lab", {"lab_api_port": free}),
            )
        )
    wanted_ports = {"lab_database_port": [*plan.database_ports]} if database else {}
    if api and not overlap:
        wanted_ports["lab_api_port"] = [plan.api_port]
    taken = {variable: found for variable, ports in wanted_ports.items() if (found := _taken(ports, machine))}
    if taken:
        spare = {"lab_database_port": machine.free_database_port, "lab_api_port": machine.free_api_port}
        # A lab keeps its ports: what a new lab does by choosing others, one that is there must get back.
        other = choose(
            wanted.way, "reset" if record else "lab", {variable: spare[variable] or "ANOTHER" for variable in taken}
        )
        for variable, ports in taken.items():
            problems += _taken_ports(variable, ports, other, wanted, record, machine)
    return problems


def _taken(ports: list[int], machine: Machine) -> list[int]:
    """Those of some ports that others have."""
    neighbours = {port for lab in machine.neighbours for port in lab.ports}
    return [
        port
        for port in ports
        if not (port in machine.listeners and machine.listeners[port].own)
        and (port in neighbours or port in machine.listeners)
    ]


def _taken_ports(
    variable: str, others: list[int], other: str, wanted: Wanted, record: Record | None, machine: Machine
) -> list[Problem]:
    """The ports of one variable that others have; ``other`` is the command with other ports."""
    if record:
        other = f"or, giving up the lab's data: {other}"
    problems = []
    for neighbour in machine.neighbours:
        shared = [port for port in others if port in neighbour.ports]
        if shared:
            numbers = ", ".join(str(port) for port in shared)
            problems.append(
                Problem(
                    "port-of-another-lab",
                    f"port {numbers} ({variable}) belongs to the lab {neighbour.name} in {neighbour.directory}",
                    "ports of its own for each lab",
                    f"{_aside(wanted.way, neighbour.directory)}; {other}" if record else other,
                )
            )
            others = [port for port in others if port not in shared]
    for listener in (machine.listeners[port] for port in others if port in machine.listeners):
        look = there(wanted.way, f"sudo ss -ltnp sport = {listener.port}")
        kill = there(wanted.way, f"kill {listener.pid}")
        end = f"end it: {kill}" if listener.pid else f"see whose it is, and end it: {look}"
        problems.append(
            Problem(
                "port-busy",
                f"port {listener.port} ({variable}) is in use by {listener}",
                "a port of 127.0.0.1 that nobody uses",
                f"{end}; {other}" if record else f"{other}; or {end}",
            )
        )
    return problems


def _aside(way: Way, directory: str) -> str:
    """How a lab's directory, which only a copy can have made another's neighbour, stands in nobody's way, with its data."""
    place, name = os.path.split(directory)
    away = os.path.join(os.path.dirname(place), f"{name}.aside")
    return f"if one is a copy of the other, move it out of {place}: {there(way, shlex.join(['mv', directory, away]))}"


def port_numbers(text: str) -> set[int]:
    """The ports that a text names as Linux does: ``8080,9000-9005``."""
    numbers: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def _port_warnings(wanted: Wanted, plan: Plan, record: Record | None, machine: Machine) -> list[str]:
    """That an outgoing connection may get a port of the lab's before the lab does."""
    reserved = port_numbers(machine.reserved or "")
    inside = {
        variable: [port for port in ports if port in machine.outgoing and port not in reserved]
        for variable, ports in (("lab_database_port", plan.database_ports), ("lab_api_port", [plan.api_port]))
    }
    mine = [str(port) for ports in inside.values() for port in ports]
    if not mine:
        return []
    defaults = {"lab_database_port": DEFAULT_DATABASE_PORT, "lab_api_port": DEFAULT_API_PORT}
    ways = []
    if record is None:  # a lab keeps its ports
        lower = {variable: defaults[variable] for variable in inside if inside[variable]}
        ways.append(f"choose lower ones: {choose(wanted.way, 'lab', lower)}")
    if machine.reserved is not None:
        kept = ",".join(filter(None, [machine.reserved.strip(), *mine]))
        keep = there(wanted.way, f"sudo sysctl -w net.ipv4.ip_local_reserved_ports={kept}")
        ways.append(f"keep them for the lab: {keep}")
    return [
        f"The lab has the ports {', '.join(mine)}, and this system gives those from {machine.outgoing[0]} to {machine.outgoing[-1]}"
        " to outgoing connections: one of them may be taken at the moment when the lab starts."
        + (f" To prevent that, {'; or '.join(ways)}" if ways else "")
    ]


def _free_api_port(plan: Plan) -> int:
    return DEFAULT_API_PORT if DEFAULT_API_PORT not in plan.database_ports else 18080


def _size_problems(way: Way, plan: Plan, machine: Machine) -> list[Problem]:
    problems = []
    # A lab that runs has its memory already.
    running = any(listener.own for listener in machine.listeners.values())
    needed = MEMORY_BASE + MEMORY_PER_WORKER * plan.workers
    if machine.memory is not None and machine.memory < needed and not running:
        problems.append(
            Problem(
                "memory-short",
                f"{machine.memory // MIB} MiB of memory are available",
                f"{needed // MIB} MiB for {plan.workers} workers",
                f"see what uses it: {there(way, 'ps aux | sort -rnk 4 | head')}; end what is not needed, or choose fewer workers",
            )
        )
    needed = DISK_BASE + DISK_PER_WORKER * plan.workers
    if machine.disk is not None and machine.disk < needed and not machine.folder.obstacle:
        problems.append(
            Problem(
                "disk-short",
                f"{machine.disk // MIB} MiB of disk are free at {machine.folder.nearest}",
                f"{needed // MIB} MiB for {plan.workers} workers",
                f"look: {there(way, f'df -h {shlex.quote(machine.folder.nearest)}')}; make room, or choose a lab_directory elsewhere",
            )
        )
    return problems


def _program_problems(
    wanted: Wanted,
    plan: Plan,
    record: Record | None,
    engine: str,
    machine: Machine,
    identity: Identity,
    dry: bool,
) -> list[Problem]:
    problems = []
    if machine.runtime_blocked_by:
        problems.append(
            Problem(
                "runtime-unreachable",
                f"{plan.user}, which runs the lab, may not use {machine.runtime_blocked_by}, "
                f"on the way to {plan.runtime}/bin/python",
                "a Python that every user may run",
                f"look: {there(wanted.way, f'ls -ld {shlex.quote(machine.runtime_blocked_by)}')}; take the system's: "
                + choose(wanted.way, "lab", {"runtime_python": "/usr/bin/python3"}),
            )
        )
    if not plan.pods and "postgres_bin" in wanted.refused:
        return problems
    own_wheel = Path(plan.runtime) in Path(plan.postgres_bin).parents
    if own_wheel and not machine.runtime_there:
        if not dry:
            problems.append(
                Problem(
                    "runtime-missing",
                    f"{plan.postgres_bin} is not there",
                    "the runtime's own PostgreSQL, or another that lab_postgres_bin names",
                    command(wanted.way, "lab") + " (it makes the runtime first)",
                )
            )
        return problems
    if plan.pods:
        return problems
    return problems + _postgres_problems(wanted, plan, record, engine, machine, identity)


def _postgres_problems(
    wanted: Wanted,
    plan: Plan,
    record: Record | None,
    engine: str,
    machine: Machine,
    identity: Identity,
) -> list[Problem]:
    postgres = machine.postgres
    folder = plan.postgres_bin
    another = choose(wanted.way, "lab", {"lab_postgres_bin": f"/usr/lib/postgresql/{OLDEST_POSTGRES + 1}/bin"})
    wheel = "leave lab_postgres_bin out for the PostgreSQL that the lab brings"
    if postgres.missing:
        return [
            Problem(
                "postgres-missing",
                f"{folder} has no {', no '.join(postgres.missing)} that can be run",
                f"a folder with {', '.join(PROGRAMS)}",
                f"look: {there(wanted.way, f'ls -l {shlex.quote(folder)}')}; {wheel}, or {another}",
            )
        ]
    if postgres.error:
        program = shlex.quote(f"{folder}/postgres")
        return [
            Problem(
                "postgres-broken",
                f"{folder}/postgres --version: {postgres.error}",
                "a PostgreSQL that runs here",
                f"try it: {there(wanted.way, f'{program} --version')}; {wheel}",
            )
        ]
    problems = []
    if postgres.blocked_by:
        problems.append(
            Problem(
                "postgres-unreachable",
                f"{plan.user}, which runs the servers, may not use {postgres.blocked_by}",
                f"programs that every user may run: each folder on the way to {folder} open to others (o+x)",
                f"look: {there(wanted.way, f'ls -ld {shlex.quote(postgres.blocked_by)}')}; {wheel}",
            )
        )
    major = int(postgres.version.split(".")[0])
    if major < OLDEST_POSTGRES:
        problems.append(
            Problem(
                "postgres-old",
                f"{folder} is PostgreSQL {postgres.version}",
                f"PostgreSQL {OLDEST_POSTGRES} or newer",
                f"{wheel}, or {another}",
            )
        )
    data_major = machine.data_major
    if data_major is None and record and record.postgres_version:
        data_major = int(record.postgres_version.split(".")[0])
    if data_major is not None and data_major != major:
        problems.append(
            Problem(
                "postgres-major",
                f"the lab's data were made by PostgreSQL {data_major}; {folder} is {postgres.version}",
                f"PostgreSQL {data_major}",
                f"set lab_postgres_bin to the folder of a PostgreSQL {data_major}"
                + (f" ({record.postgres_bin})" if record else "")
                + f"; or, giving up the lab's data: {choose(wanted.way, 'reset', {'lab_postgres_bin': folder})}",
            )
        )
    lacking = [name for name in NEEDED_EXTENSIONS[engine] if name not in postgres.extensions]
    if lacking:
        other_engine = (
            choose(wanted.way, "lab", {"lab_postgres_bin": "FOLDER_WITH_CITUS/bin"})
            if engine == "citus"
            else "install the package that brings it (postgresql-contrib)"
        )
        alternative = ""
        if engine == "citus" and not record:
            alternative = "; or the same tables on stock PostgreSQL: " + choose(
                wanted.way, "lab", {"lab_engine": "postgres_fdw"}
            )
        problems.append(
            Problem(
                "engine-not-installed",
                f"the PostgreSQL in {folder} has no {', no '.join(lacking)}",
                f"a PostgreSQL with {', '.join(NEEDED_EXTENSIONS[engine])} for the engine {engine}",
                other_engine + alternative,
            )
        )
    return problems


# --- Pods ---------------------------------------------------------------------------------------------------------


def _unnamed_cluster(wanted: Wanted, plan: Plan) -> list[Problem]:
    if plan.target != "kubernetes":
        return []
    names = {"kubeconfig": plan.kubeconfig, "context": plan.context}
    missing = [f"lab_{name}" for name, value in names.items() if not value and name not in wanted.refused]
    if not missing:
        return []
    return [
        Problem(
            "kubernetes-unnamed",
            f"the target is kubernetes, and {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            "the cluster by name: never the one that happens to be current",
            f"see the contexts: {there(wanted.way, 'kubectl config get-contexts')}; set lab_kubeconfig (an absolute path) and lab_context, as "
            "inventories/kubernetes/hosts.yml does",
        )
    ]


def _pod_problems(wanted: Wanted, plan: Plan, engine: str, machine: Machine, owner: str) -> list[Problem]:
    problems = []
    for lab in machine.neighbours:
        if lab.target != "host" and (lab.context, lab.namespace) == (plan.context, plan.namespace):
            problems.append(
                Problem(
                    "namespace-of-another-lab",
                    f"the namespace {lab.namespace} of {lab.context} belongs to the lab {lab.name} in {lab.directory}",
                    "a namespace for each lab",
                    choose(wanted.way, "lab", {"lab_namespace": f"hc-{plan.name}"}),
                )
            )
    architectures, _ = _architectures(plan, machine)
    if engine == "citus" and not wanted.database_image and architectures != (CITUS_ARCHITECTURE,):
        problems.append(
            Problem(
                "engine-no-image",
                f"{DATABASE_IMAGES['citus']} is made for {CITUS_ARCHITECTURE}; the nodes are {', '.join(architectures)}",
                "an image with Citus for the nodes' processors",
                choose(wanted.way, "lab", {"lab_engine": "postgres_fdw"}) + "; or name an image in lab_database_image",
            )
        )
    if plan.target == "minikube":
        problems += _minikube_problems(wanted, plan, machine)
    else:
        if not wanted.middleware_image and not wanted.image_build_command:
            problems += _image_source(wanted)
        problems += _way_problems(wanted, plan, machine.cluster)
    if machine.cluster.state == "seen":
        problems += _cluster_problems(wanted, plan, machine.cluster, owner)
    return problems


def _image_source(wanted: Wanted) -> list[Problem]:
    if {"middleware_image", "image_build_command"} & wanted.refused:
        return []
    return [
        Problem(
            "image-source",
            "neither lab_middleware_image nor lab_image_build_command is set",
            "an image of the middleware that the cluster can pull, or the command that builds it there",
            "set lab_middleware_image to its name, or lab_image_build_command, as inventories/kubernetes/hosts.yml shows",
        )
    ]


def _minikube_problems(wanted: Wanted, plan: Plan, machine: Machine) -> list[Problem]:
    found = list(wanted.faults)
    if machine.probe:
        settings = replace(wanted.settings, profile=plan.context)
        for problem in start_problems(machine.probe, settings):
            # A profile that is there has its size; one that runs is not started.
            size = problem.id in ("minikube-cpus", "minikube-memory")
            absent = problem.id in ("minikube-missing", "minikube-broken")
            settled = machine.profile_exists if size else machine.cluster.state == "seen" and not absent
            if not settled:
                found.append(problem)
    return found


def _way_problems(wanted: Wanted, plan: Plan, seen: Sight) -> list[Problem]:
    """What keeps the cluster of a context from being asked."""
    named = f"the context {plan.context} of {plan.kubeconfig}"
    some = ", ".join(seen.contexts[:8]) + (f" and {len(seen.contexts) - 8} more" if len(seen.contexts) > 8 else "")
    cases = {
        "kubeconfig": Problem(
            "kubeconfig-unreadable",
            f"{plan.kubeconfig}: {seen.said}",
            "the kubeconfig of the cluster",
            f"look: {there(wanted.way, f'ls -l {shlex.quote(plan.kubeconfig)}')}; then "
            + choose(wanted.way, "lab", {"lab_kubeconfig": "PATH"}),
        ),
        "context": Problem(
            "context-unknown",
            f"{plan.kubeconfig} has no context {shown(plan.context)}",
            f"one of its contexts: {some or 'it has none'}",
            choose(wanted.way, "lab", {"lab_context": seen.contexts[0] if seen.contexts else "NAME"}),
        ),
        "unreachable": Problem(
            "cluster-unreachable",
            f"{named} does not answer: {seen.said}",
            "a cluster that runs and can be reached from here",
            f"try it: {_kubectl(wanted, plan, 'version')}; start the cluster, or the way to it (VPN, tunnel, proxy)",
        ),
        "unauthorised": Problem(
            "cluster-unauthorised",
            f"{named} does not take the credentials: {seen.said}",
            "credentials that are valid now",
            f"log in again as the cluster's owner says, or get a new kubeconfig; then try: {_kubectl(wanted, plan, 'auth whoami')}",
        ),
    }
    return [cases[seen.state]] if seen.state in cases else []


def _owner(plan: Plan, identity: Identity) -> str:
    """Whose lab it is, in a cluster that many share: the same when the lab is made anew at its place."""
    return f"{identity.user}@{identity.machine}:{plan.directory}"


def _cluster_problems(wanted: Wanted, plan: Plan, seen: Sight, owner: str) -> list[Problem]:
    """What a cluster that answers has against the lab. An empty owner is a lab that has its record: the namespace is its own."""
    problems = []
    label, value = PART_OF
    gone = _kubectl(wanted, plan, f"wait --for=delete namespace/{plan.namespace} --timeout=120s")
    labelled = _kubectl(wanted, plan, f"label namespace {plan.namespace} {label}={value}")
    mine = _kubectl(wanted, plan, f"annotate namespace {plan.namespace} {OWNER}-")
    if seen.denied:
        problems.append(
            Problem(
                "cluster-rights",
                f"the user of the context {plan.context} may not {', '.join(seen.denied)}",
                "the rights to make a lab in its namespace",
                f"ask the cluster's owner for them; try: {_kubectl(wanted, plan, f'auth can-i --list -n {plan.namespace}')}",
            )
        )
    if seen.namespace == "Terminating":
        problems.append(
            Problem(
                "namespace-terminating",
                f"the namespace {plan.namespace} is being removed",
                "it gone",
                f"wait for it: {gone}; then " + command(wanted.way, "lab"),
            )
        )
    elif seen.namespace == "Active" and seen.labels.get(label) != value:
        problems.append(
            Problem(
                "namespace-foreign",
                f"the namespace {plan.namespace} is there, without the label {label}={value}",
                "a namespace for this lab alone: removing the lab removes it",
                f"look: {_kubectl(wanted, plan, f'get all -n {plan.namespace}')}; take another: "
                + choose(wanted.way, "lab", {"lab_namespace": f"{plan.namespace}-2"})
                + f"; or, where it was made for the lab: {labelled}",
            )
        )
    elif seen.namespace == "Active" and owner and seen.owner not in ("", owner):
        problems.append(
            Problem(
                "namespace-foreign",
                f"the namespace {plan.namespace} is the lab of {seen.owner}",
                "a namespace for this lab alone: removing the lab removes it",
                choose(wanted.way, "lab", {"lab_namespace": f"{plan.namespace}-2"})
                + f"; or, where that lab is yours and its directory is gone: {mine}",
            )
        )
    classes = seen.storage_classes
    if classes is not None:
        there = ", ".join(classes) or "none"
        if plan.storage_class and plan.storage_class not in classes:
            found = f"the cluster has no storage class {plan.storage_class}; it has {there}"
        elif not plan.storage_class and not seen.default_storage_class:
            found = f"the cluster has no default storage class; it has {there}"
        else:
            return problems
        problems.append(
            Problem(
                "storage-class",
                found,
                "a storage class for the nodes' data",
                choose(wanted.way, "lab", {"lab_storage_class": classes[0]})
                if classes
                else "install one, as the cluster's documentation says",
            )
        )
    return problems


def _kubectl(wanted: Wanted, plan: Plan, does: str) -> str:
    named = f"kubectl --kubeconfig {shlex.quote(plan.kubeconfig)} --context {shlex.quote(plan.context)}"
    return there(wanted.way, f"{named} {does}")


def busy(name: str, other: str, run: str) -> Problem:
    """That somebody else works on the lab.

    Args:
        name: the lab's name.
        other: the mark of who does: a process, a tab, a host of its inventory.
        run: the mark of this run.
    """
    process, _, host = other.partition("\t")
    if process == run.partition("\t")[0]:
        return Problem(
            "name-taken",
            f"the host {host} of the inventory makes the lab {name} in this very run",
            "a name for each lab of a host",
            f"give lab_name only to {host}, or to each host its own: left out, a lab is called like its host",
        )
    pid = process.partition(" ")[0]
    return Problem(
        "lab-busy",
        f"another run of Ansible works on the lab: the process {pid}",
        "one run at a time",
        f"wait for its end, or end it: ps -p {pid}; kill {pid}; then run this again",
    )


def headline(name: str, problems: list[Problem]) -> str:
    """The one sentence above the list that a person reads."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    ids = ", ".join(dict.fromkeys(problem.id for problem in problems))
    return f"The lab {shown(name)} cannot go on: {count} ({ids}). Nothing of it was changed."
