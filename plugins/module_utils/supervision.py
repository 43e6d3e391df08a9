# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""One supervisord for each lab: its configuration, its life, and what it says of its programs.

Where root's lab runs as a user of its own, root writes the configuration, and that user does everything else: it alone talks with
supervisord, reads the logs and starts what is started (`Ownership.act`).

Needs the packages supervisor and psutil, which the runtime environment has.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from ansible_collections.aula.historia_clinica.plugins.module_utils.autostart import boot_path
from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    ensure_text,
    is_of_another_user,
    read_text,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.processes import sees

#: A program whose supervisord was killed: nobody starts it again.
UNSUPERVISED = "UNSUPERVISED"
#: What supervisord calls a program that is on its way or there.
ALIVE = ("STARTING", "RUNNING", "BACKOFF")


class SupervisionError(Exception):
    """The supervisor or one of its programs does not do what it should; the message says what helps."""


@dataclass(frozen=True)
class Program:
    """A program that a supervisor keeps alive.

    Attributes:
        name: its name, in lower case with hyphens.
        command: the program's absolute path and its arguments; it stays in the foreground.
        environment: variables beside the supervisor's own few.
        stop_signal: the signal that ends it in good order, without ``SIG``.
        stop_seconds: how long that may take before it is killed.
        priority: lower ones start first and stop last.
        ready: a command that ends with status 0 once the program serves; none where running is enough.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_seconds: int = 30
    priority: int = 100
    ready: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Places:
    """Where a lab's supervisor keeps what it has."""

    directory: str

    @property
    def config(self) -> str:
        """Supervisord's configuration file."""
        return os.path.join(self.directory, "config", "supervisord.conf")

    @property
    def programs(self) -> str:
        """The directory with one configuration file for each program."""
        return os.path.join(self.directory, "config", "programs")

    @property
    def socket(self) -> str:
        """The socket that supervisord answers on."""
        return os.path.join(self.directory, "run", "supervisor.sock")

    @property
    def log(self) -> str:
        """Supervisord's own log."""
        return os.path.join(self.directory, "logs", "supervisord.log")

    def program_log(self, name: str) -> str:
        """The log of one program."""
        return os.path.join(self.directory, "logs", f"{name}.log")


def escape(value: str) -> str:
    """A value as supervisord's configuration file wants it: it expands ``%``."""
    return value.replace("%", "%%")


def quoted(value: str) -> str:
    """The value of an environment variable as supervisord reads it: in double quotes, which it cannot escape.

    Raises:
        SupervisionError: the value holds a double quote.
    """
    if '"' in value:
        raise SupervisionError(f"supervisord cannot hand on a variable with a double quote in it: {value}")
    return f'"{value}"'


def supervisor_config(places: Places) -> str:
    """The text of supervisord's configuration."""
    return f"""\
# Made by Ansible. Look at the programs with:
#   {shlex.quote(sys.executable)} -m supervisor.supervisorctl -c {shlex.quote(places.config)} status
[unix_http_server]
file = {escape(places.socket)}
chmod = 0700

[supervisord]
logfile = {escape(places.log)}
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = {escape(os.path.join(places.directory, "run", "supervisord.pid"))}
childlogdir = {escape(os.path.join(places.directory, "logs"))}
umask = 077

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{escape(places.socket)}

[include]
files = programs/*.conf
"""


def program_config(places: Places, program: Program) -> str:
    """The text of one program's configuration."""
    pairs = (f"{key}={quoted(value)}" for key, value in sorted(program.environment.items()))
    return f"""\
[program:{program.name}]
command = {escape(shlex.join(program.command))}
environment = {escape(",".join(pairs))}
directory = {escape(places.directory)}
priority = {program.priority}
autostart = true
autorestart = true
startsecs = 1
startretries = 30
stopsignal = {program.stop_signal}
stopwaitsecs = {program.stop_seconds}
killasgroup = true
redirect_stderr = true
stdout_logfile = {escape(places.program_log(program.name))}
stdout_logfile_maxbytes = 5MB
stdout_logfile_backups = 1
"""


