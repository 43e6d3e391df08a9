"""`python -m historia_clinica.imports` against a real PostgreSQL: another hospital's file, with all that such files have."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Lab, wait_until
from flask.testing import FlaskClient
from people import CONSULTATION, DATA, OTHER, V1, log_in

from historia_clinica import diagnoses, schemas
from historia_clinica.imports import batches, files, mapping, rows
from historia_clinica.imports.records import identifier
from historia_clinica.sql import statement

HEADER = "Tipo Doc;Número;Nombres;Apellidos;Fecha de Nacimiento;Sexo;Municipio;Teléfono;Correo;Fecha;Hora;Registro;Motivo;CIE10;Diagnóstico;Plan"
MAPPING = {
    "paciente": {
        "cedula": ["Tipo Doc", "Número"], "nombre": "nombres", "apellido": "APELLIDOS",
        "fecha_nacimiento": "Fecha de nacimiento", "ciudad": "Municipio",
    },
    "consulta": {
        "medico_registro": "Registro", "fecha_consulta": ["Fecha", "Hora"], "codigo_cie10": "CIE10", "tratamiento": "Plan",
    },
    "valores": {"sexo": {"1": "M", "2": "F"}, "ciudad": {"BTA": "Bogotá"}},
}  # fmt: skip
PERSON = "CC;1.072.319.876;Ana María;Núñez Peña;21/03/1985;Mujer;BTA;(601) 234-5678;ana@example.com"
VISIT = "05/02/2026;2:30 p. m.;RM-7;Tos y fiebre;j06.9;Infección respiratoria aguda;Reposo"
ROW = f"{PERSON};{VISIT}"
WITHOUT_VISIT = ";" * 7


@pytest.fixture
def hospital(lab: Lab) -> Lab:
    """Give a lab with a doctor who attends and one who does not any more."""
    lab.admin.execute(
        "INSERT INTO medicos (id, nombre, especialidad, registro, ciudad, activo) VALUES"
        " (7, 'Rosa', 'Pediatría', 'RM-7', 'Pasto', true), (8, 'Hugo', 'Cirugía', 'RM-8', 'Cali', false)"
    )
    return lab


def run(lab: Lab, file: Path, *arguments: str, said: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Import a file."""
    yaml = file.with_suffix(".yml")
    yaml.write_text(json.dumps(MAPPING if said is None else said))  # JSON is YAML, too
    asked = ("--mapping", str(yaml), "--user", "ana", "--jobs", "1", *arguments)
    command = lab.python("-m", "historia_clinica.imports", str(file), *asked)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def written(folder: Path, *lines: str, encoding: str = "utf-8", name: str = "hospital.csv") -> Path:
    """Write a file of these lines, as Excel ends them."""
    file = folder / name
    file.write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    return file


def counts(lab: Lab) -> tuple[int, int, int]:
    """Return how many patients and consultations there are, and how many rows say who brought them."""
    return tuple(lab.value(f"SELECT count(*) FROM {table}") for table in ("pacientes", "consultas", "cambios"))


def refused(file: Path) -> list[dict[str, str]]:
    """Return the rows of the file of refused rows."""
    with file.with_name(f"{file.stem}.rechazadas.csv").open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines, delimiter=";"))


@pytest.mark.parametrize(
    ("encoding", "first"), [("utf-8", []), ("utf-8-sig", ["sep=;"]), ("cp1252", ["sep=;"]), ("utf-16", [])]
)
def test_an_import_reads_excels_csv_in_every_form(
    hospital: Lab, tmp_path: Path, encoding: str, first: list[str]
) -> None:
    """A byte order mark or Windows-1252, `sep=;`, `dd/mm/aaaa`, a time of twelve hours, dots in a document, words for a sex, blank lines."""
    done = run(hospital, written(tmp_path, *first, HEADER, "", ROW, WITHOUT_VISIT * 2, encoding=encoding))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert hospital.rows(
        "SELECT cedula, nombre, apellido, fecha_nacimiento::text, sexo, ciudad, telefono, correo FROM pacientes"
    ) == [("1072319876", "Ana María", "Núñez Peña", "1985-03-21", "F", "Bogotá", "601 234 5678", "ana@example.com")]
    assert hospital.rows(
        "SELECT medico_id, fecha_consulta AT TIME ZONE 'UTC', codigo_cie10, tratamiento FROM consultas"
    ) == [(7, datetime(2026, 2, 5, 19, 30), "J069", "Reposo")]


