"""The module supervised_programs, with a real supervisord and real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership
from ansible_collections.aula.historia_clinica.plugins.module_utils.supervision import Places, Supervisor, is_over
from support.modules import RunModule
from support.processes import runs

#: A program that says in a file that it serves, until it is told to end.
SERVE = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).write_text('ready'); signal.pause()"


def program(place: Path, name: str = "service", **more: Any) -> dict[str, Any]:
    """A program that serves once its file is there."""
    flag = str(place / f"{name}.ready")
    return {"name": name, "command": [sys.executable, "-c", SERVE, flag], "ready": ["test", "-e", flag], **more}


@pytest.fixture
def lab(open_place: Path) -> Iterator[Path]:
    """A lab's directory with a space and an accent in its name; whatever runs in it is ended afterwards."""
    directory = open_place / "mi lab é"
    directory.mkdir()
    yield directory
    Supervisor(Places(str(directory)), Ownership()).stop()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, ten seconds at most."""
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.02)


def processes(lab: Path) -> dict[str, dict[str, Any]]:
    """What the supervisor reports, by name."""
    return {row["name"]: row for row in Supervisor(Places(str(lab)), Ownership()).report()}


def test_a_program_runs_once_the_module_returns(run_module: RunModule, lab: Path) -> None:
    """It is running and serves; the second run changes nothing."""
    first = run_module("supervised_programs", directory=str(lab), programs=[program(lab)])
    assert first["started"] == ["service"], first
    assert (lab / "service.ready").exists()
    found = processes(lab)
    assert found["service"]["state"] in ("STARTING", "RUNNING")
    assert found["supervisord"]["memory_bytes"] > 0
    again = run_module("supervised_programs", directory=str(lab), programs=[program(lab)])
    assert not again["changed"]
    assert processes(lab)["service"]["pid"] == found["service"]["pid"]


def test_a_killed_program_comes_back(run_module: RunModule, lab: Path) -> None:
    """Without anybody doing anything."""
    run_module("supervised_programs", directory=str(lab), programs=[program(lab)])
    supervisor = Supervisor(Places(str(lab)), Ownership())
    wait_until(lambda: supervisor.states()["service"]["statename"] == "RUNNING")
    before = supervisor.states()["service"]["pid"]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: supervisor.states()["service"]["pid"] not in (0, before))


def test_a_changed_program_is_restarted_and_the_others_are_left_alone(run_module: RunModule, lab: Path) -> None:
    """A changed environment is a restart of that program only; the difference is shown."""
    both = [program(lab), program(lab, "other")]
    run_module("supervised_programs", directory=str(lab), programs=both)
    before = processes(lab)
    changed = [program(lab, environment={"COLOUR": "blue, 100%"})]
    result = run_module("supervised_programs", diff=True, directory=str(lab), programs=changed)
    after = processes(lab)
    assert result["started"] == ["service"]
    assert "COLOUR" in result["diff"][0]["after"]
    assert after["service"]["pid"] != before["service"]["pid"]
    assert after["other"]["pid"] == before["other"]["pid"]
    assert psutil.Process(after["service"]["pid"]).environ()["COLOUR"] == "blue, 100%"


def test_check_mode_names_what_it_would_start_and_starts_nothing(run_module: RunModule, lab: Path) -> None:
    """No process, no file."""
    result = run_module("supervised_programs", check=True, directory=str(lab), programs=[program(lab)])
    assert result["changed"]
    assert result["started"] == ["service"]
    assert not (lab / "config").exists()


def test_stop_ends_all_and_start_brings_all_back(run_module: RunModule, lab: Path) -> None:
    """Stopped, no process of the lab is left; stopping again changes nothing; started, its programs run again."""
    run_module("supervised_programs", directory=str(lab), programs=[program(lab), program(lab, "other")])
    pids = [row["pid"] for row in processes(lab).values()]
    assert run_module("supervised_programs", directory=str(lab), state="stopped")["changed"]
    assert not any(runs(pid) for pid in pids)
    assert not run_module("supervised_programs", directory=str(lab), state="stopped")["changed"]
    assert processes(lab) == {}
    assert run_module("supervised_programs", directory=str(lab))["changed"]
    assert set(processes(lab)) == {"supervisord", "service", "other"}


def test_restart_restarts_the_programs_named(run_module: RunModule, lab: Path) -> None:
    """And only these."""
    run_module("supervised_programs", directory=str(lab), programs=[program(lab), program(lab, "other")])
    before = processes(lab)
    run_module("supervised_programs", directory=str(lab), state="restarted", names=["other"])
    wait_until(lambda: processes(lab)["other"]["pid"] not in (0, before["other"]["pid"]))
    assert processes(lab)["service"]["pid"] == before["service"]["pid"]


def test_a_removed_program_ends_and_is_forgotten(run_module: RunModule, lab: Path) -> None:
    """Its process and its configuration are gone; removing it again changes nothing."""
    run_module("supervised_programs", directory=str(lab), programs=[program(lab), program(lab, "other")])
    assert run_module("supervised_programs", directory=str(lab), remove=["other"])["changed"]
    assert set(processes(lab)) == {"supervisord", "service"}
    assert not run_module("supervised_programs", directory=str(lab), remove=["other"])["changed"]


def test_what_a_killed_supervisor_left_behind_does_not_stand_in_the_way(run_module: RunModule, lab: Path) -> None:
    """Its programs run on without it; the next start ends them and starts its own."""
    run_module("supervised_programs", directory=str(lab), programs=[program(lab)])
    before = processes(lab)
    with contextlib.suppress(ProcessLookupError):
        os.kill(before["supervisord"]["pid"], signal.SIGKILL)
    wait_until(lambda: not Supervisor(Places(str(lab)), Ownership()).is_running())
    assert runs(before["service"]["pid"])
    result = run_module("supervised_programs", directory=str(lab), programs=[program(lab)])
    assert result["changed"], result
    assert not runs(before["service"]["pid"])
    assert processes(lab)["service"]["pid"] > 0


def test_a_process_that_nobody_buries_is_over() -> None:
    """In a container whose first process waits for no other, `make stop` does not wait for its burial."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    seen = psutil.Process(process.pid)
    assert not is_over(seen)
    process.kill()
    wait_until(lambda: is_over(seen))
    assert psutil.pid_exists(process.pid)
    process.communicate()
    assert is_over(seen)


