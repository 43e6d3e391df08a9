# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Checks of what lies open: files that others could replace, logs that name people."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import (
    CheckFailed,
    Observations,
)

#: How a server keeps rows and values out of its log: the role server_settings.
LOG_SETTINGS = {
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_statement": "none",
}
#: How many files are named.
NAMED = 3


def files_protected(observations: Observations) -> str:
    """What the lab's maker runs and reads, no other user can replace."""
    found = list(observations.replaceable)
    if found:
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        raise CheckFailed(f"another user can replace {', '.join(found[:NAMED])}{more}")
    return "programs and configuration are their maker's"


def logs_redacted(observations: Observations) -> str:
    """The coordinator writes no row and no value into its log."""
    found = {str(row["name"]): str(row["setting"]) for row in observations.rows("log-settings")}
    wrong = [
        f"{name} = {found.get(name, 'unknown')}" for name, value in LOG_SETTINGS.items() if found.get(name) != value
    ]
    if wrong:
        raise CheckFailed(", ".join(wrong))
    return "errors are logged with their names, without rows and values"
