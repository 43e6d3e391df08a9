"""The engine postgres_fdw: what the workers guard, what is refused because they cannot, what is pushed down to them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.hands import broken_promises
from support.labs import Lab, only
from support.older import older_row

WORKERS = ["citus-worker-1", "citus-worker-2"]
Connection = psycopg.Connection[tuple[Any, ...]]

pytestmark = only("postgres_fdw")


@pytest.fixture
def trial(lab: Lab) -> Iterator[Connection]:
    """A connection of the administrator and an empty table `prueba`, which is gone from every node afterwards."""
    with lab.connect() as connection:
        connection.execute("CREATE TABLE public.prueba (clave text PRIMARY KEY, valor int CHECK (valor > 0))")
        try:
            yield connection
        finally:
            connection.execute("DELETE FROM lab.distribution WHERE table_name = 'public.prueba'::regclass")
            connection.execute("DROP TABLE public.prueba CASCADE")
            for worker in WORKERS:
                connection.execute("SELECT lab.on_node(%s, 'DROP TABLE IF EXISTS public.prueba CASCADE')", [worker])


def rows(lab: Lab, query: str, *values: Any, user: str = "admin", node: str = "citus-coordinator") -> list[Any]:
    """What a query gives."""
    with lab.connect(user, node) as connection:
        return connection.execute(query, values).fetchall()


def plan(lab: Lab, query: str, rows_per_partition: int | None = None) -> list[dict[str, Any]]:
    """The nodes of a query's plan, the topmost first; as it would be if the partitions had so many rows."""

    def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for child in node.get("Plans", []):
            yield from walk(child)

    with lab.connect(autocommit=False) as connection:
        if rows_per_partition is not None:
            connection.execute(
                "UPDATE pg_class SET reltuples = %s, relpages = %s / 40 WHERE relnamespace = 'shards'::regnamespace",
                [rows_per_partition, rows_per_partition],
            )
        [(found,)] = connection.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {query}").fetchall()
        connection.rollback()
    return list(walk(found[0]["Plan"]))


def a_patient(lab: Lab) -> str:
    """The cédula of some patient."""
    return str(rows(lab, "SELECT cedula FROM pacientes ORDER BY cedula LIMIT 1")[0][0])


@pytest.mark.parametrize("rows_per_partition", [None, 100_000])
def test_a_join_on_the_distribution_column_runs_on_the_workers(lab: Lab, rows_per_partition: int | None) -> None:
    """Patients with their consultations, few or many: each pair of partitions is joined by its worker, nothing here."""
    nodes = plan(
        lab,
        "SELECT p.apellido, c.diagnostico FROM pacientes p JOIN consultas c ON c.paciente_id = p.cedula",
        rows_per_partition,
    )
    scans = [node for node in nodes if node["Node Type"] == "Foreign Scan"]
    assert len(scans) == 32
    assert all(" INNER JOIN " in scan["Remote SQL"] for scan in scans)
    assert {node["Node Type"] for node in nodes} == {"Append", "Foreign Scan"}


def test_the_doctors_are_joined_to_what_the_workers_joined(lab: Lab) -> None:
    """With medicos in the query, patients and consultations are still joined by the workers; the doctors are added here."""
    nodes = plan(
        lab,
        "SELECT m.especialidad, count(*) FROM pacientes p JOIN consultas c ON c.paciente_id = p.cedula"
        " JOIN medicos m ON m.id = c.medico_id GROUP BY m.especialidad",
        100_000,
    )
    scans = [node for node in nodes if node["Node Type"] == "Foreign Scan"]
    assert len(scans) == 32
    assert all(" INNER JOIN " in scan["Remote SQL"] for scan in scans)


@pytest.mark.parametrize(
    "question",
    [
        "SELECT ciudad, count(*) FROM pacientes GROUP BY ciudad",
        "SELECT codigo_cie10, count(*) FROM consultas GROUP BY codigo_cie10",
        "SELECT count(*) FROM consultas",
        "SELECT p.ciudad, max(c.fecha_consulta) FROM pacientes p JOIN consultas c ON c.paciente_id = p.cedula GROUP BY 1",
    ],
)
def test_what_is_counted_here_comes_from_all_workers_at_once(lab: Lab, question: str) -> None:
    """Not grouped by the key: counted once, over rows that are fetched asynchronously; never part by part."""
    nodes = plan(lab, question, 100_000)
    scans = [node for node in nodes if node["Node Type"] == "Foreign Scan"]
    assert len(scans) == 32
    assert all(scan["Async Capable"] for scan in scans)
    assert [node["Partial Mode"] for node in nodes if "Partial Mode" in node] == ["Simple"]


