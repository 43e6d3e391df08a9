"""Every way from one student's lab to another's on one host, to be tried by the one who should not get through."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import stat
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

#: A way: what is tried, and how; it is open where that raises nothing.
Way = tuple[str, Callable[[], object]]
LOGINS = ("admin", "middleware", "api", "readonly", "replication")


@dataclass(frozen=True)
class Own:
    """What somebody has who tries: a lab of his own.

    Attributes:
        user: as whom his processes run.
        port: of his database.
        api_port: of his API.
        passwords: those of his lab's logins.
        log_in: what logs in to his API, as JSON.
        token: what his API gave for that.
    """

    user: str
    port: int
    api_port: int
    passwords: dict[str, str]
    log_in: bytes
    token: str


@dataclass(frozen=True)
class Other:
    """The lab of somebody else, as root sees it.

    Attributes:
        user: as whom its processes run.
        directory: where it is.
        ports: of its servers.
        api_port: of its API.
        places: every directory, file and socket of it.
        processes: the numbers of its processes.
        secrets: what may stand in no command line.
        memory: its shared memory.
    """

    user: str
    directory: Path
    ports: tuple[int, ...]
    api_port: int
    places: tuple[tuple[str, int], ...]
    processes: tuple[int, ...]
    secrets: tuple[str, ...]
    memory: tuple[str, ...]


def seen(user: str, directory: Path, ports: tuple[int, ...], api_port: int) -> Other:
    """Look at a lab, as root, so that whoever tries need not find anything out."""
    found = [(str(directory), directory.lstat().st_mode)]
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name not in ("base", "__pycache__")]  # as thousands of their kind
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            found.append((path, os.lstat(path).st_mode))
    uid = pwd.getpwnam(user).pw_uid
    secrets = [
        path.read_text(encoding="utf-8").rpartition(":")[2].strip() for path in (directory / "credentials").iterdir()
    ]
    memory = [str(path) for path in Path("/dev/shm").iterdir() if path.stat().st_uid == uid]
    processes = [process.pid for process in psutil.process_iter() if process.uids().real == uid]
    return Other(
        user, directory, ports, api_port, tuple(found), tuple(processes), tuple(filter(None, secrets)), tuple(memory)
    )


def ways(own: Own, other: Other, registry: Path) -> Iterator[Way]:
    """Everything that is tried."""
    yield from files(other)
    yield from _processes(other)
    yield from databases(own, other)
    yield from _through_the_own_database(own, other)
    yield from apis(own, other)
    name = other.directory.name
    for place in (registry, registry / name, registry / f".{name}.run", registry.parent / "runtime"):
        yield f"write {place}", lambda place=place: _write(place)  # type: ignore[misc]
    for path in other.memory:
        yield f"shared memory {path}", lambda path=path: Path(path).read_bytes()  # type: ignore[misc]


def open_ways(tried: Iterator[Way]) -> tuple[int, list[str]]:
    """How many ways were tried, and which of them are open."""
    count, found = 0, []
    for what, attempt in tried:
        count += 1
        try:
            attempt()
        except (OSError, psycopg.Error, ClosedError):
            continue
        found.append(what)
    return count, found


class ClosedError(Exception):
    """Nothing was gained."""


def _write(place: Path | str) -> None:
    """Write to a file, or into a directory."""
    if os.path.isdir(place):
        path = os.path.join(place, "intruder")
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
        os.unlink(path)
    else:
        os.close(os.open(place, os.O_WRONLY | os.O_NONBLOCK))


def _connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as attempt:
        attempt.connect(path)


def files(other: Other) -> Iterator[Way]:
    """To what the lab has on the disk."""
    for path, mode in other.places:
        if stat.S_ISSOCK(mode):
            yield f"connect to {path}", lambda path=path: _connect(path)  # type: ignore[misc]
            continue
        if stat.S_ISDIR(mode):
            yield f"list {path}", lambda path=path: os.listdir(path)  # type: ignore[misc]
        else:
            yield f"read {path}", lambda path=path: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))  # type: ignore[misc]
        yield f"write {path}", lambda path=path: _write(path)  # type: ignore[misc]


def _processes(other: Other) -> Iterator[Way]:
    for pid in other.processes:
        for name in ("environ", "mem", "maps"):
            yield (
                f"read /proc/{pid}/{name}",
                lambda pid=pid, name=name: os.read(  # type: ignore[misc]
                    os.open(f"/proc/{pid}/{name}", os.O_RDONLY), 1
                ),
            )
        yield f"list the files that {pid} has open", lambda pid=pid: os.listdir(f"/proc/{pid}/fd")  # type: ignore[misc]
        yield f"enter the directory of {pid}", lambda pid=pid: os.readlink(f"/proc/{pid}/cwd")  # type: ignore[misc]
        # It does nothing to a process that runs.
        yield f"signal {pid}", lambda pid=pid: os.kill(pid, signal.SIGCONT)  # type: ignore[misc]
        yield f"a secret in the arguments of {pid}", lambda pid=pid: _argued(pid, other.secrets)  # type: ignore[misc]


def _argued(pid: int, secrets: tuple[str, ...]) -> None:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    if not any(secret in words for secret in secrets):
        raise ClosedError


def databases(own: Own, other: Other) -> Iterator[Way]:
    """To the servers, with what one has."""
    for port in other.ports:
        for login in LOGINS:
            for which, password in (("no", ""), ("his own", own.passwords.get(login, "x"))):
                yield (
                    f"log in to port {port} as {login} with {which} password",
                    lambda port=port, login=login, password=password: _logged_in(port, login, password),  # type: ignore[misc]
                )


def _logged_in(port: int, login: str, password: str) -> None:
    psycopg.connect(
        host="127.0.0.1",
        port=port,
        user=login,
        password=password or None,
        passfile="/nowhere",
        dbname="historia_clinica",
        connect_timeout=5,
    ).close()


def _through_the_own_database(own: Own, other: Other) -> Iterator[Way]:
    """As the superuser of his own database, which is the same account."""
    passwords = other.directory / "credentials/admin.pgpass"
    there = f"host=127.0.0.1 port={other.ports[0]} dbname=historia_clinica user=admin"
    for statement in (
        f"SELECT pg_read_file('{passwords}')",
        f"SELECT pg_ls_dir('{other.directory}')",
        f"CREATE TEMPORARY TABLE seen (line text); COPY seen FROM PROGRAM 'cat {passwords}'",
        f"CREATE TEMPORARY TABLE seen (line text); COPY seen FROM PROGRAM 'kill -0 {other.processes[0]} && echo yes'",
        f"CREATE EXTENSION IF NOT EXISTS dblink; SELECT * FROM dblink('{there}', 'SELECT 1') AS seen(one int)",
        f"CREATE EXTENSION IF NOT EXISTS dblink; SELECT * FROM dblink('{there} password={own.passwords['admin']}',"
        " 'SELECT 1') AS seen(one int)",
    ):
        yield f"in his own database: {statement}", lambda statement=statement: _asked(own, statement)  # type: ignore[misc]


def _asked(own: Own, statement: str) -> None:
    with psycopg.connect(
        host="127.0.0.1", port=own.port, user="admin", password=own.passwords["admin"], dbname="historia_clinica"
    ) as connection:
        connection.execute(statement.encode())
        connection.rollback()


def apis(own: Own, other: Other) -> Iterator[Way]:
    """To the API, with what one has."""
    base = f"http://127.0.0.1:{other.api_port}/api/v1"
    mine = {"Authorization": f"Bearer {own.token}"}
    yield "log in to the API as himself", lambda: _fetched(f"{base}/sesiones", {}, own.log_in)
    for path in ("pacientes", "consultas", "usuarios", "accesos", "cluster", "medicos"):
        yield f"GET {path} without a token", lambda path=path: _fetched(f"{base}/{path}", {})  # type: ignore[misc]
        yield f"GET {path} with his token", lambda path=path: _fetched(f"{base}/{path}", mine)  # type: ignore[misc]


def _fetched(url: str, headers: dict[str, str], body: bytes | None = None) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})  # noqa: S310
    urllib.request.urlopen(request, timeout=20).close()  # noqa: S310 # http, of this machine


def token(port: int, log_in: bytes) -> str:
    """What an API gives for a log-in."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/sesiones", log_in, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 # http, of this machine
        return str(json.load(answer)["token"])
