"""Every error as application/problem+json (RFC 9457), and the one table from SQLSTATE to HTTP.

What the caller did wrong is told with the field; what broke inside is told in one plain sentence
without the database's own text, which goes to the log.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import psycopg
from apiflask import HTTPError
from flask import Flask, Response, json
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from historia_clinica.db import DatabaseUnavailableError, SessionClosedError
from historia_clinica.logs import without_documents
from historia_clinica.schemas import EXPECTED

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2

# SQLSTATE, or the start of one (a class has two characters) -> status and what the caller reads.
# The longest match wins.
SQLSTATES: dict[str, tuple[HTTPStatus, str]] = {
    "08": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Un nodo de la base de datos no responde; mire /status.",
    ),
    "22": (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Un valor no tiene la forma que la base de datos espera.",
    ),
    "23502": (HTTPStatus.UNPROCESSABLE_ENTITY, "Falta un valor obligatorio."),
    "23503": (HTTPStatus.CONFLICT, "El registro al que se hace referencia no existe."),
    "23505": (HTTPStatus.CONFLICT, "Ya existe un registro con esa clave."),
    "23514": (HTTPStatus.UNPROCESSABLE_ENTITY, "Un valor no cumple las reglas de la tabla."),
    "28": (HTTPStatus.SERVICE_UNAVAILABLE, "La base de datos rechaza al usuario del middleware."),
    "3F000": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "La base de datos no tiene todavía el esquema del laboratorio.",
    ),
    "40": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Otra operación se cruzó con esta; vuelva a intentarlo.",
    ),
    "42501": (
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "El usuario del middleware no tiene permiso para esto.",
    ),
    "42883": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "La base de datos no tiene todavía las funciones del laboratorio.",
    ),
    "42P01": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "La base de datos no tiene todavía las tablas del laboratorio.",
    ),
    "53": (HTTPStatus.SERVICE_UNAVAILABLE, "La base de datos no tiene recursos libres."),
    "55P03": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Otra operación tiene ocupado ese registro; vuelva a intentarlo.",
    ),
    "57014": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "La base de datos tardó demasiado y la consulta se canceló.",
    ),
    "57P": (HTTPStatus.SERVICE_UNAVAILABLE, "La base de datos se está apagando o arrancando."),
    "HV": (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Un nodo de la base de datos no responde; mire /status.",
    ),
}
# Citus has no SQLSTATE of its own for these: a node went away in the middle (XX000 is any internal error).
NODE_WENT_AWAY = ("postmaster was shut down", "could not commit transaction for shard")
UNKNOWN = (HTTPStatus.INTERNAL_SERVER_ERROR, "El middleware falló; la causa está en su registro.")
CONNECTION_LOST = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    "La base de datos cortó la conexión; vuelva a intentarlo.",
)


class ProblemError(Exception):
    """The request is refused: the answer is this problem.

    Args:
        status: of the answer.
        detail: one sentence for whoever asked.
        headers: further headers of the answer.
        members: further members of the problem object.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None, **members: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.members = members


class InvalidFieldError(Exception):
    """A field of the request cannot be used.

    Args:
        field: its name, as the caller wrote it.
        expected: one sentence that says what it has to be.
    """

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(expected)
        self.field = field
        self.expected = expected


def unauthorized(detail: str) -> ProblemError:
    """Return the refusal of somebody who did not say who he is, or not well enough."""
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        f"{detail} Entre con POST /api/v1/sesiones y mande «Authorization: Bearer TOKEN».",
        headers={"WWW-Authenticate": 'Bearer realm="historia-clinica"'},
    )


