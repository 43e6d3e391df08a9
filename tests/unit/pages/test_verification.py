"""The page of `verify`."""

from __future__ import annotations

import re

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import WIDTH
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.verification import verification_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.evidence import NOT_RUN
from support.found import Found, database_down, verdicts


def test_the_table_shows_verdicts_and_remedies() -> None:
    """What is broken stands in the table and again below, with its remedy; the page is as wide as a terminal."""
    found = Found()
    database_down(found)
    page = verification_page(found.report())
    assert "BROKEN   database-answers" in page
    assert re.search("[?] +colocated +not checked: the database does not answer", page)
    assert "its local port. To mend it:\n    make start starts what is down\n    make diagnose says why" in page
    assert f"1 broken, {len(verdicts(found.report(), NOT_RUN))} could not be checked." in page
    assert max(map(len, page.splitlines())) <= WIDTH
