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
  - Where root names another O(owner), these are what root and the owner's programs read. Files and directories are root's; O(group) gets
    what their modes give the owner, but writing. Only the directories in O(private) become the owner's.
  - No link of another user's is followed.
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
    description: Directories below O(directory), with their modes. What other users have put right into them, and is not in O(files), goes.
    type: dict
    default: {}
  private:
    description: Directories below O(directory) in which O(owner) alone reads and writes, directly in it.
    type: list
    elements: str
    default: []
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
      Directories below O(directory) in which what is not in O(files) is removed. What Python compiles beside its
      source (C(__pycache__)) stays, unless another user has.
    type: list
    elements: str
    default: []
  owner:
    description: User whose programs read them. Only root can name another one than itself.
    type: str
  group:
    description: Group of that user.
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
import shutil
import stat
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    ensure_text,
    read_text,
)


def text_of(path: str) -> str:
    """The text of ``path``; nothing where there is no file, or something else."""
    try:
        return read_text(path) or ""
    except (OSError, ValueError):
        return ""


def with_parents(directories: dict[str, str]) -> dict[str, str]:
    """Directories and, before each, those on the way to it, which have its mode unless they are named themselves."""
    found: dict[str, str] = {}
    for path, mode in directories.items():
        for parent in list(reversed(PurePath(path).parents))[1:]:
            found.setdefault(str(parent), mode)
        found[os.path.normpath(path)] = mode
    return found


def strange(folder: str, wanted: set[str]) -> Iterator[str]:
    """The files in a folder, not below it, that are another user's and not wanted; of root's labs, as they were made before."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            found = entry.stat(follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode) and found.st_uid not in (0, os.geteuid()) and entry.path not in wanted:
                yield entry.path


def unwanted(folder: str, wanted: set[str]) -> Iterator[str]:
    """What lies in a folder, or below it, and is neither wanted nor holds something wanted.

    Args:
        folder: an absolute path.
        wanted: absolute paths of files.
    """
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if not entry.is_dir(follow_symlinks=False):
            if entry.path not in wanted:
                yield entry.path
        elif entry.name == "__pycache__":
            if entry.stat(follow_symlinks=False).st_uid != os.geteuid():
                yield entry.path
        elif any(path.startswith(entry.path + os.sep) for path in wanted):
            yield from unwanted(entry.path, wanted)
        else:
            yield entry.path


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "mode": {"type": "str", "default": "0755"},
            "directories": {"type": "dict", "default": {}},
            "private": {"type": "list", "elements": "str", "default": []},
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
        directories = with_parents(module.params["directories"])
        for path, mode in {"": module.params["mode"], **directories}.items():
            full = os.path.normpath(os.path.join(base, path))
            changed |= ensure_directory(full, owner.mode(int(str(mode), 8)), owner.readable, write)
        for path in module.params["private"]:
            changed |= ensure_directory(os.path.join(base, path), 0o700, owner, write)
        for entry in module.params["files"]:
            full = os.path.join(base, entry["path"])
            before = text_of(full)
            if ensure_text(full, entry["content"], owner.mode(int(entry["mode"], 8)), owner.readable, write):
                changed_files.append(entry["path"])
                diffs.append(
                    {
                        "before": before,
                        "after": entry["content"],
                        "before_header": full,
                        "after_header": full,
                    }
                )
        wanted = {os.path.normpath(os.path.join(base, entry["path"])) for entry in module.params["files"]}
        search = [
            *((folder, strange) for folder in module.params["directories"]),
            *((f, unwanted) for f in module.params["purge"]),
        ]
        for folder, look in search:
            full = os.path.normpath(os.path.join(base, folder))
            for path in list(look(full, wanted)) if os.path.isdir(full) else []:
                diffs.append({"before": text_of(path), "after": "", "before_header": path, "after_header": path})
                changed_files.append(os.path.relpath(path, base))
                if write and os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                elif write:
                    os.unlink(path)
    except (OSError, LookupError, ValueError) as error:
        module.fail_json(msg=f"{base}: {error}", changed=bool(changed_files) or changed)
    module.exit_json(changed=bool(changed_files) or changed, changed_files=changed_files, diff=diffs)


if __name__ == "__main__":
    main()
