# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Which labs a host has: one link for each, named after the lab, beside the runtime environment that they share.

Every command finds a lab by it, wherever its directory lies, and the last lab that leaves takes the runtime along. Beside
the link lies which run of Ansible works on the lab, so that there is one at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership, ensure_directory
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import (
    Record,
    RecordError,
    beside,
    read_record,
    write_record,
)


def registry(runtime: str | Path) -> Path:
    """The directory of links that belongs to a runtime environment."""
    return Path(runtime).parent / "registry"


def registered_labs(runtime: str | Path) -> dict[str, Path]:
    """The labs of a host: name to directory. One whose directory is gone is no lab any more."""
    folder = registry(runtime)
    try:
        links = sorted(path for path in folder.iterdir() if path.is_symlink())
    except FileNotFoundError:
        return {}
    return {link.name: Path(os.readlink(link)) for link in links if link.is_dir()}


def directory_of(runtime: str | Path, name: str) -> str:
    """Where the lab ``name`` of a host is, or was when it was last seen; empty where the host knows of none."""
    try:
        return os.readlink(registry(runtime) / name)
    except (OSError, ValueError):  # no such link; or a name that cannot be
        return ""


def is_same(one: str | Path, other: str | Path) -> bool:
    """Whether two paths lead to one place, there or not."""
    return os.path.realpath(one) == os.path.realpath(other)


def neighbours_of(runtime: str | Path, directory: str) -> list[Record]:
    """The records of the other labs: those of the host, and those beside the one in ``directory``.

    Unreadable records are skipped.
    """
    places = dict.fromkeys([*beside(directory), *map(str, registered_labs(runtime).values())])
    records = {}
    for place in places:
        if is_same(place, directory):
            continue
        with contextlib.suppress(RecordError):
            record = read_record(place)
            if record:
                records[os.path.realpath(place)] = record
    return list(records.values())


def register(runtime: str | Path, name: str, directory: str | Path, write: bool = True) -> bool:
    """Let the host know of a lab.

    Returns:
        Whether something changed, or would with ``write``.

    Raises:
        OSError: the link cannot be made.
    """
    link = registry(runtime) / name
    if link.is_symlink() and os.readlink(link) == str(directory):
        return False
    if write:
        link.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = link.with_name(f".{name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(directory)
        new.rename(link)
    return True


@contextlib.contextmanager
def locked(directory: str) -> Iterator[None]:
    """Hold a lock on a directory itself: it leaves no file behind."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remember(record: Record, owner: Ownership, runtime: str, write: bool) -> bool:
    """Write the record, and let the host know of the lab, unless another lab has one of its ports.

    Raises:
        ValueError: another has; the message names it.
        OSError: the record or the link cannot be written.
    """
    shared_place = os.path.dirname(runtime)
    if not os.path.isdir(shared_place):
        if not write:
            return True
        ensure_directory(shared_place, 0o755, Ownership())
    with locked(shared_place):
        mine = set(record.ports)
        for lab in neighbours_of(runtime, record.directory):
            shared = sorted(mine.intersection(lab.ports))
            if shared:
                raise ValueError(
                    f"port {shared[0]} belongs to the lab {lab.name} in {lab.directory}: choose another "
                    "lab_database_port or lab_api_port for one of them"
                )
        changed = write_record(record.directory, record, owner, write)
        return register(runtime, record.name, record.directory, write) or changed


def unregister(runtime: str | Path, name: str, directory: str | Path, write: bool = True) -> bool:
    """Forget the lab in ``directory``; another one of its name stays. The directory of links goes with the last one.

    Returns:
        Whether something changed, or would with ``write``.

    Raises:
        OSError: the link cannot be removed.
    """
    link = registry(runtime) / name
    known = directory_of(runtime, name)
    if not known or not is_same(known, directory):
        return False
    if write:
        link.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others are in it, or the last of them was quicker
            link.parent.rmdir()
    return True


def process_mark(pid: int) -> str:
    """Return a unique identifier of a process (pid and start time); empty if it does not exist."""
    try:
        # After the program's name, which may hold anything: the state, and as the 20th the start, in ticks since boot.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return "" if fields[0] == "Z" else f"{pid} {fields[19]}"
    except OSError:
        if os.path.isdir("/proc/self"):
            return ""
    ps = ["ps", "-o", "lstart=", "-p", str(pid)]  # macOS
    started = subprocess.run(ps, capture_output=True, text=True, check=False).stdout.split()
    return " ".join([str(pid), *started]) if started else ""


@dataclass(frozen=True)
class Run:
    """Who works on a lab.

    Attributes:
        process: the mark of the run's process.
        host: the host of its inventory that the lab is for.
        playbook: what is run, as it was named.
        user: who runs it.
        since: the local time at which the lab was claimed.
    """

    process: str
    host: str = ""
    playbook: str = ""
    user: str = ""
    since: str = ""

    @classmethod
    def parse(cls, text: str) -> Run:
        """The run that ``text()`` wrote; what is missing of it is empty."""
        return cls(*text.split("\t")[:5])

    def text(self) -> str:
        """One line."""
        return "\t".join(re.sub(r"\s+", " ", each) for each in astuple(self))

    @property
    def pid(self) -> str:
        """The number of the process; empty where there is none."""
        number = self.process.partition(" ")[0]
        return number if number.isdigit() else ""

    @property
    def goes_on(self) -> bool:
        """Whether its process is there: it may have been killed."""
        return bool(self.pid) and process_mark(int(self.pid)) == self.process

    def is_same(self, other: Run) -> bool:
        """Whether both are one run, for one host."""
        return (self.process, self.host) == (other.process, other.host)


def claim(runtime: str | Path, name: str, run: Run, take: bool = True) -> Run | None:
    """Lock the lab for this run. A lock whose process no longer exists is ignored.

    Args:
        runtime: the environment that the host's labs run from.
        name: the lab's name.
        run: this run.
        take: False only asks.

    Returns:
        Who else works on the lab, another run or another host of this one; None where there is none, and this one has it.

    Raises:
        OSError: the claim cannot be written.
    """
    path = registry(runtime) / f".{name}.run"
    if not path.parent.parent.is_dir():
        return None  # nothing of any lab is here, to be removed or kept apart
    try:
        if take:
            path.parent.mkdir(mode=0o755, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if take else 0), 0o600)
    except (OSError, ValueError):
        if take:
            raise
        return None  # a name or a place that cannot be is told as such
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        held = Run.parse(file.read())
        same = held.is_same(run)
        if not same and held.goes_on:
            return held
        if take:
            file.seek(0)
            file.truncate()
            file.write(replace(run, since=held.since if same else time.strftime("%Y-%m-%d %H:%M:%S")).text())
    return None


def forget_claims(runtime: str | Path) -> None:
    """Remove what the runs left that worked on the labs of a host that has none any more."""
    folder = registry(runtime)
    for path in folder.glob(".*.run"):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
