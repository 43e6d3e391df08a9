"""Every error as application/problem+json (RFC 9457), and the one table from SQLSTATE to HTTP.

What the caller did wrong is told with the field; what broke inside is told in one plain sentence without the database's
own text, which goes to the log.
"""

from __future__ import annotations

import json
import logging
from http import HTTPStatus

import psycopg
from apiflask import HTTPError
from flask import Flask, Response, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from historia_clinica.answers import PROBLEM
from historia_clinica.errors import ProblemError
from historia_clinica.messages import said
from historia_clinica.redaction import told

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2
#: What the server (server.py) says of a request that it could not read, in the environment: a status.
UNREADABLE = "historia_clinica.unreadable"

CONFLICT, INVALID = HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY
FAILED, UNAVAILABLE = HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE

# SQLSTATE, or the start of one (a class has two characters) -> status and what the caller reads. The longest match wins.
SQLSTATES: dict[str, tuple[HTTPStatus, str]] = {
    "08": (UNAVAILABLE, "Un nodo de la base de datos no responde; mire /status."),
    "22": (INVALID, "Un valor no tiene la forma que la base de datos espera."),
    "23502": (INVALID, "Falta un valor obligatorio."),
    "23503": (CONFLICT, "El registro al que se hace referencia no existe."),
    "23505": (CONFLICT, "Ya existe un registro con ese identificador."),
    "23514": (INVALID, "Un valor no cumple las reglas de la tabla."),
    "28": (UNAVAILABLE, "La base de datos rechaza al usuario del middleware."),
    "3F000": (UNAVAILABLE, "La base de datos no tiene todavía el esquema del laboratorio."),
    "40": (UNAVAILABLE, "Otra operación se cruzó con esta; vuelva a intentarlo."),
    "42501": (FAILED, "El usuario del middleware no tiene permiso para esto."),
    "42883": (UNAVAILABLE, "La base de datos no tiene todavía las funciones del laboratorio."),
    "42P01": (UNAVAILABLE, "La base de datos no tiene todavía las tablas del laboratorio."),
    "53": (UNAVAILABLE, "La base de datos no tiene recursos libres."),
    "55P03": (UNAVAILABLE, "Otra operación tiene ocupado ese registro; vuelva a intentarlo."),
    "57014": (UNAVAILABLE, "La base de datos tardó demasiado y la consulta se canceló."),
    "57P": (UNAVAILABLE, "La base de datos se está apagando o arrancando."),
    "HV": (UNAVAILABLE, "Un nodo de la base de datos no responde; mire /status."),
}
# Citus has no SQLSTATE of its own for these: a node went away in the middle (XX000 is any internal error).
NODE_WENT_AWAY = ("postmaster was shut down", "could not commit transaction for shard")
UNKNOWN = (FAILED, "El middleware falló; la causa está en su registro.")
CONNECTION_LOST = (UNAVAILABLE, "La base de datos cortó la conexión; vuelva a intentarlo.")

# Flask's own errors, and the server's, in the language of the API.
DETAILS = {
    400: "El cuerpo no es JSON que se pueda leer.",
    404: "Esa ruta no existe; / dice qué servicio es este.",
    405: "Esa ruta existe, pero no con ese método; la cabecera Allow dice con cuáles.",
    408: "El cuerpo no llegó entero a tiempo; envíelo otra vez.",
    413: "El cuerpo es demasiado grande.",
    431: "Las cabeceras de la solicitud son demasiado grandes.",
    503: "Demasiadas solicitudes como esta esperan a la vez; vuelva a intentarlo.",
    501: "Esa forma de enviar el cuerpo (Transfer-Encoding) no se admite.",
}
NO_HTTP = "La solicitud no es HTTP que se pueda leer."


def init_app(app: Flask) -> None:
    """Answer every error of the application as a problem."""
    app.before_request(_refuse_unreadable)
    app.register_error_handler(ProblemError, _problem)
    app.register_error_handler(HTTPError, lambda error: _invalid_fields(error.__cause__))  # what pydantic found
    app.register_error_handler(ValidationError, _invalid_fields)
    app.register_error_handler(RecursionError, lambda _: problem(400, "El cuerpo tiene demasiados niveles."))
    app.register_error_handler(psycopg.Error, _database_error)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def problem(status: int, detail: str, **members: object) -> Response:
    """Return the answer for an error; `members` are further members of the problem object."""
    about = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    response = Response(json.dumps(about | members, ensure_ascii=False) + "\n", int(status), content_type=PROBLEM)
    if status == UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


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


def _refuse_unreadable() -> None:
    """Refuse what the server could not read, and what it should not have let through.

    RFC 9112, section 3.2: a request of HTTP/1.1 has one Host. The server joins two of them with a comma.
    """
    if status := request.environ.get(UNREADABLE):
        raise ProblemError(HTTPStatus(status), NO_HTTP if status == HTTPStatus.BAD_REQUEST else DETAILS[status])
    host = request.environ.get("HTTP_HOST")
    if "," in host if host is not None else request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        raise ProblemError(HTTPStatus.BAD_REQUEST, "La solicitud tiene que llevar una cabecera Host, y una sola.")


def _problem(error: ProblemError) -> Response:
    response = problem(error.status, error.detail, **error.members)
    response.headers.update(error.headers)
    return response


def _invalid_fields(error: ValidationError) -> Response:
    found = said(error)
    field, expected = found[0]
    wrong = [{"campo": field, "mensaje": message} for field, message in found]
    return problem(INVALID, f"{field}: {expected}", campo=field, errores=wrong)


def _database_error(error: psycopg.Error) -> Response:
    status, detail = status_of(error)
    # What the caller did wrong is his to know, and a line all the same: which rule of which table refused it.
    level = logging.ERROR if status >= FAILED else logging.INFO
    logger.log(
        level,
        "La base de datos devolvió un error.",
        extra={"datos": {"sqlstate": error.sqlstate, "error": told(error)}},
    )
    return problem(status, detail)


def _http(error: HTTPException) -> Response:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:  # a redirection is no error
        return Response(status=error.code, headers=error.get_headers())
    response = problem(error.code, DETAILS.get(error.code, error.description or ""))
    own = {name: value for name, value in error.get_headers() if not name.lower().startswith("content-")}
    response.headers.update(own)  # Allow of a 405, Location of a 308
    return response


def _unexpected(error: Exception) -> Response:
    logger.exception("El middleware falló.", exc_info=error)
    return problem(*UNKNOWN)
