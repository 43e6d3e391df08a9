"""OpenAPI 3.1 from the code, and its interactive page, which needs nothing from the network."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from apiflask import APIFlask
from flask import Blueprint, Response, send_from_directory

from historia_clinica.answers import JSON, PROBLEM
from historia_clinica.resource import PREFIX
from historia_clinica.schemas import CEDULA, CLAVE_IDEMPOTENTE, Problema

View = TypeVar("View", bound=Callable[..., Any])

ASSETS = f"{PREFIX}/docs/assets"

# The parts of addresses, which no schema describes.
PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "cedula": {"type": "string", "pattern": CEDULA},
    "documento_id": {"type": "string", "pattern": CEDULA},
    "medico_id": {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"},
    "consulta_id": {"type": "string", "format": "uuid"},
}
ETAG = {"type": "string", "pattern": r'^(\*|"[!#-~]*")$'}
REQUEST_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "If-Match": ("El ETag de lo que se leyó y se quiere cambiar", ETAG),
    "If-None-Match": ("Al leer, el ETag de lo que ya se tiene; al escribir, * para crear y no reemplazar", ETAG),
    "Idempotency-Key": (
        "Una clave de quien llama: repetida la solicitud, se crea una sola vez y se responde lo mismo",
        {"type": "string", "pattern": CLAVE_IDEMPOTENTE},
    ),
}
RESPONSE_HEADERS: dict[str, tuple[str, list[str]]] = {
    "ETag": ("Lo que distingue esta versión de cualquier otra", ["200", "201", "304"]),
    "Link": ("La página siguiente, si la hay", []),
    "Location": ("Dónde está lo que se creó", ["201"]),
    "Retry-After": ("Segundos que conviene esperar", ["429", "503"]),
}
DESCRIPTIONS = {
    "200": "Lo que se pidió",
    "201": "Se creó",
    "204": "Hecho",
    "304": "No ha cambiado desde lo que se tiene",
    "400": "El cuerpo no es JSON",
    "401": "Falta decir quién pregunta, o el token no vale",
    "403": "Quien pregunta no puede hacer eso",
    "404": "No existe",
    "406": "Accept pide otra forma que JSON",
    "408": "El cuerpo no llegó entero a tiempo",
    "409": "Ya existe",
    "412": "Lo que se cambia ya no es lo que se leyó",
    "413": "El cuerpo es demasiado grande",
    "415": "El cuerpo no es JSON",
    "422": "Un campo no sirve; dice cuál y qué tiene que ser",
    "428": "Falta If-Match",
    "429": "Demasiados intentos",
    "503": "La base de datos, o un nodo de ella, no responde",
}


class Application(APIFlask):
    """An application whose functions are no coroutines: Flask would look at seven of them in each request."""

    def ensure_sync(self, func: View) -> View:
        """Return the function as it is."""
        return func


def create(name: str, version: str) -> Application:
    """Make the application that describes itself at `/api/v1/openapi.json` and `/api/v1/docs`."""
    app = Application(
        name,
        title="Historia clínica distribuida",
        version=version,
        spec_path="/openapi.json",
        docs_path="/docs",
        docs_oauth2_redirect_path=None,
        openapi_blueprint_url_prefix=PREFIX,
        json_errors=False,
        static_folder=None,  # type: ignore[arg-type]
    )
    app.security_schemes = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "El token de POST /api/v1/sesiones; mientras las reglas están levantadas no hace falta",
        }
    }
    app.config.update(
        AUTO_OPERATION_ID=True,
        AUTO_OPERATION_DESCRIPTION=False,
        AUTO_404_RESPONSE=False,
        AUTO_SERVERS=False,
        DOCS_FAVICON=f"{ASSETS}/images/swagger.svg",
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        SWAGGER_UI_CSS=f"{ASSETS}/css/swagger-ui.css",
        SWAGGER_UI_BUNDLE_JS=f"{ASSETS}/js/swagger-ui-bundle.js",
        SWAGGER_UI_STANDALONE_PRESET_JS=f"{ASSETS}/js/swagger-ui-standalone-preset.js",
    )
    app.spec_callback = complete  # type: ignore[assignment]  # ours is a dict: the format is JSON
    app.register_blueprint(_assets())
    return app


def _assets() -> Blueprint:
    """Serve Swagger UI from the wheel that carries it. It is not imported: only its files are wanted."""
    blueprint = Blueprint("assets", __name__, url_prefix=ASSETS)
    wheel = find_spec("flask_openapi3_swagger")
    if wheel is None or wheel.origin is None:
        raise ModuleNotFoundError("The wheel flask-openapi3-swagger is missing: pip install -r requirements.txt")
    folder = Path(wheel.origin).parent / "templates" / "swagger"

    @blueprint.get("/<path:file>")
    def asset(file: str) -> Response:
        return send_from_directory(folder, file, max_age=86400)

    return blueprint


def complete(spec: dict[str, Any]) -> dict[str, Any]:
    """Add to what APIFlask found in the code what holds for every operation of `/api/v1`."""
    spec["components"]["schemas"]["Problema"] = Problema.model_json_schema(ref_template="#/components/schemas/{model}")
    spec["components"]["schemas"] |= spec["components"]["schemas"]["Problema"].pop("$defs")
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            if path.startswith(PREFIX):
                _complete(method, operation)
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter["required"] = True
                    parameter["schema"] = PATH_PARAMETERS.get(parameter["name"], parameter["schema"])
                if parameter["in"] == "query":
                    parameter["schema"] = _without_null(parameter["schema"])
    return spec


def _complete(method: str, operation: dict[str, Any]) -> None:
    statuses = {"406", "503"}
    if method in ("post", "put", "patch"):
        statuses |= {"400", "408", "413", "415", "422"}
        operation["requestBody"]["required"] = True
        if method == "patch":
            content = operation["requestBody"]["content"]
            content["application/merge-patch+json"] = content[JSON]
    if any(parameter["in"] == "query" for parameter in operation["parameters"]):
        statuses.add("422")
    if operation.get("x-permiso") is None:
        operation.pop("x-permiso", None)
    else:
        statuses |= {"401", "403"}
        operation["security"] = [{"token": []}]
    for name in operation.pop("x-cabeceras", []):
        description, schema = REQUEST_HEADERS[name]
        operation["parameters"].append(
            {"name": name, "in": "header", "required": False, "description": description, "schema": schema}
        )
    responses = operation["responses"]
    for status in statuses:
        responses.setdefault(status, {})
    for status, response in responses.items():
        response["description"] = DESCRIPTIONS[status]
        if status == "201" and "content" not in response:
            response["content"] = responses["200"]["content"]
        if status in ("204", "304"):
            response.pop("content", None)
        if status >= "400":
            response["content"] = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problema"}}}
        headers = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, (text, where) in RESPONSE_HEADERS.items()
            if status in where
        }
        if headers:
            response["headers"] = headers
    operation["responses"] = dict(sorted(responses.items()))


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: a condition is left out instead."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name not in ("anyOf", "default")}, **kinds[0]}