@pytest.mark.parametrize("rows_per_partition", [None, 100_000])
def test_what_is_grouped_by_the_key_is_counted_by_the_workers(lab: Lab, rows_per_partition: int | None) -> None:
    """A join, its condition, the counting and HAVING are one query of each partition."""
    question = (
        "SELECT p.cedula, p.apellido, count(*) FROM pacientes p JOIN consultas c ON c.paciente_id = p.cedula"
        " WHERE p.ciudad = 'Cali' GROUP BY p.cedula, p.apellido HAVING count(*) > 2"
    )
    scans = [node for node in plan(lab, question, rows_per_partition) if node["Node Type"] == "Foreign Scan"]
    assert len(scans) == 32
    for clause in (" INNER JOIN ", "ciudad = 'Cali'", " GROUP BY ", " HAVING "):
        assert all(clause in scan["Remote SQL"] for scan in scans)
    assert all(scan["Async Capable"] for scan in scans)


@pytest.mark.parametrize(
    ("question", "reaches", "stays"),
    [
        (
            "SELECT correo FROM pacientes WHERE ciudad = 'Cali' AND apellido ILIKE 'mo%'",
            ["ciudad = 'Cali'", "~~* 'mo%'"],
            "",
        ),
        ("SELECT correo FROM pacientes", ["SELECT correo FROM"], ""),
        ("SELECT * FROM consultas WHERE fecha_consulta >= '2025-01-01'", [" WHERE ((fecha_consulta >= "], ""),
        ("SELECT * FROM consultas WHERE fecha_consulta > now() - interval '1 year'", [], "now()"),
        ("SELECT * FROM pacientes WHERE extract(year FROM age(fecha_nacimiento)) > 50", [], "age("),
        ("SELECT * FROM consultas ORDER BY fecha_consulta DESC LIMIT 10", ["ORDER BY fecha_consulta DESC"], "LIMIT"),
        ("SELECT count(DISTINCT ciudad) FROM pacientes", ["SELECT ciudad FROM"], "count("),
        ("SELECT * FROM consultas c JOIN medicos m ON m.id = c.medico_id WHERE m.ciudad = 'Cali'", [], "medicos"),
    ],
)
def test_what_reaches_the_workers_is_what_the_page_says(
    lab: Lab, question: str, reaches: list[str], stays: str
) -> None:
    """The rows of docs/en/workers.md: what is in the query that a worker gets, and what is not."""
    queries = [node["Remote SQL"] for node in plan(lab, question, 100_000) if "Remote SQL" in node]
    assert len(queries) == 32
    for query in queries:
        assert all(part in query for part in reaches), query
        assert not stays or stays not in query, query


def test_the_workers_work_at_the_same_time(lab: Lab) -> None:
    """Partitions of different workers are read asynchronously."""
    scans = [node for node in plan(lab, "SELECT * FROM pacientes") if node["Node Type"] == "Foreign Scan"]
    assert len(scans) == 32
    assert all(scan["Async Capable"] for scan in scans)


def test_a_query_for_one_key_asks_one_partition(lab: Lab) -> None:
    """A patient's history is read from one partition on one worker."""
    nodes = plan(
        lab,
        f"SELECT * FROM pacientes p JOIN consultas c ON c.paciente_id = p.cedula WHERE p.cedula = '{a_patient(lab)}'",
    )
    assert [node["Node Type"] for node in nodes].count("Foreign Scan") <= 2
    assert len({node["Remote SQL"] for node in nodes if "Remote SQL" in node}) <= 2


