"""Statements that travel together, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from conftest import PASSWORD, Lab
from psycopg.rows import dict_row

from historia_clinica.pipeline import MOST_PREPARED, Connection, Statement

ID = UUID("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
COUNT = Statement(b"SELECT count(*) AS n FROM kept")
BEGIN = Statement(b"BEGIN")


@pytest.fixture
def connection(lab: Lab) -> Iterator[Connection]:
    """Give a connection to a database with an empty table `kept`."""
    lab.admin.execute("CREATE TABLE kept (n int PRIMARY KEY)")
    with Connection.connect(
        host="127.0.0.1",
        port=lab.server.port,
        dbname=lab.database,
        user="admin",
        password=PASSWORD,
        autocommit=True,
        prepare_threshold=None,
        row_factory=dict_row,
    ) as connection:
        yield connection


def keep(number: object) -> Statement:
    """Return the statement that keeps a number."""
    return Statement(b"INSERT INTO kept VALUES (%(n)s)", {"n": number})


def prepared(connection: Connection) -> list[str]:
    """Return what the server keeps prepared for the connection."""
    query = b"SELECT statement FROM pg_prepared_statements ORDER BY prepare_time"
    [(rows, _)] = connection.send([Statement(query, prepare=False)])
    return [row["statement"] for row in rows]


def test_answers_are_pythons_values(connection: Connection) -> None:
    """As psycopg has them, in both directions, under the names of the columns."""
    given = {"id": ID, "number": 2**40, "text": "Ñandú 'a' %", "at": datetime(2026, 1, 2, tzinfo=UTC), "none": None}
    query = (
        b"SELECT %(id)s::uuid AS id, %(number)s::bigint AS number, %(text)s::text AS text,"
        b" %(at)s::timestamptz AS at, %(none)s::text AS none, %(text)s::text AS again, true AS yes"
    )
    answers = connection.send([Statement(query, given | {"unused": 1}), keep(1), Statement(b"SELECT 1 WHERE false")])
    assert answers == [([{**given, "again": given["text"], "yes": True}], 1), ([], 1), ([], 0)]


def test_statements_of_a_message_are_one_transaction(connection: Connection, lab: Lab) -> None:
    """The first that is refused says why, nothing of the message is kept, and the connection is as good as before."""
    with pytest.raises(psycopg.errors.UniqueViolation, match="kept_pkey"):
        connection.send([keep(1), COUNT, keep(1), Statement(b"SELECT nothing")])
    assert lab.value("SELECT count(*) FROM kept") == 0
    assert connection.send([COUNT]) == [([{"n": 0}], 1)]


def test_begin_opens_one_that_goes_on(connection: Connection, lab: Lab) -> None:
    """Over the messages that follow, until it ends."""
    connection.send([BEGIN, keep(1)])
    assert connection.send([COUNT]) == [([{"n": 1}], 1)]
    assert lab.value("SELECT count(*) FROM kept") == 0
    connection.send([keep(2), Statement(b"COMMIT")])
    assert lab.value("SELECT count(*) FROM kept") == 2


def test_value_that_cannot_be_sent_is_refused_before_anything_is(connection: Connection, lab: Lab) -> None:
    """A text with NUL."""
    with pytest.raises(psycopg.DataError):
        connection.send([keep(1), Statement(b"SELECT %(text)s::text", {"text": "a\0b"})])
    assert connection.send([COUNT]) == [([{"n": 0}], 1)]


def test_statement_is_prepared_once(connection: Connection) -> None:
    """By its text and types, whatever becomes of the transactions that it is in."""
    setting = Statement(b"SET LOCAL statement_timeout = 1000", prepare=False)
    for number in (1, 2):
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.send([BEGIN, setting, keep(number), keep(number)])
        connection.rollback()
    assert prepared(connection).count("INSERT INTO kept VALUES ($1)") <= 2  # twice in the first message
    before = prepared(connection)
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.send([keep(3), keep(3)])
    assert prepared(connection) == before
    connection.send([keep("3")])  # a text has another type than a number
    assert len(prepared(connection)) == len(before) + 1


def test_statement_that_cannot_be_prepared_is_tried_again(connection: Connection, lab: Lab) -> None:
    """A table that is not there yet."""
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.send([Statement(b"SELECT 1 AS n FROM later")])
    lab.admin.execute("CREATE TABLE later ()")
    assert connection.send([Statement(b"SELECT 1 AS n FROM later")]) == [([], 0)]


def test_connection_keeps_no_more_plans_than_it_may(connection: Connection) -> None:
    """Whoever asks in a thousand ways fills no server's memory, and the usual ways are prepared again soon."""
    for number in range(2 * MOST_PREPARED):
        connection.send([Statement(b"SELECT 'usual' AS n"), Statement(b"SELECT %d AS n" % number)])
        assert len(prepared(connection)) <= MOST_PREPARED
    assert "SELECT 'usual' AS n" in prepared(connection)


def test_more_than_the_sockets_hold_both_ways(connection: Connection) -> None:
    """The server answers while it is still being asked: nobody waits for the other for ever."""
    text = "x" * 20_000_000
    asked = Statement(b"SELECT %(text)s::text AS text", {"text": text})
    assert connection.send([asked, asked]) == [([{"text": text}], 1)] * 2


def test_last_word_of_a_server_that_goes_is_heard(connection: Connection) -> None:
    """Not only that the connection is gone: why."""
    with pytest.raises(psycopg.errors.AdminShutdown):
        connection.send([Statement(b"SELECT pg_terminate_backend(pg_backend_pid())")])
    assert connection.closed
    with pytest.raises(psycopg.OperationalError):
        connection.send([COUNT])
