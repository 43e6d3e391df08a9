"""What those who run the service are told: health, metrics, traces, log lines."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from time import perf_counter

import psycopg
import pytest
from conftest import Lab, wait_until
from flask import Flask
from flask.testing import FlaskClient

from historia_clinica import logs, redaction
from historia_clinica.pool import current_database

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
DOCUMENT, NAME = "1098765432", "Zenobia"


def sample(client: FlaskClient, series: str) -> float | None:
    """Return the value of one time series of `/metrics`, or None where there is none."""
    text = client.get("/metrics").get_data(as_text=True)
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def test_live_needs_no_database_and_ready_does(client: FlaskClient, lab: Lab) -> None:
    """Without a database the process lives and is not ready; when it is back, it is at once."""
    assert client.get("/healthz/live").status_code == 200
    assert client.get("/healthz/ready").status_code == 200
    lab.server.stop()
    try:
        assert client.get("/healthz/live").status_code == 200
        answer = client.get("/healthz/ready")
        assert answer.status_code == 503
        assert answer.content_type == "application/problem+json"
        assert answer.headers["Retry-After"]
    finally:
        lab.server.start()
        lab.reconnect()
    assert client.get("/healthz/ready").status_code == 200


def test_trace_of_the_caller_goes_on(client: FlaskClient) -> None:
    """The same trace and flags come back, with a span of this service's own."""
    header = client.get("/", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"}).headers["traceparent"]
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", header)
    assert SPAN not in header


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
    ],
)
def test_malformed_trace_is_replaced(client: FlaskClient, header: str | None) -> None:
    """A header that is missing or that the specification calls invalid begins a trace, of its own each time."""
    headers = {"traceparent": header} if header is not None else {}
    first, second = (client.get("/", headers=headers).headers["traceparent"] for _ in range(2))
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", first)
    assert TRACE not in first
    assert first[:35] != second[:35]


def test_trace_of_a_later_version_is_understood(client: FlaskClient) -> None:
    """What is known of it is taken over."""
    header = client.get("/", headers={"traceparent": f"cc-{TRACE}-{SPAN}-01-more"}).headers["traceparent"]
    assert header.startswith(f"00-{TRACE}-")


def test_requests_are_counted_by_route_method_and_status(app: Flask) -> None:
    """The label is the route's template: an address has a person's document in it, and there are many."""
    app.add_url_rule("/personas/<cedula>", view_func=lambda cedula: {"cedula": cedula})
    client = app.test_client()
    for cedula in ("1072319876", "1078912345"):
        assert client.get(f"/personas/{cedula}").status_code == 200
    client.post("/personas/1072319876")
    client.open("/", method="INVENTED")
    client.get("/nothing/1072319876")
    counted = 'http_requests_total{method="%s",route="%s",status="%s"}'
    assert sample(client, counted % ("GET", "/personas/<cedula>", 200)) == 2
    assert sample(client, counted % ("POST", "ninguna", 405)) == 1
    assert sample(client, counted % ("OTRO", "ninguna", 405)) == 1
    assert sample(client, counted % ("GET", "ninguna", 404)) == 1
    text = client.get("/metrics").get_data(as_text=True)
    assert "1072319876" not in text
    assert "INVENTED" not in text


def test_duration_has_buckets_by_route(client: FlaskClient) -> None:
    """A histogram, from one millisecond to ten seconds."""
    client.get("/usuarios")
    series = 'http_request_duration_seconds_bucket{le="%s",method="GET",route="/usuarios"}'
    assert sample(client, series % "0.001") is not None
    assert sample(client, series % "10.0") == 1


def test_metrics_tell_of_the_pool_and_of_errors(app: Flask, lab: Lab) -> None:
    """Connections in use while they are, and errors by the class of their SQLSTATE."""
    client = app.test_client()
    assert sample(client, "lab_up") == 1  # the nodes have been asked: nobody else uses a connection
    wait_until(lambda: sample(client, "db_pool_in_use") == 0)
    with app.app_context(), current_database().connection():
        assert sample(client, "db_pool_in_use") == 1
    assert sample(client, "db_pool_in_use") == 0
    assert sample(client, "db_pool_waiting") == 0
    assert sample(client, "db_pool_size") in range(1, 9)
    lab.admin.execute("ALTER TABLE usuario RENAME TO other")
    client.get("/usuarios")
    assert sample(client, 'db_errors_total{class="42"}') == 1


def test_metrics_tell_of_the_nodes(client: FlaskClient) -> None:
    """Which nodes answer and how many shards each holds, by name and role."""
    labels = '{node="citus-coordinator",role="coordinator"}'
    assert sample(client, f"lab_node_up{labels}") == 1
    assert sample(client, f"lab_node_shards{labels}") == 4
    assert sample(client, "lab_up") == 1


def test_scrape_waits_for_no_node_and_asks_once(client: FlaskClient, lab: Lab) -> None:
    """While the nodes take long to answer, scrapes are answered, and one question is asked for all of them."""
    lab.admin.execute(
        "CREATE OR REPLACE VIEW lab.nodes AS SELECT 'x' node_name, 'worker' AS role, 'x' host, 1 port, true responds,"
        " NULL::text error, NULL::text version, 0::bigint shards, 0::bigint size_bytes FROM pg_sleep(60)"
    )
    begin = perf_counter()
    for _ in range(3):
        assert client.get("/metrics").status_code == 200
    assert perf_counter() - begin < 4
    assert (
        lab.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%lab.nodes%%' AND pid <> pg_backend_pid()")
        == 1
    )


