"""What root gets who types `make lab`: a lab that runs as somebody else."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.labs import ROOT, Lab, Workshop

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's labs run as users of their own")


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    """A place for the lab, which is not where a person's labs lie."""
    workshop = Workshop(Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp")))
    workshop.place.chmod(0o755)
    workshop.first_port = 31400
    yield workshop
    workshop.clean()


def make(target: str, lab: Lab) -> subprocess.CompletedProcess[str]:
    """Run one of the Makefile's targets on a lab, as somebody whose files are nobody else's business."""
    return subprocess.run(
        ["make", "--no-print-directory", target, f"INVENTORY={lab.inventory}"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        umask=0o077,
    )


def running(lab: Lab) -> list[psutil.Process]:
    """The processes of a lab, by its directory in their command lines."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "uids"])
        if any(str(lab.directory) in word for word in process.info["cmdline"] or [])
    ]


def test_the_processes_of_roots_lab_run_as_another_user(workshop: Workshop) -> None:
    """Supervisor and servers run as the lab's system user, who goes with the lab; the folders on the way are open to it."""
    runtime = str(workshop.place / "var/historia-clinica/runtime")
    lab = workshop.lab("root-lab", "postgres_fdw", clinical_schema_patients=20, runtime_directory=runtime)
    made = make("lab", lab)
    assert made.returncode == 0, made.stdout[-5000:] + made.stderr
    user = pwd.getpwnam("hc-root-lab")
    processes = running(lab)
    assert {process.name() for process in processes} >= {"postgres"}
    assert len(processes) >= 4, processes  # the supervisor and three servers; the API names no directory
    assert {process.uids() for process in processes} == {(user.pw_uid,) * 3}
    supervisor = next(process for process in processes if "supervisor" in " ".join(process.cmdline()))
    assert {child.uids().effective for child in supervisor.children(recursive=True)} == {user.pw_uid}
    removed = make("teardown", lab)
    assert removed.returncode == 0, removed.stdout[-5000:] + removed.stderr
    assert running(lab) == []
    with pytest.raises(KeyError):
        pwd.getpwnam("hc-root-lab")
    assert not lab.directory.exists()
