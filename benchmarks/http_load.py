"""A client that keeps a server busy over many connections and costs little itself: the same one for every server.

One thread, non-blocking sockets and epoll; of an answer it reads the status, the header lines that it needs and the body's
length. A connection that the server closes (HTTP/1.0) is opened again, and the time of that counts, as it does for a person.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

#: A request that has had no answer for so long counts as lost.
GIVEN_UP_SECONDS = 60


@dataclass
class Result:
    """What came of a load.

    Attributes:
        seconds: how long it lasted.
        latencies: seconds from the request (or the wish to connect) to the end of the answer, one for each answer.
        statuses: how many answers of each status.
        broken: how many connections were reset, or closed in the middle of an answer, or never answered.
        without_advice: answers 503 that lack Retry-After.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    without_advice: int = 0

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, part: float) -> float:
        """The latency, in seconds, that this part of the answers did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


@dataclass
class _Client:
    """One connection and the request that it is about."""

    socket: socket.socket
    request: bytes
    begun: float
    received: bytes = b""
    sent: bool = False


def run(
    address: tuple[str, int], requests: Iterator[bytes], connections: int, *, seconds: float, each: int = 0
) -> Result:
    """Send requests over that many connections, each as soon as the one before is answered.

    Args:
        address: host and port.
        requests: whole requests of HTTP/1.1, without an end.
        connections: how many clients there are at once.
        seconds: when to send no more; what is under way is still waited for.
        each: how many requests a connection sends before it stops; 0 for no limit.
    """
    result = Result()
    poll = select.epoll()
    clients: dict[int, _Client] = {}
    left = connections * each if each else -1
    begin = time.perf_counter()
    deadline = begin + seconds

    def connect() -> None:
        nonlocal left
        left -= 1
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BlockingIOError):
            connection.connect(address)
        clients[connection.fileno()] = _Client(connection, next(requests), time.perf_counter())
        poll.register(connection.fileno(), select.EPOLLOUT)

    def drop(number: int) -> None:
        poll.unregister(number)
        clients.pop(number).socket.close()
        if time.perf_counter() < deadline and left != 0:
            connect()

    for _ in range(connections):
        connect()
    while clients:
        ready = poll.poll(1)
        now = time.perf_counter()
        if now > deadline + GIVEN_UP_SECONDS:
            result.broken += len(clients)
            break
        for number, _events in ready:
            client = clients[number]
            try:
                if not client.sent:
                    client.socket.send(client.request)
                    client.sent = True
                    poll.modify(number, select.EPOLLIN)
                    continue
                piece = client.socket.recv(1 << 18)
            except OSError:
                result.broken += 1
                drop(number)
                continue
            client.received += piece
            head, separator, body = client.received.partition(b"\r\n\r\n")
            if not separator or len(body) < _length(head):
                if not piece:
                    # Between two requests a server may close; that is a broken answer only if it had begun to count.
                    result.broken += 1
                    drop(number)
                continue
            now = time.perf_counter()
            result.latencies.append(now - client.begun)
            status = int(head[9:12])
            result.statuses[status] += 1
            if status == 503 and b"\r\nretry-after:" not in head.lower():
                result.without_advice += 1
            if now >= deadline or left == 0 or head.startswith(b"HTTP/1.0") or b"\r\nconnection: close" in head.lower():
                drop(number)
                continue
            left -= 1
            client.request, client.received, client.begun = next(requests), b"", now
            client.socket.send(client.request)
    result.seconds = time.perf_counter() - begin
    for client in clients.values():
        client.socket.close()
    poll.close()
    return result


def _length(head: bytes) -> int:
    lower = head.lower()
    _, found, rest = lower.partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0
