"""What is lost with a worker is counted on it."""

from grading import Failed, Lab, check

LOST = "citus-worker-2"


def compare(lab: Lab, question: str, wanted: int) -> None:
    """See whether an answer is what was counted."""
    answer = lab.answer("sin-un-worker", question)
    if answer is None:
        raise Failed(f"En la tabla respuestas no está '{question}'.", f"'{question}' is not in the table respuestas.")
    if answer != wanted:
        raise Failed(f"Usted anotó {answer:g}.", f"You wrote {answer:g}.")


@check(points=4)
def patients_lost(lab: Lab) -> None:
    """es: 'pacientes que no se leen' no es la cantidad de pacientes que están en citus-worker-2.

    en: 'pacientes que no se leen' is not the number of patients that are on citus-worker-2.
    """
    compare(lab, "pacientes que no se leen", lab.rows_by_node("pacientes").get(LOST, 0))


@check(points=3)
def consultations_left(lab: Lab) -> None:
    """es: 'consultas que si se leen' no es la cantidad de consultas que están en los demás workers.

    en: 'consultas que si se leen' is not the number of consultations that are on the other workers.
    """
    counted = lab.rows_by_node("consultas")
    compare(lab, "consultas que si se leen", sum(counted.values()) - counted.get(LOST, 0))


@check(points=3)
def doctors_left(lab: Lab) -> None:
    """es: 'pacientes y medicos que si se leen' no es correcto: una tabla de referencia tiene copia en cada nodo.

    en: 'pacientes y medicos que si se leen' is not right: a reference table has a copy on each node.
    """
    counted = lab.rows_by_node("pacientes")
    patients = sum(counted.values()) - counted.get(LOST, 0)
    compare(lab, "pacientes y medicos que si se leen", patients + lab.value("SELECT count(*) FROM public.medicos"))
