"""Diagnoses that the lab knows, and those that it does not: let in with a mark, or refused, by the API and by an import alike."""

from __future__ import annotations

import csv
import re
from importlib.resources import files

import pytest
from conftest import Lab
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from historia_clinica import diagnoses
from historia_clinica.load.catalogue import DIAGNOSES

VISIT = {"medico_id": "7", "motivo": "Control", "codigo_cie10": "J06.9", "diagnostico": "Otra"}
MARKED = "SELECT codigo FROM cie10 WHERE descripcion IS NULL ORDER BY codigo"
CONSULTATIONS = "SELECT count(*) FROM consultas"


def test_the_list_has_codes_as_rips_writes_them_and_those_of_the_sample() -> None:
    """Each once, with a description, and a sex only where the other one has no such thing."""
    text = files("historia_clinica").joinpath("cie10.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines(), delimiter=";"))
    assert len(rows) == len(diagnoses.known())
    assert all(re.fullmatch("[A-Z][0-9][0-9A-Z][0-9X]", row["codigo"]) and row["descripcion"] for row in rows)
    assert {found.code for found in DIAGNOSES} <= diagnoses.known()
    only = {row["codigo"]: row["sexo"] for row in rows if row["sexo"]}
    assert all(only[found.code] == found.sex for found in DIAGNOSES if found.code in only)


@pytest.mark.parametrize(
    ("conditions", "codes"),
    [
        ("descripcion=tuberculosis", ["A150", "A162", "Z232"]),
        ("descripcion=pulmon", ["A150", "A162"]),
        ("descripcion=diabetes tipo", ["E109", "E119"]),
        ("descripcion=iabetes", []),
        ("marcado=true", ["Q998"]),
        ("marcado=false&despues=Z480&limite=2", ["Z719", "Z760"]),
    ],
)
def test_the_api_finds_diagnoses_by_what_they_are(
    client: FlaskClient, lab: Lab, conditions: str, codes: list[str]
) -> None:
    """By a word of the description, however it is typed; those that nobody has described have the mark."""
    lab.admin.execute("INSERT INTO cie10 (codigo) VALUES ('Q998')")
    found = client.get(f"/api/v1/cie10?{conditions}").get_json()["diagnosticos"]
    assert [each["codigo"] for each in found] == codes


def test_the_api_tells_a_diagnosis_by_its_code_however_it_is_written(client: FlaskClient, lab: Lab) -> None:
    """With the sex where it is of one alone; of another form, of an older lab's, it leads on to the next page as any other."""
    found = client.get("/api/v1/cie10/o24.4").get_json()
    assert found == {"codigo": "O244", "descripcion": "Diabetes que aparece en el embarazo", "sexo": "F"}
    lab.admin.execute("INSERT INTO cie10 (codigo) VALUES ('J06.9XYZ')")
    page = client.get("/api/v1/cie10?despues=I998&marcado=true&limite=1").get_json()
    assert page == {"diagnosticos": [{"codigo": "J06.9XYZ", "descripcion": None, "sexo": None}], "siguiente": None}
    before = client.get("/api/v1/cie10?despues=J039&limite=1").get_json()
    assert before["siguiente"] == before["diagnosticos"][0]["codigo"] == "J06.9XYZ"
    assert client.get("/api/v1/cie10?despues=J06.9XYZ&limite=1").get_json()["diagnosticos"][0]["codigo"] > "J06.9XYZ"


@pytest.mark.parametrize("field", diagnoses.FIELDS)
def test_a_code_that_the_lab_does_not_know_comes_in_with_a_mark(client: FlaskClient, lab: Lab, field: str) -> None:
    """In whichever field; sent again, and in a change, it is the same code."""
    path = people(client)
    sent = client.post(path, json=VISIT | {field: "q99.8"})
    assert sent.status_code == 201
    assert sent.get_json()[field] == "Q998"
    assert client.post(path, json=VISIT | {field: "Q998"}).status_code == 201
    assert lab.rows(MARKED) == [("Q998",)]
    changed = client.patch(sent.headers["Location"], json={field: "Q99.9"}, headers={"If-Match": tag(client, sent)})
    assert changed.status_code == 200
    assert lab.rows(MARKED) == [("Q998",), ("Q999",)]


@pytest.mark.parametrize("field", diagnoses.FIELDS)
def test_a_lab_that_refuses_what_it_does_not_know_says_so(client: FlaskClient, lab: Lab, field: str) -> None:
    """422 with the field and the code; what the table has can be used, whoever put it there."""
    path = people(client)
    lab.admin.execute("REVOKE INSERT ON cie10 FROM middleware, api")
    lab.admin.execute("INSERT INTO cie10 (codigo) VALUES ('Q999')")
    refused = client.post(path, json=VISIT | {field: "Q99.8"})
    assert refused.status_code == 422
    assert refused.get_json()["detail"] == f"{field}: {diagnoses.UNKNOWN.format('Q998')}"
    assert lab.value(CONSULTATIONS) == 0
    assert client.post(path, json=VISIT | {field: "Q999"}).status_code == 201


def test_many_at_once_are_looked_at_one_by_one(client: FlaskClient, lab: Lab) -> None:
    """A row with a code that is refused holds up no other."""
    people(client)
    lab.admin.execute("REVOKE INSERT ON cie10 FROM middleware, api")
    who = {"nombre": "Ana", "apellido": "Rey", "fecha_nacimiento": "1990-01-01", "sexo": "F", "ciudad": "Cali"}
    visits = [VISIT | {"fecha_consulta": "2026-02-05T14:30:00-05:00", "codigo_cie10": code} for code in ("Q998", "J00")]
    rows = [
        {"paciente": who | {"cedula": f"9000{number}"}, "consultas": [visit]} for number, visit in enumerate(visits)
    ]
    report = client.post("/api/v1/importaciones", json={"filas": rows}).get_json()
    assert (report["pacientes"], report["consultas"]) == (1, 1)
    assert report["rechazadas"] == [
        {"fila": 0, "errores": [{"campo": "codigo_cie10", "mensaje": diagnoses.UNKNOWN.format("Q998")}]}
    ]


def people(client: FlaskClient) -> str:
    """Register a doctor and a patient, and return where the patient's consultations are."""
    doctor = {"nombre": "Rosa", "especialidad": "Pediatría", "registro": "RM-7", "ciudad": "Pasto"}
    VISIT["medico_id"] = client.post("/api/v1/medicos", json=doctor).get_json()["id"]
    patient = {"cedula": "90000", "nombre": "Ana", "apellido": "Rey", "fecha_nacimiento": "1990-01-01", "sexo": "F"}
    assert client.post("/api/v1/pacientes", json=patient | {"ciudad": "Cali"}).status_code == 201
    return "/api/v1/pacientes/90000/consultas"


def tag(client: FlaskClient, sent: TestResponse) -> str:
    """Return the ETag of what was created."""
    tag: str = client.get(sent.headers["Location"]).headers["ETag"]
    return tag
