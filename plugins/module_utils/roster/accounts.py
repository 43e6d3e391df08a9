# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Which students of a class get an account on the server, and what `aula` has to know of each."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

#: Where it is written down which account has which lab, and where the accounts' keys are.
DIRECTORY = "/etc/historia-clinica"
#: What an account that `make class` made is said to be (GECOS): one that was there before is never removed.
MADE = "made by aula for a class"


def student_accounts(labs: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The accounts of a class: ``account``, ``lab`` and ``login``, the student's login of the database.

    Only where root made the labs: each is a system user's then, which nobody else can act as. Labs of one ordinary user are all that
    user's, who cannot make accounts either; labs in a cluster are not on the server.

    Args:
        labs: the variables of each lab's host.
    """
    found = []
    for host in labs:
        lab = (host.get("ansible_facts") or {}).get("lab") or {}
        account = str(host.get("student_account") or "")
        if account and lab.get("target") == "host" and lab.get("user") == f"hc-{lab['name']}":
            found.append({"account": account, "lab": str(lab["name"]), "login": "admin"})
    return found


def account_files(
    students: Iterable[Mapping[str, str]], checkout: str, language: str, exercises_path: str = ""
) -> list[dict[str, str]]:
    """What `aula` reads of each account, as the module ``text_files`` takes it.

    Args:
        students: as ``student_accounts`` lists them.
        checkout: the folder of the Makefile that it uses.
        language: in which it speaks, ``es`` or ``en``.
        exercises_path: a folder of the teacher's own exercises; empty where there is none.
    """
    shared = {"checkout": checkout, "language": language, "exercises_path": exercises_path}
    return [
        {
            "path": f"accounts/{student['account']}",
            "content": json.dumps({"lab": student["lab"], "login": student["login"], **shared}, indent=1) + "\n",
        }
        for student in students
    ]


def accounts_of(labs: Collection[str], directory: str | Path = DIRECTORY) -> dict[str, str]:
    """The accounts of this machine whose lab is one of those that are named, with that lab.

    Args:
        labs: their names.
        directory: where it is written down.
    """
    found = {}
    for path in sorted(Path(directory, "accounts").glob("*")):
        try:
            lab = json.loads(path.read_text(encoding="utf-8"))["lab"]
        except (OSError, ValueError, KeyError, TypeError):  # nobody's: `aula` cannot read it either
            continue
        if lab in labs:
            found[path.name] = lab
    return found
