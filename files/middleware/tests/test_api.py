"""The clinical history under /api/v1: what it gives, what it takes, and what it refuses."""

from __future__ import annotations

import json
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from conftest import Lab
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from historia_clinica import documents, names

V1 = "/api/v1"
Form = Literal["NFC", "NFD"]
PROBLEM = "application/problem+json"
DOCTOR = {"nombre": "Ángela Núñez", "especialidad": "Pediatría", "registro": "RM-1", "ciudad": "Popayán"}
PATIENT = {
    "nombre": "José",
    "apellido": "Ibáñez Ñáñez",
    "fecha_nacimiento": "1985-03-21",
    "sexo": "M",
    "ciudad": "Pasto",
    "telefono": "3001234567",
}
CONSULTATION = {"medico_id": "7", "motivo": "Tos", "codigo_cie10": "J06.9", "diagnostico": "Infección respiratoria"}


@pytest.fixture(autouse=True)
def people(lab: Lab) -> None:
    """Two doctors, one of them retired, and three patients with two consultations each."""
    lab.admin.execute(
        "INSERT INTO medicos (id, nombre, especialidad, registro, ciudad, activo) VALUES"
        " (7, 'Rosa', 'Pediatría', 'RM-7', 'Pasto', true), (8, 'Hugo', 'Cirugía', 'RM-8', 'Cali', false)"
    )
    lab.admin.execute(
        "INSERT INTO pacientes (cedula, nombre, primer_nombre, segundo_nombre, apellido, primer_apellido, fecha_nacimiento, sexo, ciudad,"
        "                       codigo_municipio, nacionalidad)"
        " SELECT 10000 + n, 'Persona ' || n, 'Persona', n, 'Apellido', 'Apellido', '1990-01-01', 'F',"
        "        (ARRAY['Cali', 'Pasto'])[1 + n %% 2], (ARRAY['76001', '52001'])[1 + n %% 2], '170'"
        "   FROM generate_series(1, %s) n",
        [3],
    )
    lab.admin.execute(
        "INSERT INTO consultas (paciente_id, medico_id, fecha_consulta, motivo, codigo_cie10, diagnostico)"
        " SELECT cedula, 7, timestamptz '2026-01-01 12:00+00' + interval '1 day' * d, 'm', (ARRAY['J069', 'I10X'])[d], 'd'"
        "   FROM pacientes, generate_series(1, 2) d"
    )


def problem(answer: TestResponse, status: int, field: str | None = None) -> dict[str, Any]:
    """Check that the answer is this problem, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == PROBLEM
    body: dict[str, Any] = answer.get_json()
    assert body["status"] == status
    assert body.get("campo") == field
    return body


def following(answer: TestResponse) -> str | None:
    """Return the address of the next page."""
    link = answer.headers.get("Link")
    assert (link is None) == (answer.get_json()["siguiente"] is None)
    return link.removeprefix("<").removesuffix('>; rel="next"') if link else None


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("address", "name", "key"),
    [
        ("/medicos", "medicos", "id"),
        ("/pacientes", "pacientes", "cedula"),
        ("/consultas", "consultas", "id"),
        ("/consultas?ciudad=Pasto&desde=2026-01-01T00:00:00Z", "consultas", "id"),
        ("/pacientes/10001/consultas", "consultas", "id"),
        ("/usuarios", "usuarios", "documento_id"),
        ("/municipios?departamento=amazonas", "municipios", "codigo_municipio"),
        ("/cie10?descripcion=tuberculosis", "diagnosticos", "codigo"),
    ],
)
def test_pages_reach_everything_once(client: FlaskClient, address: str, name: str, key: str) -> None:
    """Pages of one give, in the same order, what one page of everything gives."""
    whole = [each[key] for each in client.get(V1 + address).get_json()[name]]
    assert len(whole) >= 2
    seen = []
    following_page: str | None = f"{V1}{address}{'&' if '?' in address else '?'}limite=1"
    while following_page:
        answer = client.get(following_page)
        seen += [each[key] for each in answer.get_json()[name]]
        following_page = following(answer)
    assert seen == whole


def test_page_is_stable_while_others_write(client: FlaskClient, lab: Lab) -> None:
    """A row that comes in before the page's end neither repeats nor hides one."""
    first = client.get(f"{V1}/pacientes?limite=2")
    lab.admin.execute(
        "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
        " VALUES ('10000', 'n', 'a', '1990-01-01', 'F', 'Cali')"
    )
    second = client.get(following(first) or "")
    assert [each["cedula"] for each in second.get_json()["pacientes"]] == ["10003"]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ("desde=2026-01-03T00:00:00Z", 3),
        ("hasta=2026-01-03T12:00:00%2B00:00", 3),
        ("desde=2026-01-02T07:00:00-05:00&hasta=2026-01-02T07:00:01-05:00", 3),
        ("codigo_cie10=I10", 3),
        ("codigo_cie10=i10.x", 3),
        ("codigo_cie10=J06.9", 3),
        ("ciudad=Pasto", 4),
        ("ciudad=Cali&codigo_cie10=I10&medico_id=7", 1),
        ("medico_id=8", 0),
    ],
)
def test_search_of_consultations_by_its_conditions(client: FlaskClient, conditions: str, expected: int) -> None:
    """Date, doctor, diagnosis and the patient's city, alone and together; dates with their zone."""
    assert len(client.get(f"{V1}/consultas?{conditions}").get_json()["consultas"]) == expected


def test_search_of_patients_by_city(client: FlaskClient) -> None:
    """By the whole name of the city."""
    client.put(f"{V1}/pacientes/10009", json=PATIENT)
    assert len(client.get(f"{V1}/pacientes?ciudad=Pasto").get_json()["pacientes"]) == 3


NUNEZ = "Núñez Ibáñez"
#: Beginnings of family names, and whether they find her.
BEGINNINGS = [
    ("Núñez", True),
    ("Nuñez", True),
    ("nuñez", True),
    ("NÚÑEZ IB", True),
    ("Nunez", True),  # of a keyboard without ñ
    ("nunez ibanez", True),
    ("N", True),
    ("Nú\u200bñez", True),
    ("Ñuñez", False),
    ("Nuñoz", False),
    ("úñez", False),
    ("N.ñez", False),  # no pattern of the caller's
    ("Nuñez%", False),
]


