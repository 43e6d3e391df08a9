"""Statements that travel together: one message to the database for as many as nobody waits for in between.

It is libpq's pipeline mode (https://www.postgresql.org/docs/current/libpq-pipeline-mode.html), asked for through psycopg.pq.
psycopg's own pipeline sends each statement by itself and looks at the socket twice for each: under the rules, where a read is
five statements, the service answered an eighth fewer requests with it (benchmarks/middleware.py --access rules).
"""

from __future__ import annotations

import re
import select
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.rows import DictRow
from psycopg.waiting import Ready, Wait

from historia_clinica import fibers

T = TypeVar("T")

# A connection keeps so many prepared statements; when there would be more it forgets all of them.
MOST_PREPARED = 100


class Connection(psycopg.Connection[DictRow]):
    """A connection that knows what was prepared on it.

    Attributes:
        prepared: the names of statements by their text and the types of their parameters.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.prepared: dict[_Text, bytes] = {}

    def wait(self, gen: PQGen[T], *arguments: Any, **named: Any) -> T:
        """Do the steps of an operation of psycopg, as it does, and in a fiber let the other requests go on meanwhile."""
        if not fibers.inside():
            return super().wait(gen, *arguments, **named)
        try:
            wanted = next(gen)
            while True:
                events = (select.POLLIN if wanted & Wait.R else 0) | (select.POLLOUT if wanted & Wait.W else 0)
                found = fibers.ready(self.pgconn.socket, events)
                wanted = gen.send(Ready.W if found & select.POLLOUT else Ready.R)
        except StopIteration as end:
            value: T = end.value
            return value


class _Text(NamedTuple):
    """A statement with $1, $2, ... and the types that are known of its parameters (OIDs, 0: the server finds out)."""

    query: bytes
    types: tuple[int, ...]


class _Command(NamedTuple):
    """A statement to send, its parameters as psycopg dumped them, and where its answer goes."""

    text: _Text
    values: list[Any]
    formats: list[pq.Format]
    prepare: bool
    answer: Answer


class Answer:
    """What the database says to one statement: whoever looks at it waits for it."""

    def __init__(self, pipeline: Pipeline, if_empty: Exception | None) -> None:
        self._pipeline = pipeline
        self.if_empty = if_empty
        self.result: pq.abc.PGresult | None = None

    def rows(self) -> list[DictRow]:
        """Return every row.

        Raises:
            psycopg.Error: the database refused this statement, or one before it in the pipeline.
        """
        return self._pipeline.load(self._known())

    def first(self) -> DictRow | None:
        """Return the first row, or None where there is none.

        Raises:
            psycopg.Error: as `rows` does.
        """
        rows = self.rows()
        return rows[0] if rows else None

    def count(self) -> int:
        """Return how many rows the statement returned or changed.

        Raises:
            psycopg.Error: as `rows` does.
        """
        return self._known().command_tuples or 0

    def _known(self) -> pq.abc.PGresult:
        if self.result is None:
            self._pipeline.flush()
        if self.result is None:
            raise self._pipeline.failure or AssertionError("the statement was sent, and neither answered nor refused")
        return self.result


class Pipeline:
    """Statements on a connection that nobody else uses meanwhile.

    What is executed waits until an answer is looked at, and travels with all that was executed before. Those of one message
    are one transaction, unless BEGIN has opened one that goes on.

    Attributes:
        failure: the first error that the database answered with, or `if_empty` of a statement that found nothing. What
            was to be done after it is not done, and whoever looks for an answer gets this error.
        connection: the connection, for what a pipeline cannot do; complete it before.
    """

    def __init__(self, connection: Connection) -> None:
        self.failure: Exception | None = None
        self.connection = connection
        self._adapter = Transformer(connection)
        self._queue: list[_Command] = []

    def execute(
        self,
        query: bytes,
        parameters: Mapping[str, Any] | None = None,
        *,
        prepare: bool = True,
        if_empty: Exception | None = None,
    ) -> Answer:
        """Put a statement into the queue.

        Args:
            query: with %(name)s where a parameter belongs.
            parameters: by their names; more than the statement has do no harm.
            prepare: whether the connection keeps its plan for the next time.
            if_empty: what it means where the statement finds no row: nothing after it counts.

        Raises:
            psycopg.DataError: a value cannot be sent, as a text with NUL.
        """
        numbered, names = _numbered(query)
        given = parameters or {}
        values = self._adapter.dump_sequence([given[name] for name in names], [PyFormat.AUTO] * len(names))
        text = _Text(numbered, self._adapter.types or ())
        answer = Answer(self, if_empty)
        self._queue.append(_Command(text, list(values), self._adapter.formats or [], prepare, answer))
        return answer

    def flush(self) -> None:
        """Send what waits in the queue, and wait for its answers.

        Raises:
            psycopg.OperationalError: the connection broke.
        """
        queue, self._queue = self._queue, []
        if not queue or self.failure:
            return
        if len(self.connection.prepared) + len(queue) > MOST_PREPARED:
            self.connection.execute(b"DEALLOCATE ALL")
            self.connection.prepared.clear()
        server = self.connection.pgconn
        server.enter_pipeline_mode()
        try:
            prepared = [self._send(command) for command in queue]
            server.pipeline_sync()
            while server.flush():  # not all at once: a server that is busy with answering reads nothing
                if fibers.ready(server.socket, select.POLLIN | select.POLLOUT) & select.POLLIN:
                    server.consume_input()
            for command, first in zip(queue, prepared, strict=True):
                self._receive(command, first)
            self._result()  # the end of the message
        except psycopg.OperationalError as error:
            raise self.failure or error from None  # the server's last word says more than that it is gone
        server.exit_pipeline_mode()

    def complete(self) -> None:
        """Wait until all is done that was executed.

        Raises:
            psycopg.Error: the database refused some of it; or what `if_empty` said.
        """
        self.flush()
        if self.failure:
            raise self.failure

    def settle(self) -> None:
        """Wait only where a statement that found nothing would mean something: an error ends what follows by itself.

        Raises:
            psycopg.Error: as `complete` does.
        """
        if any(command.answer.if_empty for command in self._queue):
            self.complete()

    def load(self, result: pq.abc.PGresult) -> list[DictRow]:
        """Return the rows of a result as Python's values."""
        names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
        self._adapter.set_pgresult(result)
        return self._adapter.load_rows(0, result.ntuples, lambda values: dict(zip(names, values, strict=True)))

    def _send(self, command: _Command) -> bool:
        """Give a command to libpq; return whether it has to be prepared first, which is answered, too."""
        server, prepared = self.connection.pgconn, self.connection.prepared
        new = command.prepare and command.text not in prepared
        if new:
            prepared[command.text] = b"lab%d" % len(prepared)
            server.send_prepare(prepared[command.text], command.text.query, command.text.types)
        if command.text in prepared:
            server.send_query_prepared(prepared[command.text], command.values, command.formats)
        else:
            server.send_query_params(command.text.query, command.values, command.text.types, command.formats)
        return new

    def _receive(self, command: _Command, new: bool) -> None:
        if new and not self._succeeded(self._only_result()):
            del self.connection.prepared[command.text]
        result = self._only_result()
        if self._succeeded(result) and command.answer.if_empty and not result.ntuples:
            self.failure = self.failure or command.answer.if_empty
        if self.failure is None:
            command.answer.result = result

    def _succeeded(self, result: pq.abc.PGresult) -> bool:
        if result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            return True
        if self.failure is None:  # what follows it in the message is only told that it was not done
            self.failure = psycopg.errors.error_from_result(result)
        return False

    def _only_result(self) -> pq.abc.PGresult:
        result = self._result()
        if result is None or self._result() is not None:
            raise psycopg.OperationalError("the server's answers do not match what it was asked")
        return result

    def _result(self) -> pq.abc.PGresult | None:
        server = self.connection.pgconn
        while server.is_busy():
            fibers.ready(server.socket, select.POLLIN)
            server.consume_input()
        return server.get_result()


@lru_cache(maxsize=1024)
def _numbered(query: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the statement with $1, $2, ... in the place of %(name)s, and the names in that order."""
    names: dict[bytes, int] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return b"$%d" % names.setdefault(found[1], len(names) + 1)

    return re.sub(rb"%\((\w+)\)s", number, query), tuple(name.decode() for name in names)
