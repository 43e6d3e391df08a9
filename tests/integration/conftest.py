"""Real labs for the integration tests: one for each engine that this machine can run."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.labs import ENGINES, Lab, Workshop, citus_servers


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    """A place for labs, short enough for the paths of sockets, open enough for the labs' users."""
    place = Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    place.chmod(0o755)
    workshop = Workshop(place)
    yield workshop
    workshop.clean()


@pytest.fixture(scope="session", params=ENGINES)
def lab(request: pytest.FixtureRequest, workshop: Workshop) -> Lab:
    """A finished lab with 1,000 patients, for each engine. A test about one engine asks for it: ``@only("citus")``."""
    engine: str = request.param
    if engine == "citus" and not citus_servers():
        pytest.skip("no PostgreSQL with Citus on this machine (LAB_TEST_POSTGRES_BIN names its bin folder)")
    return workshop.finished(engine)


@pytest.fixture
def silent_worker(lab: Lab) -> Iterator[str]:
    """A worker that accepts connections and says nothing: the worst way of being down."""
    worker = "citus-worker-2"
    postmaster = lab.postmaster(worker)

    def all_respond() -> bool:
        with lab.connect() as connection:
            return connection.execute("SELECT bool_and(responds) FROM lab.nodes").fetchall() == [(True,)]

    os.kill(postmaster, signal.SIGSTOP)
    try:
        yield worker
    finally:
        os.kill(postmaster, signal.SIGCONT)
        lab.wait_until(all_respond)
