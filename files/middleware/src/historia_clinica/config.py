"""What the service is told by its environment, read once and checked before anything starts.

Where the database is comes in libpq's own variables (PGHOST, PGPORT, PGUSER, PGDATABASE,
PGPASSFILE, ...), which libpq reads by itself: here they are only checked, and no password ever
passes through this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from historia_clinica.numbers import whole

Access = Literal["rules", "open"]

REQUIRED = ("PGHOST", "PGUSER", "PGDATABASE")


class ConfigurationError(Exception):
    """The environment lacks a variable or holds one that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """The choices that the service runs with.

    Attributes:
        address: where the database is, as a person writes it; only for messages.
        pool_size: connections that one worker may hold.
        statement_timeout: seconds after which the server cancels a statement.
        connect_timeout: seconds to wait for a connection.
        access: whether the rules of who may do what hold, or are lifted for a first class.
        signing_keys: the file with the keys that sign tokens, the newest first; needed by the rules.
    """

    address: str
    pool_size: int = 8
    statement_timeout: int = 5
    connect_timeout: int = 2
    access: Access = "rules"
    signing_keys: Path | None = None


def from_environment(environment: Mapping[str, str]) -> Settings:
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
    access = environment.get("HISTORIA_CLINICA_ACCESS") or Settings.access
    if access not in get_args(Access):
        raise ConfigurationError(f"HISTORIA_CLINICA_ACCESS={access!r} is neither rules nor open.")
    keys = environment.get("HISTORIA_CLINICA_SIGNING_KEYS")
    if access == "rules" and not keys:
        raise ConfigurationError(
            "The rules need keys to sign tokens with: name their file in HISTORIA_CLINICA_SIGNING_KEYS (a secret of 32"
            " characters or more in each line, the newest first), or lift the rules with HISTORIA_CLINICA_ACCESS=open."
        )
    return Settings(
        access="rules" if access == "rules" else "open",
        signing_keys=Path(keys) if keys else None,
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