def test_an_update_by_key_is_one_statement_on_the_worker(lab: Lab) -> None:
    """The guard of the distribution column does not have rows of other updates fetched first."""
    nodes = plan(lab, f"UPDATE consultas SET tratamiento = 'Reposo' WHERE paciente_id = '{a_patient(lab)}'")
    [scan] = [node for node in nodes if node["Node Type"] == "Foreign Scan"]
    assert scan["Operation"] == "Update"
    assert scan["Remote SQL"].startswith("UPDATE public.consultas_")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE pacientes SET cedula = '90000009'", "UPDATE consultas SET paciente_id = '90000009'"],
)
def test_the_distribution_column_is_never_changed(lab: Lab, statement: str) -> None:
    """A new cédula would leave the row in the partition of the old one: refused, with what to do instead."""
    with lab.connect() as connection, pytest.raises(psycopg.errors.FeatureNotSupported) as refusal:
        connection.execute(statement)
    assert "cannot be changed" in str(refusal.value)
    assert "Insert the row with its new key" in (refusal.value.diag.message_hint or "")


@pytest.mark.parametrize("statement", ["DELETE FROM medicos WHERE id = 1", "TRUNCATE medicos"])
def test_a_doctor_is_never_deleted(lab: Lab, statement: str) -> None:
    """A copied delete would not ask the consultations on the workers: refused, with what to do instead."""
    with lab.connect() as connection, pytest.raises(psycopg.errors.FeatureNotSupported) as refusal:
        connection.execute(statement)
    assert "UPDATE medicos SET activo = false" in (refusal.value.diag.message_hint or "")
    assert rows(lab, "SELECT count(*) FROM medicos WHERE id = 1") == [(1,)]


def test_the_number_of_a_doctor_is_never_changed(lab: Lab) -> None:
    """Consultations on the workers refer to it."""
    with lab.connect() as connection, pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot be changed"):
        connection.execute("UPDATE medicos SET id = 5000 WHERE id = 1")


def test_a_doctor_is_known_on_every_worker_when_the_write_returns(lab: Lab) -> None:
    """Each new city of a doctor is on both workers at once, without waiting; a transaction later it can be referred to."""
    with (
        lab.connect("middleware") as writer,
        lab.connect(node=WORKERS[0]) as first,
        lab.connect(node=WORKERS[1]) as second,
    ):
        [(before,)] = writer.execute("SELECT ciudad FROM medicos WHERE id = 1").fetchall()
        for number in range(30):
            city = f"Ciudad de prueba {number}"
            writer.execute("UPDATE medicos SET ciudad = %s WHERE id = 1", [city])
            for worker in (first, second):
                assert worker.execute("SELECT ciudad FROM medicos WHERE id = 1").fetchall() == [(city,)]
        writer.execute("UPDATE medicos SET ciudad = %s WHERE id = 1", [before])


def test_other_writes_do_not_wait_for_the_workers_copies(lab: Lab) -> None:
    """Only writers of a reference table wait for its copies: everybody else commits by himself."""
    assert rows(lab, "SHOW synchronous_commit") == [("local",)]


def test_a_doctor_is_not_written_while_a_worker_gets_no_copy(lab: Lab) -> None:
    """The write is refused at once with the worker's name, instead of waiting past every timeout; then it works again."""
    subscription = "lab_citus_worker_2"
    update = "UPDATE medicos SET ciudad = ciudad WHERE id = 1"
    with lab.connect() as admin, lab.connect(node=WORKERS[1]) as worker, lab.connect("middleware") as writer:
        writer.execute(update)
        worker.execute(f"ALTER SUBSCRIPTION {subscription} DISABLE")
        try:
            gone = "SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name = %s"
            lab.wait_until(lambda: admin.execute(gone, [subscription]).fetchone() == (0,))
            started = time.monotonic()
            with pytest.raises(psycopg.errors.CannotConnectNow, match="citus-worker-2") as refusal:
                writer.execute(update)
            assert time.monotonic() - started < 5
            assert "Nothing was written" in (refusal.value.diag.message_hint or "")
        finally:
            worker.execute(f"ALTER SUBSCRIPTION {subscription} ENABLE")
        copying = "SELECT lab.copying(%s)"
        lab.wait_until(lambda: admin.execute(copying, [subscription]).fetchone() == ("sync",))
        writer.execute(update)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO medicos (id, nombre, especialidad, registro, ciudad) VALUES (999, 'Nadie', 'Ninguna', 'falso', 'Cali')",
        "UPDATE medicos SET ciudad = ciudad",
        "DELETE FROM medicos",
        "TRUNCATE medicos CASCADE",
    ],
)
def test_a_copy_is_written_at_the_coordinator_alone(lab: Lab, statement: str) -> None:
    """A worker refuses who writes to its copy, the administrator too, and says where to write."""
    with lab.connect(node=WORKERS[0]) as worker, pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as refusal:
        worker.execute(statement.encode())
    assert "Connect to the coordinator" in (refusal.value.diag.message_hint or "")


