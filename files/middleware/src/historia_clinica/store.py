"""Reading and changing the things of the clinical history, by the statements of their kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from historia_clinica.answers import require_match
from historia_clinica.db import ask
from historia_clinica.errors import ProblemError
from historia_clinica.pipeline import Pipeline
from historia_clinica.sql import search, statement

Key = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of thing.

    Attributes:
        one: the name that begins its statements: `<one>_insert.sql`, `_lock` and `_update`.
        many: the statement that reads it.
        missing: what to say where there is none; the parts of its key in braces.
    """

    one: str
    many: str
    missing: str

    def query(self, conditions: Key) -> bytes:
        """Return the statement that reads those that meet the conditions."""
        return search(self.many, frozenset(conditions))

    def find(self, pipeline: Pipeline, key: Key) -> str | None:
        """Return it as JSON, or None where there is none."""
        row = pipeline.execute(self.query(key), key).first()
        return row["cuerpo"] if row else None

    def read(self, pipeline: Pipeline, key: Key) -> str:
        """Return it as JSON.

        Raises:
            ProblemError: 404.
        """
        body = self.find(pipeline, key)
        if body is None:
            raise self.not_found(key)
        return body

    def page(self, pipeline: Pipeline, conditions: Key) -> list[str]:
        """Return those that meet the conditions, as JSON: one more than `limite` if there is one."""
        rows = pipeline.execute(self.query(conditions), conditions).rows()
        return [row["cuerpo"] for row in rows]

    def insert(self, pipeline: Pipeline, values: Key) -> None:
        """Add one.

        Raises:
            psycopg.errors.UniqueViolation: it is there already.
        """
        pipeline.execute(statement(f"{self.one}_insert"), values)

    def lock(self, pipeline: Pipeline, key: Key) -> str | None:
        """Return it as JSON, or None, and let nobody else change it until the transaction ends."""
        locked = pipeline.execute(statement(f"{self.one}_lock"), key)
        body = self.find(pipeline, key)
        return body if locked.first() else None

    def amend(self, pipeline: Pipeline, key: Key, new: Callable[[str], BaseModel]) -> str:
        """Write `new` of what is there over it, and return it as JSON.

        Raises:
            ProblemError: 404; 412 or 428 where the caller has not seen what is there.
        """
        body = self.lock(pipeline, key)
        if body is None:
            raise self.not_found(key)
        require_match(body)
        return self.update(pipeline, key, new(body))

    def update(self, pipeline: Pipeline, key: Key, values: BaseModel) -> str:
        """Write the values, whatever is there, and return it as JSON."""
        pipeline.execute(statement(f"{self.one}_update"), {**values.model_dump(), **key})
        return self.read(pipeline, key)

    def not_found(self, key: Key) -> ProblemError:
        """Return the 404 that says which one is missing."""
        return ProblemError(HTTPStatus.NOT_FOUND, self.missing.format(**key))


MEDICO = Kind("medico", "medicos", "No hay médico con el número {id}.")
PACIENTE = Kind("paciente", "pacientes", "No hay paciente con la cédula {cedula}.")
CONSULTA = Kind("consulta", "consultas", "El paciente {cedula} no tiene la consulta {id}.")
HISTORIA = Kind("historia", "historia", "No hay paciente con la cédula {cedula}.")
ACCESO = Kind("acceso", "accesos", "Nadie ha leído la historia de {cedula}.")
USUARIO = Kind("usuario", "usuarios_v1", "No hay usuario con el documento {documento_id}.")


def read(kind: Kind, **key: Any) -> str:
    """Return one thing as JSON, for the current request.

    Raises:
        ProblemError: 404.
    """
    for row in ask(kind.query(key), key):
        body: str = row["cuerpo"]
        return body
    raise kind.not_found(key)


def page(kind: Kind, conditions: Key) -> list[str]:
    """Return a page of things as JSON, one more where there is a next page."""
    return [row["cuerpo"] for row in ask(kind.query(conditions), conditions)]