def test_a_program_whose_port_is_busy_for_a_while_serves_in_the_end(run_module: RunModule, lab: Path) -> None:
    """An outgoing connection has the port when the program starts; it is started again until it has it."""
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        client.bind(("127.0.0.1", 0))
        client.connect(server.getsockname())
        port = client.getsockname()[1]
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # without TIME_WAIT
        log = lab / "logs/service.log"

        def end_the_connection() -> None:
            wait_until(lambda: log.exists() and log.read_text(encoding="utf-8").count("Address already in use") > 1)
            client.close()

        ended = threading.Thread(target=end_the_connection)
        ended.start()
        ask = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/', timeout=5)"
        result = run_module(
            "supervised_programs",
            directory=str(lab),
            programs=[
                {
                    "name": "service",
                    "command": [
                        sys.executable,
                        "-m",
                        "http.server",
                        "--bind=127.0.0.1",
                        f"--directory={lab}",
                        str(port),
                    ],
                    "ready": [sys.executable, "-c", ask],
                }
            ],
        )
        ended.join()
    assert result["started"] == ["service"], result


def test_what_a_killed_supervisor_left_behind_is_reported_and_can_be_stopped(run_module: RunModule, lab: Path) -> None:
    """Its programs run, and nobody starts them again: that is neither stopped nor as it should be; a stop is a change."""
    run_module("supervised_programs", directory=str(lab), programs=[program(lab)])
    before = processes(lab)
    os.kill(before["supervisord"]["pid"], signal.SIGKILL)
    wait_until(lambda: not Supervisor(Places(str(lab)), Ownership()).is_running())
    found = processes(lab)
    assert {name: row["state"] for name, row in found.items()} == {"supervisord": "GONE", "service": "UNSUPERVISED"}
    assert found["service"]["pid"] == before["service"]["pid"]
    assert found["service"]["memory_bytes"] > 0
    assert run_module("supervised_programs", check=True, directory=str(lab), state="stopped")["changed"]
    assert run_module("supervised_programs", directory=str(lab), state="stopped")["changed"]
    assert processes(lab) == {}
    assert not runs(before["service"]["pid"])
    assert not run_module("supervised_programs", directory=str(lab), state="stopped")["changed"]


def test_a_variable_that_supervisord_would_garble_is_refused(run_module: RunModule, lab: Path) -> None:
    """It cannot escape a double quote: better no program than one with another value."""
    programs = [program(lab, environment={"COLOUR": 'so-called "blue"'})]
    result = run_module("supervised_programs", directory=str(lab), programs=programs)
    assert result["failed"]
    assert "double quote" in result["msg"]


def test_a_program_that_does_not_serve_is_shown_with_its_last_words(run_module: RunModule, lab: Path) -> None:
    """The message names the program, its log and what it said."""
    broken = {"name": "broken", "command": [sys.executable, "-c", "print('no room left'); raise SystemExit(3)"]}
    never = {**broken, "ready": ["false"]}
    result = run_module("supervised_programs", directory=str(lab), programs=[never], timeout=2)
    assert result["failed"]
    assert "broken is not ready" in result["msg"]
    assert "no room left" in result["msg"]
    assert str(lab / "logs/broken.log") in result["msg"]


def test_stopping_a_lab_that_is_not_there_changes_nothing(run_module: RunModule, tmp_path: Path) -> None:
    """Teardown may be run twice."""
    result = run_module("supervised_programs", directory=str(tmp_path / "none"), state="stopped")
    assert not result["changed"]
    assert "failed" not in result
