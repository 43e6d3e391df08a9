"""Passwords: kept as argon2id hashes, and guessed at most a few times."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

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


@dataclass
class Attempts:
    """Counts failed attempts by whoever is guessed at, in the memory of this process.

    A window begins with the first failure. It is the same for users who exist and for those who do not, so that it
    tells nothing.
    """

    most: int
    seconds: int
    remembered: int = 10_000
    _windows: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, who: str) -> int:
        """Return the seconds to wait before the next attempt; 0 where one is allowed."""
        with self._lock:
            begun, failures = self._windows.get(who, (0.0, 0))
            left = begun + self.seconds - time.monotonic()
            return int(left) + 1 if failures >= self.most and left > 0 else 0

    def failed(self, who: str) -> None:
        """Count a failure."""
        with self._lock:
            now = time.monotonic()
            begun, failures = self._windows.pop(who, (now, 0))
            self._windows[who] = (begun, failures + 1) if now - begun < self.seconds else (now, 1)
            while len(self._windows) > self.remembered:
                self._windows.popitem(last=False)

    def succeeded(self, who: str) -> None:
        """Forget the failures."""
        with self._lock:
            self._windows.pop(who, None)
