# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""A program that keeps local ports open into a cluster, whatever happens to the pods behind them.

Each connection gets a stream of its own to a pod that serves at that moment: a pod that is deleted cuts its own connections and
no others, and the next connection finds the next pod. `kubectl port-forward` stays with one pod, and ends with the first
connection that a server resets.

A lab with pods has it in its `bin`, where the lab's supervisor runs it with the runtime's Python (packages kr8s and httpx-ws).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import httpx_ws
import kr8s

ADDRESS = "127.0.0.1"
CHUNK = 64 * 1024
#: How long a connection may wait for a pod that serves: about what a deleted pod takes to come back.
PATIENCE_SECONDS = 15.0
#: How long one question to the cluster's API may take.
ANSWER_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0
#: Channels of the cluster's stream: data, and what went wrong.
DATA, ERROR = 0, 1


class UnreachableError(Exception):
    """There is no way to the service now; the text says why."""


@dataclass(frozen=True)
class Forward:
    """A local port and the service that it leads to.

    Attributes:
        local_port: the port on 127.0.0.1.
        service: name of the Service.
        port: name of the Service's port.
    """

    local_port: int
    service: str
    port: str

    @classmethod
    def parse(cls, text: str) -> Forward:
        """Read ``LOCAL-PORT:SERVICE:PORT-NAME``.

        Raises:
            ValueError: it is not of that form.
        """
        local, service, port = text.split(":")
        return cls(int(local), service, port)


class Stream(Protocol):
    """Bytes to and from a pod."""

    async def send(self, data: bytes) -> None:
        """Send bytes; OSError when the pod's end is gone."""

    async def receive(self) -> bytes:
        """The next bytes; none at the end, OSError when the pod's end is gone."""


OpenStream = Callable[[Forward], AbstractAsyncContextManager[Stream]]


class Reporter:
    """Says what changed, a line each; what stays as it is is said once."""

    def __init__(self, forward: Forward) -> None:
        self._name = f"{ADDRESS}:{forward.local_port} -> {forward.service}"
        self._trouble = ""

    def say(self, text: str) -> None:
        """Write one line to the log."""
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {self._name}: {text}", flush=True)

    def trouble(self, text: str) -> None:
        """Say why connections cannot be made, once for each reason."""
        if text != self._trouble:
            self._trouble = text
            self.say(text)

    def fine(self) -> None:
        """Say that connections can be made again."""
        if self._trouble:
            self._trouble = ""
            self.say("answers again")


class Forwarder:
    """One local port."""

    def __init__(self, forward: Forward, open_stream: OpenStream, patience: float = PATIENCE_SECONDS) -> None:
        self.forward = forward
        self.report = Reporter(forward)
        self._open_stream = open_stream
        self._patience = patience

    async def listen(self) -> asyncio.Server:
        """Open the port: it takes connections when this returns.

        Raises:
            OSError: the port is taken.
        """
        server = await asyncio.start_server(self._serve, ADDRESS, self.forward.local_port, backlog=256, limit=CHUNK)
        self.report.say("listening")
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Read at once: a client that has gone away shows by an end, and whoever waits for it is nobody.
        first = asyncio.ensure_future(reader.read(CHUNK))
        try:
            async with AsyncExitStack() as stack:
                stream = await self._connect(stack, first)
                if stream is not None:
                    await _relay(reader, writer, first, stream)
        finally:
            first.cancel()
            writer.close()

    async def _connect(self, stack: AsyncExitStack, first: asyncio.Future[bytes]) -> Stream | None:
        """Open a stream, trying again for a while; None when that was in vain or the client has gone."""
        limit = time.monotonic() + self._patience
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                stream = await stack.enter_async_context(self._open_stream(self.forward))
            except UnreachableError as error:
                self.report.trouble(str(error))
            else:
                self.report.fine()
                return stream
            if time.monotonic() + pause > limit or _has_gone(first):
                return None
            # A pause that grows: a cluster that refuses is not asked in a tight loop.
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # not a secret
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _has_gone(first: asyncio.Future[bytes]) -> bool:
    return first.done() and (first.cancelled() or first.exception() is not None or not first.result())


