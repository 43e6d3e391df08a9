"""Researchers see patients, and no persons."""

import hashlib
from collections import Counter

import psycopg

from grading import Failed, Lab, check

COLUMNS = ["anio_nacimiento", "ciudad", "seudonimo", "sexo"]
FOUND = (
    "SELECT seudonimo::text, anio_nacimiento::integer AS anio, sexo::text, ciudad::text FROM public.pacientes_anonimos"
)
WANTED = "SELECT cedula::text, id::text, nombre::text, extract(year FROM fecha_nacimiento)::integer AS anio, sexo::text, ciudad::text FROM public.pacientes"
#: What makes a pseudonym that anybody can make.
HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")


@check(points=3)
def one_for_each(lab: Lab) -> None:
    """es: La vista pacientes_anonimos no tiene una fila por paciente, con su año, sexo y ciudad.

    en: The view pacientes_anonimos does not have a row for each patient, with year, sex and city.
    """
    if lab.kind("pacientes_anonimos") not in ("view", "materialized view"):
        raise Failed("No hay una vista con ese nombre.", "There is no view of that name.")
    columns = sorted(lab.columns("pacientes_anonimos"))
    if columns != COLUMNS:
        raise Failed(f"Sus columnas son: {', '.join(columns)}.", f"Its columns are: {', '.join(columns)}.")
    found, wanted = (
        Counter((row["anio"], row["sexo"], row["ciudad"]) for row in lab.rows(query)) for query in (FOUND, WANTED)
    )
    if found != wanted:
        raise Failed(
            f"Tiene {found.total()} filas; los pacientes son {wanted.total()}.",
            f"It has {found.total()} rows; there are {wanted.total()} patients.",
        )


@check(points=4, after=one_for_each)
def cannot_be_undone(lab: Lab) -> None:
    """es: El seudónimo dice quién es, o cualquiera lo puede calcular.

    en: The pseudonym says who it is, or anybody can compute it.
    """
    pseudonyms = [row["seudonimo"] or "" for row in lab.rows(FOUND)]
    if len(set(pseudonyms)) != len(pseudonyms):
        raise Failed("Dos pacientes tienen el mismo.", "Two patients have the same.")
    known = set(pseudonyms)
    for row in lab.rows(WANTED):
        for text in (row["cedula"], row["id"]):
            if text in known:
                raise Failed("Es la cédula misma.", "It is the cédula itself.")
            for name in HASHES:
                digest = hashlib.new(name, text.encode()).hexdigest()  # what a student may have used
                if {digest, rf"\x{digest}"} & known:
                    raise Failed(f"Es {name} de la cédula.", f"It is {name} of the cédula.")
    if all(pseudonym.isdigit() and int(pseudonym) <= len(known) for pseudonym in known):
        raise Failed("Es un número de orden.", "It is a number in a row.")


@check(points=3, after=one_for_each)
def read_alone(lab: Lab) -> None:
    """es: El rol investigacion no puede leer la vista, o puede leer de dónde sale.

    en: The role investigacion cannot read the view, or can read what it comes from.
    """
    with lab.acting_as("investigacion") as session:
        try:
            session.execute("SELECT count(*) FROM public.pacientes_anonimos")
        except psycopg.Error as error:
            said = str(error).splitlines()[0]
            raise Failed(f"El servidor dice: {said}.", f"The server says: {said}.") from error
    opened = [
        row["name"]
        for row in lab.rows(
            "SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relname::text IN ('pacientes', 'consultas', 'usuario', 'seudonimos')"
            " AND (has_table_privilege('investigacion', c.oid, 'SELECT') OR has_any_column_privilege('investigacion', c.oid, 'SELECT'))"
        )
    ]
    if opened:
        raise Failed(f"Puede leer {', '.join(opened)}.", f"It can read {', '.join(opened)}.")
