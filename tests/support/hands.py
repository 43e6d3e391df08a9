"""A lab that somebody has changed by hand: what is said of it, what a check announces, what a run does."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from support.changes import Change
from support.labs import Lab, Run


def broken_promises(lab: Lab, file: Path) -> dict[str, str]:
    """What `make verify` reports as failed: what it found, by the id of the check."""
    file.unlink(missing_ok=True)
    run = lab.play("verify.yml", "-e", json.dumps({"verification_file": str(file)}))
    assert file.exists(), run.stdout + run.stderr
    checks = json.loads(file.read_text(encoding="utf-8"))["checks"]
    return {check["id"]: check["found"] for check in checks if check["result"] == "fail"}


def roles_that_change(run: Run) -> list[str]:
    """The roles of which a run with -v says that they change something."""
    tasks = re.split(r"^(?:TASK|RUNNING HANDLER) \[", run.stdout, flags=re.MULTILINE)
    changing = [task for task in tasks if re.search(r"^changed: ", task, re.MULTILINE)]
    return sorted({task.split(" : ")[0].rpartition(".")[2] for task in changing})


def changed_and_put_right(lab: Lab, changes: Sequence[Change], file: Path) -> None:
    """Change a lab by hand, all at once, and follow it until it is right again.

    Raises:
        AssertionError: a change was not named; a check announced something else than the run did; the run failed, or left
            what it should repaired, or took what it should leave.
    """
    assert changes
    for change in changes:
        change.how(lab)
    failed = broken_promises(lab, file)
    unnamed = [each.name for each in changes if each.check not in failed or each.found not in failed[each.check]]
    assert unnamed == [], failed
    refuses = any(change.refused for change in changes)
    check = lab.play("site.yml", "--check", "-v")
    run = lab.play("site.yml", "-v")
    for each in (check, run):
        assert (each.rc != 0) == refuses, each.stdout + each.stderr
        assert [change.name for change in changes if change.tells not in " ".join(each.stdout.split())] == []
    assert roles_that_change(check) == roles_that_change(run)
    assert bool(roles_that_change(run)) == any(not change.tells for change in changes)
    if refuses:
        return
    left = [change.found for change in changes if change.tells]
    after = broken_promises(lab, file)
    assert after == {} or (set(after) == {"as-installed"} and after["as-installed"].count("; ") == len(left) - 1), after
    assert all(text in after["as-installed"] for text in left)
    again = lab.play("site.yml")
    assert again.recap[lab.name]["changed"] == 0, again.stdout