@pytest.mark.parametrize(("beginning", "found"), BEGINNINGS)
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_a_name_is_found_however_it_is_typed(
    client: FlaskClient, lab: Lab, beginning: str, found: bool, stored: Form, asked: Form
) -> None:
    """With accents or without, as one sign or as two, in what is asked and in what somebody else wrote into the table."""
    lab.admin.execute(
        "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
        " VALUES ('10009', 'Eva', %s, '1990-01-01', 'F', 'Cali')",
        [unicodedata.normalize(stored, NUNEZ)],
    )
    answer = client.get(f"{V1}/pacientes", query_string={"apellido": unicodedata.normalize(asked, beginning)})
    assert [each["cedula"] for each in answer.get_json()["pacientes"]] == ["10009"] * found


def test_texts_are_kept_in_one_form(client: FlaskClient, lab: Lab) -> None:
    """A letter and its accent as one sign, whoever sends two."""
    sent = {**PATIENT, "apellido": unicodedata.normalize("NFD", NUNEZ)}
    assert client.put(f"{V1}/pacientes/10009", json=sent).get_json()["apellido"] == NUNEZ
    assert lab.value("SELECT apellido FROM pacientes WHERE cedula = '10009'") == NUNEZ


@pytest.mark.parametrize("text", ["\u200b", "\u00ad \u2060", "\ufeff", "\u00a0", "\u0301"])
def test_what_cannot_be_seen_is_no_text(client: FlaskClient, text: str) -> None:
    """Of what has no width or no letter nothing can be read."""
    sent = {**PATIENT, "nombre": text}
    problem(client.put(f"{V1}/pacientes/10009", json=sent), 422, "nombre")


@pytest.mark.parametrize("register", ["rm-1", "RM-1", "RM\u200b-1"])
def test_a_register_is_one_doctors_however_it_is_written(client: FlaskClient, register: str) -> None:
    """Capitals and what cannot be seen make no other register."""
    assert client.post(f"{V1}/medicos", json=DOCTOR).status_code == 201
    problem(client.post(f"{V1}/medicos", json={**DOCTOR, "registro": register}), 409, "registro")


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/pacientes?limite=0", "limite"),
        ("/pacientes?limite=٣", "limite"),
        ("/pacientes?despues=abc", "despues"),
        ("/pacientes?ciudad=", "ciudad"),
        ("/pacientes?ciudad=%00", "ciudad"),
        ("/pacientes?barrio=Centro", "barrio"),
        ("/medicos?activo=yes", "activo"),
        ("/medicos?despues=99999999999", "despues"),
        ("/consultas?desde=2026-01-01", "desde"),
        ("/consultas?desde=2026-01-01T00:00:00", "desde"),
        ("/consultas?desde=1767225600", "desde"),
        ("/consultas?codigo_cie10=gripa", "codigo_cie10"),
        ("/consultas?despues=ayer", "despues"),
        ("/usuarios?rol=rey", "rol"),
        ("/municipios?despues=Pasto", "despues"),
        ("/municipios/Pasto", "codigo_municipio"),
        ("/cie10?marcado=1", "marcado"),
        ("/cie10/gripa", "codigo"),
    ],
)
def test_bad_condition_is_refused_by_name(client: FlaskClient, address: str, field: str) -> None:
    """422 with the condition and what it has to be; one that nobody knows is refused too."""
    problem(client.get(V1 + address), 422, field)


def test_history_is_the_patient_with_consultations_and_doctors(client: FlaskClient) -> None:
    """One answer: the patient, the consultations newest first, each with its doctor."""
    body = client.get(f"{V1}/pacientes/10001/historia").get_json()
    assert body["paciente"] == client.get(f"{V1}/pacientes/10001").get_json()
    assert [each["codigo_cie10"] for each in body["consultas"]] == ["I10X", "J069"]
    assert body["consultas"][0]["fecha_consulta"] == "2026-01-03T12:00:00.000000Z"
    assert [each["medico"]["nombre"] for each in body["consultas"]] == ["Rosa", "Rosa"]


def test_history_without_consultations_is_empty(client: FlaskClient) -> None:
    """A patient who was never seen has a history of no consultation."""
    client.put(f"{V1}/pacientes/10009", json=PATIENT)
    assert client.get(f"{V1}/pacientes/10009/historia").get_json()["consultas"] == []
    assert client.get(f"{V1}/pacientes/10009/consultas").get_json() == {"consultas": [], "siguiente": None}


@pytest.mark.parametrize(
    "address",
    [
        "/medicos/999",
        "/pacientes/99999",
        "/pacientes/99999/historia",
        "/pacientes/99999/consultas",
        "/pacientes/10001/consultas/00000000-0000-0000-0000-000000000000",
        "/usuarios/99999",
        "/municipios/00000",
        "/cie10/Q998",
        "/nothing",
    ],
)
def test_what_is_not_there_is_a_404(client: FlaskClient, address: str) -> None:
    """Its key could be there."""
    problem(client.get(V1 + address), 404)


# ---------------------------------------------------------------- conditional requests


@pytest.mark.parametrize(
    "address",
    ["/medicos", "/medicos/7", "/pacientes", "/pacientes/10001", "/pacientes/10001/historia", "/consultas",
     "/usuarios/1072319876", "/municipios", "/municipios/52001", "/cie10", "/cie10/J069"],
)  # fmt: skip
def test_what_has_not_changed_is_not_sent_again(client: FlaskClient, address: str) -> None:
    """304 without a body to whoever has this version; the same representation has the same ETag."""
    tag = client.get(V1 + address).headers["ETag"]
    for condition in (tag, f'"other", W/{tag}', "*"):
        answer = client.get(V1 + address, headers={"If-None-Match": condition})
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
    assert client.get(V1 + address, headers={"If-None-Match": '"other"'}).status_code == 200


