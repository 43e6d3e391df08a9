"""Real labs in pods, on the cluster that LAB_TEST_KUBECONFIG and LAB_TEST_CONTEXT name; never on a person's.

LAB_TEST_MINIKUBE says that the context is a Minikube profile, in which the lab builds its image; for another cluster,
LAB_TEST_MIDDLEWARE_IMAGE names an image that it has. LAB_TEST_CLUSTER_ENGINES names the engines whose images the cluster
has, where these are not all.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from support.labs import ENGINES, Lab, Workshop

KUBECONFIG = os.environ.get("LAB_TEST_KUBECONFIG", "")
CONTEXT = os.environ.get("LAB_TEST_CONTEXT", "")
MINIKUBE = bool(os.environ.get("LAB_TEST_MINIKUBE"))
MIDDLEWARE_IMAGE = os.environ.get("LAB_TEST_MIDDLEWARE_IMAGE", "")
CLUSTER_ENGINES = os.environ.get("LAB_TEST_CLUSTER_ENGINES", " ".join(ENGINES)).split()
#: Far from the ports of the tests' labs on the host, and of Molecule's.
FIRST_PORT = 28000
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def missing() -> str:
    """Why there can be no lab in pods here; empty where there can."""
    if not (KUBECONFIG and CONTEXT):
        return "no cluster for tests: LAB_TEST_KUBECONFIG and LAB_TEST_CONTEXT name one"
    if not shutil.which("kubectl"):
        return "there is no program kubectl on the PATH"
    if not (MINIKUBE or MIDDLEWARE_IMAGE):
        return "the cluster has no image of the middleware: LAB_TEST_MINIKUBE=1 builds one, LAB_TEST_MIDDLEWARE_IMAGE names one"
    return ""


def on_the_cluster(engine: str) -> dict[str, Any]:
    """The variables of a lab on it: where there is a Minikube, with Citus on the target of that name, else on ``kubernetes``."""
    if MINIKUBE and engine == "citus":
        return {"lab_target": "minikube", "minikube_profile": CONTEXT}
    build = f"minikube -p {CONTEXT} image build -t $IMAGE --build-opt=opt=build-arg:BASE_IMAGE=$BASE_IMAGE $CONTEXT"
    target = {"lab_target": "kubernetes", "lab_kubeconfig": KUBECONFIG, "lab_context": CONTEXT}
    return target | ({"lab_image_build_command": build} if MINIKUBE else {"lab_middleware_image": MIDDLEWARE_IMAGE})


@dataclass
class PodLab(Lab):
    """A lab in a namespace of its own, reached through the coordinator's forwarded port alone."""

    @property
    def namespace(self) -> str:
        """The namespace of its pods."""
        return f"hc-{self.name}"

    def port(self, node: str) -> int:
        """The one port that is forwarded.

        Raises:
            ValueError: a worker's is not.
        """
        if node != "citus-coordinator":
            raise ValueError(f"{node} is reached inside of the cluster only")
        return self.database_port

    def lets_in(self, login: str, password: str, node: str = "citus-coordinator") -> bool:
        """Whether a node lets a login in with a password, asked in its pod over TCP."""
        pod = "citus-coordinator-0" if node == "citus-coordinator" else node
        where = f"PGPASSWORD={password} psql -h 127.0.0.1 -U {login} -d historia_clinica -Atc 'SELECT 1' 2>&1 || true"
        said = self.kubectl("exec", pod, "-c", "postgresql", "--", "sh", "-c", where)
        assert said.strip() == "1" or "password authentication failed" in said, said
        return said.strip() == "1"

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the lab's namespace and return what it prints."""
        command = ["kubectl", "--kubeconfig", KUBECONFIG, "--context", CONTEXT, "-n", self.namespace, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout

    def kill(self, node: str) -> None:
        """Take a node's pod away at once, without a chance to end in good order."""
        self._kill_pod("citus-coordinator-0" if node == "citus-coordinator" else node)

    def kill_middleware(self) -> None:
        """Take one of the service's pods away at once."""
        pods = [pod["metadata"] for pod in self.objects("pods") if not pod["metadata"].get("deletionTimestamp")]
        self._kill_pod(next(pod["name"] for pod in pods if pod["name"].startswith("middleware-citus-")))

    def _kill_pod(self, name: str) -> None:
        self.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")

    def frozen(self, pod: str) -> bool:
        """Whether processes of a pod are stopped."""
        return "\tT (" in self.kubectl("exec", pod, "--", "sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null || true")

    def objects(self, kinds: str) -> list[dict[str, Any]]:
        """The objects of some kinds, as the cluster has them."""
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kinds, "-o", "json"))["items"]
        return items

    def manifests(self) -> list[dict[str, Any]]:
        """What the lab applied, as it wrote it, passwords too; and its Job, without what the cluster added."""
        namespace = json.loads(self.kubectl("get", "namespace", self.namespace, "-o", "json"))
        kinds = "resourcequota,limitrange,sa,networkpolicy,secret,cm,svc,statefulset,deployment"
        texts = [thing["metadata"].get("annotations", {}).get(APPLIED) for thing in [namespace, *self.objects(kinds)]]
        found: list[dict[str, Any]] = [json.loads(text) for text in texts if text]
        for job in self.objects("job"):
            metadata = {key: job["metadata"][key] for key in ("name", "namespace", "labels")}
            template = job["spec"]["template"]
            for labels in (metadata["labels"], template["metadata"]["labels"]):
                for label in [label for label in labels if re.search("controller-uid|job-name", label)]:
                    del labels[label]
            spec = {"backoffLimit": job["spec"]["backoffLimit"], "template": template}
            found.append({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
        return found

    def psql(self, pod: str, query: str) -> str:
        """What psql answers in a pod."""
        psql = ["psql", "-U", "admin", "-d", "historia_clinica", "-Atc", query]
        return self.kubectl("exec", pod, "-c", "postgresql", "--", *psql).strip()

    def ask(self, query: str) -> Any:
        """The first value that a query gives, through the forwarded port."""
        with self.connect() as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]

    def rows(self) -> dict[str, int]:
        """How many rows each table has, counted on the nodes that hold them."""
        with self.connect() as connection:
            return dict(connection.execute("SELECT table_name, rows FROM lab.tables").fetchall())

    def seconds_until(self, condition: Callable[[], bool], seconds: float = 60) -> float:
        """Wait until a condition holds, and say how long that took."""
        started = time.monotonic()

        def holds() -> bool:
            try:
                return condition()
            except (psycopg.Error, subprocess.CalledProcessError):
                return False

        self.wait_until(holds, seconds)
        return time.monotonic() - started

    def all_respond(self) -> bool:
        """Whether the coordinator reaches every node."""
        return self.ask("SELECT bool_and(responds) FROM lab.nodes") is True


class PodWorkshop(Workshop):
    """A place for labs in pods."""

    def lab(self, name: str, engine: str, **variables: Any) -> PodLab:
        """Describe a lab without making it."""
        lab = PodLab(*self.described(name, engine, FIRST_PORT, {**on_the_cluster(engine), **variables}))
        lab.environment["KUBECONFIG"] = KUBECONFIG
        self.labs.append(lab)
        return lab

    def clean(self) -> None:
        """Remove every lab that is still there, and the place."""
        self.labs = [lab for lab in self.labs if lab.directory.exists()]
        super().clean()
