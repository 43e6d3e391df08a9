"""`/usuarios`: who may use the clinical history."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request, url_for

from historia_clinica.db import fetch
from historia_clinica.errors import InvalidFieldError
from historia_clinica.numbers import whole

blueprint = Blueprint("usuarios", __name__)

DEFAULT_PAGE = 50
LARGEST_PAGE = 200


@blueprint.get("/usuarios")
def usuarios() -> Response:
    """List users by `documento_id`, a page at a time: `limite` of them, those after `despues`.

    The key of the last row leads to the next page: no row is counted or skipped, however many there
    are.
    """
    limit = _limit(request.args.get("limite"))
    rows = fetch("usuarios", {"despues": request.args.get("despues", ""), "limite": limit})
    page = rows[:limit]
    following = page[-1]["documento_id"] if len(rows) > limit else None
    response = jsonify(usuarios=page, siguiente=following)
    if following is not None:
        address = url_for("usuarios.usuarios", limite=limit, despues=following)
        response.headers["Link"] = f'<{address}>; rel="next"'
    return response


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE
    number = whole(text, 1, LARGEST_PAGE)
    if number is None:
        raise InvalidFieldError("limite", f"tiene que ser un número entero de 1 a {LARGEST_PAGE}.")
    return number
