# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Move a lab's shards to the end, and say in between how far it is."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.aula.historia_clinica.plugins.module_utils.moves.report import progress_line

display = Display()
#: Seconds between two lines, and those after which a run that moved nothing gives up.
BETWEEN, PATIENCE = 5.0, 300.0


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """The action."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the module until it is done, or nothing has moved for too long."""
        super().run(tmp, task_vars)
        name = "aula.historia_clinica.shard_moves"
        result: dict[str, Any] = self._execute_module(name, task_vars=task_vars)
        if self._task.args.get("state", "balanced") != "balanced" or self._task.check_mode:
            return result
        host = str((task_vars or {}).get("inventory_hostname", ""))
        moved: list[dict[str, int]] = []
        changed, before, said, line, waiting = False, -1, 0.0, "", ""
        since = time.monotonic()
        while not result.get("failed"):
            # One engine tells what this call moved, the other what its job has moved so far.
            moved = (result["moved"] or moved) if result["background"] else moved + result["moved"]
            changed = changed or bool(moved)
            now = time.monotonic()
            if len(moved) != before:
                before, since = len(moved), now
            progress = progress_line(moved, result["left"])
            if progress != line and (moved or result["left"]) and (result["done"] or now - said > BETWEEN):
                said, line = now, progress
                display.display(f"         {host}: {line}")
            waits = "; ".join(result["waits"])
            if waits and waits != waiting:
                display.display(f"         {host}: waits: {waits}")
            waiting = waits
            if result["done"]:
                return {**result, "changed": changed}
            if waits and now - since > PATIENCE:
                lasted = f"Nothing has moved for {now - since:.0f} s: {waits}."
                return {**result, "failed": True, "msg": f"{lasted} Run this again: it goes on."}
            result = self._execute_module(name, task_vars=task_vars)
        return result