def test_metrics_answer_without_a_database(client: FlaskClient, lab: Lab) -> None:
    """Then they say so, and name no node of which nothing is known."""
    # The start reads the users for the log: cut off in the middle, it would count an error of its own.
    wait_until(lambda: "users-in-log" not in [thread.name for thread in threading.enumerate()])
    lab.server.stop()
    try:
        assert sample(client, "lab_up") == 0
        assert b"lab_node_up{" not in client.get("/metrics").data
        assert sample(client, 'db_errors_total{class="08"}') == 1
    finally:
        lab.server.start()
        lab.reconnect()


def test_read_is_tried_again_once(app: Flask) -> None:
    """A connection that breaks in the middle costs a read nothing, and is counted; a second time it is an answer."""
    app.add_url_rule("/read", view_func=breaking([True, False]))
    app.add_url_rule("/read-twice", "twice", breaking([True, True, False]))
    client = app.test_client()
    assert client.get("/read").status_code == 200
    assert client.get("/read-twice").status_code == 503
    assert sample(client, 'http_retries_total{route="/read"}') == 1


def test_write_is_never_tried_again(app: Flask) -> None:
    """It may have been done: only who asked for it knows what to do."""
    fates = [True, False]
    app.add_url_rule("/write", view_func=breaking(fates), methods=["POST"])
    assert app.test_client().post("/write").status_code == 503
    assert fates == [False]


def breaking(fates: list[bool]):  # type: ignore[no-untyped-def]  # a view, whatever that is
    """Return a view whose connection is cut off by the server as often as the list says."""

    def view() -> dict[str, str]:
        with current_database().connection() as connection:
            if fates.pop(0):
                connection.execute(b"SELECT pg_terminate_backend(pg_backend_pid())")
        return {}

    return view


def test_error_of_the_request_is_not_tried_again(app: Flask, lab: Lab) -> None:
    """A table that is missing will be missing a moment later."""
    lab.admin.execute("DROP TABLE usuario")
    client = app.test_client()
    assert client.get("/usuarios").status_code == 503
    assert sample(client, 'http_retries_total{route="/usuarios"}') is None


def test_traceback_has_no_document_and_no_name(lab: Lab) -> None:
    """Where it comes from is told; of what an exception says, only what the database's names: constraint and table."""
    try:
        try:
            with lab.admin.transaction():
                for _ in range(2):
                    lab.admin.execute("INSERT INTO usuario VALUES (%s, %s, 34, 'paciente')", [DOCUMENT, NAME])
        except psycopg.Error as error:
            raise ValueError(f"no such thing for {NAME}, {DOCUMENT}") from error
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, f"GET /pacientes/{DOCUMENT}", None, sys.exc_info())
    line = logs.JsonFormatter().format(record)
    assert DOCUMENT not in line
    assert NAME not in line
    assert "GET /pacientes/*****" in line
    told = json.loads(line)["traza"]
    assert told.count("in test_traceback_has_no_document_and_no_name") == 2
    assert [said for said in told.splitlines() if not said.startswith(" ")] == [
        'UniqueViolation: 23505 duplicate key value violates unique constraint "usuario_pkey" (relation usuario, constraint usuario_pkey)',
        "ValueError",
    ]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("GET /pacientes/1072319876/historia", "GET /pacientes/*****/historia"),
        ("GET /pacientes/TI-1234567890", "GET /pacientes/*****"),
        ("GET /pacientes/RC-A1B2C3D4E5F", "GET /pacientes/*****"),
        ("GET /pacientes/PT 1234567", "GET /pacientes/*****"),
        ("Key (cedula)=(CE-AB12)", "Key (cedula)=(*****)"),
        ("Key (cedula)=(1234)", "Key (cedula)=(*****)"),
        ("Key (cedula)=(12345678901)", "Key (cedula)=(*****)"),
        ("node 3 of 12, 250 ms", "node 3 of 12, 250 ms"),
        (TRACE, TRACE),
    ],
)
def test_documents_of_every_type_are_masked(text: str, kept: str) -> None:
    """Of four digits and of eleven, with letters, with their type; no trace of a request."""
    assert redaction.without_documents(text) == kept


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT '1098765432 Zenobia'::integer", "22P02 InvalidTextRepresentation"),
        ("DO $$ BEGIN RAISE EXCEPTION 'Zenobia is there'; END $$", "P0001 RaiseException"),
        (
            "DO $$ BEGIN RAISE EXCEPTION 'in \"Zenobia\": 1098765432' USING ERRCODE = 'XX000'; END $$",
            'XX000 in "…": *****',
        ),
        (
            "DO $$ BEGIN RAISE EXCEPTION 'of RC-A1B2C3D4E5F' USING ERRCODE = 'XX000'; END $$",
            "XX000 of *****",
        ),
        ("SELECT * FROM nowhere", '42P01 relation "nowhere" does not exist'),
        ("SET statement_timeout = 1; SELECT pg_sleep(1)", "57014 canceling statement due to statement timeout"),
    ],
)
def test_error_of_the_database_is_told_without_values(lab: Lab, query: str, said: str) -> None:
    """The SQLSTATE always; the message where it names objects."""
    with pytest.raises(psycopg.Error) as raised:
        lab.admin.execute(query.encode())
    assert redaction.told(raised.value).splitlines()[0] == said


def test_frozen_server_costs_a_bounded_wait(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """A server that keeps the connection and says nothing obeys no timeout of its own: the service has one."""
    monkeypatch.setenv("HISTORIA_CLINICA_STATEMENT_TIMEOUT", "1")
    app: Flask = request.getfixturevalue("app")
    assert app.test_client().get("/healthz/ready").status_code == 200
    with lab.frozen_backends():
        begin = perf_counter()
        assert app.test_client().get("/usuarios").status_code == 503
        assert 2 < perf_counter() - begin < 8
    wait_until(lambda: app.test_client().get("/usuarios").status_code == 200)
