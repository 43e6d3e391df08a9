# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Files and programs of the system, which may not be there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def read_text(path: str) -> str:
    """The text of a file; empty where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def output_of(command: list[str], seconds: float = 5.0) -> str:
    """What a program prints; empty where it is not there, fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=True,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def word_after(word: str, text: str) -> str:
    """What follows a word at the start of a line; empty where no line starts with it."""
    found = re.search(rf"^{re.escape(word)}\s+(\S+)", text, re.MULTILINE)
    return found.group(1) if found else ""


def number_in(text: str, unit: int = 1) -> int | None:
    """A number in units; None where the text is something else."""
    return int(text) * unit if text.strip().isdigit() else None
