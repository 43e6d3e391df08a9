"""`/api/v1/municipios`: where people live, by the code that RIPS and RDA ask for. The list is the country's: nobody changes it here."""

from __future__ import annotations

from flask import Response

from historia_clinica import schemas, store, texts
from historia_clinica.resource import Resource

blueprint = Resource("municipios", __name__, "/municipios", tag="Municipios")

MUNICIPIO = store.Readable(
    "municipios", frozenset({"codigo_municipio"}), "No hay municipio con el código {codigo_municipio}."
)


@blueprint.operation(
    "GET", "", "Busca municipios, por código", "municipios.leer", schemas.Municipios, query=schemas.MunicipiosFiltro
)
def search(conditions: schemas.MunicipiosFiltro) -> Response:
    """List municipalities by their code; by a word of their name, which has the common one in it, or the beginning of the department's."""
    given = conditions.model_dump(exclude_none=True)
    if name := given.get("nombre"):
        given["nombre"] = texts.within(name)
    if department := given.get("departamento"):
        given["departamento"] = texts.beginning(department)[-1]
    return store.page("municipios", "municipios", given, ["codigo_municipio"])


@blueprint.operation("GET", "/<codigo_municipio>", "Lee un municipio", "municipios.leer", schemas.Municipio, also=[404])
def read(codigo_municipio: str) -> Response:
    """Answer with one municipality."""
    return MUNICIPIO.answer({"codigo_municipio": codigo_municipio})
