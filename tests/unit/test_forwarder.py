"""The forwarder between a client and pods that come and go, without a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import forwarder
from forwarder import (
    Cluster,
    Forward,
    Forwarder,
    Stream,
    UnreachableError,
    ready_endpoints,
)

ANY_PORT = Forward(0, "citus-coordinator", "postgresql")


class Echo:
    """A pod that answers every chunk with itself, until it is told to go."""

    def __init__(self) -> None:
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(self, data: bytes) -> None:
        """Take a chunk."""
        await self.chunks.put(data)

    async def receive(self) -> bytes:
        """Give it back."""
        return await self.chunks.get()


class Socket:
    """The cluster's stream, with messages that are given."""

    def __init__(self, messages: list[bytes]) -> None:
        self.messages = messages

    async def receive_bytes(self) -> bytes:
        """Give the next one."""
        return self.messages.pop(0)


class Pods:
    """Pods that refuse the first connections and echo the later ones."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.attempts: list[float] = []
        self.open = 0
        self.most_open = 0
        self.echoes: list[Echo] = []

    @contextlib.asynccontextmanager
    async def stream(self, _: Forward) -> AsyncGenerator[Stream]:
        """Open a stream."""
        self.attempts.append(time.monotonic())
        if len(self.attempts) <= self.refusals:
            raise UnreachableError("no pod of it is ready")
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        self.echoes.append(Echo())
        try:
            yield self.echoes[-1]
        finally:
            self.open -= 1


def forward(pods: Pods, use: Callable[[int], Awaitable[None]], patience: float = 5) -> None:
    """Run a forwarder on a free port while ``use`` uses it."""

    async def scenario() -> None:
        server = await Forwarder(ANY_PORT, pods.stream, patience).listen()
        try:
            await asyncio.wait_for(use(server.sockets[0].getsockname()[1]), 20)
        finally:
            server.close()

    asyncio.run(scenario())


async def ask(port: int, text: bytes = b"hola") -> bytes:
    """Send a text and return as much of an answer, or what came before the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text)
        return await reader.readexactly(len(text))
    except asyncio.IncompleteReadError as error:
        return error.partial
    finally:
        writer.close()


def test_forwarder_takes_connections_as_soon_as_listen_returns() -> None:
    """Whoever waits for listen() can connect at once."""

    async def use(port: int) -> None:
        assert await ask(port) == b"hola"

    forward(Pods(), use)


def test_forwarder_carries_what_is_larger_than_a_chunk() -> None:
    """A megabyte comes back whole and in order."""
    text = bytes(range(256)) * 4096

    async def use(port: int) -> None:
        assert await ask(port, text) == text

    forward(Pods(), use)


def test_forwarder_waits_for_a_pod_that_is_on_its_way() -> None:
    """A connection made while the pod is away is answered by the next pod, without a new connection."""
    pods = Pods(refusals=3)

    async def use(port: int) -> None:
        assert await ask(port) == b"hola"

    forward(pods, use)
    assert len(pods.attempts) == 4


def test_forwarder_pauses_longer_after_each_refusal() -> None:
    """A cluster that refuses is not asked in a tight loop."""
    pods = Pods(refusals=1000)

    async def use(port: int) -> None:
        assert await ask(port) == b""

    forward(pods, use, patience=2)
    assert 3 <= len(pods.attempts) <= 10
    pauses = [after - before for before, after in zip(pods.attempts, pods.attempts[1:], strict=False)]
    assert min(pauses) >= 0.04
    assert pauses[-1] > pauses[0]


def test_forwarder_closes_the_connection_when_no_pod_comes() -> None:
    """A client is not left hanging: its connection ends when patience does."""

    async def use(port: int) -> None:
        started = time.monotonic()
        assert await ask(port) == b""
        assert time.monotonic() - started < 2

    forward(Pods(refusals=1000), use, patience=0.5)


def test_forwarder_stops_asking_for_a_client_that_has_gone() -> None:
    """A client that hangs up while it waits costs no further attempts."""
    pods = Pods(refusals=1000)

    async def use(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.5)
        attempts = len(pods.attempts)
        await asyncio.sleep(1.5)
        assert len(pods.attempts) == attempts

    forward(pods, use, patience=10)


def test_forwarder_serves_fifty_connections_at_once() -> None:
    """Fifty clients are connected at the same moment, and each is answered."""
    pods = Pods()

    async def use(port: int) -> None:
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(50)]
        for number, (_, writer) in enumerate(clients):
            writer.write(b"%04d" % number)
        assert [await reader.readexactly(4) for reader, _ in clients] == [b"%04d" % n for n in range(50)]
        assert pods.open == 50
        for _, writer in clients:
            writer.close()

    forward(pods, use)
    assert pods.open == 0


