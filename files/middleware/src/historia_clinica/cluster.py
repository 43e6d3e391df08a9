"""The distributed database as a lesson, in one shape for both engines.

What an engine cannot measure, or a node that does not answer did not tell, is null beside its reason (`razon`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import DictRow, tuple_row

from historia_clinica import plans
from historia_clinica.db import fetch, in_transaction
from historia_clinica.errors import status_of
from historia_clinica.pipeline import Pipeline
from historia_clinica.sql import statement

SILENT = "Un nodo no responde: una suma sin él sería un número falso."
NOT_DISTRIBUTED = "No está repartida por una columna."

# Whether somebody has this document makes no difference to a plan, and nobody's real one is shown.
EXAMPLE = {"cedula": "1072319876"}

# The teaching queries: sql/explain_<name>.sql -> what it is and what there is to see.
QUERIES: Mapping[str, tuple[str, str]] = {
    "paciente": (
        "Un paciente por su cédula",
        "La cédula dice el fragmento: una sola tarea, en un solo nodo.",
    ),
    "historia": (
        "La historia de un paciente",
        "Sus consultas están en el mismo nodo y los médicos en todos: sigue siendo una tarea.",
    ),
    "ciudades": (
        "Cuántos pacientes hay en cada ciudad",
        "Sin cédula hay que preguntar a todos los fragmentos; el coordinador suma lo que cada uno contó.",
    ),
    "diagnostico": (
        "Cuántas consultas tienen un diagnóstico",
        "Cada nodo usa su propio índice, pero nadie sabe de antemano cuáles tienen algo.",
    ),
    "colocada": (
        "Las consultas de cada ciudad",
        "Pacientes y consultas se reparten por la misma columna: cada nodo une sus fragmentos, ninguna fila viaja. "
        "Con postgres_fdw, solo si no hay reglas de acceso: el coordinador comprueba cada fila antes de unirla.",
    ),
    "referencia": (
        "Las consultas de cada especialidad",
        "Los médicos están copiados en todos los nodos; Citus los une allí, postgres_fdw en el coordinador.",
    ),
    "original": (
        "La consulta del laboratorio original, que une por p.id",
        "p.id no es la columna de distribución: Citus se niega, postgres_fdw trae las filas al coordinador.",
    ),
}


def overview() -> dict[str, Any]:
    """Describe nodes, tables and shards: how even the rows lie, and which tables lie together."""
    nodes, tables, shards = (fetch(name) for name in ("cluster_nodes", "cluster_tables", "cluster_shards"))
    return {
        "motor": fetch("versions")[0]["motor"],
        "nodos": nodes,
        "tablas": [table | _skew(table, shards) for table in tables],
        "grupos": _groups(tables),
        "fragmentos": shards,
    }


def place(cedula: str) -> dict[str, Any]:
    """Say on which node the rows of a patient are, or would be if he were registered."""
    rows = fetch("cluster_where", {"cedula": cedula})
    return {"cedula": cedula, "tablas": rows, "colocalizadas": len({row["nodo"] for row in rows}) == 1}


def query(name: str) -> dict[str, Any]:
    """Show one of QUERIES: what it is, what there is to see, its SQL."""
    title, lesson = QUERIES[name]
    return {
        "consulta": name,
        "titulo": title,
        "leccion": lesson,
        "sql": statement(f"explain_{name}").decode().strip(),
    }


@in_transaction
def explained(pipeline: Pipeline, name: str) -> dict[str, Any]:
    """Run one of QUERIES, and say how it was done: the plan, the tasks of each node and their time."""
    sql = statement(f"explain_{name}")
    answer: dict[str, Any] = dict.fromkeys(("plan", "nodos", "ms_planear", "ms_ejecutar", "razon"))
    pipeline.complete()
    # The values are put into the text: a plan with placeholders hides to which node it leads.
    cursor = psycopg.ClientCursor(pipeline.connection, row_factory=tuple_row)
    try:
        with pipeline.connection.transaction():
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
    nodes = pipeline.execute(statement("cluster_nodes")).rows()
    shards = pipeline.execute(statement("cluster_shards")).rows()
    tasks = plans.tasks(
        found,
        {(node["host"], str(node["puerto"])): node["nombre"] for node in nodes},
        {shard["fragmento"]: shard["nodo"] for shard in shards},
    )
    times = {"ms_planear": found["Planning Time"], "ms_ejecutar": found["Execution Time"]}
    return answer | times | {"nodos": plans.by_node(tasks)}


def _skew(table: DictRow, shards: Sequence[DictRow]) -> dict[str, Any]:
    """How many times the mean the fullest shard and the fullest node hold: 1 is perfectly even."""
    if table["tipo"] != "distribuida":
        return {"sesgo_fragmentos": None, "sesgo_nodos": None, "razon": NOT_DISTRIBUTED}
    if table["filas"] is None:
        return {"sesgo_fragmentos": None, "sesgo_nodos": None, "razon": SILENT}
    own = [shard for shard in shards if shard["tabla"] == table["nombre"]]
    nodes: dict[str, int] = {}
    for shard in own:
        nodes[shard["nodo"]] = nodes.get(shard["nodo"], 0) + shard["filas"]
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
