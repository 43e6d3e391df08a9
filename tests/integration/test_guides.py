"""The guide of the API, run as it is written against a lab of each engine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.labs import Lab

GUIDE = Path(__file__).parents[2] / "docs" / "en" / "api.md"


@pytest.fixture
def password(lab: Lab) -> Iterator[str]:
    """Give the administrator's password, as `make token` shows it; what the guide makes is removed."""
    run = lab.play("token.yml")
    told = re.search(r'"clave": "(\S+)"', run.stdout)
    assert run.rc == 0, run.stdout + run.stderr
    assert told is not None, run.stdout
    yield told[1]
    with lab.connect() as connection:
        for table in ("consultas", "accesos", "cambios", "solicitudes"):
            connection.execute(f"DELETE FROM {table} WHERE paciente_id ~ '9000001[78]$'")
        connection.execute("DELETE FROM pacientes WHERE cedula ~ '9000001[78]$'")
        for table in ("accesos_paginas", "usuario"):
            connection.execute(f"DELETE FROM {table} WHERE documento_id = '1000000001'")
        connection.execute("SET session_replication_role = replica")  # postgres_fdw keeps rows of copies from going
        connection.execute("DELETE FROM cie10 WHERE codigo = 'Q998'")


def test_commands_of_the_guide_answer_as_it_says(lab: Lab, password: str) -> None:
    """Each request gives the status that stands behind it, one after the other in one shell."""
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    expected = re.findall(r"# (\d{3})$", script, re.MULTILINE)
    assert len(expected) > 15
    assert "CLAVE=..." in script
    script = script.replace("http://127.0.0.1:8080", lab.api_url).replace("CLAVE=...", f"CLAVE='{password}'")
    done = subprocess.run(["bash", "-euo", "pipefail"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^(\d{3})$", done.stdout, re.MULTILINE) == expected, done.stdout
