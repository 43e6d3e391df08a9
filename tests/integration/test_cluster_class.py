"""A class of two in one cluster: what each may do with the kubeconfig of the handout, and every way from one to the other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import cluster_isolation as ways
from support import isolation
from support.labs import ROOT
from support.pods import CLUSTER_ENGINES, CONTEXT, KUBECONFIG, missing, on_the_cluster

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

#: What a student looks at in the namespace of the lab.
READ = (
    *("configmaps", "endpoints", "events", "limitranges", "persistentvolumeclaims", "pods", "replicationcontrollers"),
    *("resourcequotas", "services", "controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"),
    *("horizontalpodautoscalers", "cronjobs", "jobs", "endpointslices", "networkpolicies"),
)
#: And what is done with its pods; the last two with the coordinator's alone.
WITH_PODS = ("get pods", "delete pods", "get pods/log", "get pods/portforward", "create pods/portforward")
WITH_THE_COORDINATOR = ("get pods/exec/citus-coordinator-0", "create pods/exec/citus-coordinator-0")


def kubectl(*arguments: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run kubectl as the teacher."""
    command = ["kubectl", "--kubeconfig", KUBECONFIG, "--context", CONTEXT, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=check, timeout=300)


class Classroom:
    """Ana and Beto, whose labs are in one cluster.

    Attributes:
        made: what the first `make class` printed, with all that it can print.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.roster = place / "roster.csv"
        self.roster.write_text("Nombre;Correo\nAna;ana@uni.edu\nBeto;beto@uni.edu\n", encoding="utf-8")
        engine = CLUSTER_ENGINES[0]
        variables = {
            "runtime_directory": f"{place}/runtime",
            "lab_directory": f"{place}/labs/{{{{ inventory_hostname }}}}",
            "lab_database_port": "{{ 28500 + 100 * student_number }}",
            "lab_api_port": "{{ 28550 + 100 * student_number }}",
            "lab_engine": engine,
            "lab_workers": 1,
            "clinical_schema_patients": 100,
            **on_the_cluster(engine),
        }
        self.variables = place / "variables.json"
        self.variables.write_text(json.dumps(variables), encoding="utf-8")
        self.made = ""

    def make(self, word: str, *more: str, lab: str = "") -> subprocess.CompletedProcess[str]:
        """Type a command of the guide."""
        typed = [
            f"ROSTER={self.roster}",
            f"ARGS=-e @{self.variables} {' '.join(more)}",
            *([f"LAB={lab}"] if lab else []),
        ]
        return subprocess.run(
            ["make", "--no-print-directory", word, *typed],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
            | {"ANSIBLE_NOCOLOR": "1", "KUBECONFIG": KUBECONFIG},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, word: str, *more: str, lab: str = "") -> str:
        """The same where it has to succeed: what it prints."""
        ran = self.make(word, *more, lab=lab)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    def folder(self, lab: str) -> Path:
        """What a student is handed out."""
        return self.place / "roster.handouts" / lab

    def student(self, lab: str) -> ways.Student:
        """Who has that."""
        return ways.Student(self.folder(lab) / "kubeconfig")

    def own(self, lab: str) -> isolation.Own:
        """What a student has besides: of the database, all that a pod has of it."""
        directory = self.place / "labs" / lab
        record = json.loads((directory / "lab.json").read_text(encoding="utf-8"))
        passwords = {
            path.stem: path.read_text(encoding="utf-8").rpartition(":")[2].strip()
            for path in (directory / "credentials").glob("*.pgpass")
        }
        log_in = (self.folder(lab) / "api.json").read_bytes()
        port = record["api_port"]
        return isolation.Own("", record["database_port"], port, passwords, log_in, isolation.token(port, log_in))


@pytest.fixture(scope="module")
def classroom() -> Iterator[Classroom]:
    """A class that was made and handed out."""
    place = Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    place.chmod(0o755)
    classroom = Classroom(place)
    try:
        classroom.made = classroom.done("class", "-vvv", "--diff") + classroom.done("handout", "-vvv", "--diff")
        yield classroom
    finally:
        classroom.done("teardown")
        assert [name for name in namespaces() if name in ("hc-ana", "hc-beto")] == []
        subprocess.run(["rm", "-r", str(place)], check=True)


def namespaces() -> list[str]:
    """The cluster's."""
    return kubectl("get", "namespaces", "-o", "jsonpath={.items[*].metadata.name}").stdout.split()


def pods(namespace: str) -> dict[str, str]:
    """The addresses of a namespace's pods that serve, by name."""
    found = json.loads(kubectl("-n", namespace, "get", "pods", "-o", "json").stdout)["items"]
    return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in found if pod["status"]["phase"] == "Running"}