async def _relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: asyncio.Future[bytes], stream: Stream
) -> None:
    """Copy both ways until either end is gone."""

    async def to_pod() -> None:
        data = await first
        while data:
            await stream.send(data)
            data = await reader.read(CHUNK)

    async def to_client() -> None:
        while data := await stream.receive():
            writer.write(data)
            await writer.drain()

    both = [asyncio.ensure_future(to_pod()), asyncio.ensure_future(to_client())]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        # An end that is gone is how connections end; the client sees it by its own closing.
        await asyncio.gather(*both, return_exceptions=True)


class PodStream:
    """A stream over the cluster's port-forwarding WebSocket."""

    def __init__(self, socket: Any, report: Reporter) -> None:
        self._socket = socket
        self._report = report
        self._introduced: set[int] = set()

    async def send(self, data: bytes) -> None:
        """Send bytes to the pod."""
        try:
            await self._socket.send_bytes(bytes((DATA,)) + data)
        except httpx_ws.HTTPXWSException as error:
            raise OSError("the pod has gone") from error

    async def receive(self) -> bytes:
        """The pod's next bytes."""
        while True:
            try:
                message = await self._socket.receive_bytes()
            except httpx_ws.HTTPXWSException:
                return b""
            channel, data = message[0], message[1:]
            if channel not in self._introduced:  # its first message is the port's number
                self._introduced.add(channel)
            elif channel == ERROR:
                self._report.trouble(f"the pod: {data.decode(errors='replace').strip()}")
                return b""
            elif data:
                return bytes(data)


class Cluster:
    """The way into a cluster: what the kubeconfig says, read again when it stops working."""

    def __init__(self, kubeconfig: str | None, context: str, namespace: str) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._namespace = namespace
        self._lock = asyncio.Lock()
        self._api: Any = None
        self._client: httpx.AsyncClient | None = None
        self._reports: dict[Forward, Reporter] = {}

    def reporter(self, forward: Forward, report: Reporter) -> None:
        """Say what goes wrong in the streams of a forward to its reporter."""
        self._reports[forward] = report

    @contextlib.asynccontextmanager
    async def open_stream(self, forward: Forward) -> AsyncGenerator[Stream]:
        """A stream to a pod that serves now.

        Raises:
            UnreachableError: there is none.
        """
        async with AsyncExitStack() as stack:
            client = None
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    client = await self._ready_client()
                    pod, port = await self._resolve(client, forward)
                    socket = await stack.enter_async_context(
                        httpx_ws.aconnect_ws(
                            f"/api/v1/namespaces/{self._namespace}/pods/{pod}/portforward",
                            client,
                            params={"ports": str(port)},
                            subprotocols=["v4.channel.k8s.io"],
                            keepalive_ping_timeout_seconds=30,
                            **self._extensions(),
                        )
                    )
            except httpx_ws.WebSocketUpgradeError as error:
                status = error.response.status_code
                self._forget(client if status in (401, 403) else None)
                raise UnreachableError(f"the cluster refuses the way to pod {pod}: HTTP {status}") from error
            except httpx.HTTPStatusError as error:
                status = error.response.status_code
                self._forget(client if status in (401, 403) else None)
                raise UnreachableError(f"the cluster refuses to say where it is: HTTP {status}") from error
            except (httpx.HTTPError, httpx_ws.HTTPXWSException, kr8s.ServerError, TimeoutError, OSError) as error:
                self._forget(client)
                raise UnreachableError(f"the cluster does not answer: {type(error).__name__} {error}") from error
            except (ValueError, KeyError) as error:
                raise UnreachableError(f"the kubeconfig cannot be used: {error}") from error
            yield PodStream(socket, self._reports[forward])

    async def _ready_client(self) -> httpx.AsyncClient:
        async with self._lock:
            if self._client is None:
                if self._api is None:
                    # Without a namespace it would look for that of the current context, and there need not be one.
                    self._api = await kr8s.asyncio.api(
                        kubeconfig=self._kubeconfig, context=self._context, namespace=self._namespace
                    )
                else:
                    await self._api.reauthenticate()
                auth = self._api.auth
                self._client = httpx.AsyncClient(
                    base_url=auth.server,
                    headers={"Authorization": f"Bearer {auth.token}"} if auth.token else {},
                    verify=await auth.ssl_context(),
                    proxy=auth.proxy,
                    # A stream holds a connection for as long as it lives: their number is the clients' business.
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=4),
                    timeout=None,  # noqa: S113  # asyncio.timeout in open_stream
                )
            return self._client

    def _forget(self, client: httpx.AsyncClient | None) -> None:
        # Streams that still run keep their client alive.
        if client is not None and client is self._client:
            self._client = None

    def _extensions(self) -> dict[str, Any]:
        name = self._api.auth.tls_server_name
        return {"extensions": {"sni_hostname": name}} if name else {}

    async def _resolve(self, client: httpx.AsyncClient, forward: Forward) -> tuple[str, int]:
        """The name of a pod behind the service that is ready now, and its port."""
        answer = await client.get(
            f"/apis/discovery.k8s.io/v1/namespaces/{self._namespace}/endpointslices",
            params={"labelSelector": f"kubernetes.io/service-name={forward.service}"},
            **self._extensions(),
        )
        answer.raise_for_status()
        found = ready_endpoints(answer.json(), forward.port)
        if not found:
            raise UnreachableError("no pod of it is ready")
        return random.choice(found)  # noqa: S311  # not a secret


