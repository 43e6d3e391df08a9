"""The engine Citus: nodes, logins and the schema lab on a real lab."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.hands import broken_promises
from support.labs import Lab, Workshop, only
from support.older import older_row

WORKERS = ("citus-worker-1", "citus-worker-2")


pytestmark = only("citus")


@pytest.fixture
def admin(lab: Lab) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """The administrator at the coordinator."""
    with lab.connect() as connection:
        yield connection


def rows(connection: psycopg.Connection[tuple[Any, ...]], query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a query gives."""
    return connection.execute(query.encode(), values).fetchall()


@contextmanager
def frozen(lab: Lab, name: str) -> Iterator[None]:
    """A server that takes connections and answers nothing: worse than one that is gone."""
    server = lab.postmaster(name)
    group = [server, *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]
    for process in group:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in group:
            with suppress(ProcessLookupError):  # it was ending when it was stopped, and the server has buried it by now
                os.kill(process, signal.SIGCONT)


def test_nodes_have_their_names_and_reach_each_other(admin: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Coordinator and workers answer under the names that the lab gave them, over every connection."""
    nodes = rows(admin, "SELECT node_name, role, responds FROM lab.nodes ORDER BY node_name")
    assert nodes == [("citus-coordinator", "coordinator", True), *((name, "worker", True) for name in WORKERS)]
    health = rows(admin, "SELECT result FROM citus_check_cluster_node_health()")
    assert health == [(True,)] * 9


def test_shards_are_counted_on_the_workers_quickly(admin: psycopg.Connection[tuple[Any, ...]]) -> None:
    """96 shards and the copies of a reference table within 300 ms, more where the machine is busy elsewhere."""
    seconds = []
    for _ in range(10):
        started = time.monotonic()
        counted = rows(admin, "SELECT table_name, sum(rows)::bigint FROM lab.shards GROUP BY 1")
        seconds.append(time.monotonic() - started)
    expected = {
        table: rows(admin, f"SELECT count(*) FROM {table}")[0][0] for table in ("pacientes", "consultas", "usuario")
    }
    assert {table: count for table, count in counted if table in expected} == expected
    assert min(seconds) < 0.3 * max(1, os.getloadavg()[0] / (os.cpu_count() or 1))


def test_where_names_the_shard_that_holds_the_row(lab: Lab, admin: psycopg.Connection[tuple[Any, ...]]) -> None:
    """The patient's row is in that shard on that node; the consultations lie on the same node."""
    cedula = rows(admin, "SELECT cedula FROM pacientes LIMIT 1")[0][0]
    [(_, shard, node)] = rows(admin, "SELECT * FROM lab.where('pacientes', %s)", cedula)
    with lab.connect(node=node) as worker:
        assert rows(worker, f"SELECT cedula FROM public.{shard} WHERE cedula = %s", cedula) == [(cedula,)]
    assert rows(admin, "SELECT node_name FROM lab.where('consultas', %s)", cedula) == [(node,)]
    with pytest.raises(psycopg.errors.UndefinedTable, match='there is no table "nada"'):
        admin.execute("SELECT * FROM lab.where('nada', '1')")


def test_a_frozen_worker_is_told_within_seconds(lab: Lab, admin: psycopg.Connection[tuple[Any, ...]]) -> None:
    """A worker that takes connections and says nothing: an error in its row, unknown counts, no exception, no hang."""
    with frozen(lab, "citus-worker-2"):
        started = time.monotonic()
        nodes = rows(admin, "SELECT node_name, responds, error FROM lab.nodes WHERE role = 'worker' ORDER BY 1")
        seconds = time.monotonic() - started
        shards = rows(
            admin,
            "SELECT DISTINCT node_name, rows IS NULL FROM lab.shards WHERE table_name NOT IN ('medicos', 'municipios', 'cie10')",
        )
        tables = rows(
            admin, "SELECT table_name, rows IS NULL FROM lab.tables WHERE table_name IN ('medicos', 'pacientes')"
        )
    assert nodes[0] == ("citus-worker-1", True, None)
    assert nodes[1][:2] == ("citus-worker-2", False)
    assert "failed to connect to 127.0.0.1" in nodes[1][2]
    assert seconds < 4
    assert sorted(shards) == [("citus-worker-1", False), ("citus-worker-2", True)]
    assert sorted(tables) == [("medicos", False), ("pacientes", True)]


def test_a_killed_worker_is_back_with_its_rows(lab: Lab, admin: psycopg.Connection[tuple[Any, ...]]) -> None:
    """The supervisor starts it again, and the nodes log in to each other as before."""
    query = "SELECT sum(rows)::bigint FROM lab.shards WHERE node_name = 'citus-worker-1'"
    [(before,)] = rows(admin, query)
    assert before
    lab.kill("citus-worker-1")
    lab.wait_until(lambda: rows(admin, query) == [(before,)])
    lab.wait_until(lambda: rows(admin, "SELECT count(*) FROM citus_check_cluster_node_health() WHERE result") == [(9,)])


def test_a_node_that_moved_is_updated_not_added(lab: Lab, admin: psycopg.Connection[tuple[Any, ...]]) -> None:
    """The same name under another address stays the same node, with its shards."""
    before = rows(admin, "SELECT nodeid, nodename, nodeport FROM pg_dist_node ORDER BY nodeid")
    shards = rows(admin, "SELECT shards FROM lab.nodes WHERE node_name = 'citus-worker-2'")
    move = (
        "SELECT lab.register_nodes(jsonb_agg(jsonb_build_object('name', node_name, 'role', role, 'host',"
        " CASE node_name WHEN 'citus-worker-2' THEN %s ELSE host END, 'port', port))) FROM lab.known_nodes()"
    )
    try:
        admin.execute(move, ["localhost"])
        admin.execute("SELECT lab.sync_metadata()")
        moved = rows(admin, "SELECT nodeid, nodename FROM pg_dist_node ORDER BY nodeid")
        assert [node for node, _ in moved] == [node for node, _, _ in before]
        assert rows(admin, "SELECT host, responds, shards FROM lab.nodes WHERE node_name = 'citus-worker-2'") == [
            ("localhost", True, shards[0][0])
        ]
    finally:
        admin.execute(move, ["127.0.0.1"])
        admin.execute("SELECT lab.sync_metadata()")
    assert rows(admin, "SELECT nodeid, nodename, nodeport FROM pg_dist_node ORDER BY nodeid") == before
    assert rows(admin, "SELECT bool_and(metadatasynced) FROM pg_dist_node") == [(True,)]


@pytest.fixture
def login(lab: Lab, admin: psycopg.Connection[tuple[Any, ...]]) -> Iterator[str]:
    """The name of a login that is gone afterwards."""
    yield "prueba"
    admin.execute("SELECT run_command_on_all_nodes('DELETE FROM pg_dist_authinfo WHERE rolename = ''prueba''')")
    admin.execute("DROP ROLE IF EXISTS prueba")


def test_a_login_works_on_every_node_and_changes_only_when_its_password_does(
    lab: Lab, admin: psycopg.Connection[tuple[Any, ...]], login: str
) -> None:
    """Made, left alone, mended after somebody changed it, given another password; the password is in no log."""
    stored = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
    admin.execute("SELECT lab.create_login(%s, %s)", [login, "clave'una\\ vez"])
    first = rows(admin, stored, login)
    admin.execute("SELECT lab.create_login(%s, %s)", [login, "clave'una\\ vez"])
    assert rows(admin, stored, login) == first

    admin.execute("ALTER ROLE prueba PASSWORD 'de otra mano'")
    admin.execute("SELECT lab.create_login(%s, %s)", [login, "clave'una\\ vez"])
    for node in ("citus-coordinator", *WORKERS):
        with psycopg.connect(
            host="127.0.0.1", port=lab.port(node), user=login, password="clave'una\\ vez", dbname="historia_clinica"
        ) as connection:
            assert rows(connection, "SELECT current_user::text") == [(login,)]
    assert rows(admin, "SELECT count(*) FROM lab.nodes_with_other_logins()") == [(0,)]

    admin.execute("SELECT lab.create_login(%s, %s)", [login, "otra-clave-distinta"])
    assert rows(admin, stored, login) != first
    logs = [path for path in (lab.directory / "logs").rglob("*") if path.is_file()]
    assert logs
    assert not [path for path in logs if "otra-clave-distinta" in path.read_text(encoding="utf-8", errors="replace")]


def test_the_middlewares_login_reads_the_lab_and_the_originals_views(lab: Lab) -> None:
    """Its queries reach the workers under its own name; it may not make logins nor read passwords."""
    with lab.connect(user="middleware") as connection:
        assert rows(connection, "SELECT count(*) FROM pacientes")[0][0] > 0
        assert rows(connection, "SELECT lab.engine()") == [("citus",)]
        assert len(rows(connection, "SELECT * FROM lab.where('medicos', '1')")) == 3
        assert len(rows(connection, "SELECT * FROM lab.nodes")) == 3
        assert rows(connection, "SELECT rows FROM lab.tables WHERE table_name = 'medicos'")[0][0] > 0
        assert len(rows(connection, "SELECT * FROM master_get_active_worker_nodes()")) == 2
        assert ("medicos", "reference") in rows(
            connection, "SELECT table_name::text, citus_table_type FROM citus_tables"
        )
        for forbidden in ("SELECT lab.create_login('x', 'y')", "SELECT * FROM pg_dist_authinfo"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden.encode())


def test_a_table_is_not_distributed_twice_or_otherwise(admin: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Asking again changes nothing; asking for another column is refused with the fix."""
    admin.execute("SELECT lab.create_distributed_table('pacientes', 'cedula')")
    with pytest.raises(psycopg.errors.RaiseException, match="is distributed by cedula, not by id") as refused:
        admin.execute("SELECT lab.create_distributed_table('pacientes', 'id')")
    assert "undistribute_table" in (refused.value.diag.message_hint or "")


def test_what_somebody_removed_is_reported_by_check_and_comes_back(
    lab: Lab, admin: psycopg.Connection[tuple[Any, ...]]
) -> None:
    """A view and a worker's copy of the passwords are gone: a dry run says so and changes nothing, a run mends both."""
    worker = lab.connect(node="citus-worker-1")
    admin.execute("DROP VIEW lab.shards")
    worker.execute("DELETE FROM pg_dist_authinfo")
    dry = lab.play("site.yml", "--tags", "engine", "--check")
    assert dry.rc == 0, dry.stdout
    assert dry.recap[lab.name]["changed"] == 1
    assert rows(admin, "SELECT to_regclass('lab.shards')") == [(None,)]

    mended = lab.play("site.yml", "--tags", "engine")
    assert mended.rc == 0, mended.stdout
    assert mended.recap[lab.name]["changed"] == 1
    assert len(rows(admin, "SELECT * FROM lab.shards")) > 96
    assert rows(worker, "SELECT count(*) > 0 FROM pg_dist_authinfo") == [(True,)]
    worker.close()
    with lab.connect(user="middleware") as connection:
        assert rows(connection, "SELECT count(*) > 96 FROM lab.shards") == [(True,)]


def test_a_shard_moves_with_all_that_lies_beside_it_and_comes_back(
    lab: Lab, admin: psycopg.Connection[tuple[Any, ...]]
) -> None:
    """Citus moves a patient's shard, and what is co-located with it, as their owner; the rows are those from before."""
    cedula = rows(admin, "SELECT min(cedula) FROM pacientes")[0][0]
    count = "SELECT (SELECT count(*) FROM pacientes), (SELECT count(*) FROM consultas)"
    place = "SELECT node_name FROM lab.where('consultas', %s)"
    before, [(home,)] = rows(admin, count), rows(admin, place, cedula)
    other = next(name for name in WORKERS if name != home)
    for source, target in ((home, other), (other, home)):
        admin.execute(
            "SELECT citus_move_shard_placement(get_shard_id_for_distribution_column('pacientes', %s::text),"
            " '127.0.0.1', %s, '127.0.0.1', %s, 'force_logical')",
            [cedula, lab.port(source), lab.port(target)],
        )
        assert rows(admin, place, cedula) == [(target,)]
        assert rows(admin, count) == before


@pytest.fixture
def own_table(admin: psycopg.Connection[tuple[Any, ...]]) -> Iterator[str]:
    """A distributed table beside those of the history."""
    admin.execute("CREATE TABLE prueba (id integer PRIMARY KEY, texto text)")
    admin.execute("SELECT create_distributed_table('prueba', 'id', colocate_with => 'none', shard_count => 2)")
    admin.execute("INSERT INTO prueba SELECT n, 'x' FROM generate_series(1, 100) AS n")
    yield "prueba"
    admin.execute("DROP TABLE prueba")


def test_a_shard_can_be_split(admin: psycopg.Connection[tuple[Any, ...]], own_table: str) -> None:
    """A tenant gets a shard of its own while the others go on: servers decode with Citus' own library."""
    admin.execute("SELECT isolate_tenant_to_new_shard('prueba', 7, shard_transfer_mode => 'force_logical')")
    shards = rows(admin, "SELECT shard_name, rows FROM lab.shards WHERE table_name = 'prueba'")
    assert len(shards) == 4
    [(own,)] = rows(admin, "SELECT shard_name FROM lab.where('prueba', '7')")
    assert dict(shards)[own] == 1
    assert sum(count for _, count in shards) == 100


#: What keeps shards from moving: where, how, how it is mended, and what is said of it.
OBSTACLES = {
    "the owner may not log in": (
        "citus-coordinator",
        "ALTER ROLE clinical_owner NOLOGIN",
        "ALTER ROLE clinical_owner LOGIN",
        ("owner clinical_owner", "the nodes cannot log in to each other as this role"),
    ),
    "the owner may not create tables on a worker": (
        "citus-worker-2",
        "REVOKE CREATE ON SCHEMA public FROM clinical_owner",
        "GRANT CREATE ON SCHEMA public TO clinical_owner",
        ("owner clinical_owner on citus-worker-2", "may not create tables in public"),
    ),
    "a worker's server may not decode with Citus' library": (
        "citus-worker-1",
        "ALTER DATABASE historia_clinica SET output_plugin_libraries = pgoutput",
        "ALTER DATABASE historia_clinica SET output_plugin_libraries = pgoutput, test_decoding, citus",
        ("settings of citus-worker-1", "output_plugin_libraries lacks citus"),
    ),
    "a table has no key": (
        "citus-coordinator",
        "ALTER TABLE prueba DROP CONSTRAINT prueba_pkey",
        "ALTER TABLE prueba ADD PRIMARY KEY (id)",
        ("table public.prueba", "no primary key: ALTER TABLE gives it one, or REPLICA IDENTITY FULL"),
    ),
    "a removed node left records": (
        "citus-coordinator",
        "INSERT INTO pg_dist_cleanup VALUES (0, 1, 1, 'public.prueba_1', 4711, 2)",
        "DELETE FROM pg_dist_cleanup WHERE node_group_id = 4711",
        ("node that was removed", "left 1 records in pg_dist_cleanup"),
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_keeps_shards_from_moving_is_found_without_moving_one(lab: Lab, own_table: str, obstacle: str) -> None:
    """Named with the node; nothing is found where nothing is wrong."""
    node, breaks, mends, found = OBSTACLES[obstacle]

    def obstacles() -> list[tuple[Any, ...]]:
        with lab.connect() as connection:
            return rows(connection, "SELECT object, problem FROM lab.move_obstacles()")

    with lab.connect(node=node) as connection:
        connection.execute(f"SET citus.enable_ddl_propagation = {'off' if node in WORKERS else 'on'}".encode())
        connection.execute(breaks.encode())
        try:
            assert obstacles() == [found]
        finally:
            connection.execute(mends.encode())
    assert obstacles() == []


def test_rows_that_keep_their_shard_are_told_before_anything_moves(
    lab: Lab, admin: psycopg.Connection[tuple[Any, ...]]
) -> None:
    """Citus would refuse them half-way: it makes a shard with every check in force."""
    with older_row(admin, "0072345"):
        refused = lab.play("scale.yml", "-e", "scale_workers=3")
        [(query,)] = rows(admin, "SELECT query FROM lab.held_rows()")
        assert [row[0] for row in rows(admin, query)] == ["0072345"]
    assert refused.rc != 0
    said = " ".join(refused.stdout.split())
    assert "Rows of an older form keep their shards where they are. Nothing was changed." in said
    assert "To see them: " in said
    assert "(rows: 1)" in said
    assert "0072345" not in said
    assert rows(admin, "SELECT * FROM lab.held_rows()") == []
    assert not (lab.directory / "data" / "citus-worker-3").exists()


def test_a_node_lets_in_only_nodes_that_it_knows(lab: Lab, admin: psycopg.Connection[tuple[Any, ...]]) -> None:
    """A connection that says it comes from a node that was removed is refused; people and the other nodes come in."""

    def connect(sender: int) -> None:
        psycopg.connect(
            host="127.0.0.1",
            port=lab.port("citus-worker-1"),
            user="admin",
            dbname="historia_clinica",
            passfile=str(lab.directory / "credentials" / "admin.pgpass"),
            application_name=f"citus_internal gpid={sender * 10**10 + 123}",
        ).close()

    [(worker,)] = rows(admin, "SELECT node_id FROM lab.known_nodes() WHERE node_name = 'citus-worker-2'")
    connect(worker)
    with pytest.raises(psycopg.OperationalError, match="node 4711 is none of this database: it was removed"):
        connect(4711)


def test_moves_in_the_background_are_cancelled(lab: Lab, admin: psycopg.Connection[tuple[Any, ...]]) -> None:
    """A run that is ended leaves the job behind: it is stopped, the move under way is taken back, and a check stops nothing."""

    def shards() -> list[tuple[Any, ...]]:
        return rows(admin, "SELECT node_name, part FROM lab.shard_groups() ORDER BY part")

    def job() -> str:
        [(state,)] = rows(admin, "SELECT DISTINCT job_state FROM lab.background_moves()")
        return str(state)

    def cancelled(*more: str) -> tuple[int, str]:
        run = lab.play("rebalance.yml", "-e", "rebalance_state=cancelled", *more)
        assert run.rc == 0, run.stdout
        return run.recap[lab.name]["changed"], run.stdout

    first, second = [lab.port(name) for name in WORKERS]
    away = rows(
        admin,
        "SELECT shardid FROM citus_shards WHERE table_name = 'pacientes'::regclass AND nodeport = %s LIMIT 2",
        first,
    )
    for (shard,) in away:  # two groups more there than here: Citus leaves a smaller difference alone
        rows(admin, "SELECT citus_move_shard_placement(%s, '127.0.0.1', %s, '127.0.0.1', %s)", shard, first, second)
    moved = shards()
    with lab.connect(autocommit=False) as writer:  # a move waits for who has written to its shard
        writer.execute("UPDATE pacientes SET ciudad = ciudad")
        admin.execute("SELECT citus_rebalance_start()")
        lab.wait_until(lambda: job() == "running")
        assert cancelled("--check")[0] == 1
        assert job() == "running"
        changed, said = cancelled()
        assert (changed, job()) == (1, "cancelled")
        assert "Stopped. Shards that have moved stay where they are. To go on: " in said
        writer.rollback()
    assert shards() == moved
    changed, said = cancelled()
    assert (changed, "No shard was moving." in said) == (0, True)
    assert "(100 %)" in lab.play("rebalance.yml").stdout
    assert [node for node, _ in shards()].count(WORKERS[0]) == len(moved) // 2


@pytest.mark.long
def test_a_lab_grows_and_shrinks_by_hand_and_the_removed_worker_writes_nothing(
    workshop: Workshop, lab: Lab, tmp_path: Path
) -> None:
    """Every shard that should move does; a worker that was drained and removed neither writes nor reads; the next run takes it back."""
    grown = workshop.lab("test-grown", lab.engine, clinical_schema_patients=100)
    assert grown.play("site.yml").rc == 0
    assert grown.play("scale.yml", "-e", "scale_workers=3").rc == 0
    address = ["127.0.0.1", grown.port("citus-worker-3")]
    count = "SELECT (SELECT count(*) FROM pacientes), (SELECT count(*) FROM consultas)"
    with grown.connect() as admin:
        before = rows(admin, count)
        assert rows(admin, "SELECT state::text FROM citus_rebalance_status()") == [("finished",)]
        assert rows(admin, "SELECT shards > 20 FROM lab.nodes WHERE node_name = 'citus-worker-3'") == [(True,)]
        admin.execute("SELECT citus_drain_node(%s, %s)", address)
        # At once: what the last move left there would be dropped a moment later.
        admin.execute("SELECT citus_remove_node(%s, %s)", address)
        assert rows(admin, count) == before
    for user in ("admin", "middleware"):
        for statement in (
            "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
            " VALUES ('90000009', 'Prueba', 'Retirada', '1990-01-01', 'F', 'Tunja')",
            "UPDATE medicos SET activo = activo WHERE id = 1",
            "SELECT count(*) FROM pacientes",
        ):
            with grown.connect(user, "citus-worker-3") as removed, pytest.raises(psycopg.Error, match="it was removed"):
                removed.execute(statement)
    broken = broken_promises(grown, tmp_path / "report.json")
    assert broken["nodes-registered"].startswith("not registered: citus-worker-3")
    assert "node that was removed: left" in broken["shards-can-move"]
    run = grown.play("site.yml")
    assert run.rc == 0, run.stdout
    assert broken_promises(grown, tmp_path / "report.json") == {}
    with grown.connect(node="citus-worker-3") as back:
        assert rows(back, count) == before
    assert grown.play("site.yml").recap[grown.name]["changed"] == 0
    assert grown.play("teardown.yml").rc == 0
