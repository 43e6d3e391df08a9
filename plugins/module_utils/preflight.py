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
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import (
    Record,
    lab_directory,
    lab_user,
    record_path,
    runtime_directory,
    state_root,
)

TARGETS = ("host", "minikube", "kubernetes")
ENGINES = ("citus", "postgres_fdw")
#: What the facts are wanted for: a lab that is made or brought up to date, one that is there, one that goes.
PURPOSES = ("build", "use", "remove")

AUTO = "auto"
DATABASE = "historia_clinica"
COORDINATOR = "citus-coordinator"
DEFAULT_WORKERS = 2
MAX_WORKERS = 64
DEFAULT_DATABASE_PORT = 15432
DEFAULT_API_PORT = 8080
OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRES = 17
PROGRAMS = ("postgres", "initdb", "psql")
#: Extensions that an engine cannot do without.
NEEDED_EXTENSIONS = {"citus": ("citus",), "postgres_fdw": ("postgres_fdw", "dblink")}
#: The longest socket names under the lab's directory. supervisord binds its own name with its process id behind it.
SOCKETS = ("run/.s.PGSQL.65535", "run/supervisor.sock.4194304")

MIB = 1024 * 1024
MEMORY_BASE, MEMORY_PER_WORKER = 448 * MIB, 32 * MIB
DISK_BASE, DISK_PER_WORKER = 768 * MIB, 128 * MIB

NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,26}[a-z0-9])?")
NUMBER = re.compile(r"[+-]?[0-9]{1,9}")

#: Every problem that can be reported, in the order of the report: stable id, and what it means.
PROBLEMS: dict[str, str] = {
    "lab-name": "the lab's name is not 1 to 28 of a-z, 0-9 and hyphens, starting with a letter",
    "target-unknown": "`lab_target` is none of auto, host, minikube, kubernetes",
    "target-not-yet": "the target is known, but comes with a later release",
    "engine-unknown": "`lab_engine` is none of auto, citus, postgres_fdw",
    "workers-invalid": "`lab_workers` is not a whole number from 1 to 64",
    "port-invalid": "a port is not a whole number from 1024 to 65535",
    "ports-overlap": "`lab_api_port` is one of the database's ports",
    "directory-characters": "a path holds control characters or is no text",
    "directory-relative": "a path is not absolute",
    "directory-too-long": "the directory's path leaves no room for the sockets' names",
    "directory-foreign": "the directory holds something that is not a lab",
    "directory-not-writable": "the directory cannot be made or written",
    "directory-unreachable": "the lab's user cannot reach the directory",
    "lab-missing": "the command needs a lab that is there, and there is none",
    "record-unreadable": "the lab's record `lab.json` cannot be read",
    "record-missing": "the directory holds a lab's data, but not its record",
    "record-name": "the directory's record is another lab's",
    "record-user": "the lab runs as another user",
    "record-target": "the lab was made for another target",
    "record-engine": "the lab was made with another engine",
    "record-workers": "the lab was made with more workers",
    "record-ports": "the lab was made with other ports",
    "port-of-another-lab": "a port belongs to a lab beside this one",
    "port-busy": "a port is in use by another process",
    "memory-short": "too little memory is available",
    "disk-short": "too little disk is free",
    "python-old": "Python is older than 3.11",
    "runtime-missing": "the runtime has no servers",
    "runtime-unreachable": "the lab's user cannot run the runtime's Python",
    "postgres-missing": "the folder of programs has no postgres, initdb or psql",
    "postgres-unreachable": "the lab's user cannot run the servers' programs",
    "postgres-broken": "`postgres --version` does not say a version",
    "postgres-old": "PostgreSQL is older than 17",
    "postgres-major": "the lab's data were made by another major version of PostgreSQL",
    "engine-not-installed": "the servers lack an extension that the engine needs",
}


@dataclass(frozen=True)
class Problem:
    """One thing that stands in the way.

    Attributes:
        id: its stable name, a key of ``PROBLEMS``.
        found: what is there, and where.
        needed: what should be there.
        remedy: the command or the change that mends it.
    """

    id: str
    found: str
    needed: str
    remedy: str

    def __post_init__(self) -> None:
        """Refuse an id that the registry, and so the documentation, does not know."""
        if self.id not in PROBLEMS:
            raise KeyError(self.id)


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
    purpose: str = "build"


