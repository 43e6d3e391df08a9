"""What may be kept of a text that others wrote: a database or an exception may quote the row that it is about.

The loader and every log line go by it; it needs no Flask.
"""

from __future__ import annotations

import re

import psycopg

from historia_clinica.documents import TYPES

#: A cédula, or the number of a document of digits; and a type with its number, of digits and letters.
_DOCUMENT = re.compile(
    rf"(?<![0-9A-Za-z])(?:{'|'.join(TYPES)})[-.: ][0-9A-Z]{{4,20}}(?![0-9A-Za-z])|(?<![0-9a-f])[0-9]{{4,11}}(?![0-9a-f])"
)
_QUOTED = re.compile(r'"[^"]*"')
#: The errors, or classes of them, whose message names objects and never a value: the statements here have none in their text.
_OF_OBJECTS = ("08", "0A", "23", "25", "28", "40", "42", "53", "54", "55", "57", "58", "HV")
#: Citus hands on under it what a worker said, which may be anything.
_INTERNAL = "XX"


def without_documents(text: str) -> str:
    """Return a text with everything masked that could be a person's document: `1072319876`, `RC-A1B2C3D4E5F`."""
    return _DOCUMENT.sub("*****", text)


def told(error: psycopg.Error) -> str:
    """Return what may be kept of an error of the database: its SQLSTATE and what it is about, never DETAIL, CONTEXT or a value.

    Without a SQLSTATE it comes from libpq, which speaks of hosts, ports and logins.
    """
    sqlstate, about = error.sqlstate or "", error.diag
    if not sqlstate:
        return str(error).strip() if isinstance(error, psycopg.OperationalError) else type(error).__name__
    message = without_documents(about.message_primary or "")
    if sqlstate.startswith(_INTERNAL):
        message = _QUOTED.sub('"…"', message)
    elif not sqlstate.startswith(_OF_OBJECTS):
        message = ""
    named = {"relation": about.table_name, "constraint": about.constraint_name, "column": about.column_name}
    known = ", ".join(f"{kind} {name}" for kind, name in named.items() if name)
    return f"{sqlstate} {message or type(error).__name__}{known and f' ({known})'}"
