#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Write several small text files at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: text_files
short_description: Write several small text files at once
description:
  - Writes files and makes directories below one directory, and reports which of them changed.
  - One task of it stands for many of M(ansible.builtin.template) and M(ansible.builtin.file), each of which costs a good
    part of a second.
  - A file is replaced whole (rename), so that a reader or an interruption never meets half of one.
options:
  directory:
    description: Absolute path of the directory that all other paths are relative to. It is made if missing.
    type: path
    required: true
  mode:
    description: Mode of O(directory).
    type: str
    default: "0755"
  directories:
    description: Directories below O(directory), with their modes.
    type: dict
    default: {}
  files:
    description: The files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path relative to O(directory).
        type: str
        required: true
      content:
        description: The file's text, in UTF-8.
        type: str
        required: true
      mode:
        description: The file's mode.
        type: str
        default: "0644"
  purge:
    description: >-
      Directories below O(directory) in which files that are not in O(files) are removed. What Python compiles beside its
      source (C(__pycache__)) stays.
    type: list
    elements: str
    default: []
  owner:
    description: Owner of all of them. Only root can give files away.
    type: str
  group:
    description: Group of all of them.
    type: str
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: full
    description: Shows the text before and after.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Write the settings of two servers
  aula.historia_clinica.text_files:
    directory: /var/lib/historia-clinica/labs/lab
    directories:
      config: "0755"
    files:
      - path: config/citus-coordinator.conf
        content: "port = 15432\n"
      - path: config/citus-worker-1.conf
        content: "port = 15433\n"
"""

RETURN = r"""
changed_files:
  description: Paths, relative to O(directory), of the files that were written or removed.
  returned: always
  type: list
  elements: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    ensure_text,
)


def read_text(path: str) -> str:
    """The text of ``path``; nothing where there is no file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "mode": {"type": "str", "default": "0755"},
            "directories": {"type": "dict", "default": {}},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "str", "required": True},
                    "content": {"type": "str", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                },
            },
            "purge": {"type": "list", "elements": "str", "default": []},
            "owner": {"type": "str"},
            "group": {"type": "str"},
        },
        supports_check_mode=True,
    )
    base: str = module.params["directory"]
    owner = Ownership.of(module.params["owner"], module.params["group"])
    write = not module.check_mode
    changed_files: list[str] = []
    changed = False
    diffs: list[dict[str, Any]] = []
    try:
        directories = {"": module.params["mode"], **module.params["directories"]}
        for path, mode in directories.items():
            full = os.path.normpath(os.path.join(base, path))
            changed |= ensure_directory(full, int(str(mode), 8), owner, write)
        for entry in module.params["files"]:
            full = os.path.join(base, entry["path"])
            before = read_text(full)
            if ensure_text(full, entry["content"], int(entry["mode"], 8), owner, write):
                changed_files.append(entry["path"])
                diffs.append(
                    {
                        "before": before,
                        "after": entry["content"],
                        "before_header": full,
                        "after_header": full,
                    }
                )
        wanted = {os.path.normpath(entry["path"]) for entry in module.params["files"]}
        for folder in module.params["purge"]:
            full = os.path.join(base, folder)
            if not os.path.isdir(to_bytes(full)):
                continue
            for parent, _, names in os.walk(full):
                if os.path.basename(parent) == "__pycache__":
                    continue
                for name in sorted(names):
                    path = os.path.join(parent, name)
                    relative = os.path.relpath(path, base)
                    if relative not in wanted:
                        diffs.append(
                            {
                                "before": read_text(path),
                                "after": "",
                                "before_header": path,
                                "after_header": path,
                            }
                        )
                        changed_files.append(relative)
                        if write:
                            os.unlink(path)
    except (OSError, LookupError, ValueError) as error:
        module.fail_json(msg=f"{base}: {error}", changed=bool(changed_files) or changed)
    module.exit_json(changed=bool(changed_files) or changed, changed_files=changed_files, diff=diffs)


if __name__ == "__main__":
    main()
