"""The database of the application: a pool of checked connections that finds back by itself.

psycopg's pool retries in the background with growing pauses and lets who asks wait for its timeout.
A person at a lab wants neither: the reason at once while the database is down, an answer at once
when it is back. So connections are checked here, and while the database is down one request at a
time tries to connect and the others fail with what it saw.

Nobody waits for ever either: not for a connection while all of them are busy, not for a server that
accepted a statement and then says nothing.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from time import monotonic
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import psycopg
from flask import Flask, current_app, g
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from historia_clinica import fibers
from historia_clinica.config import Settings
from historia_clinica.pipeline import Connection, Pipeline
from historia_clinica.sql import statement

logger = logging.getLogger(__name__)

# What libpq says when it cannot connect -> what a student reads. The first that matches wins.
REASONS: tuple[tuple[str, str], ...] = (
    ("password|authentication|pg_hba", "rechaza el usuario o la contraseña del middleware"),
    ("starting up|not yet accepting|recovery mode", "está arrancando"),
    ("shutting down", "se está apagando"),
    (r'database ".*" does not exist', "no tiene la base de datos del laboratorio"),
    ("too many clients|connection slots", "no tiene conexiones libres"),
    ("resolve|translate host|getaddrinfo", "no se encuentra: el nombre no se resuelve"),
    ("refused|No such file", "rechaza la conexión: no hay un servidor que escuche"),
    ("timeout|timed out", "no responde a tiempo"),
)

# How long somebody waits for a connection while all are in use; a statement may take 5 s more, and after 10 s
# in all everybody should have his answer.
PATIENCE_SECONDS = 4
# No connection is replaced twice within this time because a node of the database went away.
NODES_SECONDS = 1


class DatabaseUnavailableError(Exception):
    """There is no connection to be had; its text is one plain sentence that anyone may read."""


class DatabaseBusyError(DatabaseUnavailableError):
    """Every connection is in use, and has been for longer than a request should wait."""

    def __init__(self) -> None:
        super().__init__("Todas las conexiones con la base de datos están ocupadas; vuelva a intentarlo.")


@dataclass(frozen=True)
class PoolState:
    """The connections of a worker process at one moment.

    Attributes:
        size: how many are open.
        in_use: how many are lent.
        waiting: how many requests wait for one.
    """

    size: int
    in_use: int
    waiting: int


class Database:
    """Connections to the database for the requests of one worker process."""

    def __init__(self, settings: Settings) -> None:
        self._address = settings.address
        self._arguments: dict[str, Any] = {
            "application_name": "historia-clinica-middleware",
            "autocommit": True,  # most requests are one statement; others open a transaction
            "connect_timeout": settings.connect_timeout,
            "prepare_threshold": None,  # `Pipeline` does, and psycopg would forget it all with every ROLLBACK
            "options": f"-c statement_timeout={settings.statement_timeout}s -c timezone=UTC"
            " -c citus.propagate_set_commands=local",  # for whom we ask has to reach the shards
            "row_factory": dict_row,
            # A server that vanished without a word (a pod's address that is gone) is noticed within
            # seconds.
            "tcp_user_timeout": 4000,
            "keepalives_idle": 10,
            "keepalives_interval": 2,
            "keepalives_count": 2,
        }
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            kwargs=self._arguments,
            connection_class=Connection,
            min_size=1,
            max_size=settings.pool_size,
            timeout=settings.connect_timeout,
            reconnect_timeout=0,  # no pauses that grow: `_probe` says when it is worth connecting
            open=False,
        )
        self.closed = threading.Event()
        #: Errors of the database by SQLSTATE; an empty one where the connection broke.
        self.errors: Counter[str] = Counter()
        self._settings = settings
        self._turns = fibers.Semaphore(settings.pool_size)
        self._connecting = ThreadPoolExecutor(settings.pool_size, "connecting")
        self._lock = threading.Lock()
        self._drained = 0.0  # when, on the monotonic clock
        self._lent: dict[Connection, float] = {}  # each since when
        self._probing = threading.Lock()
        # Why there is no connection; None while the last that was tried is fine, empty until one
        # has been tried.
        self._reason: str | None = ""

    def open(self) -> None:
        """Start the pool; whether the database answers shows with the first connection."""
        self._pool.open(wait=False)
        threading.Thread(target=self._cut_off, name="cut-off", daemon=True).start()

    def close(self) -> None:
        """Close every connection."""
        self.closed.set()
        self._pool.close()

    def connection(self) -> AbstractContextManager[Connection]:
        """Lend a connection that was alive a moment ago.

        Raises:
            DatabaseUnavailableError: there is none; the text says why.
        """
        return _Loan(self)

    def lend(self) -> Connection:
        """As `connection`, until it is given back."""
        until = monotonic() + PATIENCE_SECONDS
        if not self._turns.acquire(PATIENCE_SECONDS):
            raise DatabaseBusyError
        try:
            connection = self._checked(until)
        except BaseException as error:
            self._turns.release()
            self._note(error)
            raise
        with self._lock:
            self._lent[connection] = monotonic()
        return connection

    def take_back(self, connection: Connection, error: BaseException | None) -> None:
        """Have a connection for the next one, which may have broken.

        Args:
            connection: that was lent.
            error: what went wrong meanwhile.
        """
        with self._lock:
            del self._lent[connection]
        try:
            self._pool.putconn(connection)
        finally:
            self._turns.release()
        if error is not None:
            self._note(error)

    def state(self) -> PoolState:
        """Return how many connections there are, are in use and are waited for."""
        size = self._pool.get_stats()["pool_size"]
        return PoolState(size=size, in_use=len(self._lent), waiting=self._turns.waiting)

    def _note(self, error: BaseException) -> None:
        """Count what the database did wrong."""
        if isinstance(error, DatabaseBusyError) or not isinstance(error, psycopg.Error | DatabaseUnavailableError):
            return
        sqlstate: str = getattr(error, "sqlstate", None) or ""
        with self._lock:
            self.errors[sqlstate] += 1
        if sqlstate.startswith("08"):
            self._forget_nodes()

    def _checked(self, until: float) -> Connection:
        if self._reason is not None:
            fibers.outside(self._connecting, self._probe)
        connection = self._take(until)
        if self._alive(connection):
            return connection
        self._pool.putconn(connection)  # broken: the pool throws it away
        fibers.outside(self._connecting, self._probe)
        self._pool.drain()  # the server is there: its restart broke every idle connection
        connection = self._take(until)
        if self._alive(connection):
            return connection
        self._pool.putconn(connection)
        raise self._unavailable(f"La base de datos en {self._address} corta las conexiones.")

    def _take(self, until: float) -> Connection:
        """Take a connection out of the pool, which has until then (on the monotonic clock) to make one."""
        try:
            if self._pool.get_stats()["pool_available"]:
                return self._pool.getconn()
            return fibers.outside(self._connecting, self._pool.getconn, until - monotonic())
        except psycopg.OperationalError as error:  # PoolTimeout, PoolClosed
            raise DatabaseBusyError from error

    @staticmethod
    def _alive(connection: Connection) -> bool:
        """Say whether the server still holds its end.

        Looking into the socket costs no round trip, which every request would wait for. The second
        look finds the end that stands behind a last word.
        """
        try:
            for _ in range(2):
                connection.pgconn.consume_input()
        except psycopg.OperationalError:
            return False
        return True

    def _forget_nodes(self) -> None:
        """Replace every connection, since the server's own connections to its nodes go with it.

        Citus keeps them as long as it is connected to, and tells whoever asks next that they broke: once for each
        connection of the pool, long after the node is back.
        """
        with self._lock:
            if monotonic() - self._drained < NODES_SECONDS:
                return
            self._drained = monotonic()
        self._pool.drain()

    def _cut_off(self) -> None:
        """Break connections whose server says nothing any more, not even that a statement timed out.

        A server that is frozen, or whose disk is, keeps its connections open and obeys no timeout of
        its own: without this the connections would wait with it until none is left.
        """
        longest = 3 * self._settings.statement_timeout
        while not self.closed.wait(1):
            with self._lock:
                for connection, since in self._lent.items():
                    if monotonic() - since > longest and not connection.closed:
                        # A second name for the socket: closing the first is the connection's business.
                        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as silent:
                            silent.shutdown(socket.SHUT_RDWR)

    def _probe(self) -> None:
        """Connect once, outside of the pool, to learn at once whether and why not.

        One thread does it; the others fail with what is known, so that a server that does not
        answer cannot keep every thread waiting.
        """
        known = self._reason
        if not self._probing.acquire(blocking=not known):
            raise DatabaseUnavailableError(known)
        try:
            if self._reason and self._reason != known:  # another thread has just found out
                raise DatabaseUnavailableError(self._reason)
            try:
                psycopg.connect(**self._arguments).close()
            except psycopg.OperationalError as error:
                raise self._unavailable(_plain(error, self._address)) from error
            if self._reason is not None:
                logger.info("La base de datos en %s responde.", self._address)
            self._reason = None
        finally:
            self._probing.release()

    def _unavailable(self, reason: str) -> DatabaseUnavailableError:
        if reason != self._reason:
            logger.warning(reason)
        self._reason = reason
        return DatabaseUnavailableError(reason)


class _Loan:
    """A connection for as long as a block lasts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Connection:
        self._connection = self._database.lend()
        return self._connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._database.take_back(self._connection, error)


