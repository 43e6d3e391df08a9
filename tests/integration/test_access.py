"""Who may do what, on a real lab of each engine: the service, and the database a second time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from support.api import ask
from support.labs import Lab

PATIENT = {
    "nombre": "Acceso",
    "apellido": "De Prueba",
    "fecha_nacimiento": "1990-01-01",
    "sexo": "F",
    "ciudad": "Tunja",
}
CONSULTATION = {"medico_id": "1", "motivo": "Tos", "codigo_cie10": "J00", "diagnostico": "Resfriado"}
CEDULA = "91000001"
DOCTOR = "91000002"
RETIRED = "91000006"


@pytest.fixture(scope="module")
def tokens(lab: Lab) -> Iterator[dict[str, str]]:
    """Log an administrator in by `make token`'s playbook, and a doctor through the API; they leave nothing behind."""
    run = lab.play("token.yml")
    assert run.rc == 0, run.stdout + run.stderr
    told = re.search(r'"token": "(\S+)"', run.stdout)
    assert told is not None, run.stdout
    admin = told[1]
    user = {"nombre": "Doctora de prueba", "edad": 40, "rol": "medico", "medico_id": "1"}
    status, _, body = ask(lab, "PUT", f"/api/v1/usuarios/{DOCTOR}", user, admin)
    assert status == 201, body
    assert ask(lab, "PUT", f"/api/v1/usuarios/{DOCTOR}/clave", {"clave": "a long password"}, admin)[0] == 204
    status, _, session = ask(lab, "POST", "/api/v1/sesiones", {"documento_id": DOCTOR, "clave": "a long password"})
    assert status == 201, session
    yield {"administrador": admin, "medico": session["token"]}
    with lab.connect() as connection:
        for table in ("consultas", "accesos", "cambios", "solicitudes"):
            connection.execute(f"DELETE FROM {table} WHERE paciente_id = %s", [CEDULA])
        connection.execute("DELETE FROM pacientes WHERE cedula = %s", [CEDULA])
        for table in ("accesos_paginas", "usuario"):
            connection.execute(f"DELETE FROM {table} WHERE documento_id = ANY (%s)", [[DOCTOR, RETIRED, "1000000001"]])
        connection.execute("DELETE FROM lab.intentos")


def test_history_is_written_and_read_through_the_api(lab: Lab, tokens: dict[str, str]) -> None:
    """Registered once however often it is sent, read with its doctor, and its reading kept beside the patient."""
    admin, doctor = tokens["administrador"], tokens["medico"]
    status, _, _ = ask(lab, "PUT", f"/api/v1/pacientes/{CEDULA}", PATIENT, admin)
    assert status == 201
    address = f"/api/v1/pacientes/{CEDULA}/consultas"
    answers = [ask(lab, "POST", address, CONSULTATION, doctor, Idempotency_Key="once") for _ in range(2)]
    assert [status for status, _, _ in answers] == [201, 201]
    assert answers[0][2] == answers[1][2]
    status, headers, history = ask(lab, "GET", f"/api/v1/pacientes/{CEDULA}/historia?motivo=control", None, doctor)
    assert status == 200
    assert [each["medico"]["id"] for each in history["consultas"]] == ["1"]
    again = ask(lab, "GET", f"/api/v1/pacientes/{CEDULA}/historia", None, doctor, If_None_Match=headers["etag"])
    assert again[0] == 304
    _, _, found = ask(lab, "GET", f"/api/v1/pacientes/{CEDULA}/accesos", None, admin)
    assert {(each["documento_id"], each["motivo"]) for each in found["accesos"]} == {
        (DOCTOR, "control"),
        (DOCTOR, "atención"),
    }
    with lab.connect() as connection:
        places = connection.execute(
            "SELECT DISTINCT node_name FROM unnest(ARRAY['pacientes', 'consultas', 'accesos', 'cambios', 'solicitudes']) t (name),"
            " LATERAL lab.where(t.name, %s)",
            [CEDULA],
        ).fetchall()
    assert len(places) == 1


def test_change_and_page_are_kept(lab: Lab, tokens: dict[str, str]) -> None:
    """What was there before a change, who made it and why; whom a page showed to whom."""
    admin, doctor = tokens["administrador"], tokens["medico"]
    address = f"/api/v1/pacientes/{CEDULA}"
    ask(lab, "PUT", address, PATIENT, admin)
    _, _, before = ask(lab, "GET", address, None, admin)
    status, _, changed = ask(lab, "PATCH", address, {"ciudad": "Pasto"}, admin, If_Match="*", Motivo="Se mudó")
    assert (status, changed["ciudad"]) == (200, "Pasto")
    _, _, found = ask(lab, "GET", f"{address}/cambios?limite=1", None, admin)
    [kept] = found["cambios"]
    assert (kept["accion"], kept["motivo"], kept["antes"]) == ("cambio", "Se mudó", before)
    status, _, page = ask(lab, "GET", "/api/v1/consultas?limite=3", None, doctor)
    assert status == 200
    _, _, found = ask(lab, "GET", f"/api/v1/accesos/paginas?documento_id={DOCTOR}&limite=1", None, admin)
    [shown] = found["paginas"]
    assert shown["consultas"] == [each["id"] for each in page["consultas"]]
    assert shown["pacientes"] == sorted({each["paciente_id"] for each in page["consultas"]})
    assert ask(lab, "GET", "/api/v1/accesos/paginas", None, doctor)[0] == 403


