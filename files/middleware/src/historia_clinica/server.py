"""The process of the service: `python -m historia_clinica.server --host=127.0.0.1 --port=8080`.

uvicorn answers, in one thread: the event loop that reads a request also runs it (asgi.py). What uvicorn leaves to a proxy
in front of it is here, since a lab has none: how long a request's head may be, and how long it may take to come.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import sys
from typing import cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from historia_clinica import create_app
from historia_clinica.asgi import Application
from historia_clinica.config import ConfigurationError

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


def main() -> None:
    """Answer until SIGTERM or SIGINT, and finish what is in flight; then the process ends with 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    try:
        application = Application(create_app())
    except ConfigurationError as error:
        logger.critical(error)
        sys.exit(1)
    gc.collect()
    gc.freeze()  # what is there now stays: looking at it again and again costs a tenth of each request
    config = uvicorn.Config(
        application,
        options.host,
        options.port,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,  # logs.py has configured it
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    # uvicorn sends itself the signal once more at the end, with what it found at its start.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: sys.exit(0))
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