def hosts(namespace: str) -> tuple[list[str], list[str]]:
    """Where a lab's servers answer, and where its API does: pods and Services."""
    found = pods(namespace)
    servers = [address for name, address in found.items() if name.startswith("citus-")]
    apis = [address for name, address in found.items() if name.startswith("middleware-")]
    assert (len(servers), len(apis)) == (2, 2)
    return [*servers, f"citus-coordinator.{namespace}", f"citus-worker-1.{namespace}"], [
        *apis,
        f"middleware-service.{namespace}",
    ]


def named(namespace: str) -> dict[str, list[str]]:
    """Things of a namespace that are there, by kind."""
    found = {}
    for kind in (
        "pods",
        "secrets",
        "configmaps",
        "services",
        "statefulsets",
        "deployments",
        "serviceaccounts",
        "roles",
        "rolebindings",
    ):
        names = kubectl("-n", namespace, "get", kind, "-o", "jsonpath={.items[*].metadata.name}").stdout.split()
        assert names, kind
        found[kind] = names
    return found


def everything(namespace: str) -> set[str]:
    """What a namespace has, each thing as the one that it is."""
    kinds = "pods,persistentvolumeclaims,secrets,configmaps,services,statefulsets,deployments,networkpolicies,roles,resourcequotas"
    show = (
        'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid} {.metadata.deletionTimestamp}{"\\n"}{end}'
    )
    return set(kubectl("-n", namespace, "get", kinds, "-o", show).stdout.splitlines())


def test_nothing_is_given_twice(classroom: Classroom) -> None:
    """A second run changes nothing, and a check says so; folder and kubeconfig are the student's alone."""
    before = {lab: (classroom.folder(lab) / "kubeconfig").read_bytes() for lab in ("ana", "beto")}
    again = classroom.done("class")
    assert "2 of 2 labs are up; changed=0;" in again, again
    assert "changed=0;" in classroom.done("class", "--check")
    assert re.findall(r"changed=(\d+)", classroom.done("handout")) == ["0", "0"]
    assert {lab: (classroom.folder(lab) / "kubeconfig").read_bytes() for lab in before} == before
    kept = [path for lab in before for path in (classroom.place / "labs" / lab / "credentials").glob("*.kubeconfig")]
    assert {path.stat().st_mode & 0o077 for path in [*kept, *(classroom.place / "roster.handouts").rglob("*")]} == {0}
    assert len(kept) == 2


def test_no_token_is_shown_and_nothing_of_the_teachers_is_given(classroom: Classroom) -> None:
    """Not with -vvv --diff; of the teacher's kubeconfig the student's has the cluster, and no more."""
    ana, beto = classroom.student("ana"), classroom.student("beto")
    assert ana.token != beto.token
    assert [student.namespace for student in (ana, beto) if student.token in classroom.made] == []
    shown = kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout
    [user], [cluster] = json.loads(shown)["users"], json.loads(shown)["clusters"]
    text = ana.path.read_text(encoding="utf-8")
    assert [name for name, value in user["user"].items() if str(value) in text] == []
    assert yaml.safe_load(text)["clusters"][0]["cluster"] == {
        key: cluster["cluster"][key] for key in ("server", "certificate-authority-data")
    }


def test_a_student_works_with_the_kubeconfig_of_the_handout(classroom: Classroom) -> None:
    """What the page and the original name: look, logs, psql in the coordinator's pod, a pod that is deleted and comes back."""
    ana = classroom.student("ana")
    page = (classroom.folder("ana") / "LEAME.md").read_text(encoding="utf-8")
    typed = re.findall(r"^    kubectl --kubeconfig kubeconfig (.*)$", page, re.MULTILINE)
    assert typed[:2] == ["get pods", "auth can-i --list"]
    psql = "exec citus-coordinator-0 -- psql -U admin -d historia_clinica -Atc"
    for line in (
        *typed[:2],
        *("get all", "get events", "logs -l app=citus-coordinator", "logs deploy/middleware-citus", "describe pods"),
        *("rollout history deployment/middleware-citus", "delete pod citus-worker-1"),
    ):
        done = ana.kubectl(*line.split())
        assert done.returncode == 0, (line, done.stderr)
    asked = ana.kubectl(*psql.split(), "SELECT count(*) FROM medicos")
    assert (asked.returncode, asked.stdout) == (0, "40\n"), asked.stderr
    kubectl("-n", "hc-ana", "rollout", "status", "statefulset/citus-worker", "--timeout=120s")
    for line in (
        *("get secrets", "get pods -A", "scale statefulset citus-worker --replicas=3", "get nodes"),
        *("rollout restart deployment/middleware-citus", "run another --image=docker.io/library/postgres:18"),
    ):
        done = ana.kubectl(*line.split())
        assert (done.returncode, "forbidden" in done.stderr.lower()) == (1, True), (line, done.stdout, done.stderr)


