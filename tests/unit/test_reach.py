"""reach.yml: what it may not say."""

from __future__ import annotations

import pytest

from support.reach import parse

NODES = "{coordinator: {api: {medicos: SIU}}, worker: {}}"
TEXT = f"""
logins: {{api: {{en: the API, es: la API}}}}
tables: {{medicos: [id, ciudad]}}
reach:
  postgres_fdw: {NODES}
  citus: {NODES}
"""


def test_a_file_that_names_what_is_there_is_taken() -> None:
    """Login, table, rights, both engines, both kinds of node, both languages."""
    assert parse(TEXT).reach["citus"]["coordinator"]["api"] == {"medicos": "SIU"}


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        ("{api: {medicos: SIU}}", "{apy: {medicos: SIU}}", "apy"),
        ("{medicos: SIU}}, worker", "{medicus: SIU}}, worker", "api medicus: SIU"),
        ("SIU", "SUI", "api medicos: SUI"),
        ("SIU", "SX", "api medicos: SX"),
        (f"  citus: {NODES}", "", "citus"),
        (", worker: {}", "", "postgres_fdw"),
        (", es: la API", "", "api"),
    ],
)
def test_a_file_that_names_what_is_not_there_is_refused(before: str, after: str, wrong: str) -> None:
    """With what is wrong."""
    assert before in TEXT
    with pytest.raises(ValueError, match=wrong):
        parse(TEXT.replace(before, after))
