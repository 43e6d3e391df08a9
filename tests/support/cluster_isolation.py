"""Every way from one student's namespace to another's, and up to the cluster, to be tried with a student's kubeconfig.

A way of the cluster's API is a request as it is, not a question whether it would be allowed: with `dryRun`, which decides who may and changes nothing.
"""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
import yaml

from support.isolation import LOGINS, ClosedError, Own, Way

# Whoever tries a node's own API does not mind whose certificate it has.
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

#: How each verb is asked for: method, whether of one object, query.
VERBS = {
    "list": ("GET", False, ""),
    "watch": ("GET", False, "watch=1&timeoutSeconds=1"),
    "deletecollection": ("DELETE", False, "dryRun=All"),
    "create": ("POST", False, "dryRun=All"),
    "get": ("GET", True, ""),
    "update": ("PUT", True, "dryRun=All"),
    "patch": ("PATCH", True, "dryRun=All"),
    "delete": ("DELETE", True, "dryRun=All"),
}
#: Whom somebody could want to be.
ANOTHER = ("system:admin", "kubernetes-admin", "minikube-user", "system:kube-controller-manager")
#: What the cluster has besides objects, and shows its administrators.
PLACES = ("metrics", "logs/", "debug/pprof/", "configz", "flagz", "statusz")


@dataclass(frozen=True)
class Resource:
    """A kind of thing that the cluster's API has.

    Attributes:
        path: of its group and version.
        name: such as ``pods`` or ``pods/log``.
        namespaced: whether each belongs to a namespace.
        verbs: what can be done with it.
    """

    path: str
    name: str
    namespaced: bool
    verbs: tuple[str, ...]


