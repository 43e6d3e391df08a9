"""The form of a document is written once, in Python; the tables' checks are held against it."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SQL = ROOT / "roles/clinical_schema/files/sql"


def test_the_tables_know_the_documents_of_the_service() -> None:
    """New tables, and those of an older lab: patients, users and doctors."""
    sys.path.insert(0, str(ROOT / "files/middleware/src"))
    from historia_clinica.documents import KEY

    for file in (SQL / "history.sql", SQL / "migrations.sql"):
        assert file.read_text(encoding="utf-8").count(f"'^{KEY}$'") == 3, file
