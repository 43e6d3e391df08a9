"""Every failure of Minikube that was recorded is explained, with what to do."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import (
    HELP,
    explain,
    parse_events,
    parse_failure,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import Output
from support.minikube import recorded

FAILURES = {
    "start-memory-900g-json": (
        10,
        "RSRC_OVER_ALLOC_MEM",
        "more than your system limit 24105MB",
        "set minikube_memory to",
    ),
    "addons-enable-unknown": (10, "MK_ADDON_ENABLE", "nonsense is not a valid addon", "minikube addons list -p hc"),
    "start-kubernetes-bad-json": (14, "MK_USAGE", 'Unable to parse "banana"', "minikube_kubernetes_version"),
    "start-flag-unknown-json": (14, "", "unknown flag: --nonsense", "correct the setting"),
    "start-memory-1g-json": (23, "RSRC_INSUFFICIENT_REQ_MEMORY", "less than the usable minimum", "at least 1800m"),
    "start-cpus-1-json": (29, "RSRC_INSUFFICIENT_CORES", "less than the minimum allowed of 2", "at least 2"),
    "start-cpus-64-json": (
        29,
        "RSRC_INSUFFICIENT_CORES",
        "greater than the available cpus of 2",
        "no more than the machine",
    ),
    "start-kubernetes-too-new-json": (48, "INET_LOOKUP_HOST", "no such host", "HTTPS_PROXY"),
    "no-programs-json": (48, "INET_LOOKUP_HOST", "downloading kubectl", "check the network"),
    "concurrent-start-2-json": (50, "DRV_CP_ENDPOINT", "failed to lookup ip", "run this again"),
    "docker-down-start-no-driver-json": (55, "DRV_DOCKER_NOT_RUNNING", "Is the docker daemon running", "start Docker"),
    "no-permission-start-no-driver-json": (55, "DRV_NOT_HEALTHY", "connect: permission denied", "docker info"),
    "start-driver-unknown-json": (
        56,
        "DRV_UNSUPPORTED_OS",
        "'nonsense' is not supported",
        "set minikube_driver to docker",
    ),
    "root-start-json": (57, "DRV_AS_ROOT", "should not be used with root", "minikube_force: auto"),
    "docker-down-start-json": (
        63,
        "PROVIDER_DOCKER_NOT_RUNNING",
        "Cannot connect to the Docker daemon",
        "systemctl start docker",
    ),
    "no-docker-client-start-json": (
        65,
        "PROVIDER_DOCKER_NOT_FOUND",
        "executable file not found",
        "install Docker: https://",
    ),
    "start-driver-podman-missing-json": (
        65,
        "PROVIDER_PODMAN_NOT_FOUND",
        '"podman": executable',
        "install the driver's program",
    ),
    "no-permission-start-json": (69, "PROVIDER_DOCKER_NEWGRP", "permission denied", "usermod -aG docker"),
    "no-base-image-json": (80, "GUEST_PROVISION", "Unable to find image 'localhost/none:1'", "minikube delete -p hc"),
    "broken-engine-start-json": (80, "GUEST_PROVISION", "could not find bridge docker0", "run this again"),
    "changed-driver-json": (
        81,
        "GUEST_DRIVER_MISMATCH",
        'created using the "docker" driver',
        "set minikube_driver to the one",
    ),
    "docker-down-stop": (82, "GUEST_STOP_TIMEOUT", "Unable to stop VM", "docker info"),
    "changed-runtime-json": (90, "RUNTIME_ENABLE", "docker not running", "minikube start -p hc --container-runtime"),
    "changed-kubernetes-lower-json": (
        106,
        "K8S_DOWNGRADE_UNSUPPORTED",
        "Unable to safely downgrade",
        "minikube_kubernetes_version",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failure_is_explained(name: str) -> None:
    """Exit code, Minikube's name and reason for it, and what to do here; no template that was never filled in."""
    rc, reason, message, helps = FAILURES[name]
    output = recorded(name)
    text = explain(output, "hc")
    assert output.rc == rc
    assert text.startswith(f"{output.command} ended with exit code {rc}{f' ({reason})' if reason else ''}: ")
    lines = text.splitlines()
    assert message in lines[0]
    assert lines[-1].startswith("Fix: ")
    assert helps in lines[-1]
    assert not re.search(r"\{\{|<no value>|╭|\{profile", text)
    assert max(map(len, lines)) < 800


def test_failure_tells_minikubes_advice_where_it_is_one() -> None:
    """With its address; a template is none."""
    text = explain(recorded("docker-down-start-json"), "hc")
    assert "Minikube advises: Start the Docker service https://minikube.sigs.k8s.io/docs/drivers/docker/" in text
    assert "advises" not in explain(recorded("concurrent-start-2-json"), "hc")


def test_failure_of_every_documented_exit_code_is_tried() -> None:
    """Each code that has an answer of its own has a recorded run here."""
    assert {code for code in HELP if isinstance(code, int)} == {failure[0] for failure in FAILURES.values()}


def test_failure_of_an_unknown_code_takes_its_family() -> None:
    """Minikube's codes go by tens."""
    assert "minikube_cpus" in explain(Output("minikube start", 26, ""), "hc")
    assert "minikube logs -p hc" in explain(Output("minikube start", 119, ""), "hc")


def test_failure_by_time_or_signal_tells_the_last_step() -> None:
    """A start that hung was doing something."""
    hung = recorded("container-removed-start-json")
    text = explain(replace(hung, rc=-15, late=200), "hc")
    assert "did not end within 200 s and was stopped" in text
    assert "its last step was: Enabled addons" in text
    assert "minikube_timeout" in text
    assert "was ended by signal 9" in explain(replace(hung, rc=-9), "hc")


def test_errors_in_a_run_that_succeeded_are_none() -> None:
    """With --force there are events with an exit code, and it goes on all the same."""
    output = recorded("root-force-cpus-1-json")
    assert output.rc == 0
    assert any(event.get("exitcode") for event in parse_events(output.stdout))
    assert parse_failure(replace(output, rc=-9)).name == ""
    assert parse_failure(output).name == ""
