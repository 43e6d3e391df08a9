"""Minikube's own program, run for one profile."""

from __future__ import annotations

import os
import re

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.client import Minikube, start_arguments
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import MinikubeError
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import Settings
from support.minikube import Replay


def test_start_arguments_of_a_new_profile_have_every_setting() -> None:
    """And wait for all of it."""
    settings = Settings("hc", "docker", "containerd", 2, 2200, "v1.34.4")
    assert start_arguments(settings, create=True, force=False, keep_context=True) == [
        "start",
        "--profile=hc",
        "--output=json",
        "--interactive=false",
        "--wait=all",
        "--keep-context=true",
        "--force=false",
        "--container-runtime=containerd",
        "--cpus=2",
        "--memory=2200m",
        "--driver=docker",
        "--kubernetes-version=v1.34.4",
    ]


def test_start_arguments_of_one_that_is_there_change_nothing_of_it() -> None:
    """A wrong runtime would be saved and break it."""
    arguments = start_arguments(Settings("hc", "podman"), create=False, force=True, keep_context=False)
    assert not [
        argument for argument in arguments if re.match("--(driver|container-runtime|cpus|memory|kub)", argument)
    ]
    assert {"--force=true", "--keep-context=false", "--wait=all"} <= set(arguments)


def test_minikube_demand_fails_with_the_explanation(replay: Replay) -> None:
    """The one way in which a command that has to succeed fails."""
    replay.says(start="docker-down-start-json")
    with pytest.raises(MinikubeError, match="PROVIDER_DOCKER_NOT_RUNNING"):
        Minikube(str(replay.folder / "bin/minikube"), "minikube", os.environ).demand("start")
