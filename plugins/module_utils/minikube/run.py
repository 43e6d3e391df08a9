# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""How a program of Minikube's is run, and what it said."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Folders that programs are put into, and that the PATH of an SSH session or a service may lack.
FOLDERS = ("/usr/local/bin", "/opt/homebrew/bin", "/snap/bin")


@dataclass(frozen=True)
class Output:
    """A command that ended.

    Attributes:
        command: as a person would type it.
        rc: its exit code; negative: the signal that ended it.
        stdout: what it printed.
        stderr: what it printed as errors.
        late: it was ended after this many seconds; 0 where it ended by itself.
    """

    command: str
    rc: int
    stdout: str
    stderr: str = ""
    late: float = 0


def program_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment that programs run in: a PATH that has the usual folders, and messages in one language."""
    path = environment.get("PATH", os.defpath).split(os.pathsep)
    home = environment.get("HOME")
    folders = [*FOLDERS, *([f"{home}/.local/bin", f"{home}/bin"] if home else [])]
    path += [folder for folder in folders if folder not in path]
    return {**environment, "PATH": os.pathsep.join(path), "LC_ALL": "C", "MINIKUBE_IN_STYLE": "false"}


def minikube_home(environment: Mapping[str, str]) -> Path:
    """Where Minikube keeps its profiles."""
    home = environment.get("MINIKUBE_HOME", "")
    place = Path(home) if home else Path(environment.get("HOME") or os.path.expanduser("~"))
    return place if home and place.name == ".minikube" else place / ".minikube"


def run_command(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> Output:
    """Run a program to its end, or for so many seconds.

    Args:
        command: the program and its arguments.
        environment: all of its environment.
        seconds: how long it may take.

    Raises:
        OSError: it cannot be run.
    """
    # Files, not pipes: a pipe stays open as long as any grandchild lives.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        late: float = 0
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            late = seconds
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    name = " ".join([os.path.basename(command[0]), *map(shlex.quote, command[1:])])
    return Output(name, process.returncode, texts[0], texts[1], late)
