"""Sentences in the languages that the commands speak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grading.checks import LANGUAGES
from grading.exercise import ExerciseError

#: By language, then by name.
Texts = Mapping[str, Mapping[str, Any]]


def say(texts: Texts, language: str, sentence: str, /, **values: object) -> str:
    """A sentence in a language, by its name."""
    return str(texts[language][sentence]).format(**values)


def both(texts: Texts, sentence: str, /, **values: object) -> ExerciseError:
    """A sentence in both languages, by its name, to be raised."""
    return ExerciseError(*(say(texts, language, sentence, **values) for language in LANGUAGES))
