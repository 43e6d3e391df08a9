"""No person's document, name or password is in a log, or in what a playbook prints, at any verbosity; who failed at what is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from support.api import ask
from support.failing import DOCUMENT, NAME, fail_all, fail_all_in_psql
from support.labs import Lab

#: A server's line, as log_line_prefix in the role server_settings begins it.
LINE = re.compile(r"^\S+ \S+ \S+ \[\d+\] ([0-9A-Z]{5}) (?:(\S+)@\S+ )?([A-Z]+):  (.*)$", re.MULTILINE)


def logs(lab: Lab) -> dict[str, str]:
    """The text of every log of a lab, by its name."""
    return {
        file.name: file.read_text(encoding="utf-8", errors="replace") for file in (lab.directory / "logs").iterdir()
    }


def found(texts: dict[str, str]) -> list[str]:
    """Where the invented person is named."""
    words = (DOCUMENT, *NAME.split())
    return [
        f"{name}: {line}" for name, text in texts.items() for line in text.splitlines() if any(w in line for w in words)
    ]


def test_what_fails_is_logged_without_the_person_it_is_about(lab: Lab) -> None:
    """At the coordinator, on a worker, in psql by a person's login, over the API: no log and no diagnosis names the person."""
    made = lab.play("login.yml", "-e", "clinical_schema_login=quejosa", "-e", "clinical_schema_login_kind=write")
    assert made.rc == 0, made.stdout + made.stderr
    try:
        with lab.connect() as admin:
            fail_all(admin)
        with lab.connect(node="citus-worker-1") as worker:
            fail_all(worker)
        environment = {**os.environ, "LAB_LOGIN": "quejosa"}
        fail_all_in_psql([str(lab.directory / "bin/psql")], environment)
        token = lab.token()
        patient = {
            "cedula": DOCUMENT,
            "nombre": NAME,
            "apellido": NAME,
            "fecha_nacimiento": "2000-01-01",
            "sexo": "F",
            "ciudad": "Cali",
        }
        patients = "/api/v1/pacientes"
        answers = [ask(lab, "POST", patients, patient, token)[0] for _ in range(2)]
        assert answers == [201, 409]
        assert ask(lab, "POST", patients, {**patient, "cedula": DOCUMENT[:9], "sexo": NAME}, token)[0] == 422
        assert ask(lab, "GET", f"{patients}/{DOCUMENT[::-1]}", None, token)[0] == 404
        written = logs(lab)
        diagnosis = lab.play("diagnose.yml", "-vvv")
    finally:
        lab.play("login.yml", "-e", "clinical_schema_login=quejosa", "-e", "clinical_schema_login_kind=none")
        with lab.connect() as admin:
            for table in ("accesos", "cambios"):
                admin.execute(f"DELETE FROM {table} WHERE paciente_id = %s".encode(), [DOCUMENT])
            admin.execute("DELETE FROM pacientes WHERE cedula = %s", [DOCUMENT])
    assert diagnosis.rc == 0, diagnosis.stdout
    assert found({**written, "diagnose": diagnosis.stdout + diagnosis.stderr}) == []
    lines = {(state, who, message) for state, who, _, message in LINE.findall(written["citus-coordinator.log"])}
    assert {("22P02", "admin"), ("22P02", "quejosa"), ("57014", "quejosa")} <= {(state, who) for state, who, _ in lines}
    broken = [message for state, who, message in lines if state == "23505" and who == "quejosa"]
    assert any(re.search(r'violates unique constraint "pacientes_(\d+_)?pkey', message) for message in broken), broken
    assert any(state == "23505" and who == "api" for state, who, _ in lines)


def test_no_person_and_no_password_is_in_what_a_playbook_prints(lab: Lab, tmp_path: Path) -> None:
    """Not at -vvv, and not in a difference."""
    assert lab.made
    report = tmp_path / "report.json"
    texts = {"site": lab.made.stdout + lab.made.stderr}
    for playbook in ("verify.yml", "status.yml", "diagnose.yml"):
        run = lab.play(playbook, "-vvv", *(["-e", f"verification_file={report}"] if playbook == "verify.yml" else []))
        assert run.rc == 0, run.stdout
        texts[playbook] = run.stdout + run.stderr
    with lab.connect() as admin:
        documents = {str(cedula) for (cedula,) in admin.execute("SELECT cedula FROM pacientes")}
        documents |= {
            str(key) for (key,) in admin.execute("SELECT documento_id FROM usuario WHERE documento_id !~ '^10(72|78)'")
        }
    form = re.compile(r"(?<![0-9A-Za-z.])(?:[A-Z]{2}-)?[0-9A-Z]{4,20}(?![0-9A-Za-z])")
    numbers = {name: set(form.findall(text)) for name, text in texts.items()}
    assert {name: documents & shown for name, shown in numbers.items() if documents & shown} == {}
    secrets = [
        line.rpartition(":")[2].strip()
        for file in (lab.directory / "credentials").iterdir()
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert [name for name, text in texts.items() if any(secret in text for secret in secrets)] == []
