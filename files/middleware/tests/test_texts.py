"""The key that sorts and finds names: Python's and the tables' are the same, and sort as Spanish does."""

from __future__ import annotations

import unicodedata

import pytest
from conftest import Lab

from historia_clinica import texts

#: In Spanish order: accents and capitals do not count, ñ comes after n; who has one family name before who has two.
SORTED = ["Acosta", "Álvarez", "alzate", "Ana", "Anzola", "Añez", "Aponte", "De la Cruz", "Nuñez", "Núñez Ángel", "NÚÑEZ BUENO", "Nuñoz", "Ñáñez", "Ospina"]  # fmt: skip
OTHERS = ["ÑAÑEZ", "O'Neill", "Müller", "Gómez-Peña", "Iñi\u0303ez", "Zoe\u200b", "Muñoz\u0301", "Ærø", "ﬁ"]


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("text", SORTED + OTHERS)
def test_the_tables_have_the_same_key(lab: Lab, text: str, form: str) -> None:
    """Whatever form a text was typed in."""
    written = unicodedata.normalize(form, text)  # type: ignore[arg-type]  # one of the four
    lab.admin.execute(
        "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
        " VALUES ('10009', 'Eva', %s, '1990-01-01', 'F', 'Cali')",
        [written],
    )
    assert lab.value("SELECT orden FROM pacientes") == f"{texts.key(text)}  eva"


def test_names_sort_as_in_spanish(lab: Lab) -> None:
    """On a server that knows no Spanish."""
    for number, text in enumerate(reversed(SORTED)):
        lab.admin.execute(
            "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
            " VALUES (%s, 'Eva', %s, '1990-01-01', 'F', 'Cali')",
            [f"1000{number}", text],
        )
    assert [text for (text,) in lab.rows("SELECT apellido FROM pacientes ORDER BY orden")] == SORTED
    assert sorted(SORTED, key=texts.key) == SORTED


def test_a_beginning_is_a_range_and_a_pattern() -> None:
    """The range leads an index; a typed n stands for ñ, a typed ñ for itself."""
    assert texts.beginning("Ana") == ("an", "an\U0010ffff", "^an~?a")
    assert texts.beginning("Peña.") == ("pen", "pen\U0010ffff", r"^pen\~a\.")


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("san jose", True),
        ("cucu", True),
        ("CÚCUTA", True),
        ("cuta", False),
        ("pena", True),
        ("peña", True),
        ("Pèña", True),
        ("ena", False),
        ("a", False),
    ],
)
def test_a_word_is_found_by_its_beginning(lab: Lab, typed: str, found: bool) -> None:
    """Wherever it stands; what comes after an ñ begins no word."""
    assert lab.value("SELECT %s ~ %s", texts.key("San José de Cúcuta (Peña)"), texts.within(typed)) == found