@dataclass(frozen=True)
class Identity:
    """Who asks, on which system."""

    uid: int
    user: str
    group: str
    home: str
    system: str
    python: tuple[int, int]
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> bool:
        """Whether the lab's processes will be another user's."""
        return self.uid == 0


@dataclass(frozen=True)
class Wanted:
    """The choices that could be read. None: left to the lab. ``refused`` names those that were wrong."""

    purpose: str
    name: str
    target: str | None
    engine: str | None
    workers: int | None
    directory: str
    database_port: int | None
    api_port: int | None
    postgres_bin: str | None
    runtime: str
    unused: tuple[str, ...]
    refused: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """What the lab will be, as far as choices, record and defaults say. No engine: the servers decide."""

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

    @property
    def nodes(self) -> list[dict[str, object]]:
        """Name, role, host and port of every node."""
        nodes: list[dict[str, object]] = []
        for number in range(self.workers + 1):
            name = f"citus-worker-{number}" if number else COORDINATOR
            role = "worker" if number else "coordinator"
            port = self.database_port + number
            nodes.append({"name": name, "role": role, "host": "127.0.0.1", "port": port})
        return nodes

    @property
    def database_ports(self) -> range:
        """The ports of all nodes."""
        return range(self.database_port, self.database_port + self.workers + 1)


@dataclass(frozen=True)
class Listener:
    """Who holds a port. ``own``: it is this very lab."""

    port: int
    own: bool = False
    pid: int | None = None
    name: str = ""
    user: str = ""

    def __str__(self) -> str:
        """As a person reads it; a process of another user keeps its name to itself."""
        facts = [f"pid {self.pid}" if self.pid else "", f"user {self.user}" if self.user else ""]
        said = ", ".join(fact for fact in facts if fact)
        return (self.name or "a process") + (f" ({said})" if said else "")


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
    """What was seen of the host. None: it could not be found out, and is not held against it."""

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
    minikube: bool = False
    driver: str = ""


@dataclass(frozen=True)
class Decision:
    """The outcome: the fact, and what stands in the way."""

    lab: dict[str, object]
    problems: list[Problem]


def shown(value: object) -> str:
    """A value as a message shows it: quoted, and short."""
    text = ascii(value) if not isinstance(value, str) or not value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def again(name: str, command: str, variable: str, value: object) -> str:
    """How to run ``command`` with another value. A lab of a class keeps its choices in the inventory."""
    if name == "lab":
        return f"make {command} ARGS='-e {variable}={value}'"
    place = f" for {name}" if name else ""
    return f"set {variable}: {value}{place} in the inventory, then: {run(name, command)}"


def run(name: str, command: str) -> str:
    """How to run ``command`` for the lab ``name``."""
    return f"make {command}" if name in ("", "lab") else f"make {command} LAB={name}"


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

    def __init__(self, name: str) -> None:
        self.name = name
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
                again(self.name, "lab", variable, suggestion),
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
                again(self.name, "lab", "lab_workers", DEFAULT_WORKERS),
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
                again(self.name, "lab", f"lab_{choice}", default),
            ),
        )
        return None

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
                    f"write it out, e.g. {variable}={shlex.quote(os.path.abspath(os.path.expanduser(value)))}",
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
    reader = _Reader(name)
    if faults:
        reader.refuse(
            "name",
            Problem(
                "lab-name",
                f"the lab's name is {shown(choices.name)}: {'; '.join(faults)}",
                PROBLEMS["lab-name"].replace("is not ", ""),
                "rename the host in the inventory, or set lab_name: e.g. make lab ARGS='-e lab_name=ana'",
            ),
        )
    root = state_root(identity.uid, identity.env, identity.home)
    runtime = reader.path("runtime_directory", choices.runtime_directory)
    directory = reader.path("directory", choices.directory)
    if directory is None and "directory" not in reader.refused and name:
        directory = str(lab_directory(root, name))
    wanted = Wanted(
        purpose=choices.purpose,
        name=name,
        target=reader.word("target", choices.target, TARGETS),
        engine=reader.word("engine", choices.engine, ENGINES),
        workers=reader.workers(choices.workers),
        directory=directory or "",
        database_port=reader.port("database_port", choices.database_port, DEFAULT_DATABASE_PORT),
        api_port=reader.port("api_port", choices.api_port, DEFAULT_API_PORT),
        postgres_bin=reader.path("postgres_bin", choices.postgres_bin),
        runtime=runtime or str(runtime_directory(root)),
        unused=tuple(
            f"lab_{choice}" for choice in ("kubeconfig", "context") if not _left_open(getattr(choices, choice))
        ),
        refused=frozenset(reader.refused),
    )
    return wanted, reader.problems


