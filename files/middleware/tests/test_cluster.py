"""What the cluster's lesson refuses; what it shows is tried on real labs (tests/integration/test_cluster.py)."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from historia_clinica.schemas import Cluster, Explicaciones, Lugar
from historia_clinica.v1 import cluster
from historia_clinica.v1.cluster import QUERIES


@pytest.mark.parametrize("cedula", ["", "123", "12345678901", "1' OR '1'='1", "٣٣٣٣٣"])
def test_where_wants_a_document(client: FlaskClient, cedula: str) -> None:
    """422 that names the field."""
    answer = client.get("/api/v1/cluster/where", query_string={"cedula": cedula})
    assert answer.status_code == 422
    assert answer.get_json()["campo"] == "cedula"


@pytest.mark.parametrize("name", ["", "SELECT 1", "../usuarios"])
def test_explain_runs_only_what_is_listed(client: FlaskClient, name: str) -> None:
    """No SQL and no name of a file comes from outside."""
    answer = client.get("/api/v1/cluster/explain", query_string={"consulta": name})
    assert answer.status_code == 422
    assert answer.get_json()["campo"] == "consulta"


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_runs(client: FlaskClient, name: str) -> None:
    """On one plain server there are no tasks; the plan and the times are there."""
    [query] = client.get("/api/v1/cluster/explain", query_string={"consulta": name}).get_json()["consultas"]
    found = query["explicacion"]
    assert found["plan"]
    assert found["nodos"] == []
    assert found["ms_ejecutar"] > 0


def test_part_that_never_ran_is_no_task() -> None:
    """A LIMIT that was met spares the last parts: the plan has them, with no loops."""
    scan = {"Node Type": "Foreign Scan", "Relation Name": "pacientes_00", "Actual Total Time": 1.5}
    plan = {"Plan": {"Node Type": "Append", "Plans": [scan | {"Actual Loops": 1}, scan | {"Actual Loops": 0}]}}
    assert cluster.tasks(plan, {}, {"pacientes_00": "citus-worker-1"}) == [cluster.Task("citus-worker-1", None, 1.5)]


def test_every_query_says_what_it_is_and_what_there_is_to_see(client: FlaskClient) -> None:
    """Its title and its lesson are the first lines of its file; the SQL is what is left."""
    found = client.get("/api/v1/cluster/explain").get_json()["consultas"]
    assert [query["consulta"] for query in found] == list(QUERIES)
    for query in found:
        assert query["sql"].startswith("SELECT ")
        assert not {query["titulo"][:1], query["leccion"][:1]} & {"", "-", " "}


def test_answers_are_what_the_specification_says(client: FlaskClient) -> None:
    """Each validates by its model, and has no field that the model lacks."""
    for path, model in (
        ("", Cluster),
        ("/where?cedula=1072319876", Lugar),
        ("/explain", Explicaciones),
        ("/explain?consulta=historia", Explicaciones),
    ):
        body = client.get(f"/api/v1/cluster{path}").get_json()
        assert model.model_validate(body).model_dump() == body
