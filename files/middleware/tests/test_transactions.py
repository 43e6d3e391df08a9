"""What a request asks of the database: when it is sent, where it fails, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from conftest import Lab
from flask import Flask, g

from historia_clinica.errors import DatabaseUnavailableError, SessionClosedError
from historia_clinica.transactions import ATTEMPTS, OnBehalf, Transaction, in_transaction, read, reading

KEEP = b"INSERT INTO kept VALUES (%(n)s)"
COUNT = b"SELECT count(*) AS n FROM kept"
ME = b"SET LOCAL historia.persona = 'medico/1/7'"


@pytest.fixture
def kept(lab: Lab, app: Flask) -> Iterator[Lab]:
    """Give a lab with an empty table `kept`, in a request."""
    lab.admin.execute("CREATE TABLE kept (n int PRIMARY KEY)")
    lab.admin.execute("GRANT ALL ON kept TO PUBLIC")
    with app.test_request_context():
        yield lab


@pytest.fixture
def session(kept: Lab) -> str:
    """Ask on behalf of somebody whose session is open; give its identifier."""
    opened = str(uuid4())
    kept.admin.execute(
        "INSERT INTO lab.sesiones (id, documento_id, huella_refresco, vence_en) VALUES (%s, '1', 'x', now() + '1 h')",
        [opened],
    )
    g.on_behalf = OnBehalf(ME, opened)
    return opened


def test_error_comes_from_the_statement_that_it_is_about(kept: Lab) -> None:
    """Not from a later one, and nothing of the transaction is kept."""
    done = []

    @in_transaction
    def work(transaction: Transaction) -> None:
        for number in (1, 1, 2):
            done.append(transaction.execute(KEEP, {"n": number}))

    with pytest.raises(psycopg.errors.UniqueViolation):
        work()
    assert done == [1]
    assert kept.value("SELECT count(*) FROM kept") == 0


def test_error_of_the_first_statement_comes_from_it_though_it_travels_with_others(session: str) -> None:
    """BEGIN, for whom, and whether the session is open are in the same message."""
    with pytest.raises(psycopg.errors.UndefinedTable), reading() as transaction:
        transaction.fetch(b"SELECT 1 FROM nothing")
    assert read(COUNT) == [{"n": 0}]


@pytest.mark.parametrize("last", [False, True])
def test_transaction_is_on_behalf_of_whoever_asks(session: str, last: bool) -> None:
    """All of its statements, and nothing after it."""
    who = b"SELECT current_setting('historia.persona', true) AS who"
    with reading() as transaction:
        assert transaction.fetch(COUNT) == [{"n": 0}]
        assert transaction.fetch(who, last=last) == [{"who": "medico/1/7"}]
    assert read(who) == [{"who": "medico/1/7"}]
    del g.on_behalf
    assert read(who)[0]["who"] in (None, "")


@pytest.mark.parametrize("last", [False, True])
def test_closed_session_is_shown_and_changes_nothing(kept: Lab, session: str, last: bool) -> None:
    """Though its statement travels with the look at it."""
    kept.admin.execute("UPDATE lab.sesiones SET cerrada_en = now()")
    with pytest.raises(SessionClosedError):
        in_transaction(lambda transaction: transaction.execute(KEEP, {"n": 1}, last=last))()
    with pytest.raises(SessionClosedError):
        read(COUNT)
    with pytest.raises(SessionClosedError), reading() as transaction:
        transaction.open()
    assert kept.value("SELECT count(*) FROM kept") == 0


@pytest.mark.parametrize("followed", [False, True])
def test_what_is_left_for_later_is_kept_with_the_rest(kept: Lab, session: str, followed: bool) -> None:
    """It travels with the next statement, or with COMMIT; until then nothing of it is there."""
    with reading() as transaction:
        transaction.fetch(COUNT)
        transaction.later(KEEP, {"n": 1})
        if followed:
            assert transaction.fetch(COUNT) == [{"n": 1}]
        assert kept.value("SELECT count(*) FROM kept") == 0
    assert kept.value("SELECT count(*) FROM kept") == 1


@pytest.mark.parametrize("followed", [False, True])
def test_nothing_is_kept_where_what_was_left_for_later_is_refused(kept: Lab, session: str, followed: bool) -> None:
    """At the end too: whoever asked learns of it, and the connection is free."""

    @in_transaction
    def work(transaction: Transaction) -> None:
        transaction.execute(KEEP, {"n": 1})
        transaction.later(KEEP, {"n": 1})
        if followed:
            transaction.fetch(COUNT)

    with pytest.raises(psycopg.errors.UniqueViolation):
        work()
    assert kept.value("SELECT count(*) FROM kept") == 0
    assert read(COUNT) == [{"n": 0}]


def test_closed_session_keeps_nothing_of_what_was_left_for_later(kept: Lab, session: str) -> None:
    """Though it travels with the look at the session."""
    kept.admin.execute("UPDATE lab.sesiones SET cerrada_en = now()")

    @in_transaction
    def work(transaction: Transaction) -> None:
        transaction.later(KEEP, {"n": 1})
        transaction.fetch(COUNT, last=True)

    with pytest.raises(SessionClosedError):
        work()
    assert kept.value("SELECT count(*) FROM kept") == 0


def test_statement_without_a_transaction_is_kept_at_once(kept: Lab) -> None:
    """A single one, while the rules are lifted."""

    def work(transaction: Transaction) -> int:
        transaction.execute(KEEP, {"n": 1})
        return int(kept.value("SELECT count(*) FROM kept"))

    assert in_transaction(work, single=True)() == 1
    kept.admin.execute("TRUNCATE kept")
    assert in_transaction(work)() == 0


def test_transaction_that_another_got_into_is_run_again(kept: Lab) -> None:
    """A few times; what it did before is not there."""
    tried = []

    @in_transaction
    def work(transaction: Transaction) -> int:
        tried.append(transaction.execute(KEEP, {"n": 1}))
        if len(tried) < ATTEMPTS:
            transaction.execute(b"DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
        return len(tried)

    assert work() == ATTEMPTS
    kept.admin.execute("TRUNCATE kept")
    tried.clear()
    with pytest.raises(psycopg.errors.SerializationFailure):
        in_transaction(lambda transaction: transaction.execute(b"DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"))()


def test_value_that_cannot_be_sent_breaks_nothing(session: str) -> None:
    """A text with NUL, in the message that begins a transaction too."""
    for _ in range(2):
        with pytest.raises(psycopg.DataError), reading() as transaction:
            transaction.fetch(b"SELECT %(text)s::text", {"text": "a\0b"})
    assert read(COUNT) == [{"n": 0}]


def test_connection_that_breaks_is_given_back(kept: Lab, app: Flask) -> None:
    """The server's last word is heard, and the next request has another connection."""
    with pytest.raises(psycopg.errors.AdminShutdown), reading() as transaction:
        transaction.fetch(b"SELECT pg_terminate_backend(pg_backend_pid())")
    assert read(COUNT) == [{"n": 0}]
    app.extensions["database"].close()
    with pytest.raises((psycopg.OperationalError, DatabaseUnavailableError)):
        read(COUNT)