CHANGES = [
    ("/medicos/7", DOCTOR, {"ciudad": "Cali"}),
    ("/pacientes/10001", PATIENT, {"ciudad": "Cali", "codigo_municipio": "76001", "correo": "x@example.com"}),
    ("/usuarios/1072319876", {"nombre": "L", "edad": 3, "rol": "medico"}, {"edad": 4}),
]


@pytest.mark.parametrize(("address", "whole", "some"), CHANGES)
def test_change_needs_the_version_that_was_read(
    client: FlaskClient, address: str, whole: dict[str, Any], some: dict[str, Any]
) -> None:
    """428 without If-Match, 412 with an old one: nobody overwrites what he has not seen."""
    before = client.get(V1 + address)
    problem(client.put(V1 + address, json=whole), 428)
    problem(client.patch(V1 + address, json=some), 428)
    replaced = client.put(V1 + address, json=whole, headers={"If-Match": before.headers["ETag"]})
    assert replaced.status_code == 200
    assert replaced.headers["ETag"] == client.get(V1 + address).headers["ETag"]
    problem(client.put(V1 + address, json=whole, headers={"If-Match": before.headers["ETag"]}), 412)
    problem(client.patch(V1 + address, json=some, headers={"If-Match": '"old"'}), 412)
    changed = client.patch(V1 + address, json=some, headers={"If-Match": replaced.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.get_json() == replaced.get_json() | some


def test_of_two_changes_at_once_one_is_refused(app: Flask, client: FlaskClient) -> None:
    """Eight people read the same version and change it: one wins, the others get 412."""
    tag = client.get(f"{V1}/pacientes/10001").headers["ETag"]

    def change(n: int) -> int:
        return (
            app.test_client()
            .patch(f"{V1}/pacientes/10001", json={"ciudad": f"Ciudad {n}"}, headers={"If-Match": tag})
            .status_code
        )

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(change, range(8))) == [200] + [412] * 7


def test_null_takes_an_optional_value_away_and_no_other(client: FlaskClient) -> None:
    """A merge patch: null is «no longer», which a name cannot be."""
    created = client.put(f"{V1}/pacientes/10009", json=PATIENT)
    headers = {"If-Match": created.headers["ETag"], "Content-Type": "application/merge-patch+json"}
    problem(client.patch(f"{V1}/pacientes/10009", data='{"nombre": null}', headers=headers), 422, "nombre")
    answer = client.patch(f"{V1}/pacientes/10009", data='{"telefono": null}', headers=headers)
    assert answer.get_json()["telefono"] is None


# ---------------------------------------------------------------- creation


def test_put_registers_by_natural_key_once(client: FlaskClient) -> None:
    """201 the first time; then it is there, and «only if it is not there» is refused."""
    address = f"{V1}/pacientes/1072319876"
    problem(client.put(address, json=PATIENT, headers={"If-Match": '"x"'}), 412)
    created = client.put(address, json=PATIENT, headers={"If-None-Match": "*"})
    assert created.status_code == 201
    assert created.headers["Location"] == address
    body = created.get_json()
    assert body.pop("creado_en").endswith("Z")
    known = {"cedula": "1072319876", "tipo_documento": "CC", "numero_documento": "1072319876", "id": "P1072319876"}
    parts = {"primer_nombre": "José", "segundo_nombre": None, "primer_apellido": "Ibáñez", "segundo_apellido": "Ñáñez"}
    said = {
        "codigo_municipio": "52001",
        "zona_residencia": None,
        "pais_residencia": "170",
        "nacionalidad": "170",
        "etnia": "99",
        "discapacidad": "08",
    }
    assert body == PATIENT | known | parts | said | {"nombre_sin_partes": False, "tipo_usuario": "12", "correo": None}
    problem(client.put(address, json=PATIENT, headers={"If-None-Match": "*"}), 412)


@pytest.mark.parametrize(
    ("address", "body", "field"),
    [
        ("/medicos", DOCTOR, "registro"),
        ("/pacientes", PATIENT | {"cedula": "55555"}, "cedula"),
        ("/usuarios", {"documento_id": "55555", "nombre": "U", "edad": 30, "rol": "paciente"}, "documento_id"),
    ],
)
def test_post_registers_and_a_duplicate_is_a_409(
    client: FlaskClient, address: str, body: dict[str, Any], field: str
) -> None:
    """201 with the address of what was made; the same key again is a conflict that names it."""
    created = client.post(V1 + address, json=body)
    assert created.status_code == 201
    assert client.get(created.headers["Location"]).get_json() == created.get_json()
    problem(client.post(V1 + address, json=body), 409, field)


def test_doctor_keeps_another_doctors_registro_away(client: FlaskClient) -> None:
    """A change that would give two doctors one `registro` is a conflict too."""
    answer = client.patch(f"{V1}/medicos/7", json={"registro": "RM-8"}, headers={"If-Match": "*"})
    problem(answer, 409, "registro")


@pytest.mark.parametrize("address", ["/pacientes", "/pacientes/10001/consultas"])
def test_idempotency_key_creates_once(client: FlaskClient, lab: Lab, address: str) -> None:
    """The same request with the same key: one row, and the same answer; another request: 422."""
    body = CONSULTATION if "consultas" in address else PATIENT | {"cedula": "55555"}
    table = "consultas" if "consultas" in address else "pacientes"
    before = lab.value(f"SELECT count(*) FROM {table}")
    headers = {"Idempotency-Key": "a-key"}
    first, second = (client.post(V1 + address, json=body, headers=headers) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.data == second.data
    assert first.headers["Location"] == second.headers["Location"]
    assert lab.value(f"SELECT count(*) FROM {table}") == before + 1
    changed = body | ({"motivo": "Fiebre"} if "consultas" in address else {"ciudad": "Cali"})
    problem(client.post(V1 + address, json=changed, headers=headers), 422, "Idempotency-Key")
    assert lab.value(f"SELECT count(*) FROM {table}") == before + 1


@pytest.mark.parametrize("address", ["/pacientes", "/pacientes/10001/consultas"])
def test_idempotency_key_creates_once_at_the_same_time(app: Flask, lab: Lab, address: str) -> None:
    """Eight at once, as an impatient client sends them: eight equal answers, one row."""
    body = CONSULTATION if "consultas" in address else PATIENT | {"cedula": "55555"}

    def send(_: int) -> tuple[int, bytes]:
        answer = app.test_client().post(V1 + address, json=body, headers={"Idempotency-Key": "k"})
        return answer.status_code, answer.data

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(8)))
    assert {status for status, _ in answers} == {201}
    assert len({data for _, data in answers}) == 1
    assert lab.value("SELECT count(*) FROM solicitudes") == 1