def test_a_worker_that_dies_before_the_commit_does_not_hang_it(lab: Lab) -> None:
    """The commit waits for its copy for 5 s, then says that it is late; the worker gets it when it is back."""
    notices: list[str] = []
    with lab.connect("middleware", autocommit=False) as writer:
        writer.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        writer.execute("UPDATE medicos SET ciudad = ciudad || ' ' WHERE id = 3")
        with lab.stopped(WORKERS[1]):
            started = time.monotonic()
            writer.commit()
            assert time.monotonic() - started < 10
        assert notices == ["canceling wait for synchronous replication due to user request"]
        city = "SELECT ciudad FROM medicos WHERE id = 3"
        lab.wait_until(lambda: rows(lab, city, node=WORKERS[1]) == rows(lab, city))
        lab.wait_until(lambda: rows(lab, "SELECT count(*) FROM lab.copies WHERE state <> 'sync'") == [(0,)])
        writer.execute("UPDATE medicos SET ciudad = rtrim(ciudad) WHERE id = 3")


def patients_of_two_workers(lab: Lab) -> list[str]:
    """A patient of each worker, in the order of the workers."""
    found = rows(
        lab,
        "SELECT w.node_name, min(p.cedula) FROM (SELECT cedula FROM pacientes ORDER BY cedula LIMIT 50) AS p,"
        " lab.where('pacientes', p.cedula) AS w GROUP BY 1 ORDER BY 1",
    )
    assert [node for node, _ in found] == WORKERS
    return [cedula for _, cedula in found]


def test_a_deadlock_over_two_workers_ends_for_one_of_them(lab: Lab) -> None:
    """Two sessions that update two patients in opposite order: one gets an error within seconds, the other goes on."""
    update = "UPDATE pacientes SET telefono = telefono WHERE cedula = %s"
    first, second = patients_of_two_workers(lab)
    outcomes: list[int | str] = []

    def go_on(connection: Connection, cedula: str) -> None:
        try:
            outcomes.append(connection.execute(update, [cedula]).rowcount)
        except psycopg.errors.LockNotAvailable as error:
            connection.rollback()
            outcomes.append(str(error.diag.message_primary))

    with lab.connect(autocommit=False) as one, lab.connect(autocommit=False) as other:
        one.execute(update, [first])
        other.execute(update, [second])
        threads = [threading.Thread(target=go_on, args=pair) for pair in ((one, second), (other, first))]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started < 10
        one.rollback()
        other.rollback()
    assert sorted(outcomes, key=str) == [1, "canceling statement due to lock timeout"]


def test_a_client_that_was_killed_leaves_no_lock(lab: Lab) -> None:
    """What it had locked on a worker is free seconds later, although it was in the middle of a statement."""
    cedula, _ = patients_of_two_workers(lab)
    [(shard,)] = rows(lab, "SELECT shard_name FROM lab.where('pacientes', %s)", cedula)
    lock = f"SELECT FROM {shard} WHERE cedula = %s FOR UPDATE NOWAIT"
    client = lab.connect(autocommit=False)
    try:
        client.execute("UPDATE pacientes SET telefono = telefono WHERE cedula = %s", [cedula])
        client.pgconn.send_query(b"SELECT pg_sleep(120)")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            rows(lab, lock, cedula, node=WORKERS[0])
    finally:
        os.close(client.fileno())  # no goodbye
    lab.wait_until(lambda: rows(lab, lock, cedula, node=WORKERS[0]) == [()])


