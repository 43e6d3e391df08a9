"""Logins of people (`make login`): the same answers with both engines, below the administrator, made again and taken away."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from support.labs import Lab, Run, engines_alike

#: Asked as each login, answered as the administrator is.
QUESTIONS = (
    "SELECT count(*) FROM pacientes",
    "SELECT ciudad, count(*) FROM pacientes GROUP BY ciudad ORDER BY ciudad",
    "SELECT * FROM pacientes ORDER BY cedula LIMIT 5",
    "SELECT * FROM medicos ORDER BY id",
    "SELECT p.apellido, c.diagnostico, m.nombre FROM pacientes p JOIN consultas c ON c.paciente_id = p.cedula"
    " JOIN medicos m ON m.id = c.medico_id ORDER BY 1, 2, 3 LIMIT 20",
    "SELECT m.especialidad, count(*) FROM consultas c JOIN medicos m ON m.id = c.medico_id GROUP BY 1 ORDER BY 1",
    "SELECT count(*) FROM pacientes p WHERE EXISTS (SELECT FROM consultas c WHERE c.paciente_id = p.cedula)",
    "SELECT node_name, role, responds FROM lab.nodes ORDER BY 1",
    "SELECT table_name, kind, rows FROM lab.tables ORDER BY 1",
    "SELECT table_name, shard_name, node_name, rows FROM lab.shards ORDER BY 1, 2, 3",
    "SELECT * FROM lab.where('pacientes', '1000119527')",
    "SELECT lab.engine()",
    "SELECT table_name, citus_table_type, distribution_column FROM citus_tables ORDER BY 1",
    "SELECT * FROM master_get_active_worker_nodes() ORDER BY 2",
    "EXPLAIN (COSTS OFF) SELECT * FROM pacientes WHERE cedula = '1000119527'",
    "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'consultas' ORDER BY 1",
)
#: Done by who writes, refused to who reads.
WRITES = (
    "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
    " VALUES ('20001', 'Ana', 'Prueba', '2000-01-01', 'F', 'Cali')",
    "UPDATE pacientes SET ciudad = ciudad",
    "INSERT INTO consultas (paciente_id, medico_id, motivo, codigo_cie10, diagnostico)"
    " SELECT min(cedula), 1, 'Control', 'Z000', 'Examen general' FROM pacientes",
    "UPDATE consultas SET tratamiento = 'Reposo' WHERE paciente_id = '1000119527'",
    "INSERT INTO medicos (nombre, especialidad, registro, ciudad) VALUES ('Ana Prueba', 'Pediatría', 'RM-9001', 'Cali')",
    "UPDATE medicos SET ciudad = ciudad",
)
#: Refused to both.
FORBIDDEN = (
    "DELETE FROM consultas",
    "TRUNCATE consultas",
    "SELECT count(*) FROM usuario",
    "SELECT count(*) FROM accesos",
    "SELECT count(*) FROM accesos_paginas",
    "SELECT count(*) FROM cambios",
    "SELECT count(*) FROM solicitudes",
    "SELECT count(*) FROM lab.sesiones",
    "SELECT count(*) FROM lab.intentos",
    "SELECT count(*) FROM lab.logins",
    "CREATE TABLE prueba (a integer)",
    "CREATE SCHEMA prueba",
    "CREATE ROLE prueba",
    "ALTER TABLE pacientes ADD COLUMN prueba text",
    "ALTER TABLE pacientes DISABLE ROW LEVEL SECURITY",
    "SET ROLE admin",
    "SET ROLE api",
    "SELECT lab.give_login('prueba', 'x')",
    "SELECT lab.create_login('prueba', 'x')",
    "SELECT pg_read_file('postgresql.conf')",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "SELECT pg_reload_conf()",
)
LOGINS = ("ana", "luis")  # who reads, and who writes
Answer = list[tuple[Any, ...]] | str


def make(lab: Lab, login: str, kind: str = "", *arguments: str) -> Run:
    """`make login`."""
    run = lab.play(
        "login.yml", "-e", f"clinical_schema_login={login}", "-e", f"clinical_schema_login_kind={kind}", *arguments
    )
    assert run.rc == 0, run.stdout + run.stderr
    return run


def ask(lab: Lab, login: str, statement: str) -> Answer:
    """What a statement gives, or its SQLSTATE; nothing of it stays."""
    with lab.connect(login, autocommit=False) as connection:
        try:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else str(cursor.statusmessage)
        except psycopg.Error as error:
            return str(error.sqlstate)
        finally:
            connection.rollback()


@pytest.fixture(scope="module")
def made(lab: Lab) -> Iterator[Run]:
    """The run that made `ana`, who reads; `luis`, who writes, is there too. Both are gone afterwards."""
    run = make(lab, "ana", "", "-vvv")
    make(lab, "luis", "write")
    yield run
    with lab.connect() as admin:
        for login in LOGINS:
            admin.execute("SELECT lab.forget_login(%s)", [login])
            (lab.directory / f"credentials/{login}.pgpass").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def answers(lab: Lab, made: Run) -> dict[tuple[str, str], Answer]:
    """What each login is answered to each question, and the administrator too."""
    return {(login, question): ask(lab, login, question) for login in ("admin", *LOGINS) for question in QUESTIONS}


@pytest.mark.parametrize("login", LOGINS)
def test_a_login_is_answered_as_the_administrator_is(answers: dict[tuple[str, str], Answer], login: str) -> None:
    """Every question, the views of the schema lab and the names of the original among them."""
    assert {question for question in QUESTIONS if not isinstance(answers[login, question], list)} == set()
    assert {question for question in QUESTIONS if answers[login, question] != answers["admin", question]} == set()


def test_who_reads_does_not_write(lab: Lab, made: Run) -> None:
    """Refused with the same error on both engines (insufficient privilege)."""
    assert {statement: ask(lab, "ana", statement) for statement in WRITES} == dict.fromkeys(WRITES, "42501")


def test_who_writes_writes(lab: Lab, made: Run) -> None:
    """Patients, consultations and doctors are added and changed."""
    found = {statement: ask(lab, "luis", statement) for statement in WRITES}
    assert {statement: answer for statement, answer in found.items() if statement.split()[0] not in answer} == {}


def test_who_writes_loads_with_copy(lab: Lab, made: Run) -> None:
    """Which row-level security would refuse."""
    with lab.connect("luis", autocommit=False) as connection:
        with connection.cursor().copy(
            "COPY pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad) FROM STDIN"
        ) as copy:
            for row in range(20001, 20011):
                copy.write_row((str(row), "Ana", "Prueba", "2000-01-01", "F", "Cali"))
        assert connection.execute("SELECT count(*) FROM pacientes WHERE cedula LIKE '200__'").fetchall() == [(10,)]
        connection.rollback()


@pytest.mark.parametrize("login", LOGINS)
def test_what_is_the_administrators_stays_his(lab: Lab, made: Run, login: str) -> None:
    """Deleting, passwords' hashes, audit rows, definitions, other roles, files."""
    assert {statement: ask(lab, login, statement) for statement in FORBIDDEN} == dict.fromkeys(FORBIDDEN, "42501")