def test_idempotency_key_belongs_to_an_address(client: FlaskClient) -> None:
    """Another address under the same value is another request."""
    headers = {"Idempotency-Key": "k"}
    first = client.post(f"{V1}/pacientes/10001/consultas", json=CONSULTATION, headers=headers)
    assert first.status_code == 201
    there = client.post(f"{V1}/pacientes", json={"cedula": "10001", **PATIENT}, headers=headers)
    problem(there, 409, "cedula")


# A body that is no JSON of ours, and what the answer says.
BODIES = [
    (json.dumps(PATIENT).encode("utf-16"), "El cuerpo no es JSON que se pueda leer."),
    (json.dumps(PATIENT).encode("utf-32"), "El cuerpo no es JSON que se pueda leer."),
    (json.dumps(PATIENT, ensure_ascii=False).encode("latin-1"), "El cuerpo no es JSON que se pueda leer."),
    (b'{"nombre": "Ana", "nombre": "Eva"}', 'El cuerpo trae dos veces el campo "nombre".'),
    (b'{"nombre": {"a": 1, "a": 2}}', 'El cuerpo trae dos veces el campo "a".'),
]


@pytest.mark.parametrize(("body", "detail"), BODIES)
def test_json_is_utf_8_and_names_a_field_once(client: FlaskClient, body: bytes, detail: str) -> None:
    """Two programs that read such a body would not read the same."""
    answer = client.put(f"{V1}/pacientes/20001", data=body, content_type="application/json")
    assert problem(answer, 400)["detail"] == detail
    readable = json.dumps(PATIENT, ensure_ascii=False).encode("utf-8-sig")  # as Windows writes it
    assert client.put(f"{V1}/pacientes/20001", data=readable, content_type="application/json").status_code == 201


def test_idempotency_key_of_a_refused_request_is_free(client: FlaskClient, lab: Lab) -> None:
    """What was refused made nothing, so the corrected request may use the key."""
    headers = {"Idempotency-Key": "k"}
    address = f"{V1}/pacientes/10001/consultas"
    problem(client.post(address, json=CONSULTATION | {"medico_id": "8"}, headers=headers), 422, "medico_id")
    assert client.post(address, json=CONSULTATION, headers=headers).status_code == 201
    problem(client.post(address, json=CONSULTATION, headers={"Idempotency-Key": "ñ" * 300}), 422, "Idempotency-Key")


NO_DOCUMENT = "tiene que ser una cédula de ciudadanía de 4 a 10 dígitos, como 1072319876, o el tipo y el número de otro documento, como TI-1072319876."
# An address whose parts have no such form, and what the answer says of the part.
MALFORMED = [
    ("pacientes/1072.31.9876", "cedula", NO_DOCUMENT),
    ("pacientes/abc/historia", "cedula", NO_DOCUMENT),
    ("pacientes/TI-10X2", "cedula", "TI (tarjeta de identidad) tiene de 4 a 11 dígitos."),
    ("usuarios/123", "documento_id", "CC (cédula de ciudadanía) tiene de 4 a 10 dígitos."),
    ("medicos/0", "medico_id", "tiene que ser el número de un médico, de 1 a 2147483647, como texto."),
    ("medicos/2147483648", "medico_id", "tiene que ser el número de un médico, de 1 a 2147483647, como texto."),
    ("medicos/007", "medico_id", "tiene que ser el número de un médico, de 1 a 2147483647, como texto."),
    ("pacientes/10001/consultas/7", "consulta_id", "tiene que ser un UUID, como 6f9619ff-8b86-4d01-b42d-00cf4fc964ff."),
]


@pytest.mark.parametrize(("address", "part", "rule"), MALFORMED)
def test_a_malformed_part_of_an_address_is_told_with_its_rule(
    client: FlaskClient, address: str, part: str, rule: str
) -> None:
    """It is no 404: with that document there can be nobody."""
    assert problem(client.get(f"{V1}/{address}"), 422, part)["detail"] == f"{part}: {rule}"


# A moment of a consultation, of a patient who was born on the first of January 1990, and what is the matter with it.
MOMENTS = [
    ("1989-12-31T23:59:59-05:00", "es anterior al nacimiento del paciente (1990-01-01)."),
    ("1990-01-01T04:59:59Z", "es anterior al nacimiento del paciente (1990-01-01)."),  # still 1989 in Colombia
    ("1990-01-01T05:00:00Z", None),
    ("2199-12-31T23:59:59-05:00", "no puede estar en el futuro."),
    ("2200-01-01T04:00:00+00:00", "tiene que estar entre los años 1890 y 2199."),
    ("0001-01-01T00:00:00+05:00", "tiene que estar entre los años 1890 y 2199."),
]


@pytest.mark.parametrize(("moment", "refused"), MOMENTS)
def test_a_consultation_is_after_a_birth_and_not_in_the_future(
    client: FlaskClient, moment: str, refused: str | None
) -> None:
    """By the calendar of Colombia, whatever zone the moment is written in; created, replaced and changed alike."""
    address = f"{V1}/pacientes/10001/consultas"
    one = f"{address}/6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
    tag = {"If-Match": client.put(one, json=CONSULTATION).headers["ETag"]}
    dated = CONSULTATION | {"fecha_consulta": moment}
    if refused is None:
        assert client.patch(one, json={"fecha_consulta": moment}, headers=tag).status_code == 200
        assert client.post(address, json=dated).status_code == 201
        return
    for answer in (
        client.post(address, json=dated),
        client.put(one, json=dated, headers=tag),
        client.patch(one, json={"fecha_consulta": moment}, headers=tag),
    ):
        assert problem(answer, 422, "fecha_consulta")["detail"] == f"fecha_consulta: {refused}"


