"""A row as releases before took it, beside the check that rows to come have to keep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

#: A patient's row, but for the document.
ROW = (
    "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
    " VALUES ('{}', 'Ana', 'Prueba', '1990-01-01', 'F', 'Cali')"
)
_DROP = "SELECT lab.ddl('ALTER TABLE public.pacientes DROP CONSTRAINT pacientes_documento_check')"


@contextmanager
def older_row(admin: psycopg.Connection[Any], cedula: str) -> Iterator[None]:
    """Keep a patient with a document that is refused today; the check is NOT VALID meanwhile."""
    [(check,)] = admin.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'pacientes_documento_check'"
        " AND conrelid = 'public.pacientes'::regclass"
    ).fetchall()
    add = f"SELECT lab.ddl($$ALTER TABLE public.pacientes ADD CONSTRAINT pacientes_documento_check {check}"
    try:
        admin.execute(_DROP)
        admin.execute(ROW.format(cedula).encode())
        admin.execute(f"{add} NOT VALID$$)".encode())
        yield
    finally:
        admin.execute("DELETE FROM pacientes WHERE cedula = %s", [cedula])
        admin.execute(_DROP)
        admin.execute(f"{add}$$)".encode())
