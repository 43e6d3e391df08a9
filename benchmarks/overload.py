"""What becomes of 1,000 clients at once: nobody is cut off, nobody waits longer than 10 s, nothing acknowledged is lost.

    .venv/bin/python benchmarks/overload.py [--engine citus] [--clients 1000]

Makes one lab with the engine and sends, over a thousand connections that open at the same moment: reads, writes, and reads
while the database is stuck (its table is locked), which are refused with 503 and Retry-After. All the while somebody else asks
whether the service lives (probe.py). Measures the longest wait, that of the probes too, the connections that broke, the memory
that the service took meanwhile and kept, and counts the rows that were written. Bounded: each client sends a few requests. The
last line is the same as JSON; exits 1 where something is not as promised.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

# They lie in the two folders above, so they come after them.
import http_load  # noqa: E402
import probe  # noqa: E402
import psutil  # noqa: E402
import service  # noqa: E402

from support.labs import ENGINES, Lab, Workshop, citus_servers  # noqa: E402

PORT = 24980
LONGEST_SECONDS = 10
PROBE_SECONDS = 1
GROWTH_MIB = 100


class Memory:
    """The resident memory of a service's processes, in MiB, looked at all the time."""

    def __init__(self, server: psutil.Process) -> None:
        self._server = server
        self._stop = threading.Event()
        self.peak = self.now()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def now(self) -> float:
        """What they take at this moment."""
        family = [self._server, *self._server.children(recursive=True)]
        return float(sum(process.memory_info().rss for process in family)) / 2**20

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.peak = max(self.peak, self.now())


def reads(keys: list[str]) -> Iterator[bytes]:
    """One patient after the other, without an end."""
    for key in itertools.cycle(keys):
        yield f"GET /api/v1/pacientes/{key} HTTP/1.1\r\nHost: lab\r\n\r\n".encode()


def writes(keys: list[str], mark: str) -> Iterator[bytes]:
    """One consultation after the other, each with the mark in its text."""
    body = json.dumps(
        {"medico_id": "1", "motivo": mark, "codigo_cie10": "J069", "diagnostico": "Rinofaringitis"}
    ).encode()
    for key in itertools.cycle(keys):
        yield (
            f"POST /api/v1/pacientes/{key}/consultas HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def told(name: str, result: http_load.Result, **more: Any) -> dict[str, Any]:
    """What came of one load, and whether it is as promised."""
    longest = max(result.latencies)
    return {
        "load": name,
        "answers": dict(sorted(result.statuses.items())),
        "per_second": round(result.rate),
        "longest_s": round(longest, 2),
        "broken": result.broken,
        "without_retry_after": result.without_advice,
        **more,
        "kept": longest <= LONGEST_SECONDS and not result.broken and not result.without_advice,
    }


def show(row: dict[str, Any]) -> None:
    """Print it for a person."""
    print(*(f"{name} {value}" for name, value in row.items()), sep=", ", flush=True)


def measure(lab: Lab, place: Path, clients: int, each: int) -> list[dict[str, Any]]:
    """Send the loads, one after the other, to one service that goes on running."""
    with lab.connect() as admin:
        keys = [key for (key,) in admin.execute("SELECT cedula FROM pacientes ORDER BY cedula").fetchall()]
    mark = f"sobrecarga {uuid.uuid4()}"

    def send(wanted: Iterator[bytes], each: int) -> http_load.Result:
        return http_load.run(("127.0.0.1", PORT), wanted, clients, seconds=60, each=each)

    def written(mark: str) -> int:
        with lab.connect() as admin:
            [(number,)] = admin.execute("SELECT count(*) FROM consultas WHERE motivo = %s", [mark]).fetchall()
        return int(number)

    def stuck() -> http_load.Result:
        with lab.connect(autocommit=False) as admin:
            admin.execute("LOCK TABLE pacientes IN ACCESS EXCLUSIVE MODE")
            result = send(reads(keys), 1)
            admin.rollback()
        return result

    with service.running(service.command(PORT), PORT, service.environment(lab), place) as process:
        http_load.run(
            ("127.0.0.1", PORT), reads(keys), 16, seconds=2
        )  # connections and plans are there before it counts
        server = psutil.Process(process.pid)
        memory = Memory(server)
        before = memory.now()
        rows = []
        loads: list[tuple[str, Callable[[], http_load.Result]]] = [
            ("reads", lambda: send(reads(keys), each)),
            ("writes", lambda: send(writes(keys, mark), 1)),
            ("stuck", stuck),
            ("after", lambda: send(reads(keys), 1)),
        ]
        for name, load in loads:
            with probe.running(PORT) as probes:
                result = load()
            more = {"acknowledged": result.statuses[201], "rows": written(mark)} if name == "writes" else {}
            row = told(name, result, **probes, **more)
            row["kept"] = row["kept"] and 0 < probes["longest_probe_s"] <= PROBE_SECONDS and not probes["failed_probes"]
            if name == "writes":
                row["kept"] = row["kept"] and 0 < more["acknowledged"] == more["rows"]
            row["kept"] = row["kept"] and set(result.statuses) <= ({503} if name == "stuck" else {200, 201, 503})
            rows.append(row)
            show(row)
        memory.stop()
    growth = memory.peak - before
    rows.append(
        {
            "load": "memory",
            "before_mib": round(before),
            "peak_mib": round(memory.peak),
            "growth_mib": round(growth),
            "kept": growth <= GROWTH_MIB,
        }
    )
    show(rows[-1])
    return rows


def main() -> None:
    """Make a lab, measure, remove it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, default="citus" if citus_servers() else "postgres_fdw")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--each", type=int, default=5, help="requests of each client")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="hc-bench-", dir="/tmp"))  # short, for the paths of sockets
    place.chmod(0o755)
    workshop = Workshop(place)
    try:
        lab = workshop.lab("bench", options.engine, middleware_access="open")
        run = lab.play("site.yml")
        if run.rc:
            sys.exit(run.stdout)
        rows = measure(lab, place, options.clients, options.each)
    finally:
        workshop.clean()
        shutil.rmtree(place, ignore_errors=True)
    print(json.dumps({"engine": options.engine, "clients": options.clients, "table": rows}))
    if not all(row["kept"] for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
