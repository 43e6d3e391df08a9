"""The prescriptions lie beside their patients."""

from grading import Failed, Lab, check

#: What the setup says of the rows, of the table that was to be filled.
ROWS = """
SELECT count(*) AS rows, sum(hashtext(concat_ws('|', id, paciente_id, codigo, cajas))::bigint) AS sum FROM public.recetas
"""


@check(points=2)
def distributed(lab: Lab) -> None:
    """es: La tabla recetas no está repartida entre todos los workers.

    en: The table recetas is not distributed over all workers.
    """
    distribution = lab.distribution("recetas")
    if distribution is None:
        kind = lab.kind("recetas")
        if not kind:
            raise Failed("No hay una tabla public.recetas.", "There is no table public.recetas.")
        raise Failed("Está solo en el coordinador.", "It is on the coordinator alone.")
    missing = ", ".join(sorted(set(lab.workers) - set(distribution.parts.values())))
    if missing:
        raise Failed(f"No tiene nada en {missing}.", f"It has nothing on {missing}.")


@check(points=2, after=distributed)
def by_patient(lab: Lab) -> None:
    """es: La columna de distribución no es la que une una receta con su paciente: al unirlos, las filas viajan.

    en: The distribution column is not the one that joins a prescription to its patient: joined, the rows travel.
    """
    distribution = lab.distribution("recetas")
    if distribution is None or distribution.column != "paciente_id":
        column = distribution.column if distribution else "?"
        raise Failed(f"Está repartida por {column}.", f"It is distributed by {column}.")


@check(points=2, after=by_patient)
def beside_patients(lab: Lab) -> None:
    """es: Los fragmentos de recetas no están en los mismos nodos que los de pacientes.

    en: The shards of recetas are not on the same nodes as those of pacientes.
    """
    mine, patients = lab.distribution("recetas"), lab.distribution("pacientes")
    if not mine or not patients or not mine.lies_with(patients):
        raise Failed()


@check(points=2, after=distributed)
def complete(lab: Lab) -> None:
    """es: En recetas no están exactamente las recetas recibidas.

    en: recetas does not hold exactly the prescriptions that were received.
    """
    missing = ", ".join(sorted({"id", "paciente_id", "codigo", "cajas"} - set(lab.columns("recetas"))))
    if missing:
        raise Failed(f"Le falta: {missing}.", f"It lacks: {missing}.")
    [found] = lab.rows(ROWS)
    wanted = lab.stage["rows"]
    if found["rows"] != wanted:
        raise Failed(f"Hay {found['rows']} y llegaron {wanted}.", f"There are {found['rows']}, and {wanted} came.")
    if found["sum"] != lab.stage["sum"]:
        raise Failed("Alguna fila es distinta de la recibida.", "Some row is another one than was received.")


@check(points=2, after=complete)
def measured(lab: Lab) -> None:
    """es: La respuesta 'recetas en citus-worker-1' no es la cantidad de recetas que hay en ese nodo.

    en: The answer 'recetas en citus-worker-1' is not the number of prescriptions on that node.
    """
    answer = lab.answer("recetas-junto-al-paciente", "recetas en citus-worker-1")
    if answer is None:
        raise Failed("En la tabla respuestas no está.", "It is not in the table respuestas.")
    if answer != lab.rows_by_node("recetas").get("citus-worker-1", 0):
        raise Failed(f"Usted anotó {answer:g}: cuéntelas allí.", f"You wrote {answer:g}: count them there.")
