"""Minikube: what it said in recorded runs is understood, and the modules do what follows from it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils import minikube
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube import (
    HELP,
    Minikube,
    MinikubeError,
    Output,
    Probe,
    Profile,
    Settings,
    Status,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import PROBLEMS
from support.modules import RunModule

RECORDED = Path(__file__).parent / "recorded"
README = Path(__file__).parents[2] / "roles/minikube/README.md"
USER_ID = 12345
GIB = 1024**3


def recorded(name: str) -> Output:
    """A command that was recorded."""
    run = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return Output(run["command"], run["rc"], run["stdout"], run["stderr"])


def profile_of(name: str, profile: str = "minikube") -> Profile:
    """A profile in a recorded list."""
    profiles = minikube.parse_profiles(recorded(name))
    assert profiles is not None
    found = profiles[profile]
    assert found is not None
    return found


RUNNING = profile_of("running-profile-list-json")
WANTED = Settings(profile="minikube", cpus=2, memory=4096)


# --- Settings -----------------------------------------------------------------------------------------------------


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
    assert minikube.memory_size(text) == mebibytes


@pytest.mark.parametrize("text", ["banana", "", "-1g", "1.5g", "max", "6 gigas", True])
def test_memory_size_refuses_the_rest(text: object) -> None:
    """What is no size is none."""
    assert minikube.memory_size(text) is None


def test_settings_are_the_defaults_of_the_role() -> None:
    """Nothing given, and what the role gives, are the same settings."""
    role = {"profile": "historia-clinica", "driver": "", "container_runtime": "containerd", "cpus": 4, "memory": "6g"}
    role |= {"kubernetes_version": "", "addons": [], "force": "auto"}
    assert minikube.read_settings({}) == minikube.read_settings(role) == (Settings(), [])


@pytest.mark.parametrize(
    ("value", "force"),
    [(True, True), ("yes", True), ("1", True), (False, False), ("no", False), ("auto", None), ("", None), (None, None)],
)
def test_settings_read_force_as_a_person_means_it(value: object, force: bool | None) -> None:
    """Three values, in every form that YAML and ``-e`` give them."""
    assert minikube.read_settings({"force": value}) == (Settings(force=force), [])


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
    assert minikube.read_settings(given) == (expected, [])


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
    settings, problems = minikube.read_settings({name: value})
    assert settings == Settings()
    assert [problem.id for problem in problems] == [id_]
    assert f"minikube_{name} is {value!r}" in problems[0].found
    assert f"minikube_{name}: " in problems[0].remedy


# --- Reading ------------------------------------------------------------------------------------------------------


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
        ("disk-full-status-json", "full"),
    ],
)
def test_status_is_read(name: str, kind: str) -> None:
    """Each recorded status has its kind."""
    assert minikube.parse_status(recorded(name)).kind == kind


def test_status_of_two_nodes_is_running_only_if_both_do() -> None:
    """A worker has no API server, and says so."""
    node = json.loads(recorded("running-status-json").stdout)
    worker = {**node, "APIServer": "Irrelevant", "Kubeconfig": "Irrelevant", "Worker": True}
    assert minikube.parse_status(Output("", 0, json.dumps([node, worker]))).kind == "running"
    worker["Kubelet"] = "Stopped"
    assert minikube.parse_status(Output("", 2, json.dumps([node, worker]))).kind == "partial"


def test_status_of_a_node_that_was_never_made_is_gone() -> None:
    """Another form of the same, of drivers whose node is no container."""
    node = {
        "Name": "hc",
        "Host": "Nonexistent",
        "Kubelet": "Nonexistent",
        "APIServer": "Nonexistent",
        "Kubeconfig": "Nonexistent",
    }
    assert minikube.parse_status(Output("", 7, json.dumps(node))) == Status("gone")


def test_status_that_cannot_be_read_keeps_what_was_said() -> None:
    """No traceback for what is no JSON."""
    assert minikube.parse_status(Output("minikube status", 1, "", "panic: oh no\n")) == Status(
        "unknown", "panic: oh no"
    )


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
    assert minikube.parse_profiles(recorded("none-profile-list-json-after-refusals")) == {"a_b": None, "minikube": None}
    assert minikube.parse_profiles(recorded("none-profile-list-json")) == {}


def test_profiles_that_are_no_list_are_none() -> None:
    """Whoever asked says what Minikube said."""
    assert minikube.parse_profiles(Output("", 1, "", "panic")) is None


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
    """Exit code, Minikube's name and reason for it, and what helps here; no template that was never filled in."""
    rc, reason, message, helps = FAILURES[name]
    output = recorded(name)
    text = minikube.explain(output, "hc")
    assert output.rc == rc
    assert text.startswith(f"{output.command} ended with exit code {rc}{f' ({reason})' if reason else ''}: ")
    lines = text.splitlines()
    assert message in lines[0]
    assert lines[-1].startswith("What helps: ")
    assert helps in lines[-1]
    assert not re.search(r"\{\{|<no value>|╭|\{profile", text)
    assert max(map(len, lines)) < 800


def test_failure_tells_minikubes_advice_where_it_is_one() -> None:
    """With its address; a template is none."""
    text = minikube.explain(recorded("docker-down-start-json"), "hc")
    assert "Minikube advises: Start the Docker service https://minikube.sigs.k8s.io/docs/drivers/docker/" in text
    assert "advises" not in minikube.explain(recorded("concurrent-start-2-json"), "hc")


def test_failure_of_every_documented_exit_code_is_tried() -> None:
    """Each code that has an answer of its own has a recorded run here."""
    assert {code for code in HELP if isinstance(code, int)} == {failure[0] for failure in FAILURES.values()}


def test_failure_of_an_unknown_code_takes_its_family() -> None:
    """Minikube's codes go by tens."""
    assert "minikube_cpus" in minikube.explain(Output("minikube start", 26, ""), "hc")
    assert "minikube logs -p hc" in minikube.explain(Output("minikube start", 119, ""), "hc")