def _plain(error: psycopg.OperationalError, address: str) -> str:
    text = str(error)
    for pattern, sentence in REASONS:
        if re.search(pattern, text, re.IGNORECASE):
            return f"La base de datos en {address} {sentence}."
    return f"La base de datos en {address} no acepta la conexión."


ATTEMPTS = 3  # of a transaction that crossed another one
P = ParamSpec("P")
T = TypeVar("T")


class SessionClosedError(Exception):
    """The session of whoever asks is over, though his token has not run out yet."""


@contextmanager
def asking() -> Iterator[Pipeline]:
    """Lend a pipeline to read by for the current request.

    Where the rules hold it is in a transaction that says for whom it asks, and that the reader's
    audit row belongs to. Where the rules are lifted each message stands alone.

    Raises:
        DatabaseUnavailableError: there is no connection.
        SessionClosedError: whoever asks has no session any more; nothing of the block is kept that an
            answer was waited for before.
    """
    with current_database().connection() as connection, _Asking(connection) as pipeline:
        yield pipeline


def ask(query: bytes, parameters: Mapping[str, Any] | None = None) -> list[DictRow]:
    """Ask one question for the current request, in one round trip, and return the rows.

    Raises:
        DatabaseUnavailableError: there is no connection.
        SessionClosedError: whoever asks has no session any more.
        psycopg.Error: the database refused the statement.
    """
    with asking() as pipeline:
        answer = pipeline.execute(query, parameters)
    return answer.rows()


