# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Problems of memory and disk. The nodes of pods have the cluster's."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import remote_command
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.case import Case
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem

MIB = 1024 * 1024
MEMORY_BASE, MEMORY_PER_WORKER = 448 * MIB, 32 * MIB
DISK_BASE, DISK_PER_WORKER = 768 * MIB, 128 * MIB


def problems(case: Case) -> Iterator[Problem]:
    """What there is too little of."""
    plan, machine = case.plan, case.machine
    if plan.pods:
        return
    # A lab that runs has its memory already.
    running = any(listener.own for listener in machine.listeners.values())
    needed = MEMORY_BASE + MEMORY_PER_WORKER * plan.workers
    if machine.memory is not None and machine.memory < needed and not running:
        look = remote_command(case.choices.invocation, "ps aux | sort -rnk 4 | head")
        yield Problem(
            "memory-short",
            f"{machine.memory // MIB} MiB of memory are available",
            f"{needed // MIB} MiB for {plan.workers} workers",
            f"see what uses it: {look}; end what is not needed, or choose fewer workers",
        )
    needed = DISK_BASE + DISK_PER_WORKER * plan.workers
    if machine.disk is not None and machine.disk < needed and not machine.folder.obstacle:
        yield Problem(
            "disk-short",
            f"{machine.disk // MIB} MiB of disk are free at {machine.folder.nearest}",
            f"{needed // MIB} MiB for {plan.workers} workers",
            f"look: {case.there('df', '-h', machine.folder.nearest)}; make room, or choose a lab_directory elsewhere",
        )
