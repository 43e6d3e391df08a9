"""People of a lab whose rules hold, and how they log in: a user of each role, two patients with a consultation each."""

from __future__ import annotations

import hashlib
from typing import Any

from flask.testing import FlaskClient

from historia_clinica import passwords
from historia_clinica.permissions import ROLES

V1 = "/api/v1"
KEY = "the first key of this lab, which no log shows"
WORD = "a password that no log shows"
KID = hashlib.sha256(KEY.encode()).hexdigest()[:16]
HASH = passwords.hashed(WORD)

# One user of each role; the patient's document is a patient's cedula, the doctor is number 7.
USERS = {role: f"2000{n}" for n, role in enumerate(ROLES)}
PATIENT = USERS["paciente"]
OTHER = "30000"
CONSULTATION = {"medico_id": "7", "motivo": "Tos", "codigo_cie10": "J06.9", "diagnostico": "Resfriado"}
DATA = {"nombre": "N", "apellido": "A", "fecha_nacimiento": "1990-01-01", "sexo": "F", "ciudad": "Cali"}

Bearer = dict[str, str]


def bearer(token: str) -> Bearer:
    """Return the header that says who asks."""
    return {"Authorization": f"Bearer {token}"}


def session(client: FlaskClient, document: str, word: str = WORD) -> dict[str, Any]:
    """Log in."""
    answer = client.post(f"{V1}/sesiones", json={"documento_id": document, "clave": word})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.get_json()
    return body


def log_in(client: FlaskClient, role: str) -> Bearer:
    """Log in as the user of a role and return the header that says so."""
    return bearer(session(client, USERS[role])["token"])
