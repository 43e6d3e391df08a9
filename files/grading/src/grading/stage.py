"""An exercise's stage in a lab: made, removed; and the answers that come with it, for `make exercise-test`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from grading.exercise import Exercise, ExerciseError
from grading.lab import COORDINATOR, passfile

#: The table in which students write down what they measured.
ANSWERS = Path(__file__).with_name("sql") / "answers.sql"
#: What removes what an exercise makes.
CLEAN = ANSWERS.with_name("clean.sql")
#: Seconds that a script may take: a stage is reset in less than 30.
LIMIT = 60


def make(exercise: Exercise, record: Record) -> dict[str, Any]:
    """Make the stage of an exercise anew, whatever is there of it.

    Returns:
        What its setup said of it in its last line, in JSON: what the checks compare with.

    Raises:
        ExerciseError: it cannot be made.
    """
    remove(exercise, record)
    said = run([script(exercise, "setup")], record)
    last = said.strip().splitlines()[-1] if said.strip() else "{}"
    try:
        facts: dict[str, Any] = json.loads(last)
    except ValueError as error:
        path = script(exercise, "setup")
        raise ExerciseError(
            f"la última línea que imprime {path} no es JSON: {last}",
            f"the last line that {path} prints is no JSON: {last}",
        ) from error
    return facts


def remove(exercise: Exercise, record: Record) -> None:
    """Remove the stage of an exercise, and nothing else.

    Raises:
        ExerciseError: that does not go.
    """
    makes = exercise.about.makes
    own = exercise.folder / "clean.sql"
    names = {"exercise": exercise.id, "relations": ",".join(makes.relations), "roles": ",".join(makes.roles)}
    run([ANSWERS, *([own] if own.exists() else []), CLEAN], record, **names)


def script(exercise: Exercise, name: str) -> Path:
    """The script of a name in an exercise's folder: SQL or a shell's.

    Raises:
        ExerciseError: there is none.
    """
    for path in (exercise.folder / f"{name}.sql", exercise.folder / f"{name}.sh"):
        if path.exists():
            return path
    raise ExerciseError(
        f"en {exercise.folder} no hay {name}.sql ni {name}.sh",
        f"{exercise.folder} has neither {name}.sql nor {name}.sh",
    )


def answers(exercise: Exercise, kind: str, engine: str) -> Iterator[tuple[Path, str]]:
    """The answers of a kind (`solution`, `wrong`) that come with an exercise, for an engine.

    In a comment in their first lines they can say `engine: citus`, where they are for that one alone, and the wrong ones
    `fails: NAME`, which check has to catch them.

    Yields:
        The script, and the check that catches it.
    """
    for path in sorted((exercise.folder / kind).glob("*.s[qh]*")):
        says = dict(re.findall(r"^(?:--|#) (engine|fails): (\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
        if says.get("engine", engine) == engine:
            yield path, says.get("fails", "")


def run(paths: Sequence[Path], record: Record, **variables: str) -> str:
    """Run a script, or several of SQL, against a lab, as its administrator; what it prints.

    SQL goes through psql, statement by statement, with these variables. A shell's script has psql's variables (`PGHOST`, ...), and `API`.

    Raises:
        ExerciseError: it fails; the message is what it said.
    """
    psql = [f"{record.postgres_bin}/psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
    psql += [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
    psql += [word for path in paths for word in ("-f", str(path))]
    path = paths[-1]
    command = psql if path.suffix == ".sql" else ["bash", "-eu", "-o", "pipefail", str(path)]
    environment = {
        "PATH": os.pathsep.join(
            [record.postgres_bin, str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        ),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(record.database_port),
        "PGUSER": "admin",
        "PGDATABASE": "historia_clinica",
        "PGPASSFILE": str(passfile(record)),
        "PGCONNECT_TIMEOUT": "5",
        "PGOPTIONS": "-c client_min_messages=warning",
        "API": f"http://127.0.0.1:{record.api_port}",
        "LAB_DIRECTORY": record.directory,
        "COORDINATOR": COORDINATOR,
    }
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=path.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ExerciseError(f"{path} tardó más de {LIMIT} s", f"{path} took more than {LIMIT} s") from error
    except OSError as error:
        raise ExerciseError(f"no se puede ejecutar {path}: {error}", f"{path} cannot be run: {error}") from error
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}"
        raise ExerciseError(f"{path} falló: {said}", f"{path} failed: {said}")
    return done.stdout
