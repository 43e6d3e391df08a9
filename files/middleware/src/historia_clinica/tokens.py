"""Tokens: who asks, signed by this lab (JWT, HS256), for a few minutes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
import time
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any

import jwt

from historia_clinica.config import ConfigurationError
from historia_clinica.errors import UnauthorizedError
from historia_clinica.permissions import ROLES, Person

logger = logging.getLogger(__name__)

ALGORITHM = "HS256"  # alone: what a token says of its algorithm is never believed
ISSUER = "historia-clinica"
TOKEN_SECONDS = 900
STRANGE = "El token no es de este laboratorio."
SHORTEST_SECRET = 32  # characters


class SigningKeys:
    """The secrets that sign tokens: the newest signs, the older ones are still believed, each until the second that stands behind it.

    Rotation is a new first line in the file; a line that is taken away, or whose time is over, ends every token that it signed. The file
    is read again when it changes, without a restart; where it cannot be used any more, what was read before goes on to hold.
    """

    def __init__(self, file: Path) -> None:
        """Read the file; raises ConfigurationError where it holds no keys."""
        self._file = file
        self._changed = _changed(file)
        self._keys = _read(file)

    def read(self) -> dict[str, str]:
        """Return the secrets by the `kid` of tokens, the newest first."""
        if (changed := _changed(self._file)) != self._changed:
            self._changed = changed
            try:
                self._keys = _read(self._file)
            except ConfigurationError as error:
                logger.error(
                    "Las claves de firma no sirven; siguen valiendo las anteriores.",
                    extra={"datos": {"error": str(error)}},
                )
        now = time.time()
        return {kid: secret for kid, (secret, until) in self._keys.items() if until > now}

    def refresh_secret(self, session: str) -> str:
        """Return what renews a session, once: 43 characters that nobody can guess, and of which we see that they are ours."""
        drawn = secrets.token_bytes(16)
        newest = next(iter(self.read().values()))
        return base64.urlsafe_b64encode(drawn + _seal(newest, session, drawn)).decode().rstrip("=")

    def issued(self, session: str, secret: str) -> bool:
        """Say whether a secret is one that `refresh_secret` once gave this session."""
        drawn, seal = (found := base64.urlsafe_b64decode(f"{secret}="))[:16], found[16:]
        return any(hmac.compare_digest(_seal(each, session, drawn), seal) for each in self.read().values())

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


def _seal(key: str, session: str, drawn: bytes) -> bytes:
    return hmac.digest(key.encode(), session.encode() + drawn, "sha256")[:16]


def _changed(file: Path) -> int:
    """Return when the file was changed, in nanoseconds since 1970; 0 where it is not there."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _read(
    file: Path,
) -> dict[str, tuple[str, float]]:  # by `kid`: the secret, and until when (seconds since 1970) it is believed
    try:
        lines = [line.strip() for line in file.read_text(encoding="ascii").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The signing keys cannot be read from {file}: {error}") from error
    parts = [line.partition("\t") for line in lines]
    if not parts or min(len(part[0]) for part in parts) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"{file}: each line has to hold a secret of {SHORTEST_SECRET} characters or more, and there has to be one."
        )
    if parts[0][1] or any(tab and not until.isdecimal() for _secret, tab, until in parts):
        raise ConfigurationError(
            f"{file}: behind an older secret may stand a tab and the second since 1970 until which it is believed,"
            " and nothing behind the first, which signs."
        )
    return {
        hashlib.sha256(secret.encode()).hexdigest()[:16]: (secret, float(until) if tab else inf)
        for secret, tab, until in parts
    }


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
