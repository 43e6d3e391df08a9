"""A copy of the clinical history (`make dump`): whole, in any PostgreSQL, without a password of a server; the same with both engines."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from support.labs import Lab, only
from support.older import ROW, older_row

KEYS = {
    "medicos": "id",
    "municipios": "codigo_municipio",
    "cie10": "codigo",
    "pacientes": "cedula",
    "consultas": "id",
    "usuario": "documento_id",
    "accesos": "id",
    "accesos_paginas": "id",
    "cambios": "id",
    "solicitudes": "clave",
}


def rows(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """How many rows each table has, and a checksum of all of them."""
    found = {}
    for table, key in KEYS.items():
        query = f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY {key})) FROM public.{table} AS t"
        [found[table]] = connection.execute(query.encode()).fetchall()
    return found


def psql(lab: Lab, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The lab's psql, in a database of its coordinator."""
    return subprocess.run(
        [lab.directory / "bin/psql", "-X", "-d", database, *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copy(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy of a lab in which somebody has a table and a view of his own."""
    file = tmp_path_factory.mktemp("copy") / "historia.sql"
    with lab.connect() as admin:
        admin.execute("CREATE TABLE recetas (id integer)")
        admin.execute("CREATE VIEW de_cali AS SELECT * FROM pacientes WHERE ciudad = 'Cali'")
        try:
            run = lab.play("dump.yml", "-e", f"clinical_schema_dump_file={file}")
        finally:
            admin.execute("DROP VIEW de_cali")
            admin.execute("DROP TABLE recetas")
    assert run.rc == 0, run.stdout + run.stderr
    assert "  pacientes 1" in run.stdout
    said = " ".join(run.stdout.split())
    assert "Not in it, since somebody made it beside the history: table recetas, view de_cali." in said
    return file


@pytest.fixture(scope="module")
def plain(lab: Lab, copy: Path) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """An ordinary database with the copy in it."""
    with lab.connect() as admin:
        admin.execute("CREATE DATABASE copia")
        try:
            restored = psql(lab, "copia", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(copy))
            assert restored.returncode == 0, restored.stderr
            with psycopg.connect(
                host="127.0.0.1", port=lab.database_port, user="admin", dbname="copia", autocommit=True,
                passfile=str(lab.directory / "credentials/admin.pgpass"),
            ) as connection:  # fmt: skip
                yield connection
        finally:
            admin.execute("DROP DATABASE copia WITH (FORCE)")


def test_the_copy_has_every_row(lab: Lab, plain: psycopg.Connection[tuple[object, ...]]) -> None:
    """As many as the lab has, with the same checksums."""
    with lab.connect() as spread:
        found = rows(spread)
    assert found["pacientes"][0]
    assert rows(plain) == found


def test_the_copy_has_the_keys(plain: psycopg.Connection[tuple[object, ...]]) -> None:
    """Which the nodes hold in a lab: one patient for a cédula, no consultation without its patient and its doctor."""
    patient = "INSERT INTO pacientes SELECT (p).* FROM (SELECT p FROM pacientes AS p LIMIT 1) AS one"
    with pytest.raises(psycopg.errors.GeneratedAlways):
        plain.execute(patient)
    consultation = (
        "INSERT INTO consultas (paciente_id, medico_id, motivo, codigo_cie10, diagnostico)"
        " VALUES (%s, %s, 'Control', 'Z000', 'Examen general')"
    )
    [(cedula,)] = plain.execute("SELECT min(cedula) FROM pacientes").fetchall()
    for values in (("99999", 1), (cedula, 99999)):
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            plain.execute(consultation, values)
    unique = "SELECT count(*) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype = 'p'"
    assert plain.execute(unique).fetchall() == [(len(KEYS),)]


def test_no_password_of_a_server_is_in_the_copy(lab: Lab, copy: Path) -> None:
    """Nor anything that leads to the lab's servers; and the file is its owner's alone."""
    text = copy.read_text(encoding="utf-8")
    passwords = [
        line.rpartition(":")[2]
        for file in (lab.directory / "credentials").glob("*.pgpass")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert len(passwords) > 5
    assert [word for word in (*passwords, "USER MAPPING", "SERVER", "PASSWORD", "shards.") if word in text] == []
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_file_that_is_there_stays(lab: Lab, copy: Path) -> None:
    """A second copy wants another name; nothing else is left in the folder."""
    before = copy.stat().st_mtime_ns
    run = lab.play("dump.yml", "-e", f"clinical_schema_dump_file={copy}")
    assert run.rc != 0
    assert "is there already, and stays" in run.stdout
    assert copy.stat().st_mtime_ns == before
    assert list(copy.parent.iterdir()) == [copy]


def test_a_copy_is_not_put_into_a_lab(lab: Lab, copy: Path) -> None:
    """Its rows would be there twice: refused at the first statement, before anything is changed."""
    refused = psql(lab, "historia_clinica", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(copy))
    assert refused.returncode != 0
    assert "the copy belongs into an empty one" in refused.stderr


@pytest.mark.long
def test_a_column_that_somebody_added_is_in_the_copy(lab: Lab, tmp_path: Path) -> None:
    """With its values."""
    file = tmp_path / "historia.sql"
    drop = "ALTER TABLE public.pacientes DROP COLUMN IF EXISTS alergias"
    with lab.connect() as admin:
        try:
            admin.execute("ALTER TABLE public.pacientes ADD COLUMN alergias text")
            admin.execute("UPDATE pacientes SET alergias = 'polen de ' || ciudad")
            assert lab.play("dump.yml", "-e", f"clinical_schema_dump_file={file}").rc == 0
            admin.execute("CREATE DATABASE copia_ancha")
            restored = psql(lab, "copia_ancha", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(file))
            assert restored.returncode == 0, restored.stderr
            asked = psql(
                lab, "copia_ancha", "-Atc", "SELECT count(*) FROM pacientes WHERE alergias = 'polen de ' || ciudad"
            )
            assert int(asked.stdout) > 0
        finally:
            admin.execute("DROP DATABASE IF EXISTS copia_ancha WITH (FORCE)")
            admin.execute(drop)


@pytest.mark.long
def test_a_row_of_an_older_form_is_in_the_copy(lab: Lab, tmp_path: Path) -> None:
    """The check that it does not keep is there too, for rows to come."""
    file = tmp_path / "historia.sql"
    with lab.connect() as admin, older_row(admin, "0072345"):
        try:
            assert lab.play("dump.yml", "-e", f"clinical_schema_dump_file={file}").rc == 0
            admin.execute("CREATE DATABASE copia_vieja")
            restored = psql(lab, "copia_vieja", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(file))
            assert restored.returncode == 0, restored.stderr
            asked = psql(lab, "copia_vieja", "-Atc", "SELECT count(*) FROM pacientes WHERE cedula = '0072345'")
            assert asked.stdout.strip() == "1"
            assert "pacientes_documento_check" in psql(lab, "copia_vieja", "-c", ROW.format("0072346")).stderr
        finally:
            admin.execute("DROP DATABASE IF EXISTS copia_vieja WITH (FORCE)")


@pytest.mark.long
def test_with_a_worker_down_no_half_of_a_copy_is_left(lab: Lab, tmp_path: Path) -> None:
    """Nothing is written, and what the server said is told."""
    with lab.without("citus-worker-2"):
        run = lab.play("dump.yml", "-e", f"clinical_schema_dump_file={tmp_path}/historia.sql")
    assert run.rc != 0
    assert "No copy was written" in run.stdout
    assert list(tmp_path.iterdir()) == []


@only("postgres_fdw")
def test_pg_dump_alone_has_no_patient_and_every_password(lab: Lab) -> None:
    """What docs/en/dump.md warns of."""
    done = subprocess.run(
        [
            Path(lab.record["postgres_bin"]) / "pg_dump",
            "-h127.0.0.1",
            f"-p{lab.database_port}",
            "-Uadmin",
            "historia_clinica",
        ],
        env={"PGPASSFILE": str(lab.directory / "credentials/admin.pgpass")},
        capture_output=True,
        text=True,
        check=True,
    )
    password = (lab.directory / "credentials/admin.pgpass").read_text(encoding="utf-8").strip().rpartition(":")[2]
    assert "COPY public.medicos" in done.stdout
    assert "COPY public.pacientes" not in done.stdout
    assert "COPY shards." not in done.stdout
    assert password in done.stdout
