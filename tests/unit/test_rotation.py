"""What becomes of the files with secrets while they are changed."""

from __future__ import annotations

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.rotation import rotation_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.rotation import (
    ANNOUNCED_UNTIL,
    announced_keys,
    password_file,
    read_password,
    rotated_keys,
)

OLD, NEW, OLDER = "a" * 32, "b" * 32, "c" * 32
#: What a file of keys holds, and what it holds at 1000 with NEW, what signed before being believed until 1900.
KEYS = {
    "one key": (f"{OLD}\n", f"{NEW}\n{OLD}\t1900\n"),
    "none yet": ("", f"{NEW}\n"),
    "one that is still believed": (f"{OLD}\n{OLDER}\t1500\n", f"{NEW}\n{OLD}\t1900\n{OLDER}\t1500\n"),
    "one whose time is over": (f"{OLD}\n{OLDER}\t999\n", f"{NEW}\n{OLD}\t1900\n"),
    "one that somebody put there": (f"{OLD}\n{OLDER}\n", f"{NEW}\n{OLD}\t1900\n{OLDER}\t1900\n"),
    "the new one already, of a run that was interrupted": (f"{NEW}\n{OLD}\t1400\n", f"{NEW}\n{OLD}\t1400\n"),
}


@pytest.mark.parametrize("case", KEYS)
def test_a_new_key_comes_before_the_others(case: str) -> None:
    """It signs; each of the others is believed for a while, and none for longer than before."""
    before, after = KEYS[case]
    assert rotated_keys(before, NEW, until=1900, now=1000) == after


def test_an_old_key_can_be_ended_at_once() -> None:
    """For a token that was stolen."""
    assert rotated_keys(f"{OLD}\n{OLDER}\t1500\n", NEW, until=1000, now=1000) == f"{NEW}\n"


def test_a_key_that_is_announced_is_believed_and_does_not_sign() -> None:
    """Where two processes read the file, neither signs with what the other has not read."""
    announced = announced_keys(f"{OLD}\n{OLDER}\t1500\n", f"{NEW}\n")
    assert announced == f"{OLD}\n{OLDER}\t1500\n{NEW}\t{ANNOUNCED_UNTIL}\n"
    assert announced_keys(announced, NEW) == announced


def test_a_password_file_says_what_it_was_made_of() -> None:
    """In libpq's format, one login a line."""
    text = password_file({"admin": "x", "api": "y:z"})
    assert text == "*:*:*:admin:x\n*:*:*:api:y:z\n"
    assert [read_password(text, login) for login in ("admin", "api", "ana")] == ["x", "y:z", ""]


def test_page_says_whose_passwords_are_changed() -> None:
    """And what becomes of tokens, of a run that did not end, and of a person's."""
    lab = {"engine": "postgres_fdw", "directory": "/labs/lab"}
    page = rotation_page(lab, ["admin", "api"], 900, resumed=False)
    assert page[0] == "New passwords of admin, api and of nodes, which the servers alone know: in"
    assert "Those that the old one signed are valid for 15 min 0 s more (-e" in page
    assert "refused: everybody logs in anew" in " ".join(rotation_page(lab, ["admin"], 0, resumed=False))
    assert rotation_page(lab, ["admin"], 0, resumed=True)[0].startswith("It goes on with what an earlier run began")
    assert rotation_page(lab, ["ana"], 900, resumed=False, person=True) == [
        "New passwords of ana: in /labs/lab/credentials."
    ]