#: A row that cannot be taken -> what is said of it.
REFUSED = {
    "a document of the wrong form": (
        ROW.replace("1.072.319.876", "12"),
        r"cedula: CC \(cédula de ciudadanía\) tiene de 4 a 10 dígitos",
    ),
    "Excel's way with large numbers": (ROW.replace("1.072.319.876", "1,07232E+09"), "cedula: "),
    "a document that nobody has at that age": (ROW.replace("21/03/1985", "21/03/2020"), "fecha_nacimiento: a los "),
    "a day that is none": (
        ROW.replace("21/03/1985", "31/02/1985"),
        "fecha_nacimiento: tiene que ser una fecha que exista",
    ),
    "a year of two digits": (ROW.replace("21/03/1985", "21/03/85"), "fecha_nacimiento: "),
    "an unknown sex": (ROW.replace("Mujer", "3"), "sexo: tiene que ser 'F', 'M' o 'I'"),
    "an empty field": (ROW.replace("Núñez Peña", "  "), "apellido: es obligatorio"),
    "two fields at once": (ROW.replace("Mujer", "3").replace("BTA", ""), "sexo: .*; ciudad: es obligatorio"),
    "a diagnosis that is no code": (ROW.replace("j06.9", "tos"), "codigo_cie10: tiene que ser un código de la CIE-10"),
    "a doctor who is not there": (ROW.replace("RM-7", "RM-9"), "medico_registro: no hay médico con el registro RM-9"),
    "a doctor who is retired": (ROW.replace("RM-7", "RM-8"), "medico_id: el médico 8 está retirado"),
    "a consultation before birth": (
        ROW.replace("05/02/2026", "05/02/1984"),
        "fecha_consulta: es anterior al nacimiento",
    ),
    "a consultation to come": (ROW.replace("05/02/2026", "05/02/2199"), "fecha_consulta: no puede estar en el futuro"),
    "half a consultation": (f"{PERSON};05/02/2026;;RM-7;;;;", "motivo: es obligatorio.*codigo_cie10"),
    "a consultation without a patient": (
        f"CC;1072319877;;;;;;;;{VISIT}",
        "cedula: no hay paciente con el documento 1072319877",
    ),
    "a document and nothing else": (f"CC;1072319877;;;;;;;{WITHOUT_VISIT}", "fila: no dice nada más que un documento"),
    "too few fields": ("CC;1072319876;Ana", r"fila: tiene 3 campos, y hacen falta 16"),
}


def test_an_import_keeps_refused_rows_to_be_mended(hospital: Lab, tmp_path: Path) -> None:
    """Each is written into a file beside the imported one, as it was, with its line and the reason; the others are taken.

    The file can be imported once it is mended.
    """
    other = ROW.replace("1.072.319.876", "1072319000")
    file = written(tmp_path, HEADER, *(row for row, _why in REFUSED.values()), other)
    done = run(hospital, file)
    assert done.returncode == 2, done.stderr
    assert counts(hospital) == (1, 1, 2)
    assert f"{len(REFUSED)} refused" in done.stdout
    found = {int(row["linea_rechazada"]): row for row in refused(file)}
    # In their order, but for the one whose patient could have come in a later row.
    in_order = [line for line, row in found.items() if "no hay paciente" not in row["por_que"]]
    assert in_order == sorted(in_order)
    assert len(in_order) == len(REFUSED) - 1
    for line, (name, (row, why)) in enumerate(REFUSED.items(), start=2):
        assert re.match(why, found[line]["por_que"]), (name, found[line]["por_que"])
        assert list(found[line].values())[:3] == row.split(";")[:3], name
    kept = tmp_path / "hospital.rechazadas.csv"
    assert kept.stat().st_mode & 0o777 == 0o600
    # Mended: the document that was too short. The two columns that were added are not read.
    lines = [line for line in kept.read_text(encoding="utf-8-sig").splitlines() if line.startswith(("Tipo", "CC;12;"))]
    mended = written(tmp_path, *lines, name="mended.csv")
    mended.write_text(mended.read_text().replace("CC;12;", "CC;1200;"))
    done = run(hospital, mended)
    assert (done.returncode, counts(hospital)) == (0, (2, 2, 4)), done.stdout + done.stderr