def ready_endpoints(slices: dict[str, Any], port: str) -> list[tuple[str, int]]:
    """The pods that serve a Service, and the number of the port of that name, from its EndpointSlices."""
    return [
        (endpoint["targetRef"]["name"], number["port"])
        for part in slices["items"]
        for number in part.get("ports") or []
        if number.get("name") == port
        for endpoint in part.get("endpoints") or []
        if endpoint.get("conditions", {}).get("ready", True) and (endpoint.get("targetRef") or {}).get("kind") == "Pod"
    ]


async def run(forwards: list[Forward], cluster: Cluster) -> None:
    """Forward until a signal ends it.

    Raises:
        OSError: a port is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    servers = []
    for forward in forwards:
        forwarder = Forwarder(forward, cluster.open_stream)
        cluster.reporter(forward, forwarder.report)
        servers.append(await forwarder.listen())
    await stop.wait()
    for server in servers:
        server.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(prog="forwarder", description="Keep local ports open into a cluster.")
    parser.add_argument("--kubeconfig", default="", help="path of the kubeconfig; the default one without it")
    parser.add_argument("--context", required=True, help="name of the context")
    parser.add_argument("--namespace", required=True, help="the lab's namespace")
    parser.add_argument(
        "--forward", action="append", required=True, type=Forward.parse, metavar="LOCAL-PORT:SERVICE:PORT-NAME"
    )
    options = parser.parse_args(arguments)
    os.umask(0o077)
    # kr8s writes keys that a kubeconfig holds to files and leaves them there: they go with this directory.
    with tempfile.TemporaryDirectory(prefix="forwarder-") as directory:
        tempfile.tempdir = directory
        cluster = Cluster(options.kubeconfig or None, options.context, options.namespace)
        try:
            asyncio.run(run(options.forward, cluster))
        except OSError as error:
            print(f"A local port cannot be opened: {error}", file=sys.stderr)
            return 1
        finally:
            tempfile.tempdir = None
    return 0


if __name__ == "__main__":
    sys.exit(main())
