"""What the API answers while its database is there."""

from __future__ import annotations

from time import perf_counter

import psycopg
import pytest
from conftest import Lab
from flask import Flask
from flask.testing import FlaskClient

from historia_clinica import __version__
from historia_clinica.problems import status_of

PROBLEM = "application/problem+json"


def add_users(lab: Lab, number: int) -> None:
    """Insert users beside the original's two."""
    lab.admin.execute(
        "INSERT INTO usuario SELECT (2000000000 + n)::text, 'Persona ' || n, 30, 'paciente', NULL"
        "  FROM generate_series(1, %s) n",
        [number],
    )


def test_root_says_that_the_middleware_lives(client: FlaskClient) -> None:
    """`/` names the service and its version."""
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.get_json() == {
        "estado": "ok",
        "servicio": "historia-clinica",
        "version": __version__,
    }


def test_status_describes_the_database(client: FlaskClient, lab: Lab) -> None:
    """`/status` tells engine, versions, latency and nodes; Citus is null where it is not."""
    answer = client.get("/status")
    assert answer.status_code == 200
    body = answer.get_json()
    assert 0 < body.pop("latencia_ms") < 1000
    assert body == {
        "estado": "ok",
        "acceso": "open",
        "aviso": "Las reglas de acceso están levantadas: cualquiera lee y escribe.",
        "motor": "postgres_fdw",
        "postgresql": lab.value("SHOW server_version"),
        "citus": None,
        "nodos": [{"nombre": "citus-coordinator", "rol": "coordinator", "responde": True, "error": None}],
    }


def test_status_is_degraded_when_a_node_does_not_respond(client: FlaskClient, lab: Lab) -> None:
    """The database answers, so the status is 200; the node says what is wrong with it."""
    lab.admin.execute(
        "CREATE OR REPLACE VIEW lab.nodes AS SELECT 'citus-worker-1' node_name, 'worker' AS role, '127.0.0.1' host,"
        " 15433 port, false responds, 'connection refused' error, NULL::text version, 0::bigint shards, 0::bigint size_bytes"
    )
    answer = client.get("/status")
    assert answer.status_code == 200
    assert answer.get_json()["estado"] == "degradado"
    assert answer.get_json()["nodos"] == [
        {
            "nombre": "citus-worker-1",
            "rol": "worker",
            "responde": False,
            "error": "connection refused",
        }
    ]


def test_usuarios_lists_users_without_their_hashes(client: FlaskClient) -> None:
    """The original's two users, four fields each, in the order of their documents."""
    answer = client.get("/usuarios")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "usuarios": [
            {
                "documento_id": "1072319876",
                "nombre": "Luis Herrera",
                "edad": 56,
                "rol": "medico",
            },
            {
                "documento_id": "1078912345",
                "nombre": "Ana María Soto",
                "edad": 34,
                "rol": "admisionista",
            },
        ],
        "siguiente": None,
    }
    assert "Link" not in answer.headers
    assert b"hash" not in answer.data


def test_json_is_utf8_without_escapes(client: FlaskClient) -> None:
    """A name with an accent is read as it is written."""
    assert "Ana María Soto" in client.get("/usuarios").data.decode("utf-8")


def test_usuarios_pages_reach_every_user_once(client: FlaskClient, lab: Lab) -> None:
    """Following Link from page to page gives all users, in order, none twice."""
    add_users(lab, 9)
    address: str | None = "/usuarios?limite=4"
    sizes, seen = [], []
    while address:
        answer = client.get(address)
        page = [user["documento_id"] for user in answer.get_json()["usuarios"]]
        sizes.append(len(page))
        seen += page
        link = answer.headers.get("Link")
        assert (link is None) == (answer.get_json()["siguiente"] is None)
        address = link.removeprefix("<").removesuffix('>; rel="next"') if link else None
    assert sizes == [4, 4, 3]
    assert seen == [row[0] for row in lab.rows("SELECT documento_id FROM usuario ORDER BY 1")]


def test_usuarios_page_that_ends_the_list_has_no_next(client: FlaskClient) -> None:
    """Two users and a page of two: there is nothing after it."""
    answer = client.get("/usuarios?limite=2")
    assert len(answer.get_json()["usuarios"]) == 2
    assert answer.get_json()["siguiente"] is None


def test_usuarios_come_fifty_at_a_time(client: FlaskClient, lab: Lab) -> None:
    """Without `limite` a page holds 50; 200 is the most one can ask for."""
    add_users(lab, 250)
    for address, size in (("/usuarios", 50), ("/usuarios?limite=200", 200)):
        answer = client.get(address)
        assert len(answer.get_json()["usuarios"]) == size


