"""What happens when the database goes away and comes back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pytest
from conftest import Lab, wait_until
from flask import Flask
from flask.testing import FlaskClient

ASKING = ["/status", "/usuarios", "/citus/workers"]


def test_database_down_is_a_503_with_its_reason_and_recovers(client: FlaskClient, lab: Lab) -> None:
    """While the server is stopped: 503 at once, saying why and when to retry; `/` goes on.

    When it is back the next request is answered: nothing is restarted, nobody waits.
    """
    assert client.get("/status").status_code == 200
    lab.server.stop()
    try:
        for address in ASKING:
            before = perf_counter()
            answer = client.get(address)
            assert perf_counter() - before < 1
            assert answer.status_code == 503
            assert answer.content_type == "application/problem+json"
            assert answer.headers["Retry-After"] == "2"
            assert answer.get_json()["detail"] == (
                f"La base de datos en 127.0.0.1:{lab.server.port} rechaza la conexión: no hay un servidor que escuche."
            )
        assert client.get("/").status_code == 200
    finally:
        lab.server.start()
        lab.reconnect()
    for address in ASKING:
        assert client.get(address).status_code == 200


def fill_pool(app: Flask, lab: Lab) -> None:
    """Make the pool open every connection that it may: as many requests at once, all waiting."""
    with ThreadPoolExecutor(8) as threads:
        with lab.admin.transaction():
            lab.admin.execute("LOCK TABLE usuario")
            answers = [threads.submit(app.test_client().get, "/usuarios") for _ in range(8)]
            waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'usuario'::regclass"
            wait_until(lambda: lab.value(f"{waiting} AND NOT granted") == 8)
        assert [answer.result().status_code for answer in answers] == [200] * 8


def test_restart_of_the_database_costs_no_request(app: Flask, lab: Lab) -> None:
    """Every connection of the pool is broken after a restart; the next requests get new ones."""

    def ask(_: int) -> int:
        return app.test_client().get("/usuarios").status_code

    fill_pool(app, lab)
    for side_by_side in (1, 8):
        lab.server.stop()
        lab.server.start()
        lab.reconnect()
        with ThreadPoolExecutor(side_by_side) as threads:
            assert list(threads.map(ask, range(16))) == [200] * 16
        fill_pool(app, lab)


def test_outage_in_the_middle_of_every_request_is_told_at_once(app: Flask, lab: Lab) -> None:
    """Not one idle connection is left to notice by: who asks next is told the reason all the same, and is answered later."""
    client = app.test_client()
    with ThreadPoolExecutor(8) as threads:
        lab.admin.execute("BEGIN; LOCK TABLE usuario")
        answers = [threads.submit(app.test_client().get, "/usuarios") for _ in range(8)]
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'usuario'::regclass AND NOT granted"
        wait_until(lambda: lab.value(waiting) == 8)
        lab.server.stop()
        try:
            assert [answer.result().status_code for answer in answers] == [503] * 8
            begin = perf_counter()
            answer = client.get("/usuarios")
            assert perf_counter() - begin < 1
            assert "no hay un servidor que escuche" in answer.get_json()["detail"]
        finally:
            lab.server.start()
            lab.reconnect()
    assert client.get("/usuarios").status_code == 200


def test_restart_of_a_node_costs_no_reader_anything(app: Flask, lab: Lab) -> None:
    """Each connection has one of the server's own to the node, which broke; the first who notices replaces them all."""
    fill_pool(app, lab)
    lab.admin.execute(
        """
        CREATE TABLE stale AS SELECT pid FROM pg_stat_activity WHERE usename = 'middleware';
        CREATE FUNCTION reached() RETURNS boolean SECURITY DEFINER LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM public.stale WHERE pid = pg_backend_pid()) THEN
                RAISE 'connection to the remote node failed' USING ERRCODE = 'connection_failure';
            END IF;
            RETURN true;
        END $$;
        ALTER TABLE usuario RENAME TO part;
        CREATE VIEW usuario AS SELECT * FROM part WHERE reached();
        GRANT SELECT ON usuario TO middleware;
        """
    )
    assert lab.value("SELECT count(*) FROM stale") == 8
    assert [app.test_client().get("/usuarios").status_code for _ in range(16)] == [200] * 16
    assert app.extensions["database"].errors["08006"] == 1


def test_first_request_after_a_long_outage_is_answered(app: Flask, lab: Lab) -> None:
    """The pauses between psycopg's own attempts grow with the outage; nobody waits for them."""
    client = app.test_client()
    fill_pool(app, lab)
    lab.server.stop()
    try:
        begin = perf_counter()
        while perf_counter() - begin < 4:
            assert client.get("/usuarios").status_code == 503
    finally:
        lab.server.start()
        lab.reconnect()
    assert client.get("/usuarios").status_code == 200


def test_start_without_a_database_works(lab: Lab, request: pytest.FixtureRequest) -> None:
    """The middleware starts while the server is stopped, and finds it later."""
    lab.server.stop()
    try:
        client = request.getfixturevalue("client")
        assert client.get("/").status_code == 200
        assert client.get("/status").status_code == 503
    finally:
        lab.server.start()
        lab.reconnect()
    assert client.get("/status").status_code == 200


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("PGPASSFILE", "/dev/null", "rechaza el usuario o la contraseña del middleware"),
        ("PGDATABASE", "otra", "no tiene la base de datos del laboratorio"),
        ("PGHOST", "no-such-host.invalid", "no se encuentra: el nombre no se resuelve"),
    ],
)
def test_reason_tells_what_to_look_at(
    lab: Lab, request: pytest.FixtureRequest, variable: str, value: str, reason: str
) -> None:
    """A wrong password, database or host: each has its own plain sentence."""
    lab.environment[variable] = value
    answer = request.getfixturevalue("client").get("/status")
    assert answer.status_code == 503
    assert reason in answer.get_json()["detail"]
