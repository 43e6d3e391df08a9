# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The commands that pages and remedies print, as they can be typed where the person is.

In a checkout it is ``make``, elsewhere ``ansible-playbook``; each names the inventory, the host and the values without which
it would mean another lab, or none. The lookup ``invocation`` finds out which; nothing else of the collection spells a command of it.

It runs on the host's own Python too: nothing newer than 3.8 is used at run time.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: The playbooks, by what `make` calls them; all others have the same name.
PLAYBOOKS = {"lab": "site"}
#: Commands that make a lab need every choice again; the others find it by these.
NEED_ALL_OPTIONS = ("lab", "preflight", "reset")
LOCATING_OPTIONS = re.compile(r"lab_name|lab_directory|lab_roster|runtime_directory|ansible_\w+")
#: Values that Ansible takes as they are behind `name=`, and those that are text in YAML.
WHOLE = re.compile(r"""[^\s'"{}\\]+""")
WORDS = re.compile(r"/[\w./ -]*[\w./-]")
#: What `make` has a word of its own for.
MAKE_VARIABLES = {
    "autostart_state": "STATE",
    "chaos_fault": "FAULT",
    "chaos_node": "NODE",
    "chaos_seconds": "DURATION",
    "clinical_schema_dump_file": "FILE",
    "clinical_schema_login": "LOGIN",
    "clinical_schema_login_kind": "KIND",
    "lab_roster": "ROSTER",
    "middleware_token_document": "USUARIO",
    "rebalance_by": "BY",
    "rebalance_state": "STATE",
    "scale_keep": "KEEP",
    "scale_workers": "WORKERS",
}
#: Targets that need arguments: the make target and placeholder values.
COMMANDS_WITH_ARGUMENTS = {
    "login": ("login", {"clinical_schema_login": "name"}),
    "no_login": ("login", {"clinical_schema_login": "name", "clinical_schema_login_kind": "none"}),
}
#: The inventory that `make` takes where it is given a list of students.
CLASSROOM = "inventories/classroom"
PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


@dataclass(frozen=True)
class Invocation:
    """How the person who started this run reaches its lab.

    Attributes:
        checkout: the folder of the Makefile; empty where the collection is installed without one.
        here: the person is in that folder.
        inventory: what ``-i`` has to name; nothing where it is the Makefile's own, or there is none.
        host: the host of the lab, where the inventory has others; empty where it is the only one.
        values: what was given with ``-e``, as far as the collection reads it.
        settled: the names of the choices that the inventory makes.
        options: how Ansible reaches the host, as far as it was said on the command line: ``-u``, ``-K``, ...
        machine: the host that is reached over a network; empty where it is this machine.
        ssh: the command that logs in there, in words; empty where it is not reached by SSH.
        sudo: what stands before a command there that only the lab's maker may give, in words.
    """

    checkout: str = ""
    here: bool = True
    inventory: tuple[str, ...] = ()
    host: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    settled: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    machine: str = ""
    ssh: tuple[str, ...] = ()
    sudo: tuple[str, ...] = ()


def command(invocation: Invocation, verb: str, without: Iterable[str] = (), **values: object) -> str:
    """How to do something with the lab.

    Args:
        invocation: how the person reaches it.
        verb: what ``make`` calls it: ``lab``, ``status``, ``teardown``, ...
        without: choices that are to be left out this time.
        values: choices that are to be made this time.
    """
    given = {
        name: value
        for name, value in {**invocation.values, **values}.items()
        if name not in without and (verb in NEED_ALL_OPTIONS or name in values or LOCATING_OPTIONS.fullmatch(name))
    }
    if not invocation.checkout:
        words = [word for source in invocation.inventory for word in ("-i", source)]
        words += ["--limit", invocation.host] if invocation.host else []
        playbook = f"aula.historia_clinica.{PLAYBOOKS.get(verb, verb)}"
        return _joined(["ansible-playbook", playbook, *words, *invocation.options, *_extra(given)])
    lab = invocation.host
    if not invocation.inventory and not lab and "lab_name" in given:
        lab = str(given.pop("lab_name"))
    worded = {MAKE_VARIABLES[name]: str(given.pop(name)) for name in [*given] if name in MAKE_VARIABLES}
    more = [word for source in invocation.inventory[1:] for word in ("-i", source)]
    arguments = _joined([*more, *invocation.options, *_extra(given)])
    inventory = "".join(invocation.inventory[:1])
    if inventory == CLASSROOM and "ROSTER" in worded:
        inventory = ""
    named = {"INVENTORY": inventory, "LAB": lab, **worded, "ARGS": arguments}
    return " ".join([_make(invocation, verb), *(f"{name}={quoted(value)}" for name, value in named.items() if value)])


