"""The exercises, in a lab: each is proven, nobody gets points by a trick, and the guide's commands do what it says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from grading import labs
from grading.exercise import Exercise, ExerciseError, exercises
from grading.program import Session, main
from support.labs import ENGINES, ROOT, Lab, Workshop, only

PLACE = ROOT / "exercises"
FIRST = "recetas-junto-al-paciente"
#: Each exercise with each engine that it names: those of one engine are in `make test`.
PROVEN = [
    pytest.param(engine, each, id=f"{each.id}-{engine}", marks=[pytest.mark.long] if engine == "citus" else [])
    for engine in ENGINES
    for each in exercises([PLACE])
    if engine in each.about.needs.engine
]


@pytest.fixture
def session(lab: Lab, workshop: Workshop) -> Iterator[Session]:
    """The commands of the exercises on a lab, which have nothing on record yet."""
    yield Session([PLACE], "es", workshop.place, lab.name)
    shutil.rmtree(workshop.place / "grading", ignore_errors=True)


@pytest.mark.parametrize(("lab", "each"), PROVEN, indirect=["lab"], scope="session")
def test_an_exercise_is_proven(session: Session, each: Exercise) -> None:
    """Untouched it gives nothing, each solution everything; each wrong answer is caught by the check that explains it."""
    said, well = session.test(each.id)
    assert well, "\n".join(said)
    assert len([line for line in said if line.startswith("  pasa")]) >= 4


@only("postgres_fdw")
def test_the_guide_can_be_followed(
    lab: Lab, workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its commands, one after the other, as a student types them; then the exercise is solved, and listed so."""
    words = {"exercises": "list", "exercise": "show", "check": "check", "hint": "hint", "exercise-reset": "reset"}
    guide = (ROOT / "docs" / "es" / "exercises.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    typed = re.findall(r"^make ([a-z-]+)(?: EXERCISE=(\S+))?$", block, re.MULTILINE)
    assert len(typed) == len(block.splitlines()) == len(words)
    monkeypatch.setattr(labs, "state", lambda: workshop.place)
    monkeypatch.setenv("LAB", lab.name)
    codes = [main(PLACE, [words[word], *([name] * bool(name))]) for word, name in typed]
    said = capsys.readouterr()
    assert (codes, said.err) == ([0, 0, 1, 0, 0], "")
    for told in (
        "sin empezar",
        "## Qué hacer",
        "No hay una tabla public.recetas.",
        "0 de 10 puntos",
        "Pista 1 de 3",
        "como al principio",
    ):
        assert told in " ".join(said.out.split())
    session = Session([PLACE], "en", workshop.place, lab.name)
    assert any(re.search(rf"{FIRST} .* begun +0/10", line) for line in session.overview())
    with pytest.raises(ExerciseError, match=f"the stage of {FIRST} is prepared in this lab"):
        session.test(FIRST)
    session.test(FIRST, anew=True)
    shutil.rmtree(workshop.place / "grading")


@only("postgres_fdw")
def test_a_lab_that_is_down_takes_no_points(session: Session, lab: Lab) -> None:
    """With a worker down, what asks it is not run; with the coordinator down, one sentence says what helps."""
    session.reset(FIRST)
    with (
        lab.stopped("citus-coordinator"),
        pytest.raises(ExerciseError, match=rf"the lab {lab.name} does not answer .* make start LAB={lab.name}$"),
    ):
        Session([PLACE], "en", session.root, lab.name)
    lab.wait_until(lambda: bool(session.check(FIRST)))
