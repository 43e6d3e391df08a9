"""Who may do what: log-in, tokens, the table of permissions, and what the database enforces a second time."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import jwt
import psycopg
import pytest
from conftest import PASSWORD, Lab, wait_until
from flask import Flask, g
from flask.testing import FlaskClient
from people import CONSULTATION, DATA, HASH, KEY, KID, OTHER, PATIENT, USERS, V1, WORD, bearer, log_in, session
from werkzeug.test import TestResponse

from historia_clinica import create_app, first_login, passwords, schemas, sessions
from historia_clinica.config import ConfigurationError
from historia_clinica.errors import ProblemError, SessionClosedError
from historia_clinica.permissions import ALL, OWN, PERMISSIONS, ROLES, Person
from historia_clinica.sessions import on_behalf_of
from historia_clinica.transactions import Transaction, in_transaction
from historia_clinica.v1.medicos import MEDICO


@pytest.fixture
def client(rules: Lab, app: Flask) -> FlaskClient:
    """Give a client of the service whose rules hold."""
    return app.test_client()


# ---------------------------------------------------------------- the table of permissions

# Bodies that an operation has to have read before it knows whose it is; of the others the permission is looked at first.
BODIES: dict[str, dict[str, Any]] = {
    "post_consultas_create": CONSULTATION,
    "put_consultas_put": CONSULTATION,
    "patch_consultas_change": {"medico_id": "7"},
}
#: The parts of addresses that say of nobody whose they are.
NOBODYS = {
    "medico_id": "999",
    "consulta_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    "codigo_municipio": "52001",
    "codigo": "J069",
}
#: The ways in, which need no token.
OPEN = {("POST", f"{V1}/sesiones"), ("POST", f"{V1}/sesiones/renovacion")}


def operations(client: FlaskClient) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, address and description of each operation that the service has, by its own description."""
    for path, described in client.get(f"{V1}/openapi.json").get_json()["paths"].items():
        for method, operation in described.items():
            yield method.upper(), path, operation


def address(path: str, document: str) -> str:
    """An address about a document: of a patient or a user. The rest is nobody's: a doctor, a consultation, a place, a diagnosis."""
    return path.format(cedula=document, documento_id=document, **NOBODYS)


def test_every_operation_does_what_the_table_of_permissions_says(client: FlaskClient) -> None:
    """Each operation by each role, on one's own and on another's: refused with 403 where the table says so, and nowhere else."""
    tried, used = 0, set()
    callers = {role: log_in(client, role) for role in ROLES}
    for method, path, operation in operations(client):
        if (method, path) in OPEN:
            continue
        permission = operation["x-permiso"]
        used.add(permission)
        for role in ROLES:
            # An administrator would retire himself.
            own = (
                "99999"
                if (method, path, role) == ("DELETE", f"{V1}/usuarios/{{documento_id}}", ROLES[0])
                else USERS[role]
            )
            for document in (own, OTHER) if "{cedula}" in path or "{documento_id}" in path else (OTHER,):
                answer = client.open(
                    address(path, document),
                    method=method,
                    json=BODIES.get(operation["operationId"], {}),
                    headers=callers[role] | {"If-Match": "*"},
                )
                if method != "GET" and path.startswith((f"{V1}/sesiones", f"{V1}/usuarios/")):  # ends sessions
                    callers[role] = log_in(client, role)
                scope = PERMISSIONS[permission].get(role)
                # A doctor's own consultation is told by its doctor, not by the patient.
                owned = document == USERS[role] or permission in ("consultas.escribir", "sesion.propia")
                allowed = scope is ALL or (scope is OWN and owned)
                assert (answer.status_code != 403) == allowed, f"{method} {path} {role} {document}: {answer.text}"
                assert answer.status_code in (200, 201, 204, 403, 404, 412, 422), f"{method} {path}: {answer.text}"
                tried += 1
    assert used == set(PERMISSIONS)
    assert tried > 200


