"""A profile's settings, as a person writes them."""

from __future__ import annotations

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import (
    Settings,
    memory_size,
    read_settings,
)


@pytest.mark.parametrize(
    ("text", "mebibytes"),
    [
        ("6g", 6144),
        ("4096m", 4096),
        ("4096", 4096),
        (2048, 2048),
        ("2GiB", 2048),
        ("1800MB", 1800),
        ("3145728k", 3072),
        ("2147483648b", 2048),
    ],
)
def test_memory_size_reads_what_minikube_reads(text: object, mebibytes: int) -> None:
    """A number is MiB, as for Minikube."""
    assert memory_size(text) == mebibytes


@pytest.mark.parametrize("text", ["banana", "", "-1g", "1.5g", "max", "6 gigas", True])
def test_memory_size_refuses_the_rest(text: object) -> None:
    """What is no size is none."""
    assert memory_size(text) is None


def test_settings_are_the_defaults_of_the_role() -> None:
    """Nothing given, and what the role gives, are the same settings."""
    role = {"profile": "historia-clinica", "driver": "", "container_runtime": "containerd", "cpus": 4, "memory": "6g"}
    role |= {"kubernetes_version": "", "addons": [], "force": "auto"}
    assert read_settings({}) == read_settings(role) == (Settings(), [])


@pytest.mark.parametrize(
    ("value", "force"),
    [(True, True), ("yes", True), ("1", True), (False, False), ("no", False), ("auto", None), ("", None), (None, None)],
)
def test_settings_read_force_as_a_person_means_it(value: object, force: bool | None) -> None:
    """Three values, in every form that YAML and ``-e`` give them."""
    assert read_settings({"force": value}) == (Settings(force=force), [])


def test_settings_take_the_text_of_extra_variables() -> None:
    """What ``-e`` gives is text."""
    given = {
        "cpus": "3",
        "memory": "2500m",
        "force": "False",
        "addons": ["metrics-server"],
        "kubernetes_version": "1.34",
    }
    expected = Settings(cpus=3, memory=2500, force=False, addons=("metrics-server",), kubernetes_version="1.34")
    assert read_settings(given) == (expected, [])


@pytest.mark.parametrize(
    ("name", "value", "id_"),
    [
        ("profile", "a_b", "minikube-setting"),
        ("profile", 7, "minikube-setting"),
        ("driver", "docker; rm -rf /", "minikube-setting"),
        ("container_runtime", "rkt", "minikube-setting"),
        ("cpus", "two", "minikube-setting"),
        ("cpus", True, "minikube-setting"),
        ("cpus", 1, "minikube-cpus"),
        ("memory", "banana", "minikube-setting"),
        ("memory", "1799m", "minikube-memory"),
        ("kubernetes_version", 1.3, "minikube-setting"),
        ("kubernetes_version", "banana", "minikube-setting"),
        ("addons", "metrics-server", "minikube-setting"),
        ("addons", ["--help me"], "minikube-setting"),
        ("force", "perhaps", "minikube-setting"),
    ],
)
def test_settings_name_what_is_wrong(name: str, value: object, id_: str) -> None:
    """Each wrong value is one problem, which names its variable and shows the value; the default stands."""
    settings, problems = read_settings({name: value})
    assert settings == Settings()
    assert [problem.id for problem in problems] == [id_]
    assert f"minikube_{name} is {value!r}" in problems[0].found
    assert f"minikube_{name}: " in problems[0].remedy
