"""Bad measurements are refused, and those that were there are kept aside."""

from grading import Failed, Lab, check

COLUMNS = ("id", "cedula", "dia", "sistolica", "diastolica", "temperatura")
GOOD = {
    "id": "900001",
    "cedula": "'1'",
    "dia": "DATE '2026-02-01'",
    "sistolica": "120",
    "diastolica": "80",
    "temperatura": "36.5",
}
#: What is changed of a good measurement, for it to be refused.
BAD = [
    {"cedula": "NULL"},
    {"sistolica": "1200"},
    {"sistolica": "49", "diastolica": "30"},
    {"diastolica": "19"},
    {"diastolica": "161", "sistolica": "200"},
    {"sistolica": "80", "diastolica": "120"},
    {"sistolica": "90", "diastolica": "90"},
    {"temperatura": "97.7"},
    {"temperatura": "29.9"},
    {"sistolica": "NULL"},
    {"diastolica": "NULL"},
    {"temperatura": "NULL"},
]
#: At the borders of what is good.
BORDERS = [
    {},
    {"sistolica": "260"},
    {"sistolica": "50", "diastolica": "20"},
    {"temperatura": "30"},
    {"temperatura": "45"},
    {"sistolica": "200", "diastolica": "160"},
]


def insert(changes: dict[str, str]) -> str:
    """A statement that adds a measurement."""
    return f"INSERT INTO public.signos ({', '.join(COLUMNS)}) VALUES ({', '.join({**GOOD, **changes}.values())})"  # noqa: S608 # all of it stands above


def named(changes: dict[str, str]) -> str:
    """What is particular in a measurement."""
    return ", ".join(f"{name} = {value}" for name, value in changes.items())


def ids(lab: Lab, table: str) -> list[int]:
    """The numbers of the measurements in a table."""
    missing = ", ".join(sorted(set(COLUMNS) - set(lab.columns(table))))
    if lab.kind(table) != "table" or missing:
        raise Failed(
            f"La tabla {table} no está, o le falta: {missing}.", f"The table {table} is not there, or lacks: {missing}."
        )
    return sorted(row["id"] for row in lab.rows(f"SELECT id FROM public.{table}"))  # noqa: S608 # a name of this file


@check(points=5)
def refuses_bad(lab: Lab) -> None:
    """es: La tabla signos todavía acepta una medición imposible.

    en: The table signos still takes an impossible measurement.
    """
    ids(lab, "signos")
    for changes in BAD:
        if lab.refusal(insert(changes)) != "23":
            raise Failed(f"Aceptó una con {named(changes)}.", f"It took one with {named(changes)}.")


@check(points=1, after=refuses_bad)
def takes_good(lab: Lab) -> None:
    """es: La tabla signos rechaza una medición que es posible.

    en: The table signos refuses a measurement that is possible.
    """
    for changes in BORDERS:
        if lab.refusal(insert(changes)):
            raise Failed(f"Rechazó una con {named(changes)}.", f"It refused one with {named(changes)}.")


@check(points=2, after=refuses_bad)
def only_good_left(lab: Lab) -> None:
    """es: En signos no quedaron exactamente las mediciones buenas.

    en: signos does not hold exactly the good measurements.
    """
    left, bad = ids(lab, "signos"), set(lab.stage["bad"])
    wrong = [number for number in left if number in bad]
    if wrong:
        raise Failed(
            f"Sigue ahí la {wrong[0]}, que es imposible.", f"Number {wrong[0]} is still there, which is impossible."
        )
    if left != sorted(set(lab.stage["ids"]) - bad):
        raise Failed("Falta alguna buena.", "A good one is missing.")


@check(points=2, after=refuses_bad)
def nothing_lost(lab: Lab) -> None:
    """es: En signos_rechazados no están exactamente las mediciones malas.

    en: signos_rechazados does not hold exactly the bad measurements.
    """
    found, wanted = ids(lab, "signos_rechazados"), sorted(lab.stage["bad"])
    if found != wanted:
        raise Failed(f"Tiene {len(found)}; son {len(wanted)}.", f"It has {len(found)}; there are {len(wanted)}.")
