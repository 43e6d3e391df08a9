# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Who still runs from a directory, or serves what lies in it: asked before it is removed.

It runs on the host's own Python, without psutil: where the runtime is gone, too. Linux and macOS.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: What tells the programs of a lab's supervisor whose they are.
SUPERVISOR = "SUPERVISOR_SERVER_URL"
#: What serves a lab: a pager that shows one of its logs does not.
SERVERS = re.compile(r"postgres|python[0-9.]*")


@dataclass(frozen=True)
class Process:
    """A process, as far as this user may see it.

    Attributes:
        pid: its number.
        parent: its parent's number.
        user: whose it is.
        words: its command line.
        program: the file that it runs; empty where that cannot be seen.
        supervisor: the address of the supervisor that started it; empty where there is none, or it cannot be seen.
    """

    pid: int
    parent: int
    user: str
    words: list[str] = field(default_factory=list)
    program: str = ""
    supervisor: str = ""

    @property
    def name(self) -> str:
        """What it is called, without its arguments: they may hold somebody's secret."""
        return os.path.basename(self.program or (self.words[0].split(":")[0] if self.words else "?"))

    def __str__(self) -> str:
        """As a person reads it."""
        return f"{self.name} (pid {self.pid}, user {self.user})"


def running_from(directory: str | Path) -> list[Process]:
    """The processes whose program lies in a directory, the eldest of each family."""
    places = _places(directory)
    return _eldest(
        process
        for process in processes()
        if (_inside(places, process.program) or _inside(places, *process.words[:1])) and sees(process.pid, directory)
    )


def serving(directory: str | Path) -> list[Process]:
    """The processes that serve what lies in a lab's directory, the eldest of each family."""
    places = _places(directory)
    return _eldest(
        process
        for process in processes()
        if (
            _inside(places, process.supervisor.partition("unix://")[2])
            or (
                SERVERS.fullmatch(process.name)
                and _inside(places, *(word.rpartition("=")[2] for word in process.words))
            )
        )
        and sees(process.pid, directory)
    )


def sees(pid: int, directory: str | Path) -> bool:
    """Whether a process that names a directory means this one: in a container, the same path is another place.

    Returns True if it cannot be determined.
    """
    try:
        here = os.stat(directory)
    except OSError:
        return True  # it is gone, and they still run
    try:
        there = os.stat(f"/proc/{pid}/root{os.path.abspath(directory)}")
    except PermissionError:
        return True
    except OSError:
        return not os.path.isdir("/proc/self")
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def end_command(found: Iterable[Process]) -> str:
    """What ends processes, as it is typed."""
    return "kill " + " ".join(str(process.pid) for process in found)


def processes() -> Iterator[Process]:
    """Every process but this one and those that it was started by."""
    found = {process.pid: process for process in (_of_proc() if os.path.isdir("/proc/self") else _of_ps())}
    pid = os.getpid()
    while pid in found:
        pid = found.pop(pid).parent
    yield from found.values()


def _places(directory: str | Path) -> list[str]:
    """The starts of paths below a directory, as it is named and as it is."""
    return sorted({f"{path}{os.sep}" for path in (os.path.abspath(directory), os.path.realpath(directory))})


def _inside(places: Iterable[str], *paths: str) -> bool:
    return any(path.startswith(place) for path in paths for place in places)


def _eldest(found: Iterable[Process]) -> list[Process]:
    family = {process.pid: process for process in found}
    return [process for process in family.values() if process.parent not in family]


def _of_proc() -> Iterator[Process]:
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        place = Path("/proc", str(pid))
        # It may end at any moment, and of another user's process only a part can be seen.
        with contextlib.suppress(OSError):
            words = place.joinpath("cmdline").read_text(encoding="utf-8", errors="replace").split("\0")[:-1]
            if not words:
                continue  # the kernel's own, or one that has ended
            parent = re.search(r"^PPid:\s+(\d+)", place.joinpath("status").read_text(errors="replace"), re.MULTILINE)
            program, supervisor = "", ""
            with contextlib.suppress(OSError):
                program = os.readlink(place / "exe")
                variables = place.joinpath("environ").read_text(encoding="utf-8", errors="replace").split("\0")
                supervisor = next(
                    (text.partition("=")[2] for text in variables if text.startswith(f"{SUPERVISOR}=")), ""
                )
            user = _user(place.stat().st_uid)
            yield Process(pid, int(parent.group(1)) if parent else 0, user, words, program, supervisor)


def _of_ps() -> Iterator[Process]:
    """Elsewhere than on Linux: a path with spaces comes in pieces, and of an environment nothing is seen."""
    ps = ["ps", "-axww", "-o", "pid=,ppid=,user=,command="]
    done = subprocess.run(ps, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        fields = line.split(None, 3)
        if len(fields) == 4:
            yield Process(int(fields[0]), int(fields[1]), fields[2], fields[3].split())


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
