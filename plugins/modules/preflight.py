#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Decide what a lab will be, and report everything that stands in its way."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Decide what a lab will be, and report everything that stands in its way
description:
  - Reads the choices, the lab's record and the machine, and gives the fact C(lab), which every later role reads.
  - Whatever is wrong, missing, busy or too small is reported in one list, each with a stable id, what was found, what
    is needed, and the command that mends it. Then the module fails.
  - Changes nothing, ever.
  - The choices come as they were written, of any type, so that a wrong one is answered by that list too. None, an empty
    text and V(auto) leave a choice to the lab, which takes its record, or else the default.
options:
  name:
    description: The lab's name, 1 to 28 of a-z, 0-9 and hyphens.
    type: raw
    required: true
  target:
    description: Where the nodes run, V(host) so far.
    type: raw
  engine:
    description: What makes one database of many servers, V(citus) or V(postgres_fdw).
    type: raw
  workers:
    description: How many workers, 1 to 64. The default is 2.
    type: raw
  directory:
    description: The lab's directory, absolute. The default lies in the state directory of the user.
    type: raw
  database_port:
    description: Port of the coordinator; worker N has this one plus N. The default is 15432.
    type: raw
  api_port:
    description: Port of the middleware. The default is 8080.
    type: raw
  postgres_bin:
    description: Folder with postgres, initdb and psql, 17 or newer. The default is the runtime's own.
    type: raw
  runtime_directory:
    description: The environment that the lab runs from. The default lies in the state directory of the user.
    type: raw
  kubeconfig:
    description: Kept for the targets of a later release; the reasons say that it is not used.
    type: raw
  context:
    description: Kept for the targets of a later release; the reasons say that it is not used.
    type: raw
  purpose:
    description:
      - V(build) checks everything.
      - V(use) is for a lab that is there (status, stop). The record is obeyed, whatever was chosen, and the machine's
        sizes and ports are not looked at. A missing lab is a problem.
      - V(remove) is V(use), but a record that is missing or broken is no problem. A directory that holds something
        else is.
    type: str
    choices: [build, use, remove]
    default: build
attributes:
  check_mode:
    support: full
    description: Changes nothing anyway. In check mode a runtime that is not there yet is no problem.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Decide and check
  aula.historia_clinica.preflight:
    name: lab
    engine: citus
    postgres_bin: /usr/lib/postgresql/18/bin

- name: Find the lab that is to be stopped
  aula.historia_clinica.preflight:
    name: lab
    purpose: use
"""

RETURN = r"""
ansible_facts:
  description: What the lab is, as C(ansible_facts['lab']).
  returned: when there is no problem
  type: dict
  contains:
    lab:
      description: >-
        name, target, engine, reasons (a sentence each for target and engine), workers, directory, user, group, root,
        database, database_port, api_port, postgres_bin, postgres_version (empty in check mode while the runtime is not
        there), runtime, python, nodes (name, role, host, port of each), exists (recorded before), libpq (environment
        of an administrator's connection; no password).
      type: dict
problems:
  description: Everything that stands in the way, in a fixed order; empty where nothing does.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The problem's stable name; the role's README has all of them.
      type: str
    found:
      description: What is there, and where.
      type: str
    needed:
      description: What should be there.
      type: str
    remedy:
      description: The command or the change that mends it.
      type: str
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils.machine import examine
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight import (
    PURPOSES,
    Choices,
    report,
)

RAW = (
    "target",
    "engine",
    "workers",
    "directory",
    "database_port",
    "api_port",
    "postgres_bin",
    "runtime_directory",
    "kubeconfig",
    "context",
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "raw", "required": True},
            **{option: {"type": "raw"} for option in RAW},
            "purpose": {"type": "str", "choices": list(PURPOSES), "default": "build"},
        },
        supports_check_mode=True,
    )
    decision = examine(Choices(**module.params), dry=module.check_mode)
    problems = [asdict(problem) for problem in decision.problems]
    if problems:
        msg = report(module.params["name"], decision.problems)
        module.fail_json(msg=msg, problems=problems)
    module.exit_json(changed=False, ansible_facts={"lab": decision.lab}, problems=[])


if __name__ == "__main__":
    main()
