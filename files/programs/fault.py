# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""A program that breaks one node of a lab for a while, and puts it right whatever becomes of who asked for it.

`make chaos` starts it as the lab's user, with the runtime's Python (packages psutil, psycopg, supervisor). It goes on by itself:
at the end of the time, or when it is told to end, it undoes what it did. Where it is killed too, `undo` does (`make start`,
`make lab`, the next `make chaos`). A lock says that one is under way, a file beside it what it did.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
from supervisor.xmlrpc import SupervisorTransport

#: What stays free of a disk that is filled: so many bytes, and such a share. No more than that is taken.
KEEP_BYTES = 1 << 30
KEEP_SHARE = 0.1
MOST_BYTES = 10 << 30
#: Seconds that a server is given to come back after it was told to.
BACK_SECONDS = 60
MIDDLEWARE = "middleware"
BUSY = 3


class FaultError(Exception):
    """It cannot be done, or not be undone; the message says why."""


class Lab:
    """A lab's directory, as this program finds things in it."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.state = self.directory / "run" / "fault.json"
        self.lock = self.directory / "run" / "fault.lock"
        self.ballast = self.directory / "data" / ".ballast"

    @property
    def supervisor(self) -> Any:
        """Supervisord's calls."""
        transport = SupervisorTransport(None, None, f"unix://{self.directory}/run/supervisor.sock")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def process(self, node: str) -> psutil.Process:
        """The process of a node's server, or of the service.

        Raises:
            FaultError: it does not run.
        """
        with contextlib.suppress(OSError, xmlrpc.client.Error, psutil.Error):
            pid = self.supervisor.getProcessInfo(node)["pid"]
            if pid:
                top = psutil.Process(pid)
                if node == MIDDLEWARE:
                    return top
                data = str(self.directory / "data" / node)
                for child in top.children():
                    if data in child.cmdline():
                        return child
        raise FaultError(f"{node} does not run")

    def restart(self, node: str) -> None:
        """Stop a program in good order, and start it."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self.supervisor.stopProcess(node)
        self.supervisor.startProcess(node, False)

    def ask(self, port: int, statement: str, seconds: float = 0) -> None:
        """Have a server run a statement, over its socket.

        Raises:
            FaultError: it does not answer within so many seconds.
        """
        limit = time.monotonic() + seconds
        while True:
            try:
                with psycopg.connect(
                    host=str(self.directory / "run"),
                    port=port,
                    user="admin",
                    dbname="postgres",
                    passfile=str(self.directory / "credentials" / "admin.pgpass"),
                    connect_timeout=5,
                    autocommit=True,
                ) as connection:
                    connection.execute(statement.encode())
                    return
            except psycopg.OperationalError as error:
                if time.monotonic() > limit:
                    raise FaultError(
                        f"the server at the port {port} does not answer over its socket: {error}"
                    ) from error
            time.sleep(0.1)  # a server does not tell when it answers again


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that it started."""
    return [process, *process.children(recursive=True)]


