"""A proxy as a school has one: it leads to the network outside, and never back to whoever asks.

In its own process, since a test may hold the interpreter: `python -m support.proxy`, which prints its address.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import select
import socket
import socketserver
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

HOST = "127.0.0.1"


class Proxy(socketserver.StreamRequestHandler):
    """One connection of a client: CONNECT, or a request for a whole address."""

    rbufsize = 0  # what comes after the head is led on as it is

    def handle(self) -> None:
        """Lead it on, byte for byte."""
        request = self.rfile.readline()
        method, target, *_ = request.decode("latin1").split()
        asked = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = str(asked.hostname), asked.port or 80
        with contextlib.suppress(ValueError):
            if not ipaddress.ip_address(host).is_global:
                host = "localhost"
        if host == "localhost":
            self.wfile.write(b"HTTP/1.1 403 not from outside\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        upstream = urlsplit(os.environ.get("https_proxy" if method == "CONNECT" else "http_proxy", ""))
        with socket.create_connection((upstream.hostname or host, upstream.port or port), timeout=60) as far:
            if upstream.hostname:
                far.sendall(request)
            else:
                head = iter(self.rfile.readline, b"\r\n")
                if method == "CONNECT":
                    list(head)
                    self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    own = [line for line in head if not line.lower().startswith((b"proxy-", b"connection:"))]
                    path = (asked.path or "/") + (f"?{asked.query}" if asked.query else "")
                    far.sendall(f"{method} {path} HTTP/1.1\r\nConnection: close\r\n".encode() + b"".join(own) + b"\r\n")
            self._relay(far)

    def _relay(self, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                readable, _, _ = select.select([self.connection, far], [], [], 300)
                for near, other in ((self.connection, far), (far, self.connection)):
                    if near in readable:
                        data = near.recv(65536)
                        if not data:
                            return
                        other.sendall(data)
                if not readable:
                    return


class Server(socketserver.ThreadingTCPServer):
    """The proxy, on a port that is free."""

    daemon_threads = True


@contextlib.contextmanager
def running() -> Iterator[str]:
    """A proxy that runs: its address."""
    command = [sys.executable, "-m", "support.proxy"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    with Server((HOST, 0), Proxy) as server:
        print(f"http://{HOST}:{server.server_address[1]}", flush=True)
        server.serve_forever()
