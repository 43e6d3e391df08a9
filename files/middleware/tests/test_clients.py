"""Clients that send slowly, by halves or oddly: each keeps nobody waiting but itself, and none gets a 5xx."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from types import SimpleNamespace

import pytest
from conftest import Service, wait_until
from flask import Flask
from waitress import wasyncore

from historia_clinica import server
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


# What 64 clients at once send of a request, and what becomes of it some seconds later.
HALVES: dict[str, tuple[tuple[bytes, ...], int | None]] = {
    "half a head": ((HEAD,), None),
    "half a body": ((HEAD, b"Content-Length: 100\r\n\r\n", b'{"documento_id"'), 408),
    "chunks without an end": ((HEAD, b"Transfer-Encoding: chunked\r\n\r\n", chunk(b"{"), b"5"), 408),
    "a trailer without an end": ((HEAD, b"Transfer-Encoding: chunked\r\n\r\n", chunk(b"{"), b"0\r\nA: b"), 408),
}


def test_half_of_a_request_holds_up_nobody_else(serve: Callable[..., Service]) -> None:
    """Sixty-four clients of each kind stop in the middle: nobody else waits a second longer, they are told when their time is over."""
    service = serve()
    wait_until(lambda: service.get("/healthz/ready")[0] == 200)

    def longest() -> float:
        """Ask for three seconds, and return the longest wait."""
        begin, waits = perf_counter(), [0.0]
        while perf_counter() - begin < 3:
            for path in ("/healthz/live", "/healthz/ready", "/usuarios"):
                asked = perf_counter()
                assert service.get(path)[0] == 200
                waits.append(perf_counter() - asked)
        return max(waits)

    before = longest()
    begin = perf_counter()
    stopped = {half: [send(service, *parts) for _ in range(64)] for half, (parts, _) in HALVES.items()}
    assert longest() < before + 1
    for half, (_, status) in HALVES.items():
        if status is None:
            assert [connection.recv(1) for connection in stopped[half]] == [b""] * 64, half
            continue
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(answer_of, stopped[half]))
        assert {found for found, _ in answers} == {status}, half
        assert json.loads(answers[0][1])["detail"] == "El cuerpo no llegó entero a tiempo; envíelo otra vez."
    assert perf_counter() - begin < HEAD_SECONDS + 10
    refused = sum(status is not None for _, status in HALVES.values())
    wait_until(lambda: service.log().count('"estado": 408') == 64 * refused)  # told as any other answer


@pytest.mark.filterwarnings("ignore:send_bytes:DeprecationWarning")
def test_answer_that_nobody_takes_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks for much and reads nothing is given up, however many answers he has asked for in advance."""
    monkeypatch.setattr(server, "TAKE_SECONDS", 1)
    app = Flask("much")
    app.extensions["database"] = SimpleNamespace(most=0)
    app.add_url_rule("/", view_func=lambda: "x" * 20_000_000)
    serving = server.Server(app, "127.0.0.1", 0)
    deaf = socket.create_connection(("127.0.0.1", serving.effective_port))
    deaf.sendall(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n" * 3)
    turns = iter(lambda: wasyncore.loop(timeout=0.1, use_poll=True, map=serving._map, count=1), "never")
    wait_until(lambda: next(turns) or serving.active_channels)
    wait_until(lambda: next(turns) or not serving.active_channels)
    serving.close()
    deaf.close()


@pytest.mark.parametrize("hosts", [b"", b"Host: lab\r\nHost: other\r\n"], ids=["none", "two"])
def test_request_has_one_host(serve: Callable[..., Service], hosts: bytes) -> None:
    """RFC 9112: which of two is meant, a proxy and we might see differently."""
    status, body = answer_of(send(serve(), b"GET / HTTP/1.1\r\n" + hosts + b"\r\n"))
    detail = "La solicitud tiene que llevar una cabecera Host, y una sola."
    assert (status, json.loads(body)["detail"]) == (400, detail)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost lab\r\n\r\n", 400),
        (b"POST /usuarios HTTP/1.1\r\nHost: lab\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /usuarios HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ],
)
def test_what_is_no_http_is_a_problem_too(serve: Callable[..., Service], sent: bytes, status: int) -> None:
    """Refused as every other request is, and told in a line of the log."""
    service = serve()
    found, body = answer_of(send(service, sent))
    assert (found, json.loads(body)["status"]) == (status, status)
    assert f'"estado": {status}' in service.log()


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
    """What would overflow a thread's stack is a 400, and the service goes on."""
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
    status, body = answer_of(connection)
    assert (status, json.loads(body)["detail"]) == (431, "Las cabeceras de la solicitud son demasiado grandes.")


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
