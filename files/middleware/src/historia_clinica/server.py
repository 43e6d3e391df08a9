"""The processes of the service: `python -m historia_clinica.server --host=127.0.0.1 --port=8080 --processes=2`.

uvicorn answers, in one thread of each process: the event loop that reads a request also runs it (asgi.py). What uvicorn
leaves to a proxy in front of it is here, since a lab has none: how long a request's head may be, and how long it may take
to come.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, cast

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from historia_clinica import logs
from historia_clinica.config import ConfigurationError
from historia_clinica.numbers import whole
from historia_clinica.orphan import stop_with_parent

if TYPE_CHECKING:
    from historia_clinica.asgi import Application

logger = logging.getLogger(__name__)

LARGEST_HEAD = 64 * 1024  # bytes: many times the largest token
HEAD_SECONDS = 10
IDLE_SECONDS = 75  # longer than a browser or a proxy keeps a connection that it does not use
# A statement may take 5 s, and who asks may have waited 4 s for his turn.
FINISH_SECONDS = 10


class Protocol(HttpToolsProtocol):
    """A connection that is closed where the head of a request does not come in time, or does not end."""

    _size = 0  # bytes of a head that has begun and not ended, or more
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._late = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._in_time()

    def data_received(self, data: bytes) -> None:
        """Take what the client sent; most heads come in one piece."""
        super().data_received(data)
        if not self._size:
            return
        self._size += len(data)
        if self._size > LARGEST_HEAD:
            self.send_400_response("The head of the request is too large.")
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def on_message_begin(self) -> None:
        """Count from here."""
        super().on_message_begin()
        self._size = 1

    def on_headers_complete(self) -> None:
        """Count no more."""
        self._size = 0
        self._in_time()
        super().on_headers_complete()

    def _in_time(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None


class Processes(Multiprocess):
    """Several processes that answer at one port; one that ended is replaced."""

    def run(self) -> None:
        """Answer until SIGTERM or SIGINT.

        Raises:
            SystemExit: a process could not start, and said why.
        """
        # Whichever of them is asked for the metrics reads here what all of them have counted.
        with tempfile.TemporaryDirectory(prefix="historia-clinica-") as numbers:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = numbers
            super().run()
        if any(process.exitcode == STARTUP_FAILURE for process in self.processes):
            sys.exit(STARTUP_FAILURE)

    def keep_subprocess_alive(self) -> None:
        """Replace what ended; its connections to the database are no longer counted."""
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]


class Address(NamedTuple):
    """Where to listen; what reaches another process of it is a socket of that process' own.

    Linux gives each of those its share of the connections. Of one socket that all have, the first to wake takes whatever
    is there: fifteen of sixteen, and the others stand idle.
    """

    host: str
    port: int

    def __reduce__(self) -> tuple[Callable[[str, int, bool], socket.socket], tuple[str, int, bool]]:
        """Make a socket of it elsewhere."""
        return listen, (self.host, self.port, True)


def listen(host: str, port: int, shared: bool) -> socket.socket:
    """Return a socket at a port that other processes have too, or nobody else.

    Raises:
        OSError: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048, reuse_port=shared)


def application() -> Application:
    """Make what a process answers with.

    Raises:
        SystemExit: the environment lacks something, or holds what cannot be used.
    """
    # Imported here so that the process which only starts the others does not pay for it.
    from historia_clinica import create_app
    from historia_clinica.asgi import Application

    stop_with_parent()
    logs.configure()
    try:
        app = create_app()
    except ConfigurationError as error:
        logger.critical(error)
        sys.exit(STARTUP_FAILURE)
    gc.collect()
    gc.freeze()  # what is there now stays: looking at it again and again costs a tenth of each request
    return Application(app)


def main() -> None:
    """Answer until SIGTERM or SIGINT, and finish what is in flight; then the process ends with 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--processes", type=_number, default=1, help="that answer; what each remembers is its own")
    options = parser.parse_args()
    logs.configure()
    config = uvicorn.Config(
        "historia_clinica.server:application",
        options.host,
        options.port,
        factory=True,
        workers=options.processes,
        loop="uvloop",
        http="historia_clinica.server:Protocol",
        ws="none",
        lifespan="off",
        log_config=None,  # logs.py has configured it
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    if options.processes > 1:
        address = Address(options.host, options.port)
        try:
            listen(*address, shared=False).close()
        except OSError as error:
            logger.critical(error)
            sys.exit(STARTUP_FAILURE)
        Processes(config, [cast(socket.socket, address)]).run()
        return
    # uvicorn sends itself the signal once more at the end, with what it found at its start.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: sys.exit(0))
    uvicorn.Server(config).run()


def _number(text: str) -> int:
    number = whole(text, 1, 64)
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 64")
    return number


if __name__ == "__main__":
    main()
