# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Problems of a lab in pods: Minikube, images, the way to the cluster, rights, the namespace, storage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ansible_collections.aula.historia_clinica.plugins.module_utils.cluster_state import OWNER
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import start_problems
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.case import Case
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import (
    CITUS_ARCHITECTURE,
    DATABASE_IMAGES,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.reasons import architectures
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.values import OWN_NAMESPACE, shown
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem

#: The label of the namespaces that are labs.
PART_OF = "app.kubernetes.io/part-of=historia-clinica"


def unnamed_cluster(case: Case) -> Iterator[Problem]:
    """Yield a problem if no kubeconfig or context is set; the current context is never used implicitly."""
    plan, refused = case.plan, case.choices.refused
    names = {"kubeconfig": plan.kubeconfig, "context": plan.context}
    missing = [f"lab_{name}" for name, value in names.items() if not value and name not in refused]
    if plan.target == "kubernetes" and missing:
        yield Problem(
            "kubernetes-unnamed",
            f"the target is kubernetes, and {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
            "the cluster by name: never the one that happens to be current",
            f"see the contexts: {case.there('kubectl', 'config', 'get-contexts')}; set lab_kubeconfig (an absolute path) and lab_context, as "
            "inventories/kubernetes/hosts.yml does",
        )


def problems(case: Case) -> Iterator[Problem]:
    """What keeps the nodes from being pods. A lab that is elsewhere is not asked for what it would need here."""
    plan, choices = case.plan, case.choices
    if not plan.pods or (case.record and case.record.target != plan.target):
        return
    for lab in case.machine.neighbours:
        if lab.target != "host" and (lab.context, lab.namespace) == (plan.context, plan.namespace):
            yield Problem(
                "namespace-of-another-lab",
                f"the namespace {lab.namespace} of {lab.context} belongs to the lab {lab.name} in {lab.directory}",
                "a namespace for each lab",
                case.run("lab", lab_namespace=plan.own_namespace),
            )
    found, _ = architectures(case)
    if case.engine == "citus" and not choices.database_image and found != (CITUS_ARCHITECTURE,):
        yield Problem(
            "engine-no-image",
            f"{DATABASE_IMAGES['citus']} is made for {CITUS_ARCHITECTURE}; the nodes are {', '.join(found)}",
            "an image with Citus for the nodes' processors",
            f"{case.run('lab', lab_engine='postgres_fdw')}; or name an image in lab_database_image",
        )
    if plan.target == "minikube":
        yield from _minikube(case)
    elif not choices.made & {"middleware_image", "image_build_command"}:
        yield Problem(
            "image-source",
            "neither lab_middleware_image nor lab_image_build_command is set",
            "an image of the middleware that the cluster can pull, or the command that builds it there",
            "set lab_middleware_image to its name, or lab_image_build_command, as inventories/kubernetes/hosts.yml shows",
        )
    if plan.target == "kubernetes":
        yield from _access(case)
    if case.machine.cluster.state == "seen":
        yield from _cluster(case)


def _minikube(case: Case) -> Iterator[Problem]:
    """What is wrong with the profile's settings, and what keeps it from being started."""
    yield from case.choices.profile_problems
    settings = replace(case.choices.profile, profile=case.plan.context)
    for problem in start_problems(case.machine.minikube_state, settings) if case.machine.minikube_state else ():
        # A profile that is there has its size; one that runs is not started.
        if problem.id in ("minikube-cpus", "minikube-memory"):
            settled = case.machine.profile_exists
        else:
            absent = problem.id in ("minikube-missing", "minikube-broken")
            settled = case.machine.cluster.state == "seen" and not absent
        if not settled:
            yield problem


def _access(case: Case) -> Iterator[Problem]:
    """What keeps the cluster of a context from being asked."""
    plan, seen = case.plan, case.machine.cluster
    named = f"the context {plan.context} of {plan.kubeconfig}"
    if seen.state == "kubeconfig":
        yield Problem(
            "kubeconfig-unreadable",
            f"{plan.kubeconfig}: {seen.said}",
            "the kubeconfig of the cluster",
            f"look: {case.there('ls', '-l', plan.kubeconfig)}; then {case.run('lab', lab_kubeconfig='PATH')}",
        )
    elif seen.state == "context":
        more = f" and {len(seen.contexts) - 8} more" if len(seen.contexts) > 8 else ""
        yield Problem(
            "context-unknown",
            f"{plan.kubeconfig} has no context {shown(plan.context)}",
            f"one of its contexts: {', '.join(seen.contexts[:8]) or 'it has none'}{more}",
            case.run("lab", lab_context=seen.contexts[0] if seen.contexts else "NAME"),
        )
    elif seen.state == "unreachable":
        yield Problem(
            "cluster-unreachable",
            f"{named} does not answer: {seen.said}",
            "a cluster that runs and can be reached from here",
            f"try it: {case.kubectl('version')}; start the cluster, or the way to it (VPN, tunnel, proxy)",
        )
    elif seen.state == "unauthorized":
        yield Problem(
            "cluster-unauthorized",
            f"{named} does not take the credentials: {seen.said}",
            "credentials that are valid now",
            f"log in again as the cluster's owner says, or get a new kubeconfig; then try: {case.kubectl('auth whoami')}",
        )


def _cluster(case: Case) -> Iterator[Problem]:
    """What a cluster that answers has against the lab. The namespace of a lab that has its record is its own."""
    plan, namespace, seen = case.plan, case.plan.namespace, case.machine.cluster
    another = case.run("lab", lab_namespace=f"{namespace}-2")
    label, _, value = PART_OF.partition("=")
    if seen.denied:
        may = case.kubectl(f"auth can-i --list -n {namespace}")
        yield Problem(
            "cluster-rights",
            f"the user of the context {plan.context} may not {', '.join(seen.denied)}",
            "the rights to make a lab in its namespace",
            f"ask the cluster's owner for them; try: {may}",
        )
    if seen.namespace == "Terminating":
        wait = case.kubectl(f"wait --for=delete namespace/{namespace} --timeout=120s")
        yield Problem(
            "namespace-terminating",
            f"the namespace {namespace} is being removed",
            "it gone",
            f"wait for it: {wait}; then {case.run('lab')}",
        )
    elif seen.namespace == "Active" and seen.labels.get(label) != value:
        look = case.kubectl(f"get all -n {namespace}")
        mark = case.kubectl(f"label namespace {namespace} {PART_OF}")
        yield Problem(
            "namespace-foreign",
            f"the namespace {namespace} is there, without the label {PART_OF}",
            OWN_NAMESPACE,
            f"look: {look}; take another: {another}; or, where it was made for the lab: {mark}",
        )
    elif seen.namespace == "Active" and not case.record and seen.owner not in ("", case.owner):
        disown = case.kubectl(f"annotate namespace {namespace} {OWNER}-")
        yield Problem(
            "namespace-foreign",
            f"the namespace {namespace} is the lab of {seen.owner}",
            OWN_NAMESPACE,
            f"{another}; or, where that lab is yours and its directory is gone: {disown}",
        )
    chosen, classes = plan.storage_class, seen.storage_classes
    if classes is not None and not (chosen in classes if chosen else seen.default_storage_class):
        yield Problem(
            "storage-class",
            f"the cluster has no {f'storage class {chosen}' if chosen else 'default storage class'}; it has {', '.join(classes) or 'none'}",
            "a storage class for the nodes' data",
            case.run("lab", lab_storage_class=classes[0])
            if classes
            else "install one, as the cluster's documentation says",
        )
