"""The statements of the package: what a search has, and what it may not be without."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from historia_clinica.sql import OPTIONAL, search, statement

SEARCHES = [
    "accesos",
    "accesos_paginas",
    "cambios",
    "cie10",
    "consultas",
    "medicos",
    "municipios",
    "pacientes",
    "usuarios_v1",
]


def test_search_keeps_the_conditions_that_were_asked_for() -> None:
    """And no other."""
    text = search("pacientes", frozenset({"ciudad", "limite"})).decode()
    assert re.findall(r"%\((\w+)\)s", text) == ["ciudad", "limite"]


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_can_go_without_its_conditions_and_not_without_its_limit(name: str) -> None:
    """Whatever is not marked as optional has to be given."""
    needed = {"cedula", "limite"} if name in ("accesos", "cambios") else {"limite"}
    assert b"LIMIT" in search(name, frozenset(needed))
    with pytest.raises(LookupError, match="limite"):
        search(name, frozenset(needed - {"limite"}))


@pytest.mark.parametrize(
    ("name", "given", "required", "wrong"),
    [
        ("pacientes", {"limite", "ciudda"}, set(), "ciudda"),
        ("pacientes", {"limite", "ciudad", "barrio"}, set(), "barrio"),
        ("pacientes", {"limite"}, {"cedula"}, "cedula"),
        ("accesos", {"limite"}, set(), "cedula"),
        ("consultas", {"limite", "despues_fecha"}, set(), "despues_id"),
        ("consultas", {"limite", "despues_id", "despues_paciente"}, set(), "despues_fecha"),
    ],
)
def test_search_is_refused_where_a_name_is_wrong(name: str, given: set[str], required: set[str], wrong: str) -> None:
    """A misspelt, an unknown, a missing one, half of a cursor: nobody is shown more than was asked for."""
    with pytest.raises(LookupError, match=rf"{name}\.sql does not go with .*'{wrong}'"):
        search(name, frozenset(given), frozenset(required))


def test_only_searches_have_optional_lines() -> None:
    """Where the mark is misspelt a condition would always be there."""
    names = [file.name.removesuffix(".sql") for file in files("historia_clinica.sql").iterdir() if ".sql" in file.name]
    assert len(names) > 40
    assert {name for name in names if OPTIONAL.encode() in statement(name)} == set(SEARCHES)
    assert not [
        name for name in names if re.search(rb"--\s*option(?!al$)", statement(name), re.MULTILINE | re.IGNORECASE)
    ]
