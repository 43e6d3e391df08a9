"""A child process that does not outlive its parent, however the parent ended.

A loader that is killed with -9 cannot stop the processes that make its rows, and they would go on writing for nobody.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def stop_with_parent() -> None:
    """End this process as soon as its parent is gone, if multiprocessing started it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), name="stop-with-parent", daemon=True).start()


def _watch(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
