# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The labs that the host has, and whether one of them has the name."""

from __future__ import annotations

import os
import pwd
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import (
    Record,
    RecordError,
    lab_directory,
    read_record,
    runtime_directory,
    state_root,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import Choices
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import Identity
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.plan import Plan
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import is_same, registered_labs


def registry_state(
    choices: Choices, plan: Plan, record: Record | None, known: str, identity: Identity
) -> dict[str, Any]:
    """Which labs the host has, and whether one of them has the name: the fields of ``Machine`` about it."""
    if not choices.name or not choices.directory:
        return {}
    there = os.path.isdir(known)
    here = is_same(known, choices.directory) if known else True
    # Where the known one is not there, and this one has its record, it was moved.
    namesake = "" if here or (record and not there) else known
    root = state_root(identity.uid, identity.env, identity.home)
    default = str(lab_directory(root, choices.name))
    home = _home(plan.user) if plan.user == f"hc-{choices.name}" else ""
    own = bool(home) and (is_same(home, choices.directory) or not os.path.isdir(home))
    return {
        "namesake": namesake or (home if home and not own and _is_lab(home, choices.name) else ""),
        "gone": bool(known) and here and not there and "directory" not in choices.made and known != default,
        "known_here": bool(known) and here,
        "listed": (choices.builds or (bool(known) and here))
        and choices.runtime_directory == str(runtime_directory(root)),
        "own_user": own,
        "labs": {name: str(place) for name, place in registered_labs(choices.runtime_directory).items()},
    }


def _home(user: str) -> str:
    """A user's home; empty where there is no such user."""
    try:
        return pwd.getpwnam(user).pw_dir
    except KeyError:
        return ""


def _is_lab(directory: str, name: str) -> bool:
    """Whether a directory holds the record of the lab of a name. It may be one of another runtime, whose registry is another."""
    try:
        record = read_record(directory)
    except RecordError:
        return False
    return record is not None and record.name == name
