# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Problems of the programs that a lab runs: the runtime, and its PostgreSQL or another."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.case import Case
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem

OLDEST_POSTGRES = 17
PROGRAMS = ("postgres", "initdb", "psql")
#: Extensions that an engine cannot do without.
NEEDED_EXTENSIONS = {"citus": ("citus",), "postgres_fdw": ("postgres_fdw", "dblink")}
#: Fix: use the PostgreSQL that comes with the lab.
WHEEL = "leave lab_postgres_bin out for the PostgreSQL that the lab brings"


def problems(case: Case) -> Iterator[Problem]:
    """What keeps the programs from being run; pods bring their own servers."""
    plan, machine = case.plan, case.machine
    if machine.runtime_blocked_by:
        yield Problem(
            "runtime-unreachable",
            f"{plan.user}, which runs the lab, may not use {machine.runtime_blocked_by}, "
            f"on the way to {plan.runtime}/bin/python",
            "a Python that every user may run",
            f"look: {case.there('ls', '-ld', machine.runtime_blocked_by)}; take the system's: "
            + case.run("lab", runtime_python="/usr/bin/python3"),
        )
    if "postgres_bin" in case.choices.refused and not plan.pods:
        return
    if plan.own_servers and not machine.runtime_there:
        if not case.dry:
            yield Problem(
                "runtime-missing",
                f"{plan.postgres_bin} is not there",
                "the runtime's own PostgreSQL, or another that lab_postgres_bin names",
                f"{case.run('lab')} (it makes the runtime first)",
            )
    elif not plan.pods:
        yield from _unusable(case) or _unsuitable(case)


def _unusable(case: Case) -> list[Problem]:
    """The PostgreSQL is not whole, or does not run."""
    postgres, folder = case.machine.postgres, case.plan.postgres_bin
    if postgres.missing:
        return [
            Problem(
                "postgres-missing",
                f"{folder} has no {', no '.join(postgres.missing)} that can be run",
                f"a folder with {', '.join(PROGRAMS)}",
                f"look: {case.there('ls', '-l', folder)}; {WHEEL}, or {_another(case)}",
            )
        ]
    if postgres.error:
        return [
            Problem(
                "postgres-broken",
                f"{folder}/postgres --version: {postgres.error}",
                "a PostgreSQL that runs here",
                f"try it: {case.there(f'{folder}/postgres', '--version')}; {WHEEL}",
            )
        ]
    return []


def _unsuitable(case: Case) -> Iterator[Problem]:
    """The PostgreSQL runs, and this lab cannot have it."""
    postgres, folder, record = case.machine.postgres, case.plan.postgres_bin, case.record
    if postgres.blocked_by:
        yield Problem(
            "postgres-unreachable",
            f"{case.plan.user}, which runs the servers, may not use {postgres.blocked_by}",
            f"programs that every user may run: each folder on the way to {folder} open to others (o+x)",
            f"look: {case.there('ls', '-ld', postgres.blocked_by)}; {WHEEL}",
        )
    major = _major(postgres.version)
    if major < OLDEST_POSTGRES:
        yield Problem(
            "postgres-old",
            f"{folder} is PostgreSQL {postgres.version}",
            f"PostgreSQL {OLDEST_POSTGRES} or newer",
            f"{WHEEL}, or {_another(case)}",
        )
    data = case.machine.data_major
    if data is None and record and record.postgres_version:
        data = _major(record.postgres_version)
    if data is not None and data != major:
        yield Problem(
            "postgres-major",
            f"the lab's data were made by PostgreSQL {data}; {folder} is {postgres.version}",
            f"PostgreSQL {data}",
            f"set lab_postgres_bin to the folder of a PostgreSQL {data}"
            + (f" ({record.postgres_bin})" if record else "")
            + f"; or, giving up the lab's data: {case.run('reset', lab_postgres_bin=folder)}",
        )
    needed = NEEDED_EXTENSIONS[case.engine]
    lacking = [name for name in needed if name not in postgres.extensions]
    if lacking:
        remedy = "install the package that brings it (postgresql-contrib)"
        if case.engine == "citus":
            remedy = case.run("lab", lab_postgres_bin="FOLDER_WITH_CITUS/bin")
            if not record:
                stock = case.run("lab", lab_engine="postgres_fdw")
                remedy += f"; or the same tables on stock PostgreSQL: {stock}"
        yield Problem(
            "engine-not-installed",
            f"the PostgreSQL in {folder} has no {', no '.join(lacking)}",
            f"a PostgreSQL with {', '.join(needed)} for the engine {case.engine}",
            remedy,
        )


def _another(case: Case) -> str:
    return case.run("lab", lab_postgres_bin=f"/usr/lib/postgresql/{OLDEST_POSTGRES + 1}/bin")


def _major(version: str) -> int:
    return int(version.split(".")[0])
