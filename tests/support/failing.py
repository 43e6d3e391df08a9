"""Statements that fail, each of which brings an invented person's document and name along; the next one takes a line."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import psycopg

DOCUMENT, NAME = "1098765432", "Zenobia Quiribita"
PATIENT = (
    "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
    f" VALUES ('{DOCUMENT}', '{NAME}', '{NAME}', '%s', 'F', 'Cali')"
)
#: What fails -> the statements, of one transaction that is rolled back.
STATEMENTS: dict[str, Sequence[str]] = {
    "duplicate key": (PATIENT % "2000-01-01", PATIENT % "2000-01-01"),
    "check": (PATIENT.replace("'F'", "'?'") % "2000-01-01",),
    "not null": (PATIENT.replace("'Cali'", "NULL") % "2000-01-01",),
    "foreign key": (
        "INSERT INTO consultas (paciente_id, medico_id, motivo, codigo_cie10, diagnostico)"
        f" VALUES ('{DOCUMENT}', 1, '{NAME}', 'Z00', '{NAME}')",
    ),
    "wrong type": (PATIENT % NAME,),
    "cast": (f"SELECT '{DOCUMENT} {NAME}'::integer",),
    "cast of a column": (PATIENT % "2000-01-01", f"SELECT apellido::date FROM pacientes WHERE cedula = '{DOCUMENT}'"),
    "date out of range": (f"SELECT to_date('{DOCUMENT}', 'DDMMYYYY'), '{DOCUMENT}-13-45'::date",),
    "number out of range": (f"SELECT '{DOCUMENT}9'::integer",),
    "name in double quotes": (f'SELECT * FROM pacientes WHERE cedula = "{DOCUMENT}"',),
    "syntax": (f"SELECT {DOCUMENT} {DOCUMENT}",),
    "timeout": ("SET LOCAL statement_timeout = '20ms'", f"SELECT pg_sleep(5), '{DOCUMENT} {NAME}'"),
    "function that raises": (f"DO $$ BEGIN RAISE EXCEPTION '%', '{DOCUMENT} {NAME}'; END $$",),
    "function that warns": (f"DO $$ BEGIN RAISE WARNING '%', '{DOCUMENT} {NAME}'; END $$", "SELECT 1/0"),
    "function that logs": (f"DO $$ BEGIN RAISE LOG '%', '{DOCUMENT} {NAME}'; END $$", "SELECT 1/0"),
    "function whose statement fails": (
        f"DO $$ DECLARE n integer; BEGIN EXECUTE 'SELECT ''{DOCUMENT} {NAME}''::integer' INTO n; END $$",
    ),
    "message of several lines": (f"DO $$ BEGIN RAISE EXCEPTION E'first\\n%\\n%', '{DOCUMENT}', '{NAME}'; END $$",),
}
#: A line of COPY that is no row, and one that is twice.
COPIED = {
    "copied value": f"{DOCUMENT}\t{NAME}\t{NAME}\t{NAME}\tF\tCali\n",
    "copied twice": f"{DOCUMENT}\t{NAME}\t{NAME}\t2000-01-01\tF\tCali\n" * 2,
    "copied piece": f"{DOCUMENT}\t{NAME}\n",
}
COPY = "COPY pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad) FROM STDIN"


def fail_all(connection: psycopg.Connection[tuple[object, ...]], without: Sequence[str] = ()) -> None:
    """Let each fail, also with its values as parameters, which a person may ask for; ``without`` are those that are left out.

    Raises:
        AssertionError: one did not fail.
    """
    for name, statements in STATEMENTS.items():
        assert name in without or _fails(connection, *statements), name
    for name, text in COPIED.items():
        assert _fails(connection, COPY, text=text), name
    ask = "SET LOCAL log_parameter_max_length_on_error = -1"
    assert _fails(connection, ask, "SELECT $1::text::integer", values=[f"{DOCUMENT} {NAME}"])


def _fails(
    connection: psycopg.Connection[tuple[object, ...]], *statements: str, text: str = "", values: Sequence[str] = ()
) -> bool:
    """Run statements in a transaction of their own, the last one with a text for COPY or with values; whether one fails."""
    try:
        with connection.transaction(force_rollback=True), psycopg.RawCursor(connection) as cursor:
            for statement in statements[:-1]:
                cursor.execute(statement.encode())
            if text:
                with cursor.copy(statements[-1].encode()) as copy:
                    copy.write(text)
            else:
                cursor.execute(statements[-1].encode(), values or None)
    except psycopg.Error:
        return True
    return False


def fail_all_in_psql(psql: Sequence[str], environment: dict[str, str]) -> None:
    """Let each fail in psql, as a person's own login."""
    script = "\n".join(f"BEGIN; {'; '.join(statements)}; ROLLBACK;" for statements in STATEMENTS.values())
    done = subprocess.run([*psql, "-q"], input=script, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.count("ERROR:") >= len(STATEMENTS), done.stderr
