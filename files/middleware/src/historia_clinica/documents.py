"""Identity documents as Colombia has them: a person is a type and a number.

One text is the key of a person everywhere: a cédula de ciudadanía as its digits, any other document as `TIPO-NÚMERO`. So two people
with the same digits are two. Types, lengths and ages are those of RIPS (Resolución 948 de 2026, Documento Técnico 1).
"""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple

CEDULA = "CC"  # the type whose numbers stand alone
COLOMBIA = "170"  # ISO 3166-1
OF_COLOMBIANS = (CEDULA, "TI", "RC", "CN")  # whose documents these are; migrations.sql has the same


class Type(NamedTuple):
    """A type of document: what it is called, how long its numbers are, of digits alone or not, and the ages (years) it is given at."""

    name: str
    shortest: int
    longest: int
    digits: bool
    youngest: int = 0
    oldest: int = 200


# The ages leave a year or two at each change of document, which nobody does on his birthday.
TYPES: dict[str, Type] = {
    CEDULA: Type("cédula de ciudadanía", 4, 10, True, youngest=17),
    "TI": Type("tarjeta de identidad", 4, 11, True, youngest=6, oldest=18),
    "RC": Type("registro civil", 4, 11, False, oldest=8),
    "CE": Type("cédula de extranjería", 4, 6, False),
    "PA": Type("pasaporte", 4, 16, False),
    "PE": Type("permiso especial de permanencia", 4, 15, False),
    "PT": Type("permiso por protección temporal", 4, 20, False),
    "CD": Type("carné diplomático", 4, 16, False),
    "SC": Type("salvoconducto", 4, 16, False),
    "DE": Type("documento extranjero", 4, 20, False),
    "SI": Type("sin identificación", 4, 20, False),
    "CN": Type("certificado de nacido vivo", 9, 20, False, oldest=4),
    "MS": Type("menor sin identificación", 4, 12, False, oldest=18),
    "AS": Type("adulto sin identificación", 4, 10, False, youngest=18),
}
OTHER_NAMES = {"PPT": "PT"}  # of a holder of the permit by temporary protection

_ALTERNATIVES = "|".join(
    f"{code}-[0-9{'' if kind.digits else 'A-Z'}]{{{kind.shortest},{kind.longest}}}"
    for code, kind in TYPES.items()
    if code != CEDULA
)
#: The key of a person, as Python, Rust (pydantic), ECMAScript (OpenAPI) and PostgreSQL read it alike.
KEY = f"(?:[1-9][0-9]{{3,9}}|{_ALTERNATIVES})"

_TYPED = re.compile(r"([A-Z]{2,3})[\s.:-]+(.+)")
_GROUPS = re.compile(r"[0-9]{1,3}(?:[. ][0-9]{3})+")


def key(text: str) -> str:
    """Return the key of the person whose document somebody wrote: `1.072.319.876`, `TI 1072319876`, `ce-345678`.

    Raises:
        ValueError: what was written is no document, or could be more than one; the text says what is wrong.
    """
    written = text.strip().upper()
    typed = _TYPED.fullmatch(written)
    code, number = (OTHER_NAMES.get(typed[1], typed[1]), typed[2].strip()) if typed else (CEDULA, written)
    kind = TYPES.get(code)
    if kind is None:
        raise ValueError(f"no hay documentos de tipo {code}: son {', '.join(TYPES)}.")
    if _GROUPS.fullmatch(number):
        number = re.sub("[. ]", "", number)
    if code == CEDULA:
        number = number.lstrip("0") if number.isdigit() else number
    if code == CEDULA and not typed and not (number.isascii() and number.isdigit() and len(number) <= kind.longest):
        raise ValueError(
            "tiene que ser una cédula de ciudadanía de 4 a 10 dígitos, como 1072319876,"
            " o el tipo y el número de otro documento, como TI-1072319876."
        )
    # An old tarjeta or registro begins with the date of birth: 000101 is 2000. Shorter ones have no zeros in front.
    if code in ("TI", "RC", "CE") and number.isdigit() and number.startswith("0") and len(number) != 11:
        raise ValueError(f"no puede empezar por cero ({kind.name}): escriba el número como está en el documento.")
    if not re.fullmatch(f"[0-9{'' if kind.digits else 'A-Z'}]{{{kind.shortest},{kind.longest}}}", number):
        signs = "dígitos" if kind.digits else "dígitos o letras"
        raise ValueError(f"{code} ({kind.name}) tiene de {kind.shortest} a {kind.longest} {signs}.")
    return number if code == CEDULA else f"{code}-{number}"


def parts(key: str) -> tuple[str, str]:
    """Return type and number of a key."""
    code, separator, number = key.rpartition("-")
    return (code, number) if separator else (CEDULA, key)


def fits_age(key: str, years: int) -> bool:
    """Whether somebody of an age can have the document."""
    kind = TYPES[parts(key)[0]]
    return kind.youngest <= years <= kind.oldest


def unfit(key: str, born: date, today: date) -> str | None:
    """Return why somebody who was born then cannot have the document today, or None."""
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return (
        None if fits_age(key, years) else f"a los {years} años nadie tiene ese documento ({TYPES[parts(key)[0]].name})."
    )


def nationality(key: str) -> str | None:
    """Return the country (ISO 3166-1) of whoever has the document, or None where it does not say."""
    return COLOMBIA if parts(key)[0] in OF_COLOMBIANS else None
