"""Who reaches what: each login on each node, table by table, as reach.yml says it and as a lab answers.

The pages docs/en/reach.md and docs/es/reach.md are made of the same file (`make docs`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml

from support.labs import ENGINES, Lab

LANGUAGES = ("en", "es")
#: What is done to a table, by its letter. EXPLAIN asks for the rights of a statement without running it.
STATEMENTS = {
    "S": "SELECT count(*) > 0 FROM {table}",
    "I": "EXPLAIN INSERT INTO {table} ({key}) VALUES ('10001')",
    "U": "EXPLAIN UPDATE {table} SET {other} = NULL",
    "D": "EXPLAIN DELETE FROM {table}",
}
#: What stands before a table's name for the parts of it that a node holds.
PARTS = "parts of "
Reach = Mapping[str, str]
Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Page:
    """The file.

    Attributes:
        logins: what each is for, by language.
        tables: the column that says where a row lies, and one that may be changed.
        reach: by engine, kind of node (``coordinator``, ``worker``), login and table: letters of STATEMENTS, small where
            row-level security shows no row to a session that does not say for whom it asks.
    """

    logins: Mapping[str, Mapping[str, str]]
    tables: Mapping[str, tuple[str, str]]
    reach: Mapping[str, Mapping[str, Mapping[str, Reach]]]


def parse(text: str) -> Page:
    """The page of the file's text.

    Raises:
        ValueError: it names a login, a table or a right that is none, or lacks an engine, a node or a language.
    """
    loaded = yaml.safe_load(text)
    page = Page(loaded["logins"], {name: tuple(pair) for name, pair in loaded["tables"].items()}, loaded["reach"])
    wrong = [name for name, words in page.logins.items() if set(words) != set(LANGUAGES)]
    wrong += [engine for engine in ENGINES if set(page.reach.get(engine, ())) != {"coordinator", "worker"}]
    for nodes in page.reach.values():
        for logins in nodes.values():
            wrong += set(logins) - set(page.logins)
            wrong += [
                f"{login} {table}: {letters}"
                for login, tables in logins.items()
                for table, letters in tables.items()
                if table.removeprefix(PARTS) not in page.tables or not re.fullmatch("(?i:S?I?U?D?)", letters)
            ]
    if wrong:
        raise ValueError(f"reach.yml: {', '.join(wrong)}")
    return page


PAGE = parse(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))


def password(lab: Lab, login: str) -> str | None:
    """The password of a login, also of one that nobody has: from its file, or as the administrator finds it in a catalogue."""
    file = lab.directory / f"credentials/{login}.pgpass"
    if file.exists() and login != "nodes":  # that file has those of the servers
        return file.read_text(encoding="utf-8").splitlines()[0].rpartition(":")[2]
    kept = {
        "citus": "SELECT substring(authinfo FROM '''(.*)''') FROM pg_dist_authinfo WHERE nodeid = 0 AND rolename = %s",
        "postgres_fdw": "SELECT max(o.option_value) FROM pg_user_mappings m, pg_options_to_table(m.umoptions) o"
        " WHERE m.usename = %s AND o.option_name = 'password'",
    }
    with lab.connect() as admin:
        found = admin.execute(kept[lab.engine].encode(), [login]).fetchall()
    return found[0][0] if found else None


def places(lab: Lab, node: str) -> dict[str, list[str]]:
    """The relations of a node that hold rows of a table, under the table's name; its parts, but not those elsewhere, with PARTS before it.

    A relation that belongs to no table of the file stands under its own name.
    """
    with lab.connect(node=node) as admin:
        if lab.engine == "citus":
            admin.execute("SET citus.override_table_visibility = off")
        found = admin.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f')"
            " AND n.nspname !~ '^(pg_|information_schema$|citus|columnar)' AND NOT (n.nspname = 'lab' AND starts_with(c.relname, 'run_'))"
            " ORDER BY 1, 2"
        ).fetchall()
    relations: dict[str, list[str]] = {}
    for schema, name in found:
        short = name if schema in ("public", "shards") else f"{schema}.{name}"
        whole = re.sub(r"_[0-9]+$", "", short)
        table = f"{PARTS}{whole}" if whole != short and whole in PAGE.tables else short
        if table in (f"{PARTS}medicos", f"{PARTS}municipios", f"{PARTS}cie10"):
            table = table.removeprefix(PARTS)  # a copy, which Citus has as one shard
        relations.setdefault(table, []).append(f"{schema}.{name}")
    return relations


def letters(connection: Connection, table: str, relation: str) -> tuple[str, bool]:
    """What a session may do to a relation, by doing it, and whether it is shown a row; of a table that is not in the file, what the catalogue says."""
    found, shown = "", False
    if table.removeprefix(PARTS) not in PAGE.tables:
        asked = (
            "SELECT string_agg(left(p, 1), '' ORDER BY r.n) FROM unnest(%s::text[]) WITH ORDINALITY AS r (p, n) JOIN pg_class c ON has_table_privilege(c.oid, p)"
            " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND c.relname = %s"
        )
        [(given,)] = connection.execute(
            asked, [["SELECT", "INSERT", "UPDATE", "DELETE"], *relation.split(".")]
        ).fetchall()
        return given or "", False
    key, other = PAGE.tables[table.removeprefix(PARTS)]
    for letter, statement in STATEMENTS.items():
        try:
            with connection.transaction(force_rollback=True):
                cursor = connection.execute(statement.format(table=relation, key=key, other=other).encode())
                shown = shown or (letter == "S" and cursor.fetchall() == [(True,)])
        except psycopg.errors.InsufficientPrivilege:
            continue
        found += letter
    return found, shown


def walk(lab: Lab, node: str) -> dict[str, dict[str, str]]:
    """What each login of the file may do on a node; one that cannot log in there is left out.

    Raises:
        AssertionError: the parts of a table do not answer alike, or a table has no row, so that nobody is shown one.
    """
    relations = places(lab, node)
    with session(lab, node, "admin") as admin:
        filled = {table for table, names in relations.items() if any(letters(admin, table, name)[1] for name in names)}
    found: dict[str, dict[str, str]] = {}
    for login in PAGE.logins:
        try:
            connection = session(lab, node, login)
        except psycopg.OperationalError as error:
            if not re.search("password authentication failed|is not permitted to log in|does not exist", str(error)):
                raise
            continue
        found[login] = {}
        with connection:
            for table, names in relations.items():
                answers = [letters(connection, table, name) for name in names]
                assert len({may for may, _ in answers}) == 1, (login, table, answers)
                may, shown = answers[0][0], any(seen for _, seen in answers)
                if table.removeprefix(PARTS) not in PAGE.tables:
                    if may and login != "admin":  # what else the lab keeps is the administrator's
                        found[login][table] = may
                elif may:
                    assert table in filled, f"{table} has no row on {node}"
                    found[login][table] = may if shown or "S" not in may else may.lower()
    return found


def session(lab: Lab, node: str, login: str) -> Connection:
    """A connection of a login to a node; raises psycopg.OperationalError where it cannot log in."""
    connection = psycopg.connect(
        host="127.0.0.1", port=lab.port(node), user=login, password=password(lab, login) or "none",
        dbname="historia_clinica", connect_timeout=5, autocommit=True, passfile="/dev/null",
    )  # fmt: skip
    if lab.engine == "citus":
        connection.execute("SET citus.override_table_visibility = off")  # it hides the parts
    return connection
