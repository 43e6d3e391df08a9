"""`/api/v1`: the clinical history, a module for each kind of thing."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import BaseConverter


class CedulaConverter(BaseConverter):
    """A document number in an address: what does not look like one is nobody's (404)."""

    regex = "[0-9]{5,10}"


class NumeroConverter(BaseConverter):
    """A doctor's number in an address."""

    regex = "[1-9][0-9]{0,8}"


def init_app(app: Flask) -> None:
    """Serve the clinical history under `/api/v1`."""
    from historia_clinica.v1 import cluster, consultas, medicos, pacientes, sesiones, usuarios

    app.url_map.converters |= {"cedula": CedulaConverter, "numero": NumeroConverter}
    for module in (sesiones, medicos, pacientes, consultas, usuarios, cluster):
        app.register_blueprint(module.blueprint)
