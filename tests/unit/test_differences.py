"""The table of what differs between the engines says everything twice: for each engine, in each language."""

from __future__ import annotations

import pytest
import yaml

from support.differences import CASES, Answer, parse

CASE = {
    "id": "a-case",
    "does": {"en": "asks", "es": "pregunta"},
    "run": ["SELECT 1", {"second": "SELECT 2"}],
    "postgres_fdw": {"gives": "1", "says": "works"},
    "citus": {"gives": "error 0A000: no", "says": {"en": "refused", "es": "se rechaza"}},
}


def page(**changes: object) -> str:
    """A table of one case."""
    words = {"works": {"en": "works", "es": "funciona"}}
    sections = [{"heading": {"en": "A", "es": "B"}, "cases": [{**CASE, **changes}]}]
    return yaml.safe_dump({"words": words, "sections": sections})


def test_a_case_is_read() -> None:
    """Steps belong to the first session unless they say otherwise; a word stands for both languages."""
    [section] = parse(page())
    [case] = section.cases
    assert case.run == (("first", "SELECT 1"), ("second", "SELECT 2"))
    assert case.answers["postgres_fdw"].words == {"en": "works", "es": "funciona"}


@pytest.mark.parametrize(
    "changes",
    [
        {"does": {"en": "asks"}},
        {"citus": {"gives": "1", "says": "shrugs"}},
        {"citus": {"gives": "1", "says": {"es": "se rechaza"}}},
        {"answer": "1"},
    ],
    ids=["no Spanish", "an unknown word", "no English", "an unknown field"],
)
def test_a_case_that_lacks_something_is_refused(changes: dict[str, object]) -> None:
    """With its name."""
    with pytest.raises(ValueError, match="a-case"):
        parse(page(**changes))


def test_no_two_cases_have_one_name() -> None:
    """It is the name of a test."""
    assert len({case.id for case in CASES}) == len(CASES) > 50


@pytest.mark.parametrize(
    ("gives", "found", "same"),
    [
        ("1", "1", True),
        ("1", "10", False),
        ("error 0A000: no", "error 0A000: no such thing", True),
        ("error 0A000: no", "error XX000: no such thing", False),
        ("waits; error 40001:", "waits; error 40001: again", True),
        ("waits; error 40001:", "error 40001: again", False),
        ("contains b", "abc", True),
        ("contains b", "ac", False),
    ],
)
def test_an_answer_is_compared_whole_but_for_messages(gives: str, found: str, same: bool) -> None:
    """Of an error the beginning is enough."""
    assert Answer(gives, {}).matches(found) is same
