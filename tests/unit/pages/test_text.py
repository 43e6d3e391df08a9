"""Text as a page has it."""

from __future__ import annotations

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import (
    human_duration,
    human_number,
    human_size,
)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (8192, "8.0 kB"), (15_000_000, "14 MB"), (3 * 2**40, "3.0 TB"), (None, "?")]
)
def test_sizes_are_told_as_people_say_them(size: int | None, text: str) -> None:
    """Two figures are enough."""
    assert human_size(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (61, "1 min 1 s"), (3600, "1 h"), (90061.7, "1 d 1 h")])
def test_durations_are_told_in_two_units(seconds: float, text: str) -> None:
    """Seconds do not matter after a day."""
    assert human_duration(seconds) == text


def test_numbers_have_their_thousands_apart() -> None:
    """A million is readable; the unknown is not zero."""
    assert (human_number(1_000_000), human_number(None)) == ("1,000,000", "?")
