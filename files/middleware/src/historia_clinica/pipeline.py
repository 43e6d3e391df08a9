"""Statements that travel together: one message to the database and one answer, where each would wait for the one before.

It is libpq's pipeline mode, asked for through psycopg.pq (https://www.postgresql.org/docs/current/libpq-pipeline-mode.html).
psycopg's own sends each by itself and looks at the socket twice for each, and each time another thread gets the interpreter.
"""

from __future__ import annotations

import re
import select
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import abc, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.rows import DictRow

# A connection keeps so many prepared statements; when there would be more it forgets all of them.
MOST_PREPARED = 100
REFUSED = "password authentication failed"  # libpq gives no SQLSTATE of a connection that was not made
FINE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
Text = tuple[bytes, tuple[int, ...]]  # with $1, $2, ... and the types that are known of its values (OIDs, or 0)
Result = tuple[list[DictRow], int]  # the rows, and how many were returned or changed


class Statement(NamedTuple):
    """A statement with %(name)s where a value belongs, the values by name (more do no harm), and whether to keep its plan."""

    query: bytes
    values: Mapping[str, Any] = {}
    prepare: bool = True


class Connection(psycopg.Connection[DictRow]):
    """A connection over which several statements go at once."""

    @classmethod
    def connect(  # type: ignore[override]  # psycopg's other parameters go on to it as they are
        cls, conninfo: str = "", *, next_password: Mapping[str, str] | None = None, **named: Any
    ) -> Self:
        """Connect; where the server refuses the password, try the one that takes its place (a parameter of libpq that finds it).

        Neither the server nor the file of passwords is first to learn of a change everywhere, so for a while it is the one or the other.
        Raises psycopg.OperationalError: what was said to the first.
        """
        try:
            return super().connect(conninfo, **named)
        except psycopg.OperationalError as refusal:
            if next_password and REFUSED in str(refusal):
                with suppress(psycopg.OperationalError):
                    return super().connect(conninfo, **{**named, **next_password})
            raise

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._plans: dict[Text, bytes] = {}
        self._names = count()

    def send(self, statements: Sequence[Statement]) -> list[Result]:
        """Send statements in one message, and return what each was answered.

        They are one transaction, unless a BEGIN among them opens one that goes on. Raises psycopg.Error: that of the first
        which was refused; nothing after it was done.
        """
        if len(self._plans) + len(statements) > MOST_PREPARED:
            self.execute(b"DEALLOCATE ALL")
            self._plans.clear()
        adapter, server = Transformer(self), self.pgconn
        commands = [(each.prepare, *_dumped(adapter, each)) for each in statements]
        server.enter_pipeline_mode()
        asked: list[tuple[Text, bytes] | None] = []  # what each answer is about: a new plan, or a statement itself
        for prepare, text, values, formats in commands:
            plan = self._plans.get(text)
            if prepare and plan is None:
                plan = b"lab%d" % next(self._names)
                server.send_prepare(plan, *text)
                asked.append((text, plan))
            if plan:
                server.send_query_prepared(plan, values, formats)
            else:
                server.send_query_params(text[0], values, text[1], formats)
            asked.append(None)
        server.pipeline_sync()
        results, failure = list[Result](), None
        try:
            while server.flush():  # not all at once: a server that is busy with answering reads nothing
                self._wait(select.POLLIN | select.POLLOUT)
            for planned in asked:
                answer = self._next()
                if answer is None or self._next() is not None:
                    raise psycopg.OperationalError("the server's answers do not match what it was asked")
                if answer.status not in FINE:
                    failure = failure or psycopg.errors.error_from_result(answer)
                elif planned:
                    self._plans.update([planned])
                else:
                    results.append(_loaded(adapter, answer))
            self._next()  # the end of the message
        except psycopg.OperationalError as error:
            raise failure or error from None  # the server's last word says more than that it is gone
        server.exit_pipeline_mode()
        if failure:
            raise failure
        return results

    def _next(self) -> pq.abc.PGresult | None:
        while self.pgconn.is_busy():
            self._wait()
        return self.pgconn.get_result()

    def _wait(self, events: int = select.POLLIN) -> None:
        poll = select.poll()
        poll.register(self.pgconn.socket, events)
        poll.poll()  # without a limit: the server ends what takes too long, and pool.py cuts off one that says nothing
        self.pgconn.consume_input()


def _dumped(adapter: abc.Transformer, statement: Statement) -> tuple[Text, list[Any], list[pq.Format]]:
    query, names = _numbered(statement.query)
    values = adapter.dump_sequence([statement.values[name] for name in names], [PyFormat.AUTO] * len(names))
    return (query, adapter.types or ()), list(values), adapter.formats or []


def _loaded(adapter: abc.Transformer, answer: pq.abc.PGresult) -> Result:
    names = [(answer.fname(column) or b"").decode() for column in range(answer.nfields)]
    adapter.set_pgresult(answer)
    rows = adapter.load_rows(0, answer.ntuples, lambda values: dict(zip(names, values, strict=True)))
    return rows, answer.command_tuples or 0


@lru_cache(maxsize=1024)
def _numbered(query: bytes) -> tuple[bytes, tuple[str, ...]]:  # with $1, $2, ... for %(name)s, and the names
    numbers: dict[bytes, int] = {}
    numbered = re.sub(rb"%\((\w+)\)s", lambda found: b"$%d" % numbers.setdefault(found[1], len(numbers) + 1), query)
    return numbered, tuple(name.decode() for name in numbers)
