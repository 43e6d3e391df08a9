"""Who read or changed what, when and why: each route that shows or changes clinical data leaves a row, and no other does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from conftest import Lab
from flask import Flask
from flask.testing import FlaskClient
from people import CONSULTATION, DATA, OTHER, PATIENT, USERS, V1, log_in

CONSULTA = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
NEW_CONSULTA = "11111111-8b86-4d01-b42d-00cf4fc964ff"
REGISTERS = ("accesos", "accesos_paginas", "cambios")
#: What is clinical data, as OpenAPI calls it: a route whose answer has any of it leaves a row.
CLINICAL = {"Paciente", "Consulta", "ConsultaConMedico", "Cambio"}


class Route(NamedTuple):
    """A route, the row that it leaves, and how it is asked."""

    method: str
    path: str
    register: str | None  # where its row is; None: it shows and changes nothing clinical
    action: str = ""
    body: dict[str, Any] | None = None
    role: str = "administrador"

    @property
    def address(self) -> str:
        """The address of what the fixture `rules` has, or could have."""
        consulta = NEW_CONSULTA if self.action == "registro" else CONSULTA
        cedula = "30007" if self.action == "registro" and self.path == "/pacientes/{cedula}" else PATIENT
        return V1 + self.path.format(cedula=cedula, consulta_id=consulta)


ONE, CONSULTATIONS = "/pacientes/{cedula}", "/pacientes/{cedula}/consultas"
ROUTES = [
    Route("GET", "/pacientes", "accesos_paginas", "pacientes"),
    Route("POST", "/pacientes", "cambios", "registro", {"cedula": "30008", **DATA}),
    Route("POST", "/importaciones", "cambios", "registro", {"filas": [{"paciente": {"cedula": "30009", **DATA}}]}),
    Route("GET", ONE, "accesos", "paciente"),
    Route("PUT", ONE, "cambios", "registro", DATA),
    Route("PUT", ONE, "cambios", "reemplazo", DATA),
    Route("PATCH", ONE, "cambios", "cambio", {"ciudad": "Pasto"}),
    Route("GET", f"{ONE}/historia", "accesos", "historia"),
    Route("GET", f"{ONE}/cambios", "accesos", "cambios"),
    Route("GET", f"{ONE}/accesos", None),
    Route("GET", "/accesos/paginas", None),
    Route("GET", "/consultas", "accesos_paginas", "consultas"),
    Route("GET", CONSULTATIONS, "accesos", "consultas"),
    Route("POST", CONSULTATIONS, "cambios", "registro", CONSULTATION),
    Route("GET", f"{CONSULTATIONS}/{{consulta_id}}", "accesos", "consulta"),
    Route("PUT", f"{CONSULTATIONS}/{{consulta_id}}", "cambios", "registro", CONSULTATION),
    Route("PUT", f"{CONSULTATIONS}/{{consulta_id}}", "cambios", "reemplazo", CONSULTATION | {"medico_id": "8"}),
    Route("PATCH", f"{CONSULTATIONS}/{{consulta_id}}", "cambios", "cambio", {"motivo": "Fiebre"}),
]
LEAVING = [route for route in ROUTES if route.register]
#: Those about doctors, the lists of the country and the world, users, sessions and the database: nothing of them is a patient's.
OTHER_TAGS = {"Médicos", "Municipios", "Diagnósticos", "Usuarios", "Sesiones", "Clúster"}


@pytest.fixture
def client(rules: Lab, app: Flask) -> FlaskClient:
    """Give a client of the service whose rules hold."""
    return app.test_client()


def counted(lab: Lab) -> dict[str, int]:
    """How many rows each register has."""
    return {name: lab.value(f"SELECT count(*) FROM {name}") for name in REGISTERS}


def ask(client: FlaskClient, route: Route, headers: dict[str, str]) -> int:
    """Ask for what the route serves, having seen what is there; return the status."""
    seen = {} if route.action == "registro" or route.method == "GET" else {"If-Match": "*"}
    answer = client.open(route.address, method=route.method, json=route.body, headers=headers | seen)
    return answer.status_code


# ---------------------------------------------------------------- every route


def operations(client: FlaskClient) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Each operation of the description: its method, its path after the prefix, itself, and all schemas."""
    described = client.get(f"{V1}/openapi.json").get_json()
    for path, found in described["paths"].items():
        for method, operation in found.items():
            yield method.upper(), path.removeprefix(V1), operation, described["components"]["schemas"]