@contextmanager
def read_all_the_time(lab: Lab, node: str, query: str) -> Iterator[set[Any]]:
    """What a query gives on a node, asked again and again from another session."""
    found: set[Any] = set()
    over = threading.Event()

    def read() -> None:
        with lab.connect(node=node) as connection:
            while not over.is_set():
                found.update(connection.execute(query.encode()).fetchall())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield found
    finally:
        over.set()
        reader.join()


def lose_the_slot(lab: Lab, worker: str) -> None:
    """A worker is away until the coordinator has let go of what it has not had."""
    subscription = f"lab_{worker.replace('-', '_')}"
    with lab.connect() as admin:

        def lost() -> bool:
            # The other workers' slots move on at a checkpoint: no faster than that.
            admin.execute(
                "SELECT pg_logical_emit_message(false, 'prueba', 'algo'), pg_switch_wal() FROM pg_replication_slots"
                " WHERE slot_name <> %s HAVING max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) < 32 * 1024 ^ 2",
                [subscription],
            )
            admin.execute("CHECKPOINT")
            found = admin.execute("SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", [subscription])
            return found.fetchall() == [("lost",)]

        admin.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'")
        admin.execute("SELECT pg_reload_conf()")
        try:
            with lab.stopped(worker):
                lab.wait_until(lost)
                # What it will not be told: its copy differs from now on.
                admin.execute("SET session_replication_role = replica")
                admin.execute("UPDATE medicos SET ciudad = 'Leticia' WHERE id = 2")
        finally:
            admin.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
            admin.execute("SELECT pg_reload_conf()")


def test_a_worker_that_was_away_for_too_long_is_mended(lab: Lab, tmp_path: Path) -> None:
    """Its slot is lost: verify says so, the next run gives it its copies anew, nobody there misses a row, all keys stay."""
    worker = WORKERS[1]
    keys = "SELECT count(*), string_agg(conname, ',' ORDER BY oid) FROM pg_constraint WHERE contype = 'f'"
    doctors = "SELECT id, ciudad FROM medicos ORDER BY id"
    before = rows(lab, keys, node=worker)
    [(city,)] = rows(lab, "SELECT ciudad FROM medicos WHERE id = 2")
    try:
        lose_the_slot(lab, worker)
        lab.wait_until(lambda: rows(lab, doctors, node=worker) != [])
        broken = broken_promises(lab, tmp_path / "report.json")
        assert set(broken) == {"medicos-replicated", "as-installed"}
        assert broken["as-installed"] == f"rows of medicos on {worker}: found others, not those of the coordinator"
        assert broken["medicos-replicated"].startswith(
            f"{worker}: it was away for too long, its replication slot is lost"
        )
        with read_all_the_time(lab, worker, "SELECT count(*) FROM medicos") as counts:
            mended = lab.play("site.yml")
        assert mended.rc == 0, mended.stdout
        assert counts == set(rows(lab, "SELECT count(*) FROM medicos"))
        assert rows(lab, doctors, node=worker) == rows(lab, doctors)
        assert rows(lab, keys, node=worker) == before
        assert lab.play("site.yml").recap[lab.name]["changed"] == 0
    finally:
        with lab.connect() as admin:
            admin.execute("UPDATE medicos SET ciudad = %s WHERE id = 2", [city])
    assert rows(lab, doctors, node=worker) == rows(lab, doctors)


def test_a_copy_that_cannot_go_on_is_made_anew(lab: Lab) -> None:
    """A row that somebody wrote into a copy stands in the way of the coordinator's: then the coordinator's is there."""
    worker = WORKERS[0]
    doctor = "INSERT INTO medicos (id, nombre, especialidad, registro, ciudad) VALUES (900, %s, 'Ninguna', 'prueba-900', 'Cali')"
    with lab.connect() as admin, lab.connect(node=worker) as hand:
        for connection in (hand, admin):
            connection.execute("SET session_replication_role = replica")  # past what refuses them
        hand.execute(doctor, ["A mano"])
        admin.execute(doctor, ["Del coordinador"])
        try:
            admin.execute("SELECT * FROM lab.subscribe()")
            assert rows(lab, "SELECT nombre FROM medicos WHERE id = 900", node=worker) == [("Del coordinador",)]
        finally:
            admin.execute("DELETE FROM medicos WHERE id = 900")
    lab.wait_until(lambda: rows(lab, "SELECT count(*) FROM medicos WHERE id = 900", node=worker) == [(0,)])


