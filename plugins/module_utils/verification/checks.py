# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Every check of a lab, causes before their effects, each with its remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.api import (
    api_answers,
    api_status,
    api_users,
    api_workers,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.exposure import (
    files_protected,
    logs_redacted,
)
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
    objects_as_applied,
    settings_alike,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import Observations
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.tables import (
    as_installed,
    cie10_replicated,
    citus_tables,
    colocated,
    constraints_on_workers,
    consultas_distributed,
    indexes_valid,
    medicos_replicated,
    municipios_replicated,
    original_users,
    pacientes_distributed,
    rows_balanced,
    rows_on_workers,
    sample_join,
    shards_can_move,
    usuario_distributed,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.waits import (
    LONG_WAIT,
    no_long_waits,
)


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        id: its stable name.
        title: what has to be true, as a sentence.
        evaluate: returns what was found, or raises `CheckFailed`.
        remedy: what to do; ``{lab}``, ``{status}``, ... stand for the commands of these names.
        needs: checks that have to pass before this one can run.
        needs_workers: whether it queries the workers; it is skipped while one of them is unreachable.
    """

    id: str
    title: str
    evaluate: Callable[[Observations], str]
    remedy: str
    needs: tuple[str, ...] = ("database-answers",)
    needs_workers: bool = False


# Each remedy starts with the least invasive command, and names the next one if that is not enough.
START = "{start} starts what is down; {diagnose} says why, where that does not help"
MAKE = "{lab} repairs it, or says what is in its way"
#: Causes before their effects.
CHECKS: tuple[Check, ...] = (
    Check("database-answers", "The database answers on its local port", database_answers, START, ()),
    Check("nodes-answer", "Every node answers", nodes_answer, START),
    Check("nodes-registered", "One coordinator and every worker are registered", nodes_registered, MAKE),
    Check("active-workers", "master_get_active_worker_nodes() names the workers", active_workers, MAKE),
    Check("citus-tables", "citus_tables names the tables and their kinds", citus_tables, MAKE, needs_workers=True),
    Check("pacientes-distributed", "pacientes is distributed by cedula", pacientes_distributed, MAKE),
    Check("consultas-distributed", "consultas is distributed by paciente_id", consultas_distributed, MAKE),
    Check(
        "usuario-distributed",
        "usuario is distributed by documento_id (or a reference table, if configured)",
        usuario_distributed,
        MAKE,
        needs_workers=True,
    ),
    Check("colocated", "A patient and their consultations are on one node", colocated, MAKE),
    Check(
        "medicos-replicated",
        "medicos is on every node, with the same rows",
        medicos_replicated,
        MAKE,
        needs_workers=True,
    ),
    Check(
        "municipios-replicated",
        "municipios is on every node, with all municipalities of the country",
        municipios_replicated,
        MAKE,
        needs_workers=True,
    ),
    Check(
        "cie10-replicated",
        "cie10 is on every node, with all diagnoses that a lab knows",
        cie10_replicated,
        MAKE,
        needs_workers=True,
    ),
    Check(
        "rows-on-workers",
        "The workers hold the rows that the coordinator counts",
        rows_on_workers,
        "{verify} again once no data is being loaded; otherwise {lab}",
        needs_workers=True,
    ),
    Check("rows-balanced", "The data is on more than one worker", rows_balanced, MAKE, needs_workers=True),
    Check("sample-join", "The original's query answers", sample_join, MAKE, needs_workers=True),
    Check(
        "original-users",
        "The original's two users are there",
        original_users,
        "{lab} brings back one that is missing; one that was changed is yours to change back",
        needs_workers=True,
    ),
    Check("constraints", "The workers hold primary and foreign keys", constraints_on_workers, MAKE, needs_workers=True),
    Check(
        "as-installed",
        "The database's objects are as installed",
        as_installed,
        "{lab} repairs it; a change of columns, which hold rows, is only reported",
    ),
    Check(
        "no-long-waits",
        f"No session has waited for another for {LONG_WAIT} s",
        no_long_waits,
        "{verify} again once the other session has ended; SELECT * FROM lab.waits shows both sessions, and"
        " SELECT pg_terminate_backend(PROCESS) on the node that is named ends the other one",
    ),
    Check(
        "indexes-valid",
        "No index was left invalid",
        indexes_valid,
        "{lab} rebuilds the lab's own; one of yours: DROP INDEX, then CREATE INDEX"
        " again once the cause is gone (rows twice, a node that was down)",
    ),
    Check("least-privilege", "No login has more privileges than it needs", least_privilege, MAKE),
    Check(
        "logins-work",
        "Every personal login works, and sees the patients",
        logins_work,
        "{login} sets it again, as it was; {no_login} drops it",
        needs_workers=True,
    ),
    Check(
        "passwords-required",
        "No login works without its password",
        passwords_required,
        "{lab} rewrites the servers' pg_hba.conf; if that does not help, look for trust in it",
    ),
    Check("files-protected", "Nobody else can replace what the lab's maker runs or reads", files_protected, MAKE, ()),
    Check(
        "logs-redacted",
        "The servers' logs keep no rows and no values",
        logs_redacted,
        "{lab} without such a setting (database_processes_settings, database_pods_settings)",
    ),
    Check("api-answers", "The API answers", api_answers, START, ()),
    Check("api-status", "GET /status knows the database and its engine", api_status, START, ("api-answers",), True),
    Check("api-users", "GET /usuarios lists the users", api_users, MAKE, ("database-answers", "api-answers"), True),
    Check(
        "api-workers", "GET /citus/workers lists the workers", api_workers, MAKE, ("database-answers", "api-answers")
    ),
)
#: The checks that only a lab with Citus has.
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
        "{lab} repairs it; a table of yours is yours to change",
        needs_workers=True,
    ),
)
#: The checks that only a lab in pods has; what is deleted or scaled there takes nodes along, so they come first.
CHECKS_OF_PODS: tuple[Check, ...] = (
    Check(
        "objects-as-applied",
        "The cluster's objects are as applied",
        objects_as_applied,
        "{start} scales up what was scaled down; {lab} repairs the rest",
        (),
    ),
)


def checks_of(engine: str, pods: bool) -> tuple[Check, ...]:
    """The checks of a lab, by its engine and whether it runs in pods."""
    return (*(CHECKS_OF_PODS if pods else ()), *CHECKS, *(CHECKS_OF_CITUS if engine == "citus" else ()))
