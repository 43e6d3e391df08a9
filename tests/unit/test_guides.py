"""The guides in docs/: the same in both languages, with the tables that the code gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tables

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = sorted(path.relative_to(DOCS / "en") for path in (DOCS / "en").rglob("*.md"))


def blocks(path: Path) -> list[str]:
    """The fenced blocks of a page, with their language."""
    return re.findall(r"^```.*?^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_guide_is_there_in_both_languages() -> None:
    """The same paths under docs/en and docs/es."""
    assert len(GUIDES) > 0
    assert sum(len(blocks(DOCS / "en" / guide)) for guide in GUIDES) > 10
    assert sorted(path.relative_to(DOCS / "es") for path in (DOCS / "es").rglob("*.md")) == GUIDES


@pytest.mark.parametrize("guide", GUIDES, ids=str)
def test_guide_has_the_same_commands_in_both_languages(guide: Path) -> None:
    """Block for block, and as many headings of each level."""
    english, spanish = DOCS / "en" / guide, DOCS / "es" / guide
    assert blocks(english) == blocks(spanish)
    levels = [re.findall(r"^#+(?= )", page.read_text(encoding="utf-8"), re.MULTILINE) for page in (english, spanish)]
    assert levels[0] == levels[1]


@pytest.mark.parametrize("guide", tables.GUIDES, ids=str)
def test_guide_prints_the_table_of_permissions(guide: Path) -> None:
    """`make docs` writes it; nobody writes it by hand."""
    assert guide.read_text(encoding="utf-8") == tables.guide(guide)


@pytest.mark.parametrize("page", tables.MEASURED_ON, ids=str)
def test_page_of_figures_prints_what_was_measured(page: Path) -> None:
    """`make docs` writes it from benchmarks/figures; nobody types a figure."""
    assert page.read_text(encoding="utf-8") == tables.figures(page)


@pytest.mark.parametrize("page", tables.READMES, ids=lambda page: page.name)
def test_readme_prints_what_the_tests_ask(page: Path) -> None:
    """`make docs` writes it from tests/support/differences.yml."""
    assert page.read_text(encoding="utf-8") == tables.readme(page)


@pytest.mark.parametrize("page", tables.APART, ids=str)
def test_page_about_the_engines_prints_what_the_tests_ask(page: Path) -> None:
    """`make docs` writes it; nobody writes it by hand."""
    assert page.read_text(encoding="utf-8") == tables.differences(page)


@pytest.mark.parametrize("page", tables.REACHING, ids=str)
def test_page_about_who_reaches_what_prints_what_the_tests_walk(page: Path) -> None:
    """`make docs` writes it; nobody writes it by hand."""
    assert page.read_text(encoding="utf-8") == tables.reach(page)


@pytest.mark.parametrize("page", tables.HANDS, ids=str)
def test_page_about_changes_by_hand_prints_what_the_tests_try(page: Path) -> None:
    """`make docs` writes it; nobody writes it by hand."""
    assert page.read_text(encoding="utf-8") == tables.changes(page)
