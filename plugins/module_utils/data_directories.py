# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Which data directories of a lab's PostgreSQL servers are there, and which have been made once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership

#: The file that remembers which data directories have been made.
CREATED = ".created"


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        there: the servers, of those asked for, that have their data directory.
        known: the servers that had one once.
    """

    there: frozenset[str]
    known: frozenset[str]

    def complete(self, names: Iterable[str]) -> bool:
        """Whether every server has its data directory, and each is known to have been made: nothing is left to do."""
        return self.there.issuperset(names) and self.known.issuperset(names)


def find(directory: str, names: Iterable[str], owner: Ownership) -> Found:
    """Look for the data directories of servers; what lies there is the owner's, and so is whoever looks at it.

    Args:
        directory: where the data directories are, each under its server's name.
        names: the servers.
        owner: the lab's user.

    Raises:
        OSError: the file that remembers them cannot be read, or the owner could not look.
    """
    wanted = list(names)
    seen = owner.act(
        lambda: {
            "there": [name for name in wanted if os.path.exists(os.path.join(directory, name, "PG_VERSION"))],
            "known": sorted(read_names(os.path.join(directory, CREATED))),
        }
    )
    return Found(frozenset(seen["there"]), frozenset(seen["known"]))


def read_names(path: str) -> set[str]:
    """The names in a file, one on each line; none where there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            return set(file.read().split())
    except FileNotFoundError:
        return set()