def test_guesses_are_counted_at_the_coordinator(lab: Lab, tokens: dict[str, str]) -> None:
    """For every process of the service: who has failed too often waits, and rows of before do not stay."""
    wrong = {"documento_id": "91000003", "clave": "wrong"}
    with lab.connect() as connection:
        connection.execute("INSERT INTO lab.intentos VALUES ('192.0.2.1', '91000004', 9, now() - interval '2 h')")
        statuses = [ask(lab, "POST", "/api/v1/sesiones", wrong)[0] for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        found = connection.execute("SELECT documento_id, fallos FROM lab.intentos").fetchall()
    assert found == [("91000003", 5)]


def test_api_refuses_what_the_table_of_permissions_does(lab: Lab, tokens: dict[str, str]) -> None:
    """No token: 401. A doctor who registers patients: 403. Another doctor's consultation: 403."""
    assert ask(lab, "GET", "/api/v1/pacientes")[0] == 401
    assert ask(lab, "PUT", "/api/v1/pacientes/91000009", PATIENT, tokens["medico"])[0] == 403
    other = CONSULTATION | {"medico_id": "2"}
    assert ask(lab, "POST", f"/api/v1/pacientes/{CEDULA}/consultas", other, tokens["medico"])[0] == 403


def test_places_and_diagnoses_are_found_by_their_words(lab: Lab, tokens: dict[str, str]) -> None:
    """Of the tables that every node has, by whoever has logged in."""
    status, _, found = ask(lab, "GET", "/api/v1/municipios?nombre=cucuta", None, tokens["medico"])
    assert (status, [each["codigo_municipio"] for each in found["municipios"]]) == (200, ["54001"])
    status, _, found = ask(lab, "GET", "/api/v1/cie10?descripcion=pulmon&limite=1", None, tokens["medico"])
    assert (status, [each["codigo"] for each in found["diagnosticos"]]) == (200, ["A150"])


def test_retiring_a_doctor_ends_what_his_user_could(lab: Lab, tokens: dict[str, str]) -> None:
    """At once, and until the doctor is back: on each engine users and doctors lie otherwise."""
    admin, user, doctor = tokens["administrador"], f"/api/v1/usuarios/{RETIRED}", "/api/v1/medicos/40"
    credentials = {"documento_id": RETIRED, "clave": "a long password"}
    data = {"nombre": "Doctor de prueba", "edad": 40, "rol": "medico", "medico_id": "40"}
    assert ask(lab, "PUT", user, data, admin)[0] == 201
    assert ask(lab, "PUT", f"{user}/clave", {"clave": "a long password"}, admin)[0] == 204
    status, _, opened = ask(lab, "POST", "/api/v1/sesiones", credentials)
    assert status == 201
    for path in ("pacientes", "cluster"):
        assert ask(lab, "GET", f"/api/v1/{path}", None, opened["token"])[0] == 200
    try:
        assert ask(lab, "DELETE", doctor, None, admin)[0] == 204
        for path in ("pacientes", "cluster"):
            assert ask(lab, "GET", f"/api/v1/{path}", None, opened["token"])[0] == 401
        assert ask(lab, "POST", "/api/v1/sesiones/renovacion", {"refresco": opened["refresco"]})[0] == 401
        assert ask(lab, "POST", "/api/v1/sesiones", credentials)[0] == 401
    finally:
        assert ask(lab, "PATCH", doctor, {"activo": True}, admin, If_Match="*")[0] == 200
    assert ask(lab, "POST", "/api/v1/sesiones", credentials)[0] == 201


@pytest.fixture
def api(lab: Lab) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Give a connection of the login that the service has."""
    with lab.connect("api") as connection:
        connection.execute("SET citus.propagate_set_commands = 'local'")
        yield connection


def as_person(api: psycopg.Connection[tuple[Any, ...]], person: str, query: str) -> list[tuple[Any, ...]]:
    """Run one statement on behalf of somebody, and take it back."""
    with api.transaction(force_rollback=True):
        api.execute(f"SET LOCAL historia.persona = '{person}'")
        cursor = api.execute(query)
        return cursor.fetchall() if cursor.description else [(cursor.rowcount,)]


@pytest.mark.parametrize(
    ("person", "patients", "consultations"),
    [
        ("administrador/1/", True, True),
        ("medico/1/1", True, True),
        ("admisionista/1/", True, False),
        ("resultados/1/", True, True),
        ("nobody/1/", False, False),
    ],
)
def test_database_shows_a_role_what_it_may_see(
    lab: Lab, api: psycopg.Connection[tuple[Any, ...]], person: str, patients: bool, consultations: bool
) -> None:
    """Row-level security on both engines, whatever the service asks for."""
    assert api.execute("SELECT count(*) FROM pacientes").fetchone() == (0,)
    assert (as_person(api, person, "SELECT count(*) FROM pacientes") > [(0,)]) == patients
    assert (as_person(api, person, "SELECT count(*) FROM consultas") > [(0,)]) == consultations


def test_database_shows_a_patient_himself_alone(lab: Lab, api: psycopg.Connection[tuple[Any, ...]]) -> None:
    """One row of the thousand, and his consultations."""
    with lab.connect() as connection:
        [(cedula,)] = connection.execute("SELECT min(cedula) FROM pacientes").fetchall()
    assert as_person(api, f"paciente/{cedula}/", "SELECT cedula FROM pacientes") == [(cedula,)]
    assert as_person(api, f"paciente/{cedula}/", "SELECT DISTINCT paciente_id FROM consultas") == [(cedula,)]
    assert as_person(api, f"paciente/{cedula}/", f"UPDATE pacientes SET ciudad = 'x' WHERE cedula = '{cedula}'") == [
        (0,)
    ]


def test_database_refuses_what_a_role_may_not_write(lab: Lab, api: psycopg.Connection[tuple[Any, ...]]) -> None:
    """A doctor registers no patient. That he writes in his own name alone, only Citus checks: foreign tables have no WITH CHECK."""
    insert = "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad) VALUES ('91000009', 'n', 'a', '1990-01-01', 'F', 'x')"
    assert as_person(api, "admisionista/1/", insert) == [(1,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_person(api, "medico/1/1", insert)
    [(cedula,)] = as_person(api, "administrador/1/", "SELECT min(cedula) FROM pacientes")
    other = f"INSERT INTO consultas (paciente_id, medico_id, motivo, codigo_cie10, diagnostico) VALUES ('{cedula}', 2, 'm', 'J069', 'd')"
    if lab.engine == "citus":
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_person(api, "medico/1/1", other)
    else:
        assert as_person(api, "medico/1/1", other) == [(1,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_person(api, "resultados/1/", other)


CHANGE = (
    "INSERT INTO cambios (paciente_id, documento_id, rol, accion, motivo, tabla, fila)"
    " VALUES ('91000001', '{}', '{}', 'cambio', 'm', 'pacientes', '91000001')"
)
PAGE = (
    "INSERT INTO accesos_paginas (documento_id, rol, accion, motivo, pacientes)"
    " VALUES ('{}', '{}', 'pacientes', 'm', '{{}}')"
)


@pytest.mark.parametrize("insert", [CHANGE, PAGE], ids=["cambios", "accesos_paginas"])
def test_database_keeps_what_a_role_does_and_shows_it_to_few(
    lab: Lab, api: psycopg.Connection[tuple[Any, ...]], insert: str
) -> None:
    """A patient changes nothing and searches nobody; what is kept nobody changes, and only those read it who may."""
    table = insert.split()[2]
    assert as_person(api, "administrador/1/", insert.format("1", "administrador")) == [(1,)]
    for wrong in (insert.format("1", "paciente"), f"UPDATE {table} SET motivo = 'x'", f"DELETE FROM {table}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_person(api, "paciente/1/", wrong)
    with lab.connect() as connection:
        connection.execute(insert.format("91000005", "medico"))
        try:
            for person, seen in (("administrador/1/", 1), ("medico/91000005/1", 0), ("paciente/91000005/", 0)):
                query = f"SELECT count(*) FROM {table} WHERE documento_id = '91000005'"
                assert as_person(api, person, query) == [(seen,)], person
        finally:
            connection.execute(f"DELETE FROM {table} WHERE documento_id = '91000005'")


def test_api_login_reaches_no_part_of_a_table(lab: Lab, api: psycopg.Connection[tuple[Any, ...]]) -> None:
    """With postgres_fdw the parts lie in a schema that it may not use; with Citus they have the policies too."""
    if lab.engine == "postgres_fdw":
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            api.execute("SELECT count(*) FROM shards.pacientes_00")
    else:
        with lab.connect("api", node="citus-worker-1") as worker:
            worker.execute("SET citus.override_table_visibility = off")
            parts = worker.execute("SELECT relname FROM pg_class WHERE relname ~ '^pacientes_[0-9]+$'").fetchall()
            assert len(parts) > 0
            for (part,) in parts:
                assert worker.execute(f"SELECT count(*) FROM {part}").fetchone() == (0,)


def test_signing_keys_are_the_labs_own_and_nobody_elses_to_read(lab: Lab) -> None:
    """A file of mode 0600 with a secret, which a second run keeps."""
    keys = lab.directory / "credentials" / "signing.keys"
    assert keys.stat().st_mode & 0o777 == 0o600
    assert len(keys.read_text(encoding="ascii").strip()) >= 32
