#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Write down what a lab was made with, or remove the lab's directory with all in it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_record
short_description: Write down what a lab was made with, or remove its directory
description:
  - Keeps the file C(lab.json) in a lab's directory, which later runs, status and teardown obey, and lets the host know of
    the lab (a link of its name beside the runtime environment).
  - The file is replaced whole, holds no secret, and may be read by everybody. A directory that is missing is made.
  - The directory of a lab that root makes is root's, and so is the file; the lab's own user may look into it, and replace nothing in it.
  - A port that was taken by another lab of the host since preflight looked is refused, so that the labs of one play, made
    side by side, never share one.
options:
  lab:
    description: The fact that M(aula.historia_clinica.preflight) gives.
    type: dict
    required: true
  state:
    description:
      - V(present) writes the record.
      - V(absent) removes the lab's directory with all that is in it, the record last, so that a removal that was
        interrupted can go on; and the host forgets the lab. Another lab of its name, elsewhere, stays.
        Nothing is removed while a server still works on it.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: full
    description: Shows the record before and after.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Remember what the lab is made with
  aula.historia_clinica.lab_record:
    lab: "{{ ansible_facts['lab'] }}"

- name: Remove the lab's directory
  aula.historia_clinica.lab_record:
    lab: "{{ ansible_facts['lab'] }}"
    state: absent
"""

RETURN = r"""
path:
  description: The record's file.
  returned: always
  type: str
"""

import os
import shutil
from dataclasses import fields

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import invocation_of, remote_command
from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    read_text,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import (
    COPY_NAME,
    FORMAT,
    RECORD_NAME,
    Record,
    record_path,
    record_text,
    remove_record,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.processes import end_command, serving
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import (
    remember,
    unregister,
)


def remove(directory: str, write: bool) -> bool:
    """Remove a lab's directory, its record last.

    Returns:
        Whether there was one.

    Raises:
        OSError: something in it cannot be removed.
    """
    if not os.path.lexists(directory):
        return False
    if write:
        with os.scandir(directory) as entries:
            others = [entry for entry in entries if entry.name not in (RECORD_NAME, COPY_NAME)]
        for entry in others:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
        remove_record(directory)
        os.rmdir(directory)
    return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    lab = {**module.params["lab"], "format": FORMAT}
    lacking = [field.name for field in fields(Record) if field.name not in lab]
    if lacking:
        module.fail_json(msg=f"lab is not the fact of preflight: it has no {', '.join(lacking)}")
    record = Record(**{field.name: lab[field.name] for field in fields(Record)})
    path = record_path(record.directory)
    try:
        before = read_text(str(path)) or ""
    except (OSError, ValueError):
        before = ""
    present = module.params["state"] == "present"
    write = not module.check_mode
    try:
        if present:
            try:
                owner = Ownership.of(record.user, lab.get("group"))
            except KeyError:  # no such user yet: nobody has to look into the directory
                owner = Ownership()
            changed = remember(record, owner, lab["runtime"], write)
        else:
            # In check mode nothing has been stopped.
            left = serving(record.directory) if write else []
            if left:
                module.fail_json(
                    msg=f"{record.directory} stays, with its data: {', '.join(map(str, left))} still works on it. "
                    f"End what is left: {remote_command(invocation_of(lab), end_command(left))}; then run this again."
                )
            changed = remove(record.directory, write)
            changed |= unregister(lab["runtime"], record.name, record.directory, write)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"{path}: {error}")
    after = record_text(record) if present else ""
    module.exit_json(
        changed=changed,
        path=str(path),
        diff={
            "before_header": str(path),
            "after_header": str(path),
            "before": before,
            "after": after,
        },
    )


if __name__ == "__main__":
    main()
