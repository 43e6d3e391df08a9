"""An exam: exercises that are shut before it begins and after it ends, and whose attempts between count.

The teacher's exam.yml is kept, by `make exam`, beside the grader's record, where the commands of the exercises find it by the lab's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    ensure_text,
)
from grading.exercise import Exercise, ExerciseError, exercise
from grading.record import folder

#: What a teacher writes, beside the list.
FILE = "exam.yml"
#: How long after the end the state of a lab counts as that at the end: so long may checking a class take.
GRACE = timedelta(minutes=5)
BEFORE, DURING, AFTER = "before", "during", "after"


class Exam(BaseModel):
    """What exam.yml says. Times without a zone are this machine's."""

    model_config = ConfigDict(extra="forbid", title=FILE)

    exercises: list[str] = Field(min_length=1, description="Names of the exercises")
    begin: datetime = Field(alias="from", description="When they open")
    end: datetime = Field(alias="to", description="When they shut, and marks are taken")
    hints: bool = Field(default=False, description="Whether hints are given")

    @field_validator("begin", "end")
    @classmethod
    def _in_a_zone(cls, time: datetime) -> datetime:
        return time.astimezone()

    @model_validator(mode="after")
    def _ends(self) -> Exam:
        if self.end <= self.begin:
            raise ValueError("`to` is not after `from`")
        return self

    def phase(self, now: datetime) -> str:
        """Whether a time is before it, during it or after it."""
        return BEFORE if now < self.begin else DURING if now < self.end else AFTER

    def counts(self, line: Mapping[str, Any]) -> bool:
        """Whether a line of the record is of an attempt that counts: a student's in its time, a teacher's up to a while after it."""
        grace = GRACE if "by" in line else timedelta()
        return self.begin <= datetime.fromisoformat(line["time"]) < self.end + grace


@dataclass(frozen=True)
class Kept:
    """An exam as it is kept.

    Attributes:
        name: the class's.
        exam: what its exam.yml says.
        labs: of its students.
    """

    name: str
    exam: Exam
    labs: tuple[str, ...]


def read(path: Path, places: Iterable[Path]) -> tuple[Exam, list[Exercise]]:
    """What an exam.yml says, and its exercises.

    Raises:
        ExerciseError: it cannot be read, is wrong, or names an exercise that there is not.
    """
    try:
        exam = Exam.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ExerciseError(
            f"no hay {path}: escriba en él exercises, from y to",
            f"there is no {path}: write exercises, from and to into it",
        ) from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors())
        raise ExerciseError(f"{path} no sirve: {wrong}", f"{path} cannot be used: {wrong}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ExerciseError(f"no se puede leer {path}: {error}", f"{path} cannot be read: {error}") from error
    known = list(places)
    return exam, [exercise(known, name) for name in exam.exercises]


def keep(root: Path, name: str, exam: Exam, labs: Sequence[str]) -> None:
    """Keep the exam of a class in place of the one that was kept for it.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps({"name": name, "labs": list(labs), "exam": exam.model_dump(mode="json", by_alias=True)}, indent=1)
    for place in (folder(root), _place(root)):
        ensure_directory(str(place), 0o700, Ownership())
    ensure_text(str(_place(root) / f"{name}.json"), f"{text}\n", 0o600, Ownership())


def forget(root: Path, name: str) -> None:
    """Take the exam of a class away, where there is one."""
    (_place(root) / f"{name}.json").unlink(missing_ok=True)


def kept(root: Path) -> list[Kept]:
    """The exams that are kept.

    Raises:
        ExerciseError: one cannot be read: nobody knows then what is shut.
    """
    found = []
    for path in sorted(_place(root).glob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            found.append(Kept(said["name"], Exam.model_validate(said["exam"]), tuple(said["labs"])))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ExerciseError(
                f"no se puede leer {path} ({error}): repita make exam",
                f"{path} cannot be read ({error}): repeat make exam",
            ) from error
    return found


def exam_of(root: Path, lab: str, name: str) -> Exam | None:
    """The exam that an exercise of a lab is part of; None where there is none.

    Raises:
        ExerciseError: an exam cannot be read.
    """
    return next((each.exam for each in kept(root) if lab in each.labs and name in each.exam.exercises), None)


def _place(root: Path) -> Path:
    return folder(root) / "exams"