def signal_all(processes: list[psutil.Process], number: int) -> None:
    """Send a signal to those that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def ballast_bytes(total: int, free: int) -> int:
    """How much of a disk is taken: all but a bound that leaves the machine alive, and never more than MOST_BYTES.

    Raises:
        FaultError: less than the bound is free already.
    """
    keep = max(KEEP_BYTES, int(total * KEEP_SHARE))
    if free <= keep:
        raise FaultError(
            f"the disk has {free >> 20} MiB free, and {keep >> 20} MiB of it have to stay: nothing is left to fill"
        )
    return min(free - keep, MOST_BYTES)


def do(lab: Lab, fault: str, node: str, port: int) -> None:
    """Break a node.

    Raises:
        FaultError: that cannot be done; nothing is broken.
    """
    if fault == "kill":
        lab.process(node).kill()
    elif fault == "freeze":
        process = lab.process(node)
        process.suspend()  # first: it starts nothing any more
        signal_all(family(process)[1:], signal.SIGSTOP)
    elif fault == "cut" and node == MIDDLEWARE:
        lab.supervisor.stopProcess(node)
    elif fault == "cut":
        lab.ask(port, "ALTER SYSTEM SET listen_addresses = ''")
        lab.restart(node)
    else:
        disk = shutil.disk_usage(lab.directory)
        with lab.ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, ballast_bytes(disk.total, disk.free))


def undo(lab: Lab, fault: str, node: str, port: int) -> None:
    """Put a node right; done twice, it does nothing the second time.

    Raises:
        FaultError: it does not come back.
    """
    if fault == "freeze":
        with contextlib.suppress(FaultError):  # it has ended since
            process = lab.process(node)
            signal_all([*family(process)[1:], process], signal.SIGCONT)
    elif fault == "cut" and node == MIDDLEWARE:
        with contextlib.suppress(OSError, xmlrpc.client.Fault):  # it runs already, or nothing of the lab does
            lab.supervisor.startProcess(node, False)
    elif fault == "cut":
        running = True
        try:
            lab.process(node)
        except FaultError:
            running = False
        if running:
            lab.ask(port, "ALTER SYSTEM RESET listen_addresses", BACK_SECONDS)
            lab.restart(node)
        else:  # nobody else writes that file
            file = lab.directory / "data" / node / "postgresql.auto.conf"
            lines = [line for line in file.read_text().splitlines(True) if not line.startswith("listen_addresses")]
            file.write_text("".join(lines))
    elif fault == "fill":
        lab.ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(lab: Lab, seconds: float = 0) -> Iterator[None]:
    """Hold the lock of whoever breaks something.

    Raises:
        BlockingIOError: somebody else has it, for longer than so many seconds.
    """
    limit = time.monotonic() + seconds
    with lab.lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > limit:
                    raise
            time.sleep(0.05)  # a lock that is waited for has no limit of time
        yield


def undo_left(lab: Lab) -> bool:
    """Undo what one that was killed has left; whether there was something. The lock is held.

    Raises:
        FaultError: that does not go.
    """
    try:
        left = json.loads(lab.state.read_text())
    except (FileNotFoundError, ValueError):
        return False
    undo(lab, left["fault"], left["node"], left["port"])
    lab.state.unlink(missing_ok=True)
    return True


def hold(lab: Lab, fault: str, node: str, port: int, seconds: float) -> int:
    """Break a node, say so, and undo it after so many seconds or when told to end."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: over.set())
    try:
        with alone(lab):
            undo_left(lab)
            lab.process(node)
            new = lab.state.with_suffix(".new")
            new.write_text(json.dumps({"fault": fault, "node": node, "port": port, "pid": os.getpid()}))
            new.rename(lab.state)
            try:
                at = time.time()
                do(lab, fault, node, port)
                print(json.dumps({"at": at}), flush=True)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                if fault != "kill":  # there is nothing to undo
                    over.wait(seconds)
            finally:
                undo_left(lab)
    except BlockingIOError:
        print(json.dumps({"error": "a fault is under way: one at a time"}))
        return BUSY
    except (FaultError, OSError, psycopg.Error, psutil.Error, xmlrpc.client.Error) as error:
        print(json.dumps({"error": str(error).strip().partition("\n")[0]}))
        return 1
    return 0


def end(lab: Lab) -> int:
    """Undo a fault at once: have the one that is under way do it, or do it where that was killed."""
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError, BlockingIOError):
        pid = json.loads(lab.state.read_text())["pid"]
        try:
            with alone(lab):
                pass
        except BlockingIOError:  # it lives
            os.kill(pid, signal.SIGTERM)
    try:
        with alone(lab, 2 * BACK_SECONDS):
            undone = undo_left(lab)
    except (FaultError, OSError, psycopg.Error, psutil.Error, xmlrpc.client.Error) as error:
        print(json.dumps({"error": str(error).strip().partition("\n")[0]}))
        return 1
    print(json.dumps({"undone": undone}))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the program: its exit code."""
    parser = argparse.ArgumentParser(prog="fault", description="Break one node of a lab for a while.")
    parser.add_argument("--directory", required=True, help="the lab's directory")
    parser.add_argument("--undo", action="store_true", help="end the fault that is under way")
    parser.add_argument("--fault", choices=["kill", "freeze", "cut", "fill"])
    parser.add_argument("--node", help="a node's name, or middleware")
    parser.add_argument("--port", type=int, default=0, help="of the node's server")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args(arguments)
    lab = Lab(options.directory)
    if options.undo:
        return end(lab)
    return hold(lab, options.fault, options.node, options.port, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