# Of each kind: where one is, a field, and a value that is right.
FIELDS = [
    *(("medicos/7", *each) for each in [("nombre", "Ana"), ("registro", "RM-9"), ("activo", False)]),
    *(
        ("pacientes/10001", *each)
        for each in [("fecha_nacimiento", "1985-03-21"), ("sexo", "M"), ("telefono", "3001234567")]
    ),
    *(
        ("pacientes/10001/consultas/6f9619ff-8b86-4d01-b42d-00cf4fc964ff", *each)
        for each in [
            ("fecha_consulta", "2026-02-03T10:30:00-05:00"),
            ("fecha_consulta", "2026-02-03T15:30:00Z"),
            ("motivo", "Fiebre"),
            ("codigo_cie10", "I10X"),
            ("tratamiento", "Reposo"),
        ]
    ),
]


@pytest.mark.parametrize(("address", "field", "value"), FIELDS)
def test_each_field_can_be_changed_alone(client: FlaskClient, address: str, field: str, value: object) -> None:
    """PATCH with one field that is right answers with it, and leaves the others."""
    if "consultas" in address:
        assert client.put(f"{V1}/{address}", json=CONSULTATION).status_code == 201
    before = client.get(f"{V1}/{address}")
    changed = client.patch(f"{V1}/{address}", json={field: value}, headers={"If-Match": before.headers["ETag"]})
    assert changed.status_code == 200, changed.text
    expected = "2026-02-03T15:30:00.000000Z" if field == "fecha_consulta" else value
    assert changed.get_json() == before.get_json() | {field: expected}


def test_consultation_is_put_under_an_identifier_of_the_caller(client: FlaskClient) -> None:
    """PUT creates once; replaced without its date, it keeps the one it has."""
    address = f"{V1}/pacientes/10001/consultas/6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
    created = client.put(address, json=CONSULTATION | {"fecha_consulta": "2026-02-03T10:30:00-05:00"})
    assert created.status_code == 201
    assert created.get_json()["fecha_consulta"] == "2026-02-03T15:30:00.000000Z"
    problem(client.put(address, json=CONSULTATION), 428)
    replaced = client.put(
        address, json=CONSULTATION | {"motivo": "Fiebre"}, headers={"If-Match": created.headers["ETag"]}
    )
    assert replaced.get_json() == created.get_json() | {"motivo": "Fiebre"}
    patched = client.patch(address, json={"tratamiento": "Reposo"}, headers={"If-Match": replaced.headers["ETag"]})
    assert patched.get_json() == replaced.get_json() | {"tratamiento": "Reposo"}


@pytest.mark.parametrize(
    "text",
    [
        "Ñandú «a» 'b' \"c\" \\ / % $1",
        "a\x01 \x1f \x7f \u0085 \u2028",
        "a\n\tb\r\b\f",
        "\U0001f468\u200d\u2695\ufe0f",
        "e\u0301",
    ],
)
def test_consultation_is_answered_as_it_will_be_read(client: FlaskClient, text: str) -> None:
    """The same representation to the byte, so that its ETag allows the first change."""
    for moment in ("2026-02-03T10:30:00.5-05:00", "1990-02-03T00:00:00Z", None):
        body = CONSULTATION | {"motivo": text, "diagnostico": text} | ({"fecha_consulta": moment} if moment else {})
        created = client.post(f"{V1}/pacientes/10001/consultas", json=body)
        assert created.status_code == 201
        read = client.get(created.headers["Location"])
        assert (read.data, read.headers["ETag"]) == (created.data, created.headers["ETag"])


def test_consultation_needs_its_patient_and_an_active_doctor(client: FlaskClient) -> None:
    """No such patient: 404. No such doctor, or one who is retired: 422 on `medico_id`."""
    problem(client.post(f"{V1}/pacientes/99999/consultas", json=CONSULTATION), 404)
    for number in ("999", "8"):
        body = CONSULTATION | {"medico_id": number}
        problem(client.post(f"{V1}/pacientes/10001/consultas", json=body), 422, "medico_id")


def test_doctors_and_users_are_retired_not_deleted(client: FlaskClient) -> None:
    """204, twice as well as once; they stay readable, and are marked."""
    for address in (f"{V1}/medicos/7", f"{V1}/usuarios/1072319876"):
        assert client.delete(address).status_code == 204
        assert client.delete(address).status_code == 204
        assert client.get(address).get_json()["activo"] is False
    for address in (f"{V1}/medicos/999", f"{V1}/usuarios/99999"):
        problem(client.delete(address), 404)


def test_history_is_never_deleted(client: FlaskClient) -> None:
    """405 for a patient, and the answer says what can be done instead."""
    answer = client.delete(f"{V1}/pacientes/10001")
    problem(answer, 405)
    assert "PUT" in answer.headers["Allow"]


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"nombre": ""}, "nombre"),
        ({"nombre": "   "}, "nombre"),
        ({"nombre": "a\u0000b"}, "nombre"),
        ({"nombre": "x" * 201}, "nombre"),
        ({"nombre": 7}, "nombre"),
        ({"apellido": None}, "apellido"),
        ({"sexo": "X"}, "sexo"),
        ({"fecha_nacimiento": "1985-02-30"}, "fecha_nacimiento"),
        ({"fecha_nacimiento": "2999-01-01"}, "fecha_nacimiento"),
        ({"fecha_nacimiento": 19850321}, "fecha_nacimiento"),
        ({"telefono": "abc"}, "telefono"),
        ({"correo": "nobody"}, "correo"),
        ({"barrio": "Centro"}, "barrio"),
        ({"cedula": "55555"}, "cedula"),
    ],
)
def test_bad_field_is_refused_by_name(client: FlaskClient, change: dict[str, Any], field: str) -> None:
    """422, and the problem says which field and what it has to be, in the language of the API."""
    body = problem(client.put(f"{V1}/pacientes/55555", json=PATIENT | change), 422, field)
    assert body["detail"].startswith(f"{field}: ")
    assert body["errores"][0]["mensaje"] in body["detail"]