def test_an_import_adds_what_is_missing_and_no_more(hospital: Lab, tmp_path: Path) -> None:
    """Twice the same row is one consultation, in the file or in two files; a patient with other data is refused, and stays."""
    file = written(tmp_path, HEADER, ROW, ROW, ROW.replace("Tos y fiebre", "Control"), f"{PERSON};{WITHOUT_VISIT}")
    assert run(hospital, file).returncode == 0
    assert counts(hospital) == (1, 2, 3)
    again = run(hospital, file)
    assert (again.returncode, counts(hospital)) == (0, (1, 2, 3))
    assert "0 patients and 0 consultations added, 4 rows said nothing new" in again.stdout
    other = written(tmp_path, HEADER, ROW.replace("BTA", "Cali").replace("Tos", "Fiebre"), name="other.csv")
    assert run(hospital, other).returncode == 2
    assert refused(other)[0]["por_que"] == "cedula: ya hay un paciente 1072319876, con otros datos: ciudad."
    assert counts(hospital) == (1, 2, 3)
    assert hospital.rows("SELECT DISTINCT documento_id, rol, accion, motivo, antes FROM cambios") == [
        ("ana", "administrador", "registro", "importación de hospital.csv", None)
    ]


def test_an_import_marks_or_refuses_diagnoses_that_the_lab_does_not_know(hospital: Lab, tmp_path: Path) -> None:
    """As the lab's setting is; what would be refused is said by a check, too."""
    marked = "SELECT codigo FROM cie10 WHERE descripcion IS NULL"
    rows = [ROW.replace("j06.9", code) for code in ("q99.8", "Q998", "J00")]
    assert run(hospital, written(tmp_path, HEADER, *rows)).returncode == 0
    assert hospital.rows(marked) == [("Q998",)]
    hospital.admin.execute("REVOKE INSERT ON cie10 FROM middleware")
    file = written(tmp_path, HEADER, ROW.replace("j06.9", "Q99.9"), ROW.replace("Tos", "Otra"), name="refused.csv")
    assert "line 2: codigo_cie10: el laboratorio no conoce el código Q999" in run(hospital, file, "--check").stdout
    assert run(hospital, file).returncode == 2
    assert refused(file)[0]["por_que"] == f"codigo_cie10: {diagnoses.UNKNOWN.format('Q999')}"
    assert hospital.rows(marked) == [("Q998",)]
    assert hospital.rows("SELECT codigo_cie10 FROM consultas ORDER BY 1") == [("J00X",), ("J069",), ("Q998",)]


def test_two_people_with_the_same_digits_are_two(hospital: Lab, tmp_path: Path) -> None:
    """A person is a type and a number."""
    file = written(tmp_path, HEADER, ROW, ROW.replace("CC;1.072.319.876;Ana", "Pasaporte;1072319876;Eva"))
    assert run(hospital, file).returncode == 0
    assert hospital.rows("SELECT cedula, nombre FROM pacientes ORDER BY 1") == [
        ("1072319876", "Ana María"), ("PA-1072319876", "Eva María"),
    ]  # fmt: skip


def test_a_check_changes_nothing(hospital: Lab, tmp_path: Path) -> None:
    """It says which rows would be refused, also for what is in the database, and writes neither there nor beside the file."""
    assert run(hospital, written(tmp_path, HEADER, ROW)).returncode == 0
    file = written(
        tmp_path,
        HEADER,
        ROW.replace("BTA", "Cali"),
        ROW.replace("1.072.319.876", "1072319000"),
        ROW.replace("Mujer", "3"),
    )
    done = run(hospital, file, "--check")
    assert done.returncode == 2
    told = re.findall(r"^line (\d+): (\w+)", done.stdout, re.MULTILINE)
    assert sorted(told) == [("2", "cedula"), ("4", "sexo")]
    assert "1 patient and 1 consultation could be added" in done.stdout
    assert counts(hospital) == (1, 1, 2)
    assert {path.name for path in tmp_path.glob("*.csv")} == {"hospital.csv"}


#: Of each row: the name, its parts, the sex, the city and its code, the zone, when the visit ended; or the refusal.
PARTS = {
    "Ana;Lucía;Núñez;Peña;Indeterminado;;5615;2;2:50 p. m.": (
        "Ana Lucía", "Ana", "Lucía", "Núñez Peña", "I", "Rionegro", "05615", "02", "19:50",
    ),
    "María del Pilar;;Rey;;F;BOGOTA;;urbana;": (
        "María del Pilar", "María del Pilar", None, "Rey", "F", "BOGOTA", "11001", "01", None,
    ),
    "Ana;;Rey;;F;Florencia;;;": ("Ana", "Ana", None, "Rey", "F", "Florencia", None, None, None),
    ";Lucía;Rey;;F;Cali;;;": "fila: segundo_nombre necesita primer_nombre.",
    "Ana;;Rey;;F;Cali;52001;;": "fila: codigo_municipio 52001 es Pasto (Nariño), y ciudad dice otra cosa.",
    "Ana;;Rey;;F;Cali;;;2:10 p. m.": "fecha_fin: es anterior a fecha_consulta.",
    "Ana;;Rey;;F;Cali;;3;": "zona_residencia: tiene que ser '01' o '02'.",
}  # fmt: skip


