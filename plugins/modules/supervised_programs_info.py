#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Tell what a lab's supervisor runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supervised_programs_info
short_description: Tell what a lab's supervisor runs
description:
  - Gives the state, process, age and memory of the supervisor of a lab and of each of its programs.
options:
  directory:
    description: Absolute path of the lab's directory.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: It only reads.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Look at the processes
  aula.historia_clinica.supervised_programs_info:
    directory: /var/lib/historia-clinica/labs/lab
  register: status_processes
"""

RETURN = r"""
processes:
  description: >-
    One entry for the supervisor and one for each program, with C(name), C(state), C(pid), C(uptime_seconds) and
    C(memory_bytes) (its share of the memory, children included). Empty when the supervisor does not run.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership

try:
    from ansible_collections.aula.historia_clinica.plugins.module_utils.supervision import (
        Places,
        Supervisor,
    )
except ImportError as error:  # the interpreter is not the runtime's
    MISSING: ImportError | None = error
else:
    MISSING = None


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"directory": {"type": "path", "required": True}}, supports_check_mode=True)
    if MISSING:
        module.fail_json(
            msg=missing_required_lib(str(MISSING.name)) + " Run the role aula.historia_clinica.runtime first."
        )
    supervisor = Supervisor(Places(module.params["directory"]), Ownership())
    module.exit_json(changed=False, processes=supervisor.report())


if __name__ == "__main__":
    main()
