"""A class with a list and labs that nobody made, for tests of what is done with a class."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from grading.checks import FAILED, PASSED
from grading.exercise import Exercise
from grading.grade import DOWN
from grading.submission import text_of, version_of
from support.marks import FIRST, SECOND, line

LIST = "Código;Nombre;Correo\n1;Ana Soto;ana@uni.edu\n2;Beto Núñez;beto@uni.edu\n3;Carla Peña;carla@uni.edu\n4;Dora Paz;dora@uni.edu\n"
#: Labs of the machine: Dora has none, and one is nobody's.
LABS = ("ana-soto", "beto-nunez", "carla-pena", "vieja")


def came_to(root: Path, lab: str, chosen: Sequence[Exercise], seconds: float) -> list[dict[str, Any]]:
    """What checking a lab comes to: Ana's is half right, Beto's down, Carla's record cannot be written."""
    assert root.name == "state"
    assert 0 < seconds < 120
    if lab == "carla-pena":
        raise OSError(28, "No space left on device")
    if lab == "beto-nunez":
        return [line(each, "not run", reason=DOWN) for each in chosen]
    return [{**line(each, PASSED, FAILED), "database": "1"} for each in chosen]


def killed(work: Callable[[], int], step: int) -> bool:
    """Do something in a process that is killed before its nth change of a folder; whether it came to that, and did not end well before."""
    child = os.fork()
    if not child:
        count = 0

        def hook(event: str, _arguments: Any) -> None:
            nonlocal count
            count += event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir")
            if count == step:
                os._exit(9)

        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        sys.addaudithook(hook)
        os._exit(work())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


#: The lab of a student who works elsewhere.
ELSEWHERE = Record("lab", "host", "citus", 2, 15432, 8080, "/home/ana/lab", "ana", "/pg/bin", "18.6")


def handed_in(
    student: str, *lines: dict[str, Any], made: str = "2026-03-02T12:00:00+00:00", database: str = "7"
) -> str:
    """A file of `make submit`, of an attempt at each exercise that the lines are about."""
    known = {each.id: each for each in (FIRST, SECOND)}
    attempts = {
        each["exercise"]: {
            "version": version_of(known[each["exercise"]]),
            **{name: each[name] for name in ("time", "points", "checks")},
            "stage": {"rows": 7},
            "evidence": {"answers": []},
        }
        for each in lines
    }
    return text_of(student, ELSEWHERE, database, attempts, datetime.fromisoformat(made))
