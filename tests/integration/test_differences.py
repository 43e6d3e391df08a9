"""What differs between the engines: each case of tests/support/differences.yml, on a lab of each."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from support.differences import CASES, ERROR, SECTIONS, VICTIM, Case, enact, patients, run
from support.labs import Lab

FIRST = {section.cases[0].id for section in SECTIONS}


def some(cases: list[Case]) -> list[ParameterSet]:
    """The cases; what is neither the first of its section nor in the READMEs is left to the long suite."""
    return [
        pytest.param(case, id=case.id, marks=[] if case.readme or case.id in FIRST else [pytest.mark.long])
        for case in cases
    ]


@pytest.fixture(scope="session")
def people(lab: Lab) -> dict[str, str]:
    """A patient of each worker."""
    return patients(lab)


@pytest.mark.parametrize("case", some([case for case in CASES if not case.down]))
def test_the_engine_answers_as_the_page_says(lab: Lab, people: dict[str, str], case: Case) -> None:
    """The outcome is the one that docs/*/differences.md puts in words."""
    found = run(lab, case, people)
    assert case.answers[lab.engine].matches(found), found


WAYS_OUT = [case for case in CASES if any(answer.instead for answer in case.answers.values())]


@pytest.mark.parametrize("case", some(WAYS_OUT))
def test_the_way_out_that_the_page_names_works(lab: Lab, people: dict[str, str], case: Case) -> None:
    """Where an engine refuses something and the page says what works instead, that does."""
    statements = case.answers[lab.engine].instead
    found = enact(lab, [("first", statement) for statement in statements], people)
    assert not found.startswith(ERROR), found


def test_with_a_worker_down_the_engine_answers_as_the_page_says(lab: Lab, people: dict[str, str]) -> None:
    """All such cases, while one server is stopped."""
    cases = [case for case in CASES if case.down]
    assert cases
    with lab.without(VICTIM):
        found = {case.id: run(lab, case, people) for case in cases}
    others = {case.id: found[case.id] for case in cases if not case.answers[lab.engine].matches(found[case.id])}
    assert others == {}
