"""What the application sees of a request, and the server of an answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flask import Flask, Response, request

from historia_clinica import fibers
from historia_clinica.asgi import Application


def ask(app: Flask, *headers: tuple[bytes, bytes], path: bytes = b"/") -> list[dict[str, Any]]:
    """Send a request without a body and return the messages of the answer."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "raw_path": path,
        "query_string": b"a=%C3%B1",
        "server": ("lab", 8080),
        "client": ("10.0.0.7", 5),
        "headers": list(headers),
    }

    async def receive() -> dict[str, Any]:
        raise AssertionError("there is no body to wait for")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(Application(app)(scope, receive, send))
    return sent


@pytest.fixture
def app() -> Flask:
    """Give an application that answers with what it sees."""
    app = Flask("seen")

    @app.get("/<path:path>")
    def see(path: str) -> dict[str, Any]:
        return {"path": path, "args": request.args, "from": request.remote_addr, "headers": dict(request.headers)}

    return app


def seen(app: Flask, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """Return what the application saw."""
    [start, body] = ask(app, *headers, path=b"/camino/%C3%B1")
    assert start["status"] == 200
    answer: dict[str, Any] = app.json.loads(body["body"])
    return answer


def test_address_is_decoded_once(app: Flask) -> None:
    """The path, the query, and who asks."""
    found = seen(app, (b"host", b"lab"))
    assert (found["path"], found["args"], found["from"]) == ("camino/ñ", {"a": "ñ"}, "10.0.0.7")


def test_header_that_comes_twice_counts_twice(app: Flask) -> None:
    """RFC 9110: the values of a field follow one another."""
    assert seen(app, (b"accept", b"text/html"), (b"accept", b"*/*"))["headers"]["Accept"] == "text/html,*/*"


def test_length_that_comes_twice_is_one_length() -> None:
    """The server lets that through where both are the same."""
    app = Flask("length")
    app.add_url_rule("/", view_func=lambda: str(request.content_length))
    twice = [(b"content-length", b"70000")] * 2
    assert ask(app, *twice)[1]["body"] == b"70000"


def test_header_with_underscores_is_not_the_one_with_hyphens(app: Flask) -> None:
    """Otherwise whoever removes the one in front of us would be got around."""
    assert seen(app, (b"if_match", b'"x"'))["headers"] == {}


def test_error_of_the_application_is_the_servers(app: Flask) -> None:
    """Nothing is sent, and what went wrong is not swallowed."""
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.add_url_rule("/", view_func=lambda: str(1 / 0))
    with pytest.raises(ZeroDivisionError):
        ask(app)


def test_answer_is_closed_in_its_fiber(app: Flask) -> None:
    """What a response does in the end may wait, too."""
    closed: list[bool] = []

    def answer() -> Response:
        response = Response(["a", "b"])
        response.call_on_close(lambda: closed.append(fibers.inside()))
        return response

    app.add_url_rule("/", view_func=answer)
    assert ask(app)[1]["body"] == b"ab"
    assert closed == [True]
