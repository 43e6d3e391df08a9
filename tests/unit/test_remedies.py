"""Nobody is advised to give up data while something milder is untried."""

from __future__ import annotations

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import (
    ANEW,
    FAMILIES,
    HELP,
    explain,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import Output
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.checks import CHECKS, CHECKS_OF_PODS
from ansible_collections.aula.historia_clinica.plugins.module_utils.workloads import LOG_CAUSES
from support.remedies import LOSES, ROOT, harsh, texts

PLACES = ("plugins", "roles", "playbooks", "docs", "files/programs", "files/middleware/src")
#: Its tables say what the original's commands became, which is no advice.
TRANSLATED = {*ROOT.glob("docs/*/original.md")}
FILES = sorted(
    path
    for place in PLACES
    for path in {*(ROOT / place).rglob("*")} - TRANSLATED
    if path.suffix in (".py", ".sql", ".md", ".yml") and path.is_file()
) + [ROOT / name for name in ("README.md", "README.es.md", "SECURITY.md")]
#: Parts that never stand alone: they are judged where they are put together.
PARTS = {ANEW}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("make reset makes the lab anew (its data are lost)", ["make reset: nothing milder stands before it"]),
        ("put the folder back, or make reset", ["make reset: nothing says that rows are lost"]),
        ("minikube delete -p x, then run this again", ["minikube delete: nothing says that rows are lost"] * 1),
        ("leave it out (make lab); or, giving up the lab's data: make reset ARGS='-e x=1'", []),
        ("make start starts it", []),
    ],
)
def test_the_rule_finds_what_it_is_there_for(text: str, faults: list[str]) -> None:
    """The first is what `verify` said of a lab with both workers down."""
    assert harsh(text)[: len(faults)] == faults
    assert bool(harsh(text)) == bool(faults)


@pytest.mark.parametrize("check", [*CHECKS, *CHECKS_OF_PODS], ids=lambda check: check.id)
def test_verify_never_advises_to_give_up_data(check: object) -> None:
    """What is broken is mended by a command that keeps the rows; the mildest stands first."""
    assert isinstance(check, type(CHECKS[0]))
    assert not LOSES.search(check.remedy)
    assert "{reset}" not in check.remedy
    assert check.remedy.startswith(("{start}", "{verify}", "{lab}", "{login}"))


@pytest.mark.parametrize("key", [*HELP, *FAMILIES])
def test_minikube_is_deleted_last(key: str | int) -> None:
    """Every lab of a machine has its volumes in the one profile."""
    text = HELP.get(key) or FAMILIES[int(key)]
    assert harsh(text.format(profile="historia-clinica")) == []


def test_a_late_minikube_is_given_time_before_it_is_deleted() -> None:
    """What helps against a command that did not end in time."""
    said = explain(Output("minikube start", 1, "", "", late=600), "historia-clinica")
    assert "minikube delete" in said
    assert harsh(said) == []


@pytest.mark.parametrize("cause", LOG_CAUSES, ids=lambda cause: cause[1][:20])
def test_what_a_pods_log_tells_is_mended_in_place(cause: tuple[str, str, str]) -> None:
    """No cause of a pod that is not ready costs the volumes."""
    assert harsh(cause[2]) == []


def test_no_text_gives_up_data_first() -> None:
    """Strings, hints, messages, rows and items of pages, as they are written."""
    faults = [
        (str(path.relative_to(ROOT)), found, text)
        for path in FILES
        for text in texts(path)
        if text not in PARTS and (found := harsh(text))
    ]
    assert faults == []


def test_there_are_texts_to_judge() -> None:
    """The walk finds the places that do name what loses data."""
    found = {path.name for path in FILES for text in texts(path) if LOSES.search(text)}
    assert {"README.md", "README.es.md", "drift.md", "failures.py", "data_directories.py"} <= found