def settle(wanted: Wanted, record: Record | None, identity: Identity, wheel_bin: str) -> Plan:
    """Make one plan of choices, record and defaults.

    To build, a choice comes first, then the record, then the default; a lab that is there, or goes, is as its record
    says, whatever was chosen.

    Args:
        wanted: the choices.
        record: what the lab remembers, if it does.
        identity: who asks.
        wheel_bin: the folder of the runtime's own servers.
    """
    recorded_bin = record.postgres_bin if record else None
    # The runtime may have got another Python, and so another path, since.
    if recorded_bin and Path(wanted.runtime) in Path(recorded_bin).parents:
        recorded_bin = wheel_bin
    name = wanted.name or "lab"
    user = lab_user(name, identity.uid, identity.user)
    if record and wanted.purpose != "build":
        return Plan(
            name=name,
            target=record.target,
            engine=record.engine,
            workers=record.workers,
            directory=wanted.directory,
            database_port=record.database_port,
            api_port=record.api_port,
            postgres_bin=recorded_bin or wheel_bin,
            user=user,
            group=user if identity.root else identity.group,
            runtime=wanted.runtime,
        )
    return Plan(
        name=name,
        target=wanted.target or (record.target if record else "host"),
        engine=wanted.engine or (record.engine if record else None),
        workers=wanted.workers or (record.workers if record else DEFAULT_WORKERS),
        directory=wanted.directory,
        database_port=wanted.database_port or (record.database_port if record else DEFAULT_DATABASE_PORT),
        api_port=wanted.api_port or (record.api_port if record else DEFAULT_API_PORT),
        postgres_bin=wanted.postgres_bin or recorded_bin or wheel_bin,
        user=user,
        group=user if identity.root else identity.group,
        runtime=wanted.runtime,
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
    if wanted.purpose == "build":
        problems += _target_problems(wanted, plan)
        problems += _directory_problems(wanted, plan, machine, identity)
        problems += _port_problems(wanted, plan, record, machine)
        problems += _size_problems(plan, machine)
        problems += _program_problems(wanted, plan, record, engine, machine, identity, dry)
    lab = _fact(plan, record, engine, machine, identity)
    lab["reasons"] = {"target": _target_reason(wanted, record, machine), "engine": engine_reason}
    return Decision(lab, in_order(problems))


def in_order(problems: list[Problem]) -> list[Problem]:
    """The problems in the order of the registry."""
    order = list(PROBLEMS)
    return sorted(problems, key=lambda problem: order.index(problem.id))


def _fact(plan: Plan, record: Record | None, engine: str, machine: Machine, identity: Identity) -> dict[str, object]:
    return {
        "name": plan.name,
        "target": plan.target,
        "engine": engine,
        "workers": plan.workers,
        "directory": plan.directory,
        "user": plan.user,
        "group": plan.group,
        "root": identity.root,
        "database": DATABASE,
        "database_port": plan.database_port,
        "api_port": plan.api_port,
        "postgres_bin": plan.postgres_bin,
        "postgres_version": machine.postgres.version or (record.postgres_version if record else ""),
        "runtime": plan.runtime,
        "python": os.path.join(plan.runtime, "bin", "python"),
        "nodes": plan.nodes,
        "exists": record is not None,
        "libpq": {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(plan.database_port),
            "PGUSER": "admin",
            "PGDATABASE": DATABASE,
            "PGPASSFILE": os.path.join(plan.directory, "credentials", "admin.pgpass"),
            "PGCONNECT_TIMEOUT": "5",
        },
    }


def _engine(wanted: Wanted, plan: Plan, record: Record | None, machine: Machine) -> tuple[str, str]:
    if record and plan.engine == record.engine:
        return record.engine, f"{record.engine}, as {record_path(plan.directory)} remembers"
    if plan.engine:
        return plan.engine, f"{plan.engine}, as lab_engine says"
    if "citus" in machine.postgres.extensions:
        return "citus", f"citus: the PostgreSQL in {plan.postgres_bin} has the extension"
    return (
        "postgres_fdw",
        f"postgres_fdw: the PostgreSQL in {plan.postgres_bin} has no Citus (lab_postgres_bin names one that has)",
    )


def _target_reason(wanted: Wanted, record: Record | None, machine: Machine) -> str:
    unused = "".join(f" {variable} is not used by the target host." for variable in wanted.unused)
    if wanted.target == "host":
        return f"host, as lab_target says.{unused}"
    if record:
        reason = f"{record.target}, as {record_path(wanted.directory)} remembers."
    else:
        reason = "host: this release runs labs as processes of this machine."
    lacking = [] if machine.minikube else ["Minikube (https://minikube.sigs.k8s.io)"]
    if not machine.driver:
        lacking.append("Docker or Podman, running")
    install = f"; it will need {' and '.join(lacking)}" if lacking else "; this machine is ready"
    return f"{reason} The Minikube lab comes with a later release{install}.{unused}"


def _target_problems(wanted: Wanted, plan: Plan) -> list[Problem]:
    if plan.target == "host":
        return []
    return [
        Problem(
            "target-not-yet",
            f"lab_target is {plan.target}, which comes with a later release",
            "host: the lab's servers as processes of this machine, with the same tables and exercises",
            again(wanted.name, "lab", "lab_target", "host"),
        )
    ]


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
                f"look: ls -la {shlex.quote(wanted.directory)}; then choose another lab_directory",
            )
        ]
    if record_error and machine.folder.obstacle and wanted.purpose == "build":
        return []
    if record_error and wanted.purpose != "remove":
        return [
            Problem(
                "record-unreadable",
                f"{file}: {record_error}",
                "the record that the lab wrote when it was made",
                f"look: ls -l {shlex.quote(str(file))}; put it back from a copy, or, giving up the lab's data: "
                + run(wanted.name, "reset"),
            )
        ]
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
        command = "lab" if wanted.purpose == "build" else "status"
        way = (
            f"as root, e.g. sudo {run(wanted.name, command)}"
            if record.user == f"hc-{record.name}"
            else f"as {record.user}, e.g. sudo -u {record.user} {run(wanted.name, command)}"
        )
        problems.append(
            Problem(
                "record-user",
                f"the lab in {wanted.directory} runs as {record.user}; this run would use {plan.user}",
                "the user that made the lab",
                f"run it {way}; or choose another lab_directory",
            )
        )
    if wanted.purpose == "build":
        problems += _contradictions(wanted, record)
    return problems


