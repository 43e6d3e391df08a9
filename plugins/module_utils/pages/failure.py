# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a person reads of a task that failed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import invocation_of, psql
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row, paragraph

#: Lines of a failed program's output that are shown.
LAST_WORDS = 15


def failure_page(result: Row) -> str:
    """What a person needs of a task that failed: what is wrong, the problems one by one, a program's last words.

    Args:
        result: what the task gave; ``problems`` are those of the module ``preflight``.
    """
    said = str(result.get("msg") or result.get("censored") or "no reason was given").strip().splitlines()
    lines = [
        f"  {line}".rstrip() for line in said
    ]  # as it is: a command that is broken over two lines cannot be copied
    for problem in result.get("problems", []):
        lines += ["", f"  {problem['id']}"]
        for heading in ("found", "needed"):
            lines += paragraph(problem[heading], indent=" " * 13, first=f"    {heading:9}")
        lines += [f"    fix      {problem['remedy'].rstrip()}"]  # in one line, as it is to be typed
    for stream in ("stderr", "module_stderr", "stdout", "module_stdout"):
        words = str(result.get(stream) or "").rstrip().splitlines()
        if words:
            lines += ["", f"  {stream.removeprefix('module_')}:", *(f"    {line}" for line in words[-LAST_WORDS:])]
    return "\n".join(lines)


def stop_page(result: Row, task: str, transactions: Sequence[Row], lab: Row) -> str:
    """Why a task on the database failed; where it waited for somebody, for whom, and what ends that.

    Args:
        result: of the task: of a statement, or of a command.
        task: its name.
        transactions: the rows of `lab.open_transactions`, where it waited for a lock.
        lab: the fact that the role preflight gives.
    """
    command = "stderr" in result
    said = failure_page(result) if command else server_said(str(result.get("msg") or "no reason was given"))
    lines = [f"{task}:\n{said}" if command else f"{task}: {said}"]
    if waited_in_vain(result) and not transactions:
        lines += ["Who held what it waited for has let go of it since: run this again."]
    elif transactions:
        lines += ["These have a transaction open, which may hold what it waited for:"]
        for row in transactions:
            what = ", ".join(word for word in (row["state"], f"last statement {row['statement']}") if word)
            text = (
                f"process {row['pid']} on {row['node_name']}: {row['login']}, since {row['since']}, {what}. To end it:"
            )
            lines += paragraph(text, "    ", "  - ")
            ending = f"SELECT lab.end_session('{row['node_name']}', {row['pid']})"
            lines += [f'    echo "{ending}" | {psql(invocation_of(lab), lab)}']
        lines += ["Then run this again."]
    return "\n".join(lines)


def waited_in_vain(result: Row) -> bool:
    """Whether a task on the database failed because it was not given a lock in time."""
    said = " ".join(str(result.get(part) or "") for part in ("msg", "stderr", "log"))
    return "lock timeout" in said or "statement timeout" in said


def server_said(message: str) -> str:
    """What the server said, of a module's long message: without the statement, its arguments, where it stood, and people's data."""
    message = message.split(", query list: ")[0]
    message = re.sub(r"^.*(?:\}|None): ", "", message, flags=re.DOTALL)
    return without_values(re.sub(r"\s+CONTEXT:.*$", "", message, flags=re.DOTALL).strip())


def without_values(message: str) -> str:
    """A server's message without what it quotes of rows: `Key (cedula)=(...)`, `Failing row contains (...)`, a value that did not fit."""
    message = re.sub(
        r"(Key \(.*?\)=)\(.*?\)(?= (?:already|is|conflicts)|$)", r"\1(…)", message, flags=re.DOTALL | re.MULTILINE
    )
    message = re.sub(r"(Failing row contains ).*$", r"\1(…).", message, flags=re.MULTILINE)
    return re.sub(r"((?:invalid|malformed|out of range)[^\n\"]*: )\".*?\"$", r'\1"…"', message, flags=re.MULTILINE)


def first_error(message: str) -> str:
    """The one sentence of a module's long message: what the server said, without the statement."""
    message = re.sub(r"^Cannot execute SQL '.*?' (?:None|\{.*?\}): ", "", message, flags=re.DOTALL)
    lines = [line.strip() for line in without_values(message.split(", query list:")[0]).splitlines() if line.strip()]
    return lines[0] if lines else "no answer"
