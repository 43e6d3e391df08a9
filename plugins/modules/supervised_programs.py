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
  - Root writes the configuration; the O(owner), as which the programs run, does the rest. Nothing that the O(owner) could have replaced
    is run or read as root.
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
import subprocess
import sys
import xmlrpc.client
from collections.abc import Callable
from typing import Any, TypeVar

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership, is_of_another_user

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

Answer = TypeVar("Answer")


def owner_of(parameters: dict[str, Any]) -> Ownership:
    """Who runs the programs; where that user has gone before them, whoever has their logs.

    Raises:
        KeyError: there is no such user, who should run something.
    """
    try:
        return Ownership.of(parameters["owner"], parameters["group"])
    except KeyError:
        if parameters["state"] != "stopped":
            raise
    try:
        found = os.lstat(os.path.dirname(Places(parameters["directory"]).log))
    except OSError:
        return Ownership()
    return Ownership(found.st_uid, found.st_gid)


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
    """Take programs out of the configuration; their names, as far as they were there."""
    paths = {name: os.path.join(supervisor.places.programs, f"{name}.conf") for name in names}
    there = [name for name, path in paths.items() if os.path.exists(path)]
    for name in [] if check else there:
        os.unlink(paths[name])
    return there


def start(
    supervisor: Supervisor, programs: list[Program], timeout: int, check: bool, differs: bool
) -> tuple[bool, list[str]]:
    """Start what does not run, and take over a configuration that differs from what runs.

    Returns:
        Whether a supervisor runs already, and what was started.
    """
    running = supervisor.is_running()
    states = supervisor.states()
    chosen = {program.name for program in programs}
    asleep = [
        name for name, info in states.items() if info["statename"] not in ALIVE and (not programs or name in chosen)
    ]
    lingering = [name for name in supervisor.lingering() if not programs or name in chosen]
    absent = [program.name for program in programs if program.name not in states]
    started = sorted({*asleep, *absent, *lingering}) if running else [program.name for program in programs]
    if not check:
        if not running:
            supervisor.start()
        else:
            if differs:
                started = sorted({*started, *supervisor.apply()})
            for name, info in supervisor.states().items():
                if name in asleep and info["statename"] not in ALIVE:
                    supervisor.rpc.startProcess(name, False)
            supervisor.end_lingering(lingering)
        supervisor.wait_until_ready(programs, timeout)
    return running, started


def told(work: Callable[[], Answer]) -> Callable[[], Answer]:
    """The same work, where what supervisord refuses is an error in words."""

    def done() -> Answer:
        try:
            return work()
        except xmlrpc.client.Fault as fault:
            raise SupervisionError(f"supervisord: {fault.faultString}") from fault

    return done


def mend(supervisor: Supervisor) -> bool:
    """Undo what `make chaos` has left, where it was killed; whether there was something.

    Raises:
        SupervisionError: that does not go.
    """
    directory = supervisor.places.directory
    program = os.path.join(directory, "bin", "fault.py")
    left = os.path.join(directory, "run", "fault.json")
    if not (os.path.exists(program) and supervisor.owner.act(lambda: os.path.exists(left))):
        return False

    def undo() -> str:
        done = subprocess.run(
            [sys.executable, program, f"--directory={directory}", "--undo"],
            capture_output=True,
            text=True,
            cwd="/",
            env=supervisor.environment,
            check=False,
        )
        return done.stdout if done.returncode else ""

    if said := supervisor.owner.act(undo):
        raise SupervisionError(f"a fault of chaos is still there, and is not undone: {said.strip()}")
    return True


def bring(supervisor: Supervisor, parameters: dict[str, Any], check: bool) -> dict[str, Any]:
    """Take programs in and out of the configuration, and let the lab's user run them."""
    programs = [
        Program(**{**p, "environment": {k: str(v) for k, v in p["environment"].items()}})
        for p in parameters["programs"]
    ]
    # What was made before root kept the configuration is run as it is, until root has the directory.
    kept = not programs and is_of_another_user(supervisor.places.directory)
    removed = remove(supervisor, parameters["remove"], check)
    differences = {} if kept else supervisor.differences(programs)
    if differences and not check:
        supervisor.write(differences)
    differs = bool(differences or removed)
    running, started = supervisor.owner.act(
        told(lambda: start(supervisor, programs, parameters["timeout"], check, differs))
    )
    return {
        "changed": bool(differs or started) or not running,
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
        owner = owner_of(parameters)
        supervisor = Supervisor(Places(parameters["directory"]), owner)
        if not os.path.isdir(parameters["directory"]):
            if parameters["state"] == "stopped":
                module.exit_json(**owner.act(told(lambda: stop(supervisor, check))))
            if check:
                module.exit_json(changed=True, started=[program["name"] for program in parameters["programs"]])
            raise SupervisionError("there is no lab in it")
        with locked(supervisor.places, owner, not check):
            mended = not check and mend(supervisor)
            if parameters["state"] == "stopped":
                result = owner.act(told(lambda: stop(supervisor, check)))
            elif parameters["state"] == "restarted":
                result = owner.act(told(lambda: restart(supervisor, parameters["names"], check)))
            else:
                result = bring(supervisor, parameters, check)
        result["changed"] |= mended
    except (SupervisionError, OSError, KeyError) as error:
        module.fail_json(msg=f"{parameters['directory']}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
