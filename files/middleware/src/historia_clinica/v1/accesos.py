"""`/api/v1/accesos`: who was shown pages of patients and consultations. Who read one patient's history is beside the patient."""

from __future__ import annotations

from flask import Response

from historia_clinica import schemas, store
from historia_clinica.resource import Resource

blueprint = Resource("accesos", __name__, "/accesos", tag="Accesos")


@blueprint.operation(
    "GET", "/paginas", "Lista quién vio qué páginas de pacientes o de consultas, lo más nuevo primero", "accesos.buscar",
    schemas.Paginas, query=schemas.PaginasFiltro,
)  # fmt: skip
def pages(conditions: schemas.PaginasFiltro) -> Response:
    """List the pages that somebody was shown, or that showed a patient; the newest first."""
    return store.page("paginas", "accesos_paginas", conditions.given(), ["momento", "id"])
