"""Every query of the documentation, asked as it is written there."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from support.labs import ROOT, Lab

FENCE = re.compile(r"^```sql(?P<words>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def queries(page: Path) -> list[tuple[set[str], str]]:
    """Each query with the words behind its fence: an engine where it is for one, `refused` or `empty` where it is."""
    return [(set(match["words"].split()), match["text"]) for match in FENCE.finditer(page.read_text(encoding="utf-8"))]


PAGES = [page for page in sorted((ROOT / "docs" / "en").glob("*.md")) if queries(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_queries_do_what_the_page_says(lab: Lab, page: Path) -> None:
    """Answered with rows, with none, or refused; those of one engine with that engine."""
    engines = {"citus", "postgres_fdw"}
    for words, text in queries(page):
        if words & engines and lab.engine not in words:
            continue
        with lab.connect() as connection:
            if "refused" in words:
                with pytest.raises(psycopg.Error, match="requires repartitioning"):
                    connection.execute(text)
                continue
            # One after the other, as psql sends them.
            cursors = [connection.execute(statement) for statement in text.split(";\n") if statement]
            [found] = [cursor.fetchall() for cursor in cursors if cursor.description]
            assert bool(found) is ("empty" not in words), text
