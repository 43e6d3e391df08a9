# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Files and directories with an owner and a mode, written so that nobody ever meets half of one.

Root's labs run as users of their own. What such a user owns, the user can replace at any moment, by a link too: so root
neither reads nor writes nor runs it, but lets a process that has become that user do it (`Ownership.act`). What root itself
reads or runs lies in directories of root's, and what it takes over is opened without following a link.

It runs on the host's own Python too: nothing newer than 3.8 is used at run time.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

Answer = TypeVar("Answer")
#: A directory, or a file, and no link to one.
PLACE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


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

    @property
    def other(self) -> bool:
        """Whether it is another user than this process'."""
        return self.uid not in (-1, os.geteuid())

    @property
    def readable(self) -> Ownership:
        """Of whoever runs this process, and this group may read it: what the owner's programs read, and the owner cannot replace."""
        return Ownership(os.geteuid(), self.gid) if self.other else self

    def mode(self, private: int) -> int:
        """The mode of what the group may read, where it would be ``private`` else: the group gets what the owner has but writing."""
        return private | ((private & 0o500) >> 3) if self.other else private

    def matches(self, found: os.stat_result) -> bool:
        """Whether a file that was looked at is owned like this."""
        return self.uid in (-1, found.st_uid) and self.gid in (-1, found.st_gid)

    def act(self, work: Callable[[], Answer]) -> Answer:
        """Let the owner do something: a process that becomes the owner, and cannot become anybody else again.

        Args:
            work: what is done. Its answer is JSON; of an exception, the text arrives.

        Raises:
            OSError: the work failed, with its words; or the process could not become the owner.
        """
        if not self.other:
            return work()
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            self._answer(write, work)
        os.close(write)
        with os.fdopen(read, encoding="utf-8") as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
        if not said:
            raise OSError("the process of the lab's user was killed")
        answer = json.loads(said)
        if "error" in answer:
            raise OSError(answer["error"])
        done: Answer = answer["done"]
        return done

    def _answer(self, write: int, work: Callable[[], Any]) -> None:
        """The end of a process: do something as the owner, say what came of it, and exit whatever happened."""
        try:
            try:
                gid = self.gid if self.gid != -1 else pwd.getpwuid(self.uid).pw_gid
                os.setgroups([])
                os.setgid(gid)
                os.setuid(self.uid)
                answer = {"done": work()}
            except BaseException as error:  # whatever it is, this process ends here
                answer = {"error": str(error) or type(error).__name__}
            with os.fdopen(write, "w", encoding="utf-8") as pipe:
                pipe.write(json.dumps(answer))
        finally:
            os._exit(0)


def _is_mine(found: os.stat_result) -> bool:
    """Whether only this process' user, or root, can change what was looked at."""
    return found.st_uid in (0, os.geteuid())


def is_of_another_user(folder: str) -> bool:
    """Whether this is root, and the folder is another user's, who could put a link in the way of what root writes there."""
    return os.geteuid() == 0 and os.stat(folder).st_uid != 0


def see_that_nobody_else_writes(folder: str) -> None:
    """See that root writes into no folder of another user's.

    Raises:
        PermissionError: it would.
    """
    if is_of_another_user(folder):
        found = os.stat(folder)
        raise PermissionError(
            f"{folder} belongs to {_name(found.st_uid)}, who could replace what root writes there; a run of `site` (make lab) takes it over"
        )


def read_text(path: str, encoding: str = "utf-8") -> str | None:
    """The text of a file; None where there is none.

    Raises:
        OSError: it cannot be read, is no file, or is a link of another user's.
        UnicodeError: it is no text.
    """
    try:
        if os.path.islink(path) and _is_mine(os.lstat(path)):
            path = os.path.realpath(path)
        descriptor = os.open(path, FILE)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is no file")
    with os.fdopen(descriptor, encoding=encoding) as file:
        return file.read()


def ensure_directory(path: str, mode: int, owner: Ownership, write: bool = True) -> bool:
    """Make ``path`` a directory with this mode and owner, parents included.

    Parents that are made are open to look through (0755): they hold nothing of their own.

    Returns:
        Whether something changed, or would with ``write``.

    Raises:
        OSError: the directory cannot be made or changed, or something else is there, as a link of another user's.
    """
    try:
        with _place(path) as descriptor:
            return _ensure_attributes(descriptor, mode, owner, write)
    except FileNotFoundError:
        if write:
            parent = os.path.dirname(path)
            if not os.path.isdir(parent):
                ensure_directory(parent, 0o755, Ownership())
            os.mkdir(path, 0o700)
            with _place(path) as descriptor:
                _ensure_attributes(descriptor, mode, owner, write)
        return True


def ensure_text(path: str, text: str, mode: int, owner: Ownership, write: bool = True) -> bool:
    """Make ``path`` a file with this text (UTF-8), mode and owner: replaced whole, by a rename.

    One of another owner is replaced too, whatever is in it: whoever has it open could still write.

    Returns:
        Whether something changed, or would with ``write``.

    Raises:
        OSError: the file cannot be read, written or renamed.
    """
    wanted = text.encode()
    same = False
    with contextlib.suppress(FileNotFoundError), _file(path) as descriptor:
        found = os.fstat(descriptor)
        if owner.uid in (-1, found.st_uid) and os.read(descriptor, len(wanted) + 1) == wanted:
            same = True
            if not _ensure_attributes(descriptor, mode, owner, write):
                return False
    if same:
        return True
    if write:
        folder = os.path.dirname(path)
        see_that_nobody_else_writes(folder)
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".new")
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


@contextlib.contextmanager
def _place(path: str) -> Iterator[int]:
    """A directory that is there, opened; through a link only where this process' user, or root, has made it."""
    try:
        descriptor = os.open(
            os.path.realpath(path) if os.path.islink(path) and _is_mine(os.lstat(path)) else path, PLACE
        )
    except NotADirectoryError as error:
        raise NotADirectoryError(f"{path} is there and is no directory") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _file(path: str) -> Iterator[int]:
    """A file that is there, opened; something else, as a link, counts as none: it is replaced.

    Raises:
        FileNotFoundError: there is none.
        OSError: a directory is in its place, or it cannot be read.
    """
    found = os.lstat(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(f"{path} is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise FileNotFoundError(path)
    descriptor = os.open(path, FILE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _ensure_attributes(descriptor: int, mode: int, owner: Ownership, write: bool) -> bool:
    found = os.fstat(descriptor)
    if stat.S_IMODE(found.st_mode) == mode and owner.matches(found):
        return False
    if write:
        os.fchown(descriptor, owner.uid, owner.gid)
        os.fchmod(descriptor, mode)
    return True


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
