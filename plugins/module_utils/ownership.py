# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Files and directories with an owner and a mode, written so that nobody ever meets half of one."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import tempfile
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ownership:
    """Who owns what a module writes: numeric user and group, ``-1`` for "leave as it is"."""

    uid: int = -1
    gid: int = -1

    @classmethod
    def of(cls, user: str | None, group: str | None) -> Ownership:
        """The ids of names.

        Nothing is given away by a process that is not root: it could not, and what it writes is its own already.

        Raises:
            KeyError: there is no such user or group (source: the system's user database).
        """
        if os.geteuid() != 0:
            return cls()
        uid = pwd.getpwnam(user).pw_uid if user else -1
        gid = grp.getgrnam(group).gr_gid if group else -1
        return cls(uid, gid)

    def matches(self, found: os.stat_result) -> bool:
        """Whether a file that was looked at is owned like this."""
        return self.uid in (-1, found.st_uid) and self.gid in (-1, found.st_gid)

    def as_process(self) -> dict[str, Any]:
        """The arguments of ``subprocess`` that start a process as this owner: none where nothing changes."""
        if self.uid in (-1, os.geteuid()):
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def ensure_directory(path: str, mode: int, owner: Ownership, write: bool = True) -> bool:
    """Make ``path`` a directory with this mode and owner, parents included.

    Parents that are made are open to look through (0755): they hold nothing of their own.

    Returns:
        Whether something changed, or would with ``write``.

    Raises:
        OSError: the directory cannot be made or changed, or something else is there.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        if write:
            parent = os.path.dirname(path)
            if not os.path.isdir(parent):
                ensure_directory(parent, 0o755, Ownership())
            os.mkdir(path, mode)
            os.chmod(path, mode)
            os.chown(path, owner.uid, owner.gid)
        return True
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{path} is there and is no directory")
    return _ensure_attributes(path, found, mode, owner, write)


def ensure_text(path: str, text: str, mode: int, owner: Ownership, write: bool = True) -> bool:
    """Make ``path`` a file with this text (UTF-8), mode and owner: replaced whole, by a rename.

    Returns:
        Whether something changed, or would with ``write``.

    Raises:
        OSError: the file cannot be read, written or renamed.
    """
    wanted = text.encode()
    try:
        with open(path, "rb") as file:
            same = file.read() == wanted
    except FileNotFoundError:
        same = False
    if same:
        return _ensure_attributes(path, os.stat(path), mode, owner, write)
    if write:
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".", suffix=".new")
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                os.fchown(descriptor, owner.uid, owner.gid)
                file.write(wanted)
            os.rename(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    return True


def _ensure_attributes(path: str, found: os.stat_result, mode: int, owner: Ownership, write: bool) -> bool:
    if stat.S_IMODE(found.st_mode) == mode and owner.matches(found):
        return False
    if write:
        os.chown(path, owner.uid, owner.gid)
        os.chmod(path, mode)
    return True
