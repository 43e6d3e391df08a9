# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Reports about the clinical tables: drift that a run does not repair, and the contents of a dump."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row, paragraph


def left_page(rows: Sequence[Row]) -> list[str]:
    """What a run leaves as somebody made it, and why, as lines of a page.

    Args:
        rows: each with ``object``, ``found`` and ``wanted``.
    """
    lines = []
    for row in rows:
        if row["object"] == "sample":
            lines += paragraph(
                f"The lab keeps the sample of {row['found']}, with which it was made: one that is made now gets another.",
                "",
            )
    by_hand = [row for row in rows if row["object"] != "sample"]
    if by_hand:
        lines += paragraph("Left as somebody made it, because rows lie in it (ALTER TABLE repairs it by hand):", "")
    for row in by_hand:
        lines += paragraph(f"{row['object']}: found {row['found']}, installed {row['wanted']}", "    ", "  - ")
    return lines


def copy_page(rows: Sequence[Row], file: str) -> list[str]:
    """What a copy of the history holds, and what of others' making it does not, as lines of a page.

    Args:
        rows: each with ``kind`` (``rows`` or ``left out``; others are of no interest here) and ``text``.
        file: where the copy is.
    """
    left_out = [str(row["text"]) for row in rows if row["kind"] == "left out"]
    lines = [f"Copied into {file}:", *(f"  {row['text']}" for row in rows if row["kind"] == "rows")]
    if left_out:
        lines += paragraph(f"Not in it, since somebody made it beside the history: {', '.join(left_out)}.", "  ", "")
    return lines
