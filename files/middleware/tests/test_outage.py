"""What happens when the database goes away and comes back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pytest
from conftest import Lab
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
                f"La base de datos en 127.0.0.1:{lab.server.port} rechaza la conexión:"
                " no hay un servidor que escuche."
            )
        assert client.get("/").status_code == 200
    finally:
        lab.server.start()
        lab.reconnect()
    for address in ASKING:
        assert client.get(address).status_code == 200


def test_restart_of_the_database_costs_no_request(app: Flask, lab: Lab) -> None:
    """Every connection of the pool is broken after a restart; the next requests get new ones."""

    def ask(_: int) -> int:
        return app.test_client().get("/usuarios").status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(64))) == {200}
        lab.server.stop()
        lab.server.start()
        lab.reconnect()
        before = perf_counter()
        assert set(threads.map(ask, range(64))) == {200}
        assert perf_counter() - before < 5


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
