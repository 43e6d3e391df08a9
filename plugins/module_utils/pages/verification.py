# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The page of `verify`."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.lab import titled
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row, paragraph
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.evidence import FAIL, NOT_RUN, PASS


def verification_page(report: Row) -> str:
    """The verdicts as a table, what is broken with its remedy below."""
    marks = {PASS: "ok", FAIL: "BROKEN", NOT_RUN: "?"}
    lines = [f"Promises of {titled(report['lab'])} ({report['engine']})", ""]
    width = max(len(check["id"]) for check in report["checks"])
    for check in report["checks"]:
        head = f"  {marks[check['verdict']]:<7}  {check['id']:<{width}}  "
        lines += paragraph(check["found"], " " * len(head), head)
    for check in report["checks"]:
        if check["verdict"] == FAIL:
            # Each step begins a line, so that its command can be copied.
            steps = [f"    {step}" for step in check["remedy"].split("; ")]
            lines += ["", f"{check['id']}: {check['promise']}. To mend it:", *steps]
    total = len(report["checks"])
    end = f"{report['passed']} of {total} promises are kept"
    if report["not_run"]:
        end += f", {report['failed']} broken, {report['not_run']} could not be checked"
    return "\n".join([*lines, "", f"{end}."])
