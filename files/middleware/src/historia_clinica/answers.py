"""Answers with an ETag, and the conditions that requests put on them (RFC 9110)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, request
from pydantic import BaseModel

from historia_clinica.errors import ProblemError

Model = TypeVar("Model", bound=BaseModel)

# Clinical data is for who asked, and asked for again each time.
PRIVATE = {"Cache-Control": "private, no-cache"}
JSON = "application/json"
PROBLEM = "application/problem+json"
BODIES: dict[str, tuple[str, ...]] = {
    "POST": (JSON,),
    "PUT": (JSON,),
    "PATCH": ("application/merge-patch+json", JSON),
}


def entity_tag(body: str) -> str:
    """Return what tells this representation from every other one, without its quotes."""
    return blake2b(body.encode(), digest_size=12).hexdigest()


def answer(body: str, status: int = HTTPStatus.OK, **headers: str) -> Response:
    """Answer with JSON that the database wrote, or with 304 where the caller has it already."""
    tag = entity_tag(body)
    asked = "HTTP_IF_NONE_MATCH" in request.environ and request.method in ("GET", "HEAD")
    if asked and request.if_none_match.contains_weak(tag):
        return Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": f'"{tag}"', **PRIVATE})
    return Response(body, status, {"ETag": f'"{tag}"', **PRIVATE, **headers}, mimetype=JSON)


def page(name: str, bodies: list[str], limit: int, key: Sequence[str]) -> Response:
    """Answer with a page of a list and the way to the next one.

    Args:
        name: of the list.
        bodies: its objects as JSON, one more than the page holds where there is a next page.
        limit: how many objects a page holds.
        key: the fields by which the list is ordered; those of the last object lead on.
    """
    following = None
    if len(bodies) > limit:
        last = json.loads(bodies[limit - 1])
        following = ",".join(last[field] for field in key)
    body = f'{{"{name}": [{", ".join(bodies[:limit])}], "siguiente": {json.dumps(following)}}}'
    if following is None:
        return answer(body)
    query = urlencode({**request.args.to_dict(), "despues": following})
    return answer(body, Link=f'<{request.path}?{query}>; rel="next"')


def require_match(body: str) -> None:
    """Go on only if the caller has seen what he is about to change.

    Args:
        body: what is there now.

    Raises:
        ProblemError: 428 where the request does not say what it has seen, 412 where that is not
            what is there: somebody else changed it meanwhile.
    """
    if not request.if_match and not request.if_match.star_tag:
        raise ProblemError(
            HTTPStatus.PRECONDITION_REQUIRED,
            "Falta If-Match con el ETag de lo que se cambia: léalo primero, para no pisar lo que otro cambió.",
        )
    if not request.if_match.contains(entity_tag(body)):
        raise ProblemError(
            HTTPStatus.PRECONDITION_FAILED,
            "Lo que se cambia ya no es lo que se leyó: léalo otra vez y repita el cambio.",
        )


def require_none() -> None:
    """Go on only if the caller does not want something new where there is something already.

    Raises:
        ProblemError: 412 for `If-None-Match: *`.
    """
    if request.if_none_match.star_tag:
        raise ProblemError(HTTPStatus.PRECONDITION_FAILED, "Ya existe, e If-None-Match pide que no.")


def require_no_match() -> None:
    """Go on only if the caller does not speak of something that is there, where there is nothing.

    Raises:
        ProblemError: 412 for any `If-Match`.
    """
    if "If-Match" in request.headers:
        raise ProblemError(HTTPStatus.PRECONDITION_FAILED, "No existe, e If-Match dice que se leyó.")


def check_media() -> None:
    """Refuse a request that wants an answer, or sends a body, in another form than JSON.

    Raises:
        ProblemError: 406 or 415.
    """
    wanted = request.environ.get("HTTP_ACCEPT", "*/*")
    if wanted not in ("*/*", JSON) and not request.accept_mimetypes.best_match([JSON, PROBLEM]):
        raise ProblemError(HTTPStatus.NOT_ACCEPTABLE, f"Aquí se responde con {JSON}, y Accept no lo admite.")
    accepted = BODIES.get(request.method)
    if accepted and request.mimetype not in accepted:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"El cuerpo tiene que ser {' o '.join(accepted)}; lo dice Content-Type.",
        )


def merged(model: type[Model], current: str, changes: dict[str, Any]) -> Model:
    """Return what is there with the changes of a merge patch (RFC 7396): null takes a value away.

    Raises:
        pydantic.ValidationError: the result is not what may be written.
    """
    there = {name: value for name, value in json.loads(current).items() if name in model.model_fields}
    return model.model_validate({name: value for name, value in (there | changes).items() if value is not None})
