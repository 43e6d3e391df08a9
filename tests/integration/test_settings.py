"""A session's settings: the same question has the same answer with each engine, or a plain refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from support.labs import Lab, only

Connection = psycopg.Connection[tuple[object, ...]]
#: In Colombia it is still the 26th, in UTC and further east the 27th.
MOMENT = "2026-11-26 23:30:00-05"
MARK = "prueba de ajustes"


@dataclass(frozen=True)
class Case:
    """A setting on which an answer depends.

    Attributes:
        setting: its name.
        value: another one than the servers'.
        expression: over `momento` (timestamptz) and `texto`, as text.
        texto: what that column holds.
    """

    setting: str
    value: str
    expression: str
    texto: str = ""


CASES = [
    Case("TimeZone", "Asia/Tokyo", "momento::date::text"),
    Case("TimeZone", "Asia/Tokyo", "date_trunc('day', momento)::text"),
    Case("TimeZone", "Asia/Tokyo", "extract(hour FROM momento)::text"),
    Case("TimeZone", "Asia/Tokyo", "to_char(momento, 'DD HH24')"),
    Case("TimeZone", "Asia/Tokyo", "jsonb_build_object('m', momento)::text"),
    Case("TimeZone", "Asia/Tokyo", "extract(epoch FROM texto::timestamptz)::text", "2026-11-26 23:30"),
    Case("TimeZone", "Asia/Tokyo", "(momento >= date '2026-11-27')::text"),
    Case("TimeZone", "Asia/Tokyo", "(momento + interval '1 day')::text"),
    Case("DateStyle", "SQL, DMY", "momento::text"),
    Case("DateStyle", "SQL, DMY", "(texto::date - date '2026-01-01')::text", "03/04/2026"),
    Case("IntervalStyle", "iso_8601", "(momento - timestamptz '2026-01-01 00:00Z')::text"),
    Case("extra_float_digits", "0", "(length(texto)::float8 / 3)::text", "cinco"),
    Case("bytea_output", "escape", "convert_to(texto, 'UTF8')::text", "ñ"),
    Case("array_nulls", "off", "((texto::text[])[1] IS NULL)::text", "{NULL}"),
    Case("default_text_search_config", "spanish", "to_tsvector(texto)::text", "consultas medicas"),
    Case("search_path", "information_schema", "to_regclass(texto)::text", "tables"),
    Case("timezone_abbreviations", "India", "extract(epoch FROM texto::timestamptz)::text", "2026-11-26 23:30 IST"),
]
#: One of each setting; the others in the long suite.
TABLE = [
    pytest.param(case, id=f"{case.setting}: {case.expression}", marks=() if first else pytest.mark.long)
    for number, case in enumerate(CASES)
    for first in [case.setting not in [before.setting for before in CASES[:number]]]
]


@pytest.fixture
def cedula(lab: Lab) -> Iterator[str]:
    """A patient with one consultation, of which the cases ask."""
    with lab.connect() as admin:
        [(cedula,)] = admin.execute("SELECT min(cedula) FROM pacientes").fetchall()
        admin.execute(
            "INSERT INTO consultas (paciente_id, medico_id, fecha_consulta, motivo, codigo_cie10, diagnostico)"
            " VALUES (%s, 1, %s, %s, 'J069', 'x')",
            [cedula, MOMENT, MARK],
        )
        yield str(cedula)
        admin.execute("DELETE FROM consultas WHERE motivo = %s", [MARK])


def asked(connection: Connection, case: Case, cedula: str) -> tuple[object, object]:
    """What the nodes answer, and what this server says of the same moment and text without them."""
    expression = case.expression.replace("texto", "diagnostico").replace("momento", "fecha_consulta")
    connection.execute(
        "UPDATE public.consultas SET diagnostico = %s WHERE motivo = %s AND paciente_id = %s",
        [case.texto or "x", MARK, cedula],
    )
    found = connection.execute(
        f"SELECT {expression} FROM public.consultas WHERE motivo = %s".encode(), [MARK]
    ).fetchall()
    alone = connection.execute(
        f"SELECT {case.expression} FROM (VALUES (%s::timestamptz, %s)) AS v (momento, texto) OFFSET 0".encode(),
        [MOMENT, case.texto or "x"],
    ).fetchall()
    assert len(found) == len(alone) == 1
    return found[0][0], alone[0][0]


def differs(lab: Lab, case: Case, cedula: str, right: object) -> bool:
    """Whether the setting changes the answer at all: else the case would show nothing."""
    with lab.connect() as plain:
        return asked(plain, case, cedula)[1] != right


@pytest.mark.parametrize("case", TABLE)
def test_what_a_transaction_sets_holds_on_every_node(lab: Lab, case: Case, cedula: str) -> None:
    """SET LOCAL, with each engine."""
    with lab.connect() as connection, connection.transaction():
        connection.execute(f"SET LOCAL {case.setting} TO {value(case)}".encode())
        found, right = asked(connection, case, cedula)
    assert found == right
    assert differs(lab, case, cedula, right)


@pytest.mark.parametrize("case", TABLE)
def test_what_a_login_has_holds_on_every_node(lab: Lab, case: Case, cedula: str) -> None:
    """ALTER ROLE ... SET, from the next connection on, with each engine."""
    with lab.connect() as admin:
        try:
            admin.execute(f"ALTER ROLE middleware SET {case.setting} TO {value(case)}".encode())
            with lab.connect("middleware") as connection:
                found, right = asked(connection, case, cedula)
        finally:
            admin.execute(f"ALTER ROLE middleware RESET {case.setting}".encode())
            admin.execute("ALTER ROLE middleware SET timezone = 'UTC'")
    assert found == right
    assert differs(lab, case, cedula, right)


@pytest.mark.parametrize("case", TABLE)
def test_what_a_client_brings_holds_on_every_node_or_is_refused(lab: Lab, case: Case, cedula: str) -> None:
    """PGTZ and its like, a driver that sends its own zone: postgres_fdw answers as the client wants, Citus lets it in with the nodes' only."""
    options = f"-c {case.setting}={case.value.replace(' ', '')}"
    if lab.engine == "citus" and case.setting != "search_path":
        with pytest.raises(
            psycopg.OperationalError, match=f"this session brings {case.setting} = .*, the nodes"
        ) as refused:
            lab.connect(options=options)
        assert "ALTER ROLE admin SET" in str(refused.value)
        return
    with lab.connect(options=options) as connection:
        found, right = asked(connection, case, cedula)
        if lab.engine == "citus":
            assert not_alike(connection) == {case.setting}
            return
    assert found == right
    assert differs(lab, case, cedula, right)


