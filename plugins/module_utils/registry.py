# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Which labs a host has: one link for each, named after the lab, beside the runtime environment that they share.

`make psql` finds a lab by it, and the last lab that leaves takes the runtime along.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


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


def unregister(runtime: str | Path, name: str, write: bool = True) -> bool:
    """Forget a lab; the directory of links goes with the last one.

    Returns:
        Whether something changed, or would with ``write``.

    Raises:
        OSError: the link cannot be removed.
    """
    link = registry(runtime) / name
    if not link.is_symlink():
        return False
    if write:
        link.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others are in it, or the last of them was quicker
            link.parent.rmdir()
    return True
