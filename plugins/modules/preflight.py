#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Decide what a lab will be, and report every problem."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Decide what a lab will be, and report every problem
description:
  - Reads the choices, the lab's record, the machine and the cluster, and gives the fact C(lab), which every later role reads.
  - Whatever is wrong, missing, busy or too small is reported in one list, C(problems), each with a stable id, what was
    found, what is needed, and the command that fixes it. Then the module fails.
  - A cluster is asked through the runtime's Python. Where that is not there yet (check mode), or Minikube is still to
    be started, it is not looked at, and the reason of the target says so.
  - Changes nothing, ever.
  - The choices come as they were written, of any type, so that a wrong one is answered by that list too. None, an empty
    text and V(auto) leave a choice to the lab, which takes its record, or else the default.
options:
  name:
    description: The lab's name, 1 to 28 of a-z, 0-9 and hyphens.
    type: raw
    required: true
  target:
    description:
      - Where the nodes run, V(host), V(minikube) or V(kubernetes).
      - V(auto) is V(minikube) where that program and a working driver are there, else V(host); V(kubernetes) has to be
        asked for.
    type: raw
  engine:
    description:
      - What makes one database of many servers, V(citus) or V(postgres_fdw).
      - V(auto) is V(citus) where the servers have it, which in pods they do on amd64, else V(postgres_fdw).
    type: raw
  workers:
    description:
      - How many workers, 1 to 64. The default is 2.
      - A lab that is there keeps its own, whatever is chosen, and a warning says so; with O(purpose=scale) it gets these.
    type: raw
  directory:
    description: The lab's directory, absolute. The default lies in the state directory of the user.
    type: raw
  database_port:
    description: Port of the coordinator; on V(host) worker N has this one plus N. The default is 15432.
    type: raw
  api_port:
    description: Port of the middleware. The default is 8080.
    type: raw
  postgres_bin:
    description: Folder with postgres, initdb and psql, 17 or newer (V(host)). The default is the runtime's own.
    type: raw
  runtime_directory:
    description: The environment that the lab runs from. The default lies in the state directory of the user.
    type: raw
  kubeconfig:
    description: The file that names the cluster, absolute (V(kubernetes)).
    type: raw
  context:
    description: The cluster's name in it (V(kubernetes)); never the one that happens to be current.
    type: raw
  namespace:
    description: The pods' namespace. The default is C(hc-) and the lab's name.
    type: raw
  storage_class:
    description: Of the nodes' volumes. The default is the cluster's default.
    type: raw
  database_image:
    description: What the nodes' pods run. The default is C(docker.io/citusdata/citus:14.1.0) or C(docker.io/library/postgres:18).
    type: raw
  python_image:
    description: What the middleware's image is built on. The default is C(docker.io/library/python:3.11-slim).
    type: raw
  middleware_image:
    description: An image of the middleware that is there; without it, one is built.
    type: raw
  image_build_command:
    description: What builds the middleware's image where the cluster finds it (V(kubernetes)).
    type: raw
  minikube:
    description: The settings of the role minikube (profile, driver, cpus, memory, force, ...) by their names without C(minikube_).
    type: dict
    default: {}
  purpose:
    description:
      - V(build) checks everything.
      - V(renew) is V(build) of a lab that is removed first. What is left open is as the lab was, and nothing contradicts its record; the
        engine is decided anew where another target or another PostgreSQL is chosen.
      - V(scale) is V(build) of a lab that is there and runs, which gets O(workers) and is as its record says in all else.
      - V(use) is for a lab that is there (status, stop). The record is obeyed, whatever was chosen, and the machine's
        sizes and ports are not looked at. A missing lab is a problem.
      - V(remove) is V(use), but a record that is missing or broken is no problem. A directory that holds something
        else is.
    type: str
    choices: [build, renew, scale, use, remove]
    default: build
  unread:
    description: What was typed for a variable and left unread, as Ansible keeps it in C(_raw_params).
    type: str
    default: ""
  remembered:
    description: The fact C(lab) of a lab that has just been removed, and is made anew; it stands in for the record.
    type: dict
    default: {}
  invocation:
    description:
      - How the person who started the run reaches the lab, as P(aula.historia_clinica.invocation#lookup) finds out, for the commands that remedies name.
      - Without it they are those of an installed collection without an inventory.
    type: dict
    default: {}
  run:
    description:
      - This run, as P(aula.historia_clinica.run#lookup) marks it. The lab is claimed for it, and another run that goes on is a
        problem, which says what it runs, whose it is and since when; or another host of this one.
      - Without it nothing is claimed, and nothing is changed.
    type: str
attributes:
  check_mode:
    support: full
    description: Claims nothing, and changes nothing anyway. In check mode a runtime that is not there yet is no problem.
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
        user_exists, own_user (made for the lab, and removed with it), database, database_port, api_port, postgres_bin, postgres_version
        (empty in check mode while the runtime is not there, and in pods), runtime, runtime_state (there, gone, or wanted for the removal),
        python, interpreter (the same for modules, in an environment of the lab's), autostart (what starts it after a reboot, in words),
        autostart_possible (something here could), nodes (name, role, host, port of each, as the nodes reach each other),
        exists (recorded before), recorded (its record is as M(aula.historia_clinica.lab_record) would write it), data_made (its servers' data
        directories are as M(aula.historia_clinica.data_directories) would leave them), recorded_workers (how many it had then), absent (for
        whoever removes it, that nothing of it is there), listed (`make psql` finds it),
        way (how the person reaches it), libpq (environment of an administrator's connection; no password), environment (that,
        and where C(kubernetes.core) finds the cluster), owner (whose lab it is, as its namespace says). Empty on V(host)
        are kubeconfig, context, namespace, owner, database_image, python_image; middleware_image is empty where one is to
        be built, storage_class where it is the cluster's default, image_build_command where there is none.
      type: dict
problems:
  description: Every problem, in a fixed order; empty where nothing does.
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
      description: The command or the change that fixes it, with the end of its line.
      type: str
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils.machine import decide_on_machine
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import CHOICES, PURPOSES
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.decision import headline
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.record import busy
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import Run, claim


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "raw", "required": True},
            **{choice: {"type": "raw"} for choice in CHOICES},
            "minikube": {"type": "dict", "default": {}},
            "purpose": {"type": "str", "choices": list(PURPOSES), "default": "build"},
            "unread": {"type": "str", "default": ""},
            "remembered": {"type": "dict", "default": {}},
            "invocation": {"type": "dict", "default": {}},
            "run": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run = Run.parse(module.params["run"]) if module.params["run"] else None
    decision = decide_on_machine(module.params, dry=module.check_mode)
    for warning in decision.warnings:
        module.warn(warning)
    found = decision.problems
    if run and not module.check_mode:
        lab = {name: str(decision.lab[name]) for name in ("runtime", "name")}
        try:
            other = claim(lab["runtime"], lab["name"], run, take=not found)
        except OSError as error:
            module.fail_json(msg=f"The lab {lab['name']} cannot be claimed for this run: {error}")
        # What else is wrong may be what the other run is about to make.
        found = [busy(lab["name"], other, run)] if other else found
    # The list is shown once, as data: a message is printed twice. With its line's end, YAML shows a remedy as it is to be typed.
    problems = [{**asdict(problem), "remedy": f"{problem.remedy}\n"} for problem in found]
    if problems:
        module.fail_json(msg=headline(module.params["name"], found), problems=problems)
    module.exit_json(changed=False, ansible_facts={"lab": decision.lab}, problems=[])


if __name__ == "__main__":
    main()
