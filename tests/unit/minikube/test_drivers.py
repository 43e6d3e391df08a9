"""What a machine has for Minikube, and what keeps a profile from being started."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import (
    MinikubeState,
    availability,
    fit,
    forces,
    inspect_minikube,
    start_problems,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import Output
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import Settings
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import PROBLEMS
from support.minikube import DOWN, GIB, VERSION, Script, recorded

README = Path(__file__).parents[3] / "roles/minikube/README.md"
DOCKER = json.dumps({"ServerVersion": "28.2.2", "NCPU": 2, "MemTotal": 3 * GIB})
PODMAN = json.dumps({"host": {"cpus": 2, "memTotal": 2 * GIB}})
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


def test_fit_takes_what_the_machine_has_and_says_so() -> None:
    """6 GiB and 4 CPUs are the original's; a small machine gives what it has."""
    settings, notes, problems = fit(Settings(), MinikubeState(driver="docker", cpus=2, memory=3900))
    assert (settings.cpus, settings.memory, problems) == (2, 3900, [])
    assert [note.split(",")[0] for note in notes] == ["minikube_cpus is 4", "minikube_memory is 6144m"]
    assert fit(Settings(), MinikubeState(cpus=8, memory=16000)) == (Settings(), [], [])
    assert fit(Settings(), MinikubeState()) == (Settings(), [], [])


@pytest.mark.parametrize(
    ("force", "driver", "root", "forced"),
    [
        (None, "docker", True, True),
        (None, "docker", False, False),
        (None, "none", True, False),
        (False, "docker", True, False),
        (True, "docker", False, True),
    ],
)
def test_force_is_roots_unless_told(force: bool | None, driver: str, root: bool, forced: bool) -> None:
    """The driver none wants root."""
    assert forces(MinikubeState(driver=driver, root=root), Settings(force=force)) is forced


@pytest.mark.parametrize("id_", MACHINES)
def test_problem(id_: str, programs: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly this one, with a command or an address that mends it; a lab that leaves its target open goes elsewhere."""
    there, settings, root = MACHINES[id_]
    for program in there:
        programs(*program)
    if root:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    seen = inspect_minikube(settings)
    found = start_problems(seen, settings)
    assert [problem.id for problem in found] == [id_]
    takes, reason = availability(seen, settings)
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
    seen = inspect_minikube(Settings())
    assert (seen.version, seen.driver, seen.health) == ("v1.38.1", "docker", "works")
    assert (seen.cpus, seen.memory) == (min(2, os.cpu_count() or 2), 3072)
    programs("docker", json.dumps({"NCPU": 9999, "MemTotal": 9999999 * GIB}))
    larger = inspect_minikube(Settings())
    assert larger.cpus == os.cpu_count()
    assert larger.memory is not None
    assert larger.memory < 9999999
    assert start_problems(seen, Settings()) == []
    assert availability(seen, Settings()) == (True, "Minikube v1.38.1 is there, and docker works")


def test_probe_takes_roots_podman_where_docker_does_not_work(programs: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which Minikube prefers them."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs("minikube", VERSION)
    programs("docker", "{}", DOWN, 1)
    programs("podman", PODMAN)
    seen = inspect_minikube(Settings())
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
    (found,) = start_problems(inspect_minikube(settings), settings)
    assert (found.id, found.remedy) == (id_, remedy)
    assert said in found.found


def test_probe_does_not_trust_a_users_podman(programs: Script) -> None:
    """Minikube runs it through sudo: only a start that is asked for can tell."""
    programs("minikube", VERSION)
    programs("podman", PODMAN)
    seen = inspect_minikube(Settings())
    assert (seen.driver, seen.health) == ("podman", "unproved")
    assert start_problems(seen, Settings()) == []
    assert availability(seen, Settings())[0] is False


def test_probe_asks_for_the_driver_that_a_start_would_use(programs: Script, tmp_path: Path) -> None:
    """The profile's, the one that is named, the one that Minikube is configured for; Docker's state is no matter then."""
    programs("minikube", VERSION)
    home = tmp_path / "minikube" / ".minikube"
    (home / "config").mkdir(parents=True)
    (home / "config/config.json").write_text('{"driver": "qemu2"}', encoding="utf-8")
    assert inspect_minikube(Settings()).driver == "qemu2"
    seen = inspect_minikube(Settings(driver="podman"))
    assert (seen.driver, seen.health) == ("podman", "missing")
    assert "there is no Podman" in start_problems(seen, Settings(driver="podman"))[0].found
    config = json.loads(recorded("running-profile-list-json").stdout)["valid"][0]["Config"]
    saved = home / "profiles/historia-clinica/config.json"
    saved.parent.mkdir(parents=True)
    saved.write_text(json.dumps({**config, "Driver": "kvm2", "Addons": None}), encoding="utf-8")
    assert inspect_minikube(Settings(driver="podman")).driver == "podman"  # no start of it ever came to its end
    saved.write_text(json.dumps({**config, "Driver": "kvm2"}), encoding="utf-8")
    assert inspect_minikube(Settings(driver="podman")).driver == "kvm2"


def test_probe_ends_where_docker_does_not_answer(programs: Script) -> None:
    """A command that hangs is a container engine that does not run."""
    programs("minikube", VERSION)
    programs("docker")

    def run(command: Any, environment: Any, seconds: float) -> Output:
        return Output("", 0, VERSION) if command[1] == "version" else Output("", -15, "", "", seconds)

    seen = inspect_minikube(Settings(), run=run)
    assert (seen.health, seen.said) == ("stopped", "docker info says nothing within 20 s")
