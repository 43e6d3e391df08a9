"""Somebody who asks all the while whether a service lives, ten times a second, each time over a connection of his own.

A process of its own, so that whoever makes the load does not hold it up: `running` starts it and tells what it found.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator


@contextlib.contextmanager
def running(port: int) -> Iterator[dict[str, float]]:
    """Ask as long as the block lasts; then the dictionary has how many probes there were, failed, and the longest wait."""
    found: dict[str, float] = {}
    process = subprocess.Popen([sys.executable, __file__, str(port)], stdout=subprocess.PIPE)
    try:
        yield found
    finally:
        process.terminate()
        output, _ = process.communicate()
        found |= json.loads(output)


def main(port: int) -> None:
    """Ask until SIGTERM, then print what was found as JSON."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    number = failed = 0
    longest = 0.0
    while not over.wait(0.1) or not number:
        begin = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/healthz/live")
            failed += connection.getresponse().status != 200
        except OSError:
            failed += 1
        finally:
            connection.close()
        number += 1
        longest = max(longest, time.perf_counter() - begin)
    print(json.dumps({"probes": number, "failed_probes": failed, "longest_probe_s": round(longest, 2)}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
