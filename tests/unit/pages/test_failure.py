"""What a person reads of a task that failed."""

from __future__ import annotations

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.failure import (
    failure_page,
    first_error,
    stop_page,
    waited_in_vain,
    without_values,
)
from support.observations import LAB

NODE = "citus-coordinator"
OPEN = {
    "node_name": NODE,
    "pid": 4711,
    "login": "ana",
    "state": "idle in transaction",
    "statement": "UPDATE",
    "since": "2026-11-27 09:10:03+00",
}
#: What the module says quotes the statement and its arguments.
CANCELLED = (
    "Cannot execute SQL 'SELECT lab.create_login('api', %(api)s)' {'api': 'secret: 1'}: canceling statement due to lock timeout"
    "\nHINT:  Wait.\nCONTEXT:  SQL statement \"x\", query list: ['SELECT secret']"
)


def test_a_failure_page_shows_each_problem_and_its_remedy() -> None:
    """A remedy stays in one line, however long: it is to be typed."""
    remedy = "make lab ARGS='-e lab_api_port=8081 " + "-e lab_workers=2 " * 5 + "'"
    page = failure_page(
        {
            "msg": "The lab 'lab' cannot go on: 1 problem (port-busy).",
            "problems": [
                {"id": "port-busy", "found": "8080 is in use", "needed": "a free port", "remedy": remedy + "\n"}
            ],
        }
    )
    assert page.splitlines() == [
        "  The lab 'lab' cannot go on: 1 problem (port-busy).",
        "",
        "  port-busy",
        "    found    8080 is in use",
        "    needed   a free port",
        f"    fix      {remedy}",
    ]


def test_who_holds_what_a_task_waited_for_is_named_with_what_ends_it() -> None:
    """The process, who it is, since when, and a command that can be typed as it is; no statement and no secret."""
    page = stop_page({"msg": CANCELLED}, "Make it", [OPEN], {**LAB, "name": "ana"})
    assert page.splitlines() == [
        "Make it: canceling statement due to lock timeout",
        "HINT:  Wait.",
        "These have a transaction open, which may hold what it waited for:",
        "  - process 4711 on citus-coordinator: ana, since 2026-11-27 09:10:03+00, idle",
        "    in transaction, last statement UPDATE. To end it:",
        "    echo \"SELECT lab.end_session('citus-coordinator', 4711)\" | make psql LAB=ana",
        "Then run this again.",
    ]


@pytest.mark.parametrize(
    ("result", "waited", "end"),
    [
        ({"msg": CANCELLED}, True, "Who held what it waited for has let go of it since: run this again."),
        ({"msg": "Cannot execute SQL 'SELECT 1' None: no"}, False, "Make it: no"),
        (
            {"msg": "non-zero return code", "stderr": "not loaded: canceling statement due to lock timeout"},
            True,
            "Who held what it waited for has let go of it since: run this again.",
        ),
        ({"msg": "non-zero return code", "stderr": "no module"}, False, "    no module"),
    ],
)
def test_a_task_that_waited_for_nobody_says_what_it_was(result: dict[str, str], waited: bool, end: str) -> None:
    """The server's words, or the last ones of a program."""
    assert waited_in_vain(result) is waited
    assert stop_page(result, "Make it", [], LAB).splitlines()[-1] == end


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (
            "Cannot execute SQL 'SELECT (1)\nFROM x' None: relation \"x\" does not exist\nLINE 2, query list: ['SELECT']",
            'relation "x" does not exist',
        ),
        ("Cannot execute SQL 'SELECT %(a)s' {'a': 1}: no, query list: []", "no"),
        ("connection refused\n\tIs the server running?", "connection refused"),
        ("", "no answer"),
    ],
)
def test_the_first_error_is_what_the_server_said(message: str, error: str) -> None:
    """A module quotes the whole statement; a person wants the one sentence."""
    assert first_error(message) == error


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            'duplicate key value violates unique constraint "pacientes_pkey"\nDETAIL:  Key (cedula)=(1000119527) already exists.',
            'duplicate key value violates unique constraint "pacientes_pkey"\nDETAIL:  Key (cedula)=(…) already exists.',
        ),
        (
            'could not create unique index "u"\nDETAIL:  Key (nombre, edad)=(Ana (la mayor), 34) is duplicated.',
            'could not create unique index "u"\nDETAIL:  Key (nombre, edad)=(…) is duplicated.',
        ),
        (
            'check constraint "c" of relation "pacientes" is violated by some row\nDETAIL:  Failing row contains (1000119527, Ana).',
            'check constraint "c" of relation "pacientes" is violated by some row\nDETAIL:  Failing row contains (…).',
        ),
        ('invalid input syntax for type date: "Ana "la" Soto"', 'invalid input syntax for type date: "…"'),
        ('date/time field value out of range: "1000119527"', 'date/time field value out of range: "…"'),
        ('relation "pacientes" does not exist', 'relation "pacientes" does not exist'),
    ],
)
def test_what_a_server_quotes_of_rows_is_left_out(said: str, kept: str) -> None:
    """Of a key, of a row, of a value that did not fit; objects keep their names."""
    assert without_values(said) == kept