def test_every_bad_field_is_told_at_once(client: FlaskClient) -> None:
    """One look is enough to mend all."""
    body = problem(client.put(f"{V1}/pacientes/55555", json={"sexo": "X"}), 422, "nombre")
    assert {each["campo"] for each in body["errores"]} == {"nombre", "apellido", "fecha_nacimiento", "sexo", "ciudad"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b'{"nombre": "\xc3"}', b"[" * 60_000, b"1" * 5000, b"'x'"],
    ids=["empty", "truncated", "not UTF-8", "cut in a letter", "deep", "a number too long", "not JSON"],
)
def test_body_that_is_no_json_is_a_400(client: FlaskClient, body: bytes) -> None:
    """Whatever is wrong with it."""
    problem(client.put(f"{V1}/pacientes/55555", data=body, content_type="application/json"), 400)


@pytest.mark.parametrize("body", ["[]", "null", "7", '"x"'])
def test_body_that_is_no_object_is_a_422(client: FlaskClient, body: str) -> None:
    """JSON, but not an object."""
    answer = client.put(f"{V1}/pacientes/55555", data=body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.content_type == PROBLEM


def test_lone_surrogate_is_a_422(client: FlaskClient) -> None:
    """JSON can write half a character, which is no text."""
    body = json.dumps(PATIENT).replace("Pasto", "\\ud800")
    problem(client.put(f"{V1}/pacientes/55555", data=body, content_type="application/json"), 422, "ciudad")


def test_large_body_is_a_413(client: FlaskClient) -> None:
    """Said by its length, before it is read."""
    problem(client.put(f"{V1}/pacientes/55555", json=PATIENT | {"nombre": "x" * 70_000}), 413)


def test_other_media_are_refused(client: FlaskClient) -> None:
    """415 for a body that is no JSON, 406 for an answer that cannot be."""
    problem(client.put(f"{V1}/pacientes/55555", data="nombre=x"), 415)
    problem(client.put(f"{V1}/pacientes/55555", data="<x/>", content_type="text/xml"), 415)
    problem(client.get(f"{V1}/pacientes/10001", headers={"Accept": "text/html"}), 406)
    for accepted in ("*/*", "application/*", "text/html, application/json;q=0.1", "application/problem+json"):
        assert client.get(f"{V1}/pacientes/10001", headers={"Accept": accepted}).status_code == 200


def test_text_of_any_script_comes_back_as_it_was(client: FlaskClient) -> None:
    """Accents, signs outside of the basic plane, right-to-left, quotes and SQL are only text; a letter and its accent are one."""
    address = f"{V1}/pacientes/55555"
    assert client.put(address, json=PATIENT).status_code == 201
    for text in ("Ñandú", "🩺 𐍈r", "محمد", 'O\'Brien "x" \\', "'; DROP TABLE pacientes; --", "a\nb\tc", "e\u0301"):
        answer = client.patch(address, json={"nombre": text}, headers={"If-Match": "*"})
        assert answer.get_json()["nombre"] == unicodedata.normalize("NFC", text)
        assert client.get(address).get_json()["nombre"] == unicodedata.normalize("NFC", text)


# ---------------------------------------------------------------- the description


def test_page_of_the_api_needs_nothing_from_the_network(client: FlaskClient) -> None:
    """Every address in it is of this service, and answers."""
    page = client.get(f"{V1}/docs")
    assert page.status_code == 200
    addresses = [part.split('"')[0] for part in page.text.split('src="')[1:] + page.text.split('href="')[1:]]
    assert len(addresses) >= 4
    for address in addresses:
        assert not urlsplit(address).netloc
        assert client.get(address).status_code == 200


# A document, a day of birth, and what the answer says.
DOCUMENTS = [
    ("ti 52.345", "TI-52345", 12, None),
    ("52.345", "52345", 30, None),
    ("RC-52345", "RC-52345", 3, None),
    ("TI-52345", "TI-52345", 40, "a los 40 años nadie tiene ese documento (tarjeta de identidad)."),
    ("52345", "52345", 5, "a los 5 años nadie tiene ese documento (cédula de ciudadanía)."),
]


@pytest.mark.parametrize(("written", "key", "years", "refused"), DOCUMENTS)
def test_a_person_is_a_type_and_a_number(
    client: FlaskClient, written: str, key: str, years: int, refused: str | None
) -> None:
    """Registered by what people write, found by it and by the key; nobody has a document of another age."""
    born = f"{date.today().year - years}-01-01"
    answer = client.post(f"{V1}/pacientes", json=PATIENT | {"cedula": written, "fecha_nacimiento": born})
    if refused:
        assert problem(answer, 422, "fecha_nacimiento")["detail"] == f"fecha_nacimiento: {refused}"
        return
    assert answer.status_code == 201
    found = client.get(f"{V1}/pacientes/{key}").get_json()
    assert (found["cedula"], found["tipo_documento"], found["numero_documento"]) == (key, *documents.parts(key))
    assert client.get(f"{V1}/pacientes/{written}").get_json() == found


def test_the_same_digits_of_two_types_are_two_people(client: FlaskClient) -> None:
    """An adult and a child."""
    for key, born in (("52345", "1990-01-01"), ("TI-52345", f"{date.today().year - 12}-01-01")):
        answer = client.put(f"{V1}/pacientes/{key}", json=PATIENT | {"fecha_nacimiento": born})
        assert answer.status_code == 201, answer.get_json()


FIRST, SECOND = {"primer_nombre": "Ana"}, {"segundo_nombre": "Lucía"}
#: What is written, and name, its parts and whether they are missing; or the refusal.
NAMES = [
    ({"nombre": "Ana Lucía"}, ("Ana Lucía", "Ana", "Lucía", False)),
    (FIRST | SECOND, ("Ana Lucía", "Ana", "Lucía", False)),
    (FIRST, ("Ana", "Ana", None, False)),
    (FIRST | SECOND | {"nombre": "Ana Luci\u0301a"}, ("Ana Lucía", "Ana", "Lucía", False)),
    ({"nombre": "María del Pilar"}, ("María del Pilar", None, None, True)),
    (
        {"primer_nombre": "María del Pilar", "segundo_nombre": "Eva"},
        ("María del Pilar Eva", "María del Pilar", "Eva", False),
    ),
    (FIRST | {"nombre": "Eva"}, "nombre tiene que ser primer_nombre y segundo_nombre juntos, o faltar."),
    (SECOND, "segundo_nombre necesita primer_nombre."),
    ({}, "es obligatorio."),
]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_a_name_comes_whole_or_in_its_parts(client: FlaskClient, name: dict[str, str], expected: Any) -> None:
    """Parts make the whole; a whole is taken apart where there is one way to do it, and marked where there is none."""
    rest = {field: value for field, value in PATIENT.items() if field != "nombre"}
    answer = client.put(f"{V1}/pacientes/10009", json=rest | name)
    if isinstance(expected, str):
        assert answer.status_code == 422
        assert expected in answer.get_json()["detail"]
    else:
        fields = ("nombre", "primer_nombre", "segundo_nombre", "nombre_sin_partes")
        assert tuple(answer.get_json()[field] for field in fields) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"nombre": "Eva María"}, ("Eva María", "Eva", "María")),
        ({"nombre": "María del Pilar"}, ("María del Pilar", None, None)),
        ({"segundo_nombre": "María"}, ("Ana María", "Ana", "María")),
        ({"segundo_nombre": None}, ("Ana", "Ana", None)),
        ({"ciudad": "Cali"}, ("Ana Lucía", "Ana", "Lucía")),
    ],
)
def test_a_change_of_a_name_keeps_whole_and_parts_together(
    client: FlaskClient, change: dict[str, Any], expected: tuple[str | None, ...]
) -> None:
    """Whichever of them is sent."""
    created = client.put(f"{V1}/pacientes/10009", json=PATIENT | {"nombre": "Ana Lucía"})
    answer = client.patch(f"{V1}/pacientes/10009", json=change, headers={"If-Match": created.headers["ETag"]})
    assert tuple(answer.get_json()[field] for field in ("nombre", "primer_nombre", "segundo_nombre")) == expected