def _unrecorded(wanted: Wanted, machine: Machine) -> list[Problem]:
    remains = machine.folder.kind == "remains"
    if remains and wanted.purpose != "remove":
        return [
            Problem(
                "record-missing",
                f"{wanted.directory} holds a lab's files, but no lab.json",
                "the record that the lab wrote when it was made",
                "put lab.json back from a copy, or, giving up the lab's data: " + run(wanted.name, "reset"),
            )
        ]
    if wanted.purpose == "use":
        return [
            Problem(
                "lab-missing",
                f"there is no lab in {wanted.directory}",
                "a lab that was made",
                run(wanted.name, "lab"),
            )
        ]
    return []


def _contradictions(wanted: Wanted, record: Record) -> list[Problem]:
    problems = []

    def contradiction(id_: str, variable: str, chosen: object, recorded: object) -> None:
        problems.append(
            Problem(
                id_,
                f"{variable} is {chosen}, but the lab was made with {recorded}",
                f"{recorded}, as {record_path(wanted.directory)} remembers",
                f"leave {variable} out ({run(wanted.name, 'lab')}); or, giving up the lab's data: "
                + again(wanted.name, "reset", variable, chosen),
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
    return problems


def _directory_problems(wanted: Wanted, plan: Plan, machine: Machine, identity: Identity) -> list[Problem]:
    if not wanted.directory:
        return []
    problems = []
    limit = 103 if identity.system == "Darwin" else 107
    room = limit - max(len(name) for name in SOCKETS) - 1
    length = len(os.fsencode(wanted.directory))
    elsewhere = "/srv/historia-clinica" if identity.root else identity.home
    shorter = again(wanted.name, "lab", "lab_directory", f"{elsewhere}/{wanted.name or 'lab'}")
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
                f"look: ls -ld {shlex.quote(machine.folder.nearest)}; or {shorter}",
            )
        )
    if machine.folder.blocked_by:
        problems.append(
            Problem(
                "directory-unreachable",
                f"{plan.user}, which runs the lab, may not enter {machine.folder.blocked_by}",
                "every folder on the way to the lab open to others (o+x)",
                f"look: ls -ld {shlex.quote(machine.folder.blocked_by)}; or {shorter}",
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
                again(wanted.name, "lab", "lab_database_port", DEFAULT_DATABASE_PORT),
            )
        )
    overlap = database and api and plan.api_port in plan.database_ports
    if overlap:
        free = _free_api_port(plan)
        problems.append(
            Problem(
                "ports-overlap",
                f"lab_api_port is {plan.api_port}, and the database has {plan.database_port} to {last} "
                "(coordinator, then one for each worker)",
                "a port of its own for the API",
                again(wanted.name, "lab", "lab_api_port", free),
            )
        )
    if database:
        problems += _taken_ports("lab_database_port", [*plan.database_ports], wanted, record, machine)
    if api and not overlap:
        problems += _taken_ports("lab_api_port", [plan.api_port], wanted, record, machine)
    return problems


