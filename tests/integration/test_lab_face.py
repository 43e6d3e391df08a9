"""Schema lab: the same questions, the same answers, whichever engine spreads the tables."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from support.labs import Lab

COORDINATOR = "citus-coordinator"
WORKERS = ["citus-worker-1", "citus-worker-2"]
#: Empty until the API is used.
SERVICE = dict.fromkeys(("solicitudes", "accesos", "cambios"), "paciente_id") | {"accesos_paginas": "documento_id"}
REFERENCE = ("medicos", "municipios", "cie10")
DISTRIBUTED = {"pacientes": "cedula", "consultas": "paciente_id", "usuario": "documento_id", **SERVICE}
#: What an engine owes.
OWED = yaml.safe_load((Path(__file__).parents[1] / "support/engine.yml").read_text(encoding="utf-8"))


def rows(lab: Lab, query: str, *values: Any, user: str = "admin") -> list[tuple[Any, ...]]:
    """What a query gives at the coordinator."""
    with lab.connect(user) as connection:
        return connection.execute(query, values).fetchall()


@pytest.mark.parametrize("view", OWED["views"])
def test_an_engine_gives_the_view(lab: Lab, view: str) -> None:
    """Its columns, their types and its comment are those of tests/support/engine.yml."""
    columns = (
        "SELECT string_agg(format('%%s %%s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum),"
        " obj_description(attrelid, 'pg_class') FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 GROUP BY attrelid"
    )
    owed = OWED["views"][view]
    assert rows(lab, columns, f"lab.{view}") == [(owed["columns"], owed["comment"])]


@pytest.mark.parametrize("function", OWED["functions"])
def test_an_engine_gives_the_function(lab: Lab, function: str) -> None:
    """Its arguments, what it returns and its comment are those of tests/support/engine.yml."""
    found = dict(
        rows(
            lab,
            "SELECT format('%%s(%%s) returns %%s', proname, pg_get_function_arguments(oid), pg_get_function_result(oid)),"
            " obj_description(oid, 'pg_proc') FROM pg_proc WHERE pronamespace = 'lab'::regnamespace AND proname = %s",
            function.partition("(")[0],
        )
    )
    assert list(found) == [function]
    comment = OWED["functions"][function]
    assert comment is None or found[function] == comment


def test_nodes_are_named_and_all_respond(lab: Lab) -> None:
    """lab.nodes has the coordinator and every worker under its name, with its port, its version and its size."""
    found = rows(lab, "SELECT node_name, role, port, responds, error, version, size_bytes > 0 FROM lab.nodes")
    version = rows(lab, "SHOW server_version")[0][0]
    assert found == [
        (name, "coordinator" if name == COORDINATOR else "worker", lab.port(name), True, None, version, True)
        for name in [COORDINATOR, *WORKERS]
    ]


def test_nodes_count_the_shards_that_they_hold(lab: Lab) -> None:
    """The number of shards in lab.nodes is the number of rows that lab.shards has for the node."""
    counted = rows(lab, "SELECT node_name, count(*) FROM lab.shards GROUP BY 1 ORDER BY 1")
    assert [name for name, _ in counted] == [COORDINATOR, *WORKERS]
    assert counted == rows(lab, "SELECT node_name, shards FROM lab.nodes ORDER BY 1")


def test_tables_say_how_each_is_spread(lab: Lab) -> None:
    """lab.tables: medicos, municipios and cie10 are copied everywhere, the others are spread by their column, consultas beside pacientes."""
    found = {row[0]: row[1:] for row in rows(lab, "SELECT table_name, kind, distribution_column FROM lab.tables")}
    assert found == dict.fromkeys(REFERENCE, ("reference", None)) | {
        name: ("distributed", column) for name, column in DISTRIBUTED.items()
    }
    groups = dict(rows(lab, "SELECT table_name, colocation_id FROM lab.tables"))
    of_a_patient = [name for name, column in DISTRIBUTED.items() if column == "paciente_id"]
    assert {groups[name] for name in of_a_patient} == {groups["pacientes"]}
    assert groups["accesos_paginas"] == groups["usuario"] != groups["pacientes"]


def test_rows_counted_on_the_nodes_are_the_rows_of_the_tables(lab: Lab) -> None:
    """lab.tables and lab.shards, which count on the nodes, agree with SELECT count(*) through the coordinator."""
    counted = dict(rows(lab, "SELECT table_name, rows FROM lab.tables"))
    assert set(counted) == {*REFERENCE, *DISTRIBUTED}
    for table, number in counted.items():
        assert number > 0 or table in SERVICE
        assert rows(lab, f"SELECT count(*) FROM {table}") == [(number,)]
    for table in DISTRIBUTED:
        assert rows(lab, "SELECT sum(rows) FROM lab.shards WHERE table_name = %s", table) == [(counted[table],)]


@pytest.mark.parametrize("table", REFERENCE)
def test_a_reference_table_is_whole_on_every_node(lab: Lab, table: str) -> None:
    """lab.shards has one row of it for each node, with the same number of rows."""
    found = rows(lab, "SELECT node_name, rows FROM lab.shards WHERE table_name = %s ORDER BY 1", table)
    whole = rows(lab, f"SELECT count(*) FROM {table}")[0][0]
    assert found == [(name, whole) for name in [COORDINATOR, *WORKERS]]


def test_every_worker_holds_part_of_every_distributed_table(lab: Lab) -> None:
    """Shards are spread evenly: each worker holds as many of each table as the other."""
    found = rows(
        lab,
        "SELECT table_name, node_name, count(*), count(DISTINCT shard_name) FROM lab.shards"
        " WHERE table_name <> ALL (%s) GROUP BY 1, 2 ORDER BY 1, 2",
        list(REFERENCE),
    )
    each = found[0][2]
    assert each > 1
    assert found == [(table, worker, each, each) for table in sorted(DISTRIBUTED) for worker in WORKERS]


def test_where_names_the_node_that_holds_the_row(lab: Lab) -> None:
    """The row of a key is in the shard that lab.where names, on that node, and on no other."""
    keys = [row[0] for row in rows(lab, "SELECT cedula FROM pacientes ORDER BY cedula LIMIT 10")]
    assert len(keys) == 10
    seen = set()
    for key in keys:
        [(table, shard, node)] = rows(lab, "SELECT * FROM lab.where('pacientes', %s)", key)
        assert table == "pacientes"
        with lab.connect(node=node) as connection:
            query = sql.SQL("SELECT count(*) FROM {} WHERE cedula = %s").format(sql.Identifier("public", shard))
            assert connection.execute(query, [key]).fetchall() == [(1,)]
        seen.add(node)
    assert seen == set(WORKERS)


def test_a_patient_and_its_consultations_lie_on_one_node(lab: Lab) -> None:
    """lab.where gives the same node for a key of pacientes and of consultas."""
    keys = rows(lab, "SELECT cedula FROM pacientes ORDER BY cedula LIMIT 20")
    assert len(keys) == 20
    for (key,) in keys:
        assert rows(lab, "SELECT node_name FROM lab.where('pacientes', %s)", key) == rows(
            lab, "SELECT node_name FROM lab.where('consultas', %s)", key
        )


def test_where_of_a_reference_table_is_everywhere(lab: Lab) -> None:
    """lab.where('medicos', ..) names every node."""
    found = rows(lab, "SELECT node_name FROM lab.where('medicos', '1') ORDER BY 1")
    assert found == [(name,) for name in [COORDINATOR, *WORKERS]]


def test_where_of_an_unknown_table_says_so(lab: Lab) -> None:
    """lab.where of a table that is not there is an error that names it and says where to look."""
    with pytest.raises(psycopg.errors.UndefinedTable, match='"recetas"') as refusal:
        rows(lab, "SELECT * FROM lab.where('recetas', '1')")
    assert "lab.tables" in (refusal.value.diag.message_hint or "")


@pytest.mark.parametrize("user", ["middleware", "readonly"])
def test_every_login_may_look(lab: Lab, user: str) -> None:
    """The views and lab.where answer to the logins as they do to the administrator."""
    for query in (
        "SELECT lab.engine()",
        "SELECT node_name, responds FROM lab.nodes",
        "SELECT table_name, rows FROM lab.tables ORDER BY 1",
        "SELECT table_name, shard_name, node_name, rows FROM lab.shards ORDER BY 1, 2, 3",
        "SELECT * FROM lab.where('pacientes', '1072319876')",
        "SELECT * FROM master_get_active_worker_nodes() ORDER BY 2",
    ):
        found = rows(lab, query, user=user)
        assert found
        assert found == rows(lab, query)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT lab.create_login('intruso', 'x')",
        "SELECT lab.grant('SELECT', '{public.usuario}', '{readonly}')",
        "SELECT lab.create_reference_table('public.usuario')",
        "SELECT lab.create_distributed_table('public.usuario', 'nombre')",
        "SELECT * FROM lab.waits",
    ],
)
def test_only_the_administrator_changes_the_lab(lab: Lab, statement: str) -> None:
    """A login that is not the administrator may not run what creates logins, grants rights or spreads tables, nor read others' statements."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(lab, statement, user="middleware")