def test_an_import_takes_what_norms_ask_for(hospital: Lab, tmp_path: Path) -> None:
    """Names in their parts, codes whose zeros Excel took away, an end that nobody wrote down; what cannot be is refused, with its line."""
    header = "cedula;Primer nombre;Segundo nombre;Primer apellido;Segundo apellido;Sexo;Ciudad;Codigo municipio;Zona residencia;Fin;Fecha;Hora"
    rest = "05/02/2026;2:30 p. m."
    said = {
        "paciente": {"fecha_nacimiento": {"valor": "1985-03-21"}},
        "consulta": {
            "fecha_consulta": ["Fecha", "Hora"], "fecha_fin": ["Fecha", "Fin"], "medico_id": {"valor": "7"}, "motivo": {"valor": "Tos"},
            "codigo_cie10": {"valor": "J00"}, "diagnostico": {"valor": "Resfriado común"}, "causa": {"valor": "38"},
        },
    }  # fmt: skip
    file = written(tmp_path, header, *(f"{10_000 + number};{row};{rest}" for number, row in enumerate(PARTS)))
    assert run(hospital, file, said=said).returncode == 2
    there = hospital.rows(
        "SELECT nombre, primer_nombre, segundo_nombre, apellido, sexo, ciudad, codigo_municipio, zona_residencia, to_char(fecha_fin AT TIME ZONE 'UTC', 'HH24:MI')"
        " FROM pacientes JOIN consultas ON paciente_id = cedula ORDER BY cedula"
    )
    assert there == [row for row in PARTS.values() if isinstance(row, tuple)]
    told = {int(row["linea_rechazada"]): row["por_que"] for row in refused(file)}
    assert told == {line: why for line, why in enumerate(PARTS.values(), start=2) if isinstance(why, str)}


def test_what_a_file_does_not_say_contradicts_nothing(hospital: Lab, tmp_path: Path) -> None:
    """A patient who is here with more than a file has of him is the same, however his name was taken apart."""
    hospital.admin.execute(
        "INSERT INTO pacientes (cedula, nombre, primer_nombre, apellido, fecha_nacimiento, sexo, ciudad, telefono, nacionalidad, etnia)"
        " VALUES ('1072319876', 'Ana María', 'Ana María', 'Rey', '1985-03-21', 'F', 'Cali', '3001234567', '862', '1')"
    )
    lines = ["cedula,nombre,apellido,fecha_nacimiento,sexo,ciudad", "1072319876,Ana María,Rey,1985-03-21,F,Cali"]
    done = run(hospital, written(tmp_path, *lines), said={})
    assert (done.returncode, "1 row said nothing new" in done.stdout) == (0, True), done.stdout


def test_columns_go_by_their_names_where_nobody_says(hospital: Lab, tmp_path: Path) -> None:
    """The API's names need no YAML, and what is not used is named."""
    lines = [
        "TIPO_DOCUMENTO,Numero Documento,nombre,apellido,fecha_nacimiento,sexo,ciudad,EPS",
        "TI,1072319876,Luz,Díaz,2012-05-01,F,Cali,X",
    ]
    done = run(hospital, written(tmp_path, *lines), said={})
    assert done.returncode == 0, done.stderr
    assert hospital.value("SELECT cedula FROM pacientes") == "TI-1072319876"
    assert "Columns that were not used: EPS" in done.stdout


def test_consultations_of_patients_who_are_there(hospital: Lab, tmp_path: Path) -> None:
    """A file may hold no more of a patient than who he is."""
    assert run(hospital, written(tmp_path, HEADER, f"{PERSON};{WITHOUT_VISIT}")).returncode == 0
    lines = [
        "paciente_id,medico_id,fecha_consulta,motivo,codigo_cie10,diagnostico",
        "1072319876,7,2026-02-05T14:30:00-05:00,Tos,J00,Resfriado común",
        "1072319876,7,1980-02-05,Tos,J00,Resfriado común",
        "1072319111,7,2026-02-05,Tos,J00,Resfriado común",
    ]
    file = written(tmp_path, *lines, name="consultas.csv")
    assert run(hospital, file, said={}).returncode == 2
    assert hospital.rows("SELECT paciente_id, codigo_cie10 FROM consultas") == [("1072319876", "J00X")]