def test_forwarder_cuts_only_the_connections_of_a_pod_that_ends() -> None:
    """The end of one stream closes its client, and the others go on."""
    pods = Pods()

    async def use(port: int) -> None:
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, writer in clients:
            writer.write(b"hola")
            assert await reader.readexactly(4) == b"hola"
        await pods.echoes[0].send(b"")
        assert await clients[0][0].read() == b""
        clients[1][1].write(b"sigue")
        assert await clients[1][0].readexactly(5) == b"sigue"
        for _, writer in clients:
            writer.close()

    forward(pods, use)


def test_forwarder_says_each_trouble_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The log has one line for a reason that stays, and one when it has passed."""
    pods = Pods(refusals=4)

    async def use(port: int) -> None:
        assert await ask(port) == b"hola"

    forward(pods, use)
    log = capsys.readouterr().out
    assert log.count("no pod of it is ready") == 1
    assert log.count("answers again") == 1


def test_forwarder_ends_with_a_reason_when_its_port_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """A taken port is an error with its address, and no traceback."""

    async def taken() -> int:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        arguments = ["--context=none", "--namespace=none", f"--forward={port}:some:http"]
        code = await asyncio.to_thread(_main_without_signals, arguments)
        server.close()
        return code

    assert asyncio.run(taken()) == 1
    assert "A local port cannot be opened" in capsys.readouterr().err


def _main_without_signals(arguments: list[str]) -> int:
    # Signal handlers belong to the main thread, which holds the port here.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.unix_events._UnixSelectorEventLoop, "add_signal_handler", lambda *_: None)
        return forwarder.main(arguments)


def test_pod_stream_leaves_out_the_first_message_of_each_channel() -> None:
    """The cluster opens each channel with the port's number, which is no data."""
    messages = [b"\x00\x38\x15", b"\x01\x38\x15", b"\x00uno", b"\x00", b"\x00dos"]

    async def read() -> list[bytes]:
        stream = forwarder.PodStream(Socket(messages), forwarder.Reporter(ANY_PORT))
        return [await stream.receive() for _ in range(2)]

    assert asyncio.run(read()) == [b"uno", b"dos"]


def test_pod_stream_ends_with_what_the_pod_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A message on the error channel is logged and ends the stream."""
    messages = [b"\x00\x38\x15", b"\x01\x38\x15", b"\x01connection refused"]

    async def read() -> bytes:
        return await forwarder.PodStream(Socket(messages), forwarder.Reporter(ANY_PORT)).receive()

    assert asyncio.run(read()) == b""
    assert "connection refused" in capsys.readouterr().out


def endpoint(name: str, **conditions: bool) -> dict[str, Any]:
    """An endpoint of a slice."""
    return {"conditions": conditions, "targetRef": {"kind": "Pod", "name": name}}


def test_ready_endpoints_are_the_pods_that_serve_the_named_port() -> None:
    """Only ready pods count, each with the number of the port of that name."""
    slices = {
        "items": [
            {
                "ports": [{"name": "http", "port": 8080}, {"name": "other", "port": 1}],
                "endpoints": [
                    endpoint("a", ready=True),
                    endpoint("b", ready=False, serving=True, terminating=True),
                    {"conditions": {"ready": True}},
                ],
            },
            {"ports": [{"name": "http", "port": 8081}], "endpoints": [endpoint("c")]},
            {"ports": None, "endpoints": None},
        ]
    }
    assert ready_endpoints(slices, "http") == [("a", 8080), ("c", 8081)]


def test_forward_is_read_from_its_argument() -> None:
    """LOCAL-PORT:SERVICE:PORT-NAME is the form."""
    assert Forward.parse("15432:citus-coordinator:postgresql") == Forward(15432, "citus-coordinator", "postgresql")
    with pytest.raises(ValueError, match="values to unpack"):
        Forward.parse("15432:citus-coordinator")


def test_a_kubeconfig_needs_no_current_context(tmp_path: Path) -> None:
    """The context is named: the way to a cluster is found in a file whose current context was unset, as Minikube leaves it."""
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "",
                "clusters": [{"name": "aula", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "ana", "user": {"token": "none"}}],
                "contexts": [{"name": "aula", "context": {"cluster": "aula", "user": "ana"}}],
            }
        ),
        encoding="utf-8",
    )

    async def ask() -> None:
        async with Cluster(str(kubeconfig), "aula", "hc-lab").open_stream(ANY_PORT):
            pass

    with pytest.raises(UnreachableError, match="the cluster does not answer"):
        asyncio.run(ask())
