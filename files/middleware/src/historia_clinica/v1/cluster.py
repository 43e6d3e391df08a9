"""`/api/v1/cluster`: where things are, and what a query costs where, in one shape for both engines.

What an engine cannot measure, or a node that does not answer did not tell, is null beside its reason (`razon`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import psycopg
from flask import Response
from psycopg.rows import DictRow, tuple_row

from historia_clinica import answers, schemas
from historia_clinica.pool import current_database
from historia_clinica.problems import status_of
from historia_clinica.resource import Resource
from historia_clinica.sql import statement
from historia_clinica.transactions import Transaction, in_transaction, require_open_session

blueprint = Resource("cluster", __name__, "/cluster", tag="Clúster")

SILENT = "Un nodo no responde: una suma sin él sería un número falso."
NOT_DISTRIBUTED = "No está repartida por una columna."
NOT_BY_CITUS = "Citus mide cada tarea en su nodo y no dice cuánto la esperó el coordinador."
NOT_BY_FDW = "postgres_fdw mide cuánto esperó el coordinador y no cuánto de eso trabajó el nodo."
# Whether somebody has this document makes no difference to a plan, and nobody's real one is shown.
EXAMPLE = {"cedula": "1072319876"}
# The teaching queries: sql/explain_<name>.sql, whose first lines say what it is and what there is to see.
QUERIES: tuple[str, ...] = get_args(schemas.Leccion)


@blueprint.operation(
    "GET", "", "Muestra nodos, tablas y fragmentos, y qué tan parejo está todo", "cluster.leer", schemas.Cluster
)
def overview() -> Response:
    """Describe nodes, tables and shards: how even the rows lie, and which tables lie together."""
    require_open_session()
    nodes, tables, shards = (_rows(name) for name in ("cluster_nodes", "cluster_tables", "cluster_shards"))
    return _answer(
        {
            "motor": _rows("versions")[0]["motor"],
            "nodos": nodes,
            "tablas": [table | _skew(table, shards) for table in tables],
            "grupos": _groups(tables),
            "fragmentos": shards,
        }
    )


@blueprint.operation(
    "GET", "/where", "Dice en qué nodo están las filas de un paciente, o estarían", "cluster.leer", schemas.Lugar,
    query=schemas.Donde,
)  # fmt: skip
def where(conditions: schemas.Donde) -> Response:
    """Say on which node the rows of a patient are, or would be if he were registered."""
    require_open_session()
    rows = _rows("cluster_where", {"cedula": conditions.cedula})
    together = len({row["nodo"] for row in rows}) == 1
    return _answer({"cedula": conditions.cedula, "tablas": rows, "colocalizadas": together})


@blueprint.operation(
    "GET", "/explain", "Lista las consultas de la lección, o ejecuta una y explica cómo se hizo", "cluster.leer",
    schemas.Explicaciones, query=schemas.Cual,
)  # fmt: skip
def explain(conditions: schemas.Cual) -> Response:
    """List the queries of the lesson, or run one of them and explain it: SQL never comes from outside."""
    require_open_session()
    name = conditions.consulta
    if name is None:
        return _answer({"consultas": [_query(each) | {"explicacion": None} for each in QUERIES]})
    return _answer({"consultas": [_query(name) | {"explicacion": _explained(name)}]})


def _answer(body: dict[str, Any]) -> Response:
    return answers.answer(json.dumps(body, ensure_ascii=False))


def _rows(name: str, values: Mapping[str, Any] | None = None) -> list[DictRow]:
    """What the lab's own views say to anybody, whoever asks; no transaction, in which a node that is down would be an error."""
    with current_database().connection() as connection:
        return connection.execute(statement(name), values).fetchall()


def _skew(table: DictRow, shards: Sequence[DictRow]) -> dict[str, Any]:
    """How many times the mean the fullest shard and the fullest node hold: 1 is perfectly even."""
    if table["tipo"] != "distribuida":
        return {"sesgo_fragmentos": None, "sesgo_nodos": None, "razon": NOT_DISTRIBUTED}
    if table["filas"] is None:
        return {"sesgo_fragmentos": None, "sesgo_nodos": None, "razon": SILENT}
    own = [shard for shard in shards if shard["tabla"] == table["nombre"]]
    nodes: Counter[str] = Counter()
    for shard in own:
        nodes[shard["nodo"]] += shard["filas"]
    return {
        "sesgo_fragmentos": _unevenness([shard["filas"] for shard in own]),
        "sesgo_nodos": _unevenness(list(nodes.values())),
        "razon": None if table["filas"] else "No tiene filas.",
    }


def _unevenness(rows: list[int]) -> float | None:
    total = sum(rows)
    return round(max(rows) * len(rows) / total, 3) if total else None


