"""A municipality is known by its code, and by its name only where no other one has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from historia_clinica import municipalities

MIGRATIONS = Path(__file__).parents[3] / "roles/clinical_schema/files/sql/migrations.sql"


def test_the_list_is_whole() -> None:
    """1,122: 1,103 municipalities, the island of San Andrés and 18 areas that belong to none, in 32 departments and Bogotá."""
    known = municipalities.by_code()
    assert len(known) == 1122
    assert all(re.fullmatch("[0-9]{5}", code) for code in known)
    departments = {(one.code[:2], one.department) for one in known.values()}
    assert len(departments) == len({name for _, name in departments}) == 33


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("Pasto", {"52001"}),
        ("BOGOTA", {"11001"}),
        ("Bogotá, D.C.", {"11001"}),
        ("bogotá d. c.", {"11001"}),
        ("Cu\u0301cuta", {"54001"}),
        ("San José de Cúcuta", {"54001"}),
        ("Florencia", {"18001", "19290"}),
        ("Rionegro", {"05615", "68615"}),
        ("Armenia", {"05059", "63001"}),
        ("San Andrés", {"68669", "88001"}),
        ("Nueva York", set()),
        ("", set()),
    ],
)
def test_a_name_is_that_of_none_one_or_several(name: str, codes: set[str]) -> None:
    """However it is typed."""
    assert municipalities.called(name) == codes


@pytest.mark.parametrize(
    ("conditions", "codes"),
    [
        ("nombre=florencia", ["18001", "19290"]),
        ("nombre=Florencia&departamento=cauca", ["19290"]),
        ("nombre=cucuta", ["54001"]),
        ("nombre=C%C3%BAcuta", ["54001"]),
        ("nombre=Cu%CC%81cuta", ["54001"]),
        ("nombre=san jose de cucuta", ["54001"]),
        ("nombre=BOGOTA", ["11001"]),
        ("nombre=armenia", ["05059", "63001"]),
        ("nombre=puerto narino", ["91540"]),
        ("nombre=Puerto Nariño", ["91540"]),
        ("nombre=uerto", []),
        ("departamento=putumayo&limite=2&despues=86320", ["86568", "86569"]),
        ("departamento=santander&nombre=san jose de", ["68684"]),  # not Norte de Santander
    ],
)
def test_the_api_finds_them_however_they_are_typed(client: FlaskClient, conditions: str, codes: list[str]) -> None:
    """By a word of the name, by the beginning of the department's, or by both."""
    found = client.get(f"/api/v1/municipios?{conditions}").get_json()["municipios"]
    assert [each["codigo_municipio"] for each in found] == codes


def test_the_api_tells_one_by_its_code(client: FlaskClient) -> None:
    """With the name that people call it by, which is part of the official one: so it is found by both."""
    assert client.get("/api/v1/municipios/54001").get_json() == {
        "codigo_municipio": "54001",
        "nombre": "San José de Cúcuta",
        "codigo_departamento": "54",
        "departamento": "Norte de Santander",
        "nombre_comun": "Cúcuta",
    }
    assert all(one.common_name in one.name for one in municipalities.by_code().values())


@pytest.mark.skipif(
    not MIGRATIONS.exists(),
    reason="the collection, whose migrations.sql it is compared with, is not beside the package",
)
def test_the_migration_compares_names_alike() -> None:
    """By the same key, of both names."""
    text = MIGRATIONS.read_text(encoding="utf-8")
    assert text.count("lower(normalize(nombre, NFKD)), '[^a-z0-9]', '', 'g')") == 1
    assert text.count("lower(normalize(c.ciudad, NFKD)), '[^a-z0-9]', '', 'g')") == 1