def shown(part: Any, schemas: dict[str, Any]) -> set[str]:
    """The names of the schemas that a part of the description refers to, directly or not."""
    if isinstance(part, list):
        return set().union(*(shown(each, schemas) for each in part))
    if not isinstance(part, dict):
        return set()
    name = str(part.get("$ref", "")).rpartition("/")[2]
    inside = {name} | shown(schemas[name], schemas) if name else set()
    return inside.union(*(shown(each, schemas) for key, each in part.items() if key != "$ref"))


def test_every_route_is_listed_with_the_row_that_it_leaves(client: FlaskClient) -> None:
    """A new one fails here until ROUTES says what it leaves; what answers with patients or consultations leaves something."""
    listed = {(route.method, route.path): route.register for route in ROUTES}
    found = 0
    for method, path, operation, schemas in operations(client):
        found += 1
        register = operation.get("x-registro")
        assert shown(operation["responses"], schemas).isdisjoint(CLINICAL) or register, f"{method} {path} leaves no row"
        if operation["tags"][0] in OTHER_TAGS:
            assert register is None, f"{method} {path}"
            continue
        assert (method, path) in listed, f"say in ROUTES which row {method} {path} leaves"
        assert register == listed.pop((method, path)), f"{method} {path}"
    assert not listed
    assert found > 30


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path} {route.action}")
def test_route_leaves_its_row_and_no_other(client: FlaskClient, rules: Lab, route: Route) -> None:
    """One row for each time, of whoever asked, with what he did and why he says that he did it."""
    header = log_in(client, route.role)
    before = counted(rules)
    assert ask(client, route, header | {"Motivo": "Control anual"}) in (200, 201)
    assert counted(rules) == before | ({route.register: before[route.register] + 1} if route.register else {})
    if route.register:
        [kept] = rules.rows(f"SELECT documento_id, rol, accion, motivo FROM {route.register}")
        assert kept == (USERS[route.role], route.role, route.action, "Control anual")


@pytest.mark.parametrize("route", LEAVING, ids=lambda route: f"{route.method} {route.path} {route.action}")
def test_nothing_is_shown_or_changed_where_that_cannot_be_kept(client: FlaskClient, rules: Lab, route: Route) -> None:
    """One transaction: no row, no answer, no change."""
    header = log_in(client, route.role)
    rules.admin.execute(f"ALTER TABLE {route.register} ADD CONSTRAINT never CHECK (accion = '')")
    state = "SELECT (SELECT json_agg(p ORDER BY cedula) FROM pacientes p), (SELECT json_agg(c ORDER BY paciente_id, id) FROM consultas c)"
    before = rules.rows(state)
    assert ask(client, route, header) == 422
    assert rules.rows(state) == before
    assert counted(rules) == dict.fromkeys(REGISTERS, 0)