def test_the_names_of_the_original_lab_answer(lab: Lab) -> None:
    """master_get_active_worker_nodes() and citus_tables answer as in the original lab, with both engines."""
    workers = rows(lab, "SELECT * FROM master_get_active_worker_nodes() ORDER BY 2")
    assert [port for _, port in workers] == [lab.port(name) for name in WORKERS]
    kinds = rows(lab, "SELECT table_name::text, citus_table_type FROM citus_tables ORDER BY 1")
    assert kinds == [
        ("accesos", "distributed"),
        ("accesos_paginas", "distributed"),
        ("cambios", "distributed"),
        ("cie10", "reference"),
        ("consultas", "distributed"),
        ("medicos", "reference"),
        ("municipios", "reference"),
        ("pacientes", "distributed"),
        ("solicitudes", "distributed"),
        ("usuario", "distributed"),
    ]


def test_only_the_tables_of_the_history_are_in_sight(lab: Lab) -> None:
    """A student who lists the tables sees the four of the original, the municipalities and diagnoses, and those in which the API keeps what was done."""
    query = (
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)"
        " AND relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    assert rows(lab, query) == [(name,) for name in sorted([*DISTRIBUTED, *REFERENCE])]


def test_who_waits_for_whom_is_shown(lab: Lab) -> None:
    """lab.waits names the node of the lock and both sessions as they were started, with what the other one does meanwhile."""
    [(cedula, node)] = rows(
        lab,
        "SELECT p.cedula, w.node_name FROM (SELECT min(cedula) AS cedula FROM pacientes) p, lab.where('pacientes', p.cedula) w",
    )
    update = "UPDATE pacientes SET telefono = telefono WHERE cedula = %s"
    shown = (
        "SELECT node_name, waits_for, waiting_node, waiting_pid, waiting_login, waiting_query, blocking_node, blocking_pid,"
        " blocking_login, blocking_state, blocking_query, seconds > 0 FROM lab.waits"
    )
    with lab.connect("middleware", autocommit=False) as holder, lab.connect() as waiter:
        pids = holder.info.backend_pid, waiter.info.backend_pid
        holder.execute(update, [cedula])
        waiting = threading.Thread(target=waiter.execute, args=[update, [cedula]])
        waiting.start()
        try:
            lab.wait_until(lambda: rows(lab, shown) != [], 4)
            [(at, what, *sessions)] = rows(lab, shown)
        finally:
            holder.rollback()
            waiting.join()
    assert at == node
    assert what.startswith("pacientes")
    statement = update.replace("%s", "$1")
    assert sessions == [
        COORDINATOR, pids[1], "admin", statement,
        COORDINATOR, pids[0], "middleware", "idle in transaction", statement, True,
    ]  # fmt: skip


