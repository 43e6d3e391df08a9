"""Who reaches what, walked completely: every login on every node, table by table; and no condition comes before a policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from support.labs import Lab, only
from support.reach import PAGE, walk

NODES = {"citus-coordinator": "coordinator", "citus-worker-1": "worker", "citus-worker-2": "worker"}


def one_of_each_worker(admin: psycopg.Connection[tuple[Any, ...]], table: str, keys: str) -> list[str]:
    """Of the keys that a query gives, one for each worker on which its row of the table lies."""
    found = {}
    for (key,) in admin.execute(keys.encode()).fetchall():
        [(node,)] = admin.execute("SELECT node_name FROM lab.where(%s, %s)", [table, key]).fetchall()
        found[node] = key
    assert len(found) == 2
    return list(found.values())


@pytest.fixture(scope="module")
def filled(lab: Lab) -> Iterator[Lab]:
    """The lab with a person who reads and one who writes, and on each worker rows in all tables; all of it is gone afterwards."""
    for login, kind in (("ana", "read"), ("luis", "write")):
        run = lab.play("login.yml", "-e", f"clinical_schema_login={login}", "-e", f"clinical_schema_login_kind={kind}")
        assert run.rc == 0, run.stdout + run.stderr
    with lab.connect() as admin:
        patients = one_of_each_worker(admin, "pacientes", "SELECT cedula FROM pacientes ORDER BY cedula LIMIT 50")
        users = one_of_each_worker(admin, "usuario", "SELECT (96000000 + n)::text FROM generate_series(1, 50) n")
        for patient in patients:
            admin.execute(
                "INSERT INTO accesos (paciente_id, documento_id, rol, accion, motivo) VALUES (%s, '1', 'medico', 'prueba', 'x')",
                [patient],
            )
            admin.execute(
                "INSERT INTO solicitudes (paciente_id, clave, huella, ubicacion, cuerpo) VALUES (%s, '1 prueba', 'x', 'x', 'x')",
                [patient],
            )
            admin.execute(
                "INSERT INTO cambios (paciente_id, documento_id, rol, tabla, fila, accion, motivo)"
                " VALUES (%s, '1', 'medico', 'pacientes', %s, 'prueba', 'x')",
                [patient, patient],
            )
        for user in users:
            admin.execute(
                "INSERT INTO accesos_paginas (documento_id, rol, accion, motivo, pacientes) VALUES (%s, 'medico', 'prueba', 'x', '{}')",
                [user],
            )
            admin.execute(
                "INSERT INTO usuario (documento_id, nombre, edad, rol) VALUES (%s, 'Prueba', 1, 'paciente')", [user]
            )
        admin.execute(
            "INSERT INTO lab.sesiones (id, documento_id, huella_refresco, vence_en) VALUES (gen_random_uuid(), '1', 'prueba', now())"
        )
        admin.execute(
            "INSERT INTO lab.intentos (origen, documento_id, fallos, ultimo_en) VALUES ('prueba', '1', 1, now())"
        )
        try:
            yield lab
        finally:
            for table in ("accesos", "cambios", "accesos_paginas"):
                admin.execute(f"DELETE FROM {table} WHERE accion = 'prueba'")
            admin.execute("DELETE FROM lab.intentos WHERE origen = 'prueba'")
            admin.execute("DELETE FROM solicitudes WHERE clave = '1 prueba'")
            admin.execute("DELETE FROM usuario WHERE documento_id = ANY (%s)", [users])
            admin.execute("DELETE FROM lab.sesiones WHERE huella_refresco = 'prueba'")
            for login in ("ana", "luis"):
                admin.execute("SELECT lab.forget_login(%s)", [login])
                (lab.directory / f"credentials/{login}.pgpass").unlink(missing_ok=True)


@pytest.mark.parametrize("node", NODES)
def test_each_login_reaches_what_the_page_says(filled: Lab, node: str) -> None:
    """And nothing else, on no node: tables of the lab that the page does not name are the administrator's."""
    expected = PAGE.reach[filled.engine][NODES[node]]
    assert walk(filled, node) == expected


