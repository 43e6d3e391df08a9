"""The invented population: always the same, each person once, with what people can have."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from hashlib import sha256

from historia_clinica import documents, municipalities, names
from historia_clinica.load import sample
from historia_clinica.load.catalogue import DIAGNOSES, DOCTORS
from historia_clinica.sql import statement

#: Of a patient's row.
COLUMNS = re.findall(r"[a-z_]+", statement("copy_patients").decode().partition("(")[2].partition(")")[0])

#: Services of outpatients as REPS names them (Resolución 3100 de 2019); two public copies of that table say the same.
SERVICES = {
    "301": "Anestesia", "302": "Cardiología", "303": "Cirugía cardiovascular", "304": "Cirugía general",
    "306": "Cirugía pediátrica", "308": "Dermatología", "309": "Dolor y cuidados paliativos", "310": "Endocrinología",
    "311": "Endodoncia", "312": "Enfermería", "313": "Estomatología", "316": "Gastroenterología", "317": "Genética",
    "318": "Geriatría", "320": "Ginecobstetricia", "321": "Hematología", "323": "Infectología", "324": "Inmunología",
    "325": "Medicina familiar", "327": "Medicina física y rehabilitación", "328": "Medicina general",
    "329": "Medicina interna", "330": "Nefrología", "331": "Neumología", "332": "Neurología",
    "333": "Nutrición y dietética", "334": "Odontología general", "335": "Oftalmología", "336": "Oncología clínica",
    "337": "Optometría", "338": "Ortodoncia", "339": "Ortopedia y/o traumatología", "340": "Otorrinolaringología",
    "342": "Pediatría", "343": "Periodoncia", "344": "Psicología", "345": "Psiquiatría", "348": "Reumatología",
    "354": "Toxicología", "355": "Urología",
}  # fmt: skip
#: A speciality that REPS calls otherwise.
CALLED = {
    "Ginecología y obstetricia": "Ginecobstetricia",
    "Ortopedia y traumatología": "Ortopedia y/o traumatología",
}


def test_same_seed_gives_the_same_people_for_ever() -> None:
    """A lab that asks for more patients in a year must not get other people.

    If this fails after an update of Faker: its word lists have changed; pin the old version.
    """
    text = "".join(
        person.row + "".join(sample.consultation(7, n, person, k).row for k in (1, 2, 3))
        for n in range(1, 501)
        for person in [sample.patient(7, n)]
    )
    assert sha256(text.encode()).hexdigest() == ("88c9a9a8ec4ef2d24d254d5c2beb8860cfc5d067eecb1a07c345c68d01b772b1")


def test_another_seed_gives_other_people() -> None:
    """No patient of the first thousand is the same."""
    first, second = ({sample.patient(seed, n).row for n in range(1, 1001)} for seed in (1, 2))
    assert len(first) == len(second) == 1000
    assert not first & second


def test_no_two_patients_share_a_cedula() -> None:
    """Within a seed and between neighbouring seeds, up to the last patient of each."""
    last = sample.PATIENTS_PER_SEED
    numbers = [*range(1, 30_001), *range(last - 30_000, last + 1)]
    cedulas = [sample.cedula(seed, n) for seed in (0, 1, 2, 98) for n in numbers]
    assert len(set(cedulas)) == len(cedulas)
    assert all(re.fullmatch("1[01][0-9]{8}", cedula) for cedula in cedulas)


def test_consultation_ids_are_unique_uuids() -> None:
    """Version 8, variant 10, none twice."""
    ids = [sample.consultation(1, n, sample.patient(1, n), k).id for n in range(1, 2001) for k in range(1, 6)]
    assert len(set(ids)) == len(ids) == 10_000
    assert all(re.fullmatch("[0-9a-f]{12}8[0-9a-f]{3}[89ab][0-9a-f]{15}", key) for key in ids)


def test_people_have_only_what_they_can_have() -> None:
    """Nobody is pregnant at seventy, no man is; who sees a patient has the right speciality."""
    diagnoses = {diagnosis.code: diagnosis for diagnosis in DIAGNOSES}
    specialities = {str(doctor.id): doctor.speciality for doctor in DOCTORS}
    seen: Counter[str] = Counter()
    for n in range(1, 4001):
        person = sample.patient(3, n)
        for k in range(1, 6):
            row = sample.consultation(3, n, person, k).row.rstrip("\n").split("\t")
            cedula, _, when, ended, kind, other, cups, doctor, motive, code, name, treatment = row
            diagnosis = diagnoses[code]
            assert cedula == person.cedula
            assert person.sex in diagnosis.sex or diagnosis.sex == "FM"
            assert diagnosis.ages[0] <= int(when[:4]) - person.birth_year <= diagnosis.ages[1]
            assert specialities[doctor] == diagnosis.speciality
            assert motive in diagnosis.motives
            assert treatment in diagnosis.treatments
            assert name == diagnosis.name
            assert when[:11] == ended[:11]
            assert when < ended
            assert kind in ("01", "02", "03")
            assert other == r"\N" or (other in diagnoses and other != code)
            assert cups == f"890{2 if k == 1 else 3}0{1 if diagnosis.speciality == 'Medicina general' else 2}"
            seen[code] += 1
    assert set(seen) == set(diagnoses)


def test_catalogue_is_fit_for_its_use() -> None:
    """At least 60 diagnoses, 40 doctors, every speciality served, nothing COPY would misread."""
    assert len(DIAGNOSES) >= 60
    assert len({diagnosis.code for diagnosis in DIAGNOSES}) == len(DIAGNOSES)
    assert [doctor.id for doctor in DOCTORS] == list(range(1, 41))
    assert len({doctor.registration for doctor in DOCTORS}) == len({doctor.document for doctor in DOCTORS}) == 40
    parts = [
        (
            d.name,
            names.doctor_filled(
                dict(zip(names.DOCTOR, (d.given, d.second_given, d.surname, d.second_surname), strict=True))
            ),
        )
        for d in DOCTORS
    ]
    assert all(whole == told["nombre"] for whole, told in parts)
    assert {d.speciality for d in DIAGNOSES} == {d.speciality for d in DOCTORS}
    for diagnosis in DIAGNOSES:
        assert re.fullmatch("[A-Z][0-9]{2}[0-9X]", diagnosis.code)
        for text in (diagnosis.name, *diagnosis.motives, *diagnosis.treatments):
            assert re.fullmatch(r"[^\\\t\r\n]+", text)


def test_doctors_attend_in_the_service_of_their_speciality() -> None:
    """Each code is that of REPS."""
    assert {d.speciality: SERVICES[d.service] for d in DOCTORS} == {
        d.speciality: CALLED.get(d.speciality, d.speciality) for d in DOCTORS
    }
    assert len({(d.speciality, d.service) for d in DOCTORS}) == len({d.speciality for d in DOCTORS}) == 16


def test_patients_are_as_a_population_is() -> None:
    """Both sexes, all ages, the big cities first, two surnames, addresses that reach nobody."""
    rows = [dict(zip(COLUMNS, sample.patient(5, n).row.rstrip("\n").split("\t"), strict=True)) for n in range(1, 5001)]
    sexes = Counter(row["sexo"] for row in rows)
    assert 0.48 < sexes["F"] / len(rows) < 0.55
    assert 0 < sexes["I"] < 20
    cities = Counter(row["ciudad"] for row in rows)
    assert 0.2 < cities["Bogotá"] / len(rows) < 0.3
    assert len(cities) > 40
    years = Counter(int(row["fecha_nacimiento"][:4]) // 10 for row in rows)
    assert set(years) == set(range(193, 202))
    assert {row["correo"][-12:] for row in rows} == {"@example.com", r"\N"}
    assert any(row["telefono"] == r"\N" for row in rows)
    assert 0.15 < Counter(row["zona_residencia"] for row in rows)["02"] / len(rows) < 0.35
    assert 0.8 < Counter(row["etnia"] for row in rows)["99"] / len(rows) < 0.95
    assert 0.85 < Counter(row["discapacidad"] for row in rows)["08"] / len(rows) < 0.99
    assert all(row["codigo_municipio"] in municipalities.called(row["ciudad"]) for row in rows)
    assert all((row["nacionalidad"] == "170") == (row["cedula"][:2] not in sample.NATIONALITIES) for row in rows)


def test_names_are_their_parts() -> None:
    """One or two given names, two family names, and the whole of each."""
    seconds = 0
    for n in range(1, 3001):
        row = dict(zip(COLUMNS, sample.patient(5, n).row.rstrip("\n").split("\t"), strict=True))
        second = None if row["segundo_nombre"] == r"\N" else row["segundo_nombre"]
        assert row["nombre"] == names.joined(row["primer_nombre"], second)
        assert row["apellido"] == names.joined(row["primer_apellido"], row["segundo_apellido"])
        seconds += second is not None
    assert 0.45 < seconds / 3000 < 0.65


def test_everybody_has_a_document_of_his_age() -> None:
    """Children a registro or a tarjeta, adults a cédula, and of a thousand people a few another one; all of them can be registered."""
    people = [sample.patient(42, n) for n in range(1, 20_001)]
    for person in people:
        born = date.fromisoformat(person.row.split("\t")[COLUMNS.index("fecha_nacimiento")])
        age = sample.LAST_DAY.year - born.year - ((sample.LAST_DAY.month, sample.LAST_DAY.day) < (born.month, born.day))
        assert documents.key(person.cedula) == person.cedula
        assert documents.fits_age(person.cedula, age), (person.cedula, age)
    kinds = Counter(documents.parts(person.cedula)[0] for person in people)
    assert set(kinds) == set(documents.TYPES) - {"CN"}  # nobody of the sample was born just now
    assert kinds["CC"] > kinds["TI"] > kinds["PT"] > kinds["CE"] > 50
    assert kinds["RC"] > 100
    assert len({person.cedula for person in people}) == len(people)