def problem(status: int, detail: str, **members: object) -> Response:
    """Build the answer for an error; `members` are further members of the problem object."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    response = Response(
        json.dumps(body | members) + "\n",
        status=int(status),
        content_type="application/problem+json",
    )
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def init_app(app: Flask) -> None:
    """Answer every error of the application as a problem."""
    app.register_error_handler(ProblemError, _problem)
    app.register_error_handler(InvalidFieldError, _invalid_field)
    app.register_error_handler(SessionClosedError, lambda _: _problem(unauthorized("La sesión se cerró.")))
    app.register_error_handler(HTTPError, _invalid_request)
    app.register_error_handler(ValidationError, _invalid_fields)
    app.register_error_handler(RecursionError, _too_deep)
    app.register_error_handler(DatabaseUnavailableError, _database_unavailable)
    app.register_error_handler(psycopg.Error, _database_error)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def status_of(error: psycopg.Error) -> tuple[HTTPStatus, str]:
    """Return the HTTP status and the sentence for an error of the database."""
    sqlstate = error.sqlstate or ""
    if sqlstate == "XX000" and any(text in str(error) for text in NODE_WENT_AWAY):
        return SQLSTATES["08"]
    for length in (5, 3, 2):
        if sqlstate[:length] in SQLSTATES:
            return SQLSTATES[sqlstate[:length]]
    if not sqlstate and isinstance(error, psycopg.OperationalError):
        return CONNECTION_LOST
    if not sqlstate and isinstance(error, psycopg.DataError):
        return SQLSTATES["22"]  # psycopg refused the value before it left: a NUL in a text
    return UNKNOWN


def _problem(error: ProblemError) -> Response:
    response = problem(error.status, error.detail, **error.members)
    response.headers.update(error.headers)
    return response


def _invalid_request(error: HTTPError) -> Response:
    """APIFlask's own error: what pydantic found is its cause."""
    if isinstance(error.__cause__, ValidationError):
        return _invalid_fields(error.__cause__)
    return problem(error.status_code, error.message or "")


def _invalid_fields(error: ValidationError) -> Response:
    found = [(".".join(map(str, each["loc"])) or "cuerpo", _expected(each)) for each in error.errors()]
    field, expected = found[0]
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{field}: {expected}",
        campo=field,
        errores=[{"campo": field, "mensaje": message} for field, message in found],
    )


def _expected(error: ErrorDetails) -> str:
    """Say what a field has to be, in the language of the API."""
    context: dict[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "string_pattern_mismatch":
            return EXPECTED.get(context["pattern"], "no tiene la forma esperada.")
        case "string_too_long":
            return f"tiene más de {context['max_length']} caracteres."
        case "literal_error":
            return f"tiene que ser {context['expected'].replace(' or ', ' o ')}."
        case "greater_than_equal":
            return f"tiene que ser {context['ge']} o más."
        case "less_than_equal":
            return f"tiene que ser {context['le']} o menos."
    return MESSAGES.get(error["type"], "no tiene la forma esperada.")


def _too_deep(error: RecursionError) -> Response:
    return problem(HTTPStatus.BAD_REQUEST, "El cuerpo tiene demasiados niveles.")


def _invalid_field(error: InvalidFieldError) -> Response:
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error.field}: {error.expected}", campo=error.field)


def _database_unavailable(error: DatabaseUnavailableError) -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


def _database_error(error: psycopg.Error) -> Response:
    status, detail = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error(
            "La base de datos devolvió un error.",
            extra={"datos": {"sqlstate": error.sqlstate, "error": without_documents(str(error))}},
        )
    return problem(status, detail)


def _http(error: HTTPException) -> Response:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:  # a redirection is no error
        return Response(status=error.code, headers=error.get_headers())
    response = problem(error.code, DETAILS.get(error.code, error.description or ""))
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value  # Allow of a 405, Location of a 308
    return response


def _unexpected(error: Exception) -> Response:
    logger.exception("El middleware falló.", exc_info=error)
    return problem(*UNKNOWN)


# Flask's own errors in the language of the API.
DETAILS = {
    400: "El cuerpo no es JSON que se pueda leer.",
    404: "Esa ruta no existe; / dice qué servicio es este.",
    405: "Esa ruta existe, pero no con ese método; la cabecera Allow dice con cuáles.",
    408: "El cuerpo no llegó entero a tiempo; envíelo otra vez.",
    413: "El cuerpo es demasiado grande.",
}

# pydantic's, likewise.
MESSAGES = {
    "bool_type": "tiene que ser true o false.",
    "extra_forbidden": "no es un campo que se conozca aquí.",
    "int_type": "tiene que ser un número entero.",
    "missing": "es obligatorio.",
    "model_type": "tiene que ser un objeto JSON.",
    "string_type": "tiene que ser un texto.",
    "string_unicode": "tiene que ser un texto en Unicode.",
    "timezone_aware": "le falta la zona horaria, como -05:00 o Z.",
}
