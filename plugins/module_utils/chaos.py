# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Faults that a person asks for, and what a prober saw while one lasted: pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FAULTS = {
    "kill": "its process is killed; what watches over it starts it again",
    "freeze": "all of its processes stop, and its connections stay",
    "cut": "its port is refused, and it goes on behind it",
    "fill": "the disk below it is filled, up to a bound that leaves the machine alive",
}
#: The same in pods.
FAULTS_IN_PODS = {
    "kill": "its processes are killed and its pod is deleted; the cluster makes another one, with the same volume",
    "freeze": "all of its processes stop, and its connections stay; after a minute the kubelet starts it anew",
    "cut": "its Service leads to no pod, and its sessions end; it goes on behind it",
    "fill": "its volume is filled, up to a bound that leaves the cluster's node alive",
}
MIDDLEWARE = "middleware"
#: Seconds that a fault may last.
SHORTEST, LONGEST = 1, 600


def problems(fault: Any, node: Any, seconds: Any, nodes: Iterable[str], pods: bool = False) -> list[str]:
    """What is wrong with what a person asked for, each in a sentence; nothing where it can be done.

    Args:
        fault: what shall happen.
        node: to which node.
        seconds: for how long, as it was typed.
        nodes: the names of the lab's nodes.
        pods: whether they are pods.
    """
    known = [*nodes, MIDDLEWARE]
    found = []
    if fault not in FAULTS:
        found.append(f"FAULT={fault or ''} is none of {', '.join(FAULTS)}")
    if node not in known:
        found.append(f"NODE={node or ''} is none of this lab's nodes: {', '.join(known)}")
    if pods and (fault, node) == ("fill", MIDDLEWARE):
        found.append("FAULT=fill needs a node with a volume: the middleware's pods have none, and keep nothing")
    text = str(seconds)
    if not (text.isascii() and text.isdecimal() and SHORTEST <= int(text[:9]) <= LONGEST):
        found.append(f"DURATION={text} is no whole number of seconds from {SHORTEST} to {LONGEST}")
    return found


@dataclass
class Probe:
    """What was asked again and again, and what came of it.

    Attributes:
        node: on which node.
        kind: ``read``, ``write`` or ``request``.
        answered: how often it was answered.
        errors: how often it was not, by kind.
        longest: the longest wait for an answer or an error, in seconds.
        first_error: when the first error came, in seconds of some clock; None where none came.
        back: when it was answered again after the last one; None where it was not, or there was none.
    """

    node: str
    kind: str
    answered: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    first_error: float | None = None
    back: float | None = None

    def count(self, error: str, seconds: float, at: float) -> None:
        """Take in one answer.

        Args:
            error: the kind of error; empty where it was answered.
            seconds: how long that took.
            at: when it came, in seconds of that clock.
        """
        self.longest = max(self.longest, seconds)
        if error:
            self.errors[error] += 1
            self.first_error = at if self.first_error is None else self.first_error
            self.back = None
            return
        self.answered += 1
        if self.errors and self.back is None:
            self.back = at


#: What a server or a driver says -> the kind of error. The first that is found counts.
KINDS: Mapping[str, str] = {
    "refused": "connection refused",
    "timeout": "no answer in time",
    "timed out": "no answer in time",
    "canceling statement": "no answer in time",
    "could not connect": "a worker could not be reached",
    "connection to the remote node": "a worker could not be reached",
    "starting up": "the server was starting",
    "shutting down": "the server was shutting down",
    "terminating connection": "connection cut",
    "closed the connection": "connection cut",
    "connection is lost": "connection cut",
    "reset by peer": "connection cut",
    "remote end closed": "connection cut",
    "503": "503 of the API",
}


def kind_of(said: str) -> str:
    """The kind of an error, by what was said of it."""
    text = said.lower()
    return next((kind for words, kind in KINDS.items() if words in text), "another error")


def rows_of(probes: Sequence[Probe], zero: float) -> list[dict[str, Any]]:
    """Rows for a page, one for each probe; its times are seconds since the fault, which was at ``zero`` of the clock."""

    def since(at: float | None) -> float | None:
        return None if at is None else round(max(0.0, at - zero), 2)

    return [
        {
            "node": probe.node,
            "kind": probe.kind,
            "answered": probe.answered,
            "failed": sum(probe.errors.values()),
            "longest": round(probe.longest, 2),
            "first_error": since(probe.first_error),
            "back": since(probe.back),
            "errors": dict(probe.errors),
        }
        for probe in probes
    ]