def test_a_silent_worker_is_named_and_nothing_hangs(lab: Lab, silent_worker: str) -> None:
    """A worker that does not answer is a row of lab.nodes with its error, within seconds; the others answer."""
    started = time.monotonic()
    found = rows(lab, "SELECT node_name, responds, coalesce(error, '') <> '' FROM lab.nodes ORDER BY 1")
    assert time.monotonic() - started < 10
    assert found == [(name, name != silent_worker, name == silent_worker) for name in [COORDINATOR, *WORKERS]]


def test_what_a_silent_worker_holds_is_unknown_not_zero(lab: Lab, silent_worker: str) -> None:
    """Rows of a node that does not answer are NULL in lab.shards and lab.tables, never counted as none."""
    started = time.monotonic()
    unknown = rows(lab, "SELECT DISTINCT node_name FROM lab.shards WHERE rows IS NULL")
    known = rows(lab, "SELECT DISTINCT node_name FROM lab.shards WHERE rows IS NOT NULL ORDER BY 1")
    totals = dict(rows(lab, "SELECT table_name, rows FROM lab.tables"))
    assert time.monotonic() - started < 20
    assert unknown == [(silent_worker,)]
    assert known == [(COORDINATOR,), (WORKERS[0],)]
    assert {name for name, number in totals.items() if number is None} == set(DISTRIBUTED)