def test_rows_that_only_a_copy_has_are_never_dropped(lab: Lab) -> None:
    """They are named with their keys, and stay; once they are gone, the worker is given its copies."""
    with lab.connect() as admin, lab.connect(node=WORKERS[0]) as hand:
        hand.execute("SET session_replication_role = replica")
        hand.execute(
            "INSERT INTO medicos (id, nombre, especialidad, registro, ciudad)"
            " VALUES (901, 'A mano', 'Ninguna', 'prueba-901', 'Cali')"
        )
        hand.execute("ALTER SUBSCRIPTION lab_citus_worker_1 DISABLE")
        hand.execute("ALTER SUBSCRIPTION lab_citus_worker_1 SET (slot_name = NONE)")
        try:
            with pytest.raises(psycopg.Error, match=r"holds rows that the coordinator does not have: \(901\)"):
                admin.execute("SELECT * FROM lab.subscribe()")
            assert hand.execute("SELECT count(*) FROM medicos WHERE id = 901").fetchall() == [(1,)]
        finally:
            hand.execute("DELETE FROM medicos WHERE id = 901")
        assert admin.execute("SELECT * FROM lab.subscribe()").fetchall() == [
            (WORKERS[0], "given its copies: it had no subscription")
        ]


def test_a_worker_refuses_a_row_that_belongs_elsewhere(lab: Lab) -> None:
    """Who writes into a partition on a worker, past the coordinator, cannot put a row where it would not be found."""
    cedula = a_patient(lab)
    [(shard, node)] = rows(lab, "SELECT shard_name, node_name FROM lab.where('pacientes', %s)", cedula)
    others = rows(
        lab,
        "SELECT shard_name FROM lab.shards WHERE table_name = 'pacientes' AND node_name = %s AND shard_name <> %s",
        node,
        shard,
    )
    assert len(others) == 15
    with lab.connect(node=node) as worker, pytest.raises(psycopg.errors.CheckViolation, match="partition constraint"):
        worker.execute(
            f"INSERT INTO public.{others[0][0]} (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
            f" SELECT cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad FROM public.{shard} LIMIT 1"
        )


def test_a_session_outlives_a_killed_worker(lab: Lab) -> None:
    """A worker that was killed and came back is asked again by a session that was connected to it."""
    with lab.connect("middleware") as connection:
        [(before,)] = connection.execute("SELECT count(*) FROM pacientes").fetchall()
        lab.kill(WORKERS[0])
        lab.wait_until(lambda: connection.execute("SELECT count(*) FROM pacientes").fetchall() == [(before,)])
        doctor = "UPDATE medicos SET ciudad = ciudad WHERE id = 1"
        lab.wait_until(lambda: connection.execute(doctor).rowcount == 1)


def test_a_node_that_refuses_connections_is_named_at_once(lab: Lab) -> None:
    """Where nobody listens, lab.nodes says so without waiting, and lab.shards leaves the rows open."""
    alter = "ALTER SERVER \"citus-worker-2\" OPTIONS (SET port '{}')"
    with lab.connect() as connection:
        connection.execute(alter.format(1))
        try:
            found = connection.execute("SELECT node_name, responds, error FROM lab.nodes ORDER BY 1").fetchall()
            unknown = connection.execute("SELECT DISTINCT node_name FROM lab.shards WHERE rows IS NULL").fetchall()
        finally:
            connection.execute(alter.format(lab.port(WORKERS[1])))
    assert [row[1] for row in found] == [True, True, False]
    assert "citus-worker-2 (127.0.0.1:1) does not answer" in found[2][2]
    assert "refused" in found[2][2]
    assert unknown == [("citus-worker-2",)]


