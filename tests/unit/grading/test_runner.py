"""Checks are judged by what they do: a failure is the student's, everything else is not."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from grading import runner
from grading.checks import BROKEN, FAILED, NOT_RUN, PASSED, Verdict
from grading.exercise import Exercise
from grading.runner import check_exercises

#: A lab that is not there: nobody listens at its port.
NOWHERE = Record("lab", "host", "postgres_fdw", 2, 1, 2, "/nowhere", "nobody", "/nowhere", "18")
ABOUT = """
id: {name}
title: {{es: Prueba, en: Trial}}
class: governance
level: 1
minutes: 1
points: {points}
stage: {{es: nada cambia., en: nothing changes.}}
"""
#: What a check does, and what it comes to: the next case is a line.
CASES = {
    "pass": (PASSED, ""),
    "raise Failed('Hay 3.', 'There are 3.')": (FAILED, "It is wrong. There are 3."),
    "1 / 0": (BROKEN, "ZeroDivisionError: division by zero ({path}, line {line})"),
    "assert lab.stage == {'rows': 3}": (PASSED, ""),
    "lab.value('SELECT 1')": (NOT_RUN, "no answer of citus-coordinator"),
    "import psycopg; raise psycopg.errors.AdminShutdown('bye')": (NOT_RUN, "it stopped answering: bye"),
    "import psycopg; raise psycopg.OperationalError('gone')": (NOT_RUN, "it stopped answering: gone"),
    "import psycopg; raise psycopg.errors.QueryCanceled('slow')": (BROKEN, "QueryCanceled: slow"),
    "import os; os._exit(0)": (BROKEN, "its process ended without a word"),
    "import time; time.sleep(60)": (BROKEN, "took more than 0.3 s and was cut off"),
    "import os; os.system('sleep 60')": (BROKEN, "took more than 0.3 s and was cut off"),
    "print('{}'); import sys; sys.stderr.write('x')": (PASSED, ""),
    "raise SystemExit(0)": (BROKEN, "its process ended without a word"),
}


def exercise(folder: Path, checks: str, points: int = 1) -> Exercise:
    """An exercise with these checks."""
    folder.mkdir()
    (folder / "exercise.yml").write_text(ABOUT.format(name=folder.name, points=points), encoding="utf-8")
    (folder / "check.py").write_text("from grading import Failed, Lab, check\n" + textwrap.dedent(checks), "utf-8")
    return Exercise(folder)


def function(name: str, body: str, arguments: str = "points=1, seconds=0.3") -> str:
    """A check, as it stands in a check.py."""
    docstring = '    """es: Está mal.\n\n    en: It is wrong.\n    """\n'
    return f"\n@check({arguments})\ndef {name}(lab: Lab) -> None:\n{docstring}    {body}\n"


def verdicts(each: Exercise) -> list[Verdict]:
    """What its checks come to, in a lab that is not there."""
    return check_exercises(NOWHERE, [each], {each.id: {"rows": 3}})[each.id]


@pytest.mark.parametrize("body", CASES)
def test_a_verdict_is_what_the_check_did(tmp_path: Path, body: str) -> None:
    """Only Failed is a failure; a mistake, an end and a wait are the check's own."""
    wanted, said = CASES[body]
    each = exercise(tmp_path / "trial", function("it", body))
    [verdict] = verdicts(each)
    assert (verdict.verdict, verdict.points) == (wanted, int(wanted == PASSED))
    path = each.folder / "check.py"
    line = path.read_text(encoding="utf-8").splitlines().index(f"    {body}") + 1
    assert verdict.message.get("en", "").startswith(said.format(path=path, line=line))
    assert bool(verdict.message) == (wanted != PASSED)


@pytest.mark.parametrize(("body", "wanted"), [("pass", PASSED), ("raise Failed()", NOT_RUN), ("1 / 0", NOT_RUN)])
def test_what_builds_on_a_check_waits_for_it(tmp_path: Path, body: str, wanted: str) -> None:
    """It is not run unless that one passed, also one further on; what builds on nothing is run."""
    checks = (
        function("first", body)
        + function("second", "pass", "points=2, after=first")
        + function("third", "pass", "points=3, after=second")
        + function("alone", "pass", "points=4")
    )
    found = verdicts(exercise(tmp_path / "trial", checks, 10))
    assert [each.verdict for each in found[1:]] == [wanted, wanted, PASSED]
    assert [each.of for each in found] == [1, 2, 3, 4]


def test_a_check_that_hangs_stops_no_other(tmp_path: Path) -> None:
    """Neither of its exercise nor of the next one; what builds on it is not run."""
    hangs = function("first", "pass") + function("hangs", "while True: pass") + function("last", "pass")
    hangs += function("follows", "pass", "points=1, after=hangs")
    chosen = [exercise(tmp_path / name, hangs, 4) for name in ("one", "two")]
    found = check_exercises(NOWHERE, chosen, {})
    wanted = [PASSED, BROKEN, PASSED, NOT_RUN]
    assert [[each.verdict for each in found[name]] for name in ("one", "two")] == [wanted, wanted]


def test_a_lab_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    """What is left then is not run, with the reason; what was found before stays."""
    # Never slept to its end: the four seconds of the lab are over before.
    slow = function("first", "pass") + function("slow", "import time; time.sleep(60)", "points=1, seconds=60")
    slow += function("last", "pass")
    chosen = [exercise(tmp_path / name, slow, 3) for name in ("one", "two")]
    found = check_exercises(NOWHERE, chosen, {}, seconds=4)
    assert [each.verdict for each in found["one"]] == [PASSED, NOT_RUN, NOT_RUN]
    assert [(each.verdict, each.of) for each in found["two"]] == [(NOT_RUN, 3)]
    assert found["two"][0].message["en"] == "no time was left: the checks of this lab took more than 4 s"


#: A check.py that cannot be used, and what is said of it: the next case is a line.
UNUSABLE = {
    "def it(:": "SyntaxError",
    "import nowhere_at_all": "ModuleNotFoundError",
    "pass": "it defines no check",
    "@check(points=1)\ndef it(lab):\n    'only one language'": "the docstring of it is not",
    "while True: pass": "took more than 0.3 s",
}


@pytest.mark.parametrize("text", UNUSABLE)
def test_a_check_py_that_cannot_be_used_is_broken(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file and what is wrong in it, and the next exercise is checked."""
    monkeypatch.setattr(runner, "START", 0.3 if "while" in text else 20.0)
    broken = exercise(tmp_path / "broken", text)
    well = exercise(tmp_path / "well", function("it", "pass"))
    found = check_exercises(NOWHERE, [broken, well], {})
    [verdict] = found["broken"]
    assert (verdict.verdict, verdict.points, verdict.of) == (BROKEN, 0, 1)
    assert UNUSABLE[text] in verdict.message["en"]
    assert "check.py" in verdict.message["en"]
    if "while" not in text:  # with so little time to begin, the next one may not make it either
        assert [each.verdict for each in found["well"]] == [PASSED]
