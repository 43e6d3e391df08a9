"""DANE's municipalities (DIVIPOLA): five digits tell one, as RIPS and RDA ask for, and a name only where no other one has it.

`ciudad` stays as what is shown. Florencia is two municipalities, Rionegro too: with such a name alone nobody is given a code. The role
clinical_schema fills the table `municipios` from the same file, and brings an older lab to its codes by the same key (migrations.sql).
"""

from __future__ import annotations

import csv
import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from historia_clinica.documents import COLOMBIA


class Municipality(NamedTuple):
    """A municipality, or an area that belongs to none (San Andrés, and parts of Amazonas, Guainía and Vaupés)."""

    code: str
    name: str
    department: str
    common_name: str  # what people call it, where that is another name; else empty

    @property
    def shown(self) -> str:
        """What stands for it in `ciudad` where nobody says."""
        return self.common_name or self.name


@cache
def by_code() -> dict[str, Municipality]:
    """Return every municipality by its code."""
    _header, *lines = files(__package__).joinpath("municipios.csv").read_text(encoding="utf-8").splitlines()
    return {row[0]: Municipality(*row) for row in csv.reader(lines, delimiter=";")}


def key(name: str) -> str:
    """Return a name as names are compared: `BOGOTÁ D. C.` and `Bogotá, D.C.` are one."""
    return re.sub("[^a-z0-9]", "", unicodedata.normalize("NFKD", name).lower())


@cache
def _by_key() -> dict[str, set[str]]:
    codes: dict[str, set[str]] = {}
    for one in by_code().values():
        for name in (key(one.name), key(one.shown)):
            codes.setdefault(name, set()).add(one.code)
    return codes


def called(name: str) -> set[str]:
    """Return the codes of those that have a name: none, one or several."""
    return _by_key().get(key(name), set())


def contradicts(city: str, code: str) -> bool:
    """Whether a city is the name of other municipalities; what is the name of none (`Pasto, centro`) may stand beside any code."""
    return bool(codes := called(city)) and code not in codes


def filled(person: dict[str, Any]) -> dict[str, Any]:
    """Return what was written about a person with the name of the municipality, or its code where the name has one.

    Raises:
        ValueError: name and code are not of one municipality, or whoever lives in another country has one; the text says which.
    """
    city, code, country = (person.get(field) for field in ("ciudad", "codigo_municipio", "pais_residencia"))
    abroad = country not in (None, COLOMBIA)
    known = by_code().get(code) if isinstance(code, str) else None
    if known and abroad:
        raise ValueError("codigo_municipio es de quien vive en Colombia (pais_residencia 170).")
    if known and isinstance(city, str) and contradicts(city, known.code):
        raise ValueError(
            f"codigo_municipio {known.code} es {known.shown} ({known.department}), y ciudad dice otra cosa."
        )
    if known and city is None:
        return {**person, "ciudad": known.shown}
    if code is None and isinstance(city, str) and not abroad and len(codes := called(city)) == 1:
        return {**person, "codigo_municipio": next(iter(codes))}
    return person


def of_change(there: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return a change of a person with what it takes away: another name its code, another code the name, another country the code.

    Where neither is changed and they contradict each other, somebody wrote the name alone (with SQL): then it is the name that holds.
    """
    if "codigo_municipio" in given:
        return given if "ciudad" in given or given["codigo_municipio"] is None else {**given, "ciudad": None}
    stale = there["codigo_municipio"] is not None and contradicts(there["ciudad"], there["codigo_municipio"])
    if "ciudad" in given or stale or given.get("pais_residencia") not in (None, COLOMBIA):
        return {**given, "codigo_municipio": None}
    return given
