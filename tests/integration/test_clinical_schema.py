"""The clinical history: what its tables refuse, who may do what, what the sample holds."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from support.labs import ROOT, Lab

PATIENT = {
    "cedula": "90000001",
    "nombre": "Prueba",
    "apellido": "De Rechazo",
    "fecha_nacimiento": "1990-01-01",
    "sexo": "F",
    "ciudad": "Tunja",
}
TABLES = ["consultas", "medicos", "pacientes", "usuario"]


def rows(lab: Lab, query: str, *values: Any) -> list[Any]:
    """What a query gives."""
    with lab.connect() as connection:
        return connection.execute(query, values).fetchall()


def ask_shards(lab: Lab, table: str, query: str, **values: Any) -> list[tuple[list[str], list[Any]]]:
    """For each worker the shards of a table that it holds, and what it says of them."""
    shards: dict[str, list[str]] = {}
    for shard, node in rows(lab, "SELECT shard_name, node_name FROM lab.shards WHERE table_name = %s", table):
        shards.setdefault(node, []).append(shard)
    answers = []
    for node, names in shards.items():
        with lab.connect(node=node) as connection:
            if lab.engine == "citus":
                # Citus hides the shards from who looks at a worker.
                connection.execute("SET citus.override_table_visibility = off")
            answers.append((names, connection.execute(query, {"shards": names, **values}).fetchall()))
    return answers


def insert(connection: psycopg.Connection[tuple[Any, ...]], table: str, values: dict[str, Any]) -> None:
    """Insert one row."""
    names = ", ".join(values)
    marks = ", ".join(f"%({name})s" for name in values)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)


def consultation(lab: Lab, **changes: Any) -> dict[str, Any]:
    """A consultation that would be accepted, but for the changes."""
    [(cedula,)] = rows(lab, "SELECT cedula FROM pacientes ORDER BY cedula LIMIT 1")
    values = {
        "paciente_id": cedula,
        "medico_id": 1,
        "motivo": "Tos",
        "codigo_cie10": "J069",
        "diagnostico": "Infección aguda",
    }
    return values | changes


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        ("cedula", "12a45", psycopg.errors.CheckViolation),
        ("cedula", "123", psycopg.errors.CheckViolation),
        ("cedula", "0012345", psycopg.errors.CheckViolation),
        ("cedula", "ti-12345", psycopg.errors.CheckViolation),
        ("cedula", "XX-12345", psycopg.errors.CheckViolation),
        ("cedula", "12345678901", psycopg.errors.CheckViolation),
        ("nombre", "  ", psycopg.errors.CheckViolation),
        ("apellido", None, psycopg.errors.NotNullViolation),
        ("sexo", "X", psycopg.errors.CheckViolation),
        ("ciudad", "", psycopg.errors.CheckViolation),
        ("fecha_nacimiento", "1700-01-01", psycopg.errors.CheckViolation),
        ("correo", "sin arroba", psycopg.errors.CheckViolation),
        ("id", "P1", psycopg.errors.GeneratedAlways),
    ],
)
def test_a_patient_that_cannot_be_is_refused(
    lab: Lab, column: str, value: str | None, error: type[psycopg.Error]
) -> None:
    """The database itself refuses a patient without a proper document, name, sex, city, date or mail."""
    with lab.connect("middleware") as connection, pytest.raises(error):
        insert(connection, "pacientes", PATIENT | {column: value})
    assert rows(lab, "SELECT count(*) FROM pacientes WHERE cedula = %s", PATIENT["cedula"]) == [(0,)]


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        ("codigo_cie10", "6J09", psycopg.errors.CheckViolation),
        ("codigo_cie10", "J06.9", psycopg.errors.CheckViolation),
        ("codigo_cie10", "j069", psycopg.errors.CheckViolation),
        ("motivo", " ", psycopg.errors.CheckViolation),
        ("diagnostico", None, psycopg.errors.NotNullViolation),
        ("medico_id", 999_999, psycopg.errors.ForeignKeyViolation),
        ("paciente_id", "99999", psycopg.errors.ForeignKeyViolation),
        ("codigo_cie10", "Q998", psycopg.errors.ForeignKeyViolation),
        ("diagnostico_relacionado_1", "Q998", psycopg.errors.ForeignKeyViolation),
        ("diagnostico_relacionado_2", "Q998", psycopg.errors.ForeignKeyViolation),
        ("diagnostico_relacionado_3", "Q998", psycopg.errors.ForeignKeyViolation),
    ],
)
def test_a_consultation_that_cannot_be_is_refused(
    lab: Lab, column: str, value: Any, error: type[psycopg.Error]
) -> None:
    """A consultation needs a CIE-10 code, words, and a doctor, a patient and diagnoses that are there."""
    with lab.connect("middleware") as connection, pytest.raises(error):
        insert(connection, "consultas", consultation(lab, **{column: value}))


def test_a_diagnosis_that_the_lab_does_not_know_comes_in_with_a_mark(lab: Lab) -> None:
    """Whoever writes consultations says the code first; it has no description, and can be told from the others."""
    visit = consultation(lab, codigo_cie10="Q998", motivo="Marca")
    try:
        with lab.connect("middleware") as connection:
            connection.execute("INSERT INTO cie10 (codigo) VALUES ('Q998')")
            insert(connection, "consultas", visit)
        assert rows(
            lab,
            "SELECT c.codigo_cie10 FROM consultas c JOIN cie10 d ON d.codigo = c.codigo_cie10 WHERE d.descripcion IS NULL",
        ) == [("Q998",)]
    finally:
        with lab.connect() as connection:
            connection.execute(
                "DELETE FROM consultas WHERE paciente_id = %s AND motivo = 'Marca'", [visit["paciente_id"]]
            )
            connection.execute("SET session_replication_role = replica")  # postgres_fdw keeps rows of copies from going
            connection.execute("DELETE FROM cie10 WHERE codigo = 'Q998'")


def test_a_cedula_is_given_once(lab: Lab) -> None:
    """A second patient with the same cédula is refused, whichever node holds the first."""
    found = rows(lab, "SELECT cedula FROM pacientes ORDER BY cedula DESC LIMIT 5")
    assert len(found) == 5
    for (cedula,) in found:
        with lab.connect("middleware") as connection, pytest.raises(psycopg.errors.UniqueViolation):
            insert(connection, "pacientes", PATIENT | {"cedula": cedula})


def test_a_patient_with_consultations_cannot_go(lab: Lab) -> None:
    """Not even the administrator deletes a patient to whom consultations refer."""
    with lab.connect(autocommit=False) as connection:
        [(cedula,)] = connection.execute("SELECT paciente_id FROM consultas LIMIT 1").fetchall()
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute("DELETE FROM pacientes WHERE cedula = %s", [cedula])
        connection.rollback()


def test_the_id_of_a_patient_is_made_from_the_cedula(lab: Lab) -> None:
    """pacientes.id is P and the cédula, and can be searched for."""
    [(cedula, identity)] = rows(lab, "SELECT cedula, id FROM pacientes ORDER BY cedula LIMIT 1")
    assert identity == f"P{cedula}"
    assert rows(lab, "SELECT cedula FROM pacientes WHERE id = %s", identity) == [(cedula,)]


def test_the_users_of_the_original_are_there(lab: Lab) -> None:
    """The two users of the original lab, without a password until they get one."""
    found = rows(
        lab,
        "SELECT documento_id, nombre, edad, rol, clave_hash FROM usuario"
        " WHERE documento_id IN ('1072319876', '1078912345') ORDER BY 1",
    )
    assert found == [
        ("1072319876", "Luis Herrera", 56, "medico", None),
        ("1078912345", "Ana María Soto", 34, "admisionista", None),
    ]


def test_a_user_has_one_of_the_known_roles(lab: Lab) -> None:
    """usuario.rol takes no other word."""
    values = {"documento_id": "90000002", "nombre": "Prueba", "edad": 30, "rol": "jefe"}
    with lab.connect("middleware") as connection, pytest.raises(psycopg.errors.CheckViolation):
        insert(connection, "usuario", values)


def test_every_table_and_column_is_explained_in_spanish(lab: Lab) -> None:
    """Tables and columns have comments, which psql shows."""
    columns = rows(
        lab,
        "SELECT c.relname, a.attname, col_description(c.oid, a.attnum), obj_description(c.oid, 'pg_class')"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s)",
        TABLES,
    )
    assert {row[0] for row in columns} == set(TABLES)
    assert [row for row in columns if not row[2] or not row[3]] == []


def test_names_sort_as_in_spanish(lab: Lab) -> None:
    """Accents do not count, ñ comes after n: on servers that know no Spanish, over all nodes."""
    found = rows(lab, "SELECT apellido, nombre FROM pacientes ORDER BY orden")
    plain = str.maketrans("áéíóúü", "aeiouu")
    assert found == sorted(found, key=lambda name: "  ".join(name).lower().translate(plain).replace("ñ", "n~"))
    assert any("ñ" in family.lower() for family, _ in found)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("pacientes", "(orden)"),
        ("pacientes", "(ciudad)"),
        ("consultas", "(medico_id, fecha_consulta)"),
        ("consultas", "(fecha_consulta)"),
        ("consultas", "(codigo_cie10)"),
    ],
)
def test_every_search_has_its_index_on_every_shard(lab: Lab, table: str, columns: str) -> None:
    """Each shard of a table has the index of each search, on the worker where the shard is."""
    found = ask_shards(
        lab,
        table,
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " WHERE c.relname = ANY (%(shards)s) AND pg_get_indexdef(i.indexrelid) LIKE '%%' || %(columns)s",
        columns=columns,
    )
    assert len(found) == 2
    for shards, indexed in found:
        assert sorted(row[0] for row in indexed) == sorted(shards)


@pytest.mark.parametrize(
    ("user", "statement"),
    [
        ("readonly", "SELECT count(*) FROM usuario"),
        ("readonly", "UPDATE pacientes SET ciudad = 'Cali' WHERE cedula = '90000001'"),
        ("readonly", "DELETE FROM consultas WHERE paciente_id = '90000001'"),
        ("readonly", "INSERT INTO medicos (nombre, especialidad, registro, ciudad) VALUES ('a', 'b', 'c', 'd')"),
        ("readonly", "SELECT count(*) FROM lab.sample_chunks"),
        ("readonly", "CREATE TABLE public.intruso (a int)"),
        ("middleware", "DELETE FROM pacientes WHERE cedula = '90000001'"),
        ("middleware", "DELETE FROM consultas WHERE paciente_id = '90000001'"),
        ("middleware", "DELETE FROM medicos WHERE id = 999999"),
        ("middleware", "TRUNCATE pacientes CASCADE"),
        ("middleware", "ALTER TABLE pacientes ADD COLUMN intruso int"),
        ("middleware", "CREATE TABLE public.intruso (a int)"),
        ("middleware", "CREATE SCHEMA intruso"),
        ("middleware", "CREATE ROLE intruso"),
        ("middleware", "SET ROLE clinical_owner"),
        ("middleware", "SELECT rolpassword FROM pg_authid"),
    ],
)
def test_a_login_may_do_no_more_than_it_needs(lab: Lab, user: str, statement: str) -> None:
    """The application does not delete or define; who only reads does not write, nor read the users."""
    with lab.connect(user) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_the_logins_are_no_superusers_and_nobody_logs_in_as_the_owner(lab: Lab) -> None:
    """Roles have no attribute that would go around the rights of the tables. Citus' nodes log in to each other as the owner."""
    found = rows(
        lab,
        "SELECT rolname, rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication, rolbypassrls"
        " FROM pg_roles WHERE rolname IN ('clinical_owner', 'middleware', 'api', 'readonly') ORDER BY 1",
    )
    # middleware loads the sample with COPY, which row-level security refuses.
    assert found == [
        ("api", True, False, False),
        ("clinical_owner", lab.engine == "citus", False, False),
        ("middleware", True, False, True),
        ("readonly", True, False, False),
    ]
    if lab.engine == "citus":
        [(secret,)] = rows(
            lab,
            "SELECT substring(authinfo FROM '[0-9a-f]{64}') FROM pg_dist_authinfo WHERE rolename = 'clinical_owner'",
        )
        files = [path for place in ("credentials", "config", "logs") for path in (lab.directory / place).rglob("*")]
        assert not [path for path in files if path.is_file() and secret.encode() in path.read_bytes()]
    owners = rows(lab, "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename = ANY (%s)", TABLES)
    assert owners == [("clinical_owner",)]


