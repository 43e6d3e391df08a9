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


#: A doctor's name is one whole, and in the order of RDA these parts.
DOCTOR = ("primer_nombre", "segundo_nombre", "primer_apellido", "segundo_apellido")


def doctor_filled(doctor: dict[str, Any]) -> dict[str, Any]:
    """Return what was written about a doctor as `filled` does for a patient; a whole of two words is a given name and a family name.

    Raises:
        ValueError: the whole is not that of its parts, or there is no first given or family name; the text says which.
    """
    written, parts = doctor.get("nombre"), {field: doctor.get(field) for field in DOCTOR}
    if all(part is None for part in parts.values()):
        words = split(composed(written)) if isinstance(written, str) else None
        told = words and words[1] and {"primer_nombre": words[0], "primer_apellido": words[1]}
        return {**doctor, **(told or {})}
    for field in ("primer_nombre", "primer_apellido"):
        if parts[field] is None:
            raise ValueError(f"{field} es obligatorio donde el nombre va en partes.")
    if not all(isinstance(part, str | None) for part in parts.values()):
        return doctor
    whole = " ".join(part for part in parts.values() if part)
    if written is not None and (not isinstance(written, str) or composed(written) != composed(whole)):
        raise ValueError(f"nombre tiene que ser {', '.join(DOCTOR[:3])} y {DOCTOR[3]} juntos, o faltar.")
    return {**doctor, "nombre": whole}


def doctor_of_change(given: dict[str, Any]) -> dict[str, Any]:
    """Return a change of a doctor with what it takes away, as `of_change` does for a patient."""
    if any(field in given for field in DOCTOR):
        return given if "nombre" in given else {**given, "nombre": None}
    return given | dict.fromkeys(DOCTOR) if "nombre" in given else given
