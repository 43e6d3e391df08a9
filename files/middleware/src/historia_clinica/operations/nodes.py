"""The lab's nodes as last seen: asked in the background, at most every few seconds, only if somebody wants to know."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

import psycopg
from psycopg.rows import DictRow

from historia_clinica import fibers
from historia_clinica.db import Database, DatabaseUnavailableError
from historia_clinica.sql import statement

# The view asks every node and waits up to two seconds for one that is silent.
FRESH_SECONDS = 5
# The first who asks finds nothing and waits a moment.
FIRST_SECONDS = 1


@dataclass(frozen=True)
class Seen:
    """What was found.

    Attributes:
        nodes: rows of `lab.nodes`; none where the coordinator did not answer.
        at: when they were asked, on the monotonic clock.
    """

    nodes: list[DictRow] = field(default_factory=list)
    at: float = field(default_factory=monotonic)

    @property
    def age(self) -> float:
        """Seconds since."""
        return monotonic() - self.at


class Nodes:
    """Remembers the nodes' state for who may not wait for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._one = ThreadPoolExecutor(1, "ask-nodes")
        self._seen: Seen | None = None
        self._asked: Future[None] | None = None

    def seen(self) -> Seen:
        """Return the nodes as they were when last asked, and have them asked again if that is long ago."""
        stale = self._seen is None or self._seen.age > FRESH_SECONDS
        if stale and (self._asked is None or self._asked.done()):
            self._asked = self._one.submit(self._ask)
        if self._seen is None and self._asked:
            with suppress(TimeoutError):
                fibers.result(self._asked, FIRST_SECONDS)
        return self._seen or Seen()

    def _ask(self) -> None:
        try:
            with self._database.connection() as connection:
                self._seen = Seen(connection.execute(statement("node_states")).fetchall())
        except (DatabaseUnavailableError, psycopg.Error):
            self._seen = Seen()