@pytest.mark.parametrize("command", [r"\d", r"\d pacientes", r"\dt+", r"\du", r"\l", r"\dp"])
def test_psql_shows_the_catalogue_to_a_login(lab: Lab, made: Run, command: str) -> None:
    """As `make psql LOGIN=ana` does."""
    done = subprocess.run(
        [lab.directory / "bin/psql", "-X", "-c", command],
        env={**os.environ, "LAB_LOGIN": "ana"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_psql_as_somebody_without_a_login_names_the_verb(lab: Lab) -> None:
    """Instead of asking for a password that nobody has."""
    done = subprocess.run(
        [lab.directory / "bin/psql", "-X", "-c", "SELECT 1"],
        env={**os.environ, "LAB_LOGIN": "nadie"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "make login LOGIN=nadie" in done.stderr


def test_the_password_is_in_its_file_alone(lab: Lab, made: Run) -> None:
    """Mode 0600; not in Ansible's output at -vvv, in no server's log, and not among those of the nodes."""
    file = lab.directory / "credentials/ana.pgpass"
    password = file.read_text(encoding="utf-8").strip().rpartition(":")[2]
    assert len(password) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    others = [made.stdout, made.stderr, (file.parent / "nodes.pgpass").read_text(encoding="utf-8")]
    others += [log.read_text(encoding="utf-8", errors="replace") for log in (lab.directory / "logs").iterdir()]
    assert [text for text in others if password in text] == []


@engines_alike
def test_a_login_is_made_once(lab: Lab, made: Run) -> None:
    """Again with the same kind, or with none: nothing changes; `verify` has logged in as both."""
    for kind in ("", "read"):
        assert make(lab, "ana", kind).recap[lab.name]["changed"] == 0
    verified = lab.play("verify.yml")
    assert verified.rc == 0, verified.stdout
    assert "2 besides the lab's own" in verified.stdout


@pytest.mark.long
def test_a_password_that_somebody_changed_is_named_and_given_again(lab: Lab, made: Run) -> None:
    """`verify` says whose it is; the verb makes it the one in the file, and the login works on every node."""
    with lab.connect() as admin:
        admin.execute("ALTER ROLE ana PASSWORD 'otra'")
    verified = lab.play("verify.yml")
    assert verified.rc != 0
    assert "ana: " in verified.stdout
    assert "make login" in verified.stdout
    assert make(lab, "ana").recap[lab.name]["changed"] == 1
    assert ask(lab, "ana", QUESTIONS[0]) == ask(lab, "admin", QUESTIONS[0])


def test_a_login_is_taken_away_with_its_sessions_and_its_password(lab: Lab, made: Run) -> None:
    """From every node; what it had open ends. Taken away again, nothing changes."""
    with lab.connect("luis") as session:
        session.execute("CREATE TEMPORARY TABLE mia AS SELECT 1")
        with lab.connect() as admin:
            admin.execute("GRANT SELECT ON usuario TO luis")  # by hand
        assert make(lab, "luis", "none").recap[lab.name]["changed"] == 2
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert not (lab.directory / "credentials/luis.pgpass").exists()
    for node in ("citus-coordinator", "citus-worker-1", "citus-worker-2"):
        with lab.connect(node=node) as admin:
            assert admin.execute("SELECT count(*) FROM pg_roles WHERE rolname = 'luis'").fetchall() == [(0,)]
    assert make(lab, "luis", "none").recap[lab.name]["changed"] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("lab.register_login('Ana', 'read')", '"Ana" is no name for a login'),
        ("lab.register_login('pg_ana', 'read')", '"pg_ana" is no name for a login'),
        ("lab.register_login('nodes', 'read')", '"nodes" is no name for a login'),
        ("lab.register_login('public', 'read')", '"public" is no name for a login'),
        ("lab.register_login('replication', 'read')", '"replication" is no name for a login'),
        ("lab.forget_login('nodes')", '"nodes" is no name for a login'),
        ("lab.forget_login('../admin')", '"../admin" is no name for a login'),
        ("lab.forget_login('')", "make login LOGIN=ana"),
        ("lab.register_login('api', 'write')", 'the role "api" is there already'),
        ("lab.register_login('ana', 'all')", "logins_clase_check"),
        ("lab.forget_login('admin')", 'make login did not make the role "admin"'),
    ],
)
def test_what_is_not_a_persons_login_is_refused(lab: Lab, call: str, message: str) -> None:
    """With the reason."""
    with lab.connect() as admin, pytest.raises(psycopg.Error, match=message):
        admin.execute(f"SELECT {call}".encode())


@engines_alike
def test_a_login_without_a_name_is_refused_with_the_command(lab: Lab) -> None:
    """Whoever forgets LOGIN is told how it is typed."""
    run = lab.play("login.yml")
    assert run.rc != 0
    assert "make login LOGIN=ana" in run.stdout
    assert not run.recap[lab.name]["changed"]


def test_a_login_that_would_be_shown_no_row_gets_no_right(lab: Lab) -> None:
    """Row-level security hides rows without a word: lab.grant refuses instead, and names the verb."""
    with lab.connect() as admin:
        try:
            admin.execute("SELECT lab.create_login('prueba', 'clave-de-prueba')")
            with pytest.raises(psycopg.Error, match=r"would show prueba no row of (public\.)?pacientes") as refusal:
                admin.execute("SELECT lab.grant('SELECT', '{public.pacientes}', '{prueba}')")
            assert "make login" in (refusal.value.diag.message_hint or "")
        finally:
            admin.execute("SELECT lab.drop_login('prueba')")
