"""The largest shard was measured, and the new table has none like it."""

from grading import Failed, Lab, check

SHARDS = 32
ROWS = "SELECT count(*) AS rows, sum(hashtext(concat_ws('|', ciudad, paciente_id, dosis))::bigint) AS sum FROM public.vacunas_parejas"


@check(points=3)
def measured(lab: Lab) -> None:
    """es: La respuesta 'filas en el mayor fragmento' no es lo que tiene el fragmento más grande de vacunas.

    en: The answer 'filas en el mayor fragmento' is not what the largest shard of vacunas has.
    """
    answer = lab.answer("sesgo", "filas en el mayor fragmento")
    if answer is None:
        raise Failed("En la tabla respuestas no está.", "It is not in the table respuestas.")
    if answer != max(lab.rows_by_shard("vacunas"), default=0):
        raise Failed(f"Usted anotó {answer:g}.", f"You wrote {answer:g}.")


@check(points=3)
def same_rows(lab: Lab) -> None:
    """es: vacunas_parejas no es una tabla distribuida con las mismas filas.

    en: vacunas_parejas is not a distributed table with the same rows.
    """
    if lab.distribution("vacunas_parejas") is None:
        raise Failed("No hay una tabla distribuida con ese nombre.", "There is no distributed table of that name.")
    missing = ", ".join(sorted({"ciudad", "paciente_id", "dosis"} - set(lab.columns("vacunas_parejas"))))
    if missing:
        raise Failed(f"Le falta: {missing}.", f"It lacks: {missing}.")
    [found] = lab.rows(ROWS)
    if (found["rows"], found["sum"]) != (lab.stage["rows"], lab.stage["sum"]):
        raise Failed(
            f"Tiene {found['rows']} filas; son {lab.stage['rows']}.",
            f"It has {found['rows']} rows; there are {lab.stage['rows']}.",
        )


@check(points=4, after=same_rows)
def even(lab: Lab) -> None:
    """es: Un fragmento de vacunas_parejas tiene más de tres veces el promedio.

    en: A shard of vacunas_parejas has more than three times the average.
    """
    largest, average = max(lab.rows_by_shard("vacunas_parejas")), lab.stage["rows"] / SHARDS
    if largest > 3 * average:
        raise Failed(
            f"Tiene {largest}; el promedio es {average:.0f}.", f"It has {largest}; the average is {average:.0f}."
        )
