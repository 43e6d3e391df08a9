"""Guessed passwords: each failure counts, in whichever process, and keeps out whoever guesses, not whoever is guessed at."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Lab
from flask import Flask
from flask.testing import FlaskClient
from people import KEY, USERS, V1, WORD, bearer, log_in, session
from werkzeug.test import TestResponse

from historia_clinica import attempts, create_app, passwords

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def client(rules: Lab, app: Flask) -> FlaskClient:
    """Give a client of the service whose rules hold."""
    return app.test_client()


@pytest.fixture
def second(client: FlaskClient) -> Iterator[FlaskClient]:
    """Give a client of another service of the same lab, as another process or pod is one."""
    app = create_app()
    yield app.test_client()
    app.extensions["database"].close()


def try_in(client: FlaskClient, word: str, role: str = "medico", source: str = HERE) -> TestResponse:
    """Try to log in as the user of a role."""
    body = {"documento_id": USERS[role], "clave": word}
    return client.post(f"{V1}/sesiones", json=body, environ_base={"REMOTE_ADDR": source})


def fail(client: FlaskClient, times: int) -> None:
    """Fail to log in, as often as that."""
    assert [try_in(client, "wrong").status_code for _ in range(times)] == [401] * times


def pass_time(lab: Lab, seconds: int) -> None:
    """Let the failures be so much older."""
    lab.admin.execute("UPDATE lab.intentos SET ultimo_en = ultimo_en - make_interval(secs => %s)", [seconds])


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (4, 0), (5, 5), (6, 10), (7, 20), (10, 160), (11, 300), (1000, 300)]
)
def test_pause_grows(failures: int, seconds: int) -> None:
    """Nothing for who mistypes; then twice as long each time, to a limit that an owner can wait for."""
    assert attempts.pause(failures) == seconds


def test_each_further_failure_makes_the_guesser_wait_longer(client: FlaskClient, rules: Lab) -> None:
    """429 says for how long; an attempt before that is not looked at, were it the right one, and does not count."""
    fail(client, 5)
    for seconds in (5, 10, 20):
        refused = [try_in(client, word) for word in ("wrong", WORD)]
        assert [answer.status_code for answer in refused] == [429, 429]
        assert {int(answer.headers["Retry-After"]) for answer in refused} <= {seconds, seconds - 1}
        pass_time(rules, seconds)
        fail(client, 1)
    pass_time(rules, 40)
    assert try_in(client, WORD).status_code == 201
    fail(client, 5)  # the right password has begun it anew


def test_failures_are_counted_for_all_processes(client: FlaskClient, second: FlaskClient) -> None:
    """Who guesses at two of them guesses no more often."""
    fail(client, 3)
    fail(second, 2)
    assert [try_in(each, WORD).status_code for each in (client, second)] == [429, 429]


def test_failures_at_once_are_all_counted(client: FlaskClient, second: FlaskClient, rules: Lab) -> None:
    """None is lost between two that look and write."""
    with ThreadPoolExecutor(8) as threads:
        clients = [client, second] * 8
        statuses = list(threads.map(lambda each: try_in(each.application.test_client(), "wrong").status_code, clients))
    assert set(statuses) <= {401, 429}
    assert rules.value("SELECT fallos FROM lab.intentos") == statuses.count(401) >= 5


def test_owner_who_comes_from_elsewhere_gets_in(client: FlaskClient) -> None:
    """Nor does it keep other accounts out, from wherever."""
    fail(client, 5)
    assert try_in(client, WORD).status_code == 429
    assert try_in(client, WORD, source=ELSEWHERE).status_code == 201
    assert try_in(client, WORD, "resultados").status_code == 201
    assert try_in(client, WORD).status_code == 429  # that he got in forgives nobody else


def test_account_that_is_nobodys_is_counted_too(client: FlaskClient) -> None:
    """Otherwise the pause would tell who there is."""
    body = {"documento_id": "40000", "clave": "wrong"}
    statuses = [client.post(f"{V1}/sesiones", json=body).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]


def test_right_password_among_many_at_once_is_refused(
    client: FlaskClient, rules: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent together with too many wrong ones is one of them: it was looked at before they were counted."""
    compare = passwords.matches

    def matches(password: str, kept: str | None) -> bool:
        rules.admin.execute("INSERT INTO lab.intentos VALUES (%s, %s, 5, now())", [HERE, USERS["medico"]])
        return compare(password, kept)

    monkeypatch.setattr(passwords, "matches", matches)
    assert try_in(client, WORD).status_code == 429
    assert rules.value("SELECT count(*) FROM lab.sesiones") == 0


def test_own_password_is_guessed_no_faster(client: FlaskClient) -> None:
    """Who finds an open session has as many attempts at the password as anybody."""
    header = log_in(client, "medico")
    address = f"{V1}/usuarios/{USERS['medico']}/clave"
    wrong = {"clave": "another password", "clave_actual": "wrong"}
    statuses = [client.put(address, json=wrong, headers=header).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]


def test_nothing_is_written_while_nobody_fails(client: FlaskClient, rules: Lab) -> None:
    """The table has not even a page."""
    for role in USERS:
        assert try_in(client, WORD, role).status_code == 201
    assert rules.value("SELECT pg_relation_size('lab.intentos')") == 0


def test_no_connection_is_held_while_a_password_is_compared(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it ends: whoever reads a patient meanwhile has all of them."""
    held = []
    compare = passwords.matches

    def matches(password: str, kept: str | None) -> bool:
        held.append(app.extensions["database"].state()[1])
        return compare(password, kept)

    monkeypatch.setattr(passwords, "matches", matches)
    assert [try_in(client, word).status_code for word in ("wrong", WORD)] == [401, 201]
    assert held == [0, 0]


def test_old_failures_go(client: FlaskClient, rules: Lab) -> None:
    """Some with each new one, so that the table stays as small as guessing is slow; who failed long ago begins anew."""
    rules.admin.execute(
        "INSERT INTO lab.intentos SELECT '192.0.2.9', n::text, 9, now() - interval '2 h' FROM generate_series(10001, 10150) n"
    )
    rules.admin.execute("INSERT INTO lab.intentos VALUES (%s, %s, 9, now() - interval '2 h')", [HERE, USERS["medico"]])
    fail(client, 2)
    assert rules.rows("SELECT origen, documento_id, fallos FROM lab.intentos") == [(HERE, USERS["medico"], 2)]


def test_refusal_says_what_to_do(client: FlaskClient) -> None:
    """A sentence, and nothing of the inside."""
    fail(client, 5)
    answer = try_in(client, "wrong")
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["detail"].startswith("Demasiados intentos fallidos; espere ")
    assert KEY not in answer.text
    assert (
        client.get(f"{V1}/pacientes", headers=bearer(session(client, USERS["administrador"])["token"])).status_code
        == 200
    )
