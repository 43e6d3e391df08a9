"""A person is a type and a number: what is written becomes one key, or is refused where it could be two."""

from __future__ import annotations

import re

import pytest

from historia_clinica import documents

KEYS = [
    ("1072319876", "1072319876"),
    ("1.072.319.876", "1072319876"),
    ("1 072 319 876", "1072319876"),
    (" 0012345 ", "12345"),
    ("4567", "4567"),
    ("cc 12345", "12345"),
    ("CC-1.072.319.876", "1072319876"),
    ("TI-1072319876", "TI-1072319876"),
    ("ti: 1.072.319.876", "TI-1072319876"),
    ("TI-00010112345", "TI-00010112345"),  # eleven digits: somebody born on 1 January 2000
    ("RC-A1B2C3", "RC-A1B2C3"),
    ("ce 345678", "CE-345678"),
    ("PA-ab123456", "PA-AB123456"),
    ("PPT-1234567", "PT-1234567"),
    ("CN-123456789", "CN-123456789"),
    ("AS-11001S0001", "AS-11001S0001"),
]

REFUSED = [
    ("123", "CC (cédula de ciudadanía) tiene de 4 a 10 dígitos."),
    ("00123", "CC (cédula de ciudadanía) tiene de 4 a 10 dígitos."),
    ("12345678901", "tiene que ser una cédula de ciudadanía"),  # eleven digits are no cédula: a tarjeta, or a registro
    ("abc", "tiene que ser una cédula de ciudadanía"),
    ("1.07", "tiene que ser una cédula de ciudadanía"),  # no thousands: two numbers, or half of one
    ("1072,319876", "tiene que ser una cédula de ciudadanía"),
    ("PA123456", "tiene que ser una cédula de ciudadanía"),  # a passport PA123456, or 123456?
    ("XX-12345", "no hay documentos de tipo XX: son CC, TI, "),
    ("TI-10A2", "TI (tarjeta de identidad) tiene de 4 a 11 dígitos."),
    ("TI-0012345678", "no puede empezar por cero (tarjeta de identidad)"),
    ("CE-0345", "no puede empezar por cero (cédula de extranjería)"),
    ("CE-1234567", "CE (cédula de extranjería) tiene de 4 a 6 dígitos o letras."),
    ("CN-12345678", "CN (certificado de nacido vivo) tiene de 9 a 20 dígitos o letras."),
    ("CC-", "tiene que ser una cédula de ciudadanía"),
    ("", "tiene que ser una cédula de ciudadanía"),
    ("١٢٣٤٥", "tiene que ser una cédula de ciudadanía"),
]


@pytest.mark.parametrize(("written", "key"), KEYS)
def test_what_is_written_becomes_one_key(written: str, key: str) -> None:
    """Dots, blanks, zeros in front and small letters are how people write; the key has none, and is its own."""
    assert documents.key(written) == key
    assert documents.key(key) == key
    assert re.fullmatch(documents.KEY, key)


@pytest.mark.parametrize(("written", "reason"), REFUSED)
def test_what_could_be_two_is_refused(written: str, reason: str) -> None:
    """With the rule that it breaks."""
    with pytest.raises(ValueError, match=re.escape(reason)):
        documents.key(written)


def test_the_same_digits_are_two_people() -> None:
    """A child's tarjeta and an adult's cédula."""
    assert documents.key("TI-1072319876") != documents.key("1072319876")
    assert documents.parts("TI-1072319876") == ("TI", "1072319876")
    assert documents.parts("1072319876") == ("CC", "1072319876")


@pytest.mark.parametrize(
    ("key", "years", "fits"),
    [("12345", 40, True), ("12345", 5, False), ("TI-12345", 12, True), ("TI-12345", 40, False), ("RC-12345", 3, True),
     ("RC-12345", 30, False), ("CN-123456789", 1, True), ("CN-123456789", 9, False), ("PA-A1234", 3, True), ("AS-1234", 10, False)],
)  # fmt: skip
def test_a_document_belongs_to_an_age(key: str, years: int, fits: bool) -> None:
    """A year or two are left at each change."""
    assert documents.fits_age(key, years) is fits
