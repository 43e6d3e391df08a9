# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Input of the preflight checks, and helpers that build the commands in their remedies."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import choose, remote_command
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.choices import Choices
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import Identity, Machine
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.plan import Plan


@dataclass(frozen=True)
class Case:
    """A lab that somebody wants to make, to use or to remove.

    Attributes:
        choices: what that person chose.
        plan: what the lab will be made of.
        record: what the lab remembers, if it does.
        record_error: why the record cannot be read; empty where it can, or is not there.
        machine: what was seen of the host.
        identity: who asks.
        dry: nothing is going to be made (check mode): a runtime that is not there yet is no problem.
        engine: the engine; empty until it is decided.
    """

    choices: Choices
    plan: Plan
    record: Record | None
    record_error: str
    machine: Machine
    identity: Identity
    dry: bool = False
    engine: str = ""

    @property
    def owner(self) -> str:
        """Whose lab it is, in a cluster that many share: the same when the lab is made anew at its place."""
        return f"{self.identity.user}@{self.identity.machine}:{self.plan.directory}"

    def run(self, verb: str, *without: str, **values: object) -> str:
        """How to do something with the lab, without some of the choices, or with others."""
        return choose(self.choices.invocation, verb, values, without)

    def there(self, *words: str) -> str:
        """A command for the lab's machine, as it is typed where the person is."""
        return remote_command(self.choices.invocation, shlex.join(words))

    def kubectl(self, does: str) -> str:
        """A command for the lab's cluster."""
        named = shlex.join(["--kubeconfig", self.plan.kubeconfig, "--context", self.plan.context])
        return remote_command(self.choices.invocation, f"kubectl {named} {does}")
