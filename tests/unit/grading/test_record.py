"""What the grader keeps is the grader's alone, and survives being cut off."""

from __future__ import annotations

import json
from pathlib import Path

from grading.checks import FAILED, PASSED, Verdict
from grading.record import FORMAT, Log, counting, for_another_lab, is_passed, summary

VERDICTS = [
    Verdict("one", PASSED, 2, 2, {}, 0.1),
    Verdict("two", FAILED, 0, 3, {"es": "No está.", "en": "It is not there."}, 0.2),
]


def test_a_line_says_what_is_read_of_it_later(tmp_path: Path) -> None:
    """Its format, when, which lab, which exercise, points and verdicts; mode 0600, in a folder of mode 0700."""
    log = Log(tmp_path, "ana-soto", "7123")
    log.add("check", "trial", **summary(VERDICTS))
    assert (log.path.stat().st_mode & 0o777, log.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    [line] = [json.loads(line) for line in log.path.read_text(encoding="utf-8").splitlines()]
    assert line["format"] == FORMAT
    assert line["time"].endswith("Z")
    assert [line[name] for name in ("kind", "lab", "database", "exercise")] == ["check", "ana-soto", "7123", "trial"]
    assert [line[name] for name in ("points", "of", "seconds")] == [2, 5, 0.3]
    assert line["checks"][1] == {
        "name": "two",
        "verdict": "failed",
        "points": 0,
        "of": 3,
        "message": {"es": "No está.", "en": "It is not there."},
        "seconds": 0.2,
        "after": "",
    }
    assert not is_passed(line)


def test_a_stage_that_is_made_anew_forgets_what_came_before(tmp_path: Path) -> None:
    """Its facts are the last ones; checks and hints count from it on; another exercise's are its own."""
    log = Log(tmp_path, "lab", "1")
    assert log.facts("a") is None
    log.add("stage", "a", facts={"rows": 1})
    log.add("hint", "a", number=1)
    log.add("stage", "b", facts={})
    assert [line["number"] for line in log.since_stage("a", "hint")] == [1]
    log.add("stage", "a", facts={"rows": 2})
    assert log.facts("a") == {"rows": 2}
    assert log.since_stage("a", "hint") == []
    log.add("stage", "a", facts=None)
    assert log.facts("a") is None


def test_a_lab_that_was_made_anew_begins_anew(tmp_path: Path) -> None:
    """Lines of another database of that name stay in the file, and are not its own."""
    Log(tmp_path, "lab", "1").add("stage", "a", facts={})
    assert Log(tmp_path, "lab", "2").lines() == []
    assert len(Log(tmp_path, "lab", "1").lines()) == 1


def test_a_line_that_was_cut_off_hides_no_other(tmp_path: Path) -> None:
    """The disk was full, or the machine went down: the next line stands by itself."""
    log = Log(tmp_path, "lab", "1")
    log.add("stage", "a", facts={"rows": 1})
    with log.path.open("a", encoding="utf-8") as file:
        file.write('{"format": 1, "kind": "sta')
    log.add("stage", "a", facts={"rows": 2})
    assert log.facts("a") == {"rows": 2}


def test_what_counts_was_checked_since_the_stage_was_made_or_in_the_lab_before(tmp_path: Path) -> None:
    """A line that says why nothing was checked is no attempt; another lab has the best of what counted in this one."""
    log = Log(tmp_path, "lab", "7")
    log.add("check", "x", points=9, checks=[])
    log.add("stage", "x", facts={})
    log.add("check", "x", points=5, checks=[])
    log.add("check", "x", points=3, checks=[])
    log.add("check", "x", points=0, checks=[], reason="not begun")
    assert [line["points"] for line in counting(log.lines(), "x")] == [5, 3]
    text = log.path.read_text(encoding="utf-8")
    log.path.write_text(for_another_lab(text), encoding="utf-8")
    next_log = Log(tmp_path, "lab", "8")
    assert [line["points"] for line in counting(next_log.lines(), "x")] == [5]
    assert next_log.facts("x") is None
    assert log.path.read_text(encoding="utf-8").startswith(text), "for appeals, all that was"
