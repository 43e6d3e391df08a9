"""Run checks, and say of each one that it begins and how it ended: a line of JSON to the file that the runner opened.

It is a process of its own, so that the runner can cut off a check that hangs, whatever it hangs in.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import psycopg

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from grading.checks import BROKEN, FAILED, NOT_RUN, PASSED, Check, CheckError, Failed, collect
from grading.lab import Changed, Lab, Unreachable, first_line


def load(path: Path) -> list[Check]:
    """The checks of a check.py.

    Raises:
        CheckError: it cannot be run, or defines none.
    """
    namespace: dict[str, Any] = {"__name__": "check", "__file__": str(path)}
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), namespace)  # noqa: S102 # a teacher's program, to be run
    except CheckError as error:
        raise CheckError(f"{path}: {error}") from error
    except Exception as error:  # whatever it is, it is the check.py's own
        raise CheckError(f"{path}: {type(error).__name__}: {error}{_where(error, path)}") from error
    try:
        return collect(namespace)
    except CheckError as error:
        raise CheckError(f"{path}: {error}") from error


def judge(check: Check, lab: Lab) -> tuple[str, dict[str, str]]:
    """Run a check: its verdict, and what is to be said of it."""
    try:
        check.function(lab)
    except Failed as failed:
        return FAILED, {
            language: f"{text} {failed.found[language]}".strip() for language, text in check.message.items()
        }
    except Unreachable as error:
        return NOT_RUN, {"es": f"no responde {error}", "en": f"no answer of {error}"}
    except Changed as error:
        return NOT_RUN, {
            "es": f"lo que PostgreSQL trae fue modificado, y así no se le puede creer ({error}): deshaga ese cambio",
            "en": f"what PostgreSQL brings was modified, and cannot be believed ({error}): undo that change",
        }
    except Exception as error:  # whatever it is, a student has not failed for it
        if is_lost(error):
            return NOT_RUN, {
                "es": f"dejó de responder: {first_line(error)}",
                "en": f"it stopped answering: {first_line(error)}",
            }
        path = Path(check.function.__code__.co_filename)
        said = f"{type(error).__name__}: {first_line(error)}".strip(": ")
        return BROKEN, dict.fromkeys(check.message, f"{said}{_where(error, path)}")
    return PASSED, {}


def is_lost(error: Exception) -> bool:
    """Whether a server went away, or was about to come, while it was asked: by libpq's word, or by the class of error (08, 57P0x) of the server's."""
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate or "08").startswith(("08", "57P0"))


def _where(error: BaseException, path: Path) -> str:
    """The line of a check.py at which something went wrong."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f" ({path}, line {lines[-1]})" if lines else ""


def main() -> None:
    """Run the checks that the runner asks for."""
    asked = json.load(sys.stdin)
    answers = int(sys.argv[1])
    os.set_inheritable(answers, False)  # else what a check starts would keep it open
    with os.fdopen(answers, "w", encoding="utf-8", buffering=1) as out:

        def say(**line: Any) -> None:
            out.write(json.dumps(line, ensure_ascii=False) + "\n")

        lab = Lab(Record(**asked["record"]))
        for exercise in asked["exercises"]:
            lab.stage = exercise["stage"]
            say(exercise=exercise["id"])
            try:
                checks = load(Path(exercise["folder"]) / "check.py")
            except CheckError as error:
                say(exercise=exercise["id"], error=str(error))
                continue
            say(
                exercise=exercise["id"],
                checks=[{"name": each.name, "of": each.points, "after": each.after} for each in checks],
            )
            passed = {name for name, verdict in exercise["done"].items() if verdict == PASSED}
            for each in checks:
                if each.name in exercise["done"]:
                    continue
                if each.after and each.after not in passed:
                    say(exercise=exercise["id"], check=each.name, verdict=NOT_RUN, after=each.after, message={})
                    continue
                say(exercise=exercise["id"], begins=each.name, seconds=each.seconds)
                started = time.monotonic()
                verdict, message = judge(each, lab)
                if verdict == PASSED:
                    passed.add(each.name)
                say(
                    exercise=exercise["id"],
                    check=each.name,
                    verdict=verdict,
                    message=message,
                    seconds=round(time.monotonic() - started, 3),
                )
        lab.close()
        say(end=True)


if __name__ == "__main__":
    main()
