"""Whole numbers that come as text: from a request, the environment or a command line."""

from __future__ import annotations

import re


def whole(text: str, lowest: int, highest: int) -> int | None:
    """Return the number that the text is, or None where it is none within the limits.

    `int()` alone would also take signs, spaces, underscores and the digits of any script, and raise
    an error of its own for thousands of digits.
    """
    if re.fullmatch("[0-9]{1,12}", text) and lowest <= (number := int(text)) <= highest:
        return number
    return None