def test_every_operation_wants_a_token_but_logging_in(client: FlaskClient) -> None:
    """401 for each operation of the description, whatever is sent; only the way in is open."""
    for method, path, operation in operations(client):
        if (method, path) in OPEN:
            assert "security" not in operation
            continue
        answer = client.open(address(path, "10001"), method=method, json={})
        assert answer.status_code == 401, f"{method} {path}"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_original_endpoints_stay_open(client: FlaskClient) -> None:
    """The four of the original lab need nobody's name, with the rules as without."""
    for address in ("/", "/status", "/usuarios", "/citus/workers"):
        assert client.get(address).status_code == 200
    assert client.get("/status").get_json()["acceso"] == "rules"
    assert "aviso" not in client.get("/status").get_json()


def test_doctor_writes_in_his_own_name_alone(client: FlaskClient) -> None:
    """Not another doctor's consultation, nor one for another, nor his own given away."""
    doctor = log_in(client, "medico")
    address = f"{V1}/pacientes/{OTHER}/consultas"
    mine = client.post(address, json=CONSULTATION, headers=doctor)
    assert mine.status_code == 201
    other = f"{address}/6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
    match = doctor | {"If-Match": "*"}
    refused = [
        client.post(address, json=CONSULTATION | {"medico_id": "8"}, headers=doctor),
        client.put(
            f"{address}/11111111-8b86-4d01-b42d-00cf4fc964ff", json=CONSULTATION | {"medico_id": "8"}, headers=doctor
        ),
        client.put(other, json=CONSULTATION, headers=match),
        client.patch(other, json={"motivo": "x"}, headers=match),
        client.patch(mine.headers["Location"], json={"medico_id": "8"}, headers=match),
    ]
    assert [answer.status_code for answer in refused] == [403] * 5
    assert client.patch(mine.headers["Location"], json={"motivo": "x"}, headers=match).status_code == 200


def test_who_asks_is_told_what_he_may_do(client: FlaskClient) -> None:
    """The table, for the role of whoever asks."""
    body = client.get(f"{V1}/sesiones/actual", headers=log_in(client, "paciente")).get_json()
    assert body["rol"] == "paciente"
    assert body["permisos"] == {name: roles["paciente"] for name, roles in PERMISSIONS.items() if "paciente" in roles}


# ---------------------------------------------------------------- tokens


def sign(claims: dict[str, Any], key: str = KEY, **headers: Any) -> str:
    """Sign claims as the lab does, unless told otherwise."""
    return jwt.encode(claims, key, "HS256", headers={"kid": KID} | headers)


def claims(client: FlaskClient, **changes: Any) -> dict[str, Any]:
    """Return what an administrator's token says, but for the changes."""
    token = session(client, USERS["administrador"])["token"]
    body: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return {name: value for name, value in (body | changes).items() if value is not ...}


def unsigned(body: dict[str, Any]) -> str:
    """Return a token that says it needs no signature."""
    parts = ({"alg": "none", "typ": "JWT", "kid": KID}, body)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


FORGERIES: dict[str, Callable[[FlaskClient], str]] = {
    "expired": lambda client: sign(claims(client, exp=int(time.time()) - 1)),
    "without an end": lambda client: sign(claims(client, exp=...)),
    "an end that is no time": lambda client: sign(claims(client, exp="never")),
    "another lab's key": lambda client: sign(claims(client), key="the key of another lab, as long as ours is"),
    "another lab's kid": lambda client: sign(claims(client), kid="0123456789abcdef"),
    "no kid": lambda client: jwt.encode(claims(client), KEY, "HS256"),
    "alg none": lambda client: unsigned(claims(client)),
    "another issuer": lambda client: sign(claims(client, iss="another")),
    "a role that is none": lambda client: sign(claims(client, rol="rey")),
    "no session": lambda client: sign(claims(client, sid=...)),
    "a session that is none": lambda client: sign(claims(client, sid="11111111-8b86-4d01-b42d-00cf4fc964ff")),
    "SQL for a session": lambda client: sign(claims(client, sid="' OR true --")),
    "cut": lambda client: sign(claims(client))[:-2],
    "no token": lambda client: "abc",
    "empty": lambda client: "",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_token_that_is_not_ours_is_refused(client: FlaskClient, forgery: str) -> None:
    """401, with the reason in a sentence and nothing of the inside."""
    assert client.get(f"{V1}/pacientes", headers=bearer(sign(claims(client)))).status_code == 200
    answer = client.get(f"{V1}/pacientes", headers=bearer(FORGERIES[forgery](client)))
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"


def test_token_with_changed_claims_is_refused(client: FlaskClient) -> None:
    """A patient who makes himself an administrator has a signature that does not fit."""
    head, body, signature = session(client, PATIENT)["token"].split(".")
    said = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps(said | {"rol": "administrador"}).encode()).rstrip(b"=").decode()
    assert client.get(f"{V1}/pacientes", headers=bearer(f"{head}.{forged}.{signature}")).status_code == 401


