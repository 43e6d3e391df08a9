"""The page of `status`."""

from __future__ import annotations

from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.status import status_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import WIDTH
from support.observations import API, LAB, NODES, SHARDS, TABLE_ROWS, WORKERS, node

PROCESSES = [
    {"name": "supervisord", "state": "RUNNING", "pid": 10, "uptime_seconds": 90061, "memory_bytes": 18 * 2**20},
    {"name": "citus-coordinator", "state": "FATAL", "pid": 0, "uptime_seconds": 0, "memory_bytes": None},
]
FOUND: dict[str, Any] = {
    "processes": PROCESSES,
    "cluster_report": {},
    "database": {"nodes": NODES, "tables": TABLE_ROWS, "shards": SHARDS, "error": ""},
    "api": {"status": 200, "body": API["/status"]},
}


def test_the_status_page_has_everything_within_its_width() -> None:
    """Nodes, processes, tables, shards of each node, rows, sizes and endpoints, in 80 columns."""
    page = status_page(LAB, FOUND)
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert max(map(len, page.splitlines())) <= WIDTH
    assert "supervisord running 10 1 d 1 h 18 MB" in lines
    assert "citus-coordinator fatal - 0 s ?" in lines
    assert "make start starts what is stopped." in lines
    assert "citus-worker-1 worker 127.0.0.1:15433 18.6 49 14 MB" in lines
    assert "pacientes distributed cedula 4 400 32 kB" in lines
    assert "citus-worker-2 pacientes 2 200 16 kB" in lines
    assert "API http://127.0.0.1:8080 ok, 1.2 ms to the database" in lines


def test_the_status_page_says_which_node_is_down_and_why() -> None:
    """A node that does not answer shows, and what it holds is unknown, not zero."""
    nodes = [
        *NODES[:2],
        node(WORKERS[1], "worker", responds=False, error="failed to connect to 127.0.0.1:15434", size_bytes=None),
    ]
    shards = [{**row, "rows": None, "size_bytes": None} if row["node_name"] == WORKERS[1] else row for row in SHARDS]
    page = status_page(LAB, {**FOUND, "database": {**FOUND["database"], "nodes": nodes, "shards": shards}})
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert "citus-worker-2 worker 127.0.0.1:15434 no answer 49 ?" in lines
    assert "! citus-worker-2: failed to connect to 127.0.0.1:15434" in lines
    assert "make start starts what is down." in lines
    assert "citus-worker-2 pacientes 2 ? ?" in lines


def test_the_status_page_of_a_stopped_lab_says_how_to_start_it() -> None:
    """Nothing runs: the page says so instead of failing."""
    silent = {
        "processes": [],
        "cluster_report": {},
        "database": {"error": "connection refused"},
        "api": {"status": 0, "body": {}},
    }
    page = status_page(LAB, silent)
    assert "none: the lab is stopped; make start starts it." in page
    assert "connection refused" in page
    assert "no answer" in page


def test_the_status_page_of_a_lab_without_its_supervisor_says_so_and_what_helps() -> None:
    """Its programs run on: it is not stopped, and not as it should be."""
    row = {"pid": 0, "uptime_seconds": 0, "memory_bytes": 0}
    left = [
        {**row, "name": "supervisord", "state": "GONE"},
        {**row, "name": "citus-coordinator", "state": "UNSUPERVISED", "pid": 7},
    ]
    page = status_page(LAB, {**FOUND, "processes": left})
    assert "stopped" not in page
    assert "supervisord        gone " in page
    assert "citus-coordinator  unsupervised    7" in page
    assert "nobody starts again what ends." in " ".join(page.split())
    assert "\n  make start\n" in page


def test_the_status_page_cuts_what_is_too_wide() -> None:
    """A host with a long name does not break the page."""
    nodes = [{**NODES[0], "host": "citus-coordinator.laboratorio-de-bases-de-datos-distribuidas.svc.cluster.local"}]
    page = status_page(LAB, {**FOUND, "database": {**FOUND["database"], "nodes": nodes}})
    assert max(map(len, page.splitlines())) <= WIDTH
    assert "…" in page