@pytest.mark.parametrize(
    ("document", "nationality"), [("10009", "170"), ("TI-10009", "170"), ("CE-10009", None), ("PT-10009", None)]
)
def test_only_documents_of_colombians_say_the_nationality(
    client: FlaskClient, document: str, nationality: str | None
) -> None:
    """Of anybody else it stays unsaid, until somebody says it."""
    born = {"fecha_nacimiento": f"{date.today().year - 18}-01-01"}
    assert client.put(f"{V1}/pacientes/{document}", json=PATIENT | born).get_json()["nacionalidad"] == nationality


@pytest.mark.parametrize(
    ("field", "value"),
    [("sexo", "X"), ("zona_residencia", "03"), ("pais_residencia", "CO"), ("etnia", "7"), ("discapacidad", "09"), ("tipo_usuario", "15")],
)  # fmt: skip
def test_a_code_that_no_norm_has_is_refused(client: FlaskClient, field: str, value: str) -> None:
    """By the name of its field."""
    problem(client.put(f"{V1}/pacientes/10009", json=PATIENT | {field: value}), 422, field)


def test_a_consultation_has_what_norms_ask_for(client: FlaskClient) -> None:
    """What nobody says is what is true of a lab; codes are kept in one spelling, in every place."""
    address = f"{V1}/pacientes/10001/consultas"
    plain = client.post(address, json=CONSULTATION).get_json()
    known = ("fecha_fin", "tipo_diagnostico", "diagnostico_relacionado_1", "codigo_cie11", "codigo_cups", "modalidad", "entorno", "finalidad", "causa")  # fmt: skip
    assert [plain[field] for field in known] == [None, "01", None, None, "890201", "01", "05", "15", "38"]
    said = {
        "fecha_consulta": "2026-02-03T10:30:00-05:00", "fecha_fin": "2026-02-03T10:50:00-05:00", "tipo_diagnostico": "02",
        "diagnostico_relacionado_1": "i10", "diagnostico_relacionado_2": "E11.9", "codigo_cie11": "CA0Z", "codigo_cups": "890301",
    }  # fmt: skip
    created = client.post(address, json=CONSULTATION | said)
    there = created.get_json()
    assert there["fecha_fin"] == "2026-02-03T15:50:00.000000Z"
    assert [there[f"diagnostico_relacionado_{n}"] for n in (1, 2, 3)] == ["I10X", "E119", None]
    read = client.get(created.headers["Location"])
    assert (read.data, read.headers["ETag"]) == (created.data, created.headers["ETag"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tipo_diagnostico", "04"), ("diagnostico_relacionado_3", "J069XYZ"), ("codigo_cie11", "CA0"), ("codigo_cups", "8902"),
        ("modalidad", "10"), ("entorno", "06"), ("finalidad", "x"), ("causa", "380"), ("fecha_fin", "2026-02-03T10:00:00-05:00"),
    ],
)  # fmt: skip
def test_what_no_norm_knows_of_a_consultation_is_refused(client: FlaskClient, field: str, value: str) -> None:
    """By the name of its field; nothing ends before it begins."""
    sent = CONSULTATION | {"fecha_consulta": "2026-02-03T10:30:00-05:00", field: value}
    problem(client.post(f"{V1}/pacientes/10001/consultas", json=sent), 422, field)


#: What is written of where somebody lives, and city and code; or the refusal.
PLACES = [
    ({"ciudad": "Pasto"}, ("Pasto", "52001")),
    ({"codigo_municipio": "52001"}, ("Pasto", "52001")),
    ({"codigo_municipio": "54001"}, ("Cúcuta", "54001")),
    ({"ciudad": "Florencia"}, ("Florencia", None)),
    ({"ciudad": "Florencia", "codigo_municipio": "18001"}, ("Florencia", "18001")),
    ({"ciudad": "Pasto, centro", "codigo_municipio": "52001"}, ("Pasto, centro", "52001")),
    ({"ciudad": "Córdoba", "pais_residencia": "032"}, ("Córdoba", None)),
    ({"ciudad": "Cali", "pais_residencia": "032"}, ("Cali", None)),
    ({"ciudad": "Cali", "codigo_municipio": "52001"}, "codigo_municipio 52001 es Pasto (Nariño), y ciudad dice otra cosa."),
    ({"codigo_municipio": "52001", "pais_residencia": "032"}, "codigo_municipio es de quien vive en Colombia"),
    ({"ciudad": "Pasto", "codigo_municipio": "99999"}, "tiene que ser el código de un municipio en la DIVIPOLA"),
    ({}, "es obligatorio."),
]  # fmt: skip


