"""The connections to the database: psycopg's pool, and three things that it does not do.

The pool connects in the background with growing pauses, and lets its caller wait for a timeout. A person at a lab wants otherwise:

- while the database is down the answer is its reason, at once, in one plain sentence; when it is back the next request is answered;
- who would wait for a connection where somebody has just waited in vain is told so at once;
- a server that accepted a statement and then says nothing, not even that it timed out, is cut off.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

import psycopg
from flask import Flask, current_app
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from historia_clinica.config import Settings
from historia_clinica.errors import DatabaseBusyError, DatabaseUnavailableError
from historia_clinica.pipeline import Connection

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
    ("", "no acepta la conexión"),
)
BUSY = "Todas las conexiones con la base de datos están ocupadas; vuelva a intentarlo."
# How long a request waits for a connection while all are in use: with the 5 s of a statement, and a wait for a thread, less than 10.
PATIENCE_SECONDS = 3
# No connection is replaced twice within this time because a node of the database went away.
NODES_SECONDS = 1


class Database:
    """Connections to the database for the requests of this process.

    `most` is how many there may be; `closed` is set by `close`.
    """

    def __init__(self, settings: Settings) -> None:
        self.most = settings.pool_size
        self.closed = threading.Event()
        self.errors: Counter[str] = Counter()  # of the database, by SQLSTATE; an empty one where the connection broke
        self._address = settings.address
        self._silence = 3 * settings.statement_timeout
        self._arguments: dict[str, Any] = {
            "application_name": "historia-clinica-middleware",
            "autocommit": True,  # most requests are one statement; others open a transaction
            "connect_timeout": settings.connect_timeout,
            "prepare_threshold": None,  # `Connection.send` does, and psycopg would forget it all with every ROLLBACK
            "options": f"-c statement_timeout={settings.statement_timeout}s -c timezone=UTC"
            " -c citus.propagate_set_commands=local",  # for whom we ask has to reach the shards
            "row_factory": dict_row,
            "next_password": settings.next_password,
            # A server that vanished without a word (a pod's address that is gone) is noticed within seconds.
            **{"tcp_user_timeout": 4000, "keepalives_idle": 10, "keepalives_interval": 2, "keepalives_count": 2},
        }
        # No `check`: it tries stale connections one by one, with growing pauses in between. No `max_waiting`: it goes on
        # counting those who gave up. No pauses before another attempt: `_probe` says when it is worth connecting.
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            connection_class=Connection,
            kwargs=self._arguments,
            min_size=1,
            max_size=settings.pool_size,
            reconnect_timeout=0,
            open=False,
        )
        self._lock = threading.Lock()
        self._lent: dict[Connection, float] = {}  # each since when
        self._waiting = 0
        self._exhausted = False  # somebody waited in vain, and the database has done nothing since
        self._drained = 0.0  # when, on the monotonic clock
        self._probing = threading.Lock()
        # Why there is no connection; None while the last that was tried is fine, empty until one has been tried.
        self._reason: str | None = ""

    def open(self) -> None:
        """Start the pool; whether the database answers shows with the first connection."""
        self._pool.open(wait=False)
        threading.Thread(target=self._cut_off_silent, name="cut-off", daemon=True).start()

    def close(self) -> None:
        """Close every connection."""
        self.closed.set()
        self._pool.close()

    @contextmanager
    def connection(self, patience: float = PATIENCE_SECONDS) -> Iterator[Connection]:
        """Lend a connection that was alive a moment ago, within so many seconds.

        Raises DatabaseUnavailableError, which says why there is none.
        """
        try:
            connection = self._lend(monotonic() + patience)
            answers = False
            try:
                yield connection
                answers = True
            finally:
                self._take_back(connection, answers)
        except Exception as error:  # of the database, or what its error was told as
            self._count(error)
            raise

    def state(self) -> tuple[int, int, int]:
        """Return how many connections are open, are lent, and are waited for."""
        return self._pool.get_stats()["pool_size"], len(self._lent), self._waiting

    def _lend(self, until: float) -> Connection:
        """Lend a connection, which there has to be until then (on the monotonic clock)."""
        if self._reason is not None:
            self._probe()
        connection = self._get(until)
        if not _alive(connection):
            self._pool.putconn(connection)  # broken: the pool throws it away
            self._probe()
            self._pool.drain()  # the server is there: its restart broke every idle connection
            connection = self._get(until)
            if not _alive(connection):
                self._pool.putconn(connection)
                raise self._unavailable("corta las conexiones")
        with self._lock:
            self._lent[connection] = monotonic()
        return connection

    def _take_back(self, connection: Connection, answers: bool) -> None:
        with self._lock:
            del self._lent[connection]
        if answers:
            self._exhausted = False
        if connection.closed and self._reason is None:
            self._reason = ""  # whoever comes next finds out: perhaps there is no idle connection to see it by
        self._pool.putconn(connection)

    def _get(self, until: float) -> Connection:
        if self._exhausted and self._lent and not self._pool.get_stats()["pool_available"]:
            raise DatabaseBusyError(BUSY)
        with self._lock:
            self._waiting += 1
        try:
            return self._pool.getconn(until - monotonic())
        except PoolTimeout:
            self._exhausted = True
            raise DatabaseBusyError(BUSY) from None
        finally:
            with self._lock:
                self._waiting -= 1

    def _probe(self) -> None:
        """Connect once, outside of the pool, to learn at once whether and why not.

        One thread does it; the others fail with what is known: a server that does not answer cannot keep all of them.
        """
        known = self._reason
        if not self._probing.acquire(blocking=not known):
            raise DatabaseUnavailableError(known or "")
        try:
            if self._reason and self._reason != known:  # another thread has just found out
                raise DatabaseUnavailableError(self._reason)
            try:
                Connection.connect(**self._arguments).close()
            except psycopg.OperationalError as error:
                reason = next(said for pattern, said in REASONS if re.search(pattern, str(error), re.IGNORECASE))
                raise self._unavailable(reason) from error
            if self._reason is not None:
                logger.info("La base de datos en %s responde.", self._address)
            self._reason = None
        finally:
            self._probing.release()

    def _unavailable(self, reason: str) -> DatabaseUnavailableError:
        sentence = f"La base de datos en {self._address} {reason}."
        if sentence != self._reason:
            logger.warning(sentence)
        self._reason = sentence
        return DatabaseUnavailableError(sentence)

    def _count(self, error: BaseException) -> None:
        found = error if isinstance(error, psycopg.Error | DatabaseUnavailableError) else error.__cause__
        if isinstance(found, DatabaseBusyError) or not isinstance(found, psycopg.Error | DatabaseUnavailableError):
            return
        sqlstate: str = getattr(found, "sqlstate", None) or ""
        with self._lock:
            self.errors[sqlstate] += 1
        if sqlstate.startswith("08"):
            self._forget_nodes()

    def _forget_nodes(self) -> None:
        """Replace every connection.

        Citus keeps connections to the workers inside each backend, and reports each broken one once per backend, long after the
        node is back: replacing ours discards them all.
        """
        with self._lock:
            if monotonic() - self._drained < NODES_SECONDS:
                return
            self._drained = monotonic()
        self._pool.drain()

    def _cut_off_silent(self) -> None:
        """Break connections whose server says nothing any more, not even that a statement timed out.

        It is frozen, or its disk is: without this the threads would wait with it until none is left.
        """
        while not self.closed.wait(1):
            with self._lock:
                silent = [each for each, since in self._lent.items() if monotonic() - since > self._silence]
                for connection in silent:
                    # A second name for the socket: closing the first is the connection's business.
                    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
                        end.shutdown(socket.SHUT_RDWR)


def init_app(app: Flask, settings: Settings) -> Database:
    """Give the application its database, open it and return it."""
    database = Database(settings)
    app.extensions["database"] = database
    database.open()
    return database


def current_database() -> Database:
    """Return the database of the application that serves the current request."""
    database: Database = current_app.extensions["database"]
    return database


def _alive(connection: Connection) -> bool:
    """Say whether the server still holds its end.

    Looking into the socket costs no round trip, which every request would wait for. The second look finds the end that
    stands behind a last word.
    """
    try:
        for _ in range(2):
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return False
    return True
