"""What the service is told by its environment, read once and checked before anything starts.

Where the database is comes in libpq's own variables (PGHOST, PGPORT, PGUSER, PGDATABASE,
PGPASSFILE, ...), which libpq reads by itself: here they are only checked, and no password ever
passes through this module.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from historia_clinica.numbers import whole

REQUIRED = ("PGHOST", "PGUSER", "PGDATABASE")


class ConfigurationError(Exception):
    """The environment lacks a variable or holds one that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """The choices that the service runs with.

    Attributes:
        address: where the database is, as a person writes it; only for messages.
        pool_size: connections that one worker may hold; as many as it has blocking threads.
        statement_timeout: seconds after which the server cancels a statement.
        connect_timeout: seconds to wait for a connection.
    """

    address: str
    pool_size: int = 8
    statement_timeout: int = 5
    connect_timeout: int = 2


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: with every variable that is missing, or the first that cannot be used.
    """
    missing = [name for name in REQUIRED if not environment.get(name)]
    if missing:
        raise ConfigurationError(
            f"The environment lacks {', '.join(missing)}: set libpq's variables (PGHOST, PGPORT,"
            " PGUSER, PGDATABASE, PGPASSFILE) to say where the database is."
        )
    return Settings(
        address=f"{environment['PGHOST']}:{environment.get('PGPORT') or '5432'}",
        pool_size=_whole_number(environment, "HISTORIA_CLINICA_POOL_SIZE", Settings.pool_size, 100),
        statement_timeout=_whole_number(
            environment, "HISTORIA_CLINICA_STATEMENT_TIMEOUT", Settings.statement_timeout, 600
        ),
        connect_timeout=_whole_number(environment, "PGCONNECT_TIMEOUT", Settings.connect_timeout, 60),
    )


def _whole_number(environment: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = environment.get(name, str(default))
    number = whole(text, 1, highest)
    if number is None:
        raise ConfigurationError(
            f"{name}={text!r} is not a whole number from 1 to {highest}: correct it, or unset it to get {default}."
        )
    return number
