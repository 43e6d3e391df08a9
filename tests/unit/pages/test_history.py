"""What a person reads of the history's tables."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.history import copy_page, left_page


def test_what_a_run_leaves_is_named_with_the_reason() -> None:
    """A column that somebody added stays; the page says which, and what to do."""
    page = left_page([{"object": "column pacientes alergias", "found": "text", "wanted": "absent"}])
    assert "rows lie in it" in " ".join(page)
    assert page[-1] == "  - column pacientes alergias: found text, installed absent"


def test_a_sample_that_a_lab_keeps_is_no_fault_of_anybody() -> None:
    """It is said once, beside the columns of somebody's making or without any."""
    sample = {"object": "sample", "found": "seed 42", "wanted": "seed 7"}
    page = left_page([sample])
    assert "keeps the sample of seed 42" in page[0]
    assert "ALTER TABLE" not in " ".join(page)
    column = {"object": "column pacientes alergias", "found": "text", "wanted": "absent"}
    assert left_page([column, sample]) == page + left_page([column])


def test_the_copy_names_what_it_holds_and_what_it_does_not() -> None:
    """Rows table by table; of others' making the names; statements are of no interest to a person."""
    rows = [
        {"kind": "column", "text": "ALTER TABLE public.pacientes ADD COLUMN alergias text;"},
        {"kind": "left out", "text": "table recetas"},
        {"kind": "rows", "text": "medicos 40"},
    ]
    assert copy_page(rows, "/tmp/historia.sql") == [
        "Copied into /tmp/historia.sql:",
        "  medicos 40",
        "Not in it, since somebody made it beside the history: table recetas.",
    ]
    assert copy_page(rows[2:], "/tmp/historia.sql")[-1] == "  medicos 40"
