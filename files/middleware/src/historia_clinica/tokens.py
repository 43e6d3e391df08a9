"""Tokens: who asks, signed by this lab (JWT, HS256), for a few minutes."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jwt

from historia_clinica.config import ConfigurationError
from historia_clinica.errors import UnauthorizedError
from historia_clinica.permissions import ROLES, Person

ALGORITHM = "HS256"  # alone: what a token says of its algorithm is never believed
ISSUER = "historia-clinica"
TOKEN_SECONDS = 900
STRANGE = "El token no es de este laboratorio."
SHORTEST_SECRET = 32  # characters


@dataclass(frozen=True)
class SigningKeys:
    """The secrets that sign tokens: the newest signs, the older ones are still believed.

    Rotation is a new first line in the file; a line that is taken away ends every token that it signed. The file is read
    again when it changes, without a restart.
    """

    file: Path

    def read(self) -> dict[str, str]:
        """Return the secrets by the `kid` of tokens, the newest first; raises ConfigurationError where there is none."""
        try:
            return _read(self.file, self.file.stat().st_mtime_ns)
        except OSError as error:
            raise ConfigurationError(f"The signing keys cannot be read: {error}") from error

    def sign(self, person: Person) -> tuple[str, int]:
        """Return a token for the person and the second (since 1970) at which its time is over."""
        kid, secret = next(iter(self.read().items()))
        expires = int(time.time()) + TOKEN_SECONDS
        who = {"sub": person.documento_id, "rol": person.rol, "med": person.medico_id, "sid": person.sesion}
        claims = {"iss": ISSUER, **who, "exp": expires}
        return jwt.encode(claims, secret, ALGORITHM, headers={"kid": kid}), expires

    def verify(self, token: str) -> Person:
        """Return who the token speaks for; raises UnauthorizedError where we did not sign it, or its time is over."""
        person, expires = _verify(token, tuple(self.read().items()))
        if expires <= time.time():
            raise UnauthorizedError("El token ya venció.")
        return person


@lru_cache(maxsize=1)
def _read(file: Path, changed: int) -> dict[str, str]:
    """Read the file once for each time that it changed."""
    secrets = [line.strip() for line in file.read_text(encoding="ascii").splitlines() if line.strip()]
    if not secrets or min(map(len, secrets)) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"{file}: each line has to hold a secret of {SHORTEST_SECRET} characters or more, and there has to be one."
        )
    return {hashlib.sha256(secret.encode()).hexdigest()[:16]: secret for secret in secrets}


@lru_cache(maxsize=4096)
def _verify(token: str, keys: tuple[tuple[str, str], ...]) -> tuple[Person, int]:
    """Verify a signature once: whoever works sends the same token again and again."""
    try:
        secret = dict(keys)[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            token, secret, [ALGORITHM], {"require": ["exp", "iss", "sub"], "verify_exp": False}, issuer=ISSUER
        )
        person = Person(claims["sub"], claims["rol"], claims["med"], claims["sid"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        raise UnauthorizedError(STRANGE) from None
    if person.rol not in ROLES or not isinstance(claims["exp"], int):
        raise UnauthorizedError(STRANGE)
    return person, claims["exp"]
