"""Every problem: what makes it and no other, that it is documented, and that one list has them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster_state import ClusterState
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import record_path
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.capacity import MIB
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.decision import headline
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.record import busy
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import PROBLEMS, Problem
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import Run, register
from support.preflight import CLUSTER, OURS, ROOT, WORKING, Bench, listening, port_of

DOCUMENTED = Path(__file__).parents[3] / "roles" / "preflight" / "PROBLEMS.md"


@dataclass(frozen=True)
class Wrong:
    """The one thing that is wrong.

    Attributes:
        id: the problem that it is.
        choices: what is chosen otherwise.
        record: what is otherwise in the record of the lab, which is there.
        seen: what is seen of the machine, where a test cannot make it real.
        cluster: what is seen of the cluster of a lab in pods.
        minikube_state: what there is for the Minikube of a lab in pods, whose profile is not there yet.
        pods: a lab in pods, of this target.
        make: makes the rest.
    """

    id: str
    choices: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=dict)
    minikube_state: dict[str, Any] = field(default_factory=dict)
    pods: str = ""
    make: Callable[[Bench], object] = lambda bench: None


def pods(id_: str, target: str = "kubernetes", **choices: Any) -> Wrong:
    """One wrong choice for pods."""
    return Wrong(id_, choices, pods=target)


def cluster(id_: str, **seen: Any) -> Wrong:
    """What a cluster is like."""
    return Wrong(id_, cluster=seen, pods="kubernetes")


def minikube(id_: str, **minikube_state: Any) -> Wrong:
    """What there is for Minikube."""
    return Wrong(id_, {"minikube": {"force": False}}, minikube_state=minikube_state, pods="minikube")


def _neighbour(bench: Bench, **values: Any) -> None:
    bench.record(name="beto", directory=str(bench.folder / "beto"), database_port=10900, **values)


def _foreign_directory(bench: Bench) -> None:
    bench.directory.mkdir()
    (bench.directory / "thesis.odt").touch()


def _file_for_a_folder(bench: Bench) -> None:
    (bench.folder / "file").touch()
    bench.choose(directory=str(bench.folder / "file" / "lab"))


def _closed_folder(bench: Bench) -> None:
    (bench.folder / "closed").mkdir(mode=0o700)
    bench.identity = ROOT
    bench.choose(directory=str(bench.folder / "closed" / "lab"))


def _broken_record(bench: Bench) -> None:
    bench.directory.mkdir()
    record_path(bench.directory).write_text("{", encoding="utf-8")


def _closed_runtime(bench: Bench) -> None:
    (bench.folder / "home").mkdir(mode=0o700)
    (bench.folder / "home" / "python").touch(mode=0o755)
    (bench.folder / "runtime" / "bin").mkdir(parents=True)
    (bench.folder / "runtime" / "bin" / "python").symlink_to(bench.folder / "home" / "python")
    bench.identity = ROOT


def _closed_postgres(bench: Bench) -> None:
    bench.identity = ROOT
    (bench.folder / "pg" / "bin" / "initdb").chmod(0o700)


def _broken_postgres(bench: Bench) -> None:
    (bench.folder / "pg" / "bin" / "postgres").write_text("#!/bin/sh\necho no library >&2; exit 127\n", "utf-8")


def _old_postgres(bench: Bench) -> None:
    bench.choose(postgres_bin=bench.postgres("old", "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"))


def _known_elsewhere(bench: Bench) -> None:
    register(bench.folder / "runtime", "lab", "/media/usb/lab")


CASES = [
    Wrong("value-cut", {"unread": "lab"}),
    Wrong("lab-name", {"name": "Clínica 1"}),
    Wrong("target-unknown", {"target": "cloud"}),
    Wrong("engine-unknown", {"engine": "mysql"}),
    Wrong("engine-not-installed", {"engine": "citus"}),
    Wrong("workers-invalid", {"workers": "0"}),
    Wrong("port-invalid", {"api_port": "80"}),
    Wrong("ports-overlap", make=lambda bench: bench.choose(api_port=port_of(bench) + 2)),
    Wrong("port-busy", make=lambda bench: bench.during(listening(port_of(bench) + 1))),
    Wrong("port-of-another-lab", make=_neighbour),
    Wrong("directory-characters", {"directory": "/tmp/a\nb"}),
    Wrong("directory-relative", {"directory": "labs/ana"}),
    Wrong("directory-too-long", make=lambda bench: bench.choose(directory=str(bench.folder / ("ñ" * 40)))),
    Wrong("directory-foreign", make=_foreign_directory),
    Wrong("directory-not-writable", make=_file_for_a_folder),
    Wrong("directory-unreachable", make=_closed_folder),
    Wrong("directory-gone", {"directory": None, "purpose": "use"}, make=_known_elsewhere),
    Wrong("name-taken", make=_known_elsewhere),
    Wrong("lab-missing", {"purpose": "use"}),
    Wrong("record-unreadable", make=_broken_record),
    Wrong("record-missing", make=lambda bench: (bench.directory / "data" / "citus-coordinator").mkdir(parents=True)),
    Wrong("record-name", record={"name": "beto"}),
    Wrong("record-user", record={"user": "hc-lab"}),
    Wrong("record-target", {"target": "host"}, {"target": "minikube"}),
    Wrong("record-engine", {"engine": "postgres_fdw"}, {"engine": "citus"}),
    Wrong("lab-stopped", {"purpose": "scale", "workers": 3}, {"workers": 2}),
    Wrong("record-ports", record={"api_port": 10999}),
    Wrong(
        "record-cluster", record={"target": "kubernetes", "context": "casa", "namespace": "hc-lab"}, pods="kubernetes"
    ),
    Wrong("memory-short", seen={"memory": 100 * MIB}),
    Wrong("disk-short", seen={"disk": 100 * MIB}),
    Wrong("runtime-missing", {"postgres_bin": None}),
    Wrong("runtime-unreachable", make=_closed_runtime),
    Wrong("postgres-missing", {"postgres_bin": "/nonexistent/bin"}),
    Wrong("postgres-unreachable", make=_closed_postgres),
    Wrong("postgres-broken", make=_broken_postgres),
    Wrong("postgres-old", make=_old_postgres),
    Wrong("postgres-major", record={"postgres_version": "17.2"}),
    pods("pods-setting", namespace="Aula 1"),
    pods("kubernetes-unnamed", context=None),
    pods("image-source", middleware_image=None),
    pods("minikube-setting", "minikube", minikube={"container_runtime": "rkt"}),
    Wrong("engine-no-image", {"engine": "citus"}, cluster={"architectures": ("amd64", "arm64")}, pods="kubernetes"),
    Wrong(
        "namespace-of-another-lab",
        {"namespace": "aula"},
        pods="kubernetes",
        make=lambda bench: _neighbour(bench, target="kubernetes", context="aula", namespace="aula", api_port=10901),
    ),
    minikube("minikube-missing", program=""),
    minikube("minikube-broken", version=""),
    minikube("minikube-root", root=True),
    minikube("driver-missing", driver="", health="missing"),
    minikube("driver-stopped", health="stopped", said="is the docker daemon running?"),
    minikube("driver-denied", health="denied", said="permission denied"),
    minikube("driver-broken", health="broken", said="server error"),
    minikube("minikube-cpus", cpus=1),
    minikube("minikube-memory", memory=1024),
    cluster("kubeconfig-unreadable", state="kubeconfig", said="No such file or directory"),
    cluster("context-unknown", state="context", contexts=("aula", "casa")),
    cluster("cluster-unreachable", state="unreachable", said="connection refused"),
    cluster("cluster-unauthorized", state="unauthorized", said="Unauthorized"),
    cluster("cluster-rights", denied=("create namespaces",)),
    cluster("namespace-foreign", namespace="Active", labels={"app": "shop"}),
    cluster("namespace-terminating", namespace="Terminating", labels=OURS),
    cluster("storage-class", default_storage_class=False),
]


def test_nothing_is_wrong_on_the_bench(bench: Bench) -> None:
    """The cases below start from a lab that could be made: what they report is theirs."""
    assert bench.problems() == []
    assert not bench.directory.exists()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_each_problem_is_reported(bench: Bench, case: Wrong) -> None:
    """Alone, with what was found, needed and what mends it."""
    if case.pods:
        bench.pods(case.pods, **case.choices)
    bench.choose(**case.choices)
    if case.record:
        bench.record(**case.record)
    bench.seen.update(case.seen)
    bench.cluster = ClusterState("unreachable", "refused") if case.minikube_state else replace(CLUSTER, **case.cluster)
    bench.minikube_state = replace(WORKING, **case.minikube_state) if case.pods else bench.minikube_state
    case.make(bench)
    assert_reported(bench.problems(), case.id)


def test_a_lab_that_another_run_works_on_is_reported() -> None:
    """The module asks for it when it has decided everything else."""
    other, this = Run("4242 7", "lab", "stop.yml", "luis", "2026-11-27 23:42:17"), Run("4243 9", "lab")
    problem = busy("lab", other, this)
    assert_reported([problem], "lab-busy")
    assert problem.found == "stop.yml, run by luis since 2026-11-27 23:42:17, works on the lab: the process 4242"
    assert "ps -p 4242; kill 4242" in problem.remedy
    assert busy("lab", Run("4242 7"), this).found == "another run of Ansible works on the lab: the process 4242"


def assert_reported(problems: list[Problem], id_: str) -> None:
    """One problem, whole."""
    assert [problem.id for problem in problems] == [id_]
    assert all((problem.found, problem.needed, problem.remedy) for problem in problems)
    assert headline("lab", problems).endswith(f": 1 problem ({id_}). Nothing of it was changed.")


def test_each_problem_has_a_case_and_is_documented() -> None:
    """The registry is the table above, and the table of the documentation."""
    assert {case.id for case in CASES} | {"lab-busy"} == set(PROBLEMS)
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
    text = headline("Ñandú", problems)
    assert text.startswith("The lab 'Ñandú' cannot go on: 9 problems (lab-name, target-unknown, ")
    assert text.count("port-invalid") == 1
