"""A teacher's class as the inventory has it, read without Ansible, whose start would cost most of the time that these commands may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import quoted
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import runtime_directory
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.numbering import FIRST_PORT
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.reading import (
    LIST,
    WrongError,
    find_list,
    labs_of,
    locked,
    read_class,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.table import UnreadableError
from grading.marks import Student

#: What the settings of a class are called, as the inventory plugin takes them.
SETTINGS = ("roster.yml", "roster.yaml")
#: For how many years the archive of a class is kept, unless they say otherwise.
YEARS = 5


class ClassError(Exception):
    """The class cannot be read; the message says why, as the inventory does."""


@dataclass(frozen=True)
class Classroom:
    """A class.

    Attributes:
        roster: the list.
        students: in its order.
        labs: of this machine, by name, whether a student's or not.
        left: the labs of students who are on the list no more.
        settings: the file with the settings.
        years: for how long its archive is kept.
    """

    roster: Path
    students: list[Student]
    labs: list[str]
    left: list[str]
    settings: Path
    years: int

    @property
    def name(self) -> str:
        """What its files are called."""
        return self.roster.stem

    @property
    def every_lab(self) -> list[str]:
        """The labs that it has or had."""
        return [*(student.lab for student in self.students), *self.left]

    @property
    def make(self) -> str:
        """The command that makes its labs."""
        return f"make class ROSTER={quoted(str(self.roster.absolute()))}"

    @property
    def place(self) -> Path:
        """Where its marks are."""
        return self.roster.parent / "grades"

    @property
    def submissions(self) -> Path:
        """Where the files of students who work on their own machines are."""
        return self.roster.parent / "submissions"

    @property
    def strangers(self) -> list[str]:
        """Labs of this machine that are nobody's on the list."""
        own = {student.lab for student in self.students}
        return [name for name in self.labs if name not in own]


def read_classroom(inventory: Path, asked: str, root: Path) -> Classroom:
    """The class of an inventory; nothing of it is changed.

    Args:
        inventory: its folder, or the file of its settings.
        asked: the list, where it is not the one that the settings name.
        root: the folder of the state.

    Raises:
        ClassError: it cannot be read.
    """
    settings = settings_of(inventory)
    said = said_by(settings)
    columns = {str(what): str(header or "") for what, header in (said.get("columns") or {}).items()}
    labs = labs_of(runtime_directory(root))
    try:
        roster = find_list(settings.parent, asked, str(said.get("file") or LIST))
        with locked(roster):
            group = read_class(roster, labs, columns, int(said.get("first_port") or FIRST_PORT))
    except WrongError as error:
        raise ClassError(str(error)) from error
    except (OSError, UnreadableError, ValueError) as error:
        raise ClassError(f"{asked or settings}: {error}") from error
    students = [
        Student(each.kept.lab, each.row.name, each.row.code, each.row.email, each.row.groups) for each in group.students
    ]
    left = [each.lab for each in group.left]
    return Classroom(roster, students, list(labs), left, settings, _years(settings, said))


def list_of(inventory: Path, asked: str) -> Path:
    """The list of a class, whether it is there or not.

    Args:
        inventory: its folder, or the file of its settings.
        asked: the list, where it is not the one that the settings name.

    Raises:
        ClassError: the settings cannot be read.
    """
    settings = settings_of(inventory)
    return settings.parent / (asked or str(said_by(settings).get("file") or LIST))


def settings_of(inventory: Path) -> Path:
    """The file with the settings of a class.

    Raises:
        ClassError: the inventory is none of a class.
    """
    places = [inventory] if inventory.is_file() else [inventory / name for name in SETTINGS]
    found = next((place for place in places if place.name in SETTINGS and place.is_file()), None)
    if found is None:
        raise ClassError(f"{inventory} is no inventory of a class: it has no {SETTINGS[0]}. Name the list with ROSTER=")
    return found


def _years(settings: Path, said: Mapping[str, Any]) -> int:
    """For how long the archive of a class is kept.

    Raises:
        ClassError: that is no number of years.
    """
    years = said.get("retention_years", YEARS)
    if not isinstance(years, int) or not 1 <= years <= 100:
        raise ClassError(f"retention_years of {settings} is {years}: a number from 1 to 100 is needed")
    return years


def said_by(settings: Path) -> dict[str, Any]:
    """What the settings say.

    Raises:
        ClassError: they cannot be read.
    """
    try:
        said = yaml.safe_load(settings.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ClassError(f"{settings} cannot be read: {error}") from error
    if not isinstance(said, dict) or not isinstance(said.get("columns") or {}, dict):
        raise ClassError(f"{settings} is no list of settings")
    return said
