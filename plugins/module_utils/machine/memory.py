# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The memory that new processes can have."""

from __future__ import annotations

import importlib

from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.system import (
    number_in,
    read_text,
    word_after,
)


def available_memory() -> int | None:
    """The bytes that new processes can have without swapping, within the container's limit if there is one."""
    amounts = [number_in(word_after("MemAvailable:", read_text("/proc/meminfo")), 1024)]
    limit = number_in(read_text("/sys/fs/cgroup/memory.max"))
    used = number_in(read_text("/sys/fs/cgroup/memory.current"))
    if limit is not None and used is not None:
        reclaimable = number_in(word_after("inactive_file", read_text("/sys/fs/cgroup/memory.stat"))) or 0
        amounts.append(max(0, limit - used + reclaimable))
    known = [amount for amount in amounts if amount is not None]
    if known:
        return min(known)
    # Only where /proc does not say; the runtime has psutil.
    try:
        psutil = importlib.import_module("psutil")
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)
