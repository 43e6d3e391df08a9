"""Minikube, and clusters that are named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster_state import ClusterState
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import MinikubeState
from support.preflight import CLUSTER, OURS, WORKING, Bench, listening, port_of, reasons, serving


@pytest.mark.parametrize("target", ["minikube", "kubernetes"])
def test_nothing_is_wrong_with_pods_on_the_bench(bench: Bench, target: str) -> None:
    """The cases of pods start from a lab that could be made; neither servers nor sizes of this machine matter."""
    bench.pods(target)
    bench.seen.update(memory=0, disk=0, data_major=15)
    assert bench.problems() == []


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
    bench.minikube_state = replace(WORKING, cpus=1, memory=1000, root=True)
    asleep, awake = ClusterState("unreachable", "connection refused"), CLUSTER
    bench.cluster = asleep
    assert bench.ids() == ["minikube-root", "minikube-cpus", "minikube-memory"]
    profile = bench.folder / ".minikube" / "profiles" / "historia-clinica" / "config.json"
    profile.parent.mkdir(parents=True)
    profile.write_text("{}", encoding="utf-8")
    assert bench.ids() == ["minikube-root"]
    assert "does not run, and is going to be started" in reasons(bench)["target"]
    bench.cluster = awake
    assert bench.ids() == []
    bench.minikube_state = MinikubeState()
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
    bench.cluster = ClusterState("unreachable")
    bench.minikube_state = replace(WORKING, health="missing")
    assert bench.ids() == ["minikube-setting", "driver-missing", "minikube-cpus"]


def test_a_cluster_that_nobody_could_look_at_is_said_to_be(bench: Bench) -> None:
    """No runtime yet, as in check mode: nothing is held against the cluster, and nothing is claimed."""
    bench.pods("kubernetes")
    bench.cluster = ClusterState(said="the runtime, whose Python would ask it, is not there yet")
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
    """The one that is named, and the fix of none at all."""
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
    problem = bench.only("namespace-foreign")
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
    bench.cluster = ClusterState("unreachable")
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
    """What is left out is the record's; another cluster, namespace or class is refused with both and the fix."""
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
    problem = bench.only("record-cluster")
    assert problem.found == "minikube_profile is nuevo, but the lab was made with otro"
    bench.choose(purpose="use")
    assert (bench.decide().lab["context"], bench.decide().lab["kubeconfig"]) == ("otro", "/old")


def test_another_target_is_refused_without_a_look_at_it(bench: Bench) -> None:
    """A lab of this machine is not asked for what it would need in a cluster."""
    bench.record(postgres_bin="")
    bench.pods("kubernetes", kubeconfig=None, middleware_image=None)
    bench.cluster = ClusterState("unreachable")
    assert bench.ids() == ["record-target"]
    bench.choose(target="minikube")
    bench.minikube_state = MinikubeState()
    assert bench.ids() == ["record-target"]
