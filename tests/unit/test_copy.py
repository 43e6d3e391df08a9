"""The copy of the clinical history has the keys that a lab has, and says what it left out."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.report import copy_page

ROLE = Path(__file__).parents[2] / "roles/clinical_schema"


def test_the_copy_makes_the_foreign_keys_of_the_lab() -> None:
    """Those that the role asks the engine for, by name, columns and what they refer to."""
    asked = re.findall(
        r"lab\.add_foreign_key\('(\S+)', '(\S+)', '(\S+)', '(\S+)', '(\S+)'\)",
        (ROLE / "tasks/make.yml").read_text(encoding="utf-8"),
    )
    made = re.findall(
        r"ALTER TABLE (\S+) ADD CONSTRAINT (\S+) FOREIGN KEY \((\S+)\) REFERENCES (\S+) \((\S+)\);",
        (ROLE / "files/sql/copy_end.sql").read_text(encoding="utf-8"),
    )
    assert len(asked) == 2
    assert asked == made


def test_the_copy_names_what_it_holds_and_what_it_does_not() -> None:
    """Rows table by table; of others' making the names; statements are of no interest to a person."""
    rows = [
        {"kind": "column", "text": "ALTER TABLE public.pacientes ADD COLUMN alergias text;"},
        {"kind": "left out", "text": "table recetas"},
        {"kind": "rows", "text": "medicos 40"},
    ]
    assert copy_page(rows, "/tmp/historia.sql") == [
        "Copied into /tmp/historia.sql:",
        "  medicos 40",
        "Not in it, since somebody made it beside the history: table recetas.",
    ]
    assert copy_page(rows[2:], "/tmp/historia.sql")[-1] == "  medicos 40"
