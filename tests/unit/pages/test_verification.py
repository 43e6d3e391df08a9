"""The page of `verify`."""

from __future__ import annotations

import re

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import WIDTH
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.verification import verification_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import SKIPPED
from support.observations import Found, database_down, results


def test_the_table_shows_results_and_remedies() -> None:
    """What failed stands in the table and again below, with its remedy; the page is as wide as a terminal."""
    found = Found()
    database_down(found)
    page = verification_page(found.report())
    assert "FAILED   database-answers" in page
    assert re.search("skipped +colocated +not checked: the database does not answer", page)
    assert "its local port. Fix:\n    make start starts what is down\n    make diagnose says why" in page
    assert f"1 failed, {len(results(found.report(), SKIPPED))} skipped." in page
    assert max(map(len, page.splitlines())) <= WIDTH
