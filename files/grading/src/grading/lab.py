"""A student's lab as it really is: its databases, asked in a way that nothing which a student makes there can bend."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from grading.exercise import ExerciseError

COORDINATOR = "citus-coordinator"
#: Milliseconds that one statement of a check may take, and wait for a lock: less than the check itself (checks.SECONDS).
STATEMENT, LOCK = 4000, 2000
IDENTIFIER = "SELECT system_identifier FROM pg_control_system()"
#: What a session of the grader has, whatever was set for the database or the login: what the client asks for at its start goes first.
#: Nothing of a student's is found by a name without a schema, and no trigger of a login runs.
SETTINGS = {
    "search_path": "pg_catalog, pg_temp",
    "event_triggers": "off",
    "default_transaction_read_only": "on",
    "row_security": "off",
    "statement_timeout": str(STATEMENT),
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": str(LOCK),
    "session_replication_role": "origin",
    "client_min_messages": "warning",
    "enable_seqscan": "on",
    "timezone": "UTC",
}


class Unreachable(Exception):  # noqa: N818 - a reason why checks are not run
    """A server of the lab does not answer; the message is what was said."""


class Changed(Exception):  # noqa: N818 - a reason why checks are not run
    """What PostgreSQL itself gives was changed on a server, and nothing that it answers can be believed; the message names it."""


@dataclass(frozen=True)
class Distribution:
    """How a table is spread, as the catalogues have it.

    Attributes:
        column: by which column.
        parts: the node of each part, by what the part holds.
    """

    column: str
    parts: Mapping[str, str]

    def lies_with(self, other: Distribution) -> bool:
        """Whether each part lies where the same part of another table does."""
        return bool(self.parts) and dict(self.parts) == dict(other.parts)


@dataclass
class Lab:
    """A lab, for checks.

    Attributes:
        record: what the lab remembers of itself.
        stage: what is known of the exercise's stage from when it was made.
    """

    record: Record
    stage: Mapping[str, Any] = field(default_factory=dict)
    _connections: dict[str, psycopg.Connection[dict[str, Any]]] = field(default_factory=dict)

    @property
    def engine(self) -> str:
        """`postgres_fdw` or `citus`."""
        return self.record.engine

    @property
    def workers(self) -> list[str]:
        """The names of the workers."""
        return [f"citus-worker-{number}" for number in range(1, self.record.workers + 1)]

    def rows(self, statement: str, *values: Any, node: str = COORDINATOR) -> list[dict[str, Any]]:
        """What a statement answers on a node. Names of the student's tables need their schema.

        Raises:
            Unreachable: the node does not answer.
        """
        return self._connection(node).execute(statement, values or None).fetchall()

    def value(self, statement: str, *values: Any, node: str = COORDINATOR) -> Any:
        """The first column of the first row of what a statement answers; None where it answers no row."""
        rows = self.rows(statement, *values, node=node)
        return next(iter(rows[0].values())) if rows else None

    def kind(self, table: str) -> str:
        """What a name of the schema public is: table, partitioned, view, materialized view, foreign; empty where there is none."""
        kinds = {"r": "table", "p": "partitioned", "v": "view", "m": "materialized view", "f": "foreign"}
        found = self.value(
            "SELECT c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relname = %s",
            table,
        )
        return kinds.get(found or "", "")

    def columns(self, table: str) -> list[str]:
        """The columns of a table of the schema public, in order."""
        return [
            row["attname"]
            for row in self.rows(
                "SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
                " JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = 'public' AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
                table,
            )
        ]

    def distribution(self, table: str) -> Distribution | None:
        """How a table of the schema public is distributed over the workers; None where it is not.

        The servers' own catalogues say so; what the schema lab says of it is a student's to change.
        """
        rows = self.rows(DISTRIBUTION[self.engine], table)
        parts = {row["part"]: self._node(row["server"], row["port"]) for row in rows}
        return Distribution(rows[0]["column"], parts) if rows else None

    def rows_by_node(self, table: str) -> dict[str, int]:
        """How many rows of a distributed table lie on each worker, counted there.

        Raises:
            Unreachable: a worker does not answer.
        """
        counts: Counter[str] = Counter()
        for node, rows in self._counts(table):
            counts[node] += rows
        return dict(counts)

    def rows_by_shard(self, table: str) -> list[int]:
        """How many rows each shard of a distributed table has that has any, counted where it lies.

        Raises:
            Unreachable: a worker does not answer.
        """
        return [rows for _node, rows in self._counts(table) if rows]

    def _counts(self, table: str) -> Iterator[tuple[str, int]]:
        for node, names in self._shards(table).items():
            for name in names:
                query = sql.SQL("SELECT count(*) AS rows FROM {} GROUP BY tableoid").format(
                    sql.Identifier("public", name)
                )
                for row in self.rows(query.as_string(), node=node):
                    yield node, row["rows"]

    @contextlib.contextmanager
    def trying(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A session of the administrator's in which something can be written, in a transaction that is rolled back.

        Raises:
            Unreachable: the coordinator does not answer.
        """
        with contextlib.closing(self._open(COORDINATOR)) as connection:
            connection.autocommit = False
            connection.execute("SET TRANSACTION READ WRITE")
            yield connection

    @contextlib.contextmanager
    def acting_as(self, role: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """The same in which the administrator acts as somebody else, and row-level security holds.

        Raises:
            Unreachable: the coordinator does not answer.
            psycopg.Error: there is no such role.
        """
        with self.trying() as connection:
            connection.execute("SET LOCAL row_security = on")
            connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
            yield connection

    def is_refused(self, role: str, statement: str) -> bool:
        """Whether a role lacks the privilege for a statement: the server itself is asked, and nothing stays."""
        with self.acting_as(role) as connection:
            try:
                connection.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                return True
        return False

    def refusal(self, statement: str) -> str:
        """The class of error (SQLSTATE's first two signs) with which the server refuses a statement of the administrator; empty where it is done.

        Whatever it does is rolled back. `23` is a constraint's.
        """
        with self.trying() as connection:
            try:
                connection.execute(statement)
                connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            except psycopg.Error as error:
                return (error.sqlstate or "XX")[:2]
        return ""

    def answer(self, exercise: str, question: str) -> float | None:
        """The number that the student has put into the table respuestas; None where there is none."""
        if self.kind("respuestas") != "table" or self.columns("respuestas")[:3] != ["ejercicio", "pregunta", "valor"]:
            return None
        found = self.rows(
            "SELECT valor::text AS valor FROM public.respuestas WHERE ejercicio::text = %s AND pregunta::text = %s",
            exercise,
            question,
        )
        if len(found) != 1:  # none; or all numbers that there are
            return None
        try:
            return float(found[0]["valor"])
        except (TypeError, ValueError):
            return None

    def close(self) -> None:
        """End the sessions."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _connection(self, node: str) -> psycopg.Connection[dict[str, Any]]:
        if node not in self._connections or self._connections[node].closed:
            self._connections[node] = self._open(node)
        return self._connections[node]

    def _open(self, node: str) -> psycopg.Connection[dict[str, Any]]:
        port = self.record.database_port
        if node != COORDINATOR:
            port += 1 + self.workers.index(node)
        try:
            connection = connect(self.record, port)
            changed = changed_words(connection)
        except psycopg.OperationalError as error:
            raise Unreachable(f"{node}: {first_line(error)}") from error
        if changed:
            connection.close()
            raise Changed(f"{node}: {', '.join(changed)}")
        return connection

    def _node(self, server: str, port: int) -> str:
        """The name of a node by what a catalogue says: on a host by its port, in pods by its Service."""
        if self.record.target != "host":
            return server
        number = port - self.record.database_port
        return f"citus-worker-{number}" if 1 <= number <= self.record.workers else f"{server}:{port}"

    def _shards(self, table: str) -> dict[str, list[str]]:
        """The names of a table's parts as each worker has them."""
        if self.engine == "postgres_fdw":
            distribution = self.distribution(table)
            return {node: [table] for node in sorted(set(distribution.parts.values()))} if distribution else {}
        found: dict[str, list[str]] = {}
        for row in self.rows(DISTRIBUTION["citus"], table):
            found.setdefault(self._node(row["server"], row["port"]), []).append(f"{table}_{row['shard']}")
        return found


#: What initdb makes has numbers below this one.
FIRST_NUMBER = 16384
PG_CATALOG = 11
#: The languages of functions that are no text: internal, and C. A built-in function of these is called by its number, whatever pg_proc says.
COMPILED = (12, 13)


def changed_words(connection: psycopg.Connection[dict[str, Any]]) -> list[str]:
    """The functions, operators and casts of pg_catalog that were added or rewritten since initdb: a superuser can.

    The catalogues are read whole, and compared here: a condition in SQL would be answered by what is in question. What an extension brought is
    no change.
    """

    def read(catalogue: str, columns: str) -> list[dict[str, Any]]:
        return connection.execute(f"SELECT oid, xmin, {columns} FROM pg_catalog.{catalogue}").fetchall()  # noqa: S608 # ours, below

    born = next(int(row["xmin"]) for row in read("pg_database", "datname") if row["datname"] == "template0")
    added = []
    for row in read("pg_proc", "proname, pronamespace, prolang"):
        if row["pronamespace"] == PG_CATALOG and (
            row["oid"] >= FIRST_NUMBER or (int(row["xmin"]) > born and row["prolang"] not in COMPILED)
        ):
            added.append((row["oid"], str(row["proname"])))
    for row in read("pg_operator", "oprname, oprnamespace"):
        if row["oid"] >= FIRST_NUMBER and row["oprnamespace"] == PG_CATALOG:
            added.append((row["oid"], str(row["oprname"])))
    for row in read("pg_cast", "castsource, casttarget"):
        if row["oid"] >= FIRST_NUMBER > max(row["castsource"], row["casttarget"]):
            added.append((row["oid"], "cast"))
    if not added:
        return []
    members = connection.execute("SELECT objid, deptype FROM pg_catalog.pg_depend").fetchall()
    extensions = {row["objid"] for row in members if row["deptype"] in ("e", b"e")}
    return sorted({name for number, name in added if number not in extensions})


#: A row for each part of a table: by which column, what it holds, where it lies. From the servers' own catalogues.
DISTRIBUTION = {
    "postgres_fdw": """
        SELECT a.attname::text AS column, pg_get_expr(c.relpartbound, c.oid) AS part, s.srvname::text AS server,
               (SELECT o.option_value FROM pg_options_to_table(s.srvoptions) o WHERE o.option_name = 'port')::integer AS port
          FROM pg_class t
          JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
          JOIN pg_partitioned_table p ON p.partrelid = t.oid AND p.partstrat = 'h' AND p.partnatts = 1
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = p.partattrs[0]
          JOIN pg_inherits i ON i.inhparent = t.oid
          JOIN pg_class c ON c.oid = i.inhrelid
          JOIN pg_foreign_table f ON f.ftrelid = c.oid
          JOIN pg_foreign_server s ON s.oid = f.ftserver
         WHERE t.relname = %s ORDER BY 2
        """,
    "citus": """
        SELECT column_to_column_name(p.logicalrelid, p.partkey) AS column, s.shardminvalue AS part, d.nodename AS server,
               d.nodeport AS port, s.shardid AS shard
          FROM pg_class t
          JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = 'public'
          JOIN pg_dist_partition p ON p.logicalrelid = t.oid AND p.partmethod = 'h'
          JOIN pg_dist_shard s ON s.logicalrelid = t.oid
          JOIN pg_dist_placement l ON l.shardid = s.shardid
          JOIN pg_dist_node d ON d.groupid = l.groupid AND d.noderole = 'primary'
         WHERE t.relname = %s ORDER BY s.shardid
        """,
}


def passfile(record: Record) -> Path:
    """Where the administrator's password of a lab is kept."""
    return Path(record.directory) / "credentials" / "admin.pgpass"


def connect(record: Record, port: int) -> psycopg.Connection[dict[str, Any]]:
    """A session of the administrator's with a server of a lab, with the grader's settings.

    Raises:
        psycopg.OperationalError: it does not answer.
    """
    return psycopg.connect(
        host="127.0.0.1",
        port=port,
        user="admin",
        dbname="historia_clinica",
        passfile=str(passfile(record)),
        connect_timeout=2,
        application_name="grading",
        options=" ".join(f"-c {name}={value.replace(' ', '')}" for name, value in SETTINGS.items()),
        autocommit=True,
        row_factory=dict_row,
    )


def identity(record: Record) -> str:
    """The coordinator's system identifier: it is another one where a lab was made anew.

    Raises:
        ExerciseError: the lab does not answer.
    """
    lab = Lab(record)
    try:
        return str(lab.value(IDENTIFIER))
    except (Unreachable, psycopg.OperationalError) as error:
        raise down(record.name, first_line(error)) from error
    except (Changed, psycopg.Error) as error:  # a superuser can rename what PostgreSQL brings, too
        said = first_line(error)
        raise ExerciseError(
            f"lo que PostgreSQL trae fue modificado en el laboratorio {record.name}, y así no se le puede creer ({said}): deshaga ese cambio",
            f"what PostgreSQL brings was modified in the lab {record.name}, and cannot be believed ({said}): undo that change",
        ) from error
    finally:
        lab.close()


def first_line(error: Exception) -> str:
    """The first line of what was said: the next ones point into the statement."""
    return str(error).strip().partition("\n")[0]


def down(name: str, said: str) -> ExerciseError:
    """What is said where a lab does not answer."""
    start = "make start" if name == "lab" else f"make start LAB={name}"
    return ExerciseError(
        f"el laboratorio {name} no responde ({said}). Inícielo con: {start}",
        f"the lab {name} does not answer ({said}). Start it with: {start}",
    )
