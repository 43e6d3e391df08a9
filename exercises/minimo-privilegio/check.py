"""The analyst reads counts, and nobody's history."""

import psycopg

from grading import Failed, Lab, check

ANALYST = "analista_salud"
VIEW = "diagnosticos_por_ciudad"
COUNTED = """
SELECT p.ciudad::text, c.codigo_cie10::text, count(*)::bigint AS consultas
  FROM public.pacientes p JOIN public.consultas c ON c.paciente_id = p.cedula GROUP BY 1, 2
"""
#: What holds a person's data, or who read it.
CLOSED = ("pacientes", "consultas", "usuario", "accesos", "cambios", "solicitudes", "accesos_paginas")


@check(points=2)
def counts(lab: Lab) -> None:
    """es: La vista diagnosticos_por_ciudad no da las consultas de cada ciudad y código.

    en: The view diagnosticos_por_ciudad does not give the consultations of each city and code.
    """
    kind = lab.kind(VIEW)
    if kind not in ("view", "materialized view"):
        raise Failed("No hay una vista con ese nombre.", "There is no view of that name.")
    if sorted(lab.columns(VIEW)) != ["ciudad", "codigo_cie10", "consultas"]:
        columns = ", ".join(lab.columns(VIEW))
        raise Failed(f"Sus columnas son: {columns}.", f"Its columns are: {columns}.")
    found = lab.rows("SELECT ciudad::text, codigo_cie10::text, consultas::bigint FROM public.diagnosticos_por_ciudad")
    wanted = lab.rows(COUNTED)
    if sorted(map(repr, found)) != sorted(map(repr, wanted)):
        raise Failed(
            f"Tiene {len(found)} filas; otras que las {len(wanted)} que salen al contar.",
            f"It has {len(found)} rows, which are not the {len(wanted)} that counting gives.",
        )


@check(points=3, after=counts)
def is_read(lab: Lab) -> None:
    """es: analista_salud no puede leer diagnosticos_por_ciudad.

    en: analista_salud cannot read diagnosticos_por_ciudad.
    """
    with lab.acting_as(ANALYST) as session:
        try:
            session.execute("SELECT count(*) FROM public.diagnosticos_por_ciudad")
        except psycopg.Error as error:
            said = str(error).splitlines()[0]
            raise Failed(f"El servidor dice: {said}.", f"The server says: {said}.") from error


@check(points=3, after=is_read)
def sees_nobody(lab: Lab) -> None:
    """es: analista_salud puede leer más de lo que necesita.

    en: analista_salud can read more than she needs.
    """
    attributes = lab.rows(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole AS all FROM pg_roles WHERE rolname = %s", ANALYST
    )
    if attributes[0]["all"]:
        raise Failed("Es superusuario, o puede serlo.", "She is a superuser, or can become one.")
    opened = [
        row["name"]
        for row in lab.rows(
            "SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relname::text = ANY (%s)"
            " AND (has_table_privilege(%s, c.oid, 'SELECT') OR has_any_column_privilege(%s, c.oid, 'SELECT')) ORDER BY 1",
            list(CLOSED),
            ANALYST,
            ANALYST,
        )
    ]
    if opened:
        raise Failed(f"Puede leer {', '.join(opened)}.", f"She can read {', '.join(opened)}.")


@check(points=2, after=is_read)
def only_reads(lab: Lab) -> None:
    """es: analista_salud puede hacer más que leer.

    en: analista_salud can do more than read.
    """
    rights = lab.rows(
        "SELECT p.name FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'MAINTAIN', 'SELECT WITH GRANT OPTION'])"
        " AS p (name), pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'public' AND c.relname = %s AND has_table_privilege(%s, c.oid, p.name)",
        VIEW,
        ANALYST,
    )
    if rights:
        names = ", ".join(row["name"] for row in rights)
        raise Failed(f"Sobre la vista tiene: {names}.", f"On the view she has: {names}.")
