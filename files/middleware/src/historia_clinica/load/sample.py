"""Patient number n of a seed and that patient's consultations: always the same rows.

Each row is drawn from its own digest of (seed, patient, consultation), so no row depends on how
many there are, in which order or by how many processes they are made. A digest is 16 numbers of 16
bits and each number always decides the same thing: that is several times faster than asking Faker
for each row, whose word lists are used here.
"""

from __future__ import annotations

import calendar
import struct
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from hashlib import blake2b
from itertools import accumulate
from typing import NamedTuple, TypeVar

from faker.providers.person.es_CO import Provider as Names

from historia_clinica import documents
from historia_clinica.load.catalogue import CITIES, DIAGNOSES, DOCTORS, Diagnosis

# Patient numbers of all seeds are counted through, then scattered over the ten-digit numbers by a
# bijection (a multiplication modulo a prime): neighbours look unrelated and no two patients share a
# cédula. Seeds that differ by less than 99 do not meet; those that do are noticed when they are
# loaded.
PATIENTS_PER_SEED = 2_000_000
FIRST_CEDULA = 1_000_000_000
CEDULAS = 199_999_991
SCATTER = 123_606_793

FIRST_BIRTH_YEAR, LAST_BIRTH_YEAR = 1931, 2019
REGISTERED_IN = 2020
FIRST_DAY, LAST_DAY = date(2021, 1, 4), date(2025, 12, 20)

# Who has no cédula: below 18 a tarjeta, below 7 a registro. Of a thousand people a few have another document: its type, how many of a
# thousand, and how its number is made of the one that nobody shares (ten digits, or the same with other signs where it is to be shorter).
OTHER_DOCUMENTS = (
    ("PT", 20), ("CE", 6), ("PA", 2), ("PE", 1), ("SC", 1), ("DE", 1), ("CD", 1), ("SI", 1),
)  # fmt: skip
UNIDENTIFIED = 1  # of a thousand: AS for adults, MS for minors
ADULT, SCHOOL_AGE = 18, 7
SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# Of 64 people those who belong to an ethnic group or live with a disability, in their proportions (DANE's census of 2018, rounded): others do not.
ETHNIC_GROUPS = ("1", "1", "1", "5", "5", "5", "5")
DISABILITIES = ("01", "02", "03", "06", "07")
COLOMBIA, VENEZUELA, UNITED_STATES = "170", "862", "840"  # ISO 3166-1
NATIONALITIES = {
    "PT": VENEZUELA,
    "PE": VENEZUELA,
    "CE": VENEZUELA,
    "SC": VENEZUELA,
    "DE": VENEZUELA,
    "PA": UNITED_STATES,
    "CD": UNITED_STATES,
}
RURAL = 15  # of 64

NULL = r"\N"
KINDS = (
    "01",
    "01",
    "01",
    "02",
    "02",
    "02",
    "03",
    "03",
)  # of a diagnosis: a first impression, confirmed and new, confirmed again
GENERAL = "Medicina general"
CUPS = {
    True: ("890201", "890301"),
    False: ("890202", "890302"),
}  # by a general doctor or a specialist: the first time, and control

Value = TypeVar("Value")

_SHORTS = struct.Struct("<16H")
_HALF = struct.Struct("<16x8H")


class Patient(NamedTuple):
    """A row of `pacientes`, as text in COPY's format.

    Cédula and time of registration together tell it from a row that somebody else wrote.
    """

    cedula: str  # or the key of another document
    created: str
    row: str
    sex: str
    birth_year: int


class Consultation(NamedTuple):
    """A row of `consultas`, as text in COPY's format."""

    id: str
    row: str


def cedula(seed: int, patient: int) -> str:
    """Return the ten digits that only one patient (counted from 1) has."""
    index = (seed * PATIENTS_PER_SEED + patient - 1) % CEDULAS
    return str(FIRST_CEDULA + index * SCATTER % CEDULAS)


