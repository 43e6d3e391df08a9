# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What may stand in a choice: each kind of value reads what a person wrote, or says what is wrong with it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Invocation, choose
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import PROBLEMS, Problem

#: What leaves a choice to the lab, as nothing does.
AUTO = "auto"

NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,26}[a-z0-9])?")
NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
#: What is needed of a namespace.
OWN_NAMESPACE = "a namespace for this lab alone: removing the lab removes it"


@dataclass(frozen=True)
class Given:
    """A value as a person wrote it, of any type.

    Attributes:
        variable: what it was written for, such as ``lab_workers``.
        value: the value.
        example: one that would do.
        invocation: how the person reaches the lab.
        verb: what the value is given to, as `make` calls it.
    """

    variable: str
    value: object
    example: object
    invocation: Invocation
    verb: str = "lab"

    def instead(self, value: object = None) -> str:
        """The command with another value: the example, unless one is named."""
        return choose(self.invocation, self.verb, {self.variable: value or self.example})

    def wrong(self, id_: str, needed: str, remedy: str = "", found: str = "") -> Problem:
        """That the value will not do."""
        return Problem(id_, f"{self.variable} is {found or shown(self.value)}", needed, remedy or self.instead())


def shown(value: object) -> str:
    """A value as a message shows it: quoted, and short."""
    text = ascii(value) if not isinstance(value, str) or not value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def is_left_open(value: object) -> bool:
    """Whether a value leaves the choice to the lab."""
    return value is None or (isinstance(value, str) and value.strip() in ("", AUTO))


def one_of(id_: str, *known: str) -> Callable[[Given], str | Problem]:
    """One of some words."""

    def read(given: Given) -> str | Problem:
        text = given.value if isinstance(given.value, str) else ""
        if text in known:
            return text
        lower = text.strip().lower()
        needed = f"one of {', '.join((AUTO, *known))}"
        return given.wrong(id_, needed, given.instead(lower if lower in known else AUTO))

    return read


def number(id_: str, least: int, most: int, remark: str = "") -> Callable[[Given], int | Problem]:
    """A whole number, as such or as text, but no boolean."""

    def read(given: Given) -> int | Problem:
        value = given.value
        if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        return given.wrong(id_, f"a whole number from {least} to {most}{remark}")

    return read


def matching(pattern: str, needed: str) -> Callable[[Given], str | Problem]:
    """A text of a form, for the pods."""

    def read(given: Given) -> str | Problem:
        if isinstance(given.value, str) and re.fullmatch(pattern, given.value):
            return given.value
        return given.wrong("pods-setting", needed)

    return read


def namespace(given: Given) -> str | Problem:
    """A namespace that is not the cluster's own."""
    read = matching(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", "1 to 63 of a-z, 0-9 and hyphens")(given)
    if isinstance(read, str) and re.fullmatch(r"default|kube-.*", read):
        return given.wrong("pods-setting", OWN_NAMESPACE, found=f"{read}, which is the cluster's own")
    return read


def one_line(needed: str) -> Callable[[Given], str | Problem]:
    """A text without line breaks, for the pods."""
    return matching(r"[^\x00-\x1f\x7f]+", needed)


#: A port that a user may have.
port = number("port-invalid", 1024, 65535, " (lower ones are the system's)")
storage_class = matching(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", "a storage class's name")
image = matching(
    r"(?:(?:[a-zA-Z0-9-]+[.:])[a-zA-Z0-9.:-]*/|localhost/)?"  # a registry
    r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    "an image's name, such as docker.io/library/postgres:18",
)


def path(given: Given) -> str | Problem:
    """An absolute path."""
    value = given.value
    if not isinstance(value, str) or not _is_path(value):
        needed = "a path without line breaks and other control characters"
        return given.wrong("directory-characters", needed, f"write {given.variable} as one plain absolute path")
    if not os.path.isabs(value):
        absolute = given.instead(os.path.abspath(os.path.expanduser(value)))
        return given.wrong("directory-relative", "an absolute path (it starts with /)", f"write it out: {absolute}")
    return os.path.normpath(value)


def _is_path(value: str) -> bool:
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return not any(ord(letter) < 32 or ord(letter) == 127 for letter in value)


def lab_name(given: Given) -> str | Problem:
    """A lab's name."""
    faults = name_faults(given.value)
    if isinstance(given.value, str) and not faults:
        return given.value
    return Problem(
        "lab-name",
        f"the lab's name is {shown(given.value)}: {'; '.join(faults)}",
        PROBLEMS["lab-name"].replace("is not ", ""),
        f"rename the host in the inventory, or say it with lab_name: {given.instead()}",
    )


def name_faults(value: object) -> list[str]:
    """What is wrong with a lab's name, in words; empty where nothing is."""
    if not isinstance(value, str):
        return [f"it is no text but {type(value).__name__}"]
    if NAME.fullmatch(value):
        return []
    others = sorted({x for x in value if not (x.isalnum() or x.isspace() or x == "-")})
    faults = {
        "it is empty": not value,
        f"it has {len(value)} characters": len(value) > 28,
        "it has capitals": any(letter.isupper() for letter in value),
        "it has spaces": any(letter.isspace() for letter in value),
        "it has accents or letters beyond a-z": any(letter.isalpha() and ord(letter) > 127 for letter in value),
        "it has " + " ".join(map(shown, others[:5])): bool(others),
        "it does not start with a letter": bool(value) and not value[0].isalpha(),
        "it ends with a hyphen": value.endswith("-"),
    }
    return [fault for fault, there in faults.items() if there] or ["it has letters beyond a-z"]
