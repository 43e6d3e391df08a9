"""The lab's nodes as last seen: asked in the background, at most every few seconds, only if somebody wants to know."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from time import monotonic

import psycopg
from psycopg.rows import DictRow

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
        self._asking = threading.Lock()
        self._seen: Seen | None = None
        self._first = threading.Event()

    def seen(self) -> Seen:
        """Return the nodes as they were when last asked, and have them asked again if that is long ago."""
        if (self._seen is None or self._seen.age > FRESH_SECONDS) and self._asking.acquire(blocking=False):
            threading.Thread(target=self._ask, name="ask-nodes", daemon=True).start()
        self._first.wait(FIRST_SECONDS)
        return self._seen or Seen()

    def _ask(self) -> None:
        try:
            with self._database.connection() as connection:
                self._seen = Seen(connection.execute(statement("node_states")).fetchall())
        except (DatabaseUnavailableError, psycopg.Error):
            self._seen = Seen()
        finally:
            self._first.set()
            self._asking.release()
