# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""How the person who started this run reaches its lab."""

from __future__ import annotations

DOCUMENTATION = r"""
name: invocation
short_description: How the person who started this run reaches its lab
description:
  - Gives what a command needs beside its verb to mean this lab, of the checkout, the inventory, the host, the values of C(-e) and the
    connection, so that a page or a remedy can print it as it is typed.
  - Of the values only those that the collection reads are given, and no password.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Decide and check
  aula.historia_clinica.preflight:
    name: lab
    invocation: "{{ lookup('aula.historia_clinica.invocation') }}"
"""

RETURN = r"""
_raw:
  description: One dictionary, as the module preflight takes it in O(aula.historia_clinica.preflight#module:invocation).
  type: list
  elements: dict
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Invocation

#: Values that the collection reads, by the start of their names: the roles' own, and how a host is reached.
OURS = re.compile(
    r"(lab|runtime|preflight|minikube|workspace|database|port_forward|citus|postgres_fdw|clinical_schema|middleware|verification)_\w+"
    r"|ansible_(connection|host|port|user|become|become_user|python_interpreter|(ssh_)?private_key_file)"
)
#: No command repeats a secret, or what was asked for once.
NEVER = re.compile(r"pass|secret|middleware_token_|clinical_schema_(login|dump)")
#: Options of ansible-playbook that say how a host is reached, by what Ansible calls their values.
VALUES = {"remote_user": "-u", "private_key_file": "--private-key", "become_user": "--become-user"}
FLAGS = {"become": "-b", "become_ask_pass": "-K", "ask_pass": "-k"}
#: The Makefile's own inventory.
INVENTORY = "inventories/lab"
SSH = ("ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh")
LOCAL = ("local", "ansible.builtin.local")


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible has no types
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Look at the command line, the inventory and the host."""
        known = variables or {}
        arguments = context.CLIARGS
        given = load_extra_vars(self._loader)

        def value(*names: str) -> str:
            found = next((known[name] for name in names if known.get(name)), "")
            return str(self._templar.template(found))

        hosts = list((known.get("groups") or {}).get("all", []))
        host = str(known.get("inventory_hostname", ""))
        root = Path(__file__).resolve().parents[2]
        checkout = root if (root / "Makefile").is_file() else None
        machine, ssh = "", []
        connection = value("ansible_connection") or str(arguments.get("connection") or "")
        if connection not in LOCAL:
            machine = host
            ssh = list(_ssh(value, arguments)) if connection in SSH else []
        become = value("ansible_become").lower() in ("true", "yes", "1") or bool(arguments.get("become"))
        become_user = value("ansible_become_user") or str(arguments.get("become_user") or "root")
        invocation = Invocation(
            checkout=str(checkout or ""),
            here=checkout is not None and checkout.samefile(Path.cwd()),
            inventory=tuple(_inventory(known.get("ansible_inventory_sources") or [], checkout) if hosts else ()),
            host=host if len(hosts) > 1 else "",
            values={
                name: _plain(each) for name, each in given.items() if OURS.fullmatch(name) and not NEVER.search(name)
            },
            settled=tuple(sorted(name for name in known if name.startswith("lab_") and name not in given)),
            options=tuple(_options(arguments)),
            machine=machine,
            ssh=tuple(ssh),
            sudo=(("sudo",) if become_user == "root" else ("sudo", "-u", become_user)) if become else (),
        )
        return [asdict(invocation)]


def _plain(value: Any) -> Any:
    """A value without what Ansible knows of where it comes from."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, str) else value


def _inventory(sources: list[str], checkout: Path | None) -> Iterator[str]:
    """The sources as they are named from where commands are typed: in the checkout, or here."""
    place = checkout or Path.cwd()
    if checkout and [Path(source) for source in sources] == [checkout / INVENTORY]:
        return
    for source in sources:
        if "," in source:  # hosts, no file
            yield str(source)
            continue
        path = Path(source)
        yield str(path.relative_to(place) if path.is_relative_to(place) else path)


def _options(arguments: Mapping[str, Any]) -> Iterator[str]:
    for name, option in VALUES.items():
        if arguments.get(name):
            yield from (option, str(arguments[name]))
    for name, option in FLAGS.items():
        if arguments.get(name):
            yield option


def _ssh(value: Any, arguments: Mapping[str, Any]) -> Iterator[str]:
    """The words of a command that logs in where Ansible does."""
    yield "ssh"
    if port := value("ansible_port", "ansible_ssh_port"):
        yield from ("-p", port)
    if key := value("ansible_ssh_private_key_file", "ansible_private_key_file") or arguments.get("private_key_file"):
        yield from ("-i", str(key))
    yield from shlex.split(value("ansible_ssh_common_args"))
    user = value("ansible_user", "ansible_ssh_user") or arguments.get("remote_user")
    host = value("ansible_host", "ansible_ssh_host", "inventory_hostname")
    yield f"{user}@{host}" if user else host
