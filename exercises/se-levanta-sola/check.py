"""A server was killed and came back, with its rows."""

from grading import Failed, Lab, check

KILLED = "citus-worker-1"


@check(points=2)
def rows_there(lab: Lab) -> None:
    """es: La tabla bitacora no está repartida por id con sus 100 filas.

    en: The table bitacora is not distributed by id with its 100 rows.
    """
    distribution = lab.distribution("bitacora")
    if distribution is None or distribution.column != "id":
        raise Failed(
            "No hay una tabla bitacora repartida por id.", "There is no table bitacora that is distributed by id."
        )
    [found] = lab.rows(
        "SELECT count(*) AS rows, count(DISTINCT id) AS different, min(id) AS first, max(id) AS last FROM public.bitacora"
    )
    if [found[name] for name in ("rows", "different", "first", "last")] != [100, 100, 1, 100]:
        raise Failed(
            f"Hay {found['rows']} filas, de {found['first']} a {found['last']}.",
            f"There are {found['rows']} rows, from {found['first']} to {found['last']}.",
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