@pytest.mark.parametrize("limit", ["0", "201", "-1", "diez", "", "1.5", "٣", "9" * 5000])
def test_bad_limite_is_refused_by_name(client: FlaskClient, limit: str) -> None:
    """422, and the problem says which field and what it has to be."""
    answer = client.get("/usuarios", query_string={"limite": limit})
    assert answer.status_code == 422
    assert answer.content_type == PROBLEM
    assert answer.get_json() == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "limite: tiene que ser un número entero de 1 a 200.",
        "campo": "limite",
    }


def test_despues_is_only_a_value(client: FlaskClient) -> None:
    """SQL in it is compared, not run; a NUL, which PostgreSQL cannot store, is refused."""
    answer = client.get("/usuarios", query_string={"despues": "1072319876' OR ''='"})
    assert [user["nombre"] for user in answer.get_json()["usuarios"]] == ["Ana María Soto"]
    assert client.get("/usuarios?despues=%00").status_code == 422


def test_citus_workers_lists_the_active_ones(client: FlaskClient) -> None:
    """Name and port of what the original's function returns, in order."""
    answer = client.get("/citus/workers")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "workers": [
            {"nombre": "citus-worker-1", "puerto": 5432},
            {"nombre": "citus-worker-2", "puerto": 5432},
        ]
    }


def test_unknown_path_is_a_problem(client: FlaskClient) -> None:
    """404 as problem+json, which points to `/`."""
    answer = client.get("/pacientes-que-no-hay")
    assert answer.status_code == 404
    assert answer.content_type == PROBLEM
    assert answer.get_json()["status"] == 404
    assert answer.get_json()["title"] == "Not Found"
    assert "no existe" in answer.get_json()["detail"]


def test_wrong_method_is_a_problem_that_says_the_right_one(client: FlaskClient) -> None:
    """405 as problem+json, with Allow."""
    answer = client.post("/usuarios")
    assert answer.status_code == 405
    assert answer.content_type == PROBLEM
    assert "GET" in answer.headers["Allow"]


def test_bug_is_a_problem_without_its_details(app: Flask) -> None:
    """500 says that the middleware failed; what and where stays in the log."""

    def broken() -> str:
        raise ValueError("a detail of the inside")

    app.add_url_rule("/broken", view_func=broken)
    answer = app.test_client().get("/broken")
    assert answer.status_code == 500
    assert answer.content_type == PROBLEM
    assert b"inside" not in answer.data


def test_missing_tables_are_told_without_the_database_text(client: FlaskClient, lab: Lab) -> None:
    """A lab that is not finished: 503 and one sentence, no name of a relation."""
    lab.admin.execute("DROP TABLE usuario")
    answer = client.get("/usuarios")
    assert answer.status_code == 503
    assert answer.get_json()["detail"] == "La base de datos no tiene todavía las tablas del laboratorio."
    assert b"relation" not in answer.data


def test_statement_that_takes_too_long_is_cancelled(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """A locked table: 503 after the statement timeout, not a request that hangs."""
    monkeypatch.setenv("HISTORIA_CLINICA_STATEMENT_TIMEOUT", "1")
    client = request.getfixturevalue("client")
    assert client.get("/usuarios").status_code == 200
    before = perf_counter()
    with lab.admin.transaction():
        lab.admin.execute("LOCK TABLE usuario")
        answer = client.get("/usuarios")
    assert answer.status_code == 503
    assert "tardó demasiado" in answer.get_json()["detail"]
    assert perf_counter() - before < 5


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("INSERT INTO usuario SELECT * FROM usuario", 409),
        ("INSERT INTO usuario (documento_id, nombre, edad) VALUES ('1', 'x', 1)", 422),
        ("INSERT INTO consultas VALUES ('1', DEFAULT, 1, now(), 'm', 'A09X', 'd')", 409),
        ("INSERT INTO pacientes VALUES ('no', DEFAULT, 'x', 'x', now(), 'F', 'x')", 422),
        ("SELECT 'x'::integer", 422),
        ("SELECT * FROM lab.nothing", 503),
        ("SELECT nothing()", 503),
        ("SELECT * FROM nowhere.nothing", 503),
        ("SET ROLE middleware; DELETE FROM pacientes", 500),
        ("SELECT pg_terminate_backend(pg_backend_pid())", 503),
        ("DO $$ BEGIN RAISE SQLSTATE '08006'; END $$", 503),
        ("DO $$ BEGIN RAISE SQLSTATE 'HV00N'; END $$", 503),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", 503),
        ("DO $$ BEGIN RAISE SQLSTATE '53300'; END $$", 503),
        ("DO $$ BEGIN RAISE SQLSTATE 'XX000'; END $$", 500),
        ("DO $$ BEGIN RAISE 'could not commit transaction for shard 1' USING ERRCODE = 'XX000'; END $$", 503),
    ],
)
def test_error_of_the_database_has_its_http_status(lab: Lab, statement: str, status: int) -> None:
    """The table from SQLSTATE to HTTP, tried with errors that PostgreSQL really raises."""
    with lab.server.connect(lab.database) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(statement.encode())
    assert status_of(caught.value)[0] == status
