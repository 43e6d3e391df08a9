# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What the tasks of the role verification found, and how a check ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row

PASS, FAIL, SKIPPED = "pass", "fail", "skipped"


class CheckSkipped(Exception):  # noqa: N818 - a result, not an error of the program
    """A check that could not run; the text says why."""


class CheckFailed(Exception):  # noqa: N818 - a result, not an error of the program
    """A check that failed; the text is what was found instead."""


@dataclass(frozen=True)
class Observations:
    """What the tasks of the role verification found.

    Attributes:
        lab: the fact that the role preflight gives.
        sql: the answer to each query by its name: ``{"rows": [...]}``, ``{"error": ...}`` or ``{"skipped": ...}``.
        sql_error: why there are no answers at all; empty where there are.
        logins: each attempt to log in that has to be refused: ``case``, and ``msg`` or, were it let in, ``query_result``.
        api: the answer of each path: ``status``, ``json``, ``msg``.
        usuario_kind: how the table `usuario` is kept: ``distributed`` or ``reference``.
        cluster_report: what the cluster says, of `lab_info`; empty where the lab has no pods.
        people: each log-in of somebody whom `make login` gave a login: ``item``, the login, and ``msg`` or ``query_result``.
        replaceable: what the lab's maker runs or reads and another user could replace, of `lab_info`.
    """

    lab: Row
    sql: Mapping[str, Row] = field(default_factory=dict)
    sql_error: str = ""
    logins: Sequence[Row] = ()
    api: Mapping[str, Row] = field(default_factory=dict)
    usuario_kind: str = "distributed"
    cluster_report: Row = field(default_factory=dict)
    people: Sequence[Row] = ()
    replaceable: Sequence[str] = ()

    def rows(self, name: str) -> list[Row]:
        """The rows that a query returned.

        Raises:
            CheckFailed: it failed.
            CheckSkipped: there was no time to run it.
        """
        answer = self.sql[name]
        if "skipped" in answer:
            raise CheckSkipped(str(answer["skipped"]))
        if "error" in answer:
            raise CheckFailed(str(answer["error"]))
        return list(answer["rows"])

    def workers(self) -> list[str]:
        """The names of the workers that the lab was made with."""
        return [node["name"] for node in self.lab["nodes"] if node["role"] == "worker"]

    def unreachable_nodes(self) -> list[str]:
        """The nodes that the coordinator cannot reach; empty if it could not be queried."""
        nodes = self.sql.get("nodes", {}).get("rows") or []
        return sorted(str(row["node_name"]) for row in nodes if not row["responds"])

    def table(self, name: str) -> Row:
        """What `lab.tables` says about a table.

        Raises:
            CheckFailed: it is not there.
        """
        for row in self.rows("tables"):
            if row["table_name"] == name:
                return row
        raise CheckFailed(f"there is no table {name}")

    def shards(self, table: str) -> list[Row]:
        """What `lab.shards` says about a table.

        Raises:
            CheckFailed: nothing, or a shard could not be counted.
        """
        shards = [row for row in self.rows("shards") if row["table_name"] == table]
        if not shards:
            raise CheckFailed(f"{table} has no shards")
        silent = sorted({str(row["node_name"]) for row in shards if row["rows"] is None})
        if silent:
            raise CheckFailed(f"{', '.join(silent)}: shards of {table} could not be counted")
        return shards

    def answer(self, path: str) -> Any:
        """The JSON of a path of the API.

        Raises:
            CheckFailed: no answer, or another one than 200 with JSON.
        """
        answer = self.api[path]
        if answer.get("status") != 200:
            detail = (answer.get("json") or {}).get("detail") or answer.get("msg", "")
            raise CheckFailed(f"GET {path}: {answer.get('status')} {detail}".strip())
        if "json" not in answer:
            raise CheckFailed(f"GET {path}: 200, but no JSON")
        return answer["json"]