@pytest.mark.parametrize("case", TABLE)
def test_what_a_session_sets_holds_on_every_node_or_the_session_can_see_that_it_does_not(
    lab: Lab, case: Case, cedula: str
) -> None:
    """SET, which PostgreSQL lets nobody refuse: postgres_fdw computes here; with Citus lab.settings tells what the nodes have."""
    with lab.connect() as connection:
        connection.execute(f"SET {case.setting} TO {value(case)}".encode())
        if lab.engine == "citus":
            assert not_alike(connection) == {case.setting}
            connection.execute(f"RESET {case.setting}".encode())
            assert not_alike(connection) == set()
            return
        found, right = asked(connection, case, cedula)
    assert found == right
    assert differs(lab, case, cedula, right)


def value(case: Case) -> str:
    """A setting's value as SET takes it."""
    return case.value if case.setting in ("DateStyle", "search_path") else f"'{case.value}'"


def not_alike(connection: Connection) -> set[object]:
    """The settings that this session and the nodes do not have alike."""
    return {name for (name,) in connection.execute("SELECT setting FROM lab.settings WHERE NOT same")}


def test_a_session_of_the_labs_own_zone_is_like_all_others(lab: Lab, cedula: str) -> None:
    """A client that sets it, or brings it, counts a consultation of 23:30 for that day; text becomes the same moment on every node."""
    for options, setting in (("-c timezone=America/Bogota", "SELECT 1"), ("", "SET timezone TO 'America/Bogota'")):
        with lab.connect(options=options) as connection:
            connection.execute(setting.encode())
            days = connection.execute(
                "SELECT fecha_consulta::date::text, count(*) FROM consultas WHERE motivo = %s GROUP BY 1", [MARK]
            ).fetchall()
            assert days == [("2026-11-26", 1)]
            connection.execute(
                "UPDATE consultas SET tratamiento = '2026-11-26 23:30' WHERE motivo = %s AND paciente_id = %s",
                [MARK, cedula],
            )
            # Each shard reads the text by itself.
            connection.execute(
                "INSERT INTO consultas (paciente_id, id, medico_id, fecha_consulta, motivo, codigo_cie10, diagnostico)"
                " SELECT paciente_id, md5(id::text)::uuid, medico_id, tratamiento::timestamptz, %s, codigo_cie10, diagnostico"
                " FROM consultas WHERE motivo = %s",
                [f"{MARK}, leída", MARK],
            )
            assert connection.execute(
                "DELETE FROM consultas WHERE motivo = %s RETURNING fecha_consulta = %s", [f"{MARK}, leída", MOMENT]
            ).fetchall() == [(True,)]


#: What PostgreSQL has in these groups and what changes no answer of a node: read where a question is parsed or written down, or not at all.
HARMLESS = {
    "backslash_quote",
    "escape_string_warning",
    "lo_compat_privileges",
    "quote_all_identifiers",
    "standard_conforming_strings",
    "synchronize_seqscans",
    "transform_null_equals",
    "allow_alter_system",
    "client_encoding",
    "lc_messages",
    "icu_validation_level",
}


@only("citus")
def test_every_setting_that_can_change_an_answer_is_known(lab: Lab) -> None:
    """Of those groups of PostgreSQL's settings that are about how values are read and written: a new server's come to light here."""
    with lab.connect() as connection:
        found = connection.execute(
            "SELECT name FROM pg_settings WHERE context IN ('user', 'superuser') AND (category ~ 'Locale and Formatting|Platform Compatibility'"
            " OR name IN ('search_path', 'bytea_output', 'xmlbinary', 'xmloption')) AND name <> ALL (lab.result_settings())"
        ).fetchall()
    assert {name for (name,) in found} <= HARMLESS
