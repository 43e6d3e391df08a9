"""The role minikube and its image module against a real Minikube, in a profile of the tests' own.

The tests build on each other, in this order: one profile is started, used, stopped, started, and deleted.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.labs import ROOT, Run, run_playbook
from support.processes import runs

PROFILE = "hc-test-minikube"
REPOSITORY = "localhost/hc-test/greeting"
ROLE = {
    "name": "Run the role",
    "ansible.builtin.import_role": {"name": "aula.historia_clinica.minikube"},
}
IMAGE = {
    "name": "Build the image",
    "aula.historia_clinica.minikube_image": {
        "profile": PROFILE,
        "repository": REPOSITORY,
        "context": "{{ context }}",
        "build_args": {"BASE_IMAGE": "{{ base | default('docker.io/library/python:3.11-slim') }}"},
    },
    "register": "minikube_image",
}
SHOW = {
    "name": "Show what came of it",
    "ansible.builtin.copy": {"content": "{{ shown }}", "dest": "{{ result }}", "mode": "0600"},
    "changed_when": False,
    "check_mode": False,
}

if not os.environ.get("LAB_TEST_MINIKUBE"):
    pytest.skip(
        "no Minikube is to be used (LAB_TEST_MINIKUBE=1 lets the tests make a profile)", allow_module_level=True
    )
if not shutil.which("minikube"):
    pytest.skip("there is no program minikube on the PATH", allow_module_level=True)


@dataclass
class Bench:
    """A folder with the plays, and a kubeconfig of the tests' own."""

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Of every command: Minikube as it is here, but a kubeconfig that is nobody's."""
        return {"KUBECONFIG": str(self.folder / "kubeconfig")}

    def arguments(self, play: str, result: Path, **variables: Any) -> list[str]:
        """Of ansible-playbook."""
        values = {"minikube_profile": PROFILE, "minikube_cpus": 2, "minikube_memory": "2g", "minikube_timeout": 300}
        values |= {"result": str(result), "ansible_python_interpreter": sys.executable, **variables}
        return ["-i", "localhost,", "-c", "local", str(self.folder / play), "-e", json.dumps(values)]

    def play(self, play: str, *arguments: str, **variables: Any) -> tuple[Run, dict[str, Any]]:
        """Run a play; how it ended, and what its module gave."""
        result = self.folder / f"result-{time.monotonic_ns()}.json"
        run = run_playbook(*self.arguments(play, result, **variables), *arguments, environment=self.environment)
        return run, json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}

    def role(self, *arguments: str, **variables: Any) -> tuple[Run, dict[str, Any]]:
        """Run the role."""
        return self.play("role.json", *arguments, **variables)

    def image(self, context: Path, *arguments: str, **variables: Any) -> tuple[Run, dict[str, Any]]:
        """Build an image."""
        return self.play("image.json", *arguments, context=str(context), **variables)

    def minikube(self, *arguments: str) -> str:
        """What a command of Minikube prints."""
        command = ["minikube", f"--profile={PROFILE}", *arguments]
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    def kubectl(self, *arguments: str) -> dict[str, Any]:
        """What kubectl answers."""
        answer: dict[str, Any] = json.loads(self.minikube("kubectl", "--", *arguments, "-o", "json"))
        return answer

    def kill_start_when(self, ready: Callable[[], bool]) -> None:
        """Run the role, and kill it with all that it runs as soon as something holds."""
        command = [str(Path(sys.executable).with_name("ansible-playbook"))]
        process = subprocess.Popen(
            [*command, *self.arguments("role.json", self.folder / "none")],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        limit = time.monotonic() + 120
        while not ready():
            assert process.poll() is None, "the start ended before it could be killed"
            assert time.monotonic() < limit
            time.sleep(0.05)
        tree = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in tree:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait()
        while any(runs(member.pid) for member in tree):
            assert time.monotonic() < limit
            time.sleep(0.05)


def write_play(path: Path, shown: str, *tasks: dict[str, Any]) -> None:
    """A play of some tasks that shows a variable (JSON is YAML)."""
    play = {"name": "Try it", "hosts": "all", "gather_facts": False, "tasks": [*tasks, SHOW], "vars": {"shown": shown}}
    path.write_text(json.dumps([play]), encoding="utf-8")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench without a profile, before and after."""
    folder = tmp_path_factory.mktemp("minikube")
    write_play(folder / "role.json", "{{ minikube_cluster | to_json }}", ROLE)
    write_play(folder / "image.json", "{{ minikube_image | to_json }}", IMAGE)
    bench = Bench(folder)
    bench.minikube("delete")
    yield bench
    bench.minikube("delete")
    print({name: round(seconds, 1) for name, seconds in bench.seconds.items()})


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory to build from."""
    folder = tmp_path_factory.mktemp("context")
    text = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY greeting /greeting\nRUN cat /greeting\n"
    (folder / "Dockerfile").write_text(text, encoding="utf-8")
    (folder / "greeting").write_text("hola\n", encoding="utf-8")
    (folder / ".dockerignore").write_text("**\n!greeting\n", encoding="utf-8")
    return folder


def node_is_there() -> bool:
    """Whether the node's container runs."""
    command = ["docker", "container", "inspect", PROFILE, "--format", "{{.State.Running}}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "true"


def test_root_is_refused_that_may_not_force(bench: Bench) -> None:
    """Though Minikube itself may be configured to let it."""
    if os.geteuid() != 0:
        pytest.skip("only root is refused")
    run, _ = bench.role(minikube_force=False)
    assert run.rc == 2
    assert "1. minikube-root: root starts Minikube, and minikube_force is false" in run.stdout
    assert PROFILE not in bench.minikube("profile", "list", "-o", "json")


def test_check_mode_announces_the_start_and_makes_nothing(bench: Bench) -> None:
    """On a machine that could."""
    run, result = bench.role("--check")
    assert run.rc == 0, run.stdout
    assert (result["changed"], result["status"], result["context"]) == (True, "running", PROFILE)
    assert PROFILE not in bench.minikube("profile", "list", "-o", "json")


def test_starts_that_were_killed_are_taken_up(bench: Bench) -> None:
    """One that left no more than a name, and one whose node had just begun: both stand in Minikube's own way."""
    saved = Path(os.environ.get("MINIKUBE_HOME") or os.path.expanduser("~"), ".minikube/profiles", PROFILE)
    for ready in ((saved / "config.json").exists, node_is_there):
        bench.kill_start_when(ready)
        assert PROFILE in bench.minikube("profile", "list", "-o", "json")
    started = time.monotonic()
    run, result = bench.role()
    bench.seconds["start"] = time.monotonic() - started
    assert run.rc == 0, run.stdout
    assert (result["changed"], result["status"]) == (True, "running")
    assert (result["profile"]["cpus"], result["profile"]["memory"]) == (2, 2048)


def test_profile_that_was_started_works(bench: Bench) -> None:
    """Node, DNS and storage: what the start waited for is there at once."""
    (node,) = bench.kubectl("get", "nodes")["items"]
    assert {"type": "Ready", "status": "True"}.items() <= node["status"]["conditions"][-1].items()
    pods = bench.kubectl("get", "pods", "--namespace=kube-system")["items"]
    ready = {
        re.sub("-[0-9a-f]+-[0-9a-z]+$", "", pod["metadata"]["name"])
        for pod in pods
        if all(status["ready"] for status in pod["status"]["containerStatuses"])
    }
    assert {"coredns", "storage-provisioner"} <= ready
    (storage,) = bench.kubectl("get", "storageclasses")["items"]
    assert storage["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"


def test_context_is_in_the_kubeconfig_and_current_where_none_was(bench: Bench) -> None:
    """A person who has none gets this one."""
    run, result = bench.role("--check")
    assert run.rc == 0, run.stdout
    assert result["kubeconfig"] == bench.environment["KUBECONFIG"]
    text = Path(result["kubeconfig"]).read_text(encoding="utf-8")
    assert re.search(rf"^current-context: {PROFILE}$", text, re.MULTILINE)


def test_second_run_changes_nothing(bench: Bench) -> None:
    """It costs one look."""
    started = time.monotonic()
    run, result = bench.role()
    bench.seconds["again"] = time.monotonic() - started
    assert run.rc == 0, run.stdout
    assert sum(counts["changed"] for counts in run.recap.values()) == 0
    assert (result["status"], result["differences"]) == ("running", [])
    assert "[WARNING]" not in run.stderr


def test_other_settings_are_reported_and_change_nothing(bench: Bench) -> None:
    """The node is the same one, and a person reads what differs."""
    before = subprocess.run(
        ["docker", "inspect", PROFILE, "--format", "{{.Id}}"], capture_output=True, check=True
    ).stdout
    run, result = bench.role(minikube_memory="3g", minikube_driver="podman", minikube_container_runtime="docker")
    after = subprocess.run(
        ["docker", "inspect", PROFILE, "--format", "{{.Id}}"], capture_output=True, check=True
    ).stdout
    assert run.rc == 0, run.stdout
    assert sum(counts["changed"] for counts in run.recap.values()) == 0
    assert {entry["setting"] for entry in result["differences"]} == {
        "minikube_memory",
        "minikube_driver",
        "minikube_container_runtime",
    }
    assert "Two ways out" in run.stderr
    assert before == after


def test_image_build_that_fails_is_a_failure(bench: Bench, context: Path, tmp_path: Path) -> None:
    """Minikube ends with 0; what the build printed is shown."""
    broken = shutil.copytree(context, tmp_path / "broken")
    with (broken / "Dockerfile").open("a", encoding="utf-8") as file:
        file.write("RUN echo cannot go on && exit 3\n")
    run, _ = bench.image(broken)
    assert run.rc == 2
    assert f"The image {REPOSITORY}:" in run.stdout
    assert "did not complete successfully: exit code: 3" in run.stdout
    assert REPOSITORY not in bench.minikube("image", "ls")


def test_image_is_built_once_for_a_content(bench: Bench, context: Path) -> None:
    """Built, not built again, and built again when a file changed; a file that the build cannot see changes nothing."""
    run, announced = bench.image(context, "--check")
    assert run.rc == 0, run.stdout
    assert announced["changed"] is True
    started = time.monotonic()
    run, built = bench.image(context)
    bench.seconds["build"] = time.monotonic() - started
    assert run.rc == 0, run.stdout
    assert (built["changed"], built["image"]) == (True, announced["image"])
    images = {
        tag: image["id"]
        for image in json.loads(bench.minikube("image", "ls", "--format=json"))
        for tag in image["repoTags"]
    }
    assert images[built["image"]] == built["id"]
    (context / "notes").write_text("not seen by the build", encoding="utf-8")
    started = time.monotonic()
    run, again = bench.image(context)
    bench.seconds["build again"] = time.monotonic() - started
    assert run.rc == 0, run.stdout
    assert (again["changed"], again["image"], again["id"]) == (False, built["image"], built["id"])
    (context / "greeting").write_text("adiós\n", encoding="utf-8")
    run, other = bench.image(context)
    assert run.rc == 0, run.stdout
    assert other["changed"] is True
    assert other["image"] != built["image"]
    assert other["id"] != built["id"]


def test_profile_is_stopped_once(bench: Bench) -> None:
    """And an image cannot be built in it then."""
    run, result = bench.role(minikube_state="stopped")
    assert run.rc == 0, run.stdout
    assert (result["changed"], result["status"]) == (True, "stopped")
    assert not node_is_there()
    run, result = bench.role(minikube_state="stopped")
    assert (run.rc, result["changed"]) == (0, False)


def test_image_of_a_stopped_profile_is_a_failure(bench: Bench, context: Path) -> None:
    """Minikube says nothing at all, with exit code 0."""
    run, _ = bench.image(context)
    assert run.rc == 2
    assert f"The Minikube profile {PROFILE} does not run" in run.stdout


def test_two_runs_at_once_start_it_once(bench: Bench) -> None:
    """The second waits for the first, and finds it running."""
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: bench.role(), range(2)))
    bench.seconds["start after stop"] = time.monotonic() - started
    assert [run.rc for run, _ in runs] == [0, 0], [run.stdout for run, _ in runs]
    assert sorted(result["changed"] for _, result in runs) == [False, True]
    assert {result["status"] for _, result in runs} == {"running"}


def test_node_that_was_removed_is_told_and_nothing_is_touched(bench: Bench) -> None:
    """A start would hang for minutes."""
    subprocess.run(["docker", "rm", "--force", PROFILE], capture_output=True, check=True)
    started = time.monotonic()
    run, _ = bench.role()
    assert time.monotonic() - started < 60
    assert run.rc == 2
    assert f"minikube delete -p {PROFILE}" in run.stdout
    assert not node_is_there()


def test_profile_is_deleted_once(bench: Bench) -> None:
    """With its context, its volume and its lock."""
    run, result = bench.role(minikube_state="absent")
    assert run.rc == 0, run.stdout
    assert (result["changed"], result["status"]) == (True, "absent")
    run, result = bench.role(minikube_state="absent")
    assert (run.rc, result["changed"]) == (0, False)
    assert PROFILE not in bench.minikube("profile", "list", "-o", "json")
    assert PROFILE not in Path(bench.environment["KUBECONFIG"]).read_text(encoding="utf-8")
    volumes = subprocess.run(["docker", "volume", "ls", "-q"], capture_output=True, text=True, check=True).stdout
    assert PROFILE not in volumes.split()
    home = Path(os.environ.get("MINIKUBE_HOME") or os.path.expanduser("~"), ".minikube")
    assert [path.name for path in home.iterdir() if path.name.startswith(PROFILE)] == []
