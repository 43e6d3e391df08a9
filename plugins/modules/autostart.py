#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Let a lab start by itself after a reboot, or not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: autostart
short_description: Let a lab start by itself after a reboot, or not
description:
  - Takes systemd where it runs the machine, else cron, on macOS launchd. Root's labs start with the machine, as their own
    user; a user's with systemd or launchd when the user logs in (with systemd before that, once the user lingers).
  - What is started is the lab's own program C(bin/boot.py), with the runtime's Python. It becomes the lab's supervisor; for a
    lab in Minikube it starts the profile first. Neither Ansible nor a checkout is needed then.
  - Starts and stops nothing now.
options:
  lab:
    description: The fact C(lab) that the role preflight gives.
    type: dict
    required: true
  state:
    description: Whether the lab starts by itself.
    type: str
    choices: ['on', 'off']
    default: 'on'
attributes:
  check_mode:
    support: full
    description: Says what would be written or removed.
  diff_mode:
    support: full
    description: Shows each file, or the crontab, before and after.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Let it start by itself
  aula.historia_clinica.autostart:
    lab: "{{ ansible_facts['lab'] }}"
"""

RETURN = r"""
method:
  description: What starts the lab, in words; empty where nothing does from now on.
  returned: always
  type: str
waits_for:
  description: The user whose log-in it waits for; empty where it starts with the machine.
  returned: always
  type: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils import autostart
from ansible_collections.aula.historia_clinica.plugins.module_utils.autostart import BootMethod, Host
from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import command, invocation_of
from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    ensure_text,
)


class Hand:
    """Applies file changes (in check mode only records them) and collects the diff."""

    def __init__(self, write: bool) -> None:
        self.write = write
        self.diff: list[dict[str, str]] = []
        self.changed = False

    def text(self, path: str, text: str, mode: int, owner: Ownership) -> None:
        """Let a file have a text; none where it is empty."""
        before = _read(path)
        if text:
            if self.write:
                ensure_directory(os.path.dirname(path), 0o755, Ownership())
            changed = ensure_text(path, text, mode, owner, self.write)
        else:
            changed = os.path.lexists(path)
            if changed and self.write:
                os.unlink(path)
        if changed:
            self._told(path, before, text)

    def link(self, path: str, target: str) -> None:
        """Let a symbolic link lead to a file; none where the target is empty."""
        before = os.readlink(path) if os.path.islink(path) else ""
        if before == target:
            return
        if self.write:
            if os.path.lexists(path):
                os.unlink(path)
            if target:
                ensure_directory(os.path.dirname(path), 0o755, Ownership())
                os.symlink(target, path)
        self._told(path, before and f"link to {before}\n", target and f"link to {target}\n")

    def crontab(self, program: str, line: str, name: str) -> None:
        """Let the user's crontab have a line for a lab, or none."""
        before = autostart.read_crontab(program)
        after = autostart.crontab_with(before, line, name)
        if before == after:
            return
        if self.write:
            autostart.write_crontab(program, after)
        self._told("crontab", before, after)

    def _told(self, name: str, before: str, after: str) -> None:
        self.changed = True
        self.diff.append({"before_header": name, "after_header": name, "before": before, "after": after})


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def switch(hand: Hand, lab: dict[str, Any], host: Host, wanted: BootMethod | None) -> None:
    """Let one method start a lab, and no other.

    Raises:
        OSError: something cannot be read, written or removed.
    """
    for method in autostart.boot_methods(lab, host):
        on = wanted is not None and method.name == wanted.name
        if method.link and not on:
            hand.link(method.link, "")
        if method.path:
            hand.text(method.path, method.text if on else "", 0o644, Ownership())
        elif host.crontab:
            hand.crontab(host.crontab, method.text if on else "", lab["name"])
        if method.link and on:
            hand.link(method.link, os.path.join("..", os.path.basename(method.path)))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["on", "off"], "default": "on"},
        },
        supports_check_mode=True,
    )
    lab, host = module.params["lab"], autostart.this_host()
    wanted = autostart.pick_method(autostart.boot_methods(lab, host), host) if module.params["state"] == "on" else None
    if module.params["state"] == "on":
        if wanted is None:
            module.fail_json(
                msg="This machine has neither systemd nor cron, which could start the lab. Install cron (sudo apt install cron,"
                f" sudo dnf install cronie), or start the lab by hand after a reboot: {command(invocation_of(lab), 'start')}"
            )
        program = autostart.boot_path(lab["directory"])
        if not os.path.exists(program):
            module.fail_json(
                msg=f"There is no {program}, which starts the lab: {command(invocation_of(lab), 'lab')} brings it."
            )
    hand = Hand(not module.check_mode)
    try:
        switch(hand, lab, host, wanted)
    except (OSError, KeyError) as error:
        module.fail_json(msg=str(error), changed=hand.changed)
    waits = wanted is not None and not host.root and wanted.name != "cron" and not autostart.lingers(lab["user"])
    module.exit_json(
        changed=hand.changed,
        diff=hand.diff,
        method=wanted.says if wanted else "",
        waits_for=lab["user"] if waits else "",
    )


if __name__ == "__main__":
    main()
