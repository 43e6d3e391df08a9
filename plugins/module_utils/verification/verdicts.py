# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The verdict on every promise, of what the tasks registered."""

from __future__ import annotations

from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Commands
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.failure import first_error
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.evidence import (
    FAIL,
    NOT_RUN,
    PASS,
    Broken,
    Evidence,
    NotAsked,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.promises import promises

#: What a check that others need is about, as they name it where it is broken.
GROUNDS = {"database-answers": "the database", "api-answers": "the API"}


def verification_report(
    lab: Row,
    database: Row,
    logins: Row,
    api: Row,
    usuario_kind: str = "distributed",
    survey: Row | None = None,
    people: Row | None = None,
) -> dict[str, Any]:
    """The verdicts from the results that the tasks registered.

    Args:
        lab: the fact that the role preflight gives.
        database: of `postgresql_query`: rows of ``name`` and ``answer``.
        logins: of `postgresql_query` in a loop over the cases.
        api: of `uri` in a loop over the paths.
        usuario_kind: how the table `usuario` is spread.
        survey: of `lab_info`, where the lab has pods.
        people: of `postgresql_query` in a loop over the logins of people.
    """
    answers = database.get("query_result") or []
    return judge(
        Evidence(
            lab=lab,
            sql={row["name"]: row["answer"] for row in answers},
            sql_error="" if answers else first_error(str(database.get("msg") or "no answer")),
            logins=[{**result, "case": result["item"]["case"]} for result in logins.get("results", [])],
            api={result["item"]: result for result in api.get("results", [])},
            usuario_kind=usuario_kind,
            survey=survey or {},
            people=(people or {}).get("results", []),
        )
    )


def judge(evidence: Evidence) -> dict[str, Any]:
    """The verdict on every promise.

    A promise whose answer has another form than expected is broken: what was found says so. One whose ground is gone
    (the database, the API, a node) is not called broken: the cause is.

    Returns:
        ``checks`` (each with ``id``, ``promise``, ``verdict``, ``ok``, ``found`` and ``remedy``), ``ok``, and the
        counts ``passed``, ``failed`` and ``not_run``.
    """
    verdicts: dict[str, str] = {}
    checks = []
    commands = Commands(evidence.lab)
    nodes = evidence.silent_nodes()
    silent = f"node{'s' if len(nodes) > 1 else ''} {', '.join(nodes)}" if nodes else ""
    for check in promises(evidence.lab["engine"], bool(evidence.survey)):
        missing = [GROUNDS[name] for name in check.needs if verdicts[name] != PASS]
        if missing:
            verdict, found = NOT_RUN, not_checked(", ".join(missing))
        else:
            try:
                verdict, found = PASS, check.judge(evidence)
            except Broken as broken:
                verdict, found = FAIL, str(broken)
            except NotAsked as reason:
                verdict, found = NOT_RUN, str(reason)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                verdict, found = FAIL, f"an answer in another form: {error!r}"
            if verdict != PASS and check.asks_nodes and silent:
                verdict, found = NOT_RUN, not_checked(silent)
        verdicts[check.id] = verdict
        checks.append(
            {
                "id": check.id,
                "promise": check.promise,
                "verdict": verdict,
                "ok": verdict == PASS,
                "found": " ".join(found.split()),
                "remedy": check.remedy.format_map(commands) if verdict == FAIL else "",
            }
        )
    counts = {name: sum(verdict == name for verdict in verdicts.values()) for name in (PASS, FAIL, NOT_RUN)}
    return {
        "lab": evidence.lab["name"],
        "engine": evidence.lab["engine"],
        "ok": counts[PASS] == len(checks),
        "passed": counts[PASS],
        "failed": counts[FAIL],
        "not_run": counts[NOT_RUN],
        "checks": checks,
    }


def not_checked(silent: str) -> str:
    """Why a promise could be neither kept nor broken: who does not answer, as the subject of the sentence."""
    return f"not checked: {silent} {'do' if ',' in silent else 'does'} not answer"