def document(number: str, age: int, draw: int) -> str:
    """Return the key of the person with a number of ten digits, at an age, by a draw of 16 bits."""
    place = draw % 1000
    for code, share in OTHER_DOCUMENTS:
        if place < share:
            return f"{code}-{_short(number) if code == 'CE' else number}"
        place -= share
    if place < UNIDENTIFIED:
        return f"AS-{number}" if age >= ADULT else f"MS-{number}"
    return number if age >= ADULT else f"{'TI' if age >= SCHOOL_AGE else 'RC'}-{number}"


def _among(few: Sequence[str], place: int, others: str) -> str:
    return few[place] if place < len(few) else others


def _short(number: str) -> str:
    """Return six digits and letters for a number of ten digits below 36**6: no two have the same."""
    rest, signs = int(number), ""
    for _ in range(6):
        rest, sign = divmod(rest, 36)
        signs = SIGNS[sign] + signs
    return signs


def patient(seed: int, number: int) -> Patient:
    """Make a patient.

    Args:
        seed: which population.
        number: which patient of it, from 1.
    """
    draw = _SHORTS.unpack(_digest(seed, number, 0))
    words = _words()
    place = draw[0] % 1000
    sex = "F" if place < 512 else "M" if place < 999 else "I"
    given = words.given[sex]
    first_name, second_name = given[draw[1] & 4095], given[draw[2] & 4095]
    if draw[0] % 16 >= 9 or second_name == first_name:
        second_name = ""
    surname, second_surname = words.surnames[draw[3] & 4095], words.surnames[draw[4] & 4095]
    year = words.birth_years[draw[5] & 4095]
    day = words.days_of_year[draw[6] * (365 + calendar.isleap(year)) >> 16]
    shared_by_nobody = cedula(seed, number)
    age = LAST_DAY.year - year - (day > f"{LAST_DAY:%m-%d}")
    identity = document(shared_by_nobody, age, draw[14])
    phone = f"3{draw[8] % 22:02}{(draw[9] << 16 | draw[10]) % 10_000_000:07}" if draw[8] % 10 else NULL
    # example.com belongs to nobody: no message of an exercise can reach a person.
    mail = (
        f"{words.plain[first_name]}.{words.plain[surname]}{shared_by_nobody[-4:]}@example.com"
        if draw[11] % 10 < 7
        else NULL
    )
    registered = (
        f"{REGISTERED_IN}-{words.days_of_year[draw[12] * 366 >> 16]} {words.slots[draw[13] * len(words.slots) >> 16]}"
    )
    row = "\t".join(
        (
            identity,
            f"{first_name} {second_name}" if second_name else first_name,
            first_name,
            second_name or NULL,
            f"{surname} {second_surname}",
            surname,
            second_surname,
            f"{year}-{day}",
            sex,
            *words.cities[draw[7] & 4095],
            "02" if draw[15] & 63 < RURAL else "01",
            NATIONALITIES.get(documents.parts(identity)[0], COLOMBIA),
            _among(ETHNIC_GROUPS, draw[15] >> 6 & 63, "99"),
            _among(DISABILITIES, draw[14] >> 10, "08"),
            phone,
            mail,
            registered,
        )
    )
    return Patient(identity, registered, row + "\n", sex, year)


def consultation(seed: int, number: int, person: Patient, which: int) -> Consultation:
    """Make consultation `which` (from 1) of patient `number`."""
    digest = _digest(seed, number, which)
    day, slot, choice, detail, kind, related, *_ = _HALF.unpack(digest)
    words = _words()
    when, year = words.days[day * len(words.days) >> 16]
    options = words.options[person.sex][year - person.birth_year]
    option = options[choice * len(options) >> 16]
    identity = _uuid(digest)
    begun, ended = words.visits[slot * len(words.visits) >> 16]
    chosen = option[detail % len(option)]
    other = options[related * len(options) >> 16][0].code if related & 7 == 0 else ""
    return Consultation(
        identity,
        f"{person.cedula}\t{identity}\t{when} {begun}\t{when} {ended}\t{KINDS[kind & 7]}\t"
        f"{other if other not in ('', chosen.code) else NULL}\t{chosen.first if which == 1 else chosen.again}\t{chosen.row}",
    )


def _digest(seed: int, patient: int, consultation: int) -> bytes:
    return blake2b(b"%d:%d:%d" % (seed, patient, consultation), digest_size=32).digest()


