"""The process of the service: `python -m historia_clinica.server --host=127.0.0.1 --port=8080`.

waitress reads requests and sends answers in the main thread, and gives a request to a thread when all of it is there. What it
leaves to a proxy in front of it is here, since a lab has none: how long a request may take to come and an answer to go, that
probes wait behind nobody, and that a process which is told to stop finishes what it has begun.
"""

from __future__ import annotations

import argparse
import gc
import logging
import resource
import signal
import sys
from math import inf
from time import monotonic
from types import SimpleNamespace
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from historia_clinica import create_app
from historia_clinica.config import LARGEST_BODY, ConfigurationError
from historia_clinica.passwords import AT_ONCE
from historia_clinica.problems import UNREADABLE

logger = logging.getLogger("historia_clinica.server")  # its name as a module: as a program it is __main__

LARGEST_HEAD = 64 * 1024  # bytes: many times the largest token
HEAD_SECONDS = 10
BODY_SECONDS = 10  # it has at most 64 KiB: whoever takes longer is not going to send it
TAKE_SECONDS = 30  # for an answer, however slowly it is read
IDLE_SECONDS = 75  # longer than a browser or a proxy keeps a connection that it does not use
FINISH_SECONDS = 10  # a statement may take 5, and who asks may have waited 3 for a connection
MOST_CONNECTIONS = 4000
MORE_THREADS = 4  # than connections to the database: who learns that there is none for him needs one, too
# What has threads of its own, and how many: probes, which wait behind nobody, and what takes long, behind which nobody waits.
OWN_THREADS = {
    "/healthz/live": 1,
    "/healthz/ready": 2,
    "/metrics": 1,
    "/api/v1/sesiones": AT_ONCE,
    "/api/v1/cluster/explain": 2,
}
MOST_WAITING = 100  # for such a thread: as many log-ins take 5 s


class Unreadable(WSGITask):
    """A request that cannot be read: the application is asked all the same, and refuses it as it refuses others."""

    def execute(self) -> None:
        """Ask the application, and close the connection: what else comes over it is no request."""
        if not hasattr(self.request, "path"):
            self.request.parse_header(b"GET / HTTP/1.0\r\n")
        self.set_close_on_finish()
        super().execute()

    def get_environment(self) -> dict[str, Any]:
        """Return the request's environment, with the status that it is refused with."""
        return {**super().get_environment(), UNREADABLE: self.request.error.code}


class Channel(HTTPChannel):
    """A connection, which is closed where a request does not come in time, or its answer is not taken."""

    error_task_class = Unreadable
    request: Any  # the one that is coming, by now
    _served = 0
    _stage: object = None
    _since = 0.0

    def service(self) -> None:
        """Answer a request, in a thread."""
        if self.server.stopping:
            self.requests[0].headers["CONNECTION"] = "close"
        super().service()
        self._served += 1

    def check_time(self, now: float) -> None:
        """Give up what takes too long; the server calls this every second."""
        stage, limit = self._stage_and_limit()
        if stage != self._stage:
            self._stage, self._since = stage, now
        elif now - self._since > limit:
            late = self.request
            if late is None or not late.headers_finished or self.total_outbufs_len:
                self.handle_close()
                return
            with self.requests_lock:
                self.request, late.error = None, SimpleNamespace(code=408)
                self.requests.append(late)
                self.server.add_task(self)

    def _stage_and_limit(self) -> tuple[object, float]:
        """Return what the connection waits for, as something that changes when it waits for something else, and how long."""
        coming = self.request
        if self.total_outbufs_len:
            return ("its taking", self._served), TAKE_SECONDS
        if self.requests:
            return "an answer", inf  # the application sees to that
        if coming is None:
            return ("a request", self._served), IDLE_SECONDS if self._served else HEAD_SECONDS
        return (coming, coming.headers_finished), BODY_SECONDS if coming.headers_finished else HEAD_SECONDS


class Threads(ThreadedTaskDispatcher):
    """The threads that answer requests, and those that answer nothing but one thing."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.set_thread_count(number)
        self._own = {path: ThreadedTaskDispatcher() for path in OWN_THREADS}
        for path, dispatcher in self._own.items():
            dispatcher.set_thread_count(OWN_THREADS[path])

    def add_task(self, task: Channel) -> None:
        """Have a request answered, or refused where too many wait for the same."""
        request = task.requests[0]
        own = None if request.error else self._own.get(request.path)  # what is refused costs nothing
        if own and len(own.queue) < MOST_WAITING:
            own.add_task(task)
            return
        if own:
            request.error = SimpleNamespace(code=503)
        super().add_task(task)


class Server(TcpWSGIServer):
    """waitress, with the limits of this service; `run` returns when the process was told to stop."""

    channel_class = Channel
    stopping = False

    def __init__(self, app: Flask, host: str, port: int) -> None:
        super().__init__(
            app,
            dispatcher=Threads(app.extensions["database"].most + MORE_THREADS),
            host=host,
            port=port,
            max_request_header_size=LARGEST_HEAD,
            max_request_body_size=LARGEST_BODY
            + 1,  # waitress refuses from here on, Flask what is larger: Flask shall decide
            connection_limit=_descriptors() - 100,  # the rest for the database, the log and files that are sent
            backlog=MOST_CONNECTIONS,
            cleanup_interval=1,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=False,  # nobody reads them
            log_socket_errors=False,  # of clients that went away
            ident=None,
            # A thread that sent its answer itself would let go of the interpreter twice more for each: a third of the speed.
            send_bytes=LARGEST_BODY,
        )

    def handle_accept(self) -> None:
        """Let in all who wait: waitress lets in one each time it has looked at every connection, so the last of a thousand waits for seconds."""
        while len(self._map) < self.adj.connection_limit:
            before = len(self._map)
            super().handle_accept()
            if len(self._map) == before:
                return

    def maintenance(self, now: float) -> None:
        """Look after the connections, every second."""
        for channel in list(self.active_channels.values()):
            channel.check_time(now)

    def run(self) -> None:
        """Answer until SIGTERM or SIGINT, and finish what is in flight."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._stop)
        logger.info("El servicio atiende en http://%s:%s.", self.effective_host, self.effective_port)
        while not self.stopping:
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)
        logger.info("El servicio se detiene: termina lo que está en curso.")
        wasyncore.dispatcher.close(self)  # nobody is let in any more
        until = monotonic() + FINISH_SECONDS
        while self.active_channels and monotonic() < until:
            for channel in list(self.active_channels.values()):
                channel.will_close = channel.will_close or not (channel.requests or channel.total_outbufs_len)
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)

    def _stop(self, *_: object) -> None:
        self.stopping = True
        self.pull_trigger()


def _descriptors() -> int:
    """Ask the system for enough descriptors, and return how many there are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MOST_CONNECTIONS:
        soft = MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(soft, MOST_CONNECTIONS)


def main() -> None:
    """Serve; the process ends with 0 when it was told to stop, and with 1 where it cannot start."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    try:
        server = Server(create_app(), options.host, options.port)
    except ConfigurationError as error:
        logger.critical(error)
        sys.exit(1)
    except OSError as error:
        logger.critical("%s:%s: %s", options.host, options.port, error.strerror)
        sys.exit(1)
    gc.collect()
    gc.freeze()  # what is there now stays: looking at it again and again costs a tenth of each request
    server.run()


if __name__ == "__main__":
    main()