@pytest.mark.parametrize(("place", "expected"), PLACES)
def test_a_city_comes_by_its_name_or_its_code(client: FlaskClient, place: dict[str, str], expected: Any) -> None:
    """A code gives the name; a name its code where no other municipality has it, and nobody guesses which of two it is."""
    rest = {field: value for field, value in PATIENT.items() if field != "ciudad"}
    answer = client.put(f"{V1}/pacientes/10009", json=rest | place)
    if isinstance(expected, str):
        assert answer.status_code == 422
        assert expected in answer.get_json()["detail"]
    else:
        assert tuple(answer.get_json()[field] for field in ("ciudad", "codigo_municipio")) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ciudad": "Pasto"}, ("Pasto", "52001")),
        ({"ciudad": "Rionegro"}, ("Rionegro", None)),
        ({"codigo_municipio": "05615"}, ("Rionegro", "05615")),
        ({"pais_residencia": "032"}, ("Florencia", None)),
        ({"telefono": "3001234567"}, ("Florencia", "18001")),
    ],
)
def test_a_change_of_a_city_keeps_name_and_code_together(
    client: FlaskClient, change: dict[str, str], expected: tuple[str | None, ...]
) -> None:
    """Whichever of them is sent."""
    florencia = {"ciudad": "Florencia", "codigo_municipio": "18001"}
    created = client.put(f"{V1}/pacientes/10009", json=PATIENT | florencia)
    answer = client.patch(f"{V1}/pacientes/10009", json=change, headers={"If-Match": created.headers["ETag"]})
    assert tuple(answer.get_json()[field] for field in ("ciudad", "codigo_municipio")) == expected


def test_a_city_that_sql_changed_alone_holds(lab: Lab, client: FlaskClient) -> None:
    """Its code follows with the next change of the patient, whatever that is about."""
    client.put(f"{V1}/pacientes/10009", json=PATIENT | {"ciudad": "Pasto"})
    lab.admin.execute("UPDATE pacientes SET ciudad = 'Cali' WHERE cedula = '10009'")
    seen = client.get(f"{V1}/pacientes/10009").headers["ETag"]
    answer = client.patch(f"{V1}/pacientes/10009", json={"telefono": "3001234567"}, headers={"If-Match": seen})
    assert answer.get_json()["codigo_municipio"] == "76001"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ({"nombre": "Ángela Núñez"}, ("Ángela Núñez", "Ángela", None, "Núñez", None, False)),
        ({"nombre": "Ángela Núñez Peña"}, ("Ángela Núñez Peña", None, None, None, None, True)),
        ({"nombre": "de Núñez"}, ("de Núñez", None, None, None, None, True)),
        (
            {"primer_nombre": "María", "segundo_nombre": "del Pilar", "primer_apellido": "De la Hoz"},
            ("María del Pilar De la Hoz", "María", "del Pilar", "De la Hoz", None, False),
        ),
        ({"primer_nombre": "Ángela"}, "primer_apellido es obligatorio donde el nombre va en partes."),
        (
            {"nombre": "Eva Rey", "primer_nombre": "Ana", "primer_apellido": "Rey"},
            "nombre tiene que ser primer_nombre,",
        ),
    ],
)
def test_a_doctors_name_comes_whole_or_in_its_parts(
    client: FlaskClient, name: dict[str, str], expected: str | tuple[object, ...]
) -> None:
    """A whole is taken apart only where there is one way to do it."""
    rest = {field: value for field, value in DOCTOR.items() if field != "nombre"}
    answer = client.post(f"{V1}/medicos", json=rest | name)
    if isinstance(expected, str):
        assert expected in problem(answer, 422, "cuerpo")["detail"]
        return
    assert answer.status_code == 201, answer.text
    fields = ("nombre", *names.DOCTOR, "nombre_sin_partes")
    assert tuple(answer.get_json()[field] for field in fields) == expected


def test_a_doctor_has_what_norms_ask_for(client: FlaskClient) -> None:
    """A document by the rules of the patients', which no other doctor has, and the codes of profession and service."""
    asked = {"documento": "ce 3456AB", "codigo_profesion": "MED", "codigo_servicio": "342"}
    answer = client.post(f"{V1}/medicos", json=DOCTOR | asked)
    assert answer.status_code == 201, answer.text
    told = {"documento": "CE-3456AB", "tipo_documento": "CE", "numero_documento": "3456AB"}
    assert (asked | told).items() <= answer.get_json().items()
    problem(client.post(f"{V1}/medicos", json=DOCTOR | asked | {"registro": "RM-2"}), 409, "documento")
    for field, value in (("documento", "12"), ("codigo_profesion", "méd"), ("codigo_servicio", "32")):
        problem(client.post(f"{V1}/medicos", json=DOCTOR | {"registro": "RM-3", field: value}), 422, field)


def test_a_change_of_a_doctors_name_keeps_whole_and_parts_together(client: FlaskClient) -> None:
    """Another whole takes its parts along, another part the whole."""
    address = client.post(f"{V1}/medicos", json=DOCTOR).headers["Location"]
    for change, expected in (
        ({"segundo_apellido": "Peña"}, ("Ángela Núñez Peña", "Ángela")),
        ({"nombre": "Ángela María Núñez Peña"}, ("Ángela María Núñez Peña", None)),
        ({"nombre": "Eva Rey"}, ("Eva Rey", "Eva")),
    ):
        changed = client.patch(address, json=change, headers={"If-Match": "*"})
        assert changed.status_code == 200, changed.text
        assert (changed.get_json()["nombre"], changed.get_json()["primer_nombre"]) == expected
