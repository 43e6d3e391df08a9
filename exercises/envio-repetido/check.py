"""Two consultations, sent twice each, are two."""

from grading import Failed, Lab, check

PATIENT = "1999900122"


@check(points=5)
def exactly_two(lab: Lab) -> None:
    """es: No hay exactamente dos consultas de la paciente con el motivo 'Remisión'.

    en: There are not exactly two consultations of the patient with the motivo 'Remisión'.
    """
    count = lab.value("SELECT count(*) FROM public.consultas WHERE paciente_id = %s AND motivo = 'Remisión'", PATIENT)
    if count != 2:
        raise Failed(f"Hay {count}.", f"There are {count}.")


@check(points=5, after=exactly_two)
def a_key_for_each(lab: Lab) -> None:
    """es: Una consulta se registró sin clave de envío: si la petición se repite, se duplica.

    en: A consultation was registered without a key: where the request is repeated, it is doubled.
    """
    kept = [
        row["ubicacion"] for row in lab.rows("SELECT ubicacion FROM public.solicitudes WHERE paciente_id = %s", PATIENT)
    ]
    rows = lab.rows(
        "SELECT id::text AS id FROM public.consultas WHERE paciente_id = %s AND motivo = 'Remisión'", PATIENT
    )
    without = [row["id"] for row in rows if not any(place.endswith(row["id"]) for place in kept)]
    if without:
        raise Failed(f"De las dos, {len(without)} sin clave.", f"Of the two, {len(without)} without a key.")
