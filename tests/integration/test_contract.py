"""The API of a lab of each engine, held against its own description by schemathesis: as each role, log-in routes included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.result import Err
from schemathesis.specs.openapi.checks import positive_data_acceptance

from support.api import ask
from support.labs import ENGINES, Lab, Workshop, citus_servers

SEEDS = (20261127, 1, 2, 3, 4)
#: What a user of each role is; the administrator comes last, since what he sends may retire others.
ROLES: dict[str, dict[str, Any]] = {
    "paciente": {"rol": "paciente"},
    "resultados": {"rol": "resultados"},
    "admisionista": {"rol": "admisionista"},
    "medico": {"rol": "medico", "medico_id": "40"},
    "administrador": {"rol": "administrador"},
}
PATIENT = {"nombre": "Eva", "apellido": "Rey", "fecha_nacimiento": "1990-01-01", "sexo": "F", "ciudad": "Tunja"}
SETTINGS = settings(
    max_examples=40,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
#: Some of what a date or a doctor's number may be, no schema can say.
LEFT_OUT: Any = [positive_data_acceptance]


WORD = "a long password"


@pytest.fixture(scope="module", params=ENGINES)
def asked(request: pytest.FixtureRequest, workshop: Workshop) -> Iterator[Lab]:
    """A lab of its own, with a user of each role: what is sent at random stays in it."""
    engine: str = request.param
    if engine == "citus" and not citus_servers():
        pytest.skip("no PostgreSQL with Citus on this machine (LAB_TEST_POSTGRES_BIN names its bin folder)")
    lab = workshop.lab(f"contract-{engine.replace('_', '-')}", engine, clinical_schema_patients=10)
    made = lab.play("site.yml")
    assert made.rc == 0, made.stdout + made.stderr
    told = re.search(r'"token": "(\S+)"', lab.play("token.yml").stdout)
    assert told is not None
    for role, user in ROLES.items():
        data = {"nombre": "De prueba", "edad": 40, **user}
        assert ask(lab, "PUT", f"/api/v1/usuarios/{document(role)}", data, told[1])[0] == 201
        assert ask(lab, "PUT", f"/api/v1/usuarios/{document(role)}/clave", {"clave": WORD}, told[1])[0] == 204
    assert ask(lab, "PUT", f"/api/v1/pacientes/{document('paciente')}", PATIENT, told[1])[0] == 201
    yield lab
    assert lab.play("teardown.yml").rc == 0


def document(role: str) -> str:
    """The document of the user of a role."""
    return f"9100001{list(ROLES).index(role)}"


@pytest.mark.long
@pytest.mark.parametrize("number", SEEDS)
@pytest.mark.parametrize("role", ROLES)
def test_every_operation_keeps_to_its_description(asked: Lab, role: str, number: int) -> None:
    """What is sent is valid and not; no answer is a 5xx, undescribed, or of another form than described."""
    status, _, opened = ask(asked, "POST", "/api/v1/sesiones", {"documento_id": document(role), "clave": WORD})
    assert status == 201, opened
    caller = {"Authorization": f"Bearer {opened['token']}"}
    schema = schemathesis.openapi.from_url(f"{asked.api_url}/api/v1/openapi.json")
    tried = 0
    # The caller, whose session the rest needs, would log out.
    for result in schema.exclude(path="/api/v1/sesiones/actual", method="DELETE").get_all_operations():
        assert not isinstance(result, Err)

        @seed(number)
        @SETTINGS
        @given(case=result.ok().as_strategy())
        def keeps_to_it(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers=caller, excluded_checks=LEFT_OUT)

        keeps_to_it()
        tried += 1
    assert tried > 25
    assert ask(asked, "GET", "/api/v1/sesiones/actual", None, opened["token"])[0] == 200
