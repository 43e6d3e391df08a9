"""A whole name is taken apart where there is one way to do it, by the service and by the migration of an older lab alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from historia_clinica import names

MIGRATIONS = Path(__file__).parents[3] / "roles/clinical_schema/files/sql/migrations.sql"

WHOLES = [
    ("Ana", ("Ana", None)),
    ("Ana Lucía", ("Ana", "Lucía")),
    ("Peña-Gómez Ruiz", ("Peña-Gómez", "Ruiz")),
    ("María del Pilar", None),
    ("Ana Lucía Eva", None),
    ("De León", None),
    ("San Martín", None),
    ("y Gasset", None),
    ("Ana  Lucía", None),
    (" Ana", None),
]


@pytest.mark.parametrize(("whole", "parts"), WHOLES)
def test_a_whole_is_taken_apart_where_there_is_one_way(whole: str, parts: tuple[str, str | None] | None) -> None:
    """One or two words, none of which belongs to another."""
    assert names.split(whole) == parts
    if parts:
        assert names.joined(*parts) == whole


@pytest.mark.skipif(
    not MIGRATIONS.exists(),
    reason="the collection, whose migrations.sql it is compared with, is not beside the package",
)
def test_the_migration_knows_the_same_particles() -> None:
    """Word for word."""
    assert f"(^| )({names.PARTICLES})( |$)" in MIGRATIONS.read_text(encoding="utf-8")
