"""The exercises that come with the project are whole, and what is wrong with a teacher's own is said."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from grading.checks import LANGUAGES
from grading.exercise import Description, Exercise, ExerciseError, exercise, exercises
from grading.program import EVERYTHING, NOTHING, cases
from grading.stage import script
from grading.worker import load
from support.labs import ROOT

PLACE = ROOT / "exercises"
ALL = exercises([PLACE])
SECTIONS = {"es": ["Qué hacer", "Teoría", "Pistas"], "en": ["What to do", "Theory", "Hints"]}


def test_the_schema_is_that_of_the_program() -> None:
    """`exercise.schema.json` is what editors read; written by: python tests/unit/grading/test_exercises.py."""
    assert json.loads((PLACE / "exercise.schema.json").read_text(encoding="utf-8")) == Description.model_json_schema()


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.id)
def test_an_exercise_is_whole(each: Exercise) -> None:
    """A statement in both languages, hints, a stage, solutions and wrong answers for each engine, and points that add up."""
    texts = {language: (each.folder / f"{language}.md").read_text(encoding="utf-8") for language in LANGUAGES}
    for language, text in texts.items():
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS[language]
        assert len(each.hints(language)) >= 2
    code = [re.findall(r"```.*?```|`[^`]+`", each.statement(language), re.DOTALL) for language in LANGUAGES]
    assert code[0] == code[1], "what is to be typed is the same in both languages"
    checks = load(each.folder / "check.py")
    assert sum(check.points for check in checks) == each.about.points
    assert script(each, "setup").exists()
    names = {check.name for check in checks}
    for engine in each.about.needs.engine:
        caught = {catches for _title, _script, catches in cases(each, engine)} - {NOTHING, EVERYTHING}
        assert len(caught) >= 2, "two wrong answers, of different kinds"
        assert caught <= names


def test_every_class_has_an_exercise_and_one_has_two_right_ways() -> None:
    """From the list that `make exercises` shows."""
    ways = {each.id: len([case for case in cases(each, "postgres_fdw") if case[2] == EVERYTHING]) for each in ALL}
    assert max(ways.values()) >= 2


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A teacher's own exercise."""
    folder = tmp_path / "mine"
    shutil.copytree(ALL[0].folder, folder)
    about = (folder / "exercise.yml").read_text(encoding="utf-8")
    (folder / "exercise.yml").write_text(re.sub(r"^id: .*$", "id: mine", about, flags=re.MULTILINE), "utf-8")
    return folder


#: What is wrong in an exercise.yml (a pattern and what stands in its place), and what is said: the next case is a line.
WRONG = {
    (r"^level: .*$", "level: 9"): "level: Input should be less than or equal to 4",
    (r"^points: .*\n", ""): "points: Field required",
    (
        r"^class: .*$",
        "class: sql",
    ): "class: Input should be 'distributed', 'governance', 'interoperability' or 'cloud-native'",
    (r"^minutes:", "minuts:"): "minuts: Extra inputs are not permitted",
    (r"^id: .*$", "id: yours"): "says id: yours, and its folder is called mine",
    (r"^title:$", "title: ["): "cannot be read",
}


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change[1] or change[0])
def test_what_is_wrong_in_an_exercise_yml_is_named(copy: Path, change: tuple[str, str]) -> None:
    """With the file, the field, and what may stand there."""
    path = copy / "exercise.yml"
    path.write_text(re.sub(*change, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE), encoding="utf-8")
    with pytest.raises(ExerciseError) as caught:
        exercises([PLACE, copy.parent])
    assert str(path) in caught.value.text["es"]
    assert WRONG[change] in caught.value.text["en"]


def test_a_teachers_own_exercise_is_found_beside_the_others(copy: Path) -> None:
    """And one that is not there is answered with those that are."""
    places = [PLACE, copy.parent]
    assert exercise(places, "mine").folder == copy
    assert {each.id for each in exercises(places)} == {"mine", *(each.id for each in ALL)}
    with pytest.raises(
        ExerciseError, match=rf"there is no exercise 'x'. There are: .*{ALL[0].id}.*mine.*: make exercises"
    ):
        exercise(places, "x")
    with pytest.raises(ExerciseError, match=r"say which one: EXERCISE=name\. There are: "):
        exercise(places, "")


def test_the_guide_for_writing_one_begins_with_one_that_is_whole(tmp_path: Path) -> None:
    """Its commands up to the first of make's leave an exercise that has everything, under a name of its own."""
    guide = (ROOT / "docs" / "es" / "writing-exercises.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    commands = block.partition("export EXERCISES_PATH=~/mis-ejercicios\n")
    assert re.findall(r"^make (\S+)", commands[2], re.MULTILINE) == ["exercises", "exercise-test"]
    subprocess.run(
        ["bash", "-eu", "-c", commands[0]], cwd=ROOT, env={**os.environ, "HOME": str(tmp_path)}, check=True, timeout=60
    )
    mine = exercise([PLACE, tmp_path / "mis-ejercicios"], "mi-ejercicio")
    assert len(list(cases(mine, "postgres_fdw"))) >= 4
    named = [path for path in mine.folder.rglob("*") if path.is_file() and ALL[0].id in path.read_text("utf-8")]
    assert named == []
    assert [name for name in {"setup.sql", "check.py", "es.md", "en.md"} if not (mine.folder / name).exists()] == []


if __name__ == "__main__":
    schema = json.dumps(Description.model_json_schema(), indent=2, ensure_ascii=False)
    (PLACE / "exercise.schema.json").write_text(schema + "\n", encoding="utf-8")
