# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The labs of a class, student by student, and one table at the end."""

from __future__ import annotations

DOCUMENTATION = r"""
name: classroom
type: stdout
short_description: The labs of a class, student by student, and one table at the end
description:
  - While labs are made, a terminal has a line for each student, which says what is being done. Where the output is no terminal, there is a
    line for each one who is ready, or has failed.
  - "At the end, one table: who is up, where, and after how many seconds; below it each failure with what to do. There is no recap."
  - With C(-v) it is P(ansible.builtin.default#callback) in every respect.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout callback, as C(make class) does
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

import shutil
import sys
import time
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.callback.brief import (
    CallbackModule as Brief,
)
from ansible_collections.aula.historia_clinica.plugins.callback.brief import (
    failures_of,
    has_rescue,
    name_of,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.classroom import (
    Progress,
    class_page,
    live_lines,
    plain_line,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.failure import failure_page, first_error

#: The tag of the task that ends the making of a lab.
LAST = "summary"
#: That of a task that says what a run leaves as it is.
LEFT = "left"
#: Seconds between two pictures of a terminal.
PAUSE = 0.2


class CallbackModule(Brief):
    """The callback."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "aula.historia_clinica.classroom"

    def __init__(self) -> None:
        super().__init__()
        self._students: dict[str, Progress] = {}
        self._begun = time.monotonic()
        self._drawn = 0
        self._drawn_at = 0.0

    def _task_start(self, task: Any, prefix: str | None = None) -> None:
        if not self._brief:
            super()._task_start(task, prefix)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Show what is being done for a student."""
        if not self._brief:
            super().v2_runner_on_start(host, task)
            return
        student = self._students.get(host.name)
        if student is None:
            whose = str(host.vars.get("student_name") or "")
            student = self._students[host.name] = Progress(host.name, whose, started=time.monotonic())
        student.task = name_of(task)
        self._draw()

    def v2_runner_on_ok(self, result: Any) -> None:
        """Count a change; note where the lab is, and that it is up."""
        if not self._brief:
            super().v2_runner_on_ok(result)
            return
        student = self._students[result.host.name]
        student.changed += bool(result.result.get("changed"))
        lab = (result.result.get("ansible_facts") or {}).get("lab")
        if lab:
            student.database_port, student.api_port = lab["database_port"], lab["api_port"]
            student.workers = lab["workers"]
        if LEFT in result.task.tags:
            student.left.append("\n".join(result.result["msg"]))
        if LAST in result.task.tags:
            self._finish(student)
        self._draw()

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Say nothing of what was not needed."""
        if not self._brief:
            super().v2_runner_on_skipped(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Note what failed, for the table."""
        if not self._brief:
            super().v2_runner_on_failed(result, ignore_errors)
        elif not ignore_errors and not has_rescue(result.task):
            self._fail(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Note which machine does not answer."""
        if not self._brief:
            super().v2_runner_on_unreachable(result)
        else:
            self._fail(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Show the table."""
        if not self._brief:
            super().v2_playbook_on_stats(stats)
            return
        now = time.monotonic()
        for student in self._students.values():
            student.finish(now)
        self._wipe()
        self._display.display(class_page(self._students.values(), now - self._begun))

    def _fail(self, result: Any) -> None:
        student = self._students[result.host.name]
        page = "\n".join(failure_page(failed) for failed in failures_of(result.result))
        problems = ", ".join(problem["id"] for problem in result.result.get("problems", []))
        student.reason = student.reason or problems or first_error(str(result.result.get("msg") or ""))
        student.failures.append((name_of(result.task), page))
        self._finish(student)

    def _finish(self, student: Progress) -> None:
        if student.finish(time.monotonic()) and not sys.stdout.isatty():
            self._display.display(plain_line(student))
        self._drawn_at = 0.0
        self._draw()

    def _draw(self) -> None:
        """Draw the students anew, over what was drawn before, unless that was a moment ago."""
        now = time.monotonic()
        if not sys.stdout.isatty() or now - self._drawn_at < PAUSE:
            return
        self._wipe()
        size = shutil.get_terminal_size()
        lines = live_lines(self._students.values(), size.columns - 1, size.lines)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        self._drawn, self._drawn_at = len(lines), now

    def _wipe(self) -> None:
        if self._drawn:
            sys.stdout.write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0
