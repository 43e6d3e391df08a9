"""Diagnoses of the CIE-10 that a lab knows by itself: those of its sample and what clinics see most, in our own words.

The whole classification has 12,000 and more, and its titles are the WHO's. So the table `cie10` has these from the role clinical_schema, and
what somebody used without the lab knowing it, without a description: that is its mark. Whether a code may come in so is a setting of the
lab, a privilege in the database (`clinical_schema_unknown_diagnoses`).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

#: Where a consultation has a code.
FIELDS = ("codigo_cie10", "diagnostico_relacionado_1", "diagnostico_relacionado_2", "diagnostico_relacionado_3")
UNKNOWN = "el laboratorio no conoce el código {} de la CIE-10, y no admite los que no conoce."


@cache
def known() -> frozenset[str]:
    """Return the codes that every lab knows."""
    _header, *lines = files(__package__).joinpath("cie10.csv").read_text(encoding="utf-8").splitlines()
    return frozenset(line.partition(";")[0] for line in lines)


def used(consultation: object) -> dict[str, str]:
    """Return the codes of a consultation that not every lab knows, by their fields."""
    codes = ((field, getattr(consultation, field, None)) for field in FIELDS)
    return {field: code for field, code in codes if isinstance(code, str) and code not in known()}
