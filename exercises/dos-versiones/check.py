"""The old program and the new one work on one table."""

import psycopg

from grading import Failed, Lab, check

ROWS = "SELECT count(*) AS rows, sum(hashtext(concat_ws('|', id, dia, especialista))::bigint) AS sum FROM public.turnos"


@check(points=3)
def same_values(lab: Lab) -> None:
    """es: Las filas que había no muestran el mismo valor en especialista y en registro.

    en: The rows that were there do not show the same value as especialista and as registro.
    """
    missing = {"id", "dia", "especialista", "registro"} - set(lab.columns("turnos"))
    if missing:
        names = ", ".join(sorted(missing))
        raise Failed(f"La tabla turnos no tiene {names}.", f"The table turnos has no {names}.")
    [found] = lab.rows(ROWS)
    if (found["rows"], found["sum"]) != (lab.stage["rows"], lab.stage["sum"]):
        raise Failed("Cambió lo que había en especialista.", "What was in especialista has changed.")
    different = lab.value("SELECT count(*) FROM public.turnos WHERE registro::text IS DISTINCT FROM especialista::text")
    if different:
        raise Failed(f"En {different} filas son distintos.", f"In {different} rows they differ.")


def writes(lab: Lab, column: str, other: str) -> None:
    """See that what a program writes into its column, another one sees in its own."""
    steps = {
        "INSERT": f"INSERT INTO public.turnos (id, dia, {column}) VALUES (900001, DATE '2026-09-01', 'RM-1')",  # noqa: S608 # names of this file
        "UPDATE": f"UPDATE public.turnos SET {column} = 'RM-2' WHERE id IN (1, 900001)",  # noqa: S608 # names of this file
    }
    with lab.trying() as session:
        for word, wanted in (("INSERT", "RM-1"), ("UPDATE", "RM-2")):
            try:
                session.execute(steps[word])
                rows = session.execute(
                    "SELECT especialista::text, registro::text FROM public.turnos WHERE id = 900001"
                ).fetchall()
            except psycopg.Error as error:
                said = str(error).splitlines()[0]
                raise Failed(f"El {word} de {column}: {said}.", f"{word} of {column}: {said}.") from error
            if [row[other] for row in rows] != [wanted]:
                raise Failed(
                    f"Tras un {word} de {column}, {other} no es lo escrito.",
                    f"After {word} of {column}, {other} is not what was written.",
                )


@check(points=3, after=same_values)
def old_one_works(lab: Lab) -> None:
    """es: Lo que escribe la versión vieja no lo ve la nueva, o ya no puede escribir.

    en: The new version does not see what the old one writes, or the old one cannot write any more.
    """
    writes(lab, "especialista", "registro")


@check(points=4, after=same_values)
def new_one_works(lab: Lab) -> None:
    """es: Lo que escribe la versión nueva no lo ve la vieja, o no puede escribir.

    en: The old version does not see what the new one writes, or the new one cannot write.
    """
    writes(lab, "registro", "especialista")