def test_patient_reads_his_own_cedula_and_no_other(client: FlaskClient) -> None:
    """Another's record, consultations, history and accesses: 403 each."""
    patient = log_in(client, "paciente")
    for what in ("", "/consultas", "/historia", "/accesos", "/consultas/6f9619ff-8b86-4d01-b42d-00cf4fc964ff"):
        assert client.get(f"{V1}/pacientes/{PATIENT}{what}", headers=patient).status_code == 200
        assert client.get(f"{V1}/pacientes/{OTHER}{what}", headers=patient).status_code == 403


def test_keys_rotate_without_a_restart(client: FlaskClient, keys: Path) -> None:
    """A new first key signs, the old one is believed until its line is taken away."""
    old = log_in(client, "medico")
    newer = "a newer key of this lab, which no log shows"
    keys.write_text(f"{newer}\n{KEY}\n")
    new = log_in(client, "medico")
    assert old != new
    assert [client.get(f"{V1}/medicos", headers=each).status_code for each in (old, new)] == [200, 200]
    keys.write_text(f"{newer}\n")
    assert [client.get(f"{V1}/medicos", headers=each).status_code for each in (old, new)] == [401, 200]


def test_idempotency_key_belongs_to_a_person(client: FlaskClient) -> None:
    """What one has registered is not told to another who uses the same value."""
    nurse, admin = log_in(client, "admisionista"), log_in(client, "administrador")
    new, key = {"cedula": "30009", **DATA}, {"Idempotency-Key": "k"}
    answers = [client.post(f"{V1}/pacientes", json=new, headers=who | key) for who in (nurse, nurse, admin)]
    assert [answer.status_code for answer in answers] == [201, 201, 409]


