#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Keep a lab's programs running under its supervisor."""

from __future__ import annotations

DOCUMENTATION = r"""
module: supervised_programs
short_description: Keep a lab's programs running under its supervisor
description:
  - Each lab has one C(supervisord) that runs the lab's programs in the foreground and starts again what dies. This module
    writes its configuration, starts it, and takes programs in, restarts, stops or removes them.
  - Waits until the programs serve, and fails with the last lines of the log of the one that does not.
  - Runs with the interpreter of the runtime environment, which has the packages supervisor and psutil.
options:
  directory:
    description: Absolute path of the lab's directory.
    type: path
    required: true
  owner:
    description: User that the supervisor and its programs run as. Only root can choose.
    type: str
  group:
    description: Group that they run as.
    type: str
  state:
    description:
      - V(started) takes the programs in and starts what does not run. Without O(programs) it starts what the lab has.
      - V(stopped) stops the supervisor and all its programs; everything is kept.
      - V(restarted) restarts the programs in O(names).
    type: str
    choices: [started, stopped, restarted]
    default: started
  names:
    description: Programs to restart, with O(state=restarted).
    type: list
    elements: str
    default: []
  programs:
    description: Programs to take in. Others that the lab has are left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      command:
        description: Its absolute path and its arguments.
        type: list
        elements: str
        required: true
      environment:
        description: Its environment variables.
        type: dict
        default: {}
      stop_signal:
        description: The signal that ends it in good order.
        type: str
        default: TERM
      stop_seconds:
        description: Seconds until it is killed if it does not end.
        type: int
        default: 30
      priority:
        description: Programs with a lower one start first and stop last.
        type: int
        default: 100
      ready:
        description: A command that ends with status 0 once the program serves.
        type: list
        elements: str
        default: []
  remove:
    description: Programs to stop and forget.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait until the programs serve.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
    description: Says what would be started, restarted, stopped or removed.
  diff_mode:
    support: full
    description: Shows the configuration before and after.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Run the middleware
  aula.historia_clinica.supervised_programs:
    directory: /var/lib/historia-clinica/labs/lab
    programs:
      - name: middleware
        command: [/var/lib/historia-clinica/runtime/bin/python, -m, historia_clinica.server, --port=8080]
"""

RETURN = r"""
started:
  description: Programs that were started or restarted.
  returned: always
  type: list
  elements: str
"""

import os
import xmlrpc.client
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership

try:
    from ansible_collections.aula.historia_clinica.plugins.module_utils.supervision import (
        ALIVE,
        Places,
        Program,
        SupervisionError,
        Supervisor,
        locked,
    )
except ImportError as error:  # the interpreter is not the runtime's
    MISSING: ImportError | None = error
else:
    MISSING = None


def stop(supervisor: Supervisor, check: bool) -> dict[str, Any]:
    """Stop everything, also what a supervisor that was killed has left, in a directory that is gone."""
    running = supervisor.is_running() or bool(supervisor.left())
    if not check:
        supervisor.stop()
    return {"changed": running, "started": []}


def restart(supervisor: Supervisor, names: list[str], check: bool) -> dict[str, Any]:
    """Restart programs by name."""
    if not check:
        for name in names:
            supervisor.restart(name)
    return {"changed": bool(names), "started": names}


def remove(supervisor: Supervisor, names: list[str], check: bool) -> list[str]:
    """Forget programs; their names, as far as they were there."""
    paths = {name: os.path.join(supervisor.places.programs, f"{name}.conf") for name in names}
    there = [name for name, path in paths.items() if os.path.exists(path)]
    if there and not check:
        for name in there:
            os.unlink(paths[name])
        if supervisor.is_running():
            supervisor.apply()
    return there


def start(supervisor: Supervisor, programs: list[Program], timeout: int, check: bool) -> dict[str, Any]:
    """Take programs in and start what does not run."""
    differences = supervisor.differences(programs)
    running = supervisor.is_running()
    states = supervisor.states()
    asleep = [
        name
        for name, info in states.items()
        if info["statename"] not in ALIVE and (not programs or name in {p.name for p in programs})
    ]
    lingering = [name for name in supervisor.lingering() if not programs or name in {p.name for p in programs}]
    absent = [program.name for program in programs if program.name not in states]
    started = sorted({*asleep, *absent, *lingering}) if running else [program.name for program in programs]
    if not check:
        if differences:
            supervisor.write(differences)
        if not running:
            supervisor.start()
        else:
            if differences:
                started = sorted({*started, *supervisor.apply()})
            for name, info in supervisor.states().items():
                if name in asleep and info["statename"] not in ALIVE:
                    supervisor.rpc.startProcess(name, False)
            supervisor.end_lingering(lingering)
        supervisor.wait_until_ready(programs, timeout)
    return {
        "changed": bool(differences or started) or not running,
        "started": started,
        "diff": [
            {"before": before, "after": after, "before_header": path, "after_header": path}
            for path, (before, after) in differences.items()
        ],
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "state": {"choices": ["started", "stopped", "restarted"], "default": "started"},
            "names": {"type": "list", "elements": "str", "default": []},
            "programs": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "command": {"type": "list", "elements": "str", "required": True},
                    "environment": {"type": "dict", "default": {}},
                    "stop_signal": {"type": "str", "default": "TERM"},
                    "stop_seconds": {"type": "int", "default": 30},
                    "priority": {"type": "int", "default": 100},
                    "ready": {"type": "list", "elements": "str", "default": []},
                },
            },
            "remove": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(
            msg=missing_required_lib(str(MISSING.name)) + " Run the role aula.historia_clinica.runtime first."
        )
    parameters = module.params
    check = module.check_mode
    try:
        owner = Ownership.of(parameters["owner"], parameters["group"])
        supervisor = Supervisor(Places(parameters["directory"]), owner)
        programs = [
            Program(**{**p, "environment": {k: str(v) for k, v in p["environment"].items()}})
            for p in parameters["programs"]
        ]
        if not os.path.isdir(parameters["directory"]):
            if parameters["state"] == "stopped":
                module.exit_json(**stop(supervisor, check))
            if check:
                module.exit_json(changed=True, started=[p.name for p in programs])
            raise SupervisionError("there is no lab in it")
        with locked(supervisor.places, owner):
            if parameters["state"] == "stopped":
                result = stop(supervisor, check)
            elif parameters["state"] == "restarted":
                result = restart(supervisor, parameters["names"], check)
            else:
                removed = remove(supervisor, parameters["remove"], check)
                result = start(supervisor, programs, parameters["timeout"], check)
                result["changed"] = result["changed"] or bool(removed)
    except xmlrpc.client.Fault as fault:
        module.fail_json(msg=f"{parameters['directory']}: supervisord: {fault.faultString}")
    except (SupervisionError, OSError, KeyError) as error:
        module.fail_json(msg=f"{parameters['directory']}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