def _taken_ports(
    variable: str, ports: list[int], wanted: Wanted, record: Record | None, machine: Machine
) -> list[Problem]:
    """The ports of one variable that others have."""
    free = machine.free_api_port if variable == "lab_api_port" else machine.free_database_port
    # A lab keeps its ports: what a new lab does by choosing another, one that is there must get back.
    other = again(wanted.name, "reset" if record else "lab", variable, free or "ANOTHER")
    if record:
        other = f"giving up the lab's data: {other}"
    others = [port for port in ports if not (port in machine.listeners and machine.listeners[port].own)]
    problems = []
    for neighbour in machine.neighbours:
        shared = [port for port in others if port in ports_of(neighbour)]
        if shared:
            numbers = ", ".join(str(port) for port in shared)
            problems.append(
                Problem(
                    "port-of-another-lab",
                    f"port {numbers} ({variable}) belongs to the lab {neighbour.name} in {neighbour.directory}",
                    "ports of its own for each lab",
                    other,
                )
            )
            others = [port for port in others if port not in shared]
    for listener in (machine.listeners[port] for port in others if port in machine.listeners):
        ways = [other, f"end it: kill {listener.pid}"] if listener.pid else [other]
        problems.append(
            Problem(
                "port-busy",
                f"port {listener.port} ({variable}) is in use by {listener}",
                "a port of 127.0.0.1 that nobody uses",
                "; or ".join(reversed(ways) if record else ways),
            )
        )
    return problems


def ports_of(lab: Record) -> list[int]:
    """Every port that a lab has."""
    return [*range(lab.database_port, lab.database_port + lab.workers + 1), lab.api_port]


def _free_api_port(plan: Plan) -> int:
    return DEFAULT_API_PORT if DEFAULT_API_PORT not in plan.database_ports else 18080


