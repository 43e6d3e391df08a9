# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The results of the checks, from what the tasks registered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Commands
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.failure import first_error
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.checks import checks_of
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import (
    FAIL,
    PASS,
    SKIPPED,
    CheckFailed,
    CheckSkipped,
    Observations,
)

#: What the checks that others need are about, as those name it when it failed.
PREREQUISITES = {"database-answers": "the database", "api-answers": "the API"}


def verification_report(
    lab: Row,
    database: Row,
    logins: Row,
    api: Row,
    usuario_kind: str = "distributed",
    cluster_report: Row | None = None,
    people: Row | None = None,
    replaceable: Sequence[str] = (),
) -> dict[str, Any]:
    """Run the checks on what the tasks registered.

    Args:
        lab: the fact that the role preflight gives.
        database: of `postgresql_query`: rows of ``name`` and ``answer``.
        logins: of `postgresql_query` in a loop over the cases.
        api: of `uri` in a loop over the paths.
        usuario_kind: how the table `usuario` is kept.
        cluster_report: of `lab_info`, where the lab has pods.
        people: of `postgresql_query` in a loop over the logins of people.
        replaceable: of `lab_info`: what another user could replace.
    """
    answers = database.get("query_result") or []
    return evaluate(
        Observations(
            lab=lab,
            sql={row["name"]: row["answer"] for row in answers},
            sql_error="" if answers else first_error(str(database.get("msg") or "no answer")),
            logins=[{**result, "case": result["item"]["case"]} for result in logins.get("results", [])],
            api={result["item"]: result for result in api.get("results", [])},
            usuario_kind=usuario_kind,
            cluster_report=cluster_report or {},
            people=(people or {}).get("results", []),
            replaceable=replaceable,
        )
    )


def evaluate(observations: Observations) -> dict[str, Any]:
    """Run the checks.

    An answer of unexpected form is a failure. A check whose prerequisite failed (the database, the API, a node) is skipped, so that
    only the cause fails.

    Returns:
        ``checks`` (each with ``id``, ``title``, ``result``, ``ok``, ``found`` and ``remedy``), ``ok``, and the
        counts ``passed``, ``failed`` and ``skipped``.
    """
    results: dict[str, str] = {}
    checks = []
    commands = Commands(observations.lab)
    nodes = observations.unreachable_nodes()
    silent = f"node{'s' if len(nodes) > 1 else ''} {', '.join(nodes)}" if nodes else ""
    for check in checks_of(observations.lab["engine"], bool(observations.cluster_report)):
        missing = [PREREQUISITES[name] for name in check.needs if results[name] != PASS]
        if missing:
            result, found = SKIPPED, not_checked(", ".join(missing))
        else:
            try:
                result, found = PASS, check.evaluate(observations)
            except CheckFailed as failed:
                result, found = FAIL, str(failed)
            except CheckSkipped as reason:
                result, found = SKIPPED, str(reason)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                result, found = FAIL, f"an answer in another form: {error!r}"
            if result != PASS and check.needs_workers and silent:
                result, found = SKIPPED, not_checked(silent)
        results[check.id] = result
        checks.append(
            {
                "id": check.id,
                "title": check.title,
                "result": result,
                "ok": result == PASS,
                "found": " ".join(found.split()),
                "remedy": check.remedy.format_map(commands) if result == FAIL else "",
            }
        )
    counts = {name: sum(result == name for result in results.values()) for name in (PASS, FAIL, SKIPPED)}
    return {
        "lab": observations.lab["name"],
        "engine": observations.lab["engine"],
        "ok": counts[PASS] == len(checks),
        "passed": counts[PASS],
        "failed": counts[FAIL],
        "skipped": counts[SKIPPED],
        "checks": checks,
    }


def not_checked(silent: str) -> str:
    """Why a check was skipped; ``silent`` is what does not answer, as the subject of the sentence."""
    return f"not checked: {silent} {'do' if ',' in silent else 'does'} not answer"