def test_a_row_of_an_older_form_moves_with_its_part(lab: Lab, tmp_path: Path) -> None:
    """It would be refused today: the part has its checks on the other worker as it had them here, and is the same in all else."""
    with lab.connect() as admin, older_row(admin, "0072345"):
        [(group, part, workers)] = admin.execute(
            "SELECT d.colocation_id, p.remainder, ARRAY(SELECT node_name FROM lab.workers ORDER BY node_name = p.node_name)"
            "  FROM lab.where('pacientes', '0072345') w JOIN lab.partitions p ON p.shard_name = w.shard_name"
            "  JOIN lab.distribution d ON d.table_name = p.table_name"
        ).fetchall()
        for worker in workers:  # away, and home again
            admin.execute("SELECT lab.move_group(%s, %s, %s)", [group, part, worker])
            admin.execute("SELECT lab.drop_left_parts()")
            found = admin.execute(
                "SELECT node_name, (SELECT count(*) FROM pacientes WHERE cedula = '0072345') FROM lab.where('pacientes', '0072345')"
            )
            assert found.fetchall() == [(worker, 1)]
    assert broken_promises(lab, tmp_path / "verify.json") == {}


def test_a_node_that_moved_is_altered_not_added(lab: Lab) -> None:
    """A worker with another port is the same foreign server, with the same partitions."""
    nodes = [
        {"name": "citus-coordinator", "role": "coordinator", "host": "127.0.0.1", "port": lab.database_port},
        {"name": WORKERS[0], "role": "worker", "host": "127.0.0.1", "port": lab.port(WORKERS[0])},
        {"name": WORKERS[1], "role": "worker", "host": "127.0.0.1", "port": 1},
    ]
    passwords = {
        login: (lab.directory / "credentials" / f"{login}.pgpass").read_text(encoding="utf-8").strip().rsplit(":", 1)[1]
        for login in ("admin", "replication")
    }
    with lab.connect(autocommit=False) as connection:
        before = connection.execute("SELECT count(*) FROM lab.partitions GROUP BY node_name").fetchall()
        connection.execute(
            "SELECT lab.join_nodes(%s, %s, 32, 'prueba', '')", [json.dumps(nodes), json.dumps(passwords)]
        )
        found = connection.execute("SELECT node_name, port FROM lab.workers ORDER BY 1").fetchall()
        assert connection.execute("SELECT count(*) FROM lab.partitions GROUP BY node_name").fetchall() == before
        connection.rollback()
    assert found == [(WORKERS[0], lab.port(WORKERS[0])), (WORKERS[1], 1)]


def test_what_an_interrupted_distribution_left_is_replaced(trial: Connection) -> None:
    """An empty table that an interrupted attempt left on a worker gives way; the table then works."""
    trial.execute("SELECT lab.on_node('citus-worker-2', 'CREATE TABLE public.prueba (otra int)')")
    trial.execute("SELECT lab.create_distributed_table('public.prueba', 'clave')")
    trial.execute("INSERT INTO public.prueba SELECT n::text, n FROM generate_series(1, 100) n")
    counted = "SELECT count(*), sum(rows) FROM lab.shards WHERE table_name = 'prueba'"
    assert trial.execute(counted).fetchall() == [(32, 100)]
    trial.execute("SELECT lab.create_distributed_table('public.prueba', 'clave')")
    assert trial.execute(counted).fetchall() == [(32, 100)]


def test_rows_that_lie_on_a_worker_are_never_dropped(trial: Connection) -> None:
    """A table of that name that holds rows on a worker is refused, and keeps them."""
    trial.execute("SELECT lab.on_node('citus-worker-2', 'CREATE TABLE public.prueba AS SELECT 1 AS otra')")
    with pytest.raises(psycopg.Error, match="the node holds rows"):
        trial.execute("SELECT lab.create_distributed_table('public.prueba', 'clave')")
    assert trial.execute("SELECT lab.ask_node('citus-worker-2', 'SELECT otra FROM public.prueba')").fetchall() == [
        ("1",)
    ]


def test_a_table_with_rows_is_not_distributed(trial: Connection) -> None:
    """Distribution starts from an empty table; the rows stay where they are."""
    trial.execute("INSERT INTO public.prueba VALUES ('1', 1)")
    with pytest.raises(psycopg.Error, match="holds rows"):
        trial.execute("SELECT lab.create_distributed_table('public.prueba', 'clave')")
    assert trial.execute("SELECT count(*) FROM public.prueba").fetchall() == [(1,)]


