"""Sentences in the languages that the commands speak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grading.checks import LANGUAGES
from grading.exercise import ExerciseError

#: By language, then by name.
Texts = Mapping[str, Mapping[str, Any]]


def say(texts: Texts, language: str, name: str, /, **values: object) -> str:
    """A sentence in a language."""
    return str(texts[language][name]).format(**values)


def both(texts: Texts, name: str, /, **values: object) -> ExerciseError:
    """A sentence in both languages, to be raised."""
    return ExerciseError(*(say(texts, language, name, **values) for language in LANGUAGES))
