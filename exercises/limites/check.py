"""A role has limits, and nobody else has others than before."""

import re

from grading import Failed, Lab, check

UNITS = {"us": 0.001, "ms": 1, "": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
SETTINGS = """
SELECT s.setdatabase, s.setrole, s.setconfig::text AS text, s.setconfig AS config, r.rolname = 'informes' AS mine, d.datname::text AS database
  FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
 ORDER BY s.setdatabase, s.setrole
"""


def milliseconds(lab: Lab, setting: str) -> float | None:
    """What a new session of the role begins with; None where nothing is set for it. Of its own in this database goes first."""
    found: dict[bool, float] = {}
    for row in lab.rows(SETTINGS):
        for each in row["config"] if row["mine"] and row["database"] in (None, "historia_clinica") else ():
            name, _is, value = each.partition("=")
            number = re.fullmatch(r"([0-9.]+) ?([a-z]*)", value)
            if name == setting and number and number[2] in UNITS:
                found[row["database"] is not None] = float(number[1]) * UNITS[number[2]]
    return found.get(True, found.get(False))


@check(points=4)
def sessions(lab: Lab) -> None:
    """es: informes puede abrir más de 3 sesiones a la vez, o ninguna.

    en: informes may open more than 3 sessions at a time, or none.
    """
    [role] = lab.rows("SELECT rolconnlimit, rolsuper, rolcanlogin FROM pg_roles WHERE rolname = 'informes'") or [{}]
    if not role or not role["rolcanlogin"] or not 1 <= role["rolconnlimit"] <= 3:
        limit = role.get("rolconnlimit", "?")
        raise Failed(f"Su límite es {limit} (-1: ninguno).", f"Its limit is {limit} (-1: none).")
    if role["rolsuper"]:
        raise Failed("A un superusuario el límite no lo detiene.", "No limit stops a superuser.")


@check(points=3)
def statements(lab: Lab) -> None:
    """es: Una sentencia de informes puede durar más de 5 segundos.

    en: A statement of informes may last longer than 5 seconds.
    """
    compare(milliseconds(lab, "statement_timeout"), 5000)


@check(points=2)
def transactions(lab: Lab) -> None:
    """es: Una transacción de informes puede quedarse abierta más de 1 minuto sin hacer nada.

    en: A transaction of informes may stay open for more than 1 minute, doing nothing.
    """
    compare(milliseconds(lab, "idle_in_transaction_session_timeout"), 60_000)


@check(points=1, after=statements)
def nobody_else(lab: Lab) -> None:
    """es: También cambió un ajuste de otro rol, o de toda la base de datos.

    en: A setting of another role was changed too, or of the whole database.
    """
    others = [f"{row['setdatabase']} {row['setrole']} {row['text']}" for row in lab.rows(SETTINGS) if not row["mine"]]
    if others != lab.stage["others"]:
        raise Failed("Se ve con \\drds.", "See \\drds.")


def compare(found: float | None, most: float) -> None:
    """See whether a limit is there and low enough."""
    if found is None:
        raise Failed("No tiene ese ajuste.", "It has no such setting.")
    if not 0 < found <= most:
        raise Failed(f"Está en {found:g} ms (0: sin límite).", f"It is {found:g} ms (0: without limit).")
