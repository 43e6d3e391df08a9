"""The application: APIFlask with its settings, the pages that describe it, and a second try of what was only read."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import psycopg
from apiflask import APIFlask
from flask import Blueprint, Response, request, send_from_directory
from flask.json.provider import DefaultJSONProvider
from flask.typing import ResponseReturnValue

from historia_clinica import resource
from historia_clinica.config import LARGEST_BODY
from historia_clinica.errors import ProblemError

View = TypeVar("View", bound=Callable[..., Any])

ASSETS = f"{resource.PREFIX}/docs/assets"
BEARER = "El token de POST /api/v1/sesiones; mientras las reglas están levantadas no hace falta"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Classes of SQLSTATE that another try may not meet: a connection that broke (08, and 57P where a server stopped), a
# deadlock or a serialization failure (40). postgres_fdw calls a broken connection to a worker HV or 08.
TRANSIENT = ("08", "40", "57P", "HV00N")
# An error that took long to come would take as long again: its caller has waited enough.
QUICK_SECONDS = 1


class Json(DefaultJSONProvider):
    """JSON as the API takes and writes it: UTF-8 (RFC 8259), each key once."""

    ensure_ascii = False  # names keep their accents
    sort_keys = False  # fields come in the order a person reads them

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Return what the text says; raises ValueError where it is no JSON, ProblemError (400) where a key comes twice."""
        text = s.decode("utf-8-sig") if isinstance(s, bytes) else s  # of bytes it would take UTF-16 and UTF-32, too
        return super().loads(text, object_pairs_hook=_each_once, **kwargs)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [pair[0] for pair in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, f"El cuerpo trae dos veces el campo {json.dumps(twice, ensure_ascii=False)}."
        )
    return found


class Application(APIFlask):
    """The service, without what it answers: that is in the blueprints.

    It describes itself at `/api/v1/openapi.json` and `/api/v1/docs`, which needs nothing from the network.
    """

    json_provider_class = Json

    def __init__(self, name: str, version: str) -> None:
        super().__init__(
            name,
            title="Historia clínica distribuida",
            version=version,
            spec_path="/openapi.json",
            docs_path="/docs",
            docs_oauth2_redirect_path=None,
            openapi_blueprint_url_prefix=resource.PREFIX,
            json_errors=False,
            static_folder=None,  # type: ignore[arg-type]  # Flask takes None for none, which APIFlask's annotation leaves out
        )
        bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": BEARER}
        self.security_schemes = {"token": bearer}
        self.spec_callback = resource.complete  # type: ignore[assignment]  # ours is a dict: the format is JSON
        self.config.update(
            MAX_CONTENT_LENGTH=LARGEST_BODY,
            AUTO_OPERATION_ID=True,
            AUTO_OPERATION_DESCRIPTION=False,
            AUTO_404_RESPONSE=False,
            AUTO_AUTH_ERROR_RESPONSE=False,
            AUTO_SERVERS=False,
            AUTO_VALIDATION_ERROR_RESPONSE=False,
            DOCS_FAVICON=f"{ASSETS}/images/swagger.svg",
            SWAGGER_UI_CSS=f"{ASSETS}/css/swagger-ui.css",
            SWAGGER_UI_BUNDLE_JS=f"{ASSETS}/js/swagger-ui-bundle.js",
            SWAGGER_UI_STANDALONE_PRESET_JS=f"{ASSETS}/js/swagger-ui-standalone-preset.js",
        )
        self.register_blueprint(_assets())

    def ensure_sync(self, func: View) -> View:
        """Return the function as it is: none is a coroutine, and Flask would look at seven of them in each request."""
        return func

    def dispatch_request(self, *context: Any) -> ResponseReturnValue:
        """Answer the current request; a read that met a passing error is tried once more.

        A write never is, since it may have been done: only who asked for it knows what to do.
        """
        begin = monotonic()
        try:
            return super().dispatch_request(*context)
        except psycopg.Error as error:
            # Without SQLSTATE it is libpq's own: the connection is gone.
            gone = error.sqlstate is None and isinstance(error, psycopg.OperationalError)
            passing = gone or (error.sqlstate or "").startswith(TRANSIENT)
            if request.method not in SAFE or not passing or monotonic() - begin > QUICK_SECONDS:
                raise
        self.extensions["metrics"].retries.labels(request.url_rule and request.url_rule.rule).inc()
        return super().dispatch_request(*context)


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
