# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Which target and which engine a lab has, and the sentences that say why."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import availability
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import INSTALL_DOCKER
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import RECORD_NAME
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.case import Case
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import CITUS_ARCHITECTURE
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.plan import profile_settings


def target_reason(case: Case) -> str:
    """Why the lab has its target, in which cluster that is, and which choices mean nothing there."""
    choices, plan, machine, record = case.choices, case.plan, case.machine, case.record
    cluster = ""
    if plan.pods:
        seen = machine.cluster
        cluster = f", namespace {plan.namespace} of the context {plan.context}"
        if choices.builds and seen.state == "seen":
            cluster += f" (Kubernetes {seen.version})" if seen.version else ""
            if record is None and seen.namespace == "Active":
                cluster += "; that namespace is there already, with a lab whose record is gone"
        elif choices.builds:
            cluster += f"; the cluster was not looked at: {seen.said}"
    unused = [f" {variable} is not used by the target {plan.target}." for variable in choices.unused(plan.target)]
    reason = plan.target
    if record and choices.target in (None, record.target):
        reason = f"{record.target}, as {RECORD_NAME} remembers"
    elif choices.target:
        reason = f"{choices.target}, as lab_target says"
    elif machine.minikube_state:
        reason += f": {availability(machine.minikube_state, profile_settings(choices, record))[1]}"
        if not machine.minikube_state.program and not machine.container_engine:
            reason += f"; and Docker: {INSTALL_DOCKER}"
    return f"{reason}{cluster}.{''.join(unused)}"


def decide_engine(case: Case) -> tuple[str, str]:
    """The engine, and why."""
    plan, record = case.plan, case.record
    has_citus = "citus" in case.machine.postgres.extensions
    if record and plan.engine == record.engine:
        reason = f"{record.engine}, as {RECORD_NAME} remembers"
        if not case.choices.engine and record.engine == "postgres_fdw" and has_citus:
            reason += "; its PostgreSQL has Citus, which a new lab would take: this one keeps its engine, and its data"
        return record.engine, reason
    if plan.engine:
        return plan.engine, f"{plan.engine}, as lab_engine says"
    if plan.pods:
        found, whose = architectures(case)
        if found == (CITUS_ARCHITECTURE,):
            return "citus", f"citus: {whose} {CITUS_ARCHITECTURE}, for which it has an image"
        return (
            "postgres_fdw",
            f"postgres_fdw: {whose} {', '.join(found)}, and Citus has an image for {CITUS_ARCHITECTURE} only"
            " (lab_engine: citus with a lab_database_image that fits takes it all the same)",
        )
    if has_citus:
        return "citus", f"citus: the PostgreSQL in {plan.postgres_bin} has the extension"
    whose = "the runtime's" if plan.own_servers else f"{plan.postgres_bin}'s"
    return "postgres_fdw", f"postgres_fdw: {whose} PostgreSQL has no Citus (lab_postgres_bin names one that has)"


def architectures(case: Case) -> tuple[tuple[str, ...], str]:
    """The processors of the nodes, and how that is known."""
    if case.machine.cluster.architectures:
        return case.machine.cluster.architectures, "the cluster's nodes are"
    if case.plan.target == "minikube":
        return (case.machine.architecture,), "this machine is"
    return (CITUS_ARCHITECTURE,), "the cluster's nodes could not be asked and are taken for"
