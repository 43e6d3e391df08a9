"""Changes of the tables of many nodes: what each engine does with the statement, as it is typed at the coordinator.

The table of docs/en/drift.md and docs/es/drift.md is this one (`make docs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: What a statement comes to, beside an SQLSTATE.
DONE = "done"


@dataclass(frozen=True)
class Statement:
    """A statement.

    Attributes:
        sql: it, as somebody types it.
        postgres_fdw: `DONE`, or the SQLSTATE with which it is refused.
        citus: the same of the other engine.
        hint: a part of what postgres_fdw says to do instead.
        instead: the same in the words of a class, in English and Spanish; with the fix of `lab.ddl` where that is the hint.
        but: what Citus does not say about what it does, in English and Spanish.
        undo: statements that take it back.
        probe: a question, and its rows once the statement is done: the same with both engines.
        long: whether only `make test-long` tries it.
        told: whether the pages have it, too.
    """

    sql: str
    postgres_fdw: str = DONE
    citus: str = DONE
    hint: str = ""
    instead: tuple[str, str] = ("", "")
    but: tuple[str, str] = ("", "")
    undo: tuple[str, ...] = ()
    probe: tuple[str, list[tuple[Any, ...]]] | None = None
    long: bool = True
    told: bool = True


LAB_DDL = "SELECT lab.ddl($$"
INDEXED = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public' AND indexname = 'prueba_idx'"

#: With 1,000 patients.
STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "ALTER TABLE pacientes ADD COLUMN prueba integer DEFAULT 7",
        undo=("ALTER TABLE pacientes DROP COLUMN prueba",),
        probe=("SELECT sum(prueba) FROM pacientes", [(7000,)]),
        long=False,
    ),
    Statement(
        "ALTER TABLE pacientes ADD COLUMN prueba text GENERATED ALWAYS AS (upper(nombre)) STORED",
        undo=("ALTER TABLE pacientes DROP COLUMN prueba",),
        probe=("SELECT count(*) FROM pacientes WHERE prueba = upper(nombre)", [(1000,)]),
    ),
    Statement(
        "ALTER TABLE pacientes ADD COLUMN prueba serial",
        postgres_fdw="0A000",
        citus="0A000",
        hint="gen_random_uuid()",
        instead=("`uuid` with `gen_random_uuid()` works", "`uuid` con `gen_random_uuid()` funciona"),
    ),
    Statement(
        "-- a comment; and a semicolon\nALTER TABLE pacientes /* ; */ ADD COLUMN prueba text DEFAULT 'a;b';  -- the end",
        undo=("ALTER TABLE pacientes DROP COLUMN prueba",),
        probe=("SELECT count(*) FROM pacientes WHERE prueba = 'a;b'", [(1000,)]),
        told=False,
    ),
    Statement(
        "ALTER TABLE pacientes RENAME COLUMN telefono TO prueba",
        undo=("ALTER TABLE pacientes RENAME COLUMN prueba TO telefono",),
        probe=("SELECT count(*) FROM pacientes WHERE prueba ~ '^[^0-9+ ]'", [(0,)]),
    ),
    Statement(
        "ALTER TABLE pacientes ALTER COLUMN ciudad TYPE varchar(200)",
        undo=("ALTER TABLE pacientes ALTER COLUMN ciudad TYPE text",),
        probe=("SELECT count(*) FROM pacientes WHERE apellido <> ''", [(1000,)]),
    ),
    Statement(
        "ALTER TABLE pacientes ALTER COLUMN fecha_nacimiento TYPE timestamp USING fecha_nacimiento + time '08:00'",
        postgres_fdw="0A000",
        hint=LAB_DDL,
        undo=("ALTER TABLE pacientes ALTER COLUMN fecha_nacimiento TYPE date",),
    ),
    Statement(
        "SELECT lab.ddl($$ALTER TABLE pacientes ALTER COLUMN fecha_nacimiento TYPE timestamp"
        " USING fecha_nacimiento + time '08:00'$$)",
        undo=("ALTER TABLE pacientes ALTER COLUMN fecha_nacimiento TYPE date",),
        probe=("SELECT count(*) FROM pacientes WHERE extract(hour FROM fecha_nacimiento) = 8", [(1000,)]),
    ),
    Statement(
        "ALTER TABLE pacientes ALTER COLUMN ciudad SET STATISTICS 500",
        citus="0A000",
        undo=("ALTER TABLE pacientes ALTER COLUMN ciudad SET STATISTICS DEFAULT",),
    ),
    Statement("CREATE STATISTICS prueba ON ciudad, sexo FROM pacientes", undo=("DROP STATISTICS prueba",)),
    Statement(
        "ALTER TABLE pacientes ALTER COLUMN ciudad SET DEFAULT 'Tunja'",
        undo=("ALTER TABLE pacientes ALTER COLUMN ciudad DROP DEFAULT",),
    ),
    Statement(
        "ALTER TABLE pacientes ALTER COLUMN correo SET NOT NULL",
        postgres_fdw="23502",
        citus="23502",
        instead=("rows are in the way", "hay filas que lo impiden"),
        probe=("SELECT count(*) > 100 FROM pacientes WHERE correo IS NULL", [(True,)]),
        long=False,
    ),
    Statement(
        "ALTER TABLE pacientes ALTER COLUMN apellido DROP NOT NULL",
        undo=("ALTER TABLE pacientes ALTER COLUMN apellido SET NOT NULL",),
    ),
    Statement(
        "ALTER TABLE pacientes ADD CONSTRAINT prueba CHECK (length(nombre) > 5)",
        postgres_fdw="23514",
        citus="23514",
        instead=("rows are in the way", "hay filas que lo impiden"),
        probe=("SELECT count(*) > 10 FROM pacientes WHERE length(nombre) <= 5", [(True,)]),
        long=False,
    ),
    Statement(
        "ALTER TABLE pacientes ADD CONSTRAINT prueba CHECK (length(nombre) > 1)",
        undo=("ALTER TABLE pacientes DROP CONSTRAINT prueba",),
    ),
    Statement(
        "ALTER TABLE pacientes DROP CONSTRAINT pacientes_sexo_rips_check",
        undo=("ALTER TABLE pacientes ADD CONSTRAINT pacientes_sexo_rips_check CHECK (sexo IN ('F', 'M', 'I'))",),
    ),
    Statement(
        "CREATE INDEX prueba_idx ON pacientes (telefono)",
        undo=("DROP INDEX prueba_idx",),
        probe=(INDEXED, [(1,)]),
        long=False,
    ),
    Statement(
        "DROP INDEX pacientes_ciudad_idx", undo=("CREATE INDEX pacientes_ciudad_idx ON public.pacientes (ciudad)",)
    ),
    Statement(
        "ALTER INDEX pacientes_ciudad_idx RENAME TO prueba_idx",
        undo=("ALTER INDEX prueba_idx RENAME TO pacientes_ciudad_idx",),
        probe=(INDEXED, [(1,)]),
    ),
    Statement(
        "CREATE INDEX CONCURRENTLY prueba_idx ON pacientes (telefono)",
        postgres_fdw="0A000",
        hint="CREATE INDEX prueba_idx ON pacientes (telefono)",
        instead=("without `CONCURRENTLY` it works", "sin `CONCURRENTLY` funciona"),
        undo=("DROP INDEX prueba_idx",),
    ),
    Statement(
        "CREATE UNIQUE INDEX prueba_idx ON pacientes (cedula, telefono)",
        postgres_fdw="0A000",
        hint=LAB_DDL,
        undo=("DROP INDEX prueba_idx",),
    ),
    Statement(
        "SELECT lab.ddl($$CREATE UNIQUE INDEX prueba_idx ON pacientes (cedula, telefono)$$)",
        undo=("SELECT lab.ddl($$DROP INDEX prueba_idx$$)",),
    ),
    Statement(
        "ALTER TABLE consultas ADD CONSTRAINT prueba UNIQUE (paciente_id, id, fecha_consulta)",
        postgres_fdw="0A000",
        hint=LAB_DDL,
        undo=("ALTER TABLE consultas DROP CONSTRAINT prueba",),
    ),
    Statement(
        "SELECT lab.ddl($$ALTER TABLE consultas ADD CONSTRAINT prueba UNIQUE (paciente_id, id, fecha_consulta)$$)",
        undo=("SELECT lab.ddl($$ALTER TABLE consultas DROP CONSTRAINT prueba$$)",),
    ),
    Statement("REINDEX TABLE pacientes", postgres_fdw="0A000", hint=LAB_DDL),
    Statement("SELECT lab.ddl($$REINDEX TABLE pacientes$$)"),
    Statement("REINDEX SCHEMA public", postgres_fdw="0A000", hint=LAB_DDL, told=False),
    Statement("SELECT lab.ddl($$REINDEX SCHEMA public$$)", told=False),
    Statement("SELECT lab.ddl($$VACUUM (ANALYZE) pacientes$$)"),
    Statement(
        "DO $$ BEGIN ALTER TABLE pacientes ADD COLUMN prueba integer; END $$",
        postgres_fdw="0A000",
        hint=LAB_DDL,
        undo=("ALTER TABLE pacientes DROP COLUMN prueba",),
        long=False,
    ),
    Statement(
        "DO $$ BEGIN PERFORM lab.ddl('ALTER TABLE pacientes ADD COLUMN prueba integer DEFAULT 7'); END $$",
        undo=("ALTER TABLE pacientes DROP COLUMN prueba",),
        probe=("SELECT sum(prueba) FROM pacientes", [(7000,)]),
        long=False,
    ),
    Statement(
        "ALTER TABLE medicos ADD COLUMN prueba integer DEFAULT 7",
        undo=("ALTER TABLE medicos DROP COLUMN prueba",),
        probe=("SELECT sum(prueba) FROM medicos", [(280,)]),
    ),
    Statement(
        "ALTER TABLE medicos ADD COLUMN prueba uuid DEFAULT gen_random_uuid()",
        postgres_fdw="0A000",
        hint="without the default",
        instead=("each copy would have other values", "cada copia tendría otros valores"),
        but=("each copy has other values, and nothing says so", "cada copia tiene otros valores, y nada lo dice"),
        undo=("ALTER TABLE medicos DROP COLUMN prueba",),
    ),
    Statement("CREATE INDEX prueba_idx ON medicos (ciudad)", undo=("DROP INDEX prueba_idx",), probe=(INDEXED, [(1,)])),
    Statement(
        "GRANT SELECT ON accesos TO readonly",
        undo=("REVOKE SELECT ON accesos FROM readonly",),
        probe=("SELECT has_table_privilege('readonly', 'accesos', 'SELECT')", [(True,)]),
    ),
    Statement(
        "ALTER TABLE accesos RENAME TO prueba",
        undo=("ALTER TABLE prueba RENAME TO accesos",),
        probe=("SELECT count(*) FROM prueba", [(0,)]),
    ),
    Statement("TRUNCATE accesos"),
    Statement(
        "TRUNCATE pacientes",
        postgres_fdw="0A000",
        citus="0A000",
        instead=("`consultas` refers to it", "`consultas` se refiere a ella"),
        probe=("SELECT count(*) FROM pacientes", [(1000,)]),
    ),
    Statement(
        "DROP TABLE pacientes",
        postgres_fdw="2BP01",
        citus="2BP01",
        told=False,  # it stands under what somebody changed by hand
        probe=("SELECT count(*) FROM pacientes", [(1000,)]),
    ),
)
