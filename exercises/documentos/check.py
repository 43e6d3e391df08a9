"""Documents in one form, and nobody taken for somebody else."""

import re

from grading import Failed, Lab, check


def normal(text: str) -> str:
    """A document in the form of the API."""
    letters = re.sub(r"[^A-Z0-9]", "", text.upper())
    kind, number = re.sub(r"[0-9]", "", letters), re.sub(r"[A-Z]", "", letters)
    return number if kind in ("", "CC") else f"{kind}-{number}"


def found(lab: Lab) -> dict[int, str]:
    """What the student's table has, by line."""
    rows = lab.rows(
        "SELECT renglon::text AS renglon, documento::text AS documento FROM public.documentos ORDER BY 1, 2"
    )
    return {int(row["renglon"]): row["documento"] or "" for row in rows if (row["renglon"] or "").isdecimal()}


@check(points=2)
def every_line(lab: Lab) -> None:
    """es: documentos no tiene exactamente una fila por cada renglón recibido.

    en: documentos does not have exactly one row for each line that was received.
    """
    if not {"renglon", "documento"} <= set(lab.columns("documentos")):
        raise Failed(
            "No hay una tabla o vista public.documentos con las columnas renglon y documento.",
            "There is no table or view public.documentos with the columns renglon and documento.",
        )
    lines = {row["renglon"] for row in lab.stage["rows"]}
    count = lab.value("SELECT count(*) FROM public.documentos")
    if set(found(lab)) != lines or count != len(lines):
        raise Failed(
            f"Tiene {count} filas; los renglones son {len(lines)}.",
            f"It has {count} rows; there are {len(lines)} lines.",
        )


@check(points=4, after=every_line)
def one_form(lab: Lab) -> None:
    """es: Una cédula no está en la forma de la API: solo sus dígitos.

    en: A cédula is not in the form of the API: its digits alone.
    """
    compare(lab, identity_card=False)


@check(points=4, after=every_line)
def two_persons(lab: Lab) -> None:
    """es: Una tarjeta de identidad no está en la forma de la API: sin el tipo se confunde con la cédula de otra persona.

    en: A tarjeta de identidad is not in the form of the API: without its type it is taken for another person's cédula.
    """
    compare(lab, identity_card=True)


def compare(lab: Lab, identity_card: bool) -> None:
    """See whether the documents of a kind are as they have to be."""
    documents = found(lab)
    for row in lab.stage["rows"]:
        wanted = normal(row["texto"])
        if ("-" in wanted) == identity_card and documents[row["renglon"]] != wanted:
            line, text, got = row["renglon"], row["texto"], documents[row["renglon"]]
            raise Failed(
                f"En el renglón {line}, de '{text}' salió '{got}'.", f"In line {line}, '{text}' became '{got}'."
            )