def choose(invocation: Invocation, verb: str, values: Mapping[str, object], without: Iterable[str] = ()) -> str:
    """How to do something with the lab with other choices: those that the inventory makes are made there."""
    settled = {name: value for name, value in values.items() if name in invocation.settled}
    typed = {name: value for name, value in values.items() if name not in invocation.settled}
    again = command(invocation, verb, (*without, *settled), **typed)
    if not settled:
        return again
    made = ", ".join(f"{name}: {value}" for name, value in settled.items())
    return f"set {made}{f' for {invocation.host}' if invocation.host else ''} in the inventory, then: {again}"


def psql(invocation: Invocation, lab: Mapping[str, object], question: str = "") -> str:
    """How to connect to a lab as its administrator.

    Args:
        invocation: how the person reaches it.
        lab: the fact that the role preflight gives.
        question: a statement to run; without it, one can type.
    """
    ask = ["-c", question] if question else []
    # `make psql` finds the labs of whoever types it, on this machine.
    if invocation.checkout and lab["listed"] and not invocation.machine and not invocation.sudo:
        named = {"LAB": "" if lab["name"] == "lab" else str(lab["name"]), "ARGS": _joined(ask)}
        return " ".join(
            [_make(invocation, "psql"), *(f"{name}={quoted(value)}" for name, value in named.items() if value)]
        )
    return remote_command(invocation, _joined([f"{lab['directory']}/bin/psql", *ask]), terminal=not ask)


def remote_command(invocation: Invocation, text: str, terminal: bool = False) -> str:
    """A command for the lab's machine and its user, as it is typed here.

    Args:
        invocation: how the person reaches it.
        text: the command, as a shell there takes it.
        terminal: it talks with whoever started it.
    """
    text = " ".join([*invocation.sudo, text])
    if not invocation.ssh:
        return text
    first, *rest = invocation.ssh
    return _joined([first, *(["-t"] if terminal else []), *rest, text])


def tunnel(invocation: Invocation, ports: Iterable[object]) -> str:
    """Return the `ssh -N -L` command that forwards the lab's ports to this machine; empty if the lab is local or not reached by SSH."""
    if not invocation.ssh:
        return ""
    first, *rest = invocation.ssh
    forwards = [word for port in ports for word in ("-L", f"{port}:127.0.0.1:{port}")]
    return _joined([first, "-N", *forwards, *rest])


def invocation_of(lab: Mapping[str, object]) -> Invocation:
    """Return the invocation stored in the lab's facts."""
    values = lab.get("invocation")
    return parse_invocation(values if isinstance(values, Mapping) else {})


def parse_invocation(values: Mapping[str, object]) -> Invocation:
    """Rebuild an invocation from the dictionary that Ansible passed (tuples arrive as lists)."""
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Invocation(**fields)  # type: ignore[arg-type]  # asdict() made them of an Invocation


class Commands(dict):  # type: ignore[type-arg]  # an old Python cannot write dict[str, str]
    """The commands of a lab, by what `make` calls them, or by the names in `COMMANDS_WITH_ARGUMENTS`."""

    def __init__(self, lab: Mapping[str, object]) -> None:
        super().__init__()
        self._invocation = invocation_of(lab)

    def __missing__(self, verb: str) -> str:
        """Return the command line for a make target."""
        done, values = COMMANDS_WITH_ARGUMENTS.get(verb, (verb, {}))
        return command(self._invocation, done, **values)


def quoted(text: str) -> str:
    """A text as one word for a shell, as people write it."""
    if PLAIN.fullmatch(text):
        return text
    if "'" not in text:
        return f"'{text}'"
    if not re.search(r"[\\$`!]", text):
        return '"' + text.replace('"', '\\"') + '"'
    return shlex.quote(text)


def _make(invocation: Invocation, verb: str) -> str:
    place = "" if invocation.here else f" -C {quoted(invocation.checkout)}"
    return f"make{place} {verb}"


def _joined(words: Iterable[str]) -> str:
    return " ".join(map(quoted, words))


def _extra(values: Mapping[str, object]) -> list[str]:
    """The values as words for ansible-playbook."""
    return [word for name, value in values.items() for word in ("-e", _assignment(name, value))]


def _assignment(name: str, value: object) -> str:
    """A value as ``-e`` takes it: what Ansible would take apart goes as YAML, or as JSON, which a page in quotes would alter."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{name}={value}"
    if isinstance(value, str) and WHOLE.fullmatch(value):
        return f"{name}={value}"
    if isinstance(value, str) and WORDS.fullmatch(value):
        return f"{{{name}: {value}}}"
    return json.dumps({name: value}, ensure_ascii=False)
