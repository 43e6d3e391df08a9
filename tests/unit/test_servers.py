"""The configuration of a lab's servers, as text and as programs."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.servers import (
    server_programs,
    server_settings,
    settings_text,
)

NODES = [
    {"name": "citus-coordinator", "role": "coordinator", "host": "127.0.0.1", "port": 15432},
    {"name": "citus-worker-1", "role": "worker", "host": "127.0.0.1", "port": 15433},
]


def test_settings_are_written_as_postgresql_reads_them() -> None:
    """Booleans are on and off, quotes are doubled, lines are in order of name."""
    lines = settings_text({"work_mem": "8MB", "fsync": False, "cluster_name": "Ana's"}).splitlines()[1:]
    assert lines == ["cluster_name = 'Ana''s'", "fsync = off", "work_mem = '8MB'"]


def test_a_persons_settings_win_over_the_engines_and_the_common_ones() -> None:
    """Own over engine over common; the port is the node's whatever is set."""
    common, engine = {"a": 1, "b": 1, "c": 1}, {"coordinator": {"b": 2, "c": 2}, "worker": {}}
    coordinator, worker = server_settings(NODES, common, engine, {"c": 3, "port": 1})
    assert {"a = '1'", "b = '2'", "c = '3'", "port = '15432'"} < set(coordinator["content"].splitlines())
    assert {"b = '1'", "c = '3'", "port = '15433'"} < set(worker["content"].splitlines())
    assert worker["path"] == "config/citus-worker-1.conf"


def test_each_server_is_a_program_that_holds_no_secret() -> None:
    """The coordinator starts first, ends in good order on SIGINT, and knows passwords only by their file."""
    lab = {"postgres_bin": "/pg/bin", "directory": "/labs/lab", "nodes": NODES}
    coordinator, worker = server_programs(lab, "abc")
    assert coordinator["command"][-3:] == ["/pg/bin/postgres", "-D", "/labs/lab/data/citus-coordinator"]
    assert coordinator["priority"] < worker["priority"]
    assert coordinator["stop_signal"] == "INT"
    assert worker["environment"] == {"PGPASSFILE": "/labs/lab/credentials/nodes.pgpass", "LAB_RUNTIME": "abc"}
    assert worker["ready"][-1] == "15433"


def test_a_bound_of_memory_restarts_the_servers() -> None:
    """It is part of the program, where there is one."""
    lab = {"postgres_bin": "/pg/bin", "directory": "/labs/lab", "nodes": NODES}
    assert [program["environment"].get("LAB_MEMORY_MB") for program in server_programs(lab, "abc", 1024)] == [
        "1024"
    ] * 2


def test_a_new_runtime_restarts_the_servers() -> None:
    """What the runtime is made of is part of the program, so that the supervisor sees a difference."""
    lab = {"postgres_bin": "/pg/bin", "directory": "/labs/lab", "nodes": NODES}
    assert server_programs(lab, "abc") != server_programs(lab, "abd")
