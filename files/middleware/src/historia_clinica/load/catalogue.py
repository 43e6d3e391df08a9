"""What the invented population is made of, read from the .csv files beside this module.

Cities (with their code in the DIVIPOLA and thousands of inhabitants: DANE, rounded), doctors, and diagnoses of CIE-10 that fit a
person's age and sex. Names of people come from Faker's Colombian word lists (`sample.py`). The
order of the rows is part of the sample: change it and the same seed gives other people.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Doctor:
    """A doctor of the sample; the identifiers 1 to 40 of the table `medicos` are theirs."""

    id: int
    name: str
    speciality: str
    registration: str
    city: str
    document: str  # invented, of eight digits as the sample's patients have none
    given: str
    second_given: str
    surname: str
    second_surname: str
    service: str  # REPS


@dataclass(frozen=True)
class Diagnosis:
    """A CIE-10 diagnosis, why people come with it, how it is treated, who has it and how often.

    Attributes:
        sex: "F", "M", or "FM" for both.
        ages: youngest and oldest, in years.
        weight: how often among those who can have it.
    """

    code: str
    name: str
    speciality: str
    sex: str
    ages: tuple[int, int]
    weight: int
    motives: tuple[str, ...]
    treatments: tuple[str, ...]


def _rows(name: str) -> Iterator[dict[str, str]]:
    with files(__package__).joinpath(name).open(encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


CITIES: dict[tuple[str, str], int] = {(row["name"], row["code"]): int(row["thousands"]) for row in _rows("cities.csv")}

DOCTORS: tuple[Doctor, ...] = tuple(Doctor(int(row.pop("id")), **row) for row in _rows("doctors.csv"))

DIAGNOSES: tuple[Diagnosis, ...] = tuple(
    Diagnosis(
        code=row["code"],
        name=row["name"],
        speciality=row["speciality"],
        sex=row["sex"],
        ages=(int(row["youngest"]), int(row["oldest"])),
        weight=int(row["weight"]),
        motives=tuple(row["motives"].split("|")),
        treatments=tuple(row["treatments"].split("|")),
    )
    for row in _rows("diagnoses.csv")
)
