"""The commands of a README, as a person would copy them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """A command of a README.

    Attributes:
        place: the file's name and the line, as ``README.md:40``.
        section: the heading that it stands under.
        text: what bash is given; of several lines where it has a here-document.
    """

    place: str
    section: str
    text: str


def headings(readme: Path) -> list[str]:
    """The headings of all levels, with their signs, outside of code."""
    text = re.sub(r"^```.*?^```$", "", readme.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [line for line in text.splitlines() if line.startswith("#")]


def commands(readme: Path) -> list[Command]:
    """Every command that is fenced as ``sh``, in order, without comments."""
    found = []
    section, fence, pending = "", "", ""
    started = 0
    for number, line in enumerate(readme.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("```"):
            fence = "" if fence else line.removeprefix("```") or "text"
        elif not fence and line.startswith("#"):
            section = line.lstrip("# ")
        elif fence == "sh" and (pending or not is_comment(line)):
            started = started if pending else number
            pending += re.sub(r"\s+#\s.*$", "", line) + "\n"
            if is_complete(pending):
                found.append(Command(f"{readme.name}:{started}", section, pending.rstrip("\n")))
                pending = ""
    if pending:
        raise ValueError(f"{readme.name}:{started}: this command does not end: {pending}")
    return found


def is_comment(line: str) -> bool:
    """Whether a line does nothing."""
    return not line.strip() or line.lstrip().startswith("#")


def is_complete(text: str) -> bool:
    """Whether bash waits for no more lines: of a here-document it only warns."""
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False)
    return done.returncode == 0 and not done.stderr