def test_the_application_can_do_its_work(lab: Lab) -> None:
    """The login middleware registers a patient and a consultation and corrects both."""
    with lab.connect("middleware", autocommit=False) as connection:
        insert(connection, "pacientes", PATIENT)
        insert(connection, "consultas", consultation(lab, paciente_id=PATIENT["cedula"]))
        connection.execute("UPDATE pacientes SET ciudad = 'Cali' WHERE cedula = %(cedula)s", PATIENT)
        connection.execute("UPDATE consultas SET diagnostico = 'Gripa' WHERE paciente_id = %(cedula)s", PATIENT)
        found = connection.execute(
            "SELECT p.id, p.ciudad, c.diagnostico, m.especialidad FROM pacientes p"
            " JOIN consultas c ON c.paciente_id = p.cedula JOIN medicos m ON m.id = c.medico_id"
            " WHERE p.cedula = %(cedula)s",
            PATIENT,
        ).fetchall()
        connection.rollback()
    assert [row[:3] for row in found] == [("P90000001", "Cali", "Gripa")]


INSTITUTION = {
    "nit": "000000001",
    "codigo_prestador": "0000000001",
    "sede": "01",
    "nombre": "Institución ficticia del laboratorio",
    "direccion": "Calle Ficticia 0 # 0-00",
    "codigo_municipio": "52001",
}


