"""Which column of a file is which field: by its name, or as a small file of YAML says."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from historia_clinica import schemas
from historia_clinica.messages import said

KEY = "cedula"
PATIENT = (KEY, *schemas.PacienteDatos.model_fields)
#: A doctor may be named by his registration instead of his number.
DOCTOR, REGISTRATION = "medico_id", "medico_registro"
CONSULTATION = (*schemas.ConsultaDatos.model_fields, REGISTRATION)
#: What a field's columns may be called where nobody says: its own name, or these.
ALSO = {KEY: (["cedula"], ["tipo_documento", "numero_documento"], ["paciente_id"])}


class MappingError(Exception):
    """The columns do not go with the file; the text says which, and what there is."""


class Fixed(BaseModel):
    """The same for every row."""

    model_config = ConfigDict(extra="forbid")
    valor: str


#: One column, or several whose texts are put together with a blank: type and number, date and time.
Source = Annotated[
    list[str], BeforeValidator(lambda said: [said] if isinstance(said, str) else said), Field(min_length=1)
]


class MappingFile(BaseModel):
    """What the YAML says: of each field its column, and what the file's own words mean."""

    model_config = ConfigDict(extra="forbid")
    paciente: dict[str, Source | Fixed] = {}
    consulta: dict[str, Source | Fixed] = {}
    valores: dict[str, dict[str, str]] = {}  # field -> what the file says -> what it means here


class Origin(NamedTuple):
    """Where a field's text comes from: columns, by their places in a row, or a value for all rows."""

    field: str
    places: tuple[int, ...]
    fixed: str | None
    meanings: dict[str, str]  # by the file's word as `plain` has it


class Plan(NamedTuple):
    """The fields that a file has; of a patient the key alone where it holds consultations of patients who are there."""

    patient: list[Origin]
    consultation: list[Origin]  # none where it holds patients alone
    unused: list[str]  # columns that no field comes from


def read(path: Path | None) -> Any:
    """Return what a file of YAML says; raises MappingError where it is none, OSError where it cannot be read."""
    if path is None:
        return {}
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MappingError(f"{path} is no YAML: {error}") from error


def plan(content: Any, header: list[str]) -> Plan:
    """Return where each field comes from.

    Args:
        content: the YAML's content; what it does not say is found by name.
        header: the names of the file's columns.

    Raises:
        MappingError: a field or column is not known, or one that has to be there is not; all that is wrong in one text.
    """
    try:
        written = MappingFile.model_validate(content)
    except ValidationError as error:
        raise MappingError("; ".join(f"{field}: {message}" for field, message in said(error))) from error
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        places.setdefault(plain(name), place)
    wrong = list(_unknown(written, places))
    patient = _origins(written, written.paciente, PATIENT, places)
    consultation = _origins(written, written.consulta, CONSULTATION, places)
    if not wrong:
        wrong = list(_missing(patient, consultation))
    if wrong:
        raise MappingError("\n".join([*wrong, f"The file's columns: {', '.join(header)}"]))
    used = {place for origin in (*patient, *consultation) for place in origin.places}
    return Plan(patient, consultation, [name for place, name in enumerate(header) if place not in used and name])


@lru_cache(maxsize=4096)  # a file says few words, again and again
def plain(text: str) -> str:
    """Return a text as names and words are compared: `Fecha de Nacimiento`, `FECHA_DE_NACIMIENTO` and `fecha de nacimiento` are one."""
    letters = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    return " ".join("".join(sign if sign.isalnum() else " " for sign in letters).casefold().split())


def _origins(
    written: MappingFile,
    said_sources: Mapping[str, list[str] | Fixed],
    fields: tuple[str, ...],
    places: Mapping[str, int],
) -> list[Origin]:
    origins = []
    for field in fields:
        source = said_sources.get(field)
        if source is None:
            named = ALSO.get(field, ([field],))
            source = next((names for names in named if all(plain(name) in places for name in names)), None)
        if source is None:
            continue
        meanings = {plain(word): meaning for word, meaning in written.valores.get(field, {}).items()}
        if isinstance(source, Fixed):
            origins.append(Origin(field, (), source.valor, meanings))
        else:
            found = tuple(places[plain(name)] for name in source if plain(name) in places)
            origins.append(Origin(field, found, None, meanings))
    return origins


def _unknown(written: MappingFile, places: Mapping[str, int]) -> Iterator[str]:
    for part, fields in (("paciente", PATIENT), ("consulta", CONSULTATION)):
        for field, source in getattr(written, part).items():
            if field not in fields:
                yield f"{part}.{field}: there is no such field; there are: {', '.join(fields)}"
            for name in [] if isinstance(source, Fixed) else source:
                if plain(name) not in places:
                    yield f"{part}.{field}: the file has no column {name}"
    for field in written.valores.keys() - {*PATIENT, *CONSULTATION}:
        yield f"valores.{field}: there is no such field"


def _missing(patient: list[Origin], consultation: list[Origin]) -> Iterator[str]:
    has = {origin.field for origin in patient}
    if has != {KEY}:
        required = (name for name, field in schemas.PacienteNuevo.model_fields.items() if field.is_required())
        yield from (
            f"paciente.{field}: no column is called so"
            for field in required
            if not has & {field, schemas.INSTEAD.get(field)}
        )
    elif not consultation:
        yield "there is nothing of a patient but his document, and no consultation"
    has = {origin.field for origin in consultation}
    if has:
        # A consultation without its moment would be another one each time that the file is imported.
        required = (
            name for name, field in schemas.ConsultaDatos.model_fields.items() if field.is_required() and name != DOCTOR
        )
        yield from (
            f"consulta.{field}: no column is called so" for field in (*required, "fecha_consulta") if field not in has
        )
        if not has & {DOCTOR, REGISTRATION}:
            yield f"consulta.{DOCTOR}, or {REGISTRATION}: no column is called so"