class Supervisor:
    """A lab's supervisord, running or not."""

    def __init__(self, places: Places, owner: Ownership) -> None:
        self.places = places
        self.owner = owner

    @property
    def environment(self) -> dict[str, str]:
        """Few variables, known ones: whatever the caller's environment holds stays out of the lab's processes."""
        return {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONUTF8": "1", "HOME": self.places.directory}

    @property
    def rpc(self) -> Any:
        """Supervisord's calls, on a connection of their own: the transport does not recover from one that failed."""
        transport = SupervisorTransport(None, None, f"unix://{self.places.socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def is_running(self) -> bool:
        """Whether supervisord answers."""
        try:
            self.rpc.getState()
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False
        return True

    def states(self) -> dict[str, dict[str, Any]]:
        """What supervisord says of each program, by name; nothing where it does not run."""
        if not self.is_running():
            return {}
        return {info["name"]: info for info in self.rpc.getAllProcessInfo()}

    def differences(self, programs: list[Program]) -> dict[str, tuple[str, str]]:
        """Configuration files whose text, owner or mode is not the wanted one: path to the text that is found, and the wanted one."""
        wanted = {self.places.config: supervisor_config(self.places)}
        for program in programs:
            path = os.path.join(self.places.programs, f"{program.name}.conf")
            wanted[path] = program_config(self.places, program)
        found = {}
        for path, text in wanted.items():
            if ensure_text(path, text, self.owner.mode(0o600), self.owner.readable, write=False):
                try:
                    found[path] = (read_text(path) or "", text)
                except (OSError, ValueError):  # something else is in its place, and no business of this process'
                    found[path] = ("", text)
        return found

    def write(self, differences: dict[str, tuple[str, str]]) -> None:
        """Write the configuration files that differ, and make the directories that supervisord needs."""
        for path in (os.path.dirname(self.places.config), self.places.programs):
            ensure_directory(path, self.owner.mode(0o700), self.owner.readable)
        for path in (os.path.dirname(self.places.socket), os.path.dirname(self.places.log)):
            ensure_directory(path, 0o700, self.owner)
        for path, (_, text) in differences.items():
            ensure_text(path, text, self.owner.mode(0o600), self.owner.readable)
        self._take_over()

    def _take_over(self) -> None:
        """Let the other programs' files be the maker's too, as they are; of labs that were made before, they are their user's."""
        with os.scandir(self.places.programs) as entries:
            paths = [entry.path for entry in entries if entry.name.endswith(".conf")]
        for path in paths:
            try:
                text = read_text(path)
            except (OSError, ValueError):  # a link of the user's, which supervisord could not read either
                os.unlink(path)
            else:
                ensure_text(path, text or "", self.owner.mode(0o600), self.owner.readable)

    def start(self) -> None:
        """Start supervisord, which starts its programs.

        Processes that an earlier supervisord left behind when it was killed are ended first: they hold the ports.

        Raises:
            SupervisionError: it does not start.
        """
        self.end_left()
        self.forget_dead_servers()
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", self.places.config],
            capture_output=True,
            text=True,
            cwd="/",
            env=self.environment,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise SupervisionError(f"supervisord does not start: {said[0]}; see {self.places.log}")
        wait_for(self.is_running, 10, f"supervisord does not answer; see {self.places.log}")

    def stop(self) -> None:
        """Stop all programs, then supervisord itself, and wait until all of them have ended.

        Raises:
            SupervisionError: it is still there after a minute.
        """
        if self.is_running():
            own = psutil.Process(self.rpc.getPID())
            self.rpc.stopAllProcesses()
            self.rpc.shutdown()
            wait_for(lambda: is_over(own), 60, f"supervisord ({own.pid}) does not end")
        self.end_left()

    def apply(self) -> list[str]:
        """Take over the configuration files: new programs are started, changed ones restarted.

        Returns:
            The names of the programs that this started or restarted.
        """
        added, changed, removed = self.rpc.reloadConfig()[0]
        for name in [*removed, *changed]:
            self.rpc.stopProcessGroup(name)
            self.rpc.removeProcessGroup(name)
        for name in [*added, *changed]:
            self.rpc.addProcessGroup(name)
        return [*added, *changed]

    def lingering(self) -> list[str]:
        """Servers that were told to end (SIGTERM) and wait for their clients to leave, meanwhile letting nobody in."""
        return [name for name, info in self.states().items() if _lingers(info["pid"])]

    def end_lingering(self, names: list[str]) -> None:
        """End servers without waiting for their clients; supervisord starts them again."""
        for name in names:
            with contextlib.suppress(xmlrpc.client.Fault):  # the last client has left since
                self.rpc.signalProcess(name, "INT")

    def restart(self, name: str) -> None:
        """Stop one program in good order and start it."""
        with contextlib.suppress(xmlrpc.client.Fault):  # it does not run
            self.rpc.stopProcess(name)
        self.rpc.startProcess(name, False)

    def wait_until_ready(self, programs: list[Program], seconds: float) -> None:
        """Wait until each program serves.

        Raises:
            SupervisionError: one does not; with its state and the last lines of its log.
        """
        limit = time.monotonic() + seconds
        for program in programs:
            while not self._is_ready(program):
                state = self.rpc.getProcessInfo(program.name)
                if state["statename"] == "FATAL" or time.monotonic() > limit:
                    log = self.places.program_log(program.name)
                    raise SupervisionError(
                        f"{program.name} is not ready: {state['statename']}"
                        f" ({state['spawnerr'] or state['description']}). Last lines of {log}:\n{tail(log)}"
                    )
                time.sleep(0.05)

    def _is_ready(self, program: Program) -> bool:
        if self.rpc.getProcessInfo(program.name)["statename"] not in ALIVE:
            return False
        if not program.ready:
            return True
        done = subprocess.run(program.ready, capture_output=True, check=False, cwd="/", env=self.environment)
        return done.returncode == 0

    def left(self) -> dict[int, psutil.Process]:
        """What runs of this lab while no supervisord answers: one that hangs, or has lost its socket; programs of one that is gone.

        supervisord tells each program its own address in the environment, which is how they are known.
        """
        address = f"unix://{self.places.socket}"
        found = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                command = process.cmdline()
                named = {word.rpartition("=")[2] for word in command}
                keeper = "supervisor.supervisord" in command and self.places.config in named
                if (keeper or process.environ().get("SUPERVISOR_SERVER_URL") == address) and sees(
                    process.pid, self.places.directory
                ):
                    found[process.pid] = process
        return found

    def end_left(self) -> bool:
        """End what runs of this lab while no supervisord answers; whether there was something.

        Raises:
            SupervisionError: something does not end.
        """
        found = self.left()
        # A supervisord comes first: it would start the others again.
        top = [process for process in found.values() if process.ppid() not in found]
        for process in top:
            with contextlib.suppress(psutil.NoSuchProcess):
                # A server, or what runs one, ends in good order on SIGINT (fast shutdown); everything else here on SIGTERM.
                server = any(os.path.basename(word) == "postgres" for word in process.cmdline())
                process.send_signal(signal.SIGINT if server else signal.SIGTERM)
        alive = wait_until_over(list(found.values()), 30)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        alive = wait_until_over(alive, 5)
        if alive:
            raise SupervisionError(f"still there after a kill: {', '.join(str(process.pid) for process in alive)}")
        return bool(found)

    def forget_dead_servers(self) -> None:
        """Remove the lock files of servers that ended with the machine.

        A lab without its program `boot.py` has no servers yet.

        Raises:
            SupervisionError: that does not go.
        """
        program = boot_path(self.places.directory)
        if not os.path.exists(program):
            return
        done = subprocess.run(
            [sys.executable, program, f"--directory={self.places.directory}", "--forget"],
            capture_output=True,
            text=True,
            cwd="/",
            env=self.environment,
            check=False,
        )
        if done.returncode:
            raise SupervisionError(
                (done.stderr.strip().splitlines() or ["the lock files of the servers cannot be read"])[-1]
            )

    def report(self) -> list[dict[str, Any]]:
        """One row for supervisord and one for each program; none where nothing of the lab runs.

        Where supervisord is gone and its programs are not, its state is ``GONE`` and theirs is ``UNSUPERVISED``.

        Returns:
            Rows of ``name``, ``state``, ``pid`` (0: none), ``uptime_seconds`` and ``memory_bytes``, the share of the
            memory that is the process' own and its children's (PSS; where the system does not tell it, USS).
        """
        if not self.is_running():
            programs = {}
            for pid, process in self.left().items():
                with contextlib.suppress(psutil.Error, OSError):
                    if name := process.environ().get("SUPERVISOR_PROCESS_NAME"):
                        programs[pid] = (name, process.ppid())
            names = {name: pid for pid, (name, parent) in programs.items() if parent not in programs}
            gone = [_row("supervisord", "GONE", 0, children=False)] if names else []
            return [*gone, *(_row(name, UNSUPERVISED, pid, children=True) for name, pid in sorted(names.items()))]
        own = self.rpc.getPID()
        rows = [_row("supervisord", "RUNNING", own, children=False)]
        rows += [
            _row(name, info["statename"], info["pid"], children=True) for name, info in sorted(self.states().items())
        ]
        return rows


@contextlib.contextmanager
def locked(places: Places, owner: Ownership, write: bool = True) -> Iterator[None]:
    """Keep two runs from working on one lab's supervisor at the same time: the second waits.

    The lock lies with the configuration, where the lab's user can neither take it nor replace it.
    """
    path = os.path.dirname(places.config)
    if is_of_another_user(places.directory):
        # As root's labs were before; the next `make lab` makes it root's, and until then root puts nothing into it.
        descriptor = os.open(places.directory, os.O_RDONLY | os.O_DIRECTORY)
    elif ensure_directory(path, owner.mode(0o700), owner.readable, write) and not os.path.isdir(path):
        yield  # a check of what is not there
        return
    else:
        descriptor = os.open(os.path.join(path, ".lock"), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def wait_for(condition: Any, seconds: float, message: str) -> None:
    """Wait until a condition holds.

    Raises:
        SupervisionError: with the message, when it does not in time.
    """
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise SupervisionError(message)
        time.sleep(0.05)


def is_over(process: psutil.Process) -> bool:
    """Whether a process has ended. A zombie counts as ended: in some containers PID 1 does not reap."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


def wait_until_over(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until processes have ended; those that have not in time."""
    limit = time.monotonic() + seconds
    while (alive := [process for process in processes if not is_over(process)]) and time.monotonic() < limit:
        time.sleep(0.05)
    return alive


def tail(path: str, lines: int = 10) -> str:
    """The last lines of a text file; nothing where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:]).rstrip()
    except OSError:
        return ""


def _lingers(pid: int) -> bool:
    """Whether a process is a PostgreSQL server on its way to its end."""
    with contextlib.suppress(psutil.Error, OSError, ValueError, IndexError):
        command = psutil.Process(pid).cmdline()
        data = command[command.index("-D") + 1]
        with open(os.path.join(data, "postmaster.pid"), encoding="utf-8") as file:
            return file.read().splitlines()[7].strip() == "stopping"  # the eighth line is its state
    return False


def _row(name: str, state: str, pid: int, *, children: bool) -> dict[str, Any]:
    row = {"name": name, "state": state, "pid": pid, "uptime_seconds": 0, "memory_bytes": 0}
    with contextlib.suppress(psutil.Error):
        if pid:
            process = psutil.Process(pid)
            row["uptime_seconds"] = int(time.time() - process.create_time())
            family = [process, *(process.children(recursive=True) if children else [])]
            row["memory_bytes"] = sum(_memory(member) for member in family)
    return row


def _memory(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.uss))
    return 0
