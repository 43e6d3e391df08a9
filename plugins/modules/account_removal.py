#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Take from the server the accounts of students whose labs are gone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: account_removal
short_description: Take from the server the accounts of students whose labs are gone
description:
  - Removes the accounts that the role accounts made for these labs, with the files of their homes.
  - An account that was there before stays, with its files. It leaves the group C(aula), and the key of the handout lets nobody in any more.
  - An account that somebody is logged in to stays for now, and the module fails.
options:
  labs:
    description: The labs' names.
    type: list
    elements: str
    required: true
  directory:
    description: Where it is written down which account has which lab, and where the accounts' keys are.
    type: path
    default: /etc/historia-clinica
attributes:
  check_mode:
    support: full
    description: Says what would change.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Remove the accounts of two students
  aula.historia_clinica.account_removal:
    labs: [ana-soto, beto-nunez]
"""

RETURN = r"""
accounts:
  description: The accounts that were taken from their labs, whether removed or not.
  returned: success
  type: list
  elements: str
"""

import contextlib
import grp
import os
import pwd
import subprocess

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership, read_text
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.accounts import MADE, accounts_of

GROUP = "aula"


def run(*command: str) -> str:
    """Run a command; what it says where it fails, else nothing."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return (done.stderr.strip() or f"{command[0]} ended with {done.returncode}") if done.returncode else ""


def remove(account: str, directory: str) -> None:
    """Remove an account, or what a class gave to one that was there before.

    Raises:
        OSError: it stays.
    """
    key = os.path.join(directory, "keys", account)
    try:
        user = pwd.getpwnam(account)
    except KeyError:
        user = None
    if user and user.pw_gecos.split(",")[0] == MADE:
        said = run("userdel", "--remove", account)
        if said and _is_there(account):
            raise OSError(f"{said}. When nobody is logged in to it any more, repeat the command")
        if os.path.isdir(user.pw_dir):
            raise OSError(f"its home {user.pw_dir} cannot be removed: {said}")
    elif user:
        public = (read_text(f"{key}.pub") or "").strip()
        Ownership(user.pw_uid, user.pw_gid).act(lambda: let_out(user.pw_dir, public))
        if account in _members() and (said := run("gpasswd", "--delete", account, GROUP)):
            raise OSError(said)
    for path in (key, f"{key}.pub", os.path.join(directory, "accounts", account)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def let_out(home: str, public: str) -> None:
    """Let a key in no more, as whoever runs this process.

    Raises:
        OSError: the file cannot be read or written.
    """
    path = os.path.join(home, ".ssh", "authorized_keys")
    if not public or not os.path.exists(path):
        return
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        lines = file.readlines()
    kept = [line for line in lines if line.strip() != public]
    if kept != lines:
        new = f"{path}.new"
        with open(new, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(kept)
        os.chmod(new, os.stat(path).st_mode & 0o777)
        os.replace(new, path)


def _is_there(account: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(account))
    return False


def _members() -> list[str]:
    with contextlib.suppress(KeyError):
        return grp.getgrnam(GROUP).gr_mem
    return []


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "labs": {"type": "list", "elements": "str", "required": True},
            "directory": {"type": "path", "default": "/etc/historia-clinica"},
        },
        supports_check_mode=True,
    )
    directory = module.params["directory"]
    accounts = sorted(accounts_of(module.params["labs"], directory))
    stay = []
    for account in accounts if not module.check_mode else ():
        try:
            remove(account, directory)
        except (OSError, UnicodeError) as error:
            stay.append(f"{account}: {error}")
    if stay:
        module.fail_json(msg="\n".join(["These accounts stay:", *stay]), changed=len(stay) < len(accounts))
    module.exit_json(changed=bool(accounts), accounts=accounts)


if __name__ == "__main__":
    main()
