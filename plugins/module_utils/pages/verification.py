# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The page of `verify`."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.lab import titled
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row, paragraph
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import FAIL, PASS, SKIPPED


def verification_page(report: Row) -> str:
    """The results as a table, each failed check with its remedy below."""
    marks = {PASS: "ok", FAIL: "FAILED", SKIPPED: "skipped"}
    lines = [f"Checks of {titled(report['lab'])} ({report['engine']})", ""]
    width = max(len(check["id"]) for check in report["checks"])
    for check in report["checks"]:
        head = f"  {marks[check['result']]:<7}  {check['id']:<{width}}  "
        lines += paragraph(check["found"], " " * len(head), head)
    for check in report["checks"]:
        if check["result"] == FAIL:
            # Each step begins a line, so that its command can be copied.
            steps = [f"    {step}" for step in check["remedy"].split("; ")]
            lines += ["", f"{check['id']}: {check['title']}. Fix:", *steps]
    total = len(report["checks"])
    end = f"{report['passed']} of {total} checks passed"
    if report["skipped"]:
        end += f", {report['failed']} failed, {report['skipped']} skipped"
    return "\n".join([*lines, "", f"{end}."])
