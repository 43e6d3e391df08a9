"""Passwords are guessed slowly: after a few failures each further attempt waits, twice as long as the one before.

Failures are counted in the database, for every process of the service, of each source and account: who guesses at an account
keeps nobody out of it who comes from elsewhere. While nobody fails nothing is written.
"""

from __future__ import annotations

from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING

from flask import request

from historia_clinica.errors import ProblemError
from historia_clinica.sql import statement

if TYPE_CHECKING:
    from historia_clinica.transactions import Transaction

FREE = 4  # failures of somebody who mistypes
FIRST_SECONDS, LONGEST_SECONDS = 5, 300
FORGOTTEN_SECONDS = 3600  # without another failure


def pause(failures: int) -> int:
    """Return the seconds that have to pass after the last of so many failures, before the next attempt."""
    further = failures - FREE - 1
    return min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(further, 10)) if further >= 0 else 0


def require_patience(transaction: Transaction, documento_id: str) -> bool:
    """Go on only if an attempt on the account is allowed now, and say whether any has failed; raises ProblemError (429).

    It tells nothing about who there is: accounts that do not exist are counted as well.
    """
    for row in transaction.fetch(statement("intento"), _whose(documento_id)):
        if (left := pause(row["fallos"]) - row["hace"]) > 0:
            detail = f"Demasiados intentos fallidos; espere {ceil(left)} segundos."
            raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": str(ceil(left))})
        return True
    return False


def succeed(transaction: Transaction, documento_id: str) -> None:
    """Forget the failures on an account, once the right password was given.

    Raises ProblemError (429) where others that were tried meanwhile have failed too often: otherwise as many could be tried at
    once as there are threads.
    """
    if require_patience(transaction, documento_id):
        transaction.later(statement("intento_delete"), _whose(documento_id))


def fail(transaction: Transaction, documento_id: str) -> None:
    """Count a failure."""
    transaction.execute(statement("intento_insert"), {**_whose(documento_id), "olvido": FORGOTTEN_SECONDS})


def _whose(documento_id: str) -> dict[str, str]:
    return {"origen": request.remote_addr or "", "documento_id": documento_id}
