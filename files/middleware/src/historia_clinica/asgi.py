"""The application behind an ASGI server: the whole request is there before it takes part in anything.

Each request is a fiber (fibers.py). Flask sees a WSGI request whose body is in memory, so that a client which sends its
own slowly, or half of it, keeps nobody waiting but itself, and that for a few seconds.

https://asgi.readthedocs.io/en/latest/specs/www.html, https://peps.python.org/pep-3333/
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Flask
from werkzeug.exceptions import RequestTimeout

from historia_clinica import LARGEST_BODY, fibers

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# A body has at most 64 KiB: whoever takes longer is not going to send it.
BODY_SECONDS = 10


class Application:
    """An ASGI application, without lifespan, that asks a Flask application."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        environ = _environ(scope)
        body = await _body(environ, receive)
        if body is None:
            return
        environ["wsgi.input"] = body
        status, headers, content = await fibers.run(lambda: self._answer(environ))
        if isinstance(body, _Late):
            headers.append((b"connection", b"close"))  # what comes of it after all is no other request
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _answer(self, environ: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        started: list[tuple[int, list[tuple[bytes, bytes]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
            encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            started.append((int(status[:3]), encoded))
            return lambda _: None  # PEP 3333 wants a way to write; Flask never does

        chunks = self._app.wsgi_app(environ, start_response)
        try:
            content = b"".join(chunks)
        finally:
            if close := getattr(chunks, "close", None):  # PEP 3333: where there is one
                close()
        return *started[-1], content


class _Late(io.RawIOBase):
    """A body that did not come in time: whoever reads it learns that."""

    def readable(self) -> bool:
        return True

    def readinto(self, _: object) -> int:
        raise RequestTimeout


def _environ(scope: Scope) -> dict[str, Any]:
    """Return the request as PEP 3333 has it, without its body."""
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "REMOTE_ADDR": scope["client"][0] if scope["client"] else "",  # none where the client has gone already
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw, value in scope["headers"]:
        if b"_" in raw:
            continue  # it would pass for the one with a hyphen
        name = raw.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        if name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environ[name] = text  # no lists: the server lets a length come twice if it is the same
        else:
            name = "HTTP_" + name
            environ[name] = f"{environ[name]},{text}" if name in environ else text
    return environ


async def _body(environ: dict[str, Any], receive: Receive) -> io.IOBase | None:
    """Return the body, of what is too large only enough to see that; None where the client has gone."""
    if "CONTENT_LENGTH" not in environ and "HTTP_TRANSFER_ENCODING" not in environ:
        return io.BytesIO()
    if int(environ.get("CONTENT_LENGTH", 0)) > LARGEST_BODY:
        return io.BytesIO()  # Flask refuses it by its length
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while len(body) <= LARGEST_BODY:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
    except TimeoutError:
        return _Late()
    environ["CONTENT_LENGTH"] = str(len(body))  # known now, for one that came in chunks, too
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return io.BytesIO(body)