def test_the_institution_is_nobodys_and_a_change_by_hand_is_noticed(lab: Lab) -> None:
    """Where nobody says whose lab it is; the next run writes the row anew."""
    assert rows(lab, "SELECT to_jsonb(i) - 'unica' FROM lab.institucion i") == [(INSTITUTION,)]
    with lab.connect() as connection:
        connection.execute("UPDATE lab.institucion SET nit = '900123456'")
    try:
        run = lab.play("site.yml", "--check")
        assert run.recap[lab.name]["changed"] == 1, run.stdout + run.stderr
    finally:
        with lab.connect() as connection:
            connection.execute("UPDATE lab.institucion SET nit = %(nit)s", INSTITUTION)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nit", "900.123.456-7"),
        ("codigo_prestador", "52001"),
        ("sede", "1"),
        ("nombre", "\u200b"),
        ("direccion", None),
        ("codigo_municipio", "52999"),
    ],
)
def test_an_institution_that_cannot_be_is_refused_by_its_field(lab: Lab, field: str, value: str | None) -> None:
    """And the row stays."""
    script = (ROOT / "roles/clinical_schema/files/sql/institucion.sql").read_text(encoding="utf-8")
    with lab.connect() as connection:
        connection.execute(script.encode())
        with pytest.raises(psycopg.errors.RaiseException, match=f"clinical_schema_institution: {field} "):
            connection.execute("SELECT pg_temp.set_institution(%s)", [Jsonb(INSTITUTION | {field: value})])
    assert rows(lab, "SELECT to_jsonb(i) - 'unica' FROM lab.institucion i") == [(INSTITUTION,)]


