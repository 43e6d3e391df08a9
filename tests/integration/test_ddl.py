"""Changes of tables that lie on many nodes: on every node, or refused with what does it; never on some of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from support.changes import half_way
from support.labs import Lab, only
from support.statements import DONE, STATEMENTS, Statement

WORKERS = ["citus-worker-1", "citus-worker-2"]
Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def admin(lab: Lab) -> Iterator[Connection]:
    """A connection of the administrator."""
    with lab.connect() as connection:
        yield connection


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    """What a query gives."""
    return connection.execute(query.encode()).fetchall()


def differences(lab: Lab, connection: Connection) -> list[tuple[Any, ...]]:
    """How the nodes' tables differ from the coordinator's; Citus keeps them the same by itself."""
    return rows(connection, "SELECT object, found, wanted FROM lab.node_differences()") if lab.engine != "citus" else []


@pytest.mark.parametrize(
    "statement",
    [pytest.param(each, id=each.sql[:60], marks=[pytest.mark.long] if each.long else []) for each in STATEMENTS],
)
def test_a_statement_is_done_on_every_node_or_refused(lab: Lab, admin: Connection, statement: Statement) -> None:
    """What is done answers the same with both engines; what is refused has changed nothing, and says what does it."""
    expected = statement.citus if lab.engine == "citus" else statement.postgres_fdw
    try:
        rows_or_nothing(admin, statement.sql)
        found = DONE
    except psycopg.Error as error:
        found = error.sqlstate or str(error)
        said = f"{error} {error.diag.message_hint}"
        assert lab.engine == "citus" or statement.hint in said
    try:
        assert found == expected
        assert differences(lab, admin) == []
        if statement.probe and (expected == DONE or not statement.undo):
            question, answer = statement.probe
            assert rows(admin, question) == answer
    finally:
        if found == DONE:
            for each in statement.undo:
                admin.execute(each.encode())
    assert differences(lab, admin) == []
    assert rows(admin, "SELECT object, found, wanted FROM lab.differences()") == []


def rows_or_nothing(connection: Connection, statement: str) -> None:
    """Run a statement, whether it gives rows or not."""
    connection.execute(statement.encode())


@only("postgres_fdw")
class TestTheEngineWithoutCitus:
    """Where the project itself carries what Citus carries."""

    def test_a_change_is_part_of_its_transaction(self, lab: Lab) -> None:
        """Rolled back, to a savepoint too, it is on no node; rows that the same transaction wrote are no hindrance."""
        with lab.connect(autocommit=False) as connection:
            connection.execute("UPDATE pacientes SET telefono = telefono WHERE sexo = 'F'")
            connection.execute("SAVEPOINT before")
            connection.execute("ALTER TABLE pacientes ADD COLUMN prueba integer DEFAULT 1")
            assert rows(connection, "SELECT sum(prueba) FROM pacientes") == [(1000,)]
            connection.execute("ROLLBACK TO before")
            connection.execute("ALTER TABLE pacientes ADD COLUMN prueba integer DEFAULT 2")
            assert rows(connection, "SELECT sum(prueba) FROM pacientes") == [(2000,)]
            connection.rollback()
            assert rows(connection, "SELECT count(*) FROM pg_attribute WHERE attname = 'prueba'") == [(0,)]
            assert differences(lab, connection) == []

    def test_with_a_node_down_nothing_is_changed(self, lab: Lab, admin: Connection) -> None:
        """The node is named with what starts it, and no other one has the column."""
        with lab.without(WORKERS[1]), pytest.raises(psycopg.OperationalError) as refusal:
            admin.execute("ALTER TABLE pacientes ADD COLUMN prueba integer")
        assert "node citus-worker-2 (127.0.0.1:" in str(refusal.value)
        assert "nothing was changed, on no node" in str(refusal.value)
        assert "make start" in (refusal.value.diag.message_hint or "")
        assert differences(lab, admin) == []
        assert rows(admin, "SELECT count(*) FROM pg_attribute WHERE attname = 'prueba'") == [(0,)]

    def test_a_node_that_says_nothing_is_not_waited_for(self, lab: Lab, admin: Connection, silent_worker: str) -> None:
        """Within seconds, since the change keeps everybody else from the table."""
        with pytest.raises(psycopg.OperationalError, match=f"node {silent_worker} .* no connection within 2 s"):
            admin.execute("ALTER TABLE pacientes ADD COLUMN prueba integer")

    def test_a_change_that_ended_half_way_is_named_and_finished(self, lab: Lab, admin: Connection) -> None:
        """One worker had committed it when the other one died: told as such, done on all with the next run, once."""
        half_way("ALTER TABLE pacientes ADD COLUMN prueba integer DEFAULT 3")(lab)
        found = {
            name: (what, wanted)
            for name, what, wanted in rows(admin, "SELECT object, found, wanted FROM lab.node_differences()")
        }
        statement = "statement ALTER TABLE pacientes ADD COLUMN prueba integer DEFAULT 3"
        assert found[statement] == ("on citus-worker-1 only", "on every node")
        try:
            admin.execute("SELECT lab.restore_nodes()")
            assert differences(lab, admin) == []
            assert rows(admin, "SELECT sum(prueba) FROM pacientes") == [(3000,)]
        finally:
            admin.execute("ALTER TABLE pacientes DROP COLUMN IF EXISTS prueba")

    def test_a_change_that_ended_half_way_can_be_done_again(self, lab: Lab, admin: Connection) -> None:
        """Typed once more it is done where it is not yet, and the next run has nothing left but to say so."""
        statement = "ALTER TABLE pacientes ADD COLUMN prueba integer DEFAULT 3"
        half_way(statement)(lab)
        try:
            admin.execute(statement.encode())
            assert rows(admin, "SELECT sum(prueba) FROM pacientes") == [(3000,)]
            admin.execute("SELECT lab.restore_nodes()")
            assert differences(lab, admin) == []
        finally:
            admin.execute("ALTER TABLE pacientes DROP COLUMN IF EXISTS prueba")

    def test_a_change_holds_up_writers_only_while_it_is_made(self, lab: Lab, admin: Connection) -> None:
        """Patients are registered all the time while a column comes and goes: none is refused, none is lost."""
        errors: list[str] = []
        written: list[str] = []
        over = threading.Event()

        def write(number: int) -> None:
            with lab.connect("middleware") as connection:
                while not over.is_set():
                    cedula = f"99{number}{len(written):05d}"
                    try:
                        connection.execute(
                            "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
                            " VALUES (%s, 'Rosa', 'De Prueba', '1980-01-01', 'F', 'Prueba')",
                            [cedula],
                        )
                        written.append(cedula)
                    except psycopg.errors.UniqueViolation:
                        continue  # two threads counted alike
                    except psycopg.Error as error:
                        errors.append(str(error))

        threads = [threading.Thread(target=write, args=[number]) for number in range(3)]
        try:
            for thread in threads:
                thread.start()
            for _ in range(4):
                admin.execute("ALTER TABLE pacientes ADD COLUMN prueba text DEFAULT 'algo'")
                admin.execute("ALTER TABLE pacientes DROP COLUMN prueba")
        finally:
            over.set()
            for thread in threads:
                thread.join()
            found = rows(admin, "SELECT cedula FROM pacientes WHERE ciudad = 'Prueba'")
            admin.execute("DELETE FROM pacientes WHERE ciudad = 'Prueba'")
        assert errors == []
        assert sorted(cedula for (cedula,) in found) == sorted(written)
        assert len(written) > 10

    @pytest.mark.parametrize(
        ("statement", "message"),
        [
            (
                "ALTER TABLE shards.pacientes_05 ADD CHECK (cedula <> '')",
                "a part of public.pacientes cannot be changed",
            ),
            (
                "ALTER TABLE pacientes DETACH PARTITION shards.pacientes_05",
                "a part of public.pacientes cannot be changed",
            ),
            ("DROP FOREIGN TABLE shards.pacientes_05", "a part of public.pacientes cannot be changed"),
            (
                "ALTER TABLE pacientes ADD COLUMN prueba integer; ALTER TABLE consultas ADD COLUMN prueba integer",
                "part of something larger",
            ),
            (
                "SELECT lab.ddl($$ALTER TABLE pacientes ALTER correo TYPE text USING 'x', ADD COLUMN prueba integer$$)",
                "child table is missing column",
            ),
            ("REINDEX DATABASE historia_clinica", "does not reach the workers"),
            ("BEGIN; REINDEX TABLE pacientes", "does not reach the workers"),
            ("DROP INDEX CONCURRENTLY pacientes_ciudad_idx", "in one transaction, which CONCURRENTLY cannot be"),
            (
                "CREATE TYPE public.prueba AS ENUM ('a'); ALTER TABLE pacientes ADD COLUMN prueba public.prueba",
                "part of something larger",
            ),
            (
                "SELECT lab.ddl($$ALTER TABLE pacientes ADD COLUMN prueba text CONSTRAINT p UNIQUE$$)",
                "unique constraint on partitioned table must include all partitioning columns",
            ),
            (
                "SELECT lab.ddl($$ALTER TABLE pacientes ADD COLUMN prueba text, ADD UNIQUE (cedula, prueba)$$)",
                "cannot be made together with something else",
            ),
            (
                "SET ROLE clinical_owner; GRANT DELETE ON accesos TO readonly",
                "are changed by the lab's admin",
            ),
        ],
    )
    def test_what_would_be_on_some_nodes_only_is_refused(
        self, lab: Lab, admin: Connection, statement: str, message: str
    ) -> None:
        """And leaves nothing behind."""
        try:
            with pytest.raises(psycopg.Error, match=message):
                admin.execute(statement.encode())
        finally:
            admin.execute("ROLLBACK")
            admin.execute("RESET ROLE")
        assert differences(lab, admin) == []
        assert rows(admin, "SELECT object FROM lab.differences()") == []

    def test_what_belongs_to_a_person_is_nobodys_business(self, lab: Lab, admin: Connection) -> None:
        """A login changes tables of its own, at the coordinator, and grants rights on them, without any right in the schema lab."""
        admin.execute("CREATE SCHEMA prueba AUTHORIZATION readonly")
        try:
            with lab.connect("readonly") as person:
                for statement in (
                    "CREATE TABLE prueba.notas (id int)",
                    "ALTER TABLE prueba.notas ADD PRIMARY KEY (id)",
                    "CREATE INDEX CONCURRENTLY ON prueba.notas (id)",
                    "DO $$ BEGIN ALTER TABLE prueba.notas ADD COLUMN texto text; END $$",
                    "GRANT SELECT ON prueba.notas TO PUBLIC",
                    "REINDEX TABLE prueba.notas",
                    "DROP TABLE prueba.notas",
                ):
                    person.execute(statement)
        finally:
            admin.execute("DROP SCHEMA prueba CASCADE")

    def test_a_function_that_a_table_uses_is_brought_to_the_nodes(self, lab: Lab, admin: Connection) -> None:
        """lab.ddl() makes it everywhere; then a CHECK may call it."""
        function = "CREATE FUNCTION public.prueba(text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 <> 'Nadie'"
        admin.execute("SELECT lab.ddl(%s)", [function])
        try:
            admin.execute("ALTER TABLE pacientes ADD CONSTRAINT prueba CHECK (public.prueba(nombre))")
            assert differences(lab, admin) == []
            with pytest.raises(psycopg.errors.CheckViolation):
                admin.execute(
                    "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
                    " VALUES ('99999', 'Nadie', 'X', '1980-01-01', 'F', 'Cali')"
                )
        finally:
            admin.execute("ALTER TABLE pacientes DROP CONSTRAINT IF EXISTS prueba")
            admin.execute("SELECT lab.ddl('DROP FUNCTION public.prueba(text)')")

    def test_a_type_of_a_column_is_the_same_on_every_node(self, lab: Lab, admin: Connection) -> None:
        """Where it is here only, the column is refused with what makes it everywhere; a label added to it later is added there too."""
        make = "CREATE TYPE public.prueba AS ENUM ('alta')"
        add = "ALTER TABLE pacientes ADD COLUMN prueba public.prueba"
        admin.execute(make.encode())
        try:
            with pytest.raises(psycopg.errors.UndefinedObject, match="on citus-worker-1") as refusal:
                admin.execute(add.encode())
            assert "drop it here, then make it by lab.ddl" in (refusal.value.diag.message_hint or "")
            admin.execute("DROP TYPE public.prueba")
            admin.execute("SELECT lab.ddl(%s)", [make])
            admin.execute(add.encode())
            admin.execute("ALTER TYPE public.prueba ADD VALUE 'baja'")
            assert differences(lab, admin) == []
            admin.execute("UPDATE pacientes SET prueba = 'baja'")
            assert rows(admin, "SELECT count(*) FROM pacientes WHERE prueba = 'baja'") == [(1000,)]
        finally:
            admin.execute("ALTER TABLE pacientes DROP COLUMN IF EXISTS prueba")
            admin.execute("SELECT lab.ddl('DROP TYPE public.prueba')")

    def test_a_key_made_twice_takes_none_of_the_labs_along(self, lab: Lab, admin: Connection) -> None:
        """PostgreSQL merges a foreign key of the table with the same one of its parts, and drops both."""
        key = "ADD CONSTRAINT prueba FOREIGN KEY (medico_id) REFERENCES medicos (id)"
        admin.execute("SELECT lab.ddl(%s)", [f"ALTER TABLE consultas {key}"])
        admin.execute("SELECT lab.ddl('ALTER TABLE consultas DROP CONSTRAINT prueba')")
        assert differences(lab, admin) == []

    def test_a_newer_version_changes_columns_without_calling_them_somebodys(self, lab: Lab, admin: Connection) -> None:
        """lab.migrate() is for the scripts of the lab: what it makes is installed, on every node; the second time it does nothing."""
        try:
            for _ in range(2):
                admin.execute("SELECT lab.migrate('ALTER TABLE public.accesos ADD COLUMN IF NOT EXISTS prueba text')")
            assert rows(admin, "SELECT object FROM lab.differences()") == []
            assert differences(lab, admin) == []
        finally:
            admin.execute("SELECT lab.migrate('ALTER TABLE public.accesos DROP COLUMN IF EXISTS prueba')")
        assert rows(admin, "SELECT object FROM lab.differences()") == []


@only("citus")
@pytest.mark.long
def test_citus_gives_each_copy_its_own_values(lab: Lab, admin: Connection) -> None:
    """Where a default is not the same everywhere: the page says so, and this sees it."""
    admin.execute("ALTER TABLE medicos ADD COLUMN prueba uuid DEFAULT gen_random_uuid()")
    try:
        with lab.connect(node=WORKERS[0]) as worker:
            question = "SELECT prueba FROM medicos WHERE id = 1"
            assert rows(worker, question) != rows(admin, question)
    finally:
        admin.execute("ALTER TABLE medicos DROP COLUMN prueba")
