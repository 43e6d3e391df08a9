"""A server was killed and came back, with its rows."""

from grading import Failed, Lab, check

KILLED = "citus-worker-1"


@check(points=2)
def rows_there(lab: Lab) -> None:
    """es: La tabla bitacora no está repartida por paciente_id con una fila por paciente.

    en: The table bitacora is not distributed by paciente_id with a row for each patient.
    """
    distribution = lab.distribution("bitacora")
    if distribution is None or distribution.column != "paciente_id":
        raise Failed(
            "No hay una tabla bitacora repartida por paciente_id.",
            "There is no table bitacora that is distributed by paciente_id.",
        )
    written = [
        row["patient"] for row in lab.rows("SELECT paciente_id::text AS patient FROM public.bitacora ORDER BY 1")
    ]
    patients = [row["patient"] for row in lab.rows("SELECT cedula::text AS patient FROM public.pacientes ORDER BY 1")]
    if written != patients:
        raise Failed(
            f"Hay {len(written)} filas; son {len(patients)} pacientes.",
            f"There are {len(written)} rows; there are {len(patients)} patients.",
        )


@check(points=4)
def came_back(lab: Lab) -> None:
    """es: El servidor de citus-worker-1 es todavía el mismo de antes: nadie lo ha matado.

    en: The server of citus-worker-1 is still the one of before: nobody has killed it.
    """
    if started(lab, KILLED) == lab.stage[KILLED]:
        raise Failed()


@check(points=2, after=came_back)
def others_untouched(lab: Lab) -> None:
    """es: Cayó más de un servidor: había que matar solo el de citus-worker-1.

    en: More than one server fell: only that of citus-worker-1 was to be killed.
    """
    fallen = [node for node in lab.stage if node != KILLED and started(lab, node) != lab.stage[node]]
    if fallen:
        names = ", ".join(fallen)
        raise Failed(
            f"También se reinició {names}; make exercise-reset empieza de nuevo.",
            f"{names} started anew, too; make exercise-reset begins again.",
        )


@check(points=2, after=rows_there)
def counted(lab: Lab) -> None:
    """es: La respuesta 'filas en citus-worker-1' no es la cantidad de filas de bitacora en ese nodo.

    en: The answer 'filas en citus-worker-1' is not the number of rows of bitacora on that node.
    """
    answer = lab.answer("se-levanta-sola", "filas en citus-worker-1")
    if answer is None:
        raise Failed("En la tabla respuestas no está.", "It is not in the table respuestas.")
    if answer != lab.rows_by_node("bitacora").get(KILLED, 0):
        raise Failed(f"Usted anotó {answer:g}.", f"You wrote {answer:g}.")


def started(lab: Lab, node: str) -> str:
    """Since when a node's server has been running."""
    return str(lab.value("SELECT extract(epoch FROM pg_postmaster_start_time())::text", node=node))