def _uuid(digest: bytes) -> str:
    """Write half of the digest as a UUID of version 8 (RFC 9562: its bits mean what one likes)."""
    text = digest[:16].hex()
    return f"{text[:12]}8{text[13:16]}{'89ab'[digest[8] & 3]}{text[17:]}"


class Visit(NamedTuple):
    """What a consultation about a diagnosis may say: its code, its CUPS codes (the first time and later ones), the last five columns of its row."""

    code: str
    first: str
    again: str
    row: str


Option = tuple[Visit, ...]


class _Words(NamedTuple):
    given: dict[str, list[str]]
    surnames: list[str]
    plain: dict[str, str]
    cities: list[tuple[str, str]]
    birth_years: list[int]
    days_of_year: list[str]
    days: list[tuple[str, int]]
    slots: list[str]
    visits: list[tuple[str, str]]
    options: dict[str, list[list[Option]]]


@cache
def _words() -> _Words:
    """Build the tables that rows are drawn from, once for each process."""
    given = {"F": _spread(Names.first_names_female), "M": _spread(Names.first_names_male)}
    given["I"] = [name for pair in zip(given["F"], given["M"], strict=True) for name in pair][: len(given["F"])]
    surnames = _spread(Names.last_names)
    accents = str.maketrans("áéíóúüñ", "aeiouun")
    leap_year = [date(2020, 1, 1) + timedelta(days=day) for day in range(366)]
    # A year that is not a leap year uses the first 365: 29 February stands last.
    leap_year.append(leap_year.pop(59))
    days = [
        FIRST_DAY + timedelta(days=day)
        for day in range((LAST_DAY - FIRST_DAY).days + 1)
        if (FIRST_DAY + timedelta(days=day)).weekday() < 6  # nobody consults on Sunday
    ]
    years = range(FIRST_BIRTH_YEAR, LAST_BIRTH_YEAR + 1)
    ages = range(LAST_DAY.year - FIRST_BIRTH_YEAR + 1)
    return _Words(
        given=given,
        surnames=surnames,
        plain={word: word.lower().translate(accents) for words in (given["F"], given["M"], surnames) for word in words},
        cities=_spread(CITIES),
        # As many of each year up to the age of 45, then fewer and fewer.
        birth_years=_spread({year: min(1.0, (year - 1925) / 55) for year in years}),
        days_of_year=[f"{day:%m-%d}" for day in leap_year],
        days=[(day.isoformat(), day.year) for day in days],
        slots=[f"{hour:02}:{minute:02}:00-05" for hour in range(7, 18) for minute in (0, 20, 40)],
        visits=[
            (f"{begun // 60:02}:{begun % 60:02}:00-05", f"{(begun + 20) // 60:02}:{(begun + 20) % 60:02}:00-05")
            for begun in range(7 * 60, 18 * 60, 20)
        ],
        options={
            sex: [
                [_option(found) for found in DIAGNOSES if _fits(found, sex, age) for _ in range(found.weight)]
                for age in ages
            ]
            for sex in ("F", "M", "I")
        },
    )


def _fits(diagnosis: Diagnosis, sex: str, age: int) -> bool:
    youngest, oldest = diagnosis.ages
    return (sex in diagnosis.sex or diagnosis.sex == "FM") and youngest <= age <= oldest


@cache
def _option(diagnosis: Diagnosis) -> Option:
    return tuple(
        Visit(
            diagnosis.code,
            *CUPS[diagnosis.speciality == GENERAL],
            f"{doctor.id}\t{motive}\t{diagnosis.code}\t{diagnosis.name}\t{treatment}\n",
        )
        for doctor in DOCTORS
        if doctor.speciality == diagnosis.speciality
        for motive in diagnosis.motives
        for treatment in diagnosis.treatments
    )


def _spread(shares: Mapping[Value, float]) -> list[Value]:
    """Fill 4096 places in proportion to the shares, so that 12 bits choose by weight."""
    total = sum(shares.values())
    places: list[Value] = []
    for value, reached in zip(shares, accumulate(shares.values()), strict=True):
        places.extend([value] * (round(4096 * reached / total) - len(places)))
    return places