class OnBehalf(NamedTuple):
    """For whom a transaction is: what it says first, so that the database can enforce the rules.

    Attributes:
        setting: the statement that says it; a literal, since only that reaches the shards of Citus.
        session: that has to be open.
    """

    setting: bytes
    session: str


class _Asking:
    """What the current request asks on a connection: by messages that stand alone, unless the rules hold or it is told.

    In a transaction all of it is kept, or nothing where anything went wrong.
    """

    def __init__(self, connection: Connection, transaction: bool = False) -> None:
        self._connection = connection
        self._pipeline = Pipeline(connection)
        self._on_behalf: OnBehalf | None = g.get("on_behalf")
        self._transaction = transaction or self._on_behalf is not None

    def __enter__(self) -> Pipeline:
        pipeline = self._pipeline
        if self._transaction:
            pipeline.execute(b"BEGIN")
        if self._on_behalf:
            pipeline.execute(self._on_behalf.setting, prepare=False)
            pipeline.execute(statement("sesion_open"), {"id": self._on_behalf.session}, if_empty=SessionClosedError())
        return pipeline

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            self._roll_back()
            return
        try:
            if self._transaction:
                self._pipeline.execute(b"COMMIT")
            self._pipeline.complete()
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._transaction:
            with suppress(psycopg.OperationalError):  # the connection is lost, and the transaction with it
                self._connection.rollback()


def alone(work: Callable[Concatenate[Pipeline, P], T]) -> Callable[P, T]:
    """Give the function a pipeline to write one statement by, which is a transaction by itself where the rules are lifted.

    Where another transaction got in between (class 40 of SQLSTATE) nothing of it is left: it is run again, a few times at
    most.
    """
    return _attempted(work, transaction=False)


def in_transaction(work: Callable[Concatenate[Pipeline, P], T]) -> Callable[P, T]:
    """Give the function the pipeline of a transaction, which ends with it, and run it again as `alone` does."""
    return _attempted(work, transaction=True)


def _attempted(work: Callable[Concatenate[Pipeline, P], T], transaction: bool) -> Callable[P, T]:
    @wraps(work)
    def wrapper(*arguments: P.args, **named: P.kwargs) -> T:
        with current_database().connection() as connection:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    with _Asking(connection, transaction) as pipeline:
                        result = work(pipeline, *arguments, **named)
                        pipeline.settle()  # before COMMIT: nothing is kept unless all of it was done
                        return result
                except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
                    if attempt == ATTEMPTS:
                        raise
        raise AssertionError("the last attempt returns or raises")

    return wrapper


def init_app(app: Flask, settings: Settings) -> Database:
    """Give the application its database and open it."""
    database = Database(settings)
    app.extensions["database"] = database
    database.open()
    return database


def fetch(name: str, parameters: dict[str, Any] | None = None) -> list[DictRow]:
    """Run the statement `sql/<name>.sql` for the current request and return its rows.

    Raises:
        DatabaseUnavailableError: there is no connection.
        psycopg.Error: the database refused the statement.
    """
    with current_database().connection() as connection:
        return Pipeline(connection).execute(statement(name), parameters).rows()


def current_database() -> Database:
    """Return the database of the application that serves the current request."""
    database: Database = current_app.extensions["database"]
    return database