def test_failure_by_time_or_signal_tells_the_last_step() -> None:
    """A start that hung was doing something."""
    hung = recorded("container-removed-start-json")
    text = minikube.explain(replace(hung, rc=-15, late=200), "hc")
    assert "did not end within 200 s and was stopped" in text
    assert "its last step was: Enabled addons" in text
    assert "minikube_timeout" in text
    assert "was ended by signal 9" in minikube.explain(replace(hung, rc=-9), "hc")


def test_errors_in_a_run_that_succeeded_are_none() -> None:
    """With --force there are events with an exit code, and it goes on all the same."""
    output = recorded("root-force-cpus-1-json")
    assert output.rc == 0
    assert any(event.get("exitcode") for event in minikube.parse_events(output.stdout))
    assert minikube.parse_failure(replace(output, rc=-9)).name == ""
    assert minikube.parse_failure(output).name == ""


# --- Decisions ----------------------------------------------------------------------------------------------------

NEVER_DONE = replace(RUNNING, addons=None)


@pytest.mark.parametrize(
    ("kind", "profile", "began", "step"),
    [
        ("absent", None, False, "create"),
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
    assert minikube.next_step(Status(kind), profile, began) == step


def test_differences_are_none_for_what_is_as_wanted() -> None:
    """Nor for what was left to Minikube, nor for what has no limit, nor for a version in another form."""
    assert minikube.differences(WANTED, RUNNING) == []
    assert minikube.differences(replace(WANTED, cpus=8), replace(RUNNING, cpus=0, memory=0)) == []
    for version in ("1.34", "v1.34.4", "stable", "latest"):
        assert minikube.differences(replace(WANTED, kubernetes_version=version), RUNNING) == []


def test_differences_name_each_setting_and_both_values() -> None:
    """As a person writes them."""
    other = Settings("minikube", "podman", "docker", 4, 6144, "v1.3")
    found = {entry["setting"]: (entry["wanted"], entry["found"]) for entry in minikube.differences(other, RUNNING)}
    assert found == {
        "minikube_driver": ("podman", "docker"),
        "minikube_container_runtime": ("docker", "containerd"),
        "minikube_cpus": ("4", "2"),
        "minikube_memory": ("6144m", "4096m"),
        "minikube_kubernetes_version": ("v1.3", "v1.34.4"),
    }


def test_differences_are_reported_with_the_two_ways_out() -> None:
    """To keep it, and to make it anew."""
    found = minikube.differences(replace(WANTED, memory=6144), RUNNING)
    text = minikube.report_differences("minikube", found)
    assert "minikube_memory 4096m (wanted: 6144m)" in text
    assert "set minikube_memory: 4096m" in text
    assert "minikube delete -p minikube" in text


def test_fit_takes_what_the_machine_has_and_says_so() -> None:
    """6 GiB and 4 CPUs are the original's; a small machine gives what it has."""
    settings, notes, problems = minikube.fit(Settings(), Probe(driver="docker", cpus=2, memory=3900))
    assert (settings.cpus, settings.memory, problems) == (2, 3900, [])
    assert [note.split(",")[0] for note in notes] == ["minikube_cpus is 4", "minikube_memory is 6144m"]
    assert minikube.fit(Settings(), Probe(cpus=8, memory=16000)) == (Settings(), [], [])
    assert minikube.fit(Settings(), Probe()) == (Settings(), [], [])


def test_start_arguments_of_a_new_profile_have_every_setting() -> None:
    """And wait for all of it."""
    settings = Settings("hc", "docker", "containerd", 2, 2200, "v1.34.4")
    assert minikube.start_arguments(settings, create=True, force=False, keep_context=True) == [
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
    arguments = minikube.start_arguments(Settings("hc", "podman"), create=False, force=True, keep_context=False)
    assert not [
        argument for argument in arguments if re.match("--(driver|container-runtime|cpus|memory|kub)", argument)
    ]
    assert {"--force=true", "--keep-context=false", "--wait=all"} <= set(arguments)


@pytest.mark.parametrize(
    ("force", "driver", "root", "forces"),
    [
        (None, "docker", True, True),
        (None, "docker", False, False),
        (None, "none", True, False),
        (False, "docker", True, False),
        (True, "docker", False, True),
    ],
)
def test_force_is_roots_unless_told(force: bool | None, driver: str, root: bool, forces: bool) -> None:
    """The driver none wants root."""
    assert minikube.forces(Probe(driver=driver, root=root), Settings(force=force)) is forces


# --- What stands in the way ---------------------------------------------------------------------------------------

Script = Callable[..., None]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """A PATH that is empty, and a way to put programs on it that say something."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(minikube, "FOLDERS", ())
    for name, value in (("PATH", folder), ("HOME", tmp_path), ("MINIKUBE_HOME", tmp_path / "minikube")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setattr(os, "geteuid", lambda: USER_ID)

    def put(name: str, stdout: str = "", stderr: str = "", rc: int = 0) -> None:
        code = f"import sys\nprint({stdout!r})\nprint({stderr!r}, file=sys.stderr)\nsys.exit({rc})\n"
        (folder / name).write_text(f"#!{sys.executable} -IS\n{code}", encoding="utf-8")
        (folder / name).chmod(0o755)

    return put


VERSION = recorded("version-json").stdout
DOCKER = json.dumps({"ServerVersion": "28.2.2", "NCPU": 2, "MemTotal": 3 * GIB})
PODMAN = json.dumps({"host": {"cpus": 2, "memTotal": 2 * GIB}})
DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
DENIED = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock:"
    ' Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.50/info": dial unix /var/run/docker.sock: connect: permission denied'
)
MACHINES: dict[str, tuple[list[tuple[str, str, str, int]], Settings, bool]] = {
    "minikube-missing": ([("docker", DOCKER, "", 0)], Settings(), False),
    "minikube-broken": ([("minikube", "", "cannot execute binary file", 126)], Settings(), False),
    "minikube-root": ([("minikube", VERSION, "", 0), ("docker", DOCKER, "", 0)], Settings(force=False), True),
    "driver-missing": ([("minikube", VERSION, "", 0)], Settings(), False),
    "driver-stopped": ([("minikube", VERSION, "", 0), ("docker", "{}", DOWN, 1)], Settings(), False),
    "driver-denied": ([("minikube", VERSION, "", 0), ("docker", "{}", DENIED, 1)], Settings(), False),
    "driver-broken": ([("minikube", VERSION, "", 0), ("docker", "", "context deadline", 1)], Settings(), False),
    "minikube-cpus": (
        [("minikube", VERSION, "", 0), ("docker", json.dumps({"NCPU": 1, "MemTotal": 3 * GIB}), "", 0)],
        Settings(),
        False,
    ),
    "minikube-memory": (
        [("minikube", VERSION, "", 0), ("docker", json.dumps({"NCPU": 2, "MemTotal": GIB}), "", 0)],
        Settings(),
        False,
    ),
}


@pytest.mark.parametrize("id_", MACHINES)
def test_problem(id_: str, programs: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly this one, with a command or an address that mends it; a lab that leaves its target open goes elsewhere."""
    there, settings, root = MACHINES[id_]
    for program in there:
        programs(*program)
    if root:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    seen = minikube.probe(settings)
    found = minikube.problems(seen, settings)
    assert [problem.id for problem in found] == [id_]
    takes, reason = minikube.availability(seen, settings)
    assert not takes
    assert "\n" not in reason
    assert found[0].remedy in reason


def test_problems_are_all_tried_and_documented() -> None:
    """Each id has a case above, or is a setting's, and a line in the README."""
    own = {id_ for id_ in PROBLEMS if id_.startswith(("minikube-", "driver-"))}
    assert own == {*MACHINES, "minikube-setting"}
    text = README.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:minikube|driver)-[a-z]+)`", text))
    assert own - {"minikube-broken", "driver-broken"} <= named <= {*own, "minikube-clinica"}


def test_probe_takes_docker_that_works(programs: Script) -> None:
    """With the sizes of Docker's machine, which may be a smaller one than this."""
    programs("minikube", VERSION)
    programs("docker", DOCKER)
    programs("podman", PODMAN)
    seen = minikube.probe(Settings())
    assert (seen.version, seen.driver, seen.health) == ("v1.38.1", "docker", "works")
    assert (seen.cpus, seen.memory) == (min(2, os.cpu_count() or 2), 3072)
    programs("docker", json.dumps({"NCPU": 9999, "MemTotal": 9999999 * GIB}))
    larger = minikube.probe(Settings())
    assert larger.cpus == os.cpu_count()
    assert larger.memory is not None
    assert larger.memory < 9999999
    assert minikube.problems(seen, Settings()) == []
    assert minikube.availability(seen, Settings()) == (True, "Minikube v1.38.1 is there, and docker works")


def test_probe_takes_roots_podman_where_docker_does_not_work(programs: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which Minikube prefers them."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs("minikube", VERSION)
    programs("docker", "{}", DOWN, 1)
    programs("podman", PODMAN)
    seen = minikube.probe(Settings())
    assert (seen.driver, seen.health, seen.memory) == ("podman", "works", 2048)


@pytest.mark.parametrize(
    ("said", "id_", "remedy"),
    [
        (
            "Cannot connect to Podman. Please verify your connection",
            "driver-stopped",
            "start Podman, then run this again",
        ),
        (
            "dial unix /run/podman/podman.sock: connect: permission denied (socket)",
            "driver-denied",
            "run this as root, or use Docker",
        ),
        ("permission denied: /etc/containers", "driver-broken", "see podman info"),
    ],
)
def test_problem_of_podman_helps_with_podman(
    programs: Script, monkeypatch: pytest.MonkeyPatch, said: str, id_: str, remedy: str
) -> None:
    """Docker's commands would help nobody."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs("minikube", VERSION)
    programs("podman", "", said, 125)
    settings = Settings(driver="podman")
    (found,) = minikube.problems(minikube.probe(settings), settings)
    assert (found.id, found.remedy) == (id_, remedy)
    assert said in found.found


def test_probe_does_not_trust_a_users_podman(programs: Script) -> None:
    """Minikube runs it through sudo: only a start that is asked for can tell."""
    programs("minikube", VERSION)
    programs("podman", PODMAN)
    seen = minikube.probe(Settings())
    assert (seen.driver, seen.health) == ("podman", "unproved")
    assert minikube.problems(seen, Settings()) == []
    assert minikube.availability(seen, Settings())[0] is False


def test_probe_asks_for_the_driver_that_a_start_would_use(programs: Script, tmp_path: Path) -> None:
    """The profile's, the one that is named, the one that Minikube is configured for; Docker's state is no matter then."""
    programs("minikube", VERSION)
    home = tmp_path / "minikube" / ".minikube"
    (home / "config").mkdir(parents=True)
    (home / "config/config.json").write_text('{"driver": "qemu2"}', encoding="utf-8")
    assert minikube.probe(Settings()).driver == "qemu2"
    seen = minikube.probe(Settings(driver="podman"))
    assert (seen.driver, seen.health) == ("podman", "missing")
    assert "there is no Podman" in minikube.problems(seen, Settings(driver="podman"))[0].found
    config = json.loads(recorded("running-profile-list-json").stdout)["valid"][0]["Config"]
    saved = home / "profiles/historia-clinica/config.json"
    saved.parent.mkdir(parents=True)
    saved.write_text(json.dumps({**config, "Driver": "kvm2", "Addons": None}), encoding="utf-8")
    assert minikube.probe(Settings(driver="podman")).driver == "podman"  # no start of it ever came to its end
    saved.write_text(json.dumps({**config, "Driver": "kvm2"}), encoding="utf-8")
    assert minikube.probe(Settings(driver="podman")).driver == "kvm2"


def test_probe_ends_where_docker_does_not_answer(programs: Script) -> None:
    """A command that hangs is a container engine that does not run."""
    programs("minikube", VERSION)
    programs("docker")

    def run(command: Any, environment: Any, seconds: float) -> Output:
        return Output("", 0, VERSION) if command[1] == "version" else Output("", -15, "", "", seconds)

    seen = minikube.probe(Settings(), run=run)
    assert (seen.health, seen.said) == ("stopped", "docker info says nothing within 20 s")


# --- Images -------------------------------------------------------------------------------------------------------


def test_images_are_read_by_name() -> None:
    """The id proves that one was built."""
    images = minikube.parse_images(recorded("running-image-ls-json"))
    assert images is not None
    assert images["registry.k8s.io/pause:3.10.1"].startswith("sha256:95089d97")


def test_images_of_a_stopped_cluster_are_not_no_images() -> None:
    """Minikube prints an empty line or, asked for JSON, an empty list, and ends with 0."""
    for output in (recorded("stopped-image-ls"), recorded("docker-down-image-ls"), Output("", 0, "[]\n")):
        assert output.rc == 0
        assert minikube.parse_images(output) is None


@pytest.mark.parametrize(
    ("path", "patterns", "out"),
    [
        ("src/a.py", ["**", "!src"], False),
        ("tests/a.py", ["**", "!src"], True),
        ("src/p/__pycache__/a.pyc", ["**", "!src", "**/__pycache__"], True),
        ("__pycache__/a.pyc", ["**/__pycache__"], True),
        ("a.txt", ["*.txt"], True),
        ("b/a.txt", ["*.txt"], False),
        ("b/a.txt", ["**/*.txt"], True),
        ("b/a.txt", ["/b"], True),
        ("b/a.txt", ["b/", "!b/a.txt"], False),
        ("bc", ["b?"], True),
        ("b.c", ["bxc"], False),
        ("b", [], False),
    ],
)
def test_ignored_as_docker_does(path: str, patterns: list[str], out: bool) -> None:
    """The last pattern that fits decides."""
    assert minikube.ignored(path, patterns) is out


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A directory to build from."""
    folder = tmp_path / "context"
    (folder / "src").mkdir(parents=True)
    (folder / "src/a.py").write_text("a = 1\n", encoding="utf-8")
    (folder / "src/run").write_text("#!/bin/sh\n", encoding="utf-8")
    (folder / "src/link").symlink_to("a.py")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY src /src\n", encoding="utf-8")
    (folder / ".dockerignore").write_text("# all but src\n**\n!src\n**/__pycache__\n", encoding="utf-8")
    return folder


def test_digest_is_of_what_a_build_sees(context: Path, tmp_path: Path) -> None:
    """It changes with content, mode, names and arguments; not with place, umask or what is ignored."""
    first = minikube.content_digest(context, {"BASE": "x"})
    assert re.fullmatch("[0-9a-f]{16}", first)
    (context / "src/__pycache__").mkdir()
    (context / "src/__pycache__/a.pyc").touch()
    (context / "notes.txt").write_text("mine", encoding="utf-8")
    (context / "src/a.py").chmod(0o600)
    elsewhere = shutil.copytree(context, tmp_path / "elsewhere", symlinks=True)
    assert minikube.content_digest(context, {"BASE": "x"}) == minikube.content_digest(elsewhere, {"BASE": "x"}) == first
    seen = {first, minikube.content_digest(context, {"BASE": "y"}), minikube.content_digest(context, {})}
    changes: list[Callable[[], object]] = [
        lambda: (context / "src/run").chmod(0o755),
        lambda: (context / "src/a.py").write_text("a = 2\n", encoding="utf-8"),
        lambda: (context / "src/a.py").rename(context / "src/b.py"),
        lambda: (context / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8"),
        lambda: (context / "src/link").unlink(),
    ]
    for change in changes:
        change()
        seen.add(minikube.content_digest(context, {"BASE": "x"}))
    assert len(seen) == 3 + len(changes)


def test_stage_holds_what_a_build_sees_and_every_user_can_read_it(context: Path, tmp_path: Path) -> None:
    """Without the .dockerignore: Minikube would leave out the Dockerfile where it names all files."""
    (context / "src/a.py").chmod(0o600)
    (context / "src/run").chmod(0o700)
    (context / "src").chmod(0o700)
    stage = tmp_path / "stage"
    stage.mkdir()
    minikube.stage_context(context, stage)
    modes = {path.relative_to(stage).as_posix(): path.lstat().st_mode & 0o777 for path in stage.rglob("*")}
    assert modes.pop("src/link") is not None
    assert modes == {"src": 0o755, "src/a.py": 0o644, "src/run": 0o755, "Dockerfile": 0o644}
    assert os.readlink(stage / "src/link") == "a.py"


def test_build_arguments_have_the_form_of_the_runtime() -> None:
    """The other one's form fails, with exit code 0."""
    assert minikube.build_options("containerd", {"B": "1", "A": "2"}) == [
        "--build-opt=opt=build-arg:A=2",
        "--build-opt=opt=build-arg:B=1",
    ]
    assert minikube.build_options("docker", {"A": "2"}) == ["--build-opt=build-arg=A=2"]


# --- Running ------------------------------------------------------------------------------------------------------


def test_home_and_kubeconfig_are_where_minikube_has_them() -> None:
    """MINIKUBE_HOME with and without its last folder; the first file of KUBECONFIG."""
    assert minikube.minikube_home({"HOME": "/home/ana"}) == Path("/home/ana/.minikube")
    assert minikube.minikube_home({"HOME": "/home/ana", "MINIKUBE_HOME": "/data"}) == Path("/data/.minikube")
    assert minikube.minikube_home({"MINIKUBE_HOME": "/data/.minikube"}) == Path("/data/.minikube")
    assert minikube.kubeconfig_path({"HOME": "/home/ana"}) == Path("/home/ana/.kube/config")
    assert minikube.kubeconfig_path({"HOME": "/home/ana", "KUBECONFIG": ":/a/b:/c"}) == Path("/a/b")


def test_environment_finds_the_usual_folders_behind_the_path() -> None:
    """An SSH session's PATH may be short."""
    path = minikube.program_environment({"PATH": "/bin", "HOME": "/home/ana"})["PATH"].split(":")
    assert path[0] == "/bin"
    assert {"/usr/local/bin", "/opt/homebrew/bin", "/home/ana/.local/bin"} <= set(path)


KUBECONFIG = """\
apiVersion: v1
contexts:
- context:
    cluster: hc
  name: hc
- name: "quoted"
current-context: hc
"""


def test_kubeconfig_is_searched_by_whole_names() -> None:
    """Without a library for YAML, which the host's own Python may lack."""
    assert minikube.knows_context(KUBECONFIG, "hc")
    assert minikube.knows_context(KUBECONFIG, "quoted")
    assert not minikube.knows_context(KUBECONFIG, "h")
    assert not minikube.knows_context("", "hc")
    assert minikube.has_current_context(KUBECONFIG)
    assert not minikube.has_current_context('contexts: []\ncurrent-context: ""\n')
    assert not minikube.has_current_context("")


def test_command_that_takes_too_long_is_ended() -> None:
    """With what it printed until then, though a grandchild still holds its output."""
    command = ["/bin/sh", "-c", "echo here; sleep 2 & sleep 30"]
    output = minikube.run_command(command, os.environ, 0.3)
    assert (output.stdout, output.late) == ("here\n", 0.3)
    assert output.rc < 0


def test_lock_lets_one_in_at_a_time(tmp_path: Path) -> None:
    """The second waits for the first."""
    order = []

    def work(name: str) -> None:
        with minikube.locked(tmp_path, "hc", 10):
            order.append(f"{name} in")
            time.sleep(0.3)
            order.append(f"{name} out")

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(order) == 4
    assert order[0][0] == order[1][0] != order[2][0] == order[3][0]


def test_lock_that_is_not_given_up_is_told(tmp_path: Path) -> None:
    """With the process that holds it."""
    message = rf"hc for more than 0\.2 s \(process {os.getpid()}\)"
    with (
        minikube.locked(tmp_path, "hc", 1),
        pytest.raises(MinikubeError, match=message),
        minikube.locked(tmp_path, "hc", 0.2),
    ):
        pass


def test_lock_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    """Who waited for one that is gone does not hold it."""
    entered = threading.Event()

    def wait() -> None:
        with minikube.locked(tmp_path, "hc", 10):
            entered.set()

    thread = threading.Thread(target=wait)
    with minikube.locked(tmp_path, "hc", 1) as lock:
        thread.start()
        time.sleep(0.2)
        lock.remove()
    assert entered.wait(5)
    thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["hc.historia-clinica.lock"]


@pytest.mark.parametrize(
    ("line", "works"),
    [
        ("minikube start -p hc --wait=all", True),
        ("/opt/bin/minikube start --profile=hc", True),
        ("minikube -p hc stop", True),
        ("minikube --profile hc delete", True),
        ("minikube start -p hc-2", False),
        ("minikube start", False),
        ("minikube status -p hc", False),
        ("minikube -p hc image build start", False),
        ("vim minikube start -p hc", False),
        ("", False),
    ],
)
def test_works_at_a_profile(line: str, works: bool) -> None:
    """What starts, stops or deletes it; what only looks does not count."""
    assert minikube.works_at(line.split(), "hc") is works
    assert minikube.works_at(["minikube", "start"], "minikube")


def test_lock_waits_for_a_start_by_hand(tmp_path: Path) -> None:
    """Or for one that was left behind by a task that was killed: two starts of a profile at once break each other."""
    (tmp_path / "start").write_text("import time\nprint(flush=True)\ntime.sleep(30)\n", encoding="utf-8")
    command = ["minikube", "start", "-p", "hc-unit"]  # Python, by that name, runs the file `start`
    with subprocess.Popen(command, executable=sys.executable, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # until then its arguments may still be those of the fork, or none
        busy = rf"process {process.pid}\)"
        with pytest.raises(MinikubeError, match=busy), minikube.locked(tmp_path, "hc-unit", 0.3):
            pass
        with minikube.locked(tmp_path, "hc-other", 0.3):
            pass
        process.kill()
    with minikube.locked(tmp_path, "hc-unit", 5):
        pass


def test_processes_are_found_where_there_is_no_proc(programs: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    monkeypatch.setattr(os.path, "isdir", lambda path: False)
    programs(
        "ps",
        "    1 /sbin/launchd\n 4711 /opt/homebrew/bin/minikube start -p hc\n 4712 minikube start\n  812 login -p hc",
    )
    assert minikube.processes_at("hc") == [4711]
    assert minikube.processes_at("minikube") == [4712]


# --- The modules, with a Minikube that says what was recorded -----------------------------------------------------

REPLAY = """\
#!{python} -IS
import fcntl, json, sys
arguments = sys.argv[1:]
name = " ".join(word for word in arguments[:2] if not word.startswith("-"))
log = open({calls!r}, "a")
fcntl.flock(log, fcntl.LOCK_EX)
log.write(json.dumps(arguments) + "\\n")
with open({replies!r}) as file:
    replies = json.load(file)
left = replies.get(name) or sys.exit("minikube " + name + ": nothing is recorded")
reply = left[0] if len(left) == 1 else left.pop(0)
with open({replies!r}, "w") as file:
    json.dump(replies, file)
with open({recorded!r} + "/" + reply + ".json") as file:
    run = json.load(file)
sys.stdout.write(run["stdout"])
sys.stderr.write(run["stderr"])
sys.exit(run["rc"])
"""


class Replay:
    """A Minikube whose every command has recorded answers, given one after the other; the last one stays."""

    def __init__(self, folder: Path, put: Script, run: RunModule) -> None:
        self.folder = folder
        self._run = run
        put("docker", json.dumps({"NCPU": 2, "MemTotal": 8 * GIB}))
        text = REPLAY.format(
            python=sys.executable,
            calls=str(folder / "calls"),
            replies=str(folder / "replies.json"),
            recorded=str(RECORDED),
        )
        program = folder / "bin/minikube"
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)

    def says(self, **replies: str | list[str]) -> None:
        """What a command (``image_ls`` is ``image ls``) answers."""
        lists = {
            name.replace("_", " "): [reply] if isinstance(reply, str) else reply for name, reply in replies.items()
        }
        (self.folder / "replies.json").write_text(json.dumps({"version": ["version-json"], **lists}), encoding="utf-8")

    def profile(self, **arguments: Any) -> dict[str, Any]:
        """Run the module ``minikube_profile``."""
        return self._run(
            "minikube_profile", **{"profile": "minikube", "cpus": 2, "memory": "4g", "timeout": 20, **arguments}
        )

    def image(self, **arguments: Any) -> dict[str, Any]:
        """Run the module ``minikube_image``."""
        return self._run("minikube_image", **{"profile": "minikube", "timeout": 20, **arguments})

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each command that was run."""
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    @property
    def steps(self) -> list[str]:
        """The commands that were run; "look" for the two that are asked at once, in whatever order they arrived."""
        names = " ".join(call[0] for call in self.calls)
        return re.sub(r"status profile|profile status", "look", names).split()

    def called(self, name: str) -> list[list[str]]:
        """The arguments of each run of a command."""
        return [call for call in self.calls if call[0] == name]


@pytest.fixture
def replay(tmp_path: Path, programs: Script, run_module: RunModule) -> Replay:
    """A Minikube that says what was recorded."""
    return Replay(tmp_path, programs, run_module)


RUNS = {"status": "running-status-json", "profile_list": "running-profile-list-json"}
IS_STOPPED = {"status": "stopped-status-json", "profile_list": "stopped-profile-list-json"}
IS_ABSENT = {"status": "none-status-json", "profile_list": "none-profile-list-json"}
STARTS: dict[str, str | list[str]] = {
    "status": ["none-status-json", "running-status-json"],
    "profile_list": ["none-profile-list-json", "running-profile-list-json"],
    "start": "start-json",
}


def test_profile_that_runs_costs_one_look(replay: Replay) -> None:
    """Two short commands, nothing changed, and what a later task needs to know."""
    replay.says(**RUNS)
    result = replay.profile()
    assert result["changed"] is False
    assert (result["context"], result["status"], result["differences"]) == ("minikube", "running", [])
    assert result["notes"] == []
    assert result["kubeconfig"] == str(replay.folder / "kubeconfig")
    assert result["profile"]["memory"] == 4096
    assert replay.steps == ["look"]


def test_profile_that_is_not_there_is_created(replay: Replay) -> None:
    """With every setting; who has no current context gets this one."""
    replay.says(**STARTS)
    result = replay.profile(memory="20g", diff=True)
    assert result["changed"] is True
    assert result["diff"] == {"before": "minikube: absent\n", "after": "minikube: running\n"}
    (start,) = replay.called("start")
    assert {"--memory=8192m", "--container-runtime=containerd", "--keep-context=false", "--force=false"} <= set(start)
    assert any("8192m: the profile gets 8192m" in note for note in result["notes"])


def test_profile_leaves_a_persons_current_context_alone(replay: Replay) -> None:
    """Another cluster may be in it."""
    (replay.folder / "kubeconfig").write_text("current-context: produccion\n", encoding="utf-8")
    replay.says(**STARTS)
    replay.profile()
    assert "--keep-context=true" in replay.called("start")[0]


def test_profile_started_by_root_says_that_it_passes_force(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Minikube leaves out checks of its own then."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    replay.says(**STARTS)
    result = replay.profile()
    assert "--force=true" in replay.called("start")[0]
    assert any("Root starts Minikube with --force" in note for note in result["notes"])


def test_profile_refuses_root_that_may_not_force(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started, whatever Minikube is configured for."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    replay.says(**STARTS)
    result = replay.profile(force=False)
    assert result["failed"] is True
    assert [obstacle["id"] for obstacle in result["obstacles"]] == ["minikube-root"]
    assert "minikube_force: auto" in result["msg"]
    assert replay.called("start") == []


def test_profile_that_is_stopped_is_started_as_it_is(replay: Replay) -> None:
    """Though other settings are wanted, which are reported."""
    replay.says(
        status=["stopped-status-json", "running-status-json"],
        profile_list=["stopped-profile-list-json", "running-profile-list-json"],
        start="start-stopped-json",
    )
    result = replay.profile(memory="5g", container_runtime="docker")
    assert result["changed"] is True
    assert not any(re.match("--(memory|cpus|container-runtime)", word) for word in replay.called("start")[0])
    assert [entry["setting"] for entry in result["differences"]] == ["minikube_container_runtime", "minikube_memory"]


def test_profile_with_other_settings_is_reported_and_left_alone(replay: Replay) -> None:
    """Smaller than wanted is no difference where the machine has no more."""
    replay.says(**RUNS)
    result = replay.profile(cpus=4, memory="3g")
    assert result["changed"] is False
    assert result["differences"] == [{"setting": "minikube_memory", "wanted": "3072m", "found": "4096m"}]
    assert any("Two ways out" in note for note in result["notes"])
    assert {call[0] for call in replay.calls} == {"status", "profile", "version"}


def test_profile_whose_start_was_interrupted_is_taken_up(replay: Replay) -> None:
    """Kubernetes had begun: it is started as it is."""
    replay.says(
        status=["interrupted-status-json", "running-status-json"],
        profile_list="interrupted-profile-list-json",
        start="interrupted-start-again-json",
    )
    certificate = replay.folder / "minikube/.minikube/profiles/third/apiserver.crt"
    certificate.parent.mkdir(parents=True)
    certificate.touch()
    assert replay.profile(profile="third", memory="2g")["changed"] is True
    assert replay.steps == ["look", "version", "start", "look"]
    assert "--container-runtime=containerd" not in replay.called("start")[0]


@pytest.mark.parametrize("status", ["container-removed-status-json", "interrupted-status-json"])
def test_profile_whose_start_ended_before_kubernetes_began_is_made_anew(replay: Replay, status: str) -> None:
    """What it left stands in the way of the next start, with or without a node: it is deleted, nobody can have used it."""
    replay.says(
        status=[status, "running-status-json"],
        profile_list="interrupted-profile-list-json",
        delete="other-delete",
        start="start-json",
    )
    assert replay.profile(profile="third", memory="2g")["changed"] is True
    assert replay.steps[:4] == ["look", "version", "delete", "start"]
    assert "--container-runtime=containerd" in replay.called("start")[0]


def test_profile_whose_node_was_removed_is_not_touched(replay: Replay) -> None:
    """A start would hang for minutes; what helps is a person's decision."""
    replay.says(status="container-removed-status-json", profile_list="running-profile-list-json")
    result = replay.profile()
    assert result["failed"] is True
    assert "was removed" in result["msg"]
    kept, _, given_up = result["msg"].partition("giving up")
    assert "docker run --rm -v minikube:/from:ro" in kept  # where its data are
    assert "minikube delete -p minikube" in given_up
    assert {call[0] for call in replay.calls} == {"status", "profile"}


def test_profile_that_cannot_be_started_says_why(replay: Replay) -> None:
    """In Minikube's own words, and with what helps."""
    replay.says(**{**STARTS, "start": "no-base-image-json"})
    result = replay.profile()
    assert result["failed"] is True
    assert "exit code 80 (GUEST_PROVISION)" in result["msg"]
    assert "What helps: " in result["msg"]


def test_profile_that_does_not_run_after_its_start_is_a_failure(replay: Replay) -> None:
    """An exit code of 0 is not believed."""
    replay.says(**{**STARTS, "status": ["none-status-json", "kubelet-stopped-status-json"]})
    result = replay.profile()
    assert result["failed"] is True
    assert "but the profile is partial" in result["msg"]


def test_profile_on_a_machine_without_a_driver_lists_what_is_missing(replay: Replay, programs: Script) -> None:
    """In check mode, too: the run would fail."""
    programs("docker", "{}", DOWN, 1)
    replay.says(**IS_ABSENT)
    for check in (True, False):
        result = replay.profile(check=check)
        assert result["failed"] is True
        assert [obstacle["id"] for obstacle in result["obstacles"]] == ["driver-stopped"]


def test_profile_with_wrong_values_is_refused_with_all_of_them(replay: Replay) -> None:
    """Before Minikube is asked anything."""
    replay.says(**RUNS)
    result = replay.profile(cpus="two", memory="1g", profile="a_b")
    ids = [obstacle["id"] for obstacle in result["obstacles"]]
    assert sorted(ids) == ["minikube-memory", "minikube-setting", "minikube-setting"]
    assert replay.calls == []


def test_profile_list_that_cannot_be_read_is_a_failure(replay: Replay) -> None:
    """Never taken for no profile: that would be created."""
    replay.says(status="running-status-json", profile_list="start-flag-unknown-json")
    assert "unknown flag: --nonsense" in replay.profile()["msg"]
    assert replay.called("start") == []


def test_profile_whose_disk_is_full_is_told(replay: Replay) -> None:
    """It runs, and will soon evict pods."""
    replay.says(**{**RUNS, "status": "disk-full-status-json"})
    result = replay.profile()
    assert result["changed"] is False
    assert any("almost full" in note for note in result["notes"])


def test_profile_gets_the_addons_that_it_lacks(replay: Replay) -> None:
    """And only these."""
    replay.says(**RUNS, addons_enable="addons-enable-metrics-server")
    result = replay.profile(addons=["storage-provisioner", "metrics-server"])
    assert result["changed"] is True
    assert replay.called("addons") == [["addons", "enable", "metrics-server", "--profile=minikube"]]


def test_profile_with_an_addon_that_does_not_exist_says_so(replay: Replay) -> None:
    """And where the list of them is."""
    replay.says(**RUNS, addons_enable="addons-enable-unknown")
    result = replay.profile(addons=["nonsense"])
    assert "nonsense is not a valid addon" in result["msg"]
    assert "minikube addons list -p minikube" in result["msg"]


@pytest.mark.parametrize(
    ("state", "replies", "changed"),
    [
        ("present", IS_ABSENT, True),
        ("present", IS_STOPPED, True),
        ("present", RUNS, False),
        ("stopped", RUNS, True),
        ("stopped", IS_STOPPED, False),
        ("stopped", IS_ABSENT, False),
        ("absent", RUNS, True),
        ("absent", IS_ABSENT, False),
        ("absent", {"status": "none-status-json", "profile_list": "none-profile-list-json-after-refusals"}, True),
    ],
)
def test_profile_check_mode_says_what_a_run_does(
    replay: Replay, state: str, replies: dict[str, str], changed: bool
) -> None:
    """And only looks: no lock, and no command that changes something."""
    replay.says(**replies)
    assert replay.profile(check=True, state=state)["changed"] is changed
    assert {call[0] for call in replay.calls} <= {"status", "profile", "version"}
    assert not (replay.folder / "minikube").exists()


def test_profile_is_stopped_once(replay: Replay) -> None:
    """What is stopped, or not there, needs nothing."""
    replay.says(**RUNS, stop="stop-json")
    assert replay.profile(state="stopped")["status"] == "stopped"
    assert len(replay.called("stop")) == 1
    replay.says(**IS_STOPPED)
    assert replay.profile(state="stopped")["changed"] is False
    replay.says(**IS_ABSENT)
    assert replay.profile(state="stopped")["status"] == "absent"
    assert len(replay.called("stop")) == 1


def test_profile_is_deleted_with_its_lock(replay: Replay) -> None:
    """Nothing of the lab stays in Minikube's folder."""
    replay.says(
        status="running-status-json",
        profile_list=["running-profile-list-json", "none-profile-list-json"],
        delete="first-delete",
    )
    result = replay.profile(state="absent")
    assert (result["changed"], result["status"], result["profile"]) == (True, "absent", {})
    assert list((replay.folder / "minikube/.minikube").iterdir()) == []


def test_profile_that_is_still_there_after_its_deletion_is_a_failure(replay: Replay) -> None:
    """An exit code of 0 is not believed."""
    replay.says(**RUNS, delete="first-delete")
    assert "is still there" in replay.profile(state="absent")["msg"]


def test_profile_is_not_deleted_where_its_node_cannot_be_reached(replay: Replay, programs: Script) -> None:
    """Minikube would forget it, and leave the node."""
    programs("docker", "{}", DOWN, 1)
    replay.says(status="docker-down-status-json", profile_list="docker-down-profile-list-json", delete="first-delete")
    result = replay.profile(state="absent")
    assert [obstacle["id"] for obstacle in result["obstacles"]] == ["driver-stopped"]
    assert replay.called("delete") == []


def test_profile_without_minikube(run_module: RunModule, programs: Script) -> None:
    """There is nothing to stop or delete; to start one is refused with where it comes from."""
    for state in ("stopped", "absent"):
        assert run_module("minikube_profile", state=state)["changed"] is False
    result = run_module("minikube_profile")
    assert [obstacle["id"] for obstacle in result["obstacles"]] == ["minikube-missing"]
    assert minikube.INSTALL_MINIKUBE in result["msg"]


NAME = "localhost/greeting"


def test_image_that_is_there_is_not_built(replay: Replay, context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tag says what it is made of."""
    name = "registry.k8s.io/pause"
    module = "ansible_collections.aula.historia_clinica.plugins.modules.minikube_image"
    monkeypatch.setattr(f"{module}.content_digest", lambda *_: "3.10.1")
    replay.says(image_ls="running-image-ls-json")
    result = replay.image(repository=name, context=str(context))
    assert result["changed"] is False
    assert result["id"].startswith("sha256:95089d97")
    diff = replay.image(repository=name, context=str(context), check=True, diff=True)["diff"]
    assert diff == {"before": f"{name}:3.10.1\n", "after": f"{name}:3.10.1\n"}
    assert [call[:2] for call in replay.calls] == [["image", "ls"]] * 2


@pytest.mark.parametrize(
    "build", ["image-build-broken", "image-build-run-fails", "image-build-no-base", "image-build-missing-context"]
)
def test_image_build_that_fails_is_a_failure(replay: Replay, context: Path, build: str) -> None:
    """Minikube ends with 0; the image is not in the list, and what the build printed says why."""
    assert recorded(build).rc == 0
    replay.says(image_ls="running-image-ls-json", image_build=build, profile_list="running-profile-list-json")
    result = replay.image(repository=NAME, context=str(context), build_args={"BASE": "x"})
    assert result["failed"] is True
    assert "was not built" in result["msg"]
    assert ("failed to solve" if recorded(build).stderr else "it printed nothing") in result["msg"]
    (command,) = [call for call in replay.calls if call[:2] == ["image", "build"]]
    assert "--build-opt=opt=build-arg:BASE=x" in command
    assert any(word.startswith(f"--tag={NAME}:") for word in command)


def test_image_check_mode_says_that_it_would_be_built(replay: Replay, context: Path) -> None:
    """And builds nothing."""
    replay.says(image_ls="running-image-ls-json")
    result = replay.image(repository=NAME, context=str(context), check=True, diff=True)
    assert (result["changed"], result["id"]) == (True, "")
    assert result["diff"] == {"before": "", "after": result["image"] + "\n"}
    assert [call[:2] for call in replay.calls] == [["image", "ls"]]
    assert not (replay.folder / "minikube").exists()


def test_image_of_a_stopped_cluster_is_a_failure(replay: Replay, context: Path) -> None:
    """No image is not the same as no answer."""
    replay.says(image_ls="stopped-image-ls")
    assert "does not run" in replay.image(repository=NAME, context=str(context))["msg"]


@pytest.mark.parametrize(
    "name", ["greeting", "localhost/greeting:1", "localhost/Greeting", "localhost/a b", "library/python"]
)
def test_image_name_is_whole(replay: Replay, context: Path, name: str) -> None:
    """Another form would be listed under another name than it was asked for."""
    assert "a registry, a path in lower case and no tag" in replay.image(repository=name, context=str(context))["msg"]


def test_image_context_has_a_dockerfile(replay: Replay, tmp_path: Path) -> None:
    """A folder that is not there has none."""
    assert "There is no Dockerfile" in replay.image(repository=NAME, context=str(tmp_path / "nothing"))["msg"]


def test_minikube_demand_fails_with_the_explanation(replay: Replay) -> None:
    """The one way in which a command that has to succeed fails."""
    replay.says(start="docker-down-start-json")
    with pytest.raises(MinikubeError, match="PROVIDER_DOCKER_NOT_RUNNING"):
        Minikube(str(replay.folder / "bin/minikube"), "minikube", os.environ).demand("start")
