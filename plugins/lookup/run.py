# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Which run of Ansible this is."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run
short_description: Which run of Ansible this is
description:
  - Gives the process of the run, by its number and the time when it started, as no other process of the machine is called;
    and, each behind a tab, the host of the inventory that it works for, the playbook, and the user who runs it.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Claim the lab for this run
  aula.historia_clinica.preflight:
    name: lab
    run: "{{ lookup('aula.historia_clinica.run') }}"
"""

RETURN = r"""
_raw:
  description: The mark of the process, the host, the playbook and the user.
  type: list
  elements: str
"""

import getpass
import multiprocessing
import os
from pathlib import PurePath
from typing import Any

from ansible import context
from ansible.plugins.lookup import LookupBase

from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import Run, process_mark


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible has no types
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Mark the run's process; its tasks have processes of their own, children of it."""
        parent = multiprocessing.parent_process()
        process = process_mark(parent.pid if parent and parent.pid else os.getpid())
        host = str((variables or {}).get("inventory_hostname", ""))
        playbook = " ".join(PurePath(str(each)).name for each in context.CLIARGS.get("args") or ())
        return [Run(process, host, playbook, _user()).text()]


def _user() -> str:
    """Who runs it, also behind sudo."""
    try:
        return (os.environ.get("SUDO_USER") if os.geteuid() == 0 else "") or getpass.getuser()
    except (KeyError, OSError):  # a user of no name, as in a container
        return str(os.geteuid())