def test_a_distributed_table_does_not_become_something_else(lab: Lab) -> None:
    """Asking for another column or kind is refused with what the table is."""
    with lab.connect() as connection:
        with pytest.raises(psycopg.Error, match="is distributed by cedula already"):
            connection.execute("SELECT lab.create_distributed_table('public.pacientes', 'ciudad')")
        with pytest.raises(psycopg.Error, match="is distributed by documento_id already"):
            connection.execute("SELECT lab.create_reference_table('public.usuario')")


def test_a_reference_table_has_to_be_committed_first(lab: Lab) -> None:
    """The workers would not see it: refused with what to do, instead of copying nothing."""
    with lab.connect(autocommit=False) as connection:
        connection.execute("CREATE TABLE public.prueba_referencia (id int PRIMARY KEY)")
        with pytest.raises(psycopg.Error, match="not committed yet"):
            connection.execute("SELECT lab.create_reference_table('public.prueba_referencia')")
        connection.rollback()


def test_a_foreign_key_that_crosses_nodes_is_refused(trial: Connection) -> None:
    """No worker could keep a key that refers to rows of another one."""
    trial.execute("SELECT lab.create_distributed_table('public.prueba', 'clave')")
    with pytest.raises(psycopg.Error, match="would cross nodes"):
        trial.execute("SELECT lab.add_foreign_key('public.prueba', 'prueba_fk', 'clave', 'public.pacientes', 'cedula')")


def test_a_login_gets_its_new_password_and_is_let_in_at_the_coordinator_alone(lab: Lab) -> None:
    """A login created again with another password is answered from every node with that one, and comes to no worker by itself."""
    with lab.connect() as admin:
        try:
            for password in ("primera-clave-de-prueba", "segunda-clave-de-prueba"):
                admin.execute("SELECT lab.create_login('prueba_login', %s)", [password])
                admin.execute("SELECT lab.grant('SELECT', '{public.usuario}', '{prueba_login}')")
                with psycopg.connect(
                    host="127.0.0.1", port=lab.database_port, user="prueba_login", password=password,
                    dbname="historia_clinica",
                ) as connection:  # fmt: skip
                    assert connection.execute("SELECT count(*) > 0 FROM usuario").fetchall() == [(True,)]
                for node in WORKERS:
                    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|not permitted"):
                        psycopg.connect(
                            host="127.0.0.1", port=lab.port(node), user="prueba_login", password=password,
                            dbname="historia_clinica",
                        )  # fmt: skip
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(
                    host="127.0.0.1", port=lab.database_port, user="prueba_login",
                    password="primera-clave-de-prueba", dbname="historia_clinica",
                )  # fmt: skip
        finally:
            admin.execute("SELECT lab.drop_login('prueba_login')")


def test_who_fetches_the_copies_may_decode_in_no_other_way(lab: Lab) -> None:
    """The login `replication` makes no slot of another plugin, and cannot allow itself to."""
    address = f"host=127.0.0.1 port={lab.database_port} user=replication dbname=historia_clinica replication=database"
    passfile = f"passfile={lab.directory}/credentials/replication.pgpass"
    for options in ("", "options='-c output_plugin_libraries=test_decoding'"):
        with pytest.raises(psycopg.Error, match=r"test_decoding|output_plugin_libraries"):
            psycopg.connect(f"{address} {passfile} {options}", autocommit=True).execute(
                "CREATE_REPLICATION_SLOT prueba TEMPORARY LOGICAL test_decoding"
            )


def test_nobody_else_reads_the_passwords_of_the_mappings(lab: Lab) -> None:
    """The user mappings hold passwords: the logins see none but the fact that they exist."""
    for user in ("middleware", "readonly"):
        found = rows(lab, "SELECT umoptions FROM pg_user_mappings", user=user)
        assert found
        assert {row[0] for row in found} == {None}


def test_no_login_can_make_the_server_connect_elsewhere(lab: Lab) -> None:
    """dblink is the administrator's alone."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(lab, "SELECT * FROM lab.dblink('citus-worker-1', 'SELECT 1') AS r(a int)", user="middleware")
