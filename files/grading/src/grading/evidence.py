"""What the marks of an exam were taken from, for whoever appeals: what of an exercise is in the lab, as the servers themselves say."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from grading.exercise import Exercise
from grading.lab import Changed, Lab, Unreachable

ANSWERS = "SELECT pregunta::text AS question, valor::text AS value FROM public.respuestas WHERE ejercicio::text = %s"


def collect(record: Record, chosen: Sequence[Exercise]) -> dict[str, dict[str, Any]]:
    """By exercise: `answers`, the student's numbers, and `relations`, each with kind, columns, rows, rows by node, and the plan of counting them.

    What cannot be read has `error` instead.
    """
    with contextlib.closing(Lab(record)) as lab:
        return {
            each.id: {
                "answers": _answers(lab, each.id),
                "relations": {name: _relation(lab, name) for name in each.about.makes.relations},
            }
            for each in chosen
        }


def _answers(lab: Lab, exercise: str) -> Any:
    try:
        return lab.rows(ANSWERS, exercise) if lab.kind("respuestas") == "table" else []
    except (psycopg.Error, Unreachable, Changed) as error:
        return {"error": str(error).strip()}


def _relation(lab: Lab, name: str) -> dict[str, Any]:
    count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("public", name)).as_string()
    try:
        kind = lab.kind(name)
        if not kind:
            return {"kind": ""}
        distribution = lab.distribution(name)
        return {
            "kind": kind,
            "columns": lab.columns(name),
            "rows": lab.value(count),
            "by": distribution.column if distribution else "",
            "nodes": lab.rows_by_node(name) if distribution else {},
            "plan": [row["QUERY PLAN"] for row in lab.rows(f"EXPLAIN {count}")],
        }
    except (psycopg.Error, Unreachable, Changed) as error:
        return {"error": str(error).strip()}
