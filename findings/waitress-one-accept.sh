#!/bin/sh
# waitress 3.0.2 (PyPI): of all who wait at its port, each turn of its loop lets in one.
#
# Guess: a turn that finds the listening socket readable accepts until nobody waits, as event loops do (libuv, asyncio: up to the backlog).
# Seen:  50 clients that are connected before the loop runs need 50 turns. A turn asks every open connection, in Python, whether it wants
#        to read or write, so the last of a thousand that come at once waits for a thousand turns over up to a thousand connections: a
#        second or more, a health probe's too, however many threads are idle.
# Cure:  a server of one's own whose handle_accept() calls the inherited one until nothing was added.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/v"
"$place/v/bin/pip" install -q --disable-pip-version-check waitress==3.0.2
cat >"$place/ask.py" <<'PY'
import socket
from importlib.metadata import version

from waitress import wasyncore
from waitress.server import TcpWSGIServer


def turns(kind: type[TcpWSGIServer]) -> int:
    """How many turns of its loop a server takes to let in fifty clients that are there."""
    server = kind(lambda environ, start: [], host="127.0.0.1", port=0)
    clients = [socket.create_connection(("127.0.0.1", server.effective_port)) for _ in range(50)]
    number = 0
    while len(server.active_channels) < len(clients):
        wasyncore.loop(timeout=1, use_poll=True, map=server._map, count=1)
        number += 1
    for client in clients:
        client.close()
    server.task_dispatcher.shutdown()
    server.close()
    return number


class AllAtOnce(TcpWSGIServer):
    """Lets in everybody who waits."""

    def handle_accept(self) -> None:
        """Accept until nothing is added."""
        before = -1
        while before != len(self._map):
            before = len(self._map)
            super().handle_accept()


found = (turns(TcpWSGIServer), turns(AllAtOnce))
print(f"waitress {version('waitress')}: {found[0]} turns for 50 clients; {found[1]} where handle_accept() goes on until nobody waits")
raise SystemExit(found != (50, 1))
PY
"$place/v/bin/python" "$place/ask.py"
