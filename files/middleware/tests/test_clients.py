"""Clients that send slowly, by halves or oddly: each keeps nobody waiting but itself, and none gets a 5xx."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pytest
from conftest import Service, wait_until

LOG_IN = json.dumps({"documento_id": "79000000", "clave": "no es la clave"}).encode()
HEAD = b"POST /api/v1/sesiones HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\n"


def send(service: Service, *parts: bytes) -> socket.socket:
    """Send a request by its parts, each in a packet of its own."""
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for part in parts:
        connection.sendall(part)
    return connection


def answer_of(connection: socket.socket) -> tuple[int, bytes]:
    """Read an answer: its status and its body."""
    with connection:
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


def chunk(data: bytes) -> bytes:
    """The data as a chunk of a body whose length nobody has said."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_half_sent_bodies_hold_up_nobody_else(serve: Callable[..., Service]) -> None:
    """Two hundred log-ins stop in the middle: the others are answered at once, these a few seconds later."""
    service = serve()
    wait_until(lambda: service.get("/healthz/ready")[0] == 200)
    begin = perf_counter()
    stopped = [send(service, HEAD, b"Content-Length: 100\r\n\r\n", b'{"documento_id"') for _ in range(200)]
    for path in ("/healthz/live", "/usuarios"):
        asked = perf_counter()
        assert service.get(path)[0] == 200
        assert perf_counter() - asked < 3
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(answer_of, stopped))
    assert perf_counter() - begin < 20
    assert {status for status, _ in answers} == {408}
    assert json.loads(answers[0][1])["detail"] == "El cuerpo no llegó entero a tiempo; envíelo otra vez."


def test_body_may_come_in_pieces(serve: Callable[..., Service]) -> None:
    """With its length or in chunks, a byte at a time: what counts is that it comes."""
    service = serve()
    pieces = [bytes([byte]) for byte in LOG_IN]
    whole = send(service, HEAD, b"Content-Length: %d\r\n\r\n" % len(LOG_IN), *pieces)
    chunked = send(service, HEAD, b"Transfer-Encoding: chunked\r\n\r\n", *map(chunk, pieces), chunk(b""))
    for connection in (whole, chunked):
        status, body = answer_of(connection)
        assert (status, json.loads(body)["detail"][:30]) == (401, "El documento o la contraseña n")


@pytest.mark.parametrize(
    "sent",
    [(b"Content-Length: 70000000\r\n\r\n",), (b"Transfer-Encoding: chunked\r\n\r\n", *[chunk(b" " * 8192)] * 9)],
    ids=["by its length", "by what came so far"],
)
def test_large_body_is_refused_before_it_ends(serve: Callable[..., Service], sent: tuple[bytes, ...]) -> None:
    """413 as soon as that is seen; nothing is kept of it."""
    assert answer_of(send(serve(), HEAD, *sent))[0] == 413


def test_body_of_sixty_thousand_levels_is_refused(serve: Callable[..., Service]) -> None:
    """A fiber's stack is the loop's: what would overflow it is a 400, and the service goes on."""
    service = serve()
    assert answer_of(send(service, HEAD, b"Content-Length: 60000\r\n\r\n", b"[" * 60_000))[0] == 400
    assert service.get("/usuarios")[0] == 200


def test_client_that_goes_away_is_no_error(serve: Callable[..., Service]) -> None:
    """In the middle of a body, or before the answer."""
    service = serve()
    for parts in ((b"Content-Length: 100\r\n\r\n", b"{"), (b"Content-Length: %d\r\n\r\n" % len(LOG_IN), LOG_IN)):
        send(service, HEAD, *parts).close()
    wait_until(lambda: '"/api/v1/sesiones"' in service.log())  # the whole one was asked, and nobody hears the answer
    assert service.get("/usuarios")[0] == 200
    assert {line["nivel"] for line in service.lines()} == {"info"}


@pytest.mark.parametrize("path", ["/%FF", "/%00", "/usuarios%2F", "/api/v1/pacientes/%ED%A0%80", "//", "/?%FF=%FF"])
def test_odd_address_is_no_5xx(serve: Callable[..., Service], path: str) -> None:
    """Whatever bytes it is made of."""
    assert serve().get(path)[0] < 500
