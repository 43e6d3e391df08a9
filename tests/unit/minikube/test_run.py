"""How Minikube's programs are run."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import (
    minikube_home,
    program_environment,
    run_command,
)


def test_home_is_where_minikube_has_it() -> None:
    """MINIKUBE_HOME with and without its last folder."""
    assert minikube_home({"HOME": "/home/ana"}) == Path("/home/ana/.minikube")
    assert minikube_home({"HOME": "/home/ana", "MINIKUBE_HOME": "/data"}) == Path("/data/.minikube")
    assert minikube_home({"MINIKUBE_HOME": "/data/.minikube"}) == Path("/data/.minikube")


def test_environment_finds_the_usual_folders_behind_the_path() -> None:
    """An SSH session's PATH may be short."""
    path = program_environment({"PATH": "/bin", "HOME": "/home/ana"})["PATH"].split(":")
    assert path[0] == "/bin"
    assert {"/usr/local/bin", "/opt/homebrew/bin", "/home/ana/.local/bin"} <= set(path)


def test_command_that_takes_too_long_is_ended() -> None:
    """With what it printed until then, though a grandchild still holds its output."""
    command = ["/bin/sh", "-c", "echo here; sleep 2 & sleep 30"]
    output = run_command(command, os.environ, 0.3)
    assert (output.stdout, output.late) == ("here\n", 0.3)
    assert output.rc < 0
