"""`/api/v1/cluster`: the lesson about where things are, the same shape with both engines."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import warnings
from typing import Any

import pytest

from support.labs import Lab

WORKERS = ["citus-worker-1", "citus-worker-2"]
QUERIES = ["paciente", "historia", "ciudades", "diagnostico", "colocada", "referencia", "original"]


class Lesson:
    """What `/api/v1/cluster` of a lab answers to somebody who logged in."""

    def __init__(self, lab: Lab) -> None:
        self._address = f"{lab.api_url}/api/v1/cluster"
        self._headers = {"Authorization": f"Bearer {lab.token()}"}

    def ask(self, path: str) -> dict[str, Any]:
        """The answer to a GET; a 503 is asked again when it says so, as every client of the API does, and shown as a warning."""
        request = urllib.request.Request(self._address + path, headers=self._headers)  # noqa: S310 # of the lab's own address
        for remaining in reversed(range(3)):
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 # as above
                    found: dict[str, Any] = json.load(answer)
                return found
            except urllib.error.HTTPError as error:
                problem = error.read().decode()
                if error.code != 503 or not remaining:
                    raise AssertionError(problem) from error
                warnings.warn(f"{path}: {problem}", stacklevel=2)
                time.sleep(float(error.headers["Retry-After"]))  # the server says when it is worth asking
        raise AssertionError("the last try returns or raises")

    def explained(self, name: str) -> dict[str, Any]:
        """How one of its queries was done."""
        [query] = self.ask(f"/explain?consulta={name}")["consultas"]
        found: dict[str, Any] = query["explicacion"]
        return found


@pytest.fixture(scope="session")
def lesson(lab: Lab) -> Lesson:
    """The lesson of the lab."""
    return Lesson(lab)


def test_cluster_tells_nodes_tables_and_shards(lab: Lab, lesson: Lesson) -> None:
    """Each table with its kind, its rows and how evenly they lie; the shards' rows add up to it."""
    found = lesson.ask("")
    assert found["motor"] == lab.engine
    assert [node["nombre"] for node in found["nodos"]] == ["citus-coordinator", *WORKERS]
    tables = {table["nombre"]: table for table in found["tablas"]}
    for name, kind in {"consultas": "distribuida", "medicos": "referencia", "usuario": "distribuida"}.items():
        assert tables[name]["tipo"] == kind
    shards = [shard for shard in found["fragmentos"] if shard["tabla"] == "pacientes"]
    assert len(shards) == tables["pacientes"]["fragmentos"]
    assert sum(shard["filas"] for shard in shards) == tables["pacientes"]["filas"] > 0
    assert 1 <= tables["pacientes"]["sesgo_nodos"] <= tables["pacientes"]["sesgo_fragmentos"] < 3
    assert tables["medicos"]["sesgo_nodos"] is None
    assert tables["medicos"]["razon"]


def test_cluster_tells_which_tables_lie_together(lesson: Lesson) -> None:
    """Patients and their consultations are one group, the users another."""
    groups = [set(group["tablas"]) for group in lesson.ask("")["grupos"]]
    [together] = [group for group in groups if "pacientes" in group]
    assert "consultas" in together
    assert "usuario" not in together


def test_where_is_where_the_patient_is(lab: Lab, lesson: Lesson) -> None:
    """The shard that is named holds the row, and the consultations' shard is on the same node."""
    with lab.connect() as connection:
        keys = [key for (key,) in connection.execute("SELECT cedula FROM pacientes ORDER BY cedula LIMIT 5").fetchall()]
    assert len(keys) == 5
    for key in keys:
        found = lesson.ask(f"/where?cedula={key}")
        assert [table["tabla"] for table in found["tablas"]] == ["pacientes", "consultas"]
        assert found["colocalizadas"] is True
        place = found["tablas"][0]
        with lab.connect(node=place["nodo"]) as connection:
            query = f"SELECT count(*) FROM public.{place['fragmento']} WHERE cedula = %s"
            assert connection.execute(query.encode(), [key]).fetchall() == [(1,)]


def test_explain_lists_its_queries(lesson: Lesson) -> None:
    """With what each is, what there is to see, and its SQL."""
    found = lesson.ask("/explain")["consultas"]
    assert [query["consulta"] for query in found] == QUERIES
    assert all(query["titulo"] and query["leccion"] and query["sql"].startswith("SELECT") for query in found)


@pytest.mark.parametrize("name", ["paciente", "historia"])
def test_query_with_the_key_is_one_task_on_one_node(lab: Lab, lesson: Lesson, name: str) -> None:
    """The key leads to one node; what the engine measures there is a number, what it does not is null with its reason."""
    found = lesson.explained(name)
    [node] = found["nodos"]
    assert node["nodo"] in WORKERS
    assert node["tareas"] == 1
    measured, unknown = ("ms_nodo", "ms_espera") if lab.engine == "citus" else ("ms_espera", "ms_nodo")
    assert node[measured] > 0
    assert node[unknown] is None
    assert node["razon"]
    assert found["plan"]
    assert found["ms_ejecutar"] > 0


@pytest.mark.parametrize("name", ["ciudades", "diagnostico", "colocada", "referencia"])
def test_query_without_the_key_is_a_task_for_each_shard(lesson: Lesson, name: str) -> None:
    """Every worker has its part of them; of tables that lie together a task joins them, with their policies."""
    found = lesson.explained(name)
    assert [node["nodo"] for node in found["nodos"]] == WORKERS
    shards = next(table["fragmentos"] for table in lesson.ask("")["tablas"] if table["nombre"] == "pacientes")
    assert sum(node["tareas"] for node in found["nodos"]) == shards


def test_query_of_the_original_says_why_it_is_none(lab: Lab, lesson: Lesson) -> None:
    """Citus refuses the join on p.id; with postgres_fdw the rows travel, if there is time enough."""
    found = lesson.explained("original")
    if lab.engine == "citus":
        assert found["plan"] is None
        assert "repartitioning" in found["razon"]
    else:
        assert found["plan"]
        assert found["nodos"] or found["razon"]


def test_what_a_silent_worker_holds_is_null_with_its_reason(lesson: Lesson, silent_worker: str) -> None:
    """Its node says why it does not answer; no sum is shown that leaves it out."""
    found = lesson.ask("")
    nodes = {node["nombre"]: node for node in found["nodos"]}
    assert nodes[silent_worker]["responde"] is False
    assert nodes[silent_worker]["error"]
    patients = next(table for table in found["tablas"] if table["nombre"] == "pacientes")
    assert (patients["filas"], patients["sesgo_nodos"]) == (None, None)
    assert "no responde" in patients["razon"]
