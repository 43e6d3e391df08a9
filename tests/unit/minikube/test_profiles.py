"""What Minikube says of its profiles, and what has to be done about it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.profiles import (
    Profile,
    Status,
    differences,
    next_step,
    parse_profiles,
    parse_status,
    report_differences,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import Output
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import Settings
from support.minikube import RUNNING, profile_of, recorded

WANTED = Settings(profile="minikube", cpus=2, memory=4096)
NEVER_DONE = replace(RUNNING, addons=None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("running-status-json", "running"),
        ("none-status-json", "absent"),
        ("stopped-status-json", "stopped"),
        ("container-killed-status-json", "stopped"),
        ("docker-restarted-status-json", "stopped"),
        ("interrupted-status-json", "partial"),
        ("kubelet-stopped-status-json", "partial"),
        ("paused-status-json", "paused"),
        ("container-removed-status-json", "gone"),
        ("docker-down-status-json", "unknown"),
        ("torn-status-json", "torn"),
        ("disk-full-status-json", "full"),
    ],
)
def test_status_is_read(name: str, kind: str) -> None:
    """Each recorded status has its kind."""
    assert parse_status(recorded(name)).kind == kind


def test_status_of_two_nodes_is_running_only_if_both_do() -> None:
    """A worker has no API server, and says so."""
    node = json.loads(recorded("running-status-json").stdout)
    worker = {**node, "APIServer": "Irrelevant", "Kubeconfig": "Irrelevant", "Worker": True}
    assert parse_status(Output("", 0, json.dumps([node, worker]))).kind == "running"
    worker["Kubelet"] = "Stopped"
    assert parse_status(Output("", 2, json.dumps([node, worker]))).kind == "partial"


def test_status_of_a_node_that_was_never_made_is_gone() -> None:
    """Another form of the same, of drivers whose node is no container."""
    node = {
        "Name": "hc",
        "Host": "Nonexistent",
        "Kubelet": "Nonexistent",
        "APIServer": "Nonexistent",
        "Kubeconfig": "Nonexistent",
    }
    assert parse_status(Output("", 7, json.dumps(node))) == Status("gone")


def test_status_that_cannot_be_read_keeps_what_was_said() -> None:
    """No traceback for what is no JSON."""
    assert parse_status(Output("minikube status", 1, "", "panic: oh no\n")) == Status("unknown", "panic: oh no")


def test_profiles_are_read() -> None:
    """What a profile has is what a person wants to compare."""
    assert (RUNNING.driver, RUNNING.container_runtime, RUNNING.cpus, RUNNING.memory) == (
        "docker",
        "containerd",
        2,
        4096,
    )
    assert RUNNING.kubernetes_version == "v1.34.4"
    assert RUNNING.addons == frozenset({"default-storageclass", "storage-provisioner"})


def test_profiles_know_a_start_that_never_came_to_its_end() -> None:
    """One that was interrupted has no addons at all; a finished one beside it has, and an addon that is off is none."""
    assert profile_of("interrupted-profile-list-json", "third").addons is None
    assert profile_of("interrupted-profile-list-json").addons == frozenset(
        {"default-storageclass", "storage-provisioner"}
    )


def test_profiles_keep_the_names_that_refused_starts_leave() -> None:
    """Such a name is there, without a profile."""
    assert parse_profiles(recorded("none-profile-list-json-after-refusals")) == {"a_b": None, "minikube": None}
    assert parse_profiles(recorded("none-profile-list-json")) == {}


def test_profiles_that_are_no_list_are_none() -> None:
    """Whoever asked says what Minikube said."""
    assert parse_profiles(Output("", 1, "", "panic")) is None


@pytest.mark.parametrize(
    ("kind", "profile", "began", "step"),
    [
        ("absent", None, False, "create"),
        ("torn", None, False, "clean"),
        ("torn", None, True, "create"),
        ("running", RUNNING, True, "nothing"),
        ("full", RUNNING, True, "nothing"),
        ("stopped", RUNNING, True, "start"),
        ("partial", RUNNING, True, "start"),
        ("paused", RUNNING, True, "start"),
        ("unknown", RUNNING, True, "start"),
        ("gone", RUNNING, True, "refuse"),
        ("gone", RUNNING, False, "refuse"),
        ("partial", NEVER_DONE, True, "start"),
        ("running", NEVER_DONE, True, "start"),
        ("gone", NEVER_DONE, True, "refuse"),
        ("gone", NEVER_DONE, False, "clean"),
        ("partial", NEVER_DONE, False, "clean"),
    ],
)
def test_next_step(kind: str, profile: Profile | None, began: bool, step: str) -> None:
    """Started only where it must be; deleted only where nobody can have used it."""
    assert next_step(Status(kind), profile, began) == step


def test_differences_are_none_for_what_is_as_wanted() -> None:
    """Nor for what was left to Minikube, nor for what has no limit, nor for a version in another form."""
    assert differences(WANTED, RUNNING) == []
    assert differences(replace(WANTED, cpus=8), replace(RUNNING, cpus=0, memory=0)) == []
    for version in ("1.34", "v1.34.4", "stable", "latest"):
        assert differences(replace(WANTED, kubernetes_version=version), RUNNING) == []


def test_differences_name_each_setting_and_both_values() -> None:
    """As a person writes them."""
    other = Settings("minikube", "podman", "docker", 4, 6144, "v1.3")
    found = {entry["setting"]: (entry["wanted"], entry["found"]) for entry in differences(other, RUNNING)}
    assert found == {
        "minikube_driver": ("podman", "docker"),
        "minikube_container_runtime": ("docker", "containerd"),
        "minikube_cpus": ("4", "2"),
        "minikube_memory": ("6144m", "4096m"),
        "minikube_kubernetes_version": ("v1.3", "v1.34.4"),
    }


def test_differences_are_reported_with_the_two_ways_out() -> None:
    """To keep it, and to make it anew."""
    found = differences(replace(WANTED, memory=6144), RUNNING)
    text = report_differences("minikube", found)
    assert "minikube_memory 4096m (wanted: 6144m)" in text
    assert "set minikube_memory: 4096m" in text
    assert "minikube delete -p minikube" in text
