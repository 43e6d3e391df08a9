"""What the tests of preflight share: a bench on which nothing is wrong."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.preflight import Bench, free_ports


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A bench on which nothing is wrong. Its path is short, as a socket wants it, and open to every user."""
    folder = Path(tempfile.mkdtemp(prefix="pf", dir="/tmp"))
    folder.chmod(0o755)
    bench = Bench(folder)
    port = free_ports(8)
    bench.choose(
        directory=str(bench.directory),
        database_port=port,
        api_port=port + 7,
        postgres_bin=bench.postgres(),
        runtime_directory=str(folder / "runtime"),
    )
    bench.seen["runtime_made"] = True
    with bench.stack:
        yield bench
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)
