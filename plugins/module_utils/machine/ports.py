# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The ports of a lab: which are free, and whose the others are."""

from __future__ import annotations

import errno
import os
import platform
import re
import socket
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.directory import read_as_user
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.identity import user_name
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.system import (
    number_in,
    output_of,
    read_text,
    word_after,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import Listener
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.plan import Plan

if TYPE_CHECKING:  # an old Python cannot write it
    #: The user and the processes that have a port, by port, as far as they can be seen.
    Owners = dict[int, tuple[int | None, frozenset[int]]]

ADDRESS = "127.0.0.1"
#: Seconds for which a port that only a connection has is tried again: most connections end.
PATIENCE = 15.0


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
    said = read_text("/proc/sys/net/ipv4/ip_local_port_range").split()
    if not said:
        names = ("net.inet.ip.portrange.first", "net.inet.ip.portrange.last")
        said = output_of(["sysctl", "-n", *names]).split()
    return range(int(said[0]), int(said[1]) + 1) if len(said) == 2 and "".join(said).isdigit() else range(0)


def reserved_ports() -> str | None:
    """Which of them it keeps, as Linux writes it; None where there is no such setting."""
    path = "/proc/sys/net/ipv4/ip_local_reserved_ports"
    return read_text(path).strip() if os.path.exists(path) else None


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
    for line in (read_text("/proc/net/tcp") + read_text("/proc/net/tcp6")).splitlines():
        fields = line.split()
        # Columns of proc(5): local address, state (0A: listening), uid, inode.
        if len(fields) < 10 or fields[0] == "sl" or (fields[3] == "0A") != listening:
            continue
        address, hexadecimal = fields[1].rsplit(":", 1)
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
    answer = output_of(["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpu"])
    uid = re.search(r"^u(\d+)", answer, re.MULTILINE)
    pids = re.findall(r"^p(\d+)", answer, re.MULTILINE)
    return int(uid.group(1)) if uid else None, frozenset(int(pid) for pid in pids)


def _process_name(pid: int) -> str:
    """A process's short name. Its arguments are not shown: they may hold somebody's secret."""
    name = read_text(f"/proc/{pid}/comm") or output_of(["ps", "-o", "comm=", "-p", str(pid)])
    return os.path.basename(name.strip())


def _is_own_server(plan: Plan, port: int, uid: int | None, pids: frozenset[int]) -> bool:
    """Whether a port is a server's of this lab: it wrote port and process into its data directory."""
    for node in plan.nodes:
        if node["port"] != port:
            continue
        path = os.path.join(plan.directory, "data", str(node["name"]), "postmaster.pid")
        lines = read_as_user(plan, path).splitlines()
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
    text = read_text(f"/proc/{pid}/cmdline")
    if text:
        return text.split("\0")
    # Elsewhere than on Linux: a path with spaces comes in pieces, of which the start is enough only without them.
    return output_of(["ps", "-ww", "-o", "args=", "-p", str(pid)]).split()


def _parent(pid: int) -> int | None:
    found = word_after("PPid:", read_text(f"/proc/{pid}/status"))
    return number_in(found or output_of(["ps", "-o", "ppid=", "-p", str(pid)]).strip())
