"""The join is the workers'."""

from collections.abc import Iterator
from typing import Any

from grading import Failed, Lab, check

ORIGINAL = "SELECT p.nombre, c.diagnostico FROM public.pacientes p JOIN public.consultas c ON p.id = c.paciente_id WHERE p.sexo = 'F'"
WANTED = """
SELECT p.cedula::text, p.nombre::text, c.diagnostico::text, c.fecha_consulta::text
  FROM public.pacientes p JOIN public.consultas c ON c.paciente_id = p.cedula
"""
JOINS = ("Hash Join", "Merge Join", "Nested Loop")
FOUND = "SELECT cedula::text, nombre::text, diagnostico::text, fecha_consulta::text FROM public.historia_corta"


def steps(lab: Lab, options: str, statement: str) -> Iterator[dict[str, Any]]:
    """Every step of a statement's plan."""
    waiting = [lab.value(f"EXPLAIN ({options}, FORMAT JSON) {statement}")[0]["Plan"]]
    while waiting:
        step = waiting.pop()
        waiting += step.get("Plans", [])
        yield step


@check(points=3)
def travelled(lab: Lab) -> None:
    """es: La respuesta 'filas que viajan' no es la cantidad de filas que llegan al coordinador.

    en: The answer 'filas que viajan' is not the number of rows that come to the coordinator.
    """
    answer = lab.answer("union-que-viaja", "filas que viajan")
    if answer is None:
        raise Failed("En la tabla respuestas no está.", "It is not in the table respuestas.")
    plan = steps(lab, "ANALYZE, TIMING OFF", ORIGINAL)
    rows = sum(step["Actual Rows"] * step["Actual Loops"] for step in plan if step["Node Type"] == "Foreign Scan")
    if answer != rows:
        raise Failed(f"Usted anotó {answer:g}.", f"You wrote {answer:g}.")


@check(points=3)
def same_rows(lab: Lab) -> None:
    """es: La vista historia_corta no da cada consulta con su paciente.

    en: The view historia_corta does not give each consultation with its patient.
    """
    if lab.kind("historia_corta") != "view":
        raise Failed("No hay una vista con ese nombre.", "There is no view of that name.")
    if sorted(lab.columns("historia_corta")) != ["cedula", "diagnostico", "fecha_consulta", "nombre"]:
        columns = ", ".join(lab.columns("historia_corta"))
        raise Failed(f"Sus columnas son: {columns}.", f"Its columns are: {columns}.")
    found, wanted = (sorted(tuple(row.values()) for row in lab.rows(query)) for query in (FOUND, WANTED))
    if found != wanted:
        raise Failed(
            f"Da {len(found)} filas; son {len(wanted)}.", f"It gives {len(found)} rows; there are {len(wanted)}."
        )


@check(points=4, after=same_rows)
def joined_on_workers(lab: Lab) -> None:
    """es: La unión de historia_corta la hace el coordinador: las filas de ambas tablas viajan hasta él.

    en: The coordinator does the join of historia_corta: the rows of both tables travel to it.
    """
    joins = {step["Node Type"] for step in steps(lab, "COSTS OFF", FOUND) if step["Node Type"] in JOINS}
    if joins:
        raise Failed(f"En su plan hay: {', '.join(joins)}.", f"Its plan has: {', '.join(joins)}.")
