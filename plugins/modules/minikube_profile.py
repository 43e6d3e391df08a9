#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Start, stop or delete a Minikube profile."""

from __future__ import annotations

DOCUMENTATION = r"""
module: minikube_profile
short_description: Start, stop or delete a Minikube profile
description:
  - Looks first, and starts only what does not run, since a C(start) of a running profile takes up to a minute and may restart
    its containers. A new start waits until node, DNS and storage work.
  - A profile that is there with other settings is used as it is; a warning says what differs, and the two ways out. It is
    never made anew.
  - A start that was interrupted is taken up. What one left that ended before Kubernetes began is deleted first.
  - Labs of a host that share a profile work on it one at a time, under a lock. A C(minikube start) by hand is waited for, too.
  - Every value may come as a person wrote it; a wrong one is answered with what is needed.
options:
  profile:
    description: The profile's name, and that of its kube context.
    type: raw
    default: historia-clinica
  state:
    description:
      - V(present) starts it where it does not run.
      - V(stopped) stops it; what is in it stays. One that is not there is not made.
      - V(absent) deletes it, with all that every lab has in it.
    type: str
    choices: [present, stopped, absent]
    default: present
  driver:
    description: What runs the node, such as V(docker) or V(podman). Empty leaves it to Minikube.
    type: raw
  container_runtime:
    description: What runs the containers, V(containerd), V(docker) or V(crio).
    type: raw
  cpus:
    description: How many CPUs a new profile may use, 2 or more; it gets fewer where the machine has fewer.
    type: raw
  memory:
    description: How much memory a new profile may use, V(1800m) or more; it gets less where the machine has less.
    type: raw
  kubernetes_version:
    description: Kubernetes of a new profile, such as V(v1.34.4). Empty leaves it to Minikube.
    type: raw
  addons:
    description: Addons to enable. Others are left alone.
    type: raw
  force:
    description: Whether C(--force) is passed. V(auto) passes it where root starts the profile, since Minikube refuses root.
    type: raw
  timeout:
    description: Seconds that a start may take, and that it may wait for another run's. A first start downloads up to 1 GB.
    type: int
    default: 1800
attributes:
  check_mode:
    support: full
    description: Says whether it would be started, stopped or deleted, and fails where it could not be.
  diff_mode:
    support: full
    description: Shows how it is, and how it will be.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Start a small profile
  aula.historia_clinica.minikube_profile:
    profile: small
    cpus: 2
    memory: 2g
  register: cluster

- name: Delete it
  aula.historia_clinica.minikube_profile:
    profile: small
    state: absent
"""

RETURN = r"""
context:
  description: The kube context of the profile.
  returned: success
  type: str
kubeconfig:
  description: The file that holds it.
  returned: success
  type: str
status:
  description: How the profile is now (in check mode, how it would be), V(running), V(stopped) or V(absent).
  returned: success
  type: str
before:
  description: How the profile was found, such as V(running), V(stopped), V(absent) or V(paused).
  returned: success
  type: str
profile:
  description: What it is; empty where it is not there.
  returned: success
  type: dict
  contains:
    driver:
      description: What runs its node.
      type: str
    container_runtime:
      description: What runs its containers.
      type: str
    cpus:
      description: How many it may use; 0 is no limit.
      type: int
    memory:
      description: How many MiB it may use; 0 is no limit.
      type: int
    kubernetes_version:
      description: Its Kubernetes.
      type: str
    addons:
      description: Those that are enabled.
      type: list
      elements: str
differences:
  description: In what it is not as wanted.
  returned: success
  type: list
  elements: dict
  contains:
    setting:
      description: The role's variable.
      type: str
    wanted:
      description: What is wanted.
      type: str
    found:
      description: What it has.
      type: str
notes:
  description: What a person should know of how it was started, a sentence each; they are shown as warnings, too.
  returned: success
  type: list
  elements: str
obstacles:
  description: Everything that keeps it from being started.
  returned: when something does
  type: list
  elements: dict
  contains:
    id:
      description: The obstacle's stable name.
      type: str
    found:
      description: What is there.
      type: str
    needed:
      description: What should be there.
      type: str
    remedy:
      description: The command or the change that fixes it.
      type: str
"""