# Conditions that fail on a row, most of them with its value in the message.
FAILING = {
    "division": "1 / (length({column}) - length({column})) = 1",
    "cast": "{column}::integer > 0",
    "json": "{column}::json IS NOT NULL",
    "decode": "decode({column}, 'hex') IS NOT NULL",
    "chr": "chr(-length({column})) = 'x'",
    "date": "make_date(length({column}) * 0, 1, 1) IS NOT NULL",
    "lpad": "lpad({column}, length({column}) * 100000000) = 'x'",
}
#: Where each table says whose a row is, and another column.
OWNERS = {
    "pacientes": ("cedula", "apellido"),
    "consultas": ("paciente_id", "motivo"),
    "accesos": ("paciente_id", "accion"),
}


@pytest.mark.parametrize("condition", FAILING)
@pytest.mark.parametrize("table", OWNERS)
def test_no_condition_is_computed_on_a_row_that_may_not_be_seen(filled: Lab, table: str, condition: str) -> None:
    """A patient of whom the table has no row, and who says nothing: no error, no row, whatever is asked, in a join too."""
    owner, column = OWNERS[table]
    asked = FAILING[condition].format(column=f"t.{column}")
    with filled.connect("api", options="-c citus.propagate_set_commands=local") as api:
        for persona in ("paciente/99999/", "", "nobody/1/", None):
            for query in (
                f"SELECT count(*) FROM {table} t WHERE {asked}",
                f"SELECT count(*) FROM {table} t JOIN consultas c ON c.paciente_id = t.{owner} WHERE {asked}",
                f"SELECT count(*) FROM {table} t GROUP BY t.{owner} HAVING bool_or({asked})",
            ):
                with api.transaction(force_rollback=True):
                    if persona is not None:
                        api.execute(f"SET LOCAL historia.persona = '{persona}'")
                    assert api.execute(query).fetchall() in ([(0,)], []), (persona, query)


@pytest.mark.parametrize("condition", FAILING)
@pytest.mark.parametrize("table", OWNERS)
def test_a_failing_condition_fails_where_its_asker_may_see_the_row(filled: Lab, table: str, condition: str) -> None:
    """So that the conditions above are none that never fail."""
    query = f"SELECT count(*) FROM {table} t WHERE {FAILING[condition].format(column='t.' + OWNERS[table][1])}"
    with filled.connect("api", options="-c citus.propagate_set_commands=local", autocommit=False) as api:
        api.execute("SET LOCAL historia.persona = 'administrador/1/'")
        with pytest.raises(psycopg.Error):
            api.execute(query)
        api.rollback()


@only("postgres_fdw")  # Citus has the policies on the shards
def test_workers_compute_first_what_the_policies_say(lab: Lab) -> None:
    """A policy is sent, as comparing texts, which costs less than all else that there is to call."""
    with lab.connect("api") as api, api.transaction(force_rollback=True):
        api.execute("SET LOCAL historia.persona = 'paciente/99999/'")
        for table, (owner, column) in OWNERS.items():
            plan = [
                row[0] for row in api.execute(f"EXPLAIN (VERBOSE) SELECT * FROM {table} WHERE length({column}) > 3")
            ]
            sent = [line for line in plan if "Remote SQL" in line]
            assert sent
            assert [line for line in sent if f"({owner} = $2" not in line.partition(f"length({column})")[0]] == []
            assert [line for line in plan if line.strip().startswith("Filter")] == []
    for worker in ("citus-worker-1", "citus-worker-2"):
        with lab.connect(node=worker) as admin:
            cheap = admin.execute("SELECT proname, proleakproof FROM pg_proc WHERE procost < 1 ORDER BY 1").fetchall()
            assert cheap == [("starts_with", True), ("texteq", True)]
