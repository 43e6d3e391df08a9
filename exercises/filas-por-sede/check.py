"""Each site sees and writes its own appointments."""

import psycopg

from grading import Failed, Lab, check

SITES = {"norte": "sur", "sur": "norte"}
INSERT = "INSERT INTO public.citas (id, sede, cedula, dia) VALUES (1000000, %s, '1', DATE '2026-03-02')"


def seen(lab: Lab, site: str) -> dict[str, int]:
    """How many appointments of each site a site sees."""
    with lab.acting_as(f"sede_{site}") as session:
        try:
            rows = session.execute("SELECT sede::text, count(*) AS rows FROM public.citas GROUP BY 1").fetchall()
        except psycopg.errors.InsufficientPrivilege as error:
            raise Failed(
                f"sede_{site} ya no puede leer la tabla.", f"sede_{site} can no longer read the table."
            ) from error
    return {row["sede"]: row["rows"] for row in rows}


@check(points=4)
def hides_others(lab: Lab) -> None:
    """es: Una sede ve las citas de la otra.

    en: One site sees the appointments of the other.
    """
    if lab.kind("citas") != "table":
        raise Failed("No hay una tabla public.citas.", "There is no table public.citas.")
    for site, other in SITES.items():
        count = seen(lab, site).get(other, 0)
        if count:
            raise Failed(f"sede_{site} ve {count} de sede {other}.", f"sede_{site} sees {count} of site {other}.")


@check(points=3, after=hides_others)
def shows_own(lab: Lab) -> None:
    """es: Una sede no ve todas sus citas.

    en: One site does not see all of its appointments.
    """
    for site in SITES:
        count, wanted = seen(lab, site).get(site, 0), lab.stage[site]
        if count != wanted:
            raise Failed(f"sede_{site} ve {count} de {wanted}.", f"sede_{site} sees {count} of {wanted}.")


@check(points=3, after=shows_own)
def writes_own(lab: Lab) -> None:
    """es: Una sede no puede registrar una cita propia, o puede registrar una ajena.

    en: One site cannot register an appointment of its own, or can register one of the other.
    """
    for site, other in SITES.items():
        for whose, wanted in ((site, False), (other, True)):
            refused = lab.is_refused(f"sede_{site}", INSERT.replace("%s", f"'{whose}'"))
            if refused != wanted:
                es, en = ("no puede", "cannot") if refused else ("puede", "can")
                raise Failed(
                    f"sede_{site} {es} registrar una de {whose}.", f"sede_{site} {en} register one of {whose}."
                )
