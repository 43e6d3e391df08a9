"""What a student hands in who works on a machine of their own: `make submit` writes a file, which `make grade` reads from `submissions/` beside the list.

The file says what the checks came to, what that was computed from, of which lab, and when. Whoever has the machine can change all of it: so it is named
wherever its marks stand, and never counts where the lab on the teacher's machine was checked itself. Its checksum finds a file that was damaged on its way.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from grading.checks import LANGUAGES, PASSED
from grading.exercise import Exercise
from grading.marks import BEGUN, Result, Student
from grading.texts import say

FORMAT = 1
TEXTS = {
    "es": {
        "unreadable": "no se puede leer: {error}",
        "no file": "no es una entrega de make submit ({error})",
        "damaged": "está dañada: su suma no es la que dice. Pida que la envíen de nuevo, tal como la escribió make submit",
        "nobody": "es de {student}, que no está en la lista",
        "older": "es anterior a {other}, que es la que cuenta",
        "same lab": "se hizo en el mismo laboratorio que {other}: no cuenta ninguna de las dos. Pregunte a quién pertenece",
        "version": "{exercise} se comprobó con otra versión del ejercicio, y no cuenta: que actualice el proyecto (git pull) y repita make submit",
        "unknown": "{exercise} no es un ejercicio de este proyecto, y no cuenta: EXERCISES_PATH nombra los de usted",
        "points": "{exercise} no tiene los puntos de sus comprobaciones, y no cuenta",
    },
    "en": {
        "unreadable": "it cannot be read: {error}",
        "no file": "it is no file of make submit ({error})",
        "damaged": "it is damaged: its checksum is not the one that it says. Ask for it again, as make submit wrote it",
        "nobody": "it is {student}'s, who is not on the list",
        "older": "it is older than {other}, which is the one that counts",
        "same lab": "it was made in the same lab as {other}: neither counts. Ask whose that is",
        "version": "{exercise} was checked with another version of the exercise, and does not count: update the project (git pull), and repeat make submit",
        "unknown": "{exercise} is no exercise of this project, and does not count: EXERCISES_PATH names yours",
        "points": "{exercise} does not have the points of its checks, and does not count",
    },
}


class WrongFileError(Exception):
    """A file counts for nothing.

    Args:
        name: of the sentence that says why.
        values: what stands in it.
    """

    def __init__(self, name: str, **values: object) -> None:
        self.text = both(name, **values)
        super().__init__(self.text["en"])


def both(name: str, **values: object) -> dict[str, str]:
    """A sentence, by language."""
    return {language: say(TEXTS, language, name, **values) for language in LANGUAGES}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Check(_Part):
    """What a check came to, as a line of the record has it."""

    name: str = Field(max_length=200)
    verdict: Literal["passed", "failed", "not run", "broken"]
    points: int = Field(ge=0, le=100)
    of: int = Field(ge=0, le=100)
    message: dict[str, str]
    seconds: float = 0.0
    after: str = ""


class Attempt(_Part):
    """What an exercise came to: the attempt that counts, and what it was computed from."""

    version: str
    time: AwareDatetime
    points: int = Field(ge=0, le=100)
    checks: list[Check] = Field(max_length=100)
    stage: dict[str, Any]
    evidence: dict[str, Any]

    def adds_up(self, of: int) -> bool:
        """Whether its points are those of its checks, and these what the exercise gives; a check that did not pass gives none."""
        given = sum(each.of for each in self.checks if each.verdict == PASSED)
        return given == self.points and sum(each.of for each in self.checks) == of


class Lab(_Part):
    """The lab that was checked."""

    name: str
    database: str = Field(pattern=r"^[0-9]+$")
    target: str
    engine: str
    workers: int


class Submission(_Part):
    """A file of `make submit`."""

    format: Literal[1]
    student: str = Field(min_length=1, max_length=200)
    made: AwareDatetime
    lab: Lab
    exercises: dict[str, Attempt]


@dataclass(frozen=True)
class Handed:
    """What counts of the files of a class.

    Attributes:
        by_lab: the results of a student's file, by exercise, by the lab that the student has in the class.
        files: a student's files, whether they count or not, by the same.
        wrong: what is wrong with files, or with parts of them, with the file's name.
    """

    by_lab: Mapping[str, Mapping[str, Result]]
    files: Mapping[str, Sequence[Path]]
    wrong: Sequence[tuple[str, Mapping[str, str]]]


def version_of(exercise: Exercise) -> str:
    """What an exercise's verdicts depend on, in a word: its description, its checks and its stage; statements and answers may differ."""
    digest = hashlib.sha256()
    for path in sorted(exercise.folder.rglob("*")):
        name = path.relative_to(exercise.folder)
        if (
            path.is_file()
            and path.suffix in (".yml", ".py", ".sql", ".sh")
            and name.parts[0] not in ("solution", "wrong")
        ):
            digest.update(f"{name.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def name_of(student: str) -> str:
    """What a file is called."""
    word = re.sub(r"[^\w.@-]", "_", student)
    return f"submission-{word}.json"


def text_of(student: str, lab: Record, database: str, attempts: Mapping[str, Mapping[str, Any]], now: datetime) -> str:
    """What is handed in.

    Args:
        student: what the school calls the student, or the address.
        lab: the student's.
        database: the coordinator's system identifier.
        attempts: what each exercise came to, as `Attempt` says.
        now: the time, with its zone.
    """
    said: dict[str, Any] = {
        "format": FORMAT,
        "student": student,
        "made": now.isoformat(timespec="seconds"),
        "lab": {
            "name": lab.name,
            "database": database,
            "target": lab.target,
            "engine": lab.engine,
            "workers": lab.workers,
        },
        "exercises": attempts,
    }
    whole = json.loads(json.dumps(said, default=str))
    return json.dumps({**whole, "sha256": digest_of(whole)}, ensure_ascii=False, indent=1) + "\n"


def read(text: str) -> Submission:
    """A file of `make submit`.

    Raises:
        WrongFileError: it is none, or damaged; the message says so in both languages.
    """
    try:
        said = json.loads(text)
        digest = said.pop("sha256")
        submission = Submission.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise WrongFileError("no file", error=f"{where}: {first['msg']}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WrongFileError("no file", error=error) from error
    if digest != digest_of(said):
        raise WrongFileError("damaged")
    return submission


def handed_in(folder: Path, students: Sequence[Student], exercises: Iterable[Exercise]) -> Handed:
    """What counts of the files in a folder: of each student the newest one.

    Args:
        folder: where they are.
        students: of the list.
        exercises: which ones there are.
    """
    wrong: list[tuple[str, Mapping[str, str]]] = []
    found: dict[str, list[tuple[Path, Submission]]] = {}
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            submission = read(_text(path))
            found.setdefault(_lab_of(submission.student, students), []).append((path, submission))
        except WrongFileError as error:
            wrong.append((path.name, error.text))
    newest = {lab: max(files, key=lambda each: each[1].made) for lab, files in found.items()}
    known = {each.id: each for each in exercises}
    by_lab = {}
    for lab, (path, submission) in newest.items():
        wrong += [(each.name, both("older", other=path.name)) for each, _submission in found[lab] if each != path]
        same = [
            each.name
            for each, other in newest.values()
            if each != path and other.lab.database == submission.lab.database
        ]
        if same:
            wrong.append((path.name, both("same lab", other=", ".join(same))))
        else:
            by_lab[lab] = dict(_results(path, submission, known, wrong))
    files = {lab: [path for path, _submission in each] for lab, each in found.items()}
    return Handed(by_lab, files, wrong)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise WrongFileError("unreadable", error=error) from error


def _lab_of(student: str, students: Sequence[Student]) -> str:
    name = student.strip().lower()
    for each in students:
        if name in (each.code.lower(), each.email.lower()):
            return each.lab
    raise WrongFileError("nobody", student=student)


def _results(
    path: Path, submission: Submission, known: Mapping[str, Exercise], wrong: list[tuple[str, Mapping[str, str]]]
) -> Iterator[tuple[str, Result]]:
    """What counts of a file, by exercise; what does not is added to what is wrong."""
    for name, attempt in submission.exercises.items():
        exercise = known.get(name)
        if exercise is None:
            wrong.append((path.name, both("unknown", exercise=name)))
        elif attempt.version != version_of(exercise):
            wrong.append((path.name, both("version", exercise=name)))
        elif not attempt.adds_up(exercise.about.points):
            wrong.append((path.name, both("points", exercise=name)))
        else:
            state = PASSED if attempt.points == exercise.about.points else BEGUN
            checks = [each.model_dump() for each in attempt.checks]
            made = submission.made.isoformat()
            yield name, Result(exercise, state, attempt.points, checks, attempt.time.isoformat(), handed_in=made)


def digest_of(said: object) -> str:
    """The checksum of what a file says, whatever its blanks and line ends are."""
    return hashlib.sha256(
        json.dumps(said, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()
