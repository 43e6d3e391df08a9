"""Labs that somebody has changed by hand: named by verify, announced by --check, repaired by the next run, or told and left.

`make changed` tries each of the changes of support/changes.py by itself.
"""

from __future__ import annotations

from pathlib import Path

from support.changes import CHANGES
from support.hands import changed_and_put_right
from support.labs import Lab, Workshop, only


def test_what_somebody_changed_is_named_and_put_right(lab: Lab, tmp_path: Path) -> None:
    """All that a run repairs and that can be seen at once: nothing is lost, a check announces what the run does, and the run after it changes nothing."""
    with lab.connect() as connection:
        before = connection.execute("SELECT count(*) FROM pacientes").fetchone()
    changes = [each for each in CHANGES if lab.engine in each.engines and not each.tells and not each.alone]
    changed_and_put_right(lab, changes, tmp_path / "report.json")
    with lab.connect() as connection:
        assert connection.execute("SELECT count(*) FROM pacientes").fetchone() == before


@only("postgres_fdw")  # the same tasks with every engine
def test_what_holds_rows_is_left_and_what_is_lost_is_refused(workshop: Workshop, lab: Lab, tmp_path: Path) -> None:
    """A column stays; a data directory that is gone stops the run, since an empty one would hide that its rows are."""
    changed = workshop.lab("test-changed", lab.engine, clinical_schema_patients=10)
    assert changed.play("site.yml").rc == 0
    for refused in (False, True):
        changes = [each for each in CHANGES if lab.engine in each.engines and each.tells and each.refused is refused]
        changed_and_put_right(changed, changes, tmp_path / "report.json")
    assert changed.play("teardown.yml").rc == 0