REFUSED = {
    "nobody's record": ("GET", "/pacientes/99999", None, {}, 404),
    "nobody's history": ("GET", "/pacientes/99999/historia", None, {}, 404),
    "nobody's consultations": ("GET", "/pacientes/99999/consultas", None, {}, 404),
    "a consultation that is none": ("GET", f"/pacientes/{PATIENT}/consultas/{NEW_CONSULTA}", None, {}, 404),
    "a change of nobody": ("PATCH", "/pacientes/99999", {"ciudad": "x"}, {"If-Match": "*"}, 404),
    "a change of what was not seen": ("PATCH", f"/pacientes/{PATIENT}", {"ciudad": "x"}, {"If-Match": '"old"'}, 412),
    "a change that cannot be": ("PATCH", f"/pacientes/{PATIENT}", {"ciudad": None}, {"If-Match": "*"}, 422),
    "somebody who is there": ("POST", "/pacientes", {"cedula": OTHER, **DATA}, {}, 409),
    "a consultation of nobody": ("POST", "/pacientes/99999/consultas", CONSULTATION, {}, 404),
    "a search that is none": ("GET", "/pacientes?limite=0", None, {}, 422),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_nothing(client: FlaskClient, rules: Lab, case: str) -> None:
    """Nothing was shown, and nothing changed."""
    method, path, body, headers, status = REFUSED[case]
    answer = client.open(V1 + path, method=method, json=body, headers=log_in(client, "administrador") | headers)
    assert answer.status_code == status, answer.text
    assert counted(rules) == dict.fromkeys(REGISTERS, 0)


# ---------------------------------------------------------------- what is kept


def test_change_keeps_what_was_there(client: FlaskClient, rules: Lab) -> None:
    """Each state of a record is in the row of the change that ended it; the patient reads all of them, the newest first."""
    admin = log_in(client, "administrador")
    address, match = f"{V1}/pacientes/{PATIENT}", {"If-Match": "*"}
    there = client.get(address, headers=admin).get_json()
    changed = client.patch(address, json={"ciudad": "Pasto"}, headers=admin | match).get_json()
    client.put(address, json=DATA, headers=admin | match)
    consulta = client.get(f"{address}/consultas/{CONSULTA}", headers=admin).get_json()
    client.patch(f"{address}/consultas/{CONSULTA}", json={"motivo": "Fiebre"}, headers=admin | match)
    client.post(f"{address}/consultas", json=CONSULTATION, headers=log_in(client, "medico"))
    patient = log_in(client, "paciente")
    answer = client.get(f"{address}/cambios?limite=3", headers=patient)
    found = answer.get_json()["cambios"]
    link = answer.headers["Link"].removeprefix("<").partition(">")[0]
    found += client.get(link, headers=patient).get_json()["cambios"]
    new = found[0]
    assert [(each["tabla"], each["fila"], each["accion"], each["antes"]) for each in found] == [
        ("consultas", new["fila"], "registro", None),
        ("consultas", CONSULTA, "cambio", consulta),
        ("pacientes", PATIENT, "reemplazo", changed),
        ("pacientes", PATIENT, "cambio", there),
    ]
    assert {each["documento_id"] for each in found} == {USERS["administrador"], USERS["medico"]}
    assert rules.value("SELECT count(*) FROM consultas WHERE id = %s", new["fila"]) == 1
    assert client.get(f"{V1}/pacientes/{OTHER}/cambios", headers=patient).status_code == 403


def test_page_keeps_whom_it_showed_and_nobody_else(client: FlaskClient) -> None:
    """Not the row that only tells of a next page; each of a patient's consultations, and each patient once."""
    doctor, admin = log_in(client, "medico"), log_in(client, "administrador")
    client.get(f"{V1}/pacientes?limite=1", headers=doctor)
    client.post(f"{V1}/pacientes/{OTHER}/consultas", json=CONSULTATION, headers=doctor)
    of_other = client.get(f"{V1}/consultas?medico_id=7", headers=doctor).get_json()["consultas"]
    client.get(f"{V1}/consultas", headers=doctor)
    client.get(f"{V1}/pacientes?ciudad=Nadie", headers=doctor)
    found = client.get(f"{V1}/accesos/paginas", headers=admin).get_json()["paginas"]
    assert [(each["accion"], each["pacientes"], len(each["consultas"] or "")) for each in found] == [
        ("pacientes", [], 0),
        ("consultas", [PATIENT, OTHER], 3),
        ("consultas", [OTHER], 1),
        ("pacientes", [PATIENT], 0),
    ]
    assert found[2]["consultas"] == [each["id"] for each in of_other]
    assert {(each["documento_id"], each["motivo"]) for each in found} == {(USERS["medico"], "atención")}
    for asked, number in ((f"cedula={PATIENT}", 2), (f"documento_id={USERS['medico']}", 4), ("documento_id=99999", 0)):
        pages = client.get(f"{V1}/accesos/paginas?{asked}", headers=admin).get_json()["paginas"]
        assert len(pages) == number, asked
    first = client.get(f"{V1}/accesos/paginas?limite=3", headers=admin)
    link = first.headers["Link"].removeprefix("<").partition(">")[0]
    assert first.get_json()["paginas"] + client.get(link, headers=admin).get_json()["paginas"] == found


def test_what_is_shown_again_is_kept_again(client: FlaskClient, rules: Lab) -> None:
    """A request that is repeated with its key registers nothing, and shows the patient."""
    admin = log_in(client, "administrador") | {"Idempotency-Key": "k"}
    for _ in range(2):
        assert client.post(f"{V1}/pacientes", json={"cedula": "30008", **DATA}, headers=admin).status_code == 201
    for _ in range(2):
        client.post(f"{V1}/pacientes/30008/consultas", json=CONSULTATION, headers=admin)
    assert rules.rows("SELECT tabla, accion FROM cambios ORDER BY momento") == [
        ("pacientes", "registro"),
        ("consultas", "registro"),
    ]
    assert rules.rows("SELECT accion FROM accesos ORDER BY momento") == [("paciente",), ("consulta",)]


def test_reading_a_history_is_kept_with_who_and_why(client: FlaskClient) -> None:
    """A reason can stand in the address, too, where a header cannot be given; the patient sees who read, the newest first."""
    doctor = log_in(client, "medico")
    client.get(f"{V1}/pacientes/{PATIENT}/historia?motivo=Control%20de%20presi%C3%B3n", headers=doctor)
    client.get(f"{V1}/pacientes/{PATIENT}/consultas", headers=doctor)
    client.get(f"{V1}/pacientes/{PATIENT}/consultas/{CONSULTA}", headers=doctor)
    answer = client.get(f"{V1}/pacientes/{PATIENT}/accesos?limite=2", headers=log_in(client, "paciente"))
    found = answer.get_json()["accesos"]
    link = answer.headers["Link"].removeprefix("<").partition(">")[0]
    found += client.get(link, headers=log_in(client, "paciente")).get_json()["accesos"]
    assert [(each["accion"], each["motivo"]) for each in found] == [
        ("consulta", "atención"),
        ("consultas", "atención"),
        ("historia", "Control de presión"),
    ]
    assert {(each["documento_id"], each["rol"]) for each in found} == {(USERS["medico"], "medico")}


# Bytes of the header -> the reason that is kept; None: it is refused.
REASONS: dict[bytes, str | None] = {
    "Control de presión".encode(): "Control de presión",
    "Control de presión".encode("latin-1"): "Control de presión",
    "“Por teléfono” — 2.ª vez".encode(): "“Por teléfono” — 2.ª vez",
    b"x" * 200: "x" * 200,
    b"x" * 201: None,
    b"": None,
    b"a\tb": None,
    b"a\x85b": None,
}


@pytest.mark.parametrize("sent", REASONS, ids=range(len(REASONS)))
def test_reason_is_kept_as_it_was_meant(client: FlaskClient, rules: Lab, sent: bytes) -> None:
    """In UTF-8 as curl sends it, in Latin-1 as browsers do; what is no reason is told as such, and nothing is shown."""
    reason = REASONS[sent]
    header = log_in(client, "medico") | {"Motivo": sent.decode("latin-1")}
    answer = client.get(f"{V1}/pacientes/{PATIENT}", headers=header)
    assert answer.status_code == (422 if reason is None else 200), answer.text
    assert rules.rows("SELECT motivo FROM accesos") == ([] if reason is None else [(reason,)])
    if reason is None:
        assert answer.get_json()["campo"] == "Motivo"


def test_change_without_a_reason_says_what_was_done(client: FlaskClient, rules: Lab) -> None:
    """The name of the operation stands for it."""
    client.patch(
        f"{V1}/pacientes/{PATIENT}",
        json={"ciudad": "Pasto"},
        headers=log_in(client, "admisionista") | {"If-Match": "*"},
    )
    assert rules.rows("SELECT accion, motivo FROM cambios") == [("cambio", "cambio")]


def test_nothing_is_kept_of_nobody(lab: Lab, request: pytest.FixtureRequest) -> None:
    """While the rules are lifted nobody has said who he is."""
    client = request.getfixturevalue("app").test_client()
    assert client.put(f"{V1}/pacientes/30007", json=DATA).status_code == 201
    assert client.get(f"{V1}/pacientes").status_code == 200
    assert client.get(f"{V1}/pacientes/30007").status_code == 200
    assert counted(lab) == dict.fromkeys(REGISTERS, 0)
