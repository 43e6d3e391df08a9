# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""A program that starts a lab after the machine has started, and becomes the lab's supervisor.

Every lab has it in its `bin`. After `make autostart` systemd, cron or launchd run it, with the runtime's Python (package psutil);
`make start` lets it forget dead servers. It needs neither Ansible nor a checkout.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import psutil

#: Docker takes its time after a start of the machine; a first start of Minikube's node takes a minute or two.
TRIES = 20
PAUSE_SECONDS = 15.0


def supervisor_config_path(directory: str) -> str:
    """Where a lab's supervisord finds what it has to run."""
    return os.path.join(directory, "config", "supervisord.conf")


def supervisor_socket(directory: str) -> str:
    """The socket that a lab's supervisord answers on."""
    return os.path.join(directory, "run", "supervisor.sock")


def supervisor_environment(directory: str) -> dict[str, str]:
    """What a lab's processes find in their environment: few variables, known ones, whatever the caller's holds."""
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONUTF8": "1", "HOME": directory}


def answers(path: str) -> bool:
    """Whether somebody listens at a socket of the file system."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        return client.connect_ex(path) == 0


def is_server_of(pid: int, directory: Path) -> bool:
    """Whether a process is the PostgreSQL server of a data directory."""
    try:
        return str(directory) in psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another user's: no server of this lab
        return False


def forget_dead_servers(directory: str) -> list[str]:
    """Remove the lock files of servers that ended with the machine.

    A number in one of them may be another process of this user by now: its server would refuse to start for ever.

    Returns:
        The nodes whose lock file was removed.

    Raises:
        OSError: a file cannot be removed.
    """
    removed = []
    for file in sorted(Path(directory, "data").glob("*/postmaster.pid")):
        first = file.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        if not (first.isdigit() and is_server_of(int(first), file.parent)):
            file.unlink()
            removed.append(file.parent.name)
    return removed


def run_until_well(command: Sequence[str], environment: dict[str, str], tries: int, pause: float) -> bool:
    """Run a command until it ends well.

    Returns:
        Whether it did within so many tries.
    """
    for number in range(tries):
        if number:
            time.sleep(pause)
        if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode == 0:
            return True
    return False


def become_supervisor(directory: str) -> NoReturn:
    """Let this process be the lab's supervisord, in the foreground."""
    supervisord = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--silent"]
    configuration = f"--configuration={supervisor_config_path(directory)}"
    sys.stdout.flush()
    os.chdir("/")
    os.execve(sys.executable, [*supervisord, configuration], supervisor_environment(directory))  # noqa: S606  # no shell is wanted


def main(arguments: list[str] | None = None) -> int:
    """Run the program: its exit code, unless it becomes the supervisor."""
    parser = argparse.ArgumentParser(prog="boot", description="Start a lab after the machine has started.")
    parser.add_argument("--directory", required=True, help="the lab's directory")
    parser.add_argument("--minikube", default="", help="the program minikube, for a lab whose pods run in a profile")
    parser.add_argument("--profile", default="", help="the profile")
    parser.add_argument("--kubeconfig", default="", help="the kubeconfig that has the profile's context")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable for minikube")
    parser.add_argument("--force", action="store_true", help="let root start Minikube")
    parser.add_argument("--forget", action="store_true", help="only remove the lock files of servers that are gone")
    options = parser.parse_args(arguments)
    if options.forget:
        forget_dead_servers(options.directory)
        return 0
    if answers(supervisor_socket(options.directory)):
        print("The lab runs already.")
        return 0
    if options.minikube:
        command = [options.minikube, "start", f"--profile={options.profile}", "--interactive=false", "--wait=all"]
        command += ["--keep-context=true", f"--force={str(options.force).lower()}"]
        variables = dict(pair.split("=", 1) for pair in options.set)
        environment = {**os.environ, "KUBECONFIG": options.kubeconfig, **variables}
        if not run_until_well(command, environment, TRIES, PAUSE_SECONDS):
            print(f"Minikube does not start; the playbook start says why. Tried: {' '.join(command)}", file=sys.stderr)
            return 1
    for node in forget_dead_servers(options.directory):
        print(f"{node} did not end in good order; it will recover.")
    become_supervisor(options.directory)


if __name__ == "__main__":
    sys.exit(main())
