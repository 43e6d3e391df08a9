"""Exercises as they lie in folders: what exercise.yml says, the statement, the hints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from grading.checks import LANGUAGES

Text = Annotated[str, StringConstraints(min_length=3, strip_whitespace=True)]
#: Where the hints begin, by language. They are the last section, a numbered list.
HINTS = {"es": "## Pistas", "en": "## Hints"}
CLASSES = {
    "distributed": {"es": "bases de datos distribuidas", "en": "distributed databases"},
    "governance": {"es": "gobierno de datos", "en": "data governance"},
    "interoperability": {"es": "interoperabilidad", "en": "interoperability"},
    "cloud-native": {"es": "nativo de la nube", "en": "cloud native"},
}


class ExerciseError(Exception):
    """An exercise cannot be used, or there is none of that name; the message says it in both languages' words.

    Args:
        es: in Spanish.
        en: in English.
    """

    def __init__(self, es: str, en: str) -> None:
        super().__init__(en)
        self.text = {"es": es, "en": en}


class Both(BaseModel):
    """A text in both languages."""

    model_config = ConfigDict(extra="forbid")

    es: Text
    en: Text


class Needs(BaseModel):
    """Where an exercise can be done."""

    model_config = ConfigDict(extra="forbid")

    target: list[Literal["host", "minikube", "kubernetes"]] = Field(
        default=["host", "minikube", "kubernetes"], min_length=1, description="Where the lab's nodes may run"
    )
    engine: list[Literal["postgres_fdw", "citus"]] = Field(
        default=["postgres_fdw", "citus"], min_length=1, description="Which engine the lab may have"
    )


Name = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$")]


class Makes(BaseModel):
    """What an exercise and its students make, by name: a reset removes it, and nothing else."""

    model_config = ConfigDict(extra="forbid")

    relations: list[Name] = Field(default=[], description="Tables and views of the schema public")
    roles: list[Name] = Field(default=[], description="Roles, with all that they were given")


class Description(BaseModel):
    """What exercise.yml says of an exercise."""

    model_config = ConfigDict(extra="forbid", title="exercise.yml")

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="The name of its folder")
    title: Both
    class_: Literal["distributed", "governance", "interoperability", "cloud-native"] = Field(
        alias="class", description="The class that it belongs to"
    )
    level: int = Field(ge=1, le=4, description="From easy (1) to hard (4)")
    minutes: int = Field(ge=1, le=180, description="How long a student needs")
    points: int = Field(ge=1, le=100, description="What it is worth: the sum of its checks' points")
    needs: Needs = Field(default_factory=Needs)
    makes: Makes = Field(default_factory=Makes)
    stage: Both = Field(description="What `make exercise` changes in the lab, in a sentence")


class Exercise:
    """An exercise in its folder.

    Attributes:
        folder: where it lies.
        about: what its exercise.yml says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about = describe(folder)

    @property
    def id(self) -> str:
        """Its name."""
        return self.about.id

    def can_be_done(self, target: str, engine: str) -> bool:
        """Whether a lab has what it needs."""
        return target in self.about.needs.target and engine in self.about.needs.engine

    def statement(self, language: str) -> str:
        """What a student is to do, without the hints."""
        return self._page(language)[0]

    def hints(self, language: str) -> list[str]:
        """Its hints, in order."""
        listed = re.split(r"^\d+\. ", self._page(language)[1], flags=re.MULTILINE)[1:]
        return [" ".join(hint.split()) for hint in listed]

    def _page(self, language: str) -> tuple[str, str]:
        path = self.folder / f"{language}.md"
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ExerciseError(f"no se puede leer {path}: {error}", f"{path} cannot be read: {error}") from error
        statement, mark, hints = text.partition(HINTS[language])
        if not mark:
            wanted = HINTS[language]
            raise ExerciseError(f"a {path} le falta la sección {wanted!r}", f"{path} has no section {wanted!r}")
        return statement.strip(), hints


def describe(folder: Path) -> Description:
    """What a folder's exercise.yml says.

    Raises:
        ExerciseError: it cannot be read, or is not what the schema asks for.
    """
    path = folder / "exercise.yml"
    try:
        about = Description.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors())
        raise ExerciseError(f"{path} no sirve: {wrong}", f"{path} cannot be used: {wrong}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ExerciseError(f"no se puede leer {path}: {error}", f"{path} cannot be read: {error}") from error
    if about.id != folder.name:
        raise ExerciseError(
            f"{path} dice id: {about.id}, y su carpeta se llama {folder.name}",
            f"{path} says id: {about.id}, and its folder is called {folder.name}",
        )
    return about


def folders_of(path: str) -> list[Path]:
    """The places of a teacher's own exercises, as EXERCISES_PATH names them.

    Raises:
        ExerciseError: one is not there.
    """
    found = [Path(each) for each in path.split(":") if each]
    for each in found:
        if not each.is_dir():
            raise ExerciseError(
                f"EXERCISES_PATH: no hay una carpeta {each}", f"EXERCISES_PATH: there is no folder {each}"
            )
    return found


def folders(places: Iterable[Path]) -> dict[str, Path]:
    """The folders of exercises in some places, by name: those of a later place stand for those of an earlier one."""
    return {
        folder.name: folder
        for place in places
        for folder in sorted(place.iterdir() if place.is_dir() else ())
        if (folder / "exercise.yml").exists()
    }


def exercises(places: Iterable[Path]) -> list[Exercise]:
    """All exercises of some places, class by class, from easy to hard.

    Raises:
        ExerciseError: one of them cannot be used.
    """
    order = list(CLASSES)
    found = [Exercise(folder) for folder in folders(places).values()]
    return sorted(found, key=lambda each: (order.index(each.about.class_), each.about.level, each.id))


def exercise(places: Iterable[Path], name: str) -> Exercise:
    """The exercise of a name.

    Raises:
        ExerciseError: there is none of that name, or it cannot be used.
    """
    known = folders(places)
    if name not in known:
        names = ", ".join(known)
        raise ExerciseError(
            f"no hay un ejercicio {name!r}. Hay: {names}. Véalos con: make exercises"
            if name
            else f"falta decir cuál: EXERCISE=nombre. Hay: {names}",
            f"there is no exercise {name!r}. There are: {names}. See them with: make exercises"
            if name
            else f"say which one: EXERCISE=name. There are: {names}",
        )
    return Exercise(known[name])


__all__ = ["CLASSES", "LANGUAGES", "Description", "Exercise", "ExerciseError", "exercise", "exercises", "folders_of"]