class Student:
    """Who has a kubeconfig, and uses it without any program that could refuse by itself.

    Args:
        path: the kubeconfig.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        [cluster], [user], [context] = found["clusters"], found["users"], found["contexts"]
        self.server: str = cluster["cluster"]["server"]
        self.token: str = user["user"]["token"]
        self.namespace: str = context["context"]["namespace"]
        trusted = ssl.create_default_context(
            cadata=base64.b64decode(cluster["cluster"]["certificate-authority-data"]).decode()
        )
        self._pool = urllib3.PoolManager(ssl_context=trusted, retries=False, timeout=20)

    def status(self, method: str, path: str, body: object = None, **headers: str) -> int:
        """The status of a request."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self._pool.request(
            method,
            f"{self.server}/{path}",
            body=json.dumps(body or {})
            if method in ("POST", "PUT", "PATCH")
            else None,  # what DELETE has in it goes before `dryRun`
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind, **headers},
        )
        return answer.status

    def resources(self) -> list[Resource]:
        """What the cluster's API has: everybody may ask that."""
        groups = json.loads(self._get("apis"))["groups"]
        versions = ["api/v1", *(f"apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
        return [
            Resource(version, one["name"], one["namespaced"], tuple(one["verbs"]))
            for version in versions
            for one in json.loads(self._get(version))["resources"]
            if not one["name"].startswith("self")  # who am I, what may I: a question about oneself
        ]

    def kubectl(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl with the kubeconfig alone."""
        return subprocess.run(
            ["kubectl", "--kubeconfig", str(self.path), *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def _get(self, path: str) -> bytes:
        return self._pool.request(
            "GET", f"{self.server}/{path}", headers={"Authorization": f"Bearer {self.token}"}
        ).data


def asked(student: Student, method: str, path: str, body: object = None, **headers: str) -> None:
    """Ask for something.

    Raises:
        ClosedError: the student may not; all else is an answer, as of something that is not there.
    """
    try:
        status = student.status(method, path, body, **headers)
    except urllib3.exceptions.HTTPError as error:
        raise ClosedError from error
    if status in (401, 403):
        raise ClosedError


def objects(student: Student, namespace: str, names: Mapping[str, Sequence[str]]) -> Iterator[Way]:
    """Each verb with each kind of thing in a namespace.

    Args:
        student: who tries.
        namespace: where.
        names: those of things that are there, by kind; of another kind any name will do, since who may not is refused before it is looked for.
    """
    for resource in student.resources():
        if resource.namespaced:
            yield from _verbs(student, resource, f"{resource.path}/namespaces/{namespace}", names)


def cluster_wide(student: Student) -> Iterator[Way]:
    """The same in all namespaces at once, with what belongs to none, and as somebody else."""
    for resource in student.resources():
        if not resource.namespaced:
            yield from _verbs(student, resource, resource.path, {})
        elif "list" in resource.verbs:
            for verb in ("list", "watch"):
                yield (
                    f"{verb} {resource.name} of all namespaces",
                    _request(student, verb, f"{resource.path}/{resource.name}"),
                )
    for place in PLACES:
        yield f"get /{place}", partial(asked, student, "GET", place)


def as_another(student: Student, namespace: str) -> Iterator[Way]:
    """To say that one is somebody else, to whom the namespace is open."""
    pods = f"api/v1/namespaces/{namespace}/pods"
    accounts = [f"system:serviceaccount:{namespace}:student", "system:serviceaccount:kube-system:default"]
    for user in (*ANOTHER, *accounts):
        for headers in (
            {"Impersonate-User": user},
            {"Impersonate-User": user, "Impersonate-Group": "system:masters"},
        ):
            yield f"as {' of '.join(headers.values())}", partial(asked, student, "GET", pods, **headers)


def kubelet(student: Student, node: str, namespace: str, pods: Sequence[str]) -> Iterator[Way]:
    """Past the cluster's API: a node's own, and what keeps the cluster's state.

    Args:
        student: who tries.
        node: its address.
        namespace: somebody else's.
        pods: of that namespace.
    """
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    pool = urllib3.PoolManager(ssl_context=unverified, retries=False, timeout=5)

    def there(method: str, url: str, token: str) -> None:
        try:
            answer = pool.request(method, url, headers={"Authorization": f"Bearer {token}"} if token else {})
        except urllib3.exceptions.HTTPError as error:
            raise ClosedError from error
        if answer.status in (401, 403):
            raise ClosedError

    urls = [
        ("GET", f"https://{node}:10250/pods"),
        ("GET", f"http://{node}:10255/pods"),
        ("GET", f"https://{node}:2379/version"),
    ]
    for pod in pods:
        container = "postgresql" if pod.startswith("citus") else "middleware"
        urls.append(("POST", f"https://{node}:10250/run/{namespace}/{pod}/{container}?cmd=id"))
        urls.append(("GET", f"https://{node}:10250/containerLogs/{namespace}/{pod}/{container}"))
    for method, url in urls:
        for which, token in (("no", ""), ("his own", student.token)):
            what = f"{method} {url} with {which} token"
            yield what, partial(there, method, url, token)


def from_a_pod(student: Student, own: Own, servers: Sequence[str], apis: Sequence[str]) -> Iterator[Way]:
    """By the pods' network, from the pod that the student may run programs in: to log in to a server, and to ask an API.

    Args:
        student: who tries.
        own: what he has.
        servers: hosts of somebody else's servers.
        apis: those of the API.
    """
    tried = []
    for host in servers:
        for login in LOGINS:
            for which, password in (("no", ""), ("his own", own.passwords[login])):
                psql = f"PGPASSFILE=/nowhere PGPASSWORD={password} PGCONNECT_TIMEOUT=3 psql -w -h {host} -U {login} historia_clinica -c 'SELECT 1'"
                tried.append((f"from a pod: log in to {host} as {login} with {which} password", psql))
    for host in apis:
        for path in ("pacientes", "consultas", "usuarios", "accesos", "cluster", "medicos"):
            for which, header in (("no", ""), ("his", f"Authorization: Bearer {own.token}\\r\\n")):
                get = f"GET /api/v1/{path} HTTP/1.0\\r\\nHost: {host}\\r\\n{header}\\r\\n"
                ask = f"exec 3<>/dev/tcp/{host}/8080 && printf '{get}' >&3 && head -1 <&3 | grep -q ' 200 '"
                tried.append((f"from a pod: GET {path} of {host} with {which} token", f'timeout 5 bash -c "{ask}"'))
    yield from _in_the_pod(student, tried)


def through_the_network(student: Student, servers: Sequence[str], apis: Sequence[str]) -> Iterator[Way]:
    """By the pods' network alone: whether anybody listens."""
    ports = [(host, 5432) for host in servers] + [(host, 8080) for host in apis]
    yield from _in_the_pod(
        student,
        [
            (f"from a pod: connect to {host}:{port}", f"timeout 3 bash -c '</dev/tcp/{host}/{port}'")
            for host, port in ports
        ],
    )


def _in_the_pod(student: Student, tried: Sequence[tuple[str, str]]) -> Iterator[Way]:
    """Each command in the coordinator's pod, all with one connection, by its standard input: passwords are in it."""
    script = "".join(
        f"if {command} >/dev/null 2>&1 </dev/null; then echo {index}; fi\n"
        for index, (_what, command) in enumerate(tried)
    )
    ran = student.kubectl(
        "exec", "-i", "citus-coordinator-0", "-c", "postgresql", "--", "bash", "-s", text=f"{script}echo end\n"
    )
    assert ran.stdout.endswith("end\n"), ran.stderr
    opened = set(ran.stdout.split())

    def attempt(index: int) -> None:
        if str(index) not in opened:
            raise ClosedError

    for index, (what, _command) in enumerate(tried):
        yield what, partial(attempt, index)


def _verbs(student: Student, resource: Resource, place: str, names: Mapping[str, Sequence[str]]) -> Iterator[Way]:
    kind, _, sub = resource.name.partition("/")
    for verb in resource.verbs:
        _method, one, _query = VERBS[verb]
        for name in names.get(kind, ("any",)) if one or sub else ("",):
            path = "/".join(filter(None, (place, kind, name, sub)))
            yield f"{verb} {'/'.join(filter(None, (resource.name, name)))}", _request(student, verb, path)


def _request(student: Student, verb: str, path: str) -> Any:
    method, _one, query = VERBS[verb]
    return lambda: asked(student, method, f"{path}?{query}" if query else path)
