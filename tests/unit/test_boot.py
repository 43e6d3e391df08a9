"""The program that starts a lab after a reboot: what it finds, and what it becomes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import boot
from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership
from ansible_collections.aula.historia_clinica.plugins.module_utils.supervision import Places, Supervisor
from support.modules import RunModule
from support.processes import runs

SERVE = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(1000)"
SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]


@pytest.fixture
def lab(open_place: Path, run_module: RunModule) -> Iterator[Path]:
    """A stopped lab with one program; whatever runs in it is ended afterwards."""
    directory = open_place / "mi lab é"
    (directory / "bin").mkdir(parents=True)
    shutil.copy(boot.__file__, directory / "bin")  # as the role database_processes brings it
    flag = str(directory / "ready")
    program = {"name": "service", "command": [sys.executable, "-c", SERVE, flag], "ready": ["test", "-e", flag]}
    run_module("supervised_programs", directory=str(directory), programs=[program])
    run_module("supervised_programs", directory=str(directory), state="stopped")
    yield directory
    Supervisor(Places(str(directory)), Ownership()).stop()


def lock(directory: Path, node: str, first: object) -> Path:
    """The lock file of a server, as PostgreSQL writes it."""
    file = directory / "data" / node / "postmaster.pid"
    file.parent.mkdir(parents=True)
    file.write_text(f"{first}\n{file.parent}\n1700000000\n15432\n/run\n127.0.0.1\n", encoding="utf-8")
    return file


def test_lock_files_of_servers_that_are_gone_go_and_a_running_servers_stays(tmp_path: Path) -> None:
    """After a loss of power the number may be any process: the supervisor's, another server's, nobody's."""
    with subprocess.Popen([*SLEEP, "-D", str(tmp_path / "data/citus-worker-2")]) as server:
        mine = lock(tmp_path, "citus-worker-2", server.pid)
        gone = [
            lock(tmp_path, "citus-coordinator", os.getpid()),
            lock(tmp_path, "citus-worker-1", server.pid),
            lock(tmp_path, "citus-worker-3", 99999999),
            lock(tmp_path, "citus-worker-4", ""),
        ]
        assert boot.forget_dead_servers(str(tmp_path)) == [file.parent.name for file in gone]
        assert boot.forget_dead_servers(str(tmp_path)) == []
        assert mine.exists()
        server.kill()


def test_a_lab_without_servers_has_nothing_to_forget(tmp_path: Path) -> None:
    """The nodes of one in a cluster are pods."""
    assert boot.main([f"--directory={tmp_path}", "--forget"]) == 0


def test_starting_a_lab_by_hand_forgets_dead_servers_too(run_module: RunModule, lab: Path) -> None:
    """`make start` after a loss of power."""
    file = lock(lab, "citus-coordinator", os.getpid())
    run_module("supervised_programs", directory=str(lab))
    assert not file.exists()


def test_a_lab_that_runs_is_left_alone(run_module: RunModule, lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody was quicker, or started the unit by hand."""
    run_module("supervised_programs", directory=str(lab))
    before = Supervisor(Places(str(lab)), Ownership()).report()
    capsys.readouterr()
    assert boot.main([f"--directory={lab}"]) == 0
    assert "runs already" in capsys.readouterr().out
    assert [row["pid"] for row in Supervisor(Places(str(lab)), Ownership()).report()] == [row["pid"] for row in before]


def test_it_becomes_the_supervisor_and_ends_as_it_was_told(lab: Path) -> None:
    """In the foreground, with the environment that `make start` gives, and its programs with it."""
    supervisor = Supervisor(Places(str(lab)), Ownership())
    with subprocess.Popen([sys.executable, boot.__file__, f"--directory={lab}"], cwd=lab) as process:
        limit = time.monotonic() + 20
        while supervisor.states().get("service", {}).get("statename") != "RUNNING":
            assert time.monotonic() < limit
            assert process.poll() is None
            time.sleep(0.05)
        rows = {row["name"]: row["pid"] for row in supervisor.report()}
        assert rows["supervisord"] == process.pid
        environment = psutil.Process(process.pid).environ()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not runs(rows["service"])
    supervisor.start()
    assert psutil.Process(supervisor.rpc.getPID()).environ() == environment


def test_minikube_is_tried_until_docker_is_there(tmp_path: Path) -> None:
    """It fails while Docker is on its way up; one that never comes ends the program with an error."""
    counts = f"echo x >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) -ge 3"
    assert boot.run_until_well(["sh", "-c", counts], dict(os.environ), tries=5, pause=0)
    assert len((tmp_path / "tries").read_text().splitlines()) == 3
    assert not boot.run_until_well(["false"], dict(os.environ), tries=2, pause=0)


def test_minikube_gets_what_the_lab_remembers(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The profile, the kubeconfig of the lab, and the variables of the run that asked for it; without it there is no lab."""
    monkeypatch.setattr(boot, "TRIES", 1)
    program = tmp_path / "minikube"
    program.write_text(
        f'#!/bin/sh\necho "$@" "$KUBECONFIG" "$MINIKUBE_HOME" > {tmp_path}/said\nexit 1\n', encoding="utf-8"
    )
    program.chmod(0o755)
    arguments = [f"--minikube={program}", "--profile=hc", "--kubeconfig=/k", "--set=MINIKUBE_HOME=/m", "--force"]
    assert boot.main([f"--directory={lab}", *arguments]) == 1
    said = (tmp_path / "said").read_text()
    assert said == "start --profile=hc --interactive=false --wait=all --keep-context=true --force=true /k /m\n"
    assert "the playbook start says why" in capsys.readouterr().err
