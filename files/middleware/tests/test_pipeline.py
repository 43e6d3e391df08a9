"""Statements that travel together, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from conftest import PASSWORD, Lab

from historia_clinica.pipeline import MOST_PREPARED, Connection, Pipeline

ID = UUID("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
COUNT = b"SELECT count(*) AS n FROM kept"


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
    ) as connection:
        yield connection


def keep(pipeline: Pipeline, number: object) -> None:
    """Have a number kept."""
    pipeline.execute(b"INSERT INTO kept VALUES (%(n)s)", {"n": number})


def test_nothing_is_sent_before_somebody_looks(connection: Connection, lab: Lab) -> None:
    """What was executed travels with the first statement whose answer is looked at."""
    pipeline = Pipeline(connection)
    keep(pipeline, 1)
    found = pipeline.execute(COUNT)
    assert lab.value("SELECT count(*) FROM kept") == 0
    assert found.rows() == [{"n": 1}]
    assert lab.value("SELECT count(*) FROM kept") == 1


def test_answers_are_pythons_values(connection: Connection) -> None:
    """As psycopg has them, in both directions, under the names of the columns."""
    given = {"id": ID, "number": 2**40, "text": "Ñandú 'a' %", "at": datetime(2026, 1, 2, tzinfo=UTC), "none": None}
    query = (
        b"SELECT %(id)s::uuid AS id, %(number)s::bigint AS number, %(text)s::text AS text,"
        b" %(at)s::timestamptz AS at, %(none)s::text AS none, %(text)s::text AS again, true AS yes"
    )
    answer = Pipeline(connection).execute(query, given | {"unused": 1})
    assert answer.first() == {**given, "again": given["text"], "yes": True}
    assert answer.count() == 1


def test_no_row_is_none(connection: Connection) -> None:
    """The first of no rows."""
    answer = Pipeline(connection).execute(b"SELECT 1 WHERE false")
    assert (answer.first(), answer.rows(), answer.count()) == (None, [], 0)


def test_error_is_what_everybody_after_it_gets(connection: Connection, lab: Lab) -> None:
    """What was answered before it stays answered; nothing after it is done, though it is asked for again and again."""
    pipeline = Pipeline(connection)
    pipeline.execute(b"BEGIN")
    keep(pipeline, 1)
    before = pipeline.execute(COUNT)
    keep(pipeline, 1)
    after = pipeline.execute(COUNT)
    assert before.rows() == [{"n": 1}]
    for ask in (after.rows, after.count, pipeline.execute(COUNT).first, pipeline.complete):
        with pytest.raises(psycopg.errors.UniqueViolation, match="kept_pkey"):
            ask()
    pipeline.execute(b"COMMIT")
    with pytest.raises(psycopg.errors.UniqueViolation):
        pipeline.complete()
    connection.rollback()
    assert lab.value("SELECT count(*) FROM kept") == 0
    assert Pipeline(connection).execute(COUNT).rows() == [{"n": 0}]  # the connection is as good as before


def test_statement_that_must_find_something(connection: Connection) -> None:
    """Where it finds nothing, no answer counts that came with it or after it."""
    pipeline = Pipeline(connection)
    pipeline.execute(b"SELECT 1", if_empty=LookupError("not this one"))
    pipeline.execute(b"SELECT 1 WHERE false", if_empty=LookupError("nothing"))
    after = pipeline.execute(b"SELECT 1 AS n")
    for ask in (after.rows, pipeline.complete):
        with pytest.raises(LookupError, match="nothing"):
            ask()


def test_value_that_cannot_be_sent_is_refused_before_anything_is(connection: Connection, lab: Lab) -> None:
    """A text with NUL."""
    pipeline = Pipeline(connection)
    keep(pipeline, 1)
    with pytest.raises(psycopg.DataError):
        pipeline.execute(b"SELECT %(text)s::text", {"text": "a\0b"})
    assert lab.value("SELECT count(*) FROM kept") == 0


def prepared(connection: Connection) -> list[str]:
    """Return what the server keeps prepared for the connection."""
    query = b"SELECT statement FROM pg_prepared_statements ORDER BY prepare_time"
    return [row["statement"] for row in Pipeline(connection).execute(query, prepare=False).rows()]


def test_statement_is_prepared_once(connection: Connection) -> None:
    """By its text and types, whatever becomes of the transactions that it is in."""
    for number in (1, 2):
        pipeline = Pipeline(connection)
        pipeline.execute(b"BEGIN")
        pipeline.execute(b"SET LOCAL statement_timeout = 1000", prepare=False)
        keep(pipeline, number)
        keep(pipeline, number)
        with pytest.raises(psycopg.errors.UniqueViolation):
            pipeline.complete()
        connection.rollback()
    assert prepared(connection) == ["BEGIN", "INSERT INTO kept VALUES ($1)"]
    keep(Pipeline(connection), "3")  # a text has another type than a number
    assert Pipeline(connection).execute(COUNT).rows() == [{"n": 0}]


def test_statement_that_cannot_be_prepared_is_tried_again(connection: Connection, lab: Lab) -> None:
    """A table that is not there yet."""
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            Pipeline(connection).execute(b"SELECT 1 AS n FROM later").rows()
    lab.admin.execute("CREATE TABLE later ()")
    assert Pipeline(connection).execute(b"SELECT 1 AS n FROM later").rows() == []


def test_connection_keeps_no_more_plans_than_it_may(connection: Connection) -> None:
    """Whoever asks in a thousand ways fills no server's memory, and the usual ways are prepared again soon."""
    for number in range(2 * MOST_PREPARED):
        for query in (b"SELECT 'usual' AS n", b"SELECT %d AS n" % number):
            assert Pipeline(connection).execute(query).rows()
        assert len(prepared(connection)) <= MOST_PREPARED
    assert "SELECT 'usual' AS n" in prepared(connection)


def test_more_than_the_sockets_hold_both_ways(connection: Connection) -> None:
    """The server answers while it is still being asked: nobody waits for the other for ever."""
    pipeline = Pipeline(connection)
    text = "x" * 20_000_000
    answers = [pipeline.execute(b"SELECT %(text)s::text AS text", {"text": text}) for _ in range(2)]
    assert all(answer.rows() == [{"text": text}] for answer in answers)


def test_last_word_of_a_server_that_goes_is_heard(connection: Connection, lab: Lab) -> None:
    """Not only that the connection is gone: why."""
    pid = connection.info.backend_pid
    pipeline = Pipeline(connection)
    pipeline.execute(b"SELECT pg_terminate_backend(%(pid)s)", {"pid": pid})
    with pytest.raises(psycopg.errors.AdminShutdown):
        pipeline.complete()
    assert connection.closed
    with pytest.raises(psycopg.OperationalError):
        Pipeline(connection).execute(COUNT).rows()
