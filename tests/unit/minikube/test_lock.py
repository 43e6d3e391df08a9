"""One task at a time works on a profile."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.failures import MinikubeError
from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.lock import locked, processes_at, works_at
from support.minikube import Script


def test_lock_lets_one_in_at_a_time(tmp_path: Path) -> None:
    """The second waits for the first."""
    order = []

    def work(name: str) -> None:
        with locked(tmp_path, "hc", 10):
            order.append(f"{name} in")
            time.sleep(0.3)
            order.append(f"{name} out")

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(order) == 4
    assert order[0][0] == order[1][0] != order[2][0] == order[3][0]


def test_lock_that_is_not_given_up_is_told(tmp_path: Path) -> None:
    """With the process that holds it."""
    message = rf"hc for more than 0\.2 s \(process {os.getpid()}\)"
    with (
        locked(tmp_path, "hc", 1),
        pytest.raises(MinikubeError, match=message),
        locked(tmp_path, "hc", 0.2),
    ):
        pass


def test_lock_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    """Who waited for one that is gone does not hold it."""
    entered = threading.Event()

    def wait() -> None:
        with locked(tmp_path, "hc", 10):
            entered.set()

    thread = threading.Thread(target=wait)
    with locked(tmp_path, "hc", 1) as lock:
        thread.start()
        time.sleep(0.2)
        lock.remove()
    assert entered.wait(5)
    thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["hc.historia-clinica.lock"]


@pytest.mark.parametrize(
    ("line", "works"),
    [
        ("minikube start -p hc --wait=all", True),
        ("/opt/bin/minikube start --profile=hc", True),
        ("minikube -p hc stop", True),
        ("minikube --profile hc delete", True),
        ("minikube start -p hc-2", False),
        ("minikube start", False),
        ("minikube status -p hc", False),
        ("minikube -p hc image build start", False),
        ("vim minikube start -p hc", False),
        ("", False),
    ],
)
def test_works_at_a_profile(line: str, works: bool) -> None:
    """What starts, stops or deletes it; what only looks does not count."""
    assert works_at(line.split(), "hc") is works
    assert works_at(["minikube", "start"], "minikube")


def test_lock_waits_for_a_start_by_hand(tmp_path: Path) -> None:
    """Or for one that was left behind by a task that was killed: two starts of a profile at once break each other."""
    (tmp_path / "start").write_text("import time\nprint(flush=True)\ntime.sleep(30)\n", encoding="utf-8")
    command = ["minikube", "start", "-p", "hc-unit"]  # Python, by that name, runs the file `start`
    with subprocess.Popen(command, executable=sys.executable, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # until then its arguments may still be those of the fork, or none
        busy = rf"process {process.pid}\)"
        with pytest.raises(MinikubeError, match=busy), locked(tmp_path, "hc-unit", 0.3):
            pass
        with locked(tmp_path, "hc-other", 0.3):
            pass
        process.kill()
    with locked(tmp_path, "hc-unit", 5):
        pass


def test_processes_are_found_where_there_is_no_proc(programs: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    monkeypatch.setattr(os.path, "isdir", lambda path: False)
    programs(
        "ps",
        "    1 /sbin/launchd\n 4711 /opt/homebrew/bin/minikube start -p hc\n 4712 minikube start\n  812 login -p hc",
    )
    assert processes_at("hc") == [4711]
    assert processes_at("minikube") == [4712]
