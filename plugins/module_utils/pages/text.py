# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Text as a page has it: numbers as people say them, tables and paragraphs of at most ``WIDTH`` columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: A row of a table, or a mapping that Ansible gave.
Row = Mapping[str, Any]
WIDTH = 80


def clip(text: str, width: int) -> str:
    """The text, cut to a width: the end gives way to an ellipsis."""
    return text if len(text) <= width else text[: width - 1] + "…"


def human_size(size: float | None) -> str:
    """A number of bytes as people say it; ``?`` where nobody could tell."""
    if size is None:
        return "?"
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"


def human_number(number: int | None) -> str:
    """A number with its thousands apart; ``?`` where nobody could tell."""
    return "?" if number is None else f"{number:,}"


def human_duration(seconds: float) -> str:
    """A time in its two largest units."""
    total = int(seconds)
    parts = [(total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "min"), (total % 60, "s")]
    while len(parts) > 2 and not parts[0][0]:
        del parts[0]
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number or unit == "s")


def columns(headings: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Lines of a table.

    Args:
        headings: one for each column; what is too wide for the page is cut in the widest column.
        rows: the cells.
        right: numbers of the columns that end at the right.
    """
    lines = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(headings))]
    excess = sum(widths) + 2 * len(widths) - WIDTH  # each column is followed, or led, by two blanks
    if excess > 0:
        widest = widths.index(max(widths))
        widths[widest] = max(4, widths[widest] - excess)
    ends = set(right)
    return [
        "  "
        + "  ".join(
            clip(cell, width).rjust(width) if number in ends else clip(cell, width).ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def paragraph(text: str, indent: str = "  ", first: str | None = None) -> list[str]:
    """A text as lines of the page, all behind the same indent. A command that is to be typed has no place in it: it may be parted."""
    return textwrap.wrap(
        " ".join(text.split()),
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
