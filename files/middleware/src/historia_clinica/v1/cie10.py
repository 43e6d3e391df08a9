"""`/api/v1/cie10`: the diagnoses that the lab knows, and those that somebody used without the lab knowing them."""

from __future__ import annotations

from flask import Response

from historia_clinica import schemas, store, texts
from historia_clinica.resource import Resource

blueprint = Resource("cie10", __name__, "/cie10", tag="Diagnósticos")

DIAGNOSTICO = store.Readable(
    "cie10", frozenset({"codigo"}), "El laboratorio no conoce el código {codigo} de la CIE-10."
)


@blueprint.operation(
    "GET", "", "Busca diagnósticos, por código", "cie10.leer", schemas.Diagnosticos, query=schemas.DiagnosticosFiltro
)
def search(conditions: schemas.DiagnosticosFiltro) -> Response:
    """List diagnoses by their code; by a word of their description, too, however it is typed."""
    given = conditions.model_dump(exclude_none=True)
    if words := given.get("descripcion"):
        given["descripcion"] = texts.within(words)
    return store.page("diagnosticos", "cie10", given, ["codigo"])


@blueprint.operation("GET", "/<codigo>", "Lee un diagnóstico", "cie10.leer", schemas.Diagnostico, also=[404])
def read(codigo: str) -> Response:
    """Answer with one diagnosis."""
    return DIAGNOSTICO.answer({"codigo": codigo})
