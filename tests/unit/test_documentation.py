"""README.md, its Spanish twin and what they name go together."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from support.readme import commands, headings

ROOT = Path(__file__).parents[2]
READMES = (ROOT / "README.md", ROOT / "README.es.md")
PAGES = (*READMES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def fences(page: Path) -> list[str]:
    """The kinds of a page's fenced blocks, in order."""
    return re.findall(r"^```(\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE)


def targets_named(text: str) -> set[str]:
    """The make targets in a page's code."""
    code = re.findall(r"`+([^`]+)`+", text)
    return {target for piece in code for target in re.findall(r"^make (?:[A-Z]+=\S+ )*([a-z-]+)", piece, re.MULTILINE)}


def test_the_readmes_have_the_same_headings() -> None:
    """As many, of the same levels, in the same order."""
    levels = [[heading.split()[0] for heading in headings(page)] for page in READMES]
    assert len(levels[0]) > 5
    assert levels[0] == levels[1]


def test_the_readmes_have_the_same_commands() -> None:
    """Each command that is to be typed, comments aside; and as many blocks of each kind."""
    english, spanish = ([command.text for command in commands(page)] for page in READMES)
    assert len(english) > 15
    assert english == spanish
    assert fences(READMES[0]) == fences(READMES[1])


def test_the_readmes_name_the_same_commands_in_their_text() -> None:
    """What stands in code between the words: targets, variables, programs."""
    english, spanish = (
        {code for code in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")) if "make " in code}
        for page in READMES
    )
    assert english
    translated = {code.replace("/path/to/", "/ruta/a/").replace("LAB=name", "LAB=nombre") for code in english}
    assert translated == spanish


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_every_documented_target_stands_where_its_reader_looks(page: Path) -> None:
    """What a user types in the README's table, what a developer types in CONTRIBUTING; none in both."""
    documented = set(re.findall(r"^([a-z-]+):.*?## ", MAKEFILE, re.MULTILINE))
    assert len(documented) > 10
    text = page.read_text(encoding="utf-8")
    table = re.search(r"^## Com\w+\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    work = re.search(r"^## Work on it\n(.*?)^## ", CONTRIBUTING, re.MULTILINE | re.DOTALL)
    assert table
    assert work
    used, developed = targets_named(table[1]), set(re.findall(r"^make ([a-z-]+)", work[1], re.MULTILINE))
    assert used | developed == documented
    assert used & developed == set()
    assert targets_named(text) <= documented


def make(*arguments: str) -> str:
    """What make prints but for what it says of itself, with no search for a Python."""
    done = subprocess.run(["make", "PYTHON=-", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return re.sub(r"^make(\[\d+\])?: .*\n", "", done.stdout, flags=re.MULTILINE)


@cache
def words() -> set[str]:
    """The words that make takes, files aside."""
    phony = re.search(r"^\.PHONY: (.*)$", make("--print-data-base", "--question", "help"), re.MULTILINE)
    assert phony
    return set(phony[1].split())


def test_every_word_of_make_does_something() -> None:
    """One without a recipe ends well all the same; so would the name of a folder, as `molecule` is."""
    assert {"unit", "integration", "molecule", "lint"} <= words()
    runs = {word: make("--dry-run", "--always-make", word) for word in words()}
    assert [word for word, run in runs.items() if not run or (run == runs["env"] and word != "env")] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page not in READMES], ids=lambda page: page.name)
def test_every_target_that_a_page_names_is_there(page: Path) -> None:
    """A command that is gone is not left in the text."""
    assert targets_named(page.read_text(encoding="utf-8")) <= words()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    """Links with an address of their own are not followed."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_a_readme_fits_two_pages(page: Path) -> None:
    """No more text than two dense pages hold."""
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 140
    assert len(text) <= 9200


DOCS = {language: ROOT / "docs" / language for language in ("en", "es")}
DOC_PAGES = sorted(path.relative_to(DOCS["en"]) for path in DOCS["en"].rglob("*.md"))


def test_docs_are_there_in_both_languages() -> None:
    """The same paths."""
    assert len(DOC_PAGES) >= 2
    assert sorted(path.relative_to(DOCS["es"]) for path in DOCS["es"].rglob("*.md")) == DOC_PAGES


@pytest.mark.parametrize("page", DOC_PAGES, ids=str)
def test_both_languages_say_the_same(page: Path) -> None:
    """As many headings and rows, the same SQL, the same targets of make, which are there, and links that lead somewhere."""
    texts = [(folder / page).read_text(encoding="utf-8") for folder in DOCS.values()]
    outlines = [re.findall(r"^(#+|\||```.*$)", text, re.MULTILINE) for text in texts]
    assert outlines[0] == outlines[1]
    blocks = [re.findall(r"^```sql.*?^```$", text, re.MULTILINE | re.DOTALL) for text in texts]
    assert blocks[0] == blocks[1]
    assert targets_named(texts[0]) == targets_named(texts[1])
    assert targets_named(texts[0]) <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for folder, text in zip(DOCS.values(), texts, strict=True):
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
        assert [
            link for link in links if "://" not in link and not (folder / page).parent.joinpath(link).exists()
        ] == []


def test_the_page_of_the_original_names_files_that_are_there() -> None:
    """Each place that a manifest went to."""
    places = re.findall(r"`((?:roles|files)/[^`]+)`", (DOCS["en"] / "original.md").read_text(encoding="utf-8"))
    assert len(places) >= 6
    assert [place for place in places if not (ROOT / place).exists()] == []
