"""A blueprint of `/api/v1` whose operations say, at one place, who may do them, what they take and what they answer.

From that come the checks before a view runs, and what OpenAPI 3.1 says of it. `complete` adds what APIFlask cannot be told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from apiflask import APIBlueprint
from flask import Response
from pydantic import BaseModel

from historia_clinica import answers, audit, permissions, sessions
from historia_clinica.answers import JSON, MERGE_PATCH, PROBLEM
from historia_clinica.schemas import CLAVE_IDEMPOTENTE, MOTIVO, Direccion, Problema

if TYPE_CHECKING:
    from historia_clinica.store import Kind

View = Callable[..., Response]

PREFIX = "/api/v1"
HEADERS = "x-cabeceras"  # of an operation, until `complete` has made parameters of them

DESCRIPTIONS = {
    200: "Lo que se pidió",
    201: "Se creó",
    204: "Hecho",
    304: "No ha cambiado desde lo que se tiene",
    400: "La solicitud, o su cuerpo, no se puede leer",
    401: "Falta autenticarse, o el token no vale",
    403: "Quien pregunta no puede hacer eso",
    404: "No existe",
    406: "Accept pide otra forma que JSON",
    408: "El cuerpo no llegó entero a tiempo",
    409: "Ya existe",
    412: "Lo que se cambia ya no es lo que se leyó",
    413: "El cuerpo es demasiado grande",
    415: "El cuerpo no es JSON",
    422: "Un campo no sirve; dice cuál y qué tiene que ser",
    428: "Falta If-Match",
    429: "Demasiados intentos",
    503: "La base de datos, o un nodo de ella, no responde",
}
# What every operation may answer, and one that takes a body, or needs to know who asks.
EVERYWHERE, WITH_A_BODY, WITH_A_PERMISSION = {406, 503}, {400, 408, 413, 415, 422}, {401, 403}
# What one that heeds ETags may answer, and the header that it reads.
CONDITIONAL = {"GET": ({304}, "If-None-Match"), "PUT": ({412, 428}, "If-Match"), "PATCH": ({404, 412, 428}, "If-Match")}

ANSWER_HEADERS: dict[str, tuple[str, set[int]]] = {
    "ETag": ("Lo que distingue esta versión de cualquier otra", {200, 201, 304}),
    "Location": ("Dónde está lo que se creó", {201}),
    "Retry-After": ("Segundos que conviene esperar", {429, 503}),
}
ETAG = {"type": "string"}  # RFC 9110: *, or ETags in a list; what is none of these is the ETag of nothing
KEY = {"type": "string", "pattern": CLAVE_IDEMPOTENTE}
REASON = {"type": "string", "pattern": MOTIVO}
REQUEST_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "If-Match": ("El ETag de lo que se leyó y se quiere cambiar", ETAG),
    "If-None-Match": ("Al leer, el ETag de lo que ya se tiene; al escribir, * para crear y no reemplazar", ETAG),
    "Idempotency-Key": ("Un valor que elige quien llama: con él, la solicitud repetida crea una sola vez", KEY),
    audit.HEADER: ("Por qué se lee o se cambia: queda en el registro; en UTF-8 o Latin-1", REASON),
}


class Resource(APIBlueprint):
    """The operations on one kind of thing."""

    def __init__(self, name: str, import_name: str, path: str, tag: str) -> None:
        super().__init__(name, import_name, url_prefix=PREFIX + path, tag=tag)
        self.before_request(answers.check_media)

    def operation(
        self,
        method: str,
        rule: str,
        summary: str,
        permission: str | None,
        answer: type[BaseModel] | None = None,
        status: int = 200,
        *,
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        owner: str | None = None,
        conditional: bool = True,
        also: Collection[int] = (),
        headers: Collection[str] = (),
        leaves: audit.Register | None = None,
    ) -> Callable[[View], View]:
        """Serve the view at an address, check who asks before it runs, and describe it for OpenAPI.

        Args:
            method: of HTTP; the rule is the address after the resource's own, the summary one sentence.
            permission: what the person needs, a key of PERMISSIONS; None: nobody has to say who he is.
            owner: the part of the address that says whose it is, where a permission reaches only to one's own.
            answer: the model of the answer's body; the status is that of this answer.
            body: the model of what is sent, which the view gets as `data`.
            query: the model of what may be asked for, which the view gets as `conditions`.
            conditional: whether it heeds ETags.
            also: the statuses that it answers with beside those of every one; headers: those that it reads, likewise.
            leaves: the table in which the view keeps who was shown, or changed, clinical data.
        """
        statuses = {status, *also, *EVERYWHERE, *({422} if query or "<" in f"{self.url_prefix}{rule}" else ())}
        statuses |= (WITH_A_BODY if body else set()) | (WITH_A_PERMISSION if permission else set())
        if conditional and method in CONDITIONAL:
            statuses |= CONDITIONAL[method][0]
            headers = [CONDITIONAL[method][1], *headers]
        if leaves:
            statuses, headers = statuses | {422}, [*headers, audit.HEADER]

        def decorate(view: View) -> View:
            checked = view
            if body:
                checked = self.input(body, arg_name="data")(checked)
            if query:
                checked = self.input(query, location="query", arg_name="conditions")(checked)

            @self.output(answer or {}, status)
            @wraps(checked)
            def allowed(**arguments: Any) -> Response:  # who asks is checked before what he asks
                person = sessions.identify() if permission else None
                if permission and person:
                    permissions.require(person, permission, arguments[owner] if owner else None)
                arguments |= Direccion.model_validate(arguments).model_dump(exclude_unset=True)
                if leaves:
                    audit.read_reason()
                return checked(**arguments)

            described: View = self.doc(
                summary=summary,
                responses={each: _response(each, answer) for each in sorted(statuses)},
                security="token" if permission else None,
                extensions={
                    **({"x-permiso": permission} if permission else {}),
                    **({"x-registro": leaves} if leaves else {}),
                    HEADERS: headers,
                },
            )(allowed)
            self.add_url_rule(rule, endpoint=view.__name__, view_func=described, methods=[method])
            return described

        return decorate

    def changeable(
        self,
        rule: str,
        kind: Kind[Any],
        permission: str,
        summaries: tuple[str, str],
        answer: type[BaseModel],
        changes: type[BaseModel],
    ) -> None:
        """Serve the writing of one thing of a kind, whose key is the parts of its address.

        PUT writes it whole, PATCH makes the changes of that model; each has its summary. For the rest see `operation`.
        """
        created, headers, taken = ([201], ["If-None-Match"], []) if kind.creates else ([], [], [409])

        def put(data: BaseModel, **key: Any) -> Response:
            return kind.put(key, data)

        def change(data: BaseModel, **key: Any) -> Response:
            return kind.patch(key, data)

        leaves: audit.Register | None = "cambios" if kind.clinical else None
        operation = partial(self.operation, rule=rule, permission=permission, answer=answer, leaves=leaves)
        operation("PUT", summary=summaries[0], body=kind.data, also=[404, 409, *created], headers=headers)(put)
        operation("PATCH", summary=summaries[1], body=changes, also=taken)(change)


def _response(status: int, answer: type[BaseModel] | None) -> dict[str, Any]:
    """Return what OpenAPI says of an answer; APIFlask adds the schema of the one that has the model."""
    found: dict[str, Any] = {"description": DESCRIPTIONS[status]}
    for name, (text, statuses) in ANSWER_HEADERS.items():
        if status in statuses:
            found.setdefault("headers", {})[name] = {"description": text, "schema": {"type": "string"}}
    if status >= 400:
        found["content"] = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problema"}}}
    elif status == 201 and answer:
        found["content"] = {JSON: {"schema": {"$ref": f"#/components/schemas/{answer.__name__}"}}}
    return found


def complete(spec: dict[str, Any]) -> dict[str, Any]:
    """Add what APIFlask cannot be told: headers of a request, parts of an address, media of a body, the problem's schema."""
    schemas = spec["components"]["schemas"]
    schemas["Problema"] = Problema.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= schemas["Problema"].pop("$defs")
    parts = Direccion.model_json_schema()["properties"]
    for operations in spec["paths"].values():
        for method, operation in operations.items():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter |= {"required": True, "schema": dict(parts[parameter["name"]])}
                parameter["schema"] = _without_null(parameter["schema"])
            for name in operation.pop(HEADERS):
                text, schema = REQUEST_HEADERS[name]
                operation["parameters"].append({"name": name, "in": "header", "description": text, "schema": schema})
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
                if method == "patch":
                    content = operation["requestBody"]["content"]
                    content[MERGE_PATCH] = content[JSON]
    return spec


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: a condition is left out instead."""
    if "anyOf" in schema:
        schema |= next(kind for kind in schema.pop("anyOf") if kind != {"type": "null"})
        del schema["default"]
    return schema