#: What is wrong with a file or its columns -> what is said.
WRONG: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "no field like that": ([HEADER, ROW], {"paciente": {"eps": "Plan"}}, r"paciente.eps: there is no such field; there are: cedula, "),
    "no column like that": ([HEADER, ROW], {"paciente": {"nombre": "Nombre"}}, "paciente.nombre: the file has no column Nombre"),
    "a field that is missing": (["Número;Nombre"], {"paciente": {"cedula": "Número"}}, r"(?s)paciente.sexo: no column.*columns: Número, Nombre"),
    "a consultation without its moment": (
        ["cedula;medico_id;motivo;codigo_cie10;diagnostico"], {}, "consulta.fecha_consulta: no column is called so"),
    "an empty file": ([], {}, "is empty: its first line has to name the columns"),
    "a part that is not known": ([HEADER], {"pacientes": {}}, "pacientes: no es un campo que se conozca aquí"),
    "a quote that is never closed": ([HEADER, '"' + ROW + "\r\n" * 140_000], MAPPING, r"line \d+: .* Is a quote opened there"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "said", "reason"), WRONG.values(), ids=list(WRONG))
def test_a_file_that_does_not_go_with_its_columns_is_refused(
    hospital: Lab, tmp_path: Path, lines: list[str], said: dict[str, Any], reason: str
) -> None:
    """In one message, before anything is taken."""
    file = written(tmp_path, *lines)
    done = run(hospital, file, said=said)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(reason, done.stderr), done.stderr
    assert counts(hospital) == (0, 0, 0)
    assert list(tmp_path.glob("*rechazadas*")) == []


def test_a_database_that_does_not_answer_is_said(hospital: Lab, tmp_path: Path) -> None:
    """In a sentence, and with what is left to do."""
    hospital.environment["PGPORT"] = "1"
    done = run(hospital, written(tmp_path, HEADER, ROW))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"The import stopped: connection.*refused(.|\n)*run the same command again to go on\.\n", done.stderr
    ), done.stderr
    assert "Traceback" not in done.stderr


def test_an_import_that_is_killed_goes_on(hospital: Lab, tmp_path: Path) -> None:
    """What was taken is whole, batch by batch; run again it adds the rest. Its processes end with it."""
    people = [ROW.replace("1.072.319.876", str(1_000_000_000 + number)) for number in range(20_000)]
    file = written(tmp_path, HEADER, *people)
    yaml = tmp_path / "hospital.yml"
    yaml.write_text(json.dumps(MAPPING))
    process = subprocess.Popen(
        hospital.python("-m", "historia_clinica.imports", str(file), "--mapping", str(yaml), "--jobs", "2"),
        stdout=subprocess.DEVNULL,
    )
    wait_until(lambda: hospital.value("SELECT count(*) FROM consultas") > 0)
    process.kill()
    process.wait()
    wait_until(
        lambda: (
            hospital.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'historia-clinica-load'")
            == 0
        )
    )
    patients, consultations, _changes = counts(hospital)
    assert 0 < patients == consultations < 20_000
    assert (
        hospital.value(
            "SELECT count(*) FROM pacientes p WHERE NOT EXISTS (SELECT FROM consultas WHERE paciente_id = cedula)"
        )
        == 0
    )
    assert run(hospital, file).returncode == 0
    assert counts(hospital) == (20_000, 20_000, 40_000)


def test_a_row_that_only_the_database_refuses_stands_alone(hospital: Lab, tmp_path: Path) -> None:
    """The others of its batch are taken."""
    hospital.admin.execute("ALTER TABLE pacientes ADD CONSTRAINT no_lunes CHECK (nombre <> 'Lunes')")
    people = [ROW.replace("1.072.319.876", str(1_000_000_000 + number)) for number in range(50)]
    people[20] = people[20].replace("Ana María", "Lunes")
    file = written(tmp_path, HEADER, *people)
    assert run(hospital, file).returncode == 2
    assert counts(hospital)[0] == 49
    assert [(row["linea_rechazada"], "no_lunes" in row["por_que"]) for row in refused(file)] == [("22", True)]


