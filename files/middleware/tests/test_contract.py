"""The description and the behaviour of the API, held together: the checked-in OpenAPI, and schemathesis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from conftest import Lab
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.result import Err
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from historia_clinica import sessions
from historia_clinica.transactions import in_transaction

SEED = 20261125  # printed by pytest with a failure, and the same on every machine
MORE_SEEDS = (20261127, 1, 2, 3, 4)
ROLES = ("administrador", "medico", "admisionista", "resultados", "paciente")
CHECKED_IN = Path(__file__).parents[1] / "openapi.json"
SETTINGS = settings(
    max_examples=8,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# Some of what a date or a doctor's number may be, no schema can say.
LEFT_OUT = [positive_data_acceptance]


def left_out(case: schemathesis.Case[Any]) -> Any:
    """The checks that do not hold of an operation: an import answers 200 with a report, in which a row stands that its schema does not know."""
    return [*LEFT_OUT, *([negative_data_rejection] if case.operation.path.endswith("/importaciones") else [])]


@pytest.fixture
def rules(lab: Lab, tmp_path: Path) -> None:
    """Let the rules hold in the lab, which has an administrator, a doctor and a patient."""
    keys = tmp_path / "signing.keys"
    keys.write_text("a key of this lab that is long enough\n")
    lab.environment |= {
        "PGUSER": "api",
        "HISTORIA_CLINICA_ACCESS": "rules",
        "HISTORIA_CLINICA_SIGNING_KEYS": str(keys),
    }
    lab.admin.execute("INSERT INTO medicos VALUES (1, 'Rosa', 'Pediatría', 'RM-1', 'Pasto')")
    for number, role in enumerate(ROLES):
        doctor = 1 if role == "medico" else None
        values = [f"9999{number}", role, doctor]
        lab.admin.execute("INSERT INTO usuario VALUES (%s, 'N', 30, %s, %s, true)", values)
    lab.admin.execute(
        "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
        " VALUES ('1000', 'N', 'A', '1990-01-01', 'F', 'Cali')"
    )


@pytest.fixture
def schema(rules: None, app: Flask) -> BaseSchema:
    """Give the API's description, read from the running service."""
    found: BaseSchema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    # The administrator, whose session the tests need, would log out.
    return found.exclude(path="/api/v1/sesiones/actual", method="DELETE")


def header(app: Flask, role: str) -> dict[str, str]:
    """Return the header of somebody of this role."""
    with app.app_context():
        opened = in_transaction(sessions.start)(f"9999{ROLES.index(role)}", role, "1" if role == "medico" else None)
    return {"Authorization": f"Bearer {opened['token']}"}


@pytest.fixture
def administrator(rules: None, app: Flask) -> dict[str, str]:
    """Give the header of somebody who may do everything."""
    return header(app, "administrador")


def test_openapi_is_the_one_that_is_checked_in(client: FlaskClient) -> None:
    """A change of the contract is seen in a review: the README says how to write it."""
    served = client.get("/api/v1/openapi.json").get_json()
    assert served == json.loads(CHECKED_IN.read_text(encoding="utf-8"))
    assert served["openapi"].startswith("3.1")


@pytest.mark.parametrize(
    ("role", "number", "examples"),
    [
        ("administrador", SEED, 8),
        *(pytest.param(role, number, 40, marks=pytest.mark.long) for role in ROLES for number in MORE_SEEDS),
    ],
)
def test_every_operation_keeps_to_its_description(
    schema: BaseSchema, app: Flask, role: str, number: int, examples: int
) -> None:
    """What is sent is valid and not; no answer is a 5xx, undescribed, or of another form than described."""
    caller = header(app, role)
    tried = 0
    for result in schema.get_all_operations():
        assert not isinstance(result, Err)
        operation = result.ok()

        @seed(number)
        @settings(SETTINGS, max_examples=examples)
        @given(case=operation.as_strategy())
        def keeps_to_it(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers=caller, excluded_checks=left_out(case))

        keeps_to_it()
        tried += 1
    assert tried > 25


def test_operations_one_after_the_other_keep_to_their_description(
    schema: BaseSchema, administrator: dict[str, str]
) -> None:
    """What one operation created is read, changed and retired by others, along the links that the API gives."""
    print(f"seed {SEED}")

    class Machine(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, _: schemathesis.Case[Any]) -> dict[str, Any]:
            return {"headers": administrator}

        def validate_response(
            self, response: Any, case: schemathesis.Case[Any], additional_checks: Any = None, **sent: Any
        ) -> None:
            case.validate_response(
                response, excluded_checks=left_out(case), headers=administrator, transport_kwargs=sent
            )

    seed(SEED)(Machine).run(settings=settings(SETTINGS, max_examples=8, stateful_step_count=6))