def _groups(tables: Sequence[DictRow]) -> list[dict[str, Any]]:
    """The tables that are distributed alike: rows with the same key lie on the same node."""
    groups: dict[int, list[str]] = {}
    for table in tables:
        if table["tipo"] == "distribuida":
            groups.setdefault(table["grupo"], []).append(table["nombre"])
    return [{"grupo": number, "tablas": names} for number, names in sorted(groups.items())]


def _query(name: str) -> dict[str, Any]:
    title, lesson, sql = statement(f"explain_{name}").decode().strip().split("\n", 2)
    return {"consulta": name, "titulo": title.lstrip("- "), "leccion": lesson.lstrip("- "), "sql": sql}


@in_transaction
def _explained(transaction: Transaction, name: str) -> dict[str, Any]:
    """Run one of QUERIES, and say how it was done: the plan, the tasks of each node and their time."""
    sql = statement(f"explain_{name}")
    answer: dict[str, Any] = dict.fromkeys(("plan", "nodos", "ms_planear", "ms_ejecutar", "razon"))
    connection = transaction.open()
    # The values are put into the text: a plan with placeholders hides to which node it leads.
    cursor = psycopg.ClientCursor(connection, row_factory=tuple_row)
    try:
        with connection.transaction():
            cursor.execute("SET LOCAL citus.explain_all_tasks = on")  # where there is no Citus just a name
            cursor.execute(b"EXPLAIN (VERBOSE, COSTS OFF) " + sql, EXAMPLE)
            answer["plan"] = [line for (line,) in cursor]
            cursor.execute(b"EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, FORMAT JSON) " + sql, EXAMPLE)
            found = cursor.fetchall()[0][0][0]
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.InternalError_) as error:
        # Citus' refusal, in its own words: that is the lesson.
        return answer | {"razon": error.diag.message_primary}
    except psycopg.errors.QueryCanceled as error:
        return answer | {"razon": status_of(error)[1]}
    nodes = transaction.fetch(statement("cluster_nodes"))
    addresses = {(node["host"], str(node["puerto"])): node["nombre"] for node in nodes}
    shards = {shard["fragmento"]: shard["nodo"] for shard in transaction.fetch(statement("cluster_shards"))}
    done = tasks(found, addresses, shards)
    times = {"ms_planear": found["Planning Time"], "ms_ejecutar": found["Execution Time"]}
    return answer | times | {"nodos": by_node(done)}


class Task(NamedTuple):
    """A part of a query that one node did."""

    node: str
    at_node: float | None  # milliseconds that the node worked; None where the engine does not measure it
    waited: float | None  # milliseconds that the coordinator waited, likewise


def tasks(plan: dict[str, Any], addresses: Mapping[tuple[str, str], str], shards: Mapping[str, str]) -> list[Task]:
    """Return the tasks of a plan, which is one element of what EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) returns.

    The nodes' names are given by their host and port, which Citus says, and by their shards, which postgres_fdw says.
    """
    found = []
    for step in _steps(plan["Plan"]):
        for task in step.get("Distributed Query", {}).get("Job", {}).get("Tasks", []):
            # "host=... port=... dbname=...": the task was sent; without it the coordinator ran it on a shard of its own.
            address = re.search(r"host=(\S+) port=(\d+)", task.get("Node", ""))
            node = addresses.get((address[1], address[2]), f"{address[1]}:{address[2]}") if address else "?"
            times = [inner["Execution Time"] for group in task.get("Remote Plan", []) for inner in group]
            found.append(Task(node, sum(times), None))
        if step["Node Type"] == "Foreign Scan" and step["Actual Loops"]:
            # A join that was pushed down names every shard of it; they lie on one node.
            names = re.findall(r"\w+", step.get("Relation Name") or step.get("Relations", ""))
            nodes = [shards[name] for name in names if name in shards]
            found.append(Task(nodes[0] if nodes else "?", None, step["Actual Total Time"]))
    return found


def by_node(found: Sequence[Task]) -> list[dict[str, Any]]:
    """Sum up the tasks of each node: how many, the time it worked on them, the longest wait for one."""
    summary = []
    for node in sorted({task.node for task in found}):
        own = [task for task in found if task.node == node]
        worked = [task.at_node for task in own if task.at_node is not None]
        waited = [task.waited for task in own if task.waited is not None]
        ms_nodo = round(sum(worked), 3) if worked else None
        ms_espera = round(max(waited), 3) if waited else None
        measured = {"ms_nodo": ms_nodo, "ms_espera": ms_espera, "razon": NOT_BY_CITUS if worked else NOT_BY_FDW}
        summary.append({"nodo": node, "tareas": len(own), **measured})
    return summary


def _steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for below in step.get("Plans", []):
        yield from _steps(below)