@pytest.mark.parametrize(
    "content", [None, b"", b"short\n", "una clave con eñe que es bastante larga\n".encode("latin-1")]
)
def test_keys_that_are_spoilt_while_it_runs_end_nothing(
    client: FlaskClient, keys: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The file of before goes on to hold, and the log says so once."""
    header = log_in(client, "medico")
    if content is None:
        keys.unlink()
    else:
        keys.write_bytes(content)
    assert [client.get(f"{V1}/medicos", headers=header).status_code for _ in range(3)] == [200] * 3
    assert [each.getMessage() for each in caplog.records if "claves de firma" in each.getMessage()] == [
        "Las claves de firma no sirven; siguen valiendo las anteriores."
    ]


# ---------------------------------------------------------------- sessions


def test_logging_out_ends_the_token_at_once(client: FlaskClient) -> None:
    """Revoked: refused though its time is not over, and its refresh with it."""
    opened = session(client, USERS["medico"])
    header = bearer(opened["token"])
    assert client.delete(f"{V1}/sesiones/actual", headers=header).status_code == 204
    for path in ("pacientes", "sesiones/actual"):
        assert client.get(f"{V1}/{path}", headers=header).status_code == 401
    assert client.post(f"{V1}/sesiones/renovacion", json={"refresco": opened["refresco"]}).status_code == 401


def test_a_closed_session_reads_nothing_by_any_route(client: FlaskClient) -> None:
    """Each operation that reads, of the description; the lesson's queries, too."""
    header = log_in(client, "administrador")
    routes = [
        address(path, PATIENT)
        for path, operations in client.get(f"{V1}/openapi.json").get_json()["paths"].items()
        if "get" in operations
    ]
    routes += [f"{V1}/cluster/where?cedula={PATIENT}", f"{V1}/cluster/explain?consulta=paciente"]
    routes.remove(f"{V1}/cluster/where")  # it needs a document
    client.delete(f"{V1}/sesiones/actual", headers=header)
    assert len(routes) > 12
    assert {path: client.get(path, headers=header).status_code for path in routes} == dict.fromkeys(routes, 401)


def test_closed_session_learns_nothing_and_leaves_nothing(client: FlaskClient, rules: Lab) -> None:
    """Its questions travel with the look at the session: neither what is there nor what is not gets out."""
    header = log_in(client, "medico")
    client.delete(f"{V1}/sesiones/actual", headers=header)
    for path in (PATIENT, "99999", f"{PATIENT}/historia", "99999/historia", f"{PATIENT}/consultas", "99999/consultas"):
        answer = client.get(f"{V1}/pacientes/{path}", headers=header)
        assert answer.status_code == 401, path
        assert answer.get_json()["detail"].startswith("La sesión se cerró."), path
    assert rules.value("SELECT count(*) FROM accesos") == 0


def test_closed_session_writes_nothing(client: FlaskClient, app: Flask, rules: Lab) -> None:
    """Though what is written travels with the look at the session, and though nobody looks at its answer."""
    header = log_in(client, "medico")
    client.delete(f"{V1}/sesiones/actual", headers=header)
    before = rules.value("SELECT count(*) FROM consultas")
    assert client.post(f"{V1}/pacientes/{PATIENT}/consultas", json=CONSULTATION, headers=header).status_code == 401
    assert rules.value("SELECT count(*) FROM consultas") == before

    @in_transaction
    def hire(transaction: Transaction) -> None:
        doctor = schemas.MedicoDatos(nombre="N", especialidad="E", registro="R", ciudad="C")
        MEDICO.write(transaction, "insert", doctor.model_dump())

    with app.test_request_context():
        g.on_behalf = on_behalf_of(Person("1", "administrador", None, str(uuid4())))
        with pytest.raises(SessionClosedError):
            hire()
    assert rules.value("SELECT count(*) FROM medicos WHERE registro = 'R'") == 0


def test_refresh_is_used_up_and_a_stolen_one_ends_the_session(client: FlaskClient) -> None:
    """It gives a new token and a new refresh; who uses the old one again ends both."""
    opened = session(client, USERS["medico"])
    renewed = client.post(f"{V1}/sesiones/renovacion", json={"refresco": opened["refresco"]}).get_json()
    header = bearer(renewed["token"])
    assert client.get(f"{V1}/pacientes", headers=header).status_code == 200
    assert client.post(f"{V1}/sesiones/renovacion", json={"refresco": opened["refresco"]}).status_code == 401
    assert client.get(f"{V1}/pacientes", headers=header).status_code == 401
    assert client.post(f"{V1}/sesiones/renovacion", json={"refresco": renewed["refresco"]}).status_code == 401


# What ends a right, while its owner's password is being compared.
MEANWHILE = {
    "password": "UPDATE usuario SET clave_hash = 'another' WHERE documento_id = %s",
    "role": "UPDATE usuario SET rol = 'paciente' WHERE documento_id = %s",
    "retirement": "UPDATE usuario SET activo = false WHERE documento_id = %s",
    "retirement of the doctor": "UPDATE medicos SET activo = false WHERE id = (SELECT medico_id FROM usuario WHERE documento_id = %s)",
}


@pytest.mark.parametrize("end", MEANWHILE)
def test_what_ends_a_right_ends_a_log_in_that_is_under_way(
    client: FlaskClient, rules: Lab, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password was right when it was compared: what it opened is not there any more."""
    compare = passwords.matches

    def matches(password: str, kept: str | None) -> bool:
        rules.admin.execute(MEANWHILE[end], [USERS["medico"]])
        return compare(password, kept)

    monkeypatch.setattr(passwords, "matches", matches)
    answer = client.post(f"{V1}/sesiones", json={"documento_id": USERS["medico"], "clave": WORD})
    assert answer.status_code == 401
    assert rules.value("SELECT count(*) FROM lab.sesiones") == 0


def test_a_refresh_that_was_never_given_ends_nobodys_session(client: FlaskClient) -> None:
    """The identifier of a session is no secret: who knows it alone can do nothing to it."""
    opened = session(client, USERS["medico"])
    name, _, secret = opened["refresco"].partition(".")
    other = session(client, USERS["medico"])["refresco"].partition(".")[2]  # ours, of another session
    for wrong in (secret[::-1], "A" * 43, other):
        assert client.post(f"{V1}/sesiones/renovacion", json={"refresco": f"{name}.{wrong}"}).status_code == 401
    assert client.get(f"{V1}/pacientes", headers=bearer(opened["token"])).status_code == 200
    assert client.post(f"{V1}/sesiones/renovacion", json={"refresco": opened["refresco"]}).status_code == 200


def test_session_is_not_used_past_its_end(client: FlaskClient, rules: Lab) -> None:
    """Twelve hours after logging in one logs in again."""
    opened = session(client, USERS["medico"])
    rules.admin.execute("UPDATE lab.sesiones SET vence_en = now()")
    assert client.get(f"{V1}/pacientes", headers=bearer(opened["token"])).status_code == 401
    assert client.post(f"{V1}/sesiones/renovacion", json={"refresco": opened["refresco"]}).status_code == 401


@pytest.mark.parametrize("change", ["role", "retired", "password"])
def test_change_of_a_user_ends_his_sessions(client: FlaskClient, change: str) -> None:
    """Another role, another password, or no user any more: what he holds is worth nothing."""
    admin, nurse = log_in(client, "administrador"), log_in(client, "admisionista")
    address = f"{V1}/usuarios/{USERS['admisionista']}"
    assert client.get(f"{V1}/pacientes", headers=nurse).status_code == 200
    if change == "role":
        answer = client.patch(address, json={"rol": "resultados"}, headers=admin | {"If-Match": "*"})
    elif change == "retired":
        answer = client.delete(address, headers=admin)
    else:
        answer = client.put(f"{address}/clave", json={"clave": "another password"}, headers=admin)
    assert answer.status_code in (200, 204)
    assert client.get(f"{V1}/pacientes", headers=nurse).status_code == 401


# Ways to retire doctor 7.
RETIREMENTS: dict[str, Callable[[FlaskClient, dict[str, str]], TestResponse]] = {
    "DELETE": lambda client, admin: client.delete(f"{V1}/medicos/7", headers=admin),
    "PATCH": lambda client, admin: client.patch(f"{V1}/medicos/7", json={"activo": False}, headers=admin | {"If-Match": "*"}),
    "PUT": lambda client, admin: client.put(
        f"{V1}/medicos/7", headers=admin | {"If-Match": "*"},
        json={"nombre": "Rosa", "especialidad": "Pediatría", "registro": "RM-7", "ciudad": "Pasto", "activo": False},
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", RETIREMENTS)
def test_retiring_a_doctor_ends_what_his_user_could(client: FlaskClient, rules: Lab, how: str) -> None:
    """On every route at once, and he does not come back before the doctor does. Other users go on."""
    admin, nurse, doctor = (
        log_in(client, "administrador"),
        log_in(client, "admisionista"),
        session(client, USERS["medico"]),
    )
    header = bearer(doctor["token"])
    routes = ("pacientes", f"pacientes/{PATIENT}", "medicos", "sesiones/actual", "cluster/where?cedula=30000")
    assert {client.get(f"{V1}/{route}", headers=header).status_code for route in routes} == {200}
    assert RETIREMENTS[how](client, admin).status_code in (200, 204)
    assert {client.get(f"{V1}/{route}", headers=header).status_code for route in routes} == {401}
    assert client.post(f"{V1}/sesiones/renovacion", json={"refresco": doctor["refresco"]}).status_code == 401
    body = {"documento_id": USERS["medico"], "clave": WORD}
    assert client.post(f"{V1}/sesiones", json=body).status_code == 401
    assert client.get(f"{V1}/pacientes", headers=nurse).status_code == 200
    with pytest.raises(
        SystemExit, match=rf"The doctor that the user {USERS['medico']} is is retired.* PATCH /api/v1/medicos/7"
    ):
        first_login.main([USERS["medico"]])
    client.patch(f"{V1}/medicos/7", json={"activo": True}, headers=admin | {"If-Match": "*"})
    assert client.get(f"{V1}/pacientes", headers=header).status_code == 401
    assert client.post(f"{V1}/sesiones", json=body).status_code == 201


def test_retiring_a_doctor_waits_for_a_log_in_that_is_under_way(
    client: FlaskClient, rules: Lab, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it opens a moment later is closed, too: it is not the last who wins."""
    admin, start = log_in(client, "administrador"), sessions.start
    with ThreadPoolExecutor(1) as threads:

        def started(*arguments: Any) -> dict[str, Any]:
            """Go on once the retirement waits for the user, who is locked here."""
            retired.append(threads.submit(RETIREMENTS["DELETE"], app.test_client(), admin))
            wait_until(lambda: rules.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
            return start(*arguments)

        retired: list[Future[TestResponse]] = []
        monkeypatch.setattr(sessions, "start", started)
        opened = session(client, USERS["medico"])
        assert retired[0].result().status_code == 204
    assert client.get(f"{V1}/pacientes", headers=bearer(opened["token"])).status_code == 401


def test_own_password_is_changed_with_the_old_one(client: FlaskClient) -> None:
    """Who finds an open session cannot take the user over."""
    header = log_in(client, "resultados")
    address = f"{V1}/usuarios/{USERS['resultados']}/clave"
    for wrong in ({}, {"clave_actual": "wrong"}):
        assert client.put(address, json={"clave": "another password"} | wrong, headers=header).status_code == 401
    body = {"clave": "another password", "clave_actual": WORD}
    assert client.put(address, json=body, headers=header).status_code == 204
    assert session(client, USERS["resultados"], "another password")["rol"] == "resultados"


# ---------------------------------------------------------------- logging in


def refusals(client: FlaskClient, rules: Lab) -> dict[str, tuple[TestResponse, float]]:
    """Fail to log in, each time for another reason; return the answers and the seconds."""
    rules.admin.execute("INSERT INTO usuario VALUES ('40001', 'Sin clave', 30, 'medico', NULL, true)")
    rules.admin.execute("INSERT INTO usuario VALUES ('40002', 'Retirado', 30, 'medico', %s, false)", [HASH])
    cases = {
        "nobody": ("40000", WORD),
        "no password": ("40001", WORD),
        "retired": ("40002", WORD),
        "wrong": (USERS["medico"], "wrong"),
    }
    found = {}
    for name, (document, word) in cases.items():
        times = []
        for _ in range(4):
            before = time.perf_counter()
            answer = client.post(f"{V1}/sesiones", json={"documento_id": document, "clave": word})
            times.append(time.perf_counter() - before)
        found[name] = (answer, median(times))
    return found


def test_log_in_tells_nobody_who_there_is(client: FlaskClient, rules: Lab) -> None:
    """No user, no password, a retired one, a wrong password: the same answer after as long."""
    found = refusals(client, rules)
    assert {answer.status_code for answer, _ in found.values()} == {401}
    assert len({answer.data for answer, _ in found.values()}) == 1
    times = [seconds for _, seconds in found.values()]
    assert max(times) < 3 * min(times)


def test_log_shows_no_secret(rules: Lab, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> None:
    """Neither passwords nor tokens nor keys, however logging in ends."""
    client = request.getfixturevalue("client")
    opened = session(client, USERS["medico"])
    client.post(f"{V1}/sesiones", json={"documento_id": USERS["medico"], "clave": "a wrong secret"})
    client.get(f"{V1}/pacientes", headers=bearer(opened["token"]))
    client.get(f"{V1}/pacientes", headers=bearer(opened["token"] + "x"))
    client.post(f"{V1}/sesiones/renovacion", json={"refresco": opened["refresco"]})
    rules.admin.execute("DROP TABLE lab.sesiones")
    assert client.get(f"{V1}/pacientes", headers=bearer(opened["token"])).status_code == 503
    log = "".join(capfd.readouterr())
    assert "Usuario" in log
    for secret in (WORD, "a wrong secret", KEY, PASSWORD, opened["token"], opened["refresco"].partition(".")[2], HASH):
        assert secret not in log


def test_first_log_in_gives_a_password_and_a_token(
    rules: Lab, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    """The seed's user gets a password; a document that is nobody's becomes the administrator."""
    client = request.getfixturevalue("client")
    for document, role in (("1078912345", "admisionista"), ("50000", "administrador")):
        assert first_login.main([document]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["rol"] == role
        assert client.get(f"{V1}/sesiones/actual", headers=bearer(told["token"])).get_json()["rol"] == role
        assert session(client, document, told["clave"])["rol"] == role


def test_first_log_in_of_a_retired_user_is_refused(rules: Lab, request: pytest.FixtureRequest) -> None:
    """No password would let him in: it says so, and with what an administrator takes him back."""
    request.getfixturevalue("client")
    rules.admin.execute("UPDATE usuario SET activo = false WHERE documento_id = '1078912345'")
    with pytest.raises(SystemExit, match=r"1078912345 is retired.* PATCH /api/v1/usuarios/1078912345"):
        first_login.main(["1078912345"])
    assert rules.value("SELECT clave_hash IS NULL FROM usuario WHERE documento_id = '1078912345'")


def test_many_log_in_at_once(client: FlaskClient, app: Flask) -> None:
    """Hashes are made a few at a time, and everybody gets in."""

    def enter(role: str) -> int:
        body = {"documento_id": USERS[role], "clave": WORD}
        return app.test_client().post(f"{V1}/sesiones", json=body).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(enter, ROLES * 2)) == {201}


# ---------------------------------------------------------------- twice


@pytest.fixture
def database(rules: Lab) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Give a connection of the login that the service has while the rules hold."""
    with psycopg.connect(
        host="127.0.0.1", port=rules.server.port, dbname=rules.database, user="api", password=PASSWORD, autocommit=True
    ) as connection:
        yield connection


def test_database_shows_nothing_to_who_does_not_say_for_whom(database: psycopg.Connection[tuple[Any, ...]]) -> None:
    """A statement that escaped the service's transaction finds no patient."""
    for table in ("pacientes", "consultas", "accesos", "solicitudes"):
        assert database.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)


def test_service_says_for_whom_in_every_transaction(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the service's own check to fail, a patient would still see himself alone, and write nothing."""
    patient = log_in(client, "paciente")
    monkeypatch.setattr("historia_clinica.permissions.require", lambda *_: None)
    assert client.get(f"{V1}/pacientes/{PATIENT}", headers=patient).get_json()["cedula"] == PATIENT
    search = client.get(f"{V1}/pacientes", headers=patient)  # of which he could keep nothing
    assert (search.status_code, "pacientes" in search.get_json()) == (500, False)
    assert client.get(f"{V1}/pacientes/{OTHER}/historia", headers=patient).status_code == 404
    assert client.put(f"{V1}/pacientes/77777", json=DATA, headers=patient).status_code == 500


def test_settings_do_not_stay_on_the_connection(client: FlaskClient, app: Flask) -> None:
    """The next request on the same connection is somebody else's."""
    client.get(f"{V1}/pacientes", headers=log_in(client, "administrador"))
    with app.extensions["database"].connection() as connection:
        assert connection.execute("SELECT current_setting('historia.persona', true) AS rol").fetchone()["rol"] in (
            None,
            "",
        )
        assert connection.execute("SELECT count(*) AS n FROM pacientes").fetchone()["n"] == 0


def test_lifted_rules_need_nobodys_name(lab: Lab, request: pytest.FixtureRequest) -> None:
    """access open: no token, and no claim to know who asks."""
    client = request.getfixturevalue("app").test_client()
    assert client.get(f"{V1}/pacientes").status_code == 200
    assert client.get(f"{V1}/sesiones/actual").get_json()["acceso"] == "open"


def test_service_does_not_start_with_keys_that_are_none(
    rules: Lab, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short or missing secret is said at the start, with its file and what it has to hold."""
    for name, value in rules.environment.items():
        monkeypatch.setenv(name, value)
    for text in ("", "short\n"):
        keys.write_text(text)
        with pytest.raises(ConfigurationError, match=r"signing\.keys: each line has to hold a secret of 32"):
            create_app()
    keys.write_bytes("una clave con eñe que es bastante larga\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"cannot be read from .*signing\.keys"):
        create_app()


def test_person_of_a_token_is_never_sql() -> None:
    """What goes into SET LOCAL is letters, digits and hyphens."""
    session = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
    assert on_behalf_of(Person("1", "medico", "7", session)).setting == b"SET LOCAL historia.persona = 'medico/1/7'"
    for document, doctor, opened in (
        ("1'", "7", session),
        ("1", "7;", session),
        ("1/2", "7", session),
        ("1", "7", "x"),
    ):
        person = Person(document, "medico", doctor, opened)
        with pytest.raises(ProblemError):
            on_behalf_of(person)
