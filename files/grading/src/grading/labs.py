"""Which lab is meant: the one that is named, the default one, or the only one of this machine."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import (
    Record,
    RecordError,
    read_record,
    runtime_directory,
    state_root,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import registered_labs
from grading.exercise import ExerciseError

DEFAULT = "lab"


def state() -> Path:
    """The folder under which this user's labs, and what the grader keeps of them, lie."""
    return state_root(os.geteuid(), os.environ, Path.home())


def find(root: Path, name: str = "") -> Record:
    """The record of a lab.

    Args:
        root: the folder of the state (`state()`).
        name: its name; empty for the default one, or the only one.

    Raises:
        ExerciseError: there is no such lab, or more than one could be meant.
    """
    known = registered_labs(runtime_directory(root))
    names = ", ".join(known)
    if not known:
        make = f"make lab LAB={name}" if name else "make lab"
        raise ExerciseError(
            f"todavía no hay un laboratorio en esta máquina. Créelo con: {make}",
            f"there is no lab on this machine yet. Make one with: {make}",
        )
    if not name and DEFAULT not in known and len(known) > 1:
        raise ExerciseError(f"¿cuál laboratorio? LAB=nombre; hay: {names}", f"which lab? LAB=name; there are: {names}")
    chosen = name or (DEFAULT if DEFAULT in known else next(iter(known)))
    if chosen not in known:
        raise ExerciseError(
            f"no hay un laboratorio {chosen} en esta máquina; hay: {names}. Créelo con: make lab LAB={chosen}",
            f"there is no lab {chosen} on this machine; there are: {names}. Make it with: make lab LAB={chosen}",
        )
    try:
        record = read_record(known[chosen])
    except RecordError as error:
        raise _unreadable(known[chosen], str(error)) from error
    if record is None:
        raise _unreadable(known[chosen], "lab.json")
    return record


def _unreadable(directory: Path, said: str) -> ExerciseError:
    return ExerciseError(
        f"no se puede leer el registro del laboratorio en {directory} ({said}). Vea qué le falta con: make diagnose",
        f"the record of the lab in {directory} cannot be read ({said}). See what is wrong with: make diagnose",
    )
