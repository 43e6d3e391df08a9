# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""A lab's directory: what is there, and whether a lab can be there."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.system import read_text
from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import COPY_NAME, RECORD_NAME
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import Folder, Identity
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.plan import COORDINATOR, Plan

#: What a lab's directory may hold, and what only a lab's directory holds.
LAB_ENTRIES = {"bin", "config", "credentials", "data", "logs", "middleware", "run", RECORD_NAME, COPY_NAME}
LAB_SIGNS = (f"data/{COORDINATOR}", "credentials/admin.pgpass")


def inspect_directory(directory: str, recorded: bool, broken_record: bool, plan: Plan, identity: Identity) -> Folder:
    """What is at the lab's directory, and whether a lab can be there."""
    nearest = directory
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    kind, holds, obstacle = "absent", "", ""
    if nearest == directory:
        kind, holds, obstacle = _contents(directory, recorded, broken_record)
    elif not os.path.isdir(nearest):
        obstacle = f"{nearest} is no folder"
    if not obstacle and kind != "foreign" and not os.access(nearest, os.W_OK | os.X_OK):
        obstacle = f"{identity.user} may not write in {nearest}"
    blocked = ""
    if not obstacle and kind != "foreign":
        # The directory itself becomes the lab's user's: what is above it has to let that user through.
        above = nearest if kind == "absent" else os.path.dirname(os.path.realpath(directory))
        blocked = blocked_for_lab(above, plan, identity)
    return Folder(kind, holds, nearest, obstacle, blocked)


def _contents(directory: str, recorded: bool, broken_record: bool) -> tuple[str, str, str]:
    """Kind, what it holds, and the obstacle, of a directory that is there."""
    if not os.path.isdir(directory):
        return "foreign", "is no folder", ""
    try:
        entries = set(os.listdir(directory))
    except OSError as error:
        return "absent", "", f"it cannot be read ({error.strerror})"
    # What an interrupted write of the record leaves.
    entries = {x for x in entries if not (x.startswith(".") and x.endswith(".new"))}
    if recorded:
        return "lab", "", ""
    if not entries:
        return "empty", "", ""
    signed = any(os.path.exists(os.path.join(directory, sign)) for sign in LAB_SIGNS)
    if entries <= LAB_ENTRIES and (signed or entries <= {RECORD_NAME, COPY_NAME}):
        return "remains", "", ""
    some = ", ".join(ascii(entry)[1:-1] for entry in sorted(entries)[:3])
    more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
    record = f" ({RECORD_NAME} is no lab's record)" if broken_record else ""
    return "foreign", f"holds {some}{more}{record}", ""


def blocked_for_lab(path: str, plan: Plan, identity: Identity) -> str:
    """The first part of a path that the lab's user may not use: only root's labs run as another user."""
    if not identity.root:
        return ""
    try:
        entry = pwd.getpwnam(plan.user)
        uid, gids = entry.pw_uid, frozenset(os.getgrouplist(plan.user, entry.pw_gid))
    except KeyError:
        uid, gids = -1, frozenset()
    return blocked_by(path, uid, gids)


def blocked_by(path: str, uid: int = -1, gids: frozenset[int] = frozenset()) -> str:
    """The first folder on the way to ``path``, or ``path`` itself, that a user may not enter or run.

    Args:
        path: a folder or a program that is there. Links are followed: each folder on their way counts too.
        uid: the user; -1 is a user of whom nothing is known, who has only what others have.
        gids: the user's groups.

    Returns:
        The path of the obstacle; empty where the way is free.
    """
    seen = set()
    for way in (path, os.path.realpath(path)):
        for part in [*reversed(Path(way).parents), Path(way)]:
            if part in seen:
                continue
            seen.add(part)
            try:
                found = os.stat(part)
            except OSError:
                return str(part)
            needed = stat.S_IXOTH
            if found.st_uid == uid:
                needed = stat.S_IXUSR
            elif found.st_gid in gids:
                needed = stat.S_IXGRP
            if not found.st_mode & needed:
                return str(part)
    return ""


def read_as_user(plan: Plan, path: str) -> str:
    """A file of the lab's user's, as that user reads it; empty where it cannot be read, or there is no such user."""
    if plan.user != f"hc-{plan.name}":
        return read_text(path)
    try:
        return Ownership.of(plan.user, None).act(lambda: read_text(path))
    except (OSError, KeyError):
        return ""


def data_major(directory: str, plan: Plan) -> int | None:
    """The major version that made the coordinator's data; None where there are none."""
    try:
        return int(read_as_user(plan, os.path.join(directory, "data", COORDINATOR, "PG_VERSION")))
    except ValueError:
        return None


def free_disk(path: str) -> int | None:
    """The bytes that are free for a user at ``path``."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
