#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Generate the passwords and keys of a lab once, and keep them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credentials
short_description: Generate the passwords and keys of a lab once, and keep them
description:
  - Keeps one password file of libpq for each login (C(LOGIN.pgpass), mode 0600) in a directory (mode 0700), and
    C(nodes.pgpass) with all of them (O(nodes)), which the servers read to log in to each other.
  - Keeps one file for each kind of key too (C(NAME.keys), mode 0600), a secret in each line, the newest first, and behind an older one,
    after a tab, until when it is believed (M(aula.historia_clinica.rotation)).
  - What is there stays; what is missing is generated, 32 characters from the system's random source.
  - Use it with C(no_log), since it returns the passwords and the keys.
options:
  directory:
    description: Absolute path of the directory. It is made if missing; its parent must be there.
    type: path
    required: true
  logins:
    description: Names of the logins.
    type: list
    elements: str
    required: true
  keys:
    description: Names of the kinds of keys.
    type: list
    elements: str
    default: []
  nodes:
    description: Whether the servers log in to each other with these passwords. If not, C(nodes.pgpass) is left alone.
    type: bool
    default: true
  owner:
    description: >-
      Owner of the files, which libpq takes from nobody else. Where root names another user, the directory is root's, and the user replaces
      nothing in it.
    type: str
  group:
    description: Group of the files.
    type: str
attributes:
  check_mode:
    support: full
    description: Says what would change; passwords and keys that do not exist yet are empty.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Generate credentials
  aula.historia_clinica.credentials:
    directory: /var/lib/historia-clinica/labs/lab/credentials
    logins: [admin, middleware]
    keys: [signing]
  register: workspace_credentials
  no_log: true
"""

RETURN = r"""
passwords:
  description: The password of each login.
  returned: always
  type: dict
keys:
  description: The content of the file of each kind of key.
  returned: always
  type: dict
generated:
  description: The logins whose password was generated now, and the files of keys (C(NAME.keys)).
  returned: always
  type: list
  elements: str
"""

import os
import secrets
import string

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    ensure_text,
    read_text,
    see_that_nobody_else_writes,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.rotation import (
    password_file,
    password_line,
    read_password,
)

# Letters and digits: they need no quoting in a password file, a URL or a shell.
ALPHABET = string.ascii_letters + string.digits
LENGTH = 32


def read_keys(path: str) -> str:
    """The content of the file of keys at ``path``; empty where there is none."""
    return read_text(path, "ascii") or ""


def random_secret() -> str:
    """A new password or key."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "logins": {"type": "list", "elements": "str", "required": True},
            "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},  # names, not keys
            "nodes": {"type": "bool", "default": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
        },
        supports_check_mode=True,
    )
    directory: str = module.params["directory"]
    owner = Ownership.of(module.params["owner"], module.params["group"])
    write = not module.check_mode
    passwords: dict[str, str] = {}
    generated: list[str] = []
    keys: dict[str, str] = {}
    try:
        if write:
            see_that_nobody_else_writes(os.path.dirname(directory))
        changed = ensure_directory(directory, owner.mode(0o700), owner.readable, write)
        for login in module.params["logins"]:
            path = os.path.join(directory, f"{login}.pgpass")
            password = read_password(read_text(path) or "", login)
            if not password:
                generated.append(login)
                if write:
                    password = random_secret()
            passwords[login] = password
            if password:
                changed |= ensure_text(path, password_line(login, password), 0o600, owner, write)
        if module.params["nodes"] and all(passwords.values()):
            path = os.path.join(directory, "nodes.pgpass")
            changed |= ensure_text(path, password_file(passwords), 0o600, owner, write)
        for name in module.params["keys"]:
            path = os.path.join(directory, f"{name}.keys")
            keys[name] = read_keys(path)
            if not keys[name]:
                generated.append(f"{name}.keys")
                keys[name] = random_secret() + "\n" if write else ""
            if keys[name]:
                changed |= ensure_text(path, keys[name], 0o600, owner, write)
    except (OSError, KeyError, ValueError) as error:
        module.fail_json(msg=f"{directory}: {error}")
    module.exit_json(changed=changed or bool(generated), passwords=passwords, keys=keys, generated=generated)


if __name__ == "__main__":
    main()
