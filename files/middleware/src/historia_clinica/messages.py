"""What pydantic found wrong with what somebody sent, field by field, in the language of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from historia_clinica.schemas import EXPECTED

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MALFORMED = "no tiene la forma esperada."
MESSAGES = {
    "bool_type": "tiene que ser true o false.",
    "extra_forbidden": "no es un campo que se conozca aquí.",
    "greater_than_equal": "tiene que ser {ge} o más.",
    "int_type": "tiene que ser un número entero.",
    "less_than_equal": "tiene que ser {le} o menos.",
    "literal_error": "tiene que ser {expected}.",
    "missing": "es obligatorio.",
    "model_type": "tiene que ser un objeto JSON.",
    "string_too_long": "tiene más de {max_length} caracteres.",
    "string_too_short": "tiene menos de {min_length} caracteres.",
    "string_type": "tiene que ser un texto.",
    "string_unicode": "tiene que ser un texto en Unicode.",
    "timezone_aware": "le falta la zona horaria, como -05:00 o Z.",
    "value_error": "{error}",
}


def said(error: ValidationError, whole: str = "cuerpo") -> list[tuple[str, str]]:
    """Return each field that is wrong, by its path (`consultas.0.motivo`), and what it has to be; at least one.

    What is wrong with none of the fields by itself goes by the name of the whole.
    """
    return [(".".join(map(str, each["loc"])) or whole, _expected(each)) for each in error.errors()]


def _expected(error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch":
        return EXPECTED.get(context["pattern"], MALFORMED)
    return MESSAGES.get(error["type"], MALFORMED).format_map(context).replace(" or ", " o ")
