#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Give a student's account a key for SSH."""

from __future__ import annotations

DOCUMENTATION = r"""
module: account_key
short_description: Give a student's account a key for SSH
description:
  - Makes a pair of keys with C(ssh-keygen), kept where root alone reads it, and lets the public one in (C(~/.ssh/authorized_keys)).
  - The student's own keys stay. What lies in the account's home is written as the account, so that root follows no link of the student's.
options:
  account:
    description: The account.
    type: str
    required: true
  directory:
    description: Where the keys of all accounts are kept. It is made, with the mode 0700.
    type: path
    default: /etc/historia-clinica/keys
attributes:
  check_mode:
    support: full
    description: Says what would change; a key that is not made yet is empty.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Give the account a key
  aula.historia_clinica.account_key:
    account: asoto
  register: given
  no_log: true
"""

RETURN = r"""
key:
  description: The private key, for the student alone.
  returned: always
  type: str
"""

import os
import pwd
import subprocess

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    read_text,
)


def made(path: str, account: str, write: bool) -> bool:
    """Make the pair of keys, unless it is there; whether it was not.

    Raises:
        OSError: it cannot be made.
    """
    if os.path.exists(path) and os.path.exists(f"{path}.pub"):
        return False
    if write:
        for left in (path, f"{path}.pub"):  # half of a pair, of a run that was killed
            if os.path.exists(left):
                os.unlink(left)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"aula {account}", "-f", path]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"ssh-keygen: {done.stderr.strip()}")
    return True


def let_in(home: str, public: str, write: bool) -> bool:
    """Let a key in, as whoever runs this process; whether it was not.

    Raises:
        OSError: the file cannot be read or written.
    """
    folder = os.path.join(home, ".ssh")
    path = os.path.join(folder, "authorized_keys")
    text = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    if public in text.splitlines():
        return False
    if write:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        end = "" if not text or text.endswith("\n") else "\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(f"{end}{public}\n")
    return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "account": {"type": "str", "required": True},
            "directory": {"type": "path", "default": "/etc/historia-clinica/keys"},
        },
        supports_check_mode=True,
    )
    account, directory, write = module.params["account"], module.params["directory"], not module.check_mode
    path = os.path.join(directory, account)
    try:
        user = pwd.getpwnam(account)
        changed = ensure_directory(directory, 0o700, Ownership(), write)
        changed |= made(path, account, write)
        public = (read_text(f"{path}.pub") or "").strip()
        owner = Ownership(user.pw_uid, user.pw_gid)
        changed |= owner.act(lambda: let_in(user.pw_dir, public, write))
    except KeyError:
        module.fail_json(msg=f"There is no account {account} on this machine yet. Make it: make class")
    except (OSError, UnicodeError) as error:
        module.fail_json(msg=f"The key of {account}: {error}")
    module.exit_json(changed=changed, key=read_text(path) or "")


if __name__ == "__main__":
    main()
