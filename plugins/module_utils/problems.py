# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What can stand in a lab's way: every problem by its stable id, and the class that each is.

It runs on the host's own Python too: nothing newer than 3.8 is used at run time.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Every problem that can be reported, in the order of the report: stable id, and what it means.
PROBLEMS: dict[str, str] = {
    "value-cut": "a value with blanks was cut at the first one",
    "lab-name": "the lab's name is not 1 to 28 of a-z, 0-9 and hyphens, starting with a letter",
    "target-unknown": "`lab_target` is none of auto, host, minikube, kubernetes",
    "engine-unknown": "`lab_engine` is none of auto, citus, postgres_fdw",
    "workers-invalid": "`lab_workers` is not a whole number from 1 to 64",
    "port-invalid": "a port is not a whole number from 1024 to 65535",
    "ports-overlap": "`lab_api_port` is one of the database's ports",
    "pods-setting": "`lab_namespace`, `lab_context`, an image or another setting of the pods cannot be used",
    "kubernetes-unnamed": "the target kubernetes needs `lab_kubeconfig` and `lab_context`",
    "image-source": "the target kubernetes needs `lab_middleware_image` or `lab_image_build_command`",
    "lab-busy": "another run works on the lab",
    "directory-characters": "a path holds control characters or is no text",
    "directory-relative": "a path is not absolute",
    "directory-too-long": "the directory's path leaves no room for the sockets' names",
    "directory-foreign": "the directory holds something that is not a lab",
    "directory-not-writable": "the directory cannot be made or written",
    "directory-unreachable": "the lab's user cannot reach the directory",
    "lab-missing": "the command needs a lab that is there, and there is none",
    "lab-stopped": "the command needs a lab that runs, and this one is stopped",
    "directory-gone": "the directory of a lab that the host knows is not there",
    "name-taken": "another lab of the host has the name",
    "record-unreadable": "the lab's record `lab.json` cannot be read",
    "record-missing": "the directory holds a lab's data, but not its record",
    "record-name": "the directory's record is another lab's",
    "record-user": "the lab runs as another user",
    "record-target": "the lab was made for another target",
    "record-engine": "the lab was made with another engine",
    "record-ports": "the lab was made with other ports",
    "record-cluster": "the lab was made in another cluster, namespace or storage class",
    "namespace-of-another-lab": "the namespace belongs to a lab beside this one",
    "port-of-another-lab": "a port belongs to a lab beside this one",
    "port-busy": "a port is in use by another process",
    "memory-short": "too little memory is available",
    "disk-short": "too little disk is free",
    "runtime-missing": "the runtime, or its PostgreSQL, is not there",
    "runtime-unreachable": "the lab's user cannot run the runtime's Python",
    "postgres-missing": "the folder of programs has no postgres, initdb or psql",
    "postgres-unreachable": "the lab's user cannot run the servers' programs",
    "postgres-broken": "`postgres --version` does not say a version",
    "postgres-old": "PostgreSQL is older than 17",
    "postgres-major": "the lab's data were made by another major version of PostgreSQL",
    "engine-not-installed": "the servers lack an extension that the engine needs",
    "engine-no-image": "the engine has no image for the nodes' processors",
    "minikube-setting": "a setting of the Minikube profile cannot be read",
    "minikube-missing": "there is no program `minikube`",
    "minikube-broken": "`minikube version` fails",
    "minikube-root": "root may not start Minikube: `minikube_force` is false",
    "driver-missing": "neither Docker nor Podman is installed, or not the one that was asked for",
    "driver-stopped": "the container engine does not run",
    "driver-denied": "the user has no right to the container engine's socket",
    "driver-broken": "the container engine answers with an error",
    "minikube-cpus": "there are fewer than 2 CPUs for the profile",
    "minikube-memory": "there is less than 1800 MiB of memory for the profile",
    "kubeconfig-unreadable": "the kubeconfig cannot be read, or is none",
    "context-unknown": "the kubeconfig has no such context",
    "cluster-unreachable": "the cluster does not answer",
    "cluster-unauthorized": "the cluster does not take the credentials: expired, or none",
    "cluster-rights": "a right in the cluster is lacking",
    "namespace-foreign": "the namespace belongs to something else",
    "namespace-terminating": "the namespace is being removed",
    "storage-class": "the cluster has no default storage class, or not the one that is named",
}


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        id: its stable name, a key of ``PROBLEMS``.
        found: what is there, and where.
        needed: what should be there.
        remedy: the command or the change that fixes it.
    """

    id: str
    found: str
    needed: str
    remedy: str

    def __post_init__(self) -> None:
        """Refuse an id that the registry, and so the documentation, does not know."""
        if self.id not in PROBLEMS:
            raise KeyError(self.id)


def in_order(problems: list[Problem]) -> list[Problem]:
    """The problems in the order of the registry."""
    order = list(PROBLEMS)
    return sorted(problems, key=lambda problem: order.index(problem.id))
