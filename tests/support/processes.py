"""What the tests ask of a process."""

from __future__ import annotations

import psutil


def runs(pid: int) -> bool:
    """Whether a process of this number runs; one that only waits for its parent to take note of its end does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
