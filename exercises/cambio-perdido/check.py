"""Two changes of a patient, one after the other, and neither is lost."""

from typing import Any

from grading import Failed, Lab, check

PATIENT, DESK = "1999900102", "1999900101"
BEFORE = {"nombre": "Ana", "apellido": "Rey", "sexo": "F", "correo": "ana@ejemplo.co"}
AFTER = {"telefono": "6015550199", "ciudad": "Tunja"}
CHANGES = "SELECT antes FROM public.cambios WHERE paciente_id = %s AND documento_id = %s AND tabla = 'pacientes' ORDER BY momento"


@check(points=4)
def both_there(lab: Lab) -> None:
    """es: La ficha de la paciente no tiene los dos cambios, o perdió otra cosa.

    en: The patient's record does not have both changes, or has lost something else.
    """
    rows = lab.rows(
        "SELECT nombre, apellido, sexo, correo, telefono, ciudad FROM public.pacientes WHERE cedula = %s", PATIENT
    )
    if not rows:
        raise Failed("La paciente no está.", "The patient is not there.")
    for name, wanted in (AFTER | BEFORE).items():
        if rows[0][name] != wanted:
            raise Failed(f"{name} es {rows[0][name]!r}.", f"{name} is {rows[0][name]!r}.")


@check(points=3, after=both_there)
def by_the_api(lab: Lab) -> None:
    """es: Los cambios no los hizo el usuario 1999900101 por la API: no hay registro de quién los hizo.

    en: The changes were not made by the user 1999900101 by the API: there is no record of who made them.
    """
    if not changes(lab):
        raise Failed()


@check(points=3, after=by_the_api)
def one_after_the_other(lab: Lab) -> None:
    """es: No hubo dos cambios, primero el teléfono y después la ciudad, cada uno sobre lo que dejó el anterior.

    en: There were not two changes, first the telephone and then the city, each of what the one before had left.
    """
    seen = [(each.get("telefono"), each.get("ciudad")) for each in changes(lab)]
    if ("6015550199", "Pasto") not in seen:
        raise Failed(f"Se registraron {len(seen)}.", f"{len(seen)} were recorded.")


def changes(lab: Lab) -> list[dict[str, Any]]:
    """What was there before each change that the desk made."""
    return [row["antes"] or {} for row in lab.rows(CHANGES, PATIENT, DESK)]
