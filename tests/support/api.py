"""A client of a lab's API: what it answers, whatever the status."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from email.message import Message
from typing import Any

from support.labs import Lab


def ask(
    lab: Lab, method: str, path: str, body: Any = None, token: str | None = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """Ask the lab's API; return status, headers and body."""
    request = urllib.request.Request(lab.api_url + path, method=method)  # noqa: S310 # http, of this machine
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 # as above
            text = answer.read()
            return answer.status, lowered(answer.headers), json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, lowered(error.headers), json.loads(error.read() or b"null")


def lowered(headers: Message) -> dict[str, str]:
    """Headers by their names in small letters: how a server writes them means nothing."""
    return {name.lower(): value for name, value in headers.items()}
