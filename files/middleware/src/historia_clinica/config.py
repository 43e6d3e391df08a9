"""What the service is told by its environment, read once and checked before anything starts.

Where the database is comes in libpq's own variables (PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSFILE, ...), which libpq reads by
itself: here they are only checked, and no password ever passes through this module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, get_args

Access = Literal["rules", "open"]

REQUIRED = ("PGHOST", "PGUSER", "PGDATABASE")
# The parameter of libpq that finds the password to try where the other is refused -> the variable that gives it.
NEXT_PASSWORD = {"passfile": "HISTORIA_CLINICA_NEXT_PASSFILE", "service": "HISTORIA_CLINICA_NEXT_SERVICE"}

LARGEST_BODY = 64 * 1024  # bytes of a request's body: many times the largest consultation


class ConfigurationError(Exception):
    """The environment lacks a variable or holds one that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """The choices that the service runs with."""

    address: str  # where the database is, as a person writes it; only for messages
    pool_size: int = 8  # connections that the service may hold
    statement_timeout: int = 5  # seconds after which the server cancels a statement
    connect_timeout: int = 2  # seconds to wait for a connection
    access: Access = "rules"  # whether the rules of who may do what hold, or are lifted for a first class
    signing_keys: Path | None = None  # the file with the keys that sign tokens, the newest first; needed by the rules
    next_password: Mapping[str, str] = field(
        default_factory=dict
    )  # where the next one is while it is changed: a parameter of libpq


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Return the settings; raises ConfigurationError: every variable that is missing, or the first that cannot be used."""
    missing = [name for name in REQUIRED if not environment.get(name)]
    if missing:
        where = "set libpq's variables (PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSFILE) to say where the database is."
        raise ConfigurationError(f"The environment lacks {', '.join(missing)}: {where}")
    access = environment.get("HISTORIA_CLINICA_ACCESS") or Settings.access
    if access not in get_args(Access):
        raise ConfigurationError(f"HISTORIA_CLINICA_ACCESS={access!r} is neither rules nor open.")
    keys = environment.get("HISTORIA_CLINICA_SIGNING_KEYS")
    if access == "rules" and not keys:
        raise ConfigurationError(
            "The rules need keys to sign tokens with: name their file in HISTORIA_CLINICA_SIGNING_KEYS (a secret of 32"
            " characters or more in each line, the newest first), or lift the rules with HISTORIA_CLINICA_ACCESS=open."
        )
    number = partial(_whole_number, environment)
    next_password = {name: environment.get(variable, "") for name, variable in NEXT_PASSWORD.items()}
    return Settings(
        access="rules" if access == "rules" else "open",
        signing_keys=Path(keys) if keys else None,
        next_password={name: value for name, value in next_password.items() if value},
        address=f"{environment['PGHOST']}:{environment.get('PGPORT') or '5432'}",
        pool_size=number("HISTORIA_CLINICA_POOL_SIZE", Settings.pool_size, 100),
        statement_timeout=number("HISTORIA_CLINICA_STATEMENT_TIMEOUT", Settings.statement_timeout, 600),
        connect_timeout=number("PGCONNECT_TIMEOUT", Settings.connect_timeout, 60),
    )


def whole(text: str, lowest: int, highest: int) -> int | None:
    """Return the number that the text is, or None where it is none within the limits.

    `int()` alone would also take signs, spaces, underscores, the digits of any script, and fail on thousands of them.
    """
    return number if re.fullmatch("[0-9]{1,12}", text) and lowest <= (number := int(text)) <= highest else None


def _whole_number(environment: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = environment.get(name, str(default))
    number = whole(text, 1, highest)
    if number is None:
        wanted = f"a whole number from 1 to {highest}: correct it, or unset it to get {default}."
        raise ConfigurationError(f"{name}={text!r} is not {wanted}")
    return number