import contextlib
import os
import shlex
import shutil
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.client import Minikube, start_arguments
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.drivers import (
    MinikubeState,
    fit,
    forces,
    inspect_minikube,
    start_problems,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import MinikubeError, explain
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.kubeconfig import has_current_context
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.lock import Lock, locked
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.profiles import (
    Profile,
    differences,
    next_step,
    report_differences,
    report_removed_node,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import program_environment
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.settings import Settings, read_settings
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem

CHOICES = ("driver", "container_runtime", "cpus", "memory", "kubernetes_version", "addons", "force")


class ObstructedError(Exception):
    """The profile cannot be started; ``problems`` has every problem."""

    def __init__(self, profile: str, found: list[Problem]) -> None:
        count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
        lines = [f"The Minikube profile {profile} cannot be worked on: {count}. Nothing of it was changed."]
        for number, problem in enumerate(found, 1):
            lines += [
                f"{number}. {problem.id}: {problem.found}",
                f"   needed: {problem.needed}",
                f"   remedy: {problem.remedy}",
            ]
        super().__init__("\n".join(lines))
        self.problems = found


@dataclass
class Outcome:
    """What came of it; the fields are those of RETURN."""

    changed: bool
    before: str
    status: str
    profile: Profile | None = None
    differences: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def present(minikube: Minikube, settings: Settings, timeout: float, lock: Lock | None) -> Outcome:
    """Let the profile run. Without a lock, only say what would be done."""
    status, _, profile = minikube.look()
    step = next_step(status, profile, minikube.began())
    outcome = Outcome(step != "nothing", status.kind, "running", profile)
    if step == "refuse":
        raise MinikubeError(report_removed_node(settings.profile, profile.driver if profile else "docker"))
    smaller = profile is not None and (0 < profile.cpus < settings.cpus or 0 < profile.memory < settings.memory)
    seen = inspect_minikube(settings, minikube.environment) if step != "nothing" or smaller else MinikubeState()
    fitted, notes, _ = fit(settings, seen)
    if step != "nothing":
        found = start_problems(seen, settings)
        if found:
            raise ObstructedError(settings.profile, found)
        if step in ("create", "clean"):
            outcome.notes += notes
        if seen.root and forces(seen, settings):
            outcome.notes.append(
                "Root starts Minikube with --force: it refuses root otherwise, and with it leaves out checks of its own"
                " (minikube_force: false forbids it)."
            )
        if lock:
            outcome.profile = profile = start(minikube, fitted, step, forces(seen, settings), timeout)
        elif step != "start":
            profile = None
    missing = [addon for addon in settings.addons if profile is None or addon not in (profile.addons or ())]
    if missing:
        outcome.changed = True
        if lock:
            for addon in missing:
                minikube.demand("addons", "enable", addon, f"--profile={settings.profile}", seconds=timeout)
            outcome.profile = profile = minikube.saved()[1]
    if status.kind == "full":
        outcome.notes.append(
            f"The disk of the Minikube profile {settings.profile} is almost full. Fix:"
            f" minikube ssh -p {shlex.quote(settings.profile)} -- sudo crictl rmi --prune"
        )
    if profile:
        outcome.differences = differences(fitted, profile)
    if outcome.differences:
        outcome.notes.append(report_differences(settings.profile, outcome.differences))
    return outcome


def start(minikube: Minikube, settings: Settings, step: str, force: bool, timeout: float) -> Profile:
    """Start the profile, and see that it runs; what it is."""
    if step == "clean":
        minikube.demand("delete", f"--profile={settings.profile}")
    # A person's current context is kept; one who has none gets this one.
    kubeconfig = minikube.read_kubeconfig()
    keep = has_current_context(kubeconfig)
    arguments = start_arguments(settings, step != "start", force, keep)
    output = minikube.demand(*arguments, seconds=timeout)
    status, _, profile = minikube.look()
    if status.kind not in ("running", "full") or profile is None:
        raise MinikubeError(
            f"{output.command} ended well, but the profile is {status.kind}. {explain(output, settings.profile)}"
        )
    return profile


def stopped(minikube: Minikube, settings: Settings, timeout: float, lock: Lock | None) -> Outcome:
    """Let the profile be stopped, if it is there. Without a lock, only say what would be done."""
    status, _, profile = minikube.look()
    quiet = profile is None or status.kind in ("absent", "stopped", "gone")
    if not quiet and lock:
        minikube.demand("stop", f"--profile={settings.profile}", "--output=json", seconds=timeout)
    return Outcome(not quiet, status.kind, "stopped" if profile else "absent", profile)


def absent(minikube: Minikube, settings: Settings, timeout: float, lock: Lock | None) -> Outcome:
    """Let there be no profile. Without a lock, only say what would be done."""
    status, there, _ = minikube.look()
    if there and status.kind == "unknown":
        # Minikube would forget the profile, and leave the node where it cannot reach it.
        found = start_problems(inspect_minikube(settings, minikube.environment), settings)
        if found:
            raise ObstructedError(settings.profile, found)
    if there and lock:
        output = minikube.demand("delete", f"--profile={settings.profile}", seconds=timeout)
        if minikube.saved()[0]:
            raise MinikubeError(
                f"{output.command} ended well, but the profile is still there. {explain(output, settings.profile)}"
            )
    if lock:
        lock.remove()
    return Outcome(there, status.kind, "absent")


STATES = {"present": present, "stopped": stopped, "absent": absent}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "profile": {"type": "raw", "default": "historia-clinica"},
            "state": {"choices": list(STATES), "default": "present"},
            **{choice: {"type": "raw"} for choice in CHOICES},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    settings, found = read_settings({choice: parameters[choice] for choice in ("profile", *CHOICES)})
    program = shutil.which("minikube", path=program_environment(os.environ)["PATH"])
    minikube = Minikube(program or "", settings.profile, os.environ)
    try:
        if found:
            raise ObstructedError(str(parameters["profile"]), found)
        if not program and parameters["state"] == "present":
            raise ObstructedError(settings.profile, start_problems(MinikubeState(), settings))
        if not program:
            outcome = Outcome(False, "absent", "absent")
        else:
            timeout = parameters["timeout"]
            with contextlib.ExitStack() as stack:
                lock = None
                if not module.check_mode:
                    lock = stack.enter_context(locked(minikube.home, settings.profile, timeout))
                outcome = STATES[parameters["state"]](minikube, settings, timeout, lock)
    except ObstructedError as error:
        module.fail_json(msg=str(error), obstacles=[asdict(problem) for problem in error.problems])
    except MinikubeError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The Minikube profile {settings.profile}: {error}")
    for note in outcome.notes:
        module.warn(note)
    profile: dict[str, Any] = {}
    if outcome.profile:
        profile = {**asdict(outcome.profile), "addons": sorted(outcome.profile.addons or ())}
        del profile["name"]
    module.exit_json(
        changed=outcome.changed,
        context=settings.profile,
        kubeconfig=str(minikube.kubeconfig),
        status=outcome.status,
        before=outcome.before,
        profile=profile,
        differences=outcome.differences,
        notes=outcome.notes,
        diff={
            "before": f"{settings.profile}: {outcome.before}\n",
            "after": f"{settings.profile}: {outcome.status if outcome.changed else outcome.before}\n",
        },
    )


if __name__ == "__main__":
    main()