def _size_problems(plan: Plan, machine: Machine) -> list[Problem]:
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
                "see what uses it: ps aux | sort -rnk 4 | head; end what is not needed, or choose fewer workers",
            )
        )
    needed = DISK_BASE + DISK_PER_WORKER * plan.workers
    if machine.disk is not None and machine.disk < needed and not machine.folder.obstacle:
        problems.append(
            Problem(
                "disk-short",
                f"{machine.disk // MIB} MiB of disk are free at {machine.folder.nearest}",
                f"{needed // MIB} MiB for {plan.workers} workers",
                f"look: df -h {shlex.quote(machine.folder.nearest)}; make room, or choose a lab_directory elsewhere",
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
    if identity.python < OLDEST_PYTHON:
        problems.append(
            Problem(
                "python-old",
                "Python {}.{} runs the lab".format(*identity.python),
                "Python {}.{} or newer".format(*OLDEST_PYTHON),
                "install one (e.g. apt install python3.11 python3.11-venv), then: rm -rf .venv; make lab PYTHON=python3.11",
            )
        )
    if machine.runtime_blocked_by:
        problems.append(
            Problem(
                "runtime-unreachable",
                f"{plan.user}, which runs the lab, may not use {machine.runtime_blocked_by}, "
                f"on the way to {plan.runtime}/bin/python",
                "a Python that every user may run",
                f"look: ls -ld {shlex.quote(machine.runtime_blocked_by)}; take the system's: "
                + again(wanted.name, "lab", "runtime_python", "/usr/bin/python3"),
            )
        )
    if "postgres_bin" in wanted.refused:
        return problems
    own_wheel = Path(plan.runtime) in Path(plan.postgres_bin).parents
    if own_wheel and not machine.runtime_there:
        if not dry:
            problems.append(
                Problem(
                    "runtime-missing",
                    f"{plan.postgres_bin} is not there",
                    "the runtime's own PostgreSQL, or another that lab_postgres_bin names",
                    run(wanted.name, "lab") + " (it makes the runtime first)",
                )
            )
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
    another = again(wanted.name, "lab", "lab_postgres_bin", f"/usr/lib/postgresql/{OLDEST_POSTGRES + 1}/bin")
    wheel = "leave lab_postgres_bin out for the PostgreSQL that the lab brings"
    if postgres.missing:
        return [
            Problem(
                "postgres-missing",
                f"{folder} has no {', no '.join(postgres.missing)} that can be run",
                f"a folder with {', '.join(PROGRAMS)}",
                f"look: ls -l {shlex.quote(folder)}; {wheel}, or {another}",
            )
        ]
    if postgres.error:
        return [
            Problem(
                "postgres-broken",
                f"{folder}/postgres --version: {postgres.error}",
                "a PostgreSQL that runs here",
                f"try it: {shlex.quote(folder + '/postgres')} --version; {wheel}",
            )
        ]
    problems = []
    if postgres.blocked_by:
        problems.append(
            Problem(
                "postgres-unreachable",
                f"{plan.user}, which runs the servers, may not use {postgres.blocked_by}",
                f"programs that every user may run: each folder on the way to {folder} open to others (o+x)",
                f"look: ls -ld {shlex.quote(postgres.blocked_by)}; {wheel}",
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
                + f"; or, giving up the lab's data: {again(wanted.name, 'reset', 'lab_postgres_bin', folder)}",
            )
        )
    lacking = [name for name in NEEDED_EXTENSIONS[engine] if name not in postgres.extensions]
    if lacking:
        other_engine = (
            again(wanted.name, "lab", "lab_postgres_bin", "FOLDER_WITH_CITUS/bin")
            if engine == "citus"
            else "install the package that brings it (postgresql-contrib)"
        )
        alternative = ""
        if engine == "citus" and not record:
            alternative = "; or the same tables on stock PostgreSQL: " + again(
                wanted.name, "lab", "lab_engine", "postgres_fdw"
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


def report(name: str, problems: list[Problem]) -> str:
    """The one list that a person reads."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"The lab {shown(name)} cannot go on: {count}. Nothing of it was changed."]
    for number, problem in enumerate(problems, 1):
        lines += [
            f"{number}. {problem.id}: {problem.found}",
            f"   needed: {problem.needed}",
            f"   remedy: {problem.remedy}",
        ]
    return "\n".join(lines)
