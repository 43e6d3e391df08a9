"""What a person types who makes a lab by hand, the same on a machine and in pods: the lab's own SQL, in its order."""

from __future__ import annotations

import sys
from pathlib import Path

from support.labs import Run

SQL = Path(__file__).parents[1] / "roles"
LOGINS = ("middleware", "api", "readonly")
#: The original's step 7.
DISTRIBUTE = (
    "SELECT lab.create_reference_table('public.medicos')",
    "SELECT lab.create_reference_table('public.municipios')",
    "SELECT lab.create_reference_table('public.cie10')",
    "SELECT lab.create_distributed_table('public.pacientes', 'cedula')",
    "SELECT lab.create_distributed_table('public.consultas', 'paciente_id', 'public.pacientes')",
    "SELECT lab.create_distributed_table('public.solicitudes', 'paciente_id', 'public.pacientes')",
    "SELECT lab.create_distributed_table('public.accesos', 'paciente_id', 'public.pacientes')",
    "SELECT lab.create_distributed_table('public.cambios', 'paciente_id', 'public.pacientes')",
    "SELECT lab.create_distributed_table('public.usuario', 'documento_id')",
    "SELECT lab.create_distributed_table('public.accesos_paginas', 'documento_id', 'public.usuario')",
    "SELECT lab.add_foreign_key('public.consultas', 'consultas_paciente_id_fkey', 'paciente_id', 'public.pacientes', 'cedula')",
    "SELECT lab.add_foreign_key('public.consultas', 'consultas_medico_id_fkey', 'medico_id', 'public.medicos', 'id')",
)
#: What comes before it, and after.
TABLES = ("tables.sql", "history.sql", "owners.sql")
RIGHTS = ("logins.sql", "row_security.sql", "privileges.sql", "audit_security.sql", "usuarios.sql")


def checked(run: Run) -> Run:
    """A run that succeeded; another ends the benchmark."""
    if run.rc:
        sys.exit(run.stdout + run.stderr)
    return run
