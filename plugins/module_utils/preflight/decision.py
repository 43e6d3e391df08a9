# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The plan held against record and machine: the fact ``lab``, the problems, and what may do so later."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Invocation
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight import (
    capacity,
    choices,
    directory,
    pods,
    ports,
    programs,
    record,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.case import Case
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.reasons import (
    decide_engine,
    target_reason,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.values import shown
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem, in_order

DATABASE = "historia_clinica"


@dataclass(frozen=True)
class Decision:
    """The outcome: the fact, the problems, and what may do so later."""

    lab: dict[str, object]
    problems: list[Problem]
    warnings: list[str]


def decide(case: Case) -> Decision:
    """Hold the plan against the record and the machine.

    Returns:
        The fact ``lab``, and the problems in the registry's order, without those of ``read_choices``.
    """
    engine, engine_reason = decide_engine(case)
    case = replace(case, engine=engine)
    builds = case.choices.builds
    found = [*record.problems(case)]
    if case.choices.purpose == "renew":
        case = replace(case, record=None)  # what is made anew contradicts nothing
    # If another lab has this name, report only that.
    if not (builds and case.machine.namesake):
        for subject in (directory, ports, programs, capacity, pods) if builds else ():
            found += subject.problems(case)
        if case.record is None or (builds and case.record.target == case.plan.target):
            found += pods.unnamed_cluster(case)
    reasons = {"target": target_reason(case), "engine": engine_reason}
    return Decision({**_fact(case), "reasons": reasons}, in_order(found), record.warnings(case) + ports.warnings(case))


def headline(name: str, problems: list[Problem]) -> str:
    """The one sentence above the list that a person reads."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    ids = ", ".join(dict.fromkeys(problem.id for problem in problems))
    return f"The lab {shown(name)} cannot go on: {count} ({ids}). Nothing of it was changed."


def _fact(case: Case) -> dict[str, object]:
    """The fact ``lab``, which the module documents, without its reasons."""
    chosen, plan, machine = case.choices, case.plan, case.machine
    libpq = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(plan.database_port),
        "PGUSER": "admin",
        "PGDATABASE": DATABASE,
        "PGPASSFILE": os.path.join(plan.directory, "credentials", "admin.pgpass"),
        "PGCONNECT_TIMEOUT": "5",
    }
    # What somebody locked in a transaction that was left open is waited for so long; then the role verification names him.
    options = {"PGOPTIONS": "-c lock_timeout=10s"}
    cluster = {"K8S_AUTH_KUBECONFIG": plan.kubeconfig, "K8S_AUTH_CONTEXT": plan.context} if plan.pods else {}
    # The modules keep what they compile of the runtime's packages, where a shell forbids it too: `import kubernetes` alone
    # takes one and a half seconds else, in each of them.
    environment = {**libpq, **options, **cluster, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": ""}
    version = machine.postgres.version or (case.record.postgres_version if case.record else "")
    images = {
        "database_image": chosen.database_image or choices.DATABASE_IMAGES[case.engine],
        "python_image": chosen.python_image or choices.DEFAULTS["python_image"],
        "middleware_image": chosen.middleware_image or "",
    }
    return {
        **asdict(plan),
        "engine": case.engine,
        "root": case.identity.root,
        "user_exists": machine.user_exists,
        "own_user": machine.own_user,
        "database": DATABASE,
        "postgres_version": "" if plan.pods else version,
        "runtime_state": _runtime_state(case),
        "python": os.path.join(plan.runtime, "bin", "python"),
        "interpreter": os.path.join(plan.runtime, "bin", "lab-python" if machine.interpreter_there else "python"),
        "nodes": plan.nodes,
        "exists": case.record is not None,
        "recorded_workers": case.record.workers if case.record else 0,
        "absent": record.absent(case) if chosen.purpose == "remove" else "",
        "listed": machine.listed,
        "invocation": asdict(_later_invocation(case)),
        "owner": case.owner if plan.pods else "",
        **(images if plan.pods else dict.fromkeys(images, "")),
        "image_build_command": (chosen.image_build_command or "") if plan.target == "kubernetes" else "",
        "libpq": libpq,
        # Whatever else of these kinds a person exported, the interpreter leaves out: roles/runtime/files/environment.sh.
        "environment": {**environment, "LAB_SETS": " ".join(environment)},
    }


def _later_invocation(case: Case) -> Invocation:
    """How the lab is reached once it is made: where the host's list has its directory, nobody has to name that."""
    invocation = case.choices.invocation
    if not case.choices.builds and not case.machine.known_here:
        return invocation
    return replace(
        invocation, values={name: value for name, value in invocation.values.items() if name != "lab_directory"}
    )


def _runtime_state(case: Case) -> str:
    """Whether the runtime is ``there``, ``gone``, or ``wanted``: gone, and needed to remove what runs of the lab."""
    if case.machine.runtime_made:
        return "there"
    pods_left = case.plan.pods and case.machine.folder.kind in ("lab", "remains")
    return "wanted" if case.choices.purpose == "remove" and (pods_left or case.machine.served) else "gone"
