"""The parts of a person's name: one or two given names, one or two family names, as RDA (Resolución 1888 de 2025) asks for them.

The whole stays beside its parts (`nombre`, `apellido`), for queries that read it. A whole is taken apart only where there is one way to do
it: `María del Pilar` stays whole.
"""

from __future__ import annotations

import re
from typing import Any

from historia_clinica.texts import composed

#: The whole, and its parts.
PARTS = (("nombre", "primer_nombre", "segundo_nombre"), ("apellido", "primer_apellido", "segundo_apellido"))
#: Words that belong to the one after them, as a pattern; migrations.sql has the same.
PARTICLES = "de|del|la|las|los|el|y|e|san|santa|da|das|do|dos|di|van|von|der|mac"


def joined(first: str, second: str | None) -> str:
    """Return the whole of its parts."""
    return f"{first} {second}" if second else first


def split(whole: str) -> tuple[str, str | None] | None:
    """Return the parts of a whole name, or None where nobody can tell them: more than two words, or one that belongs to another."""
    words = whole.split(" ")
    if not all(words) or len(words) > 2 or any(re.fullmatch(PARTICLES, word, re.IGNORECASE) for word in words):
        return None
    return words[0], words[1] if len(words) == 2 else None


def filled(person: dict[str, Any]) -> dict[str, Any]:
    """Return what was written about a person with the whole of the parts, and the parts of the whole where they can be told.

    Raises:
        ValueError: the whole is not that of its parts; the text says which.
    """
    result = dict(person)
    for whole, first, second in PARTS:
        written, one, two = (result.get(field) for field in (whole, first, second))
        if two is not None and one is None:
            raise ValueError(f"{second} necesita {first}.")
        if isinstance(one, str) and isinstance(two, str | None):
            expected = joined(one, two)
            if written is not None and (not isinstance(written, str) or composed(written) != composed(expected)):
                raise ValueError(f"{whole} tiene que ser {first} y {second} juntos, o faltar.")
            result[whole] = expected
        elif isinstance(written, str) and one is None:
            result[first], result[second] = split(composed(written)) or (None, None)
    return result


def of_change(given: dict[str, Any]) -> dict[str, Any]:
    """Return a change of a person with what it takes away: another whole its parts, another part the whole."""
    result = dict(given)
    for whole, *parts in PARTS:
        if whole in given and not any(part in given for part in parts):
            result |= dict.fromkeys(parts)
        elif whole not in given and any(part in given for part in parts):
            result[whole] = None
    return result
