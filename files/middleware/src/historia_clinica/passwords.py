"""Passwords: kept as argon2id hashes; attempts.py counts who guesses them."""

from __future__ import annotations

import os
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# 19 MiB and two passes: what a password deserves, and what two at once may take in a small pod.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
#: How many are hashed at once: half of the processors at most, so that whoever asks for something else has the others.
AT_ONCE = max(1, min(2, (os.cpu_count() or 1) // 2))
_turns = threading.Semaphore(AT_ONCE)

# What is compared with where there is no user or no password: it takes as long, and never matches.
_NOBODY = _hasher.hash("nobody has this password: \N{LATIN SMALL LETTER N WITH TILDE}")


def hashed(password: str) -> str:
    """Return the hash to keep."""
    with _turns:
        return _hasher.hash(password)


def matches(password: str, kept: str | None) -> bool:
    """Say whether the password is the one whose hash was kept; as slowly where none was."""
    try:
        with _turns:
            _hasher.verify(kept or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None
