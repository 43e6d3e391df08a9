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
  retention_years:
    description:
      - For how many years the archive of the class is kept that C(make class-close) writes. The next closing beside it deletes an archive that is past
        its date.
    type: int
    default: 5
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

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Invocation, command
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import runtime_directory, state_root
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.numbering import Student, group_name
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.reading import (
    WrongError,
    find_list,
    keep,
    labs_of,
    locked,
    read_class,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.table import UnreadableError


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
        # What this run will make is all told by a check: it changes nothing.
        write = not context.CLIARGS.get("check")
        root = state_root(os.geteuid(), os.environ, Path.home())
        here = labs_of(str(extra.get("runtime_directory") or runtime_directory(root)))
        columns = {str(what): str(header or "") for what, header in self.get_option("columns").items()}
        # It ends here: as an error of a plugin it would be told thrice, between those of other plugins that try the file next, and
        # with a second inventory the run would go on.
        try:
            roster = find_list(Path(path).parent, str(extra.get("lab_roster") or ""), self.get_option("file"))
            with locked(roster):
                group = read_class(roster, here, columns, self.get_option("first_port"))
                if write and keep(roster, group):
                    Display().display(
                        f"{roster} is personal data: only its owner reads it now (mode 0600).", stderr=True
                    )
        except WrongError as error:
            raise SystemExit(str(error)) from error
        except (OSError, UnreadableError) as error:
            raise SystemExit(f"{roster}: {error}") from error
        if stays := [f"{each.name} ({removal(each.lab, extra)})" for each in group.left if each.lab in here]:
            Display().warning(
                f"no longer in {roster.name}, with a lab that stays until it is removed: {', '.join(stays)}"
            )
        self.inventory.set_variable("all", "roster_file", str(roster))
        for student in group.students:
            self._add(student)

    def _add(self, student: Student) -> None:
        row, kept = student.row, student.kept
        self.inventory.add_host(kept.lab)
        values: dict[str, object] = {
            "lab_database_port": kept.port,
            "lab_api_port": student.api_port,
            # A sample of each student's own: no number that is measured in it is right in another's lab.
            "clinical_schema_seed": kept.number,
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


def removal(lab: str, extra: Mapping[str, Any]) -> str:
    """The command that removes a lab of this machine that no host is called after."""
    root = Path(__file__).resolve().parents[2]
    makefile = (root / "Makefile").is_file()
    values = {name: str(extra[name]) for name in ("runtime_directory",) if name in extra}
    invocation = Invocation(str(root) if makefile else "", makefile and root.samefile(Path.cwd()), values=values)
    return command(invocation, "teardown", lab_name=lab)
