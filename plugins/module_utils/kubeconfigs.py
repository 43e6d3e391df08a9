# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""A student's kubeconfig: its text, and whether the token in it is one to go on with."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Token:
    """What a token of a ServiceAccount says of itself.

    Attributes:
        text: the token.
        uid: of the account that it was given to; empty where it does not say.
        begun: when it was given, in seconds since 1970.
        end: when it ends, likewise.
    """

    text: str
    uid: str
    begun: int
    end: int

    @property
    def days(self) -> float:
        """How long it is valid from beginning to end."""
        return (self.end - self.begun) / DAY

    @property
    def until(self) -> str:
        """Its last moment, as people read it."""
        return datetime.fromtimestamp(self.end, UTC).strftime("%Y-%m-%d %H:%M UTC")

    def lasts(self, uid: str, now: float, renew_days: float) -> bool:
        """Whether it is an account's, and not yet to be renewed: at half of its time at the latest, whatever a cluster grants.

        Args:
            uid: of the account as it is now; one that was made anew has another.
            now: the time, in seconds since 1970.
            renew_days: how near to its end it is renewed.
        """
        return self.uid == uid and self.end - now > DAY * min(renew_days, self.days / 2)


def read_token(text: str) -> Token | None:
    """A token as it is read without its key; None where it is none.

    Args:
        text: the token, of which nobody but its cluster can say whether it is genuine.
    """
    try:
        middle = text.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return Token(text, str(said["kubernetes.io"]["serviceaccount"]["uid"]), int(said["iat"]), int(said["exp"]))
    except (ValueError, LookupError, TypeError):
        return None


def kept_token(kubeconfig: Any) -> Token | None:
    """The token of a kubeconfig that was written before; None where there is none.

    Args:
        kubeconfig: the file as YAML reads it.
    """
    try:
        return read_token(str(kubeconfig["users"][0]["user"]["token"]))
    except (LookupError, TypeError):
        return None


def kubeconfig(cluster: Mapping[str, Any], namespace: str, account: str, token: str) -> dict[str, Any]:
    """A kubeconfig that holds one cluster, one namespace and one token.

    Args:
        cluster: how the cluster is reached, as a kubeconfig has it.
        namespace: the one that commands are about.
        account: the ServiceAccount.
        token: of that account.
    """
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": dict(cluster)}],
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [{"name": namespace, "context": {"cluster": "cluster", "namespace": namespace, "user": account}}],
        "current-context": namespace,
    }


def is_of_this_machine(server: str) -> bool:
    """Whether an address of a cluster's API means this machine wherever it is typed.

    Args:
        server: a kubeconfig's ``server``.
    """
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
