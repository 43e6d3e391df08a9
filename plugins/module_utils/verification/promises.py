# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Every promise that is made of a lab, from the ground up, with what mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.api import (
    api_answers,
    api_status,
    api_users,
    api_workers,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.evidence import Evidence
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.logins import (
    least_privilege,
    logins_work,
    passwords_required,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.nodes import (
    active_workers,
    database_answers,
    nodes_answer,
    nodes_registered,
    objects_as_made,
    settings_alike,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.tables import (
    as_installed,
    citus_tables,
    colocated,
    constraints_on_workers,
    consultas_distributed,
    indexes_valid,
    medicos_everywhere,
    original_users,
    pacientes_distributed,
    rows_on_workers,
    rows_spread,
    sample_join,
    shards_can_move,
    usuario_spread,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.waits import (
    LONG_WAIT,
    nobody_waits_long,
)


@dataclass(frozen=True)
class Check:
    """One promise.

    Attributes:
        id: its stable name.
        promise: what was promised, as a sentence.
        judge: says what was found, or raises `Broken`.
        remedy: what mends it; ``{lab}``, ``{status}``, ... stand for the commands of these names.
        needs: checks without which this one cannot say anything.
        asks_nodes: whether it is the workers who answer: with one of them silent it has no ground to stand on.
    """

    id: str
    promise: str
    judge: Callable[[Evidence], str]
    remedy: str
    needs: tuple[str, ...] = ("database-answers",)
    asks_nodes: bool = False


# The mildest cure that can help, and no other: what it cannot do, it says, with the next one.
START = "{start} starts what is down; {diagnose} says why, where that does not help"
MAKE = "{lab} puts it right, or says what stands in its way"
#: From the ground up: what makes others fail stands before them.
CHECKS: tuple[Check, ...] = (
    Check("database-answers", "The database answers on its local port", database_answers, START, ()),
    Check("nodes-answer", "Every node answers", nodes_answer, START),
    Check("nodes-registered", "One coordinator and every worker are registered", nodes_registered, MAKE),
    Check("active-workers", "master_get_active_worker_nodes() names the workers", active_workers, MAKE),
    Check("citus-tables", "citus_tables names the tables and their kinds", citus_tables, MAKE, asks_nodes=True),
    Check("pacientes-distributed", "pacientes is distributed by cedula", pacientes_distributed, MAKE),
    Check("consultas-distributed", "consultas is distributed by paciente_id", consultas_distributed, MAKE),
    Check(
        "usuario-spread",
        "usuario is distributed by documento_id (or copied, where asked)",
        usuario_spread,
        MAKE,
        asks_nodes=True,
    ),
    Check("colocated", "A patient and its consultations lie on one node", colocated, MAKE),
    Check(
        "medicos-everywhere", "medicos is on every node, with the same rows", medicos_everywhere, MAKE, asks_nodes=True
    ),
    Check(
        "rows-on-workers",
        "The workers hold the rows that the coordinator counts",
        rows_on_workers,
        "{verify} again, once nobody loads data; {lab} else",
        asks_nodes=True,
    ),
    Check("rows-spread", "The data lie on more than one worker", rows_spread, MAKE, asks_nodes=True),
    Check("sample-join", "The original's query answers", sample_join, MAKE, asks_nodes=True),
    Check(
        "original-users",
        "The original's two users are there",
        original_users,
        "{lab} brings back one that is missing; one that was changed is yours to change back",
        asks_nodes=True,
    ),
    Check("constraints", "The workers hold primary and foreign keys", constraints_on_workers, MAKE, asks_nodes=True),
    Check(
        "as-installed",
        "Nobody has changed what was installed",
        as_installed,
        "{lab} puts it right; of columns, which hold rows, it only speaks",
    ),
    Check(
        "no-long-waits",
        f"Nobody waits for another one for {LONG_WAIT} s",
        nobody_waits_long,
        "{verify} again, once the other one has ended; SELECT * FROM lab.waits shows what both do, and"
        " SELECT pg_terminate_backend(PROCESS) on the node that is named ends the other one",
    ),
    Check(
        "indexes-valid",
        "No index was left invalid",
        indexes_valid,
        "{lab} builds those again that the lab came with; one of your own: DROP INDEX, then CREATE INDEX"
        " again once the cause is gone (rows twice, a node that was down)",
    ),
    Check("least-privilege", "No login has more rights than it needs", least_privilege, MAKE),
    Check(
        "logins-work",
        "Whoever was given a login gets in, and sees the patients",
        logins_work,
        "{login} gives it again, as it was; {no_login} takes it away",
        asks_nodes=True,
    ),
    Check(
        "passwords-required",
        "Nobody gets into the database without the password",
        passwords_required,
        "{lab} writes the servers' pg_hba.conf anew; look for trust in it, where that does not help",
    ),
    Check("api-answers", "The API answers", api_answers, START, ()),
    Check("api-status", "GET /status knows the database and its engine", api_status, START, ("api-answers",), True),
    Check("api-users", "GET /usuarios lists the users", api_users, MAKE, ("database-answers", "api-answers"), True),
    Check(
        "api-workers", "GET /citus/workers lists the workers", api_workers, MAKE, ("database-answers", "api-answers")
    ),
)
#: What is promised of a lab with Citus besides.
CHECKS_OF_CITUS: tuple[Check, ...] = (
    Check(
        "settings-alike",
        "Every node computes with the same settings",
        settings_alike,
        "{lab} gives every node the coordinator's",
    ),
    Check(
        "shards-can-move",
        "Shards can move between the nodes, and be split",
        shards_can_move,
        "{lab} puts it right; what is said of a table of yours is yours to do",
        asks_nodes=True,
    ),
)
#: What is promised of a lab in pods besides; what is deleted or scaled there takes nodes along, so it stands first.
CHECKS_OF_PODS: tuple[Check, ...] = (
    Check(
        "objects-as-made",
        "Nobody has changed what was made in the cluster",
        objects_as_made,
        "{start} brings back what was scaled down; {lab} puts the rest right",
        (),
    ),
)


def promises(engine: str, pods: bool) -> tuple[Check, ...]:
    """What is promised of a lab, by its engine and whether it runs in pods."""
    return (*(CHECKS_OF_PODS if pods else ()), *CHECKS, *(CHECKS_OF_CITUS if engine == "citus" else ()))
