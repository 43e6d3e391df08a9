"""What the grader keeps of what it did: lines of JSON, one file for each lab, in one folder that only the grader's user reads.

A line has `format`, `time` (UTC), `kind`, `lab`, `database` (the coordinator's system identifier: another one is a lab that was made anew),
`exercise`, and what belongs to its kind:

- `stage`: `facts`, what the setup said of the stage that it made: checks compare with these, and not with what a student could have changed;
- `check`: `points`, `of`, `seconds`, and `checks`, each with `name`, `verdict`, `points`, `of`, `message` by language, `seconds`, `after`; where it was
  not the student who asked, `by`; where nothing was checked, `reason`;
- `hint`: `number`, from 1;
- `mark`: what counted in the lab that the student had before the class was taken over, as in `check`; `database` is empty: it is any lab's.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grading.checks import PASSED, Verdict

FORMAT = 1
#: Who asked for a check, where it was not the student.
TEACHER = "teacher"


def folder(root: Path) -> Path:
    """Where the record of a state's labs is."""
    return root / "grading"


class Log:
    """The lines about one lab.

    Args:
        root: the folder of the state that the lab belongs to.
        lab: its name.
        database: the coordinator's system identifier, in text; empty for a lab that does not answer: its lines are those about the last one then.
    """

    def __init__(self, root: Path, lab: str, database: str) -> None:
        self.path = folder(root) / f"{lab}.jsonl"
        self._same = {"lab": lab, "database": database}

    def add(self, kind: str, exercise: str, **rest: Any) -> dict[str, Any]:
        """Keep a line, and give it back.

        Raises:
            OSError: it cannot be written: the disk is full, or the folder somebody else's.
        """
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"format": FORMAT, "time": time, "kind": kind, **self._same, "exercise": exercise, **rest}
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            os.fchmod(descriptor, 0o600)
            size = os.fstat(descriptor).st_size
            cut = (
                size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            )  # where the disk was full: that line is lost, this one is not
            file.write(b"\n" * cut + json.dumps(line, ensure_ascii=False).encode() + b"\n")
        return line

    def lines(self) -> list[dict[str, Any]]:
        """The lines about this lab as it is now, not about one that was called like it; one that was cut off is left out."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        found = lines_of(text)
        last = (line["database"] for line in reversed(found) if line["database"])
        database = self._same["database"] or next(last, "")
        return [line for line in found if line["database"] in (database, "")]

    def facts(self, exercise: str) -> dict[str, Any] | None:
        """What is known of the stage of an exercise; None where there is none."""
        stages = [line for line in self.lines() if line["kind"] == "stage" and line["exercise"] == exercise]
        return stages[-1]["facts"] if stages else None

    def since_stage(self, exercise: str, kind: str) -> list[dict[str, Any]]:
        """The lines of a kind about an exercise, of its present stage."""
        return [line for line in since_stage(self.lines(), exercise) if line["kind"] == kind]


def lines_of(text: str) -> list[dict[str, Any]]:
    """The lines of a record; one that was cut off is left out."""
    found = []
    for line in text.splitlines():
        try:
            read = json.loads(line)
        except ValueError:
            continue
        if read.get("format") == FORMAT:
            found.append(read)
    return found


def since_stage(lines: Sequence[Mapping[str, Any]], exercise: str) -> list[dict[str, Any]]:
    """The lines about an exercise behind that of its present stage; none where there is no stage."""
    own = [dict(line) for line in lines if line["exercise"] == exercise]
    stages = [number for number, line in enumerate(own) if line["kind"] == "stage"]
    return own[stages[-1] + 1 :] if stages else []


def counting(lines: Sequence[Mapping[str, Any]], exercise: str) -> list[dict[str, Any]]:
    """The checks of an exercise that count, of the lines about a lab: those of its present stage, and what was taken over."""
    taken = [dict(line) for line in lines if line["kind"] == "mark" and line["exercise"] == exercise]
    checked = [line for line in since_stage(lines, exercise) if line["kind"] == "check"]
    return [*taken, *(line for line in checked if "reason" not in line)]


def for_another_lab(text: str) -> str:
    """The record of a lab as a student's next lab has it: its lines, and behind them for each exercise the best check that counted."""
    lines = lines_of(text)
    last = next((line["database"] for line in reversed(lines) if line["database"]), "")
    own = [line for line in lines if line["database"] in (last, "")]
    found = {line["exercise"]: counting(own, line["exercise"]) for line in own}
    best = [max(each, key=lambda line: (line["points"], line["time"])) for each in found.values() if each]
    more = [json.dumps({**line, "kind": "mark", "database": ""}, ensure_ascii=False) for line in best]
    return "".join(f"{line}\n" for line in [*text.splitlines(), *more])


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What a line of the kind `check` holds."""
    return {
        "points": sum(each.points for each in verdicts),
        "of": sum(each.of for each in verdicts),
        "seconds": round(sum(each.seconds for each in verdicts), 3),
        "checks": [asdict(each) for each in verdicts],
    }


def is_passed(line: Mapping[str, Any]) -> bool:
    """Whether all checks of a line passed."""
    return all(each["verdict"] == PASSED for each in line["checks"])
