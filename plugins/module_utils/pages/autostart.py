# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a person reads of a lab's start after a reboot."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import (
    Commands,
    command,
    invocation_of,
    remote_command,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.lab import titled
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row, paragraph


def after_reboot(lab: Row) -> str:
    """What becomes of a lab after a reboot, in a sentence, of the fact that the role preflight gives."""
    if lab["autostart"]:
        return f"After a reboot it starts by itself ({lab['autostart']})."
    commands = Commands(lab)
    by_itself = f"; by itself: {commands['autostart']}" if lab["autostart_possible"] else ""
    return f"After a reboot: {commands['start']}{by_itself}"


def autostart_page(lab: Row, result: Row) -> str:
    """What stands at the end of `make autostart`.

    Args:
        lab: the fact that the role preflight gives.
        result: of the module `autostart`.
    """
    invocation = invocation_of(lab)
    name = titled(lab["name"]).capitalize()
    if not result["method"]:
        return f"{name} does not start by itself. After a reboot: {command(invocation, 'start')}"
    lines = [f"{name} starts by itself after a reboot: {result['method']}."]
    if result["waits_for"]:
        lines += paragraph(f"It waits until {result['waits_for']} logs in.", "")
        if result["method"].startswith("systemd"):
            lines += ["To have it start with the machine (with sudo, where that is refused):"]
            linger = f"loginctl enable-linger {result['waits_for']}"
            lines += [f"  {remote_command(invocation, linger)}"]
    if lab["target"] == "minikube":
        lines += paragraph(f"Minikube's profile {lab['context']} is started too.", "")
    if lab["target"] == "kubernetes":
        lines += ["Its pods start with their cluster; here it is its local ports that open."]
    return "\n".join([*lines, f"To undo it: {command(invocation, 'autostart', autostart_state='off')}"])
