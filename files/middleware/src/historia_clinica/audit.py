"""Who reads a patient's history, when and why: a row beside the patient, in the transaction that reads."""

from __future__ import annotations

from historia_clinica import permissions
from historia_clinica.sql import statement
from historia_clinica.transactions import Transaction

# Why a role reads a history, where whoever reads says nothing.
REASONS = {
    "administrador": "administración",
    "medico": "atención",
    "resultados": "resultados",
    "paciente": "solicitud propia",
}


def record(transaction: Transaction, cedula: str, action: str, reason: str | None) -> None:
    """Keep, as the last statement of the transaction, that whoever asks read the history of a patient.

    While the rules are lifted nobody has said who he is, and there is nothing to keep. Raises psycopg.Error where it is refused.
    """
    if person := permissions.current():
        values = {"cedula": cedula, "documento_id": person.documento_id, "rol": person.rol, "accion": action}
        values["motivo"] = reason or REASONS[person.rol]
        transaction.execute(statement("acceso_insert"), values, last=True)
