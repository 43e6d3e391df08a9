# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What becomes of the files with a lab's secrets while they are changed: pure functions of their texts.

It runs on the host's own Python too: nothing newer than 3.8 is used at run time.
"""

from __future__ import annotations

from collections.abc import Mapping

#: The directory, in that of the credentials, with the secrets that take the others' place. While it is there, a rotation is under way.
NEXT = "next"
#: Until when a key is believed that does not sign yet, in seconds since 1970 (the year 3000): it is put first long before that.
ANNOUNCED_UNTIL = 32503680000


def password_line(login: str, password: str) -> str:
    """The line of libpq's password file with which a login comes to every server."""
    return f"*:*:*:{login}:{password}\n"


def read_password(text: str, login: str) -> str:
    """The password that the text of a password file holds for a login; empty where it holds none."""
    start = f"*:*:*:{login}:"
    return next((line[len(start) :] for line in text.splitlines() if line.startswith(start)), "")


def password_file(passwords: Mapping[str, str]) -> str:
    """The text of a password file for several logins, in their order."""
    return "".join(password_line(login, password) for login, password in passwords.items())


def rotated_keys(text: str, new: str, until: int, now: int) -> str:
    """The text of a file of keys with a new key before the others.

    Args:
        text: what the file holds: a secret in each line, the newest first, and behind an older one, after a tab, until when it is believed.
        new: the secret that signs from now on. Where it does already, nothing changes.
        until: until when what signed before is believed, in seconds since 1970; not after ``now``: no more.
        now: the time, in the same unit. What is not believed any more is left out.
    """
    lines = [line.strip().partition("\t") for line in text.splitlines() if line.strip()]
    if lines and lines[0][0] == new:
        return text
    kept = [new]
    for secret, _tab, limit in lines:
        last = min(until, int(limit)) if limit.isdecimal() else until
        if last > now:
            kept.append(f"{secret}\t{last}")
    return "\n".join(kept) + "\n"


def announced_keys(text: str, new: str) -> str:
    """The text of a file of keys with a new key behind the others: it is believed, and does not sign.

    Where several processes read the file, none signs with a key that another has not read yet.

    Args:
        text: what the file holds, as in :func:`rotated_keys`.
        new: the text with the secret that is going to sign. Where the file has it already, nothing changes.
    """
    known = [line.strip().partition("\t")[0] for line in text.splitlines()]
    secret = new.strip()
    return text if secret in known else f"{text.rstrip()}\n{secret}\t{ANNOUNCED_UNTIL}\n"