def test_the_sample_is_whole(lab: Lab) -> None:
    """A thousand patients of the sample, three consultations each, all with a doctor of its forty."""
    loaded = rows(lab, "SELECT sum(pacientes), sum(consultas) FROM lab.sample_chunks WHERE semilla = 42")
    assert loaded == [(1000, 3000)]
    [(patients, consultations)] = rows(lab, "SELECT (SELECT count(*) FROM pacientes), (SELECT count(*) FROM consultas)")
    assert patients >= 1000
    assert consultations >= 3000
    doctors = rows(lab, "SELECT count(*) FROM medicos WHERE id BETWEEN 1 AND 40")
    assert doctors == [(40,)]
    strangers = rows(
        lab, "SELECT count(*) FROM consultas c LEFT JOIN medicos m ON m.id = c.medico_id WHERE m.id IS NULL"
    )
    assert strangers == [(0,)]


def test_the_planners_of_the_workers_know_the_sample(lab: Lab) -> None:
    """After the load every shard has statistics, which a server that was never told would not have for a minute."""
    for table in ("pacientes", "consultas"):
        found = ask_shards(
            lab, table, "SELECT relname FROM pg_class WHERE relname = ANY (%(shards)s) AND reltuples >= 0"
        )
        assert len(found) == 2
        for shards, known in found:
            assert sorted(row[0] for row in known) == sorted(shards)


def test_no_password_is_in_a_log_of_a_server(lab: Lab) -> None:
    """Logins are created on every node without their passwords ending up in a log."""
    passwords = [
        path.read_text(encoding="utf-8").strip().rsplit(":", 1)[1]
        for path in (lab.directory / "credentials").glob("*.pgpass")
    ]
    logs = [path for path in (lab.directory / "logs").rglob("*") if path.is_file()]
    assert len(passwords) >= 4
    assert logs
    for log in logs:
        text = log.read_text(encoding="utf-8", errors="replace")
        assert not [password for password in passwords if password in text], log
