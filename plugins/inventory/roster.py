# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The students of a class, from their teacher's list: a lab for each, with a name and ports that stay."""

from __future__ import annotations

DOCUMENTATION = r"""
name: roster
short_description: A lab for each student of a teacher's list
description:
  - Reads a CSV file as it comes from Moodle, from Google Classroom or from a spreadsheet, in Spanish or English, and gives a host for each
    student and a group for each section.
  - The number, the lab's name and the ports that a student gets are kept beside the list, in C(NAME.numbers.json), and stay. Who is no
    longer on the list is named as long as there is a lab of theirs.
  - With anything wrong in the list, the run ends with one message that names every line, before anything is changed.
  - The list and the file of numbers are personal data. They get the mode 0600.
options:
  plugin:
    description: This plugin's name.
    required: true
    choices: [aula.historia_clinica.roster]
  file:
    description:
      - The list, relative to the file that has this option. The extra variable C(lab_roster) goes before it.
      - Where there is no C(roster.csv), C(roster.example.csv) is taken.
    type: str
    default: roster.csv
  columns:
    description:
      - Which column means what, for headers that are not known by themselves. The keys are code, name (or first and last), email, group,
        number, account, lab; the values are headers. An empty one is no column.
    type: dict
    default: {}
  target:
    description: Where the labs run, as C(lab_target).
    type: str
    choices: [auto, host, minikube, kubernetes]
    default: auto
  first_port:
    description:
      - Where the blocks of 20 ports begin, one for each student. The first port of a block is the database's, the last one the API's.
      - The ports that the system gives to outgoing connections, and those of other labs, are left out.
    type: int
    default: 16000
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
# roster.yml, beside roster.csv
plugin: aula.historia_clinica.roster
target: host
columns:
  code: Documento
  group: Ficha
"""

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Invocation, command
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.ports import outgoing_ports
from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership, ensure_text
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import (
    RecordError,
    read_record,
    runtime_directory,
    state_root,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import registered_labs
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.numbering import (
    BLOCK,
    Class,
    Kept,
    Machine,
    Student,
    enrol,
    group_name,
    kept_text,
    parse_kept,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.table import (
    HEADERS,
    Problem,
    UnreadableError,
    read_table,
)

#: What is read where a teacher has put no list yet.
EXAMPLE = "roster.example.csv"


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]  # ansible has no types
    """The plugin."""

    NAME = "aula.historia_clinica.roster"

    def verify_file(self, path: str) -> bool:
        """Whether a source is named as one of this plugin's."""
        return bool(super().verify_file(path)) and path.endswith(("roster.yml", "roster.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Read the list, and give its hosts; nothing is kept and nobody is added before all of it is right."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        extra = load_extra_vars(loader)
        roster = self._roster(Path(path).parent, str(extra.get("lab_roster") or ""))
        # What this run will make is all told by a check: it changes nothing.
        write = not context.CLIARGS.get("check")
        here = labs_of(extra)
        # It ends here: as an error of a plugin it would be told thrice, between those of other plugins that try the file next, and
        # with a second inventory the run would go on.
        try:
            with locked(roster):
                group = self._class(roster, here)
                if write:
                    keep(roster, group)
        except (OSError, UnreadableError) as error:
            raise SystemExit(f"{roster}: {error}") from error
        if stays := [f"{each.name} ({removal(each.lab, extra)})" for each in group.left if each.lab in here]:
            Display().warning(
                f"no longer in {roster.name}, with a lab that stays until it is removed: {', '.join(stays)}"
            )
        self.inventory.set_variable("all", "roster_file", str(roster))
        for student in group.students:
            self._add(student)

    def _roster(self, folder: Path, asked: str) -> Path:
        """The list's file.

        Raises:
            SystemExit: it is not there.
        """
        roster = folder / os.path.expanduser(asked or self.get_option("file"))
        if not asked and not roster.exists() and self.get_option("file") == "roster.csv":
            roster = folder / EXAMPLE
        if not roster.is_file():
            raise SystemExit(f"there is no list of students {roster}: name it with ROSTER=, or put it there")
        return roster

    def _class(self, roster: Path, labs: dict[str, tuple[int, list[int]]]) -> Class:
        """The class of a list.

        Raises:
            UnreadableError: no row can be read.
            SystemExit: something is wrong with some; all of that is in the message.
        """
        columns = {str(what): str(header or "") for what, header in self.get_option("columns").items()}
        if unknown := sorted(set(columns) - set(HEADERS)):
            raise UnreadableError(
                f"`columns` of roster.yml names {', '.join(unknown)}; there are: {', '.join(HEADERS)}"
            )
        kept = read_kept(roster)
        rows, problems = read_table(roster.read_bytes(), columns)
        own = {each.lab for each in kept}
        others = {name: lab for name, lab in labs.items() if name not in own}
        machine = Machine(
            outgoing=outgoing_ports(),
            busy={port for _first, ports in others.values() for port in ports},
            labs={name: first for name, (first, _ports) in others.items()},
        )
        first_port = self.get_option("first_port")
        if not 1024 <= first_port <= 65536 - BLOCK:
            raise UnreadableError(
                f"first_port of roster.yml is {first_port}: a port from 1024 to {65536 - BLOCK} is needed"
            )
        group, more = enrol(rows, kept, machine, first_port)
        told = {each.line for each in problems}
        if problems := [*problems, *(each for each in more if each.line not in told)]:
            raise SystemExit(said(roster, problems))
        return group

    def _add(self, student: Student) -> None:
        row, kept = student.row, student.kept
        self.inventory.add_host(kept.lab)
        values: dict[str, object] = {
            "lab_database_port": kept.port,
            "lab_api_port": student.api_port,
            "student_number": kept.number,
            "student_name": row.name,
            "student_code": row.code,
            "student_email": row.email,
            "student_account": row.account,
            "student_groups": list(row.groups),
        }
        if (target := self.get_option("target")) != "auto":
            values["lab_target"] = target
        for name, value in values.items():
            self.inventory.set_variable(kept.lab, name, value)
        for section in row.groups:
            self.inventory.add_host(kept.lab, group=self.inventory.add_group(group_name(section)))


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


def keep(roster: Path, group: Class) -> None:
    """Keep what the students of a list have; the list and this are for their owner alone.

    Raises:
        OSError: it cannot be written.
    """
    ensure_text(str(numbers_of(roster)), kept_text(group.kept), 0o600, Ownership())
    mode = stat.S_IMODE(roster.stat().st_mode)
    if mode & 0o077 and roster.name != EXAMPLE:
        roster.chmod(mode & 0o700)
        Display().display(f"{roster} is personal data: only its owner reads it now (mode 0600).", stderr=True)


def removal(lab: str, extra: Mapping[str, Any]) -> str:
    """The command that removes a lab of this machine that no host is called after."""
    root = Path(__file__).resolve().parents[2]
    makefile = (root / "Makefile").is_file()
    values = {name: str(extra[name]) for name in ("runtime_directory",) if name in extra}
    invocation = Invocation(str(root) if makefile else "", makefile and root.samefile(Path.cwd()), values=values)
    return command(invocation, "teardown", lab_name=lab)


def labs_of(extra: Mapping[str, Any]) -> dict[str, tuple[int, list[int]]]:
    """The labs of this machine: name, first port and all ports."""
    root = state_root(os.geteuid(), os.environ, Path.home())
    runtime = str(extra.get("runtime_directory") or runtime_directory(root))
    labs = {}
    for name, directory in registered_labs(runtime).items():
        try:
            record = read_record(directory)
        except RecordError:
            record = None
        labs[name] = (record.database_port, record.ports) if record else (0, [])
    return labs
