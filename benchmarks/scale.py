"""What clients see while a lab gets two more workers, and how long the moves take beside the engine's own.

    .venv/bin/python benchmarks/scale.py [--patients 200000] [--consultations 5]

Makes a lab of two workers for each engine that this machine can run (LAB_TEST_POSTGRES_BIN names a PostgreSQL with Citus) and runs
`make scale WORKERS=4` under a steady load of writes and reads. The time of the moves is that of the run, less that of the same run again,
which finds nothing to move. With Citus it stands beside citus_rebalance_start() by hand, of the same shards under the same load; with
postgres_fdw beside one plain COPY for each moved part, from server to server, into tables with the same keys and indexes. Prints one line of
JSON for each engine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import psycopg
from by_hand import checked
from load import TABLES

from support.labs import Lab, Workshop, runnable_engines
from support.steady import Steady, steady

ROOT = Path(__file__).parents[1]
NEW = ("citus-worker-3", "citus-worker-4")


def connect(lab: Lab) -> psycopg.Connection[Any]:
    """As an application does."""
    return lab.connect("middleware")


def by_hand(lab: Lab) -> float:
    """Seconds that Citus takes by itself, for the same shards under the same load."""
    with lab.connect() as admin:
        for node in NEW:
            admin.execute("SELECT citus_drain_node('127.0.0.1', %s)", [lab.port(node)])
        for node in NEW:
            admin.execute("SELECT citus_set_node_property('127.0.0.1', %s, 'shouldhaveshards', true)", [lab.port(node)])
        with steady(lambda: connect(lab), first=800_000_000):
            started = time.monotonic()
            [(job,)] = admin.execute("SELECT citus_rebalance_start('by_shard_count')").fetchall()
            admin.execute("SELECT citus_job_wait(%s)", [job])
            return time.monotonic() - started


def plain_copy(lab: Lab) -> float:
    """Seconds that the moved rows take from server to server, by COPY, under the same load."""
    with lab.connect() as admin:
        moved = admin.execute(
            "SELECT node_name, unnest(shards) FROM lab.shard_groups() WHERE node_name = ANY (%s)", [list(NEW)]
        ).fetchall()
    place: dict[str, Any] = {
        "host": "127.0.0.1",
        "user": "admin",
        "passfile": str(lab.directory / "credentials/admin.pgpass"),
    }
    port = lab.port("citus-worker-1")
    with psycopg.connect(**place, port=port, dbname="historia_clinica", autocommit=True) as worker:
        worker.execute("CREATE DATABASE plain")
    with psycopg.connect(**place, port=port, dbname="plain", autocommit=True) as target:
        target.execute((ROOT / "roles/clinical_schema/files/sql/history.sql").read_bytes())
        with steady(lambda: connect(lab), first=800_000_000):
            return _copied(lab, target, moved)


def _copied(lab: Lab, target: psycopg.Connection[Any], moved: list[Any]) -> float:
    """Seconds that the parts take that moved."""
    started = time.monotonic()
    for node, shard in sorted(moved, key=lambda each: each[1]):
        table = str(shard).rpartition("_")[0]
        if table not in TABLES:
            continue
        columns = TABLES[table]
        out, into = f"COPY (SELECT {columns} FROM {shard}) TO STDOUT", f"COPY {table} ({columns}) FROM STDIN"  # noqa: S608 # names of the lab's own
        with (
            lab.connect(node=str(node)) as source,
            source.cursor().copy(out.encode()) as reading,
            target.cursor().copy(into.encode()) as writing,
        ):
            for block in reading:
                writing.write(block)
    return time.monotonic() - started


def scaled(lab: Lab) -> tuple[float, Steady]:
    """Seconds of the moves, and what the clients saw."""
    wanted = ("-e", "scale_workers=4")
    with steady(lambda: connect(lab)) as seen:
        whole = checked(lab.play("scale.yml", *wanted)).seconds
        again = checked(lab.play("scale.yml", *wanted)).seconds
    return whole - again, seen


def measure(engine: str, patients: int, consultations: int) -> dict[str, object]:
    """Scale one lab, then move the same by other means."""
    with Workshop.open("hc-bench-") as workshop:
        lab = workshop.lab(
            "bench", engine, clinical_schema_patients=patients, clinical_schema_consultations=consultations
        )
        checked(lab.play("site.yml"))
        seconds, seen = scaled(lab)
        with lab.connect() as admin:
            lost = seen.lost(admin)
        beside = by_hand(lab) if engine == "citus" else plain_copy(lab)
    return {
        "engine": engine,
        "consultations": patients * consultations,
        "errors": len(seen.errors),
        "lost": len(lost),
        "writes": len(seen.written),
        "longest_write_seconds": round(seen.longest_write, 2),
        "reads": seen.reads,
        "longest_read_seconds": round(seen.longest_read, 2),
        "move_seconds": round(seconds, 1),
        "beside": "citus_rebalance_start()" if engine == "citus" else "plain COPY",
        "beside_seconds": round(beside, 1),
        "ratio": round(seconds / beside, 2),
    }


def main() -> None:
    """Measure each engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--patients", type=int, default=200_000)
    parser.add_argument("--consultations", type=int, default=5)
    options = parser.parse_args()
    for engine in runnable_engines():
        print(json.dumps(measure(engine, options.patients, options.consultations)), flush=True)


if __name__ == "__main__":
    main()
