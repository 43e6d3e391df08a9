"""The copy of the clinical history has the keys that a lab has."""

from __future__ import annotations

import re
from pathlib import Path

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
    assert len(asked) == 7
    assert asked == made
