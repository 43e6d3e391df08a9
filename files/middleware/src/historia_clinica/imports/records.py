"""What a row says, once it is read; and which consultation is which: its content tells, so that what comes twice is one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from historia_clinica.names import PARTS
from historia_clinica.schemas import ConsultaDatos, PacienteDatos, PacienteNuevo

NAMESPACE = UUID("5f1f8a5e-6d0b-4c0a-9a44-0d4c2f6f2b11")
#: Not compared: the whole is, and one whole may have been taken apart in more than one way.
_PARTS = {part for _whole, *parts in PARTS for part in parts}
#: Of a patient who is here with other data: who, and which fields.
TAKEN = "ya hay un paciente {}, con otros datos: {}."


class Doctor(NamedTuple):
    """What a consultation has to know of its doctor."""

    id: str
    registration: str
    active: bool


class Consultation(NamedTuple):
    """A consultation, and the identifier that its content gives it."""

    id: UUID
    data: ConsultaDatos


class Record(NamedTuple):
    """What a row says."""

    line: int
    fields: list[str]  # as they are written, to be given back
    cedula: str
    patient: PacienteNuevo | None  # None where the row says no more of him than who he is
    consultation: Consultation | None


class Refused(NamedTuple):
    """A row that was not taken, and why."""

    line: int
    fields: list[str]
    why: str


def identifier(cedula: str, data: ConsultaDatos) -> UUID:
    """Return the identifier of a patient's consultation, whose moment is given."""
    moments = {
        field: moment.astimezone(UTC) for field in ("fecha_consulta", "fecha_fin") if (moment := getattr(data, field))
    }
    data = data.model_copy(update=moments)  # in whatever zone they are written
    # What has a default is left out: a field that is added later makes no other consultation of one that is here.
    return uuid5(NAMESPACE, f"{cedula} {data.model_dump_json(exclude_defaults=True)}")


def unlike(known: Mapping[str, Any], patient: PacienteDatos) -> list[str]:
    """Return the fields in which what is known of a patient is not what is said of him; what is not said contradicts nothing."""
    said = patient.model_dump(include=(patient.model_fields_set & PacienteDatos.model_fields.keys()) - _PARTS)
    code = said.pop("codigo_municipio", None)
    wrong = [field for field, value in said.items() if str(value) != str(known[field])]
    if code and known["codigo_municipio"]:  # then these tell one city from another, however it is written
        wrong = [field for field in wrong if field != "ciudad"] + ["ciudad"] * (code != known["codigo_municipio"])
    return wrong