def test_in_the_own_namespace_a_student_may_do_what_is_meant_and_no_more(classroom: Classroom) -> None:
    """Each verb with each kind of thing is tried: what answers is the list above."""
    ana = classroom.student("ana")
    there = list(pods("hc-ana"))
    tried, found = isolation.open_ways(ways.objects(ana, "hc-ana", {"pods": there}))
    print(f"\nin the own namespace: {tried} ways tried, {len(found)} open")
    assert tried > 300
    assert set(found) == {
        *(f"{verb} {resource}" for resource in READ for verb in ("list", "watch")),
        *(f"get {resource}/any" for resource in READ if resource != "pods"),
        *(f"{right}/{pod}" for right in WITH_PODS for pod in there),
        *WITH_THE_COORDINATOR,
    }


def every_way(classroom: Classroom, own: str, other: str) -> Iterator[isolation.Way]:
    """From one student's lab to another's."""
    student, mine, theirs = classroom.student(own), classroom.own(own), classroom.own(other)
    namespace = f"hc-{other}"
    there = isolation.Other("", Path("/"), (theirs.port,), theirs.api_port, (), (), (), ())
    node = json.loads(kubectl("get", "nodes", "-o", "json").stdout)["items"][0]["status"]["addresses"][0]["address"]
    yield from ways.objects(student, namespace, named(namespace))
    yield from ways.cluster_wide(student)
    yield from ways.as_another(student, namespace)
    yield from ways.kubelet(student, node, namespace, list(pods(namespace)))
    yield from ways.from_a_pod(student, mine, *hosts(namespace))
    yield from isolation.databases(mine, there)
    yield from isolation.apis(mine, there)


def test_nobody_reaches_a_neighbours_namespace(classroom: Classroom) -> None:
    """By the cluster's API, by a node's, by the pods' network and by the ports of the server: no way is open, and none leads to the cluster itself."""
    tried, found = isolation.open_ways(every_way(classroom, "ana", "beto"))
    print(f"\nisolation in a cluster: {tried} ways tried, {len(found)} open")
    assert found == []
    # To Beto himself ways of each kind are open: whatever tries them can tell.
    _tried, found = isolation.open_ways(every_way(classroom, "beto", "beto"))
    kinds = [
        *("get pods/citus", "list pods", "get pods/log", "delete pods", "create pods/exec/citus-coordinator-0"),
        *("from a pod: log in", "from a pod: GET", "log in to port", "log in to the API", "GET pacientes with"),
    ]
    assert [kind for kind in kinds if not any(way.startswith(kind) for way in found)] == []
    others = [
        way
        for way in found
        if "without" in way or " no " in way or way.startswith("as ") or "https://" in way or "of all" in way
    ]
    assert others == []


def test_what_the_cluster_lists_of_rights_is_what_everybody_has(classroom: Classroom) -> None:
    """`kubectl auth can-i --list`: in another's namespace, and everywhere, a student has what anybody has who is logged in."""
    ana = classroom.student("ana")

    def listed(*where: str) -> set[str]:
        done = ana.kubectl("auth", "can-i", "--list", "--no-headers", *where)
        assert done.returncode == 0, done.stderr
        return {line.split("[")[0].strip() for line in done.stdout.splitlines() if line.split("[")[0].strip()}

    everybodys = {
        "selfsubjectreviews.authentication.k8s.io",
        "selfsubjectaccessreviews.authorization.k8s.io",
        "selfsubjectrulesreviews.authorization.k8s.io",
    }
    for where in ("hc-beto", "kube-system", "default"):
        assert listed("-n", where) == everybodys
    assert {"pods", "pods/log", "pods/exec"} < listed("-n", "hc-ana")


def test_a_way_that_somebody_opens_is_found(classroom: Classroom) -> None:
    """A binding that is too wide: one namespace more, or the whole cluster."""
    ana, before = classroom.student("ana"), everything("hc-beto")
    subject = "--serviceaccount=hc-ana:student"
    kubectl("-n", "hc-beto", "create", "rolebinding", "too-wide", "--clusterrole=edit", subject)
    kubectl("create", "clusterrolebinding", "hc-too-wide", "--clusterrole=system:node-proxier", subject)
    try:
        _tried, found = isolation.open_ways(
            chain(ways.objects(ana, "hc-beto", named("hc-beto")), ways.cluster_wide(ana))
        )
    finally:
        kubectl("-n", "hc-beto", "delete", "rolebinding", "too-wide")
        kubectl("delete", "clusterrolebinding", "hc-too-wide")
    wanted = {"get secrets/credentials", "create pods", "list nodes", "list services of all namespaces"}
    assert wanted - set(found) == set(), found
    assert everything("hc-beto") == before  # whatever is open, a try changes nothing


