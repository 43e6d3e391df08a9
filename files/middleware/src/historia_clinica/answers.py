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
MERGE_PATCH = "application/merge-patch+json"
BODIES: dict[str, tuple[str, ...]] = {"POST": (JSON,), "PUT": (JSON,), "PATCH": (MERGE_PATCH, JSON)}


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
    """Answer with a page of the list of this name, and the way to the next one.

    The bodies are its objects as JSON, one more than the limit of the page where there is a next one; the key is the fields by
    which they are ordered: those of the last object lead on.
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


def require_seen(there: str) -> None:
    """Go on only if the caller has seen what he is about to change.

    Raises ProblemError: 428 where the request does not say what it has seen, 412 where that is not what is there, because
    somebody else changed it meanwhile, or where it wants something new.
    """
    if request.if_none_match.star_tag:
        raise ProblemError(HTTPStatus.PRECONDITION_FAILED, "Ya existe, e If-None-Match pide que no.")
    if not request.if_match and not request.if_match.star_tag:
        missing = "Falta If-Match con el ETag de lo que se cambia: léalo primero, para no pisar lo que otro cambió."
        raise ProblemError(HTTPStatus.PRECONDITION_REQUIRED, missing)
    if not request.if_match.contains(entity_tag(there)):
        changed = "Lo que se cambia ya no es lo que se leyó: léalo otra vez y repita el cambio."
        raise ProblemError(HTTPStatus.PRECONDITION_FAILED, changed)


def require_unseen() -> None:
    """Go on only if the caller does not speak of something that he has seen; raises ProblemError (412) for any If-Match."""
    if "If-Match" in request.headers:
        raise ProblemError(HTTPStatus.PRECONDITION_FAILED, "No existe, e If-Match dice que se leyó.")


def check_media() -> None:
    """Refuse a request that wants an answer, or sends a body, in another form than JSON: ProblemError (406 or 415)."""
    wanted = request.environ.get("HTTP_ACCEPT", "*/*")
    if wanted not in ("*/*", JSON) and not request.accept_mimetypes.best_match([JSON, PROBLEM]):
        raise ProblemError(HTTPStatus.NOT_ACCEPTABLE, f"Aquí se responde con {JSON}, y Accept no lo admite.")
    accepted = BODIES.get(request.method)
    if accepted and request.mimetype not in accepted:
        wanted = f"El cuerpo tiene que ser {' o '.join(accepted)}; lo dice Content-Type."
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, wanted)


def merged(model: type[Model], there: str, changes: dict[str, Any]) -> Model:
    """Return what is there with the changes of a merge patch (RFC 7396): null takes a value away.

    Raises pydantic.ValidationError where the result is not what may be written.
    """
    before = {name: value for name, value in json.loads(there).items() if name in model.model_fields}
    return model.model_validate({name: value for name, value in (before | changes).items() if value is not None})