def test_the_api_takes_many_rows_and_says_what_became_of_each(rules: Lab, client: FlaskClient) -> None:
    """Each by itself: one that cannot be does not hold up the others. Sent again it adds what is missing, as a file does."""
    header = log_in(client, "administrador")
    luz = {"paciente": {"cedula": "TI-1072319876", **DATA, "fecha_nacimiento": "2012-05-01"}}
    visit = CONSULTATION | {"fecha_consulta": "2026-02-05T14:30:00-05:00"}
    bodies = [
        luz | {"consultas": [visit, visit | {"motivo": "Fiebre"}, visit]},
        luz | {"consultas": [visit | {"medico_id": "99"}]},
        {"paciente": {"cedula": OTHER, **DATA, "ciudad": "Pasto"}},
        {"paciente": {"cedula": "12", **DATA, "sexo": "X"}},
        luz | {"consultas": [CONSULTATION]},
        ["no row"],
    ]
    answer = client.post(f"{V1}/importaciones", json={"filas": bodies}, headers=header)
    assert answer.status_code == 200, answer.text
    report = answer.get_json()
    assert (report["pacientes"], report["consultas"], report["repetidas"]) == (1, 2, 0)
    wrong = {row["fila"]: [error["campo"] for error in row["errores"]] for row in report["rechazadas"]}
    assert wrong == {
        1: ["medico_id"], 2: ["cedula"], 3: ["paciente.sexo", "paciente.cedula"], 4: ["consultas.0.fecha_consulta"], 5: ["cuerpo"],
    }  # fmt: skip
    again = client.post(f"{V1}/importaciones", json={"filas": bodies[:1]}, headers=header).get_json()
    assert again == {"pacientes": 0, "consultas": 0, "repetidas": 1, "rechazadas": []}
    assert rules.value("SELECT count(*) FROM consultas WHERE paciente_id = 'TI-1072319876'") == 2
    assert client.post(f"{V1}/importaciones", json={"filas": []}, headers=header).status_code == 422


def test_a_row_is_the_same_consultation_in_a_file_and_through_the_api() -> None:
    """So a hospital that sends a file, and later the rest through the network, sends nothing twice."""
    here = {"fecha_consulta": "2026-02-05T14:30:00-05:00", "fecha_fin": "2026-02-05T14:50:00-05:00"}
    there = {"fecha_consulta": "2026-02-05T19:30:00Z", "fecha_fin": "2026-02-05T19:50:00Z"}
    visit = schemas.ConsultaDatos.model_validate(CONSULTATION | here)
    other = schemas.ConsultaImportada.model_validate(CONSULTATION | there)
    assert identifier("1072319876", visit) == identifier("1072319876", other)


def test_the_statements_name_every_field() -> None:
    """A field that the API gets is imported, too."""
    fields = {
        "import_patients": mapping.PATIENT,
        "import_patients_present": mapping.PATIENT,
        "import_consultations": ("paciente_id", "id", *batches.CONSULTATION),
    }
    for name, expected in fields.items():
        listed = re.search(r"\((cedula|paciente_id)[^)]*\)|SELECT (.*?)\sFROM", statement(name).decode(), re.DOTALL)
        assert listed, name
        assert tuple(re.findall(r"\w+", listed[2] or listed[0])) == tuple(expected), name


def test_a_moment_without_a_zone_is_colombias() -> None:
    """Written in any of the usual forms."""
    forms = {
        "21/03/2026 2:30 p. m.": "2026-03-21T14:30:00-05:00",
        "21/03/2026 12:05 a.m.": "2026-03-21T00:05:00-05:00",
        "1-3-2026 07:00": "2026-03-01T07:00:00-05:00",
        "2026-03-21": "2026-03-21T00:00:00-05:00",
        "2026-03-21 07:00:30": "2026-03-21T07:00:30-05:00",
        "2026-03-21T07:00:00Z": "2026-03-21T07:00:00Z",
    }
    assert {text: rows.FORMS["fecha_consulta"](text) for text in forms} == forms


def test_utf_8_is_known_wherever_its_first_accent_is(tmp_path: Path) -> None:
    """Also where it lies across two blocks that are read."""
    file = tmp_path / "a.csv"
    file.write_bytes(b"a" * ((1 << 20) - 1) + "ñ".encode())
    assert files.encoding(file) == "utf-8-sig"
    file.write_bytes(b"a" * ((1 << 20) - 1) + "ñ".encode("cp1252"))
    assert files.encoding(file) == "cp1252"
