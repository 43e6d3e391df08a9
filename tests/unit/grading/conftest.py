"""What the tests of grading share."""

from __future__ import annotations

from pathlib import Path

import pytest

from grading import labs
from support.classrooms import LABS, LIST


@pytest.fixture
def roster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A class, with its list, and labs whose records cannot be read: nobody listens there."""
    root = tmp_path / "state"
    (root / "registry").mkdir(parents=True)
    for lab in LABS:
        (root / "labs" / lab).mkdir(parents=True)
        (root / "registry" / lab).symlink_to(root / "labs" / lab)
    # What each student has is kept beside the list, as `make class` does: without it, labs of these names would be strangers'.
    kept = ",".join(
        f'{{"number": {number}, "lab": "{lab}", "port": {16000 + 20 * number}, "code": "{number}"}}'
        for number, lab in enumerate(LABS[:3], 1)
    )
    (tmp_path / "curso.numbers.json").write_text(f'{{"format": 1, "students": [{kept}]}}', encoding="utf-8")
    path = tmp_path / "curso.csv"
    path.write_text(LIST, encoding="utf-8")
    (tmp_path / "roster.yml").write_text("plugin: aula.historia_clinica.roster\nfile: curso.csv\n", encoding="utf-8")
    monkeypatch.setattr(labs, "state", lambda: root)
    monkeypatch.delenv("LAB", raising=False)
    return path
