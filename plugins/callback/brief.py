# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Compact output: changed tasks, reports as plain text, each failure once."""

from __future__ import annotations

DOCUMENTATION = r"""
name: brief
type: stdout
short_description: What changes, a page as it is, a failure once
description:
  - A line for each task that changed something or failed, pages (of M(ansible.builtin.debug) and M(ansible.builtin.assert))
    without quotes or indent, and the recap.
  - While a task works, a terminal shows its name.
  - With C(-v) it is P(ansible.builtin.default#callback) in every respect.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout callback in the configuration
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ansible import constants
from ansible.plugins.callback.default import CallbackModule as Default

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.failure import failure_page


class CallbackModule(Default):  # type: ignore[misc]  # Ansible has no types
    """The callback."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "aula.historia_clinica.brief"

    def __init__(self) -> None:
        super().__init__()
        self._working = False

    @property
    def _brief(self) -> bool:
        return not self._display.verbosity

    def _line(self, text: str, color: str | None = None) -> None:
        self._erase()
        self._display.display(text, color=color)

    def _erase(self) -> None:
        if self._working:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
            self._working = False

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Say nothing: a playbook of a lab is one play, and the person has just named it."""
        if self._brief:
            self._play = play
        else:
            super().v2_playbook_on_play_start(play)

    def _task_start(self, task: Any, prefix: str | None = None) -> None:
        if not self._brief:
            super()._task_start(task, prefix)
        elif sys.stdout.isatty():
            self._erase()
            sys.stdout.write(f"… {name_of(task)}"[:79])
            sys.stdout.flush()
            self._working = True

    def v2_runner_on_ok(self, result: Any) -> None:
        """Show a change, or a page."""
        if not self._brief:
            super().v2_runner_on_ok(result)
            return
        if result.result.get("_ansible_verbose_always"):
            self._line(_page(result.result.get("msg", "")))
        elif result.result.get("changed"):
            self._line(f"changed  {self.host_label(result)}: {name_of(result.task)}", constants.COLOR_CHANGED)
        self._erase()
        self._handle_warnings(result.result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Show what failed, once."""
        if not self._brief:
            super().v2_runner_on_failed(result, ignore_errors)
        elif not ignore_errors and not has_rescue(result.task):
            self._failure(result, "FAILED  ")

    def _handle_exception(self, result: Any, use_stderr: bool = False) -> None:
        """Show no error of a task that hides its result: Ansible keeps that, and a module's may quote its arguments."""
        if "censored" in result:
            result.pop("exception", None)
        super()._handle_exception(result, use_stderr)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Show which machine does not answer, and why."""
        if not self._brief:
            super().v2_runner_on_unreachable(result)
        else:
            self._failure(result, "UNREACHABLE")

    def _failure(self, result: Any, verdict: str) -> None:
        self._line(f"{verdict} {self.host_label(result)}: {name_of(result.task)}", constants.COLOR_ERROR)
        for failed in failures_of(result.result):
            self._line(failure_page(failed), constants.COLOR_ERROR)
        self._handle_warnings(result.result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Leave it to the task's own line."""
        if not self._brief:
            super().v2_runner_item_on_ok(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Leave it to the task's own lines."""
        if not self._brief:
            super().v2_runner_item_on_failed(result)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Say nothing: its tasks speak."""
        if not self._brief:
            super().v2_playbook_on_include(included_file)

    def v2_on_file_diff(self, result: Any) -> None:
        """Show the difference that was asked for by C(--diff)."""
        self._erase()
        super().v2_on_file_diff(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Show the recap."""
        self._erase()
        super().v2_playbook_on_stats(stats)


def name_of(task: Any) -> str:
    """What a task is called."""
    return str(task.name or task.get_name()).strip()


def has_rescue(task: Any) -> bool:
    """Whether the failure is for other tasks to explain: those of the rescue of a block that it lies in, however deep."""
    while task is not None:
        parent = getattr(task, "_parent", None)
        rescue = getattr(parent, "rescue", None) or []
        if rescue and all(task._uuid != other._uuid for other in rescue):
            return True
        task = parent
    return False


def _page(message: Any) -> str:
    return "\n".join(map(str, message)) if isinstance(message, list) else str(message)


def failures_of(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The results that failed: the task's own, or those of its items."""
    failed = [item for item in result.get("results", []) if item.get("failed")]
    yield from failed or [result]
