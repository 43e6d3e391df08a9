# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The class that a teacher's list makes on this machine: for the inventory, and for the commands that run without Ansible."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.ports import outgoing_ports
from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership, ensure_text
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import RecordError, read_record
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import registered_labs
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.numbering import (
    BLOCK,
    Class,
    Kept,
    Machine,
    enrol,
    kept_text,
    parse_kept,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.table import (
    HEADERS,
    Problem,
    UnreadableError,
    read_table,
)

#: The list, and what is read where a teacher has put none yet.
LIST, EXAMPLE = "roster.csv", "roster.example.csv"


class WrongError(Exception):
    """The list is not there, or rows of it are wrong; the message names every line."""


def find_list(folder: Path, asked: str, file: str = LIST) -> Path:
    """The list's file.

    Args:
        folder: of the file with the settings.
        asked: what was named for this run; empty where nothing was.
        file: what the settings name.

    Raises:
        WrongError: it is not there; the message says what helps.
    """
    roster = folder / os.path.expanduser(asked or file)
    if not asked and not roster.exists() and file == LIST:
        roster = folder / EXAMPLE
    if not roster.is_file():
        raise WrongError(f"there is no list of students {roster}: name it with ROSTER=, or put it there")
    return roster


def read_class(
    roster: Path, labs: Mapping[str, tuple[int, list[int]]], columns: Mapping[str, str], first_port: int
) -> Class:
    """The class of a list. Nothing is kept.

    Args:
        roster: the list.
        labs: those of this machine (`labs_of`).
        columns: which header means what, as far as the settings say so.
        first_port: where the blocks of ports begin.

    Raises:
        OSError: a file cannot be read.
        UnreadableError: no row can be read.
        WrongError: something is wrong with some.
    """
    if unknown := sorted(set(columns) - set(HEADERS)):
        raise UnreadableError(f"`columns` of roster.yml names {', '.join(unknown)}; there are: {', '.join(HEADERS)}")
    kept = read_kept(roster)
    rows, problems = read_table(roster.read_bytes(), columns)
    own = {each.lab for each in kept}
    others = {name: lab for name, lab in labs.items() if name not in own}
    machine = Machine(
        outgoing=outgoing_ports(),
        busy={port for _first, ports in others.values() for port in ports},
        labs={name: first for name, (first, _ports) in others.items()},
    )
    if not 1024 <= first_port <= 65536 - BLOCK:
        raise UnreadableError(
            f"first_port of roster.yml is {first_port}: a port from 1024 to {65536 - BLOCK} is needed"
        )
    group, more = enrol(rows, kept, machine, first_port)
    told = {each.line for each in problems}
    if problems := [*problems, *(each for each in more if each.line not in told)]:
        raise WrongError(said(roster, problems))
    return group


def said(roster: Path, problems: list[Problem]) -> str:
    """One message of all that is wrong, by line."""
    count = "1 thing is" if len(problems) == 1 else f"{len(problems)} things are"
    lines = [f"line {each.line} {each.text}" for each in sorted(problems, key=lambda each: each.line)]
    return "\n  ".join([f"{count} wrong in {roster}; nothing was changed:", *lines])


@contextmanager
def locked(roster: Path) -> Iterator[None]:
    """A while in which no other run gives numbers to the same list, which only its owner reads from now on.

    Raises:
        OSError: the list cannot be read.
    """
    with roster.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def numbers_of(roster: Path) -> Path:
    """Where the numbers of a list are kept."""
    return roster.with_name(f"{roster.stem}.numbers.json")


def read_kept(roster: Path) -> list[Kept]:
    """What was given to the students of a list.

    Raises:
        OSError: the file cannot be read.
        UnreadableError: it says something else.
    """
    path = numbers_of(roster)
    try:
        return parse_kept(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise UnreadableError(
            f"the numbers of its students cannot be read from {path} ({error}): bring back a copy of it; without it, each student"
            " who has a lab would get another one"
        ) from error


def keep(roster: Path, group: Class) -> bool:
    """Keep what the students of a list have; the list and this are for their owner alone.

    Returns:
        Whether others could read the list until now.

    Raises:
        OSError: it cannot be written.
    """
    ensure_text(str(numbers_of(roster)), kept_text(group.kept), 0o600, Ownership())
    mode = stat.S_IMODE(roster.stat().st_mode)
    was_open = bool(mode & 0o077) and roster.name != EXAMPLE
    if was_open:
        roster.chmod(mode & 0o700)
    return was_open


def labs_of(runtime: str | Path) -> dict[str, tuple[int, list[int]]]:
    """The labs of this machine: name, first port and all ports.

    Args:
        runtime: the environment that they run from.
    """
    labs = {}
    for name, directory in registered_labs(runtime).items():
        try:
            record = read_record(directory)
        except RecordError:
            record = None
        labs[name] = (record.database_port, record.ports) if record else (0, [])
    return labs
