"""Check exercises of one lab, each check within its time."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from grading.checks import BROKEN, NOT_RUN, PASSED, Verdict
from grading.exercise import Exercise

#: Seconds for what is no check: a Python that starts, a check.py that is read.
START = 20.0


@dataclass
class Outcome:
    """What checking an exercise came to, while it is found out.

    Attributes:
        exercise: which one.
        error: what is wrong with its check.py; empty where nothing is.
        checks: its checks, in order: name, points, and what each builds on.
        verdicts: what is known of them.
    """

    exercise: Exercise
    error: str = ""
    checks: list[dict[str, Any]] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def all(self) -> list[Verdict]:
        """A verdict for each check, in order. Of a check.py that cannot be used there is one, broken."""
        if self.error:
            points = self.exercise.about.points
            return [Verdict("check.py", BROKEN, 0, points, {"es": self.error, "en": self.error})]
        return [self.verdicts[each["name"]] for each in self.checks]

    def cut(self, seconds: float) -> None:
        """Take in that no time was left for what is not known yet."""
        said = {
            "es": f"no quedó tiempo: las comprobaciones de este laboratorio tardaron más de {seconds:g} s",
            "en": f"no time was left: the checks of this lab took more than {seconds:g} s",
        }
        self.checks = self.checks or [{"name": "", "of": self.exercise.about.points, "after": ""}]
        for each in self.checks:
            if each["name"] not in self.verdicts:
                self.take(each["name"], NOT_RUN, said)

    def take(self, name: str, verdict: str, message: Mapping[str, str], seconds: float = 0.0, after: str = "") -> None:
        """Take in what a check came to."""
        of = next(each["of"] for each in self.checks if each["name"] == name)
        if after:
            before = self.verdicts[after].verdict
            message = {
                "es": f"se hace cuando pase {after}" if before != BROKEN else f"{after} tiene un error propio",
                "en": f"runs once {after} passes" if before != BROKEN else f"{after} has a mistake of its own",
            }
        self.verdicts[name] = Verdict(name, verdict, of if verdict == PASSED else 0, of, dict(message), seconds, after)


def check_exercises(
    record: Record, chosen: Sequence[Exercise], stages: Mapping[str, Mapping[str, Any]], seconds: float = math.inf
) -> dict[str, list[Verdict]]:
    """Check exercises of one lab, one after the other. Nothing is kept: that is the caller's (record.Log).

    Args:
        record: the lab's.
        chosen: which exercises.
        stages: what is known of the stage of each, by its name (record.Log.facts).
        seconds: how long all of it may take: what is left then is not run.

    Returns:
        The verdicts of each exercise, by its name.
    """
    outcomes = {each.id: Outcome(each) for each in chosen}
    waiting = list(outcomes.values())
    end = time.monotonic() + seconds
    while waiting:
        cut = _work(record, waiting, stages, end)
        if cut is None:
            break
        if time.monotonic() >= end:
            for outcome in waiting:
                outcome.cut(seconds)
            break
        # The one that was cut off goes on behind the check at which it was; those behind it follow.
        waiting = waiting[waiting.index(outcomes[cut]) :]
        if outcomes[cut].error:
            waiting = waiting[1:]
    return {name: outcome.all() for name, outcome in outcomes.items()}


def _work(
    record: Record, outcomes: Sequence[Outcome], stages: Mapping[str, Mapping[str, Any]], end: float
) -> str | None:
    """Have a process check exercises; the name of the one at which it was cut off, None where it came to its end."""
    asked = {
        "record": asdict(record),
        "exercises": [
            {
                "id": outcome.exercise.id,
                "folder": str(outcome.exercise.folder),
                "stage": dict(stages.get(outcome.exercise.id, {})),
                "done": {name: verdict.verdict for name, verdict in outcome.verdicts.items()},
            }
            for outcome in outcomes
        ],
    }
    known = {outcome.exercise.id: outcome for outcome in outcomes}
    at, begun = outcomes[0].exercise.id, ""
    here, there = os.pipe()
    with _process(asked, there), os.fdopen(here, "rb", buffering=0) as file:
        os.close(there)
        answers = Answers(file, end)
        for line in answers:
            if line.get("end"):
                return None
            at, outcome = line["exercise"], known[line["exercise"]]
            begun, answers.limit = "", START
            if "error" in line:
                outcome.error = line["error"]
            elif "checks" in line:
                outcome.checks = line["checks"]
            elif "begins" in line:
                begun, answers.limit = line["begins"], line["seconds"]
            elif "check" in line:
                seconds = line.get("seconds", 0.0)
                outcome.take(line["check"], line["verdict"], line["message"], seconds, line.get("after", ""))
    if time.monotonic() >= end:
        return at
    said = (
        {
            "es": f"tardó más de {answers.limit:g} s y se cortó",
            "en": f"took more than {answers.limit:g} s and was cut off",
        }
        if answers.hangs
        else {"es": "su proceso terminó sin decir nada", "en": "its process ended without a word"}
    )
    if begun:
        known[at].take(begun, BROKEN, said, answers.limit if answers.hangs else 0.0)
    else:
        known[at].error = f"check.py: {said['en']}"
    return at


@contextlib.contextmanager
def _process(asked: Mapping[str, Any], answers: int) -> Iterator[None]:
    """The process that runs checks, with nothing of this one's environment; killed with all that it started."""
    path = os.pathsep.join(filter(None, sys.path))
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "grading.worker", str(answers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONUTF8": "1", "PYTHONPATH": path},
        pass_fds=[answers],
        start_new_session=True,
    ) as process:
        if process.stdin:
            process.stdin.write(json.dumps(asked).encode())
            process.stdin.close()
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class Answers:
    """The lines that a process says, until it ends, or says nothing for longer than the limit.

    Attributes:
        limit: seconds that the next line may take.
        hangs: whether it said nothing for longer than that.

    Args:
        file: where they are read from.
        end: when it is over, whatever it says: seconds of time.monotonic().
    """

    def __init__(self, file: io.FileIO, end: float) -> None:
        self.limit = START
        self.end = end
        self.hangs = False
        self._file = file

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each line, in JSON."""
        waiting = b""
        while True:
            deadline = min(time.monotonic() + self.limit, self.end)
            while b"\n" not in waiting:
                ready, _write, _error = select.select([self._file], [], [], max(0.0, deadline - time.monotonic()))
                self.hangs = not ready
                read = self._file.read(65536) if ready else b""
                if not read:
                    return
                waiting += read
            line, _end, waiting = waiting.partition(b"\n")
            yield json.loads(line)
