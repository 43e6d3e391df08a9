"""What the current request asks of the database: statements of a transaction on behalf of whoever asks.

Where the rules hold, each transaction first says for whom it is (row-level security reads that) and looks whether his
session is still open. Nobody waits for that: it travels with the first statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from time import sleep
from typing import Any, Concatenate, NamedTuple, ParamSpec, Self, TypeVar

import psycopg
from flask import g
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow

from historia_clinica.errors import SessionClosedError
from historia_clinica.pipeline import REFUSED, Connection, Result, Statement
from historia_clinica.pool import current_database
from historia_clinica.sql import statement

ATTEMPTS = 3  # of a transaction that crossed another one
PAUSES = (
    0.1,
    0.3,
    0.6,
)  # seconds, while a password is being changed: a node knows the new one, and the next in a moment
OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
Values = Mapping[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


class OnBehalf(NamedTuple):
    """For whom a transaction is."""

    setting: bytes  # the statement that says so, with a literal, since only that reaches the shards of Citus
    session: str  # that has to be open


class Transaction:
    """Statements on a connection that nobody else uses meanwhile: all of them are kept, or none.

    A `single` one changes something by one statement at most; where the rules are lifted, that is a transaction by itself.
    """

    def __init__(self, connection: Connection, single: bool = False) -> None:
        self._connection = connection
        self._on_behalf: OnBehalf | None = g.get("on_behalf")
        self._explicit = self._on_behalf is not None or not single  # whether there is something to commit
        self._begun = not self._explicit
        self._later: list[Statement] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            if error is None and self._later:
                self._connection.send([*self._later, Statement(b"COMMIT")])
            elif error is None:
                self._connection.commit()  # what there is to commit
        finally:
            if self._connection.pgconn.transaction_status in OPEN:
                self._connection.rollback()

    def fetch(self, query: bytes, values: Values | None = None, *, last: bool = False) -> list[DictRow]:
        """Execute a statement and return its rows; the `last` of a transaction ends it in the same message.

        Raises SessionClosedError where whoever asks has no session any more, psycopg.Error where it is refused.
        """
        # What changes something is not committed before it is known that the session is open.
        rows, _ = self._send(query, values, end=last and self._explicit and (self._begun or not self._later))
        return rows

    def execute(self, query: bytes, values: Values | None = None, *, last: bool = False) -> int:
        """Execute a statement and return how many rows it changed, or found; for the rest see `fetch`."""
        # As above: this one changes something.
        _, changed = self._send(query, values, end=last and self._explicit and self._begun)
        return changed

    def later(self, query: bytes, values: Values) -> None:
        """Execute a statement of whose answer nobody needs anything: it travels with the next one, or with COMMIT.

        Where it is refused, that one raises what `fetch` does.
        """
        self._later.append(Statement(query, values))

    def open(self) -> Connection:
        """Begin, and return the connection for what is not asked by statements alone; it raises what `fetch` does."""
        self._send(b"SELECT 1")
        return self._connection

    def _send(self, query: bytes, values: Values | None = None, *, end: bool = False) -> Result:
        opening = [] if self._begun else [Statement(b"BEGIN")]
        if opening and self._on_behalf:
            opening.append(Statement(self._on_behalf.setting, prepare=False))  # everybody has one of his own
            opening.append(Statement(statement("sesion_open"), {"id": self._on_behalf.session}))
        ending = [Statement(b"COMMIT")] if end else []
        before, self._later = [*opening, *self._later], []
        results = self._first([*before, Statement(query, values or {}), *ending])
        self._begun, self._explicit = True, self._explicit and not end
        if len(opening) > 1 and not results[len(opening) - 1][0]:
            raise SessionClosedError("La sesión se cerró.")
        return results[len(before)]

    def _first(self, statements: list[Statement]) -> list[Result]:
        """Send statements; those with which the transaction begins once more, where one node has just changed the password for another."""
        for pause in () if self._begun else PAUSES:
            try:
                return self._connection.send(statements)
            except psycopg.Error as error:
                if not node_refused(error):
                    raise
            if self._connection.pgconn.transaction_status in OPEN:
                self._connection.rollback()
            sleep(pause)
        return self._connection.send(statements)


def node_refused(error: psycopg.Error) -> bool:
    """Say whether it is that one node did not let in another one: nothing was done, and nothing is left."""
    return (error.sqlstate or "").startswith("08") and REFUSED in str(error)


@contextmanager
def reading() -> Iterator[Transaction]:
    """Lend a transaction to read by; raises DatabaseUnavailableError where there is no connection."""
    with current_database().connection() as connection, Transaction(connection, single=True) as transaction:
        yield transaction


def read(query: bytes, values: Values | None = None) -> list[DictRow]:
    """Ask one question, in one message, and return the rows; it raises what `reading` and `Transaction.fetch` do."""
    with reading() as transaction:
        return transaction.fetch(query, values, last=True)


def require_open_session() -> None:
    """Go on only if the session of whoever asks is open, where what he asks for is read without a transaction of his.

    Raises SessionClosedError, and what `reading` does.
    """
    with reading() as transaction:
        transaction.open()


def in_transaction(work: Callable[Concatenate[Transaction, P], T], *, single: bool = False) -> Callable[P, T]:
    """Return the function with a transaction as its first argument, which ends with it.

    Where another transaction got in between (class 40 of SQLSTATE), or one node did not let in another, nothing of it is left: it is run
    again, a few times at most.
    """

    @wraps(work)
    def wrapper(*arguments: P.args, **named: P.kwargs) -> T:
        with current_database().connection() as connection:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    with Transaction(connection, single) as transaction:
                        return work(transaction, *arguments, **named)
                except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
                    if attempt == ATTEMPTS:
                        raise
                except psycopg.Error as error:
                    if attempt == ATTEMPTS or not node_refused(error):
                        raise
                    sleep(PAUSES[-1])
        raise AssertionError("the last attempt returns or raises")

    return wrapper
