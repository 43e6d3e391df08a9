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

from historia_clinica.server import HEAD_SECONDS, LARGEST_HEAD

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


def test_head_that_does_not_come_is_not_waited_for(serve: Callable[..., Service]) -> None:
    """Whether it stops in the middle, in a later request too, or comes a byte at a time, or nothing comes at all."""
    service = serve()
    first = b"GET /healthz/live HTTP/1.1\r\nHost: lab\r\n\r\n"
    slow = [send(service), send(service, b"GET /"), send(service, first, b"GET / HTTP/1.1\r\nHost: l")]
    dripping = send(service, b"GET / HTTP/1.1\r\n")

    def drip() -> bool:
        try:
            dripping.sendall(b"a")
            return dripping.recv(1, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    begin = perf_counter()
    wait_until(drip)
    for connection in slow:
        with connection:
            while connection.recv(4096):
                pass
    assert perf_counter() - begin < HEAD_SECONDS + 2


def test_head_without_an_end_is_refused(serve: Callable[..., Service]) -> None:
    """Nobody keeps more of it than fits."""
    line = b"GET / HTTP/1.1\r\n"
    connection = send(serve(), line, b"a:".ljust(LARGEST_HEAD - len(line), b"b"))
    assert answer_of(connection) == (400, b"The head of the request is too large.")


def test_connection_is_there_for_the_next_request(serve: Callable[..., Service]) -> None:
    """Longer than the head of a request may take: what waits between two requests is no late head."""
    service = serve()
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.request("GET", "/healthz/live")
    connection.getresponse().read()
    there = connection.sock
    other = send(service)
    while other.recv(1):  # until the service has given up somebody who came later
        pass
    connection.request("GET", "/healthz/live")
    assert connection.getresponse().status == 200
    assert connection.sock is there


@pytest.mark.parametrize("path", ["/%FF", "/%00", "/usuarios%2F", "/api/v1/pacientes/%ED%A0%80", "//", "/?%FF=%FF"])
def test_odd_address_is_no_5xx(serve: Callable[..., Service], path: str) -> None:
    """Whatever bytes it is made of."""
    assert serve().get(path)[0] < 500
