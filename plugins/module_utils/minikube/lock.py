# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Let one task at a time work on a profile that several labs share."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import MinikubeError


class Lock:
    """Held by the one task that works on a profile."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path

    @property
    def holder(self) -> str:
        """The process that holds it, as it wrote itself down."""
        return os.pread(self._descriptor, 20, 0).decode("ascii", "replace")

    def sign(self) -> None:
        """Write down this process."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def remove(self) -> None:
        """Remove the file; whoever waits for it makes a new one."""
        self._path.unlink()


@contextlib.contextmanager
def locked(home: Path, profile: str, seconds: float) -> Iterator[Lock]:
    """Let one task at a time work on a profile that several labs share.

    A person's own ``minikube start`` is waited for as well, and one whose task was killed while it goes on.

    Args:
        home: where Minikube keeps its profiles: whoever shares these shares the lock.
        profile: the profile's name.
        seconds: how long to wait for the others.

    Raises:
        MinikubeError: the others take longer.
        OSError: the lock's file cannot be made.
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{profile}.historia-clinica.lock"
    limit = time.monotonic() + seconds

    def wait(holder: object) -> None:
        if time.monotonic() > limit:
            raise MinikubeError(
                f"Something else has been working on the Minikube profile {profile} for more than {seconds:g} s (process {holder})."
                " Fix: wait for it, or end it, then run this again."
            )
        time.sleep(0.1)  # nobody tells when the lock of another program is free

    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        lock = Lock(descriptor, path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = lock.holder
            os.close(descriptor)
            wait(holder)
            continue
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                break
        os.close(descriptor)  # whoever held it removed it
    try:
        lock.sign()
        while True:
            busy = processes_at(profile)
            if not busy:
                break
            wait(busy[0])
        yield lock
    finally:
        os.close(descriptor)


def works_at(command: Sequence[str], profile: str) -> bool:
    """Whether a command line is a Minikube that starts, stops or deletes a profile."""
    if not command or os.path.basename(command[0]) != "minikube":
        return False
    words = " ".join(command[1:])
    named = re.search(r"(?:^| )(?:-p|--profile)[ =]?(\S+)", words)
    works = re.match(r"(?:(?:-p|--profile)[ =]?\S+ )?(?:start|stop|delete)\b", words)
    return works is not None and (named[1] if named else "minikube") == profile


def processes_at(profile: str) -> list[int]:
    """The processes of this user that are a Minikube that starts, stops or deletes a profile."""
    found = []
    if os.path.isdir("/proc/self"):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    if entry.stat().st_uid == os.geteuid():
                        text = Path(entry.path, "cmdline").read_text(encoding="utf-8", errors="replace")
                        if works_at(text.split("\0")[:-1], profile):
                            found.append(int(entry.name))
        return found
    command = ["ps", "-x", "-o", "pid=,command="]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    for line in done.stdout.splitlines():
        pid, _, text = line.strip().partition(" ")
        if works_at(text.split(), profile):
            found.append(int(pid))
    return found
