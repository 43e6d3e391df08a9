# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The check of locks: no session has waited for another one for long."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import (
    CheckFailed,
    Observations,
)

#: Seconds of a wait that nobody started by accident.
LONG_WAIT = 10


def no_long_waits(observations: Observations) -> str:
    """No session has waited for another one for long."""
    waits = observations.rows("waits")
    long = [wait_line(wait) for wait in waits if float(wait["seconds"]) >= LONG_WAIT]
    if long:
        raise CheckFailed("; ".join(long))
    return f"{len(waits)} wait, each for less than {LONG_WAIT} s" if waits else "nobody waits"


def wait_line(wait: Row) -> str:
    """A row of `lab.waits` as a sentence, without the statements, which may name people."""
    line = (
        f"{wait['waiting_login']} (process {wait['waiting_pid']} on {wait['waiting_node']}) has waited"
        f" {float(wait['seconds']):.0f} s for {wait['waits_for']}"
    )
    if wait["blocking_pid"] is not None:
        state = f", {wait['blocking_state']}" if wait["blocking_state"] else ""
        line += f", held by {wait['blocking_login']} (process {wait['blocking_pid']} on {wait['blocking_node']}{state})"
    return line