def test_the_pods_network_is_closed_where_the_cluster_enforces_it(classroom: Classroom) -> None:
    """No pod of one lab connects to one of another."""
    verified = classroom.done("verify", lab="ana")
    if "Network policies: enforced" not in verified:
        assert "Network policies: not enforced by this cluster's network" in " ".join(verified.split())
        pytest.skip(
            "the pods' network between two students: this cluster's network enforces no policies; passwords and tokens alone are between them"
        )
    tried, found = isolation.open_ways(ways.through_the_network(classroom.student("ana"), *hosts("hc-beto")))
    print(f"\nthe pods' network: {tried} ways tried, {len(found)} open")
    assert found == []
    _tried, found = isolation.open_ways(ways.through_the_network(classroom.student("ana"), *hosts("hc-ana")))
    assert found != []


#: A pod that a lab's namespace refuses, and why: the next case is a line.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"resources": {"limits": {"memory": "64Gi"}}}, "exceeded quota: lab"),
    ({"resources": {"requests": {"cpu": "8"}, "limits": {"cpu": "8"}}}, "exceeded quota: lab"),
    ({"securityContext": {"privileged": True}}, "violates PodSecurity"),
]


@pytest.mark.parametrize(("change", "reason"), REFUSED, ids=["memory", "processors", "privileged"])
def test_a_pod_beyond_what_a_lab_may_use_is_refused(classroom: Classroom, change: dict[str, Any], reason: str) -> None:
    """By the cluster, whoever asks for it; one that says nothing gets the namespace's own limits, and is taken."""
    restricted = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "runAsUser": 999,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "c", "image": "docker.io/library/postgres:18", "securityContext": restricted}

    def asked(more: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "more"},
            "spec": {"containers": [{**container, **more}]},
        }
        return kubectl(
            "-n", "hc-ana", "create", "--dry-run=server", "-o", "json", "-f", "-", text=json.dumps(pod), check=False
        )

    refused = asked(change)
    assert (refused.returncode, reason in refused.stderr) == (1, True), refused.stderr
    taken = asked({})
    assert taken.returncode == 0, taken.stderr
    assert json.loads(taken.stdout)["spec"]["containers"][0]["resources"]["limits"] == {
        "cpu": "250m",
        "memory": "128Mi",
    }


def test_a_deployment_of_forty_pods_stays_within_the_quota(classroom: Classroom) -> None:
    """The pods that are too many are never made; the neighbour's lab has all of its own."""
    quota = json.loads(kubectl("-n", "hc-ana", "get", "resourcequota", "lab", "-o", "json").stdout)["spec"]["hard"]
    scale = ("-n", "hc-ana", "scale", "deployment/middleware-citus")
    kubectl(*scale, "--replicas=40")
    try:
        refused = (
            "-n",
            "hc-ana",
            "wait",
            "deployment/middleware-citus",
            "--for=condition=ReplicaFailure",
            "--timeout=120s",
        )
        kubectl(*refused)
        ended = "--field-selector=status.phase!=Succeeded"  # a Job's pod that is through counts no more
        made = kubectl("-n", "hc-ana", "get", "pods", ended, "-o", "name").stdout.split()
        assert len(made) <= int(quota["pods"])
    finally:
        kubectl(*scale, "--replicas=2")
        kubectl("-n", "hc-ana", "rollout", "status", "deployment/middleware-citus", "--timeout=300s")
    hosts("hc-beto")


def test_a_kubeconfig_that_got_lost_is_ended_and_a_role_that_was_widened_is_narrowed(classroom: Classroom) -> None:
    """As the guide says: without its account the old one opens nothing, and `make class` makes another; of the Role, what was added goes."""
    lost = classroom.student("ana")
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}
    kubectl(
        "-n",
        "hc-ana",
        "patch",
        "role",
        "student",
        "--type=json",
        "-p",
        json.dumps([{"op": "add", "path": "/rules/-", "value": rule}]),
    )
    assert lost.kubectl("get", "secrets").returncode == 0
    kubectl("-n", "hc-ana", "delete", "serviceaccount", "student")
    checked = classroom.done("class", "--check")
    assert "changed=0;" not in checked
    assert kubectl("-n", "hc-ana", "get", "serviceaccount", "student", check=False).returncode == 1
    classroom.done("class")
    classroom.done("handout")
    found = classroom.student("ana")
    assert lost.status("GET", "api/v1/namespaces/hc-ana/pods") == 401
    assert found.status("GET", "api/v1/namespaces/hc-ana/pods") == 200
    assert found.status("GET", "api/v1/namespaces/hc-ana/secrets") == 403
