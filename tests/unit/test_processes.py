"""Who still runs from a directory, or serves what lies in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils import processes
from ansible_collections.aula.historia_clinica.plugins.module_utils.processes import end_command, running_from, serving

WAIT = "import sys; print(flush=True); sys.stdin.read()"


@contextlib.contextmanager
def started(*command: str | Path, **environment: str) -> Iterator[int]:
    """A process that runs until the end of the block; it has printed a line."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*map(str, command)], env={**os.environ, **environment}, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.fixture(params=["proc", "ps"])
def _seen_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Linux shows processes, and as others do."""
    if request.param == "ps":
        monkeypatch.setattr(processes, "_of_proc", processes._of_ps)


@pytest.mark.usefixtures("_seen_by")
def test_a_program_of_the_directory_is_found(tmp_path: Path) -> None:
    """By its first word, as a virtual environment's Python is called; its child is of its family."""
    python = tmp_path / "runtime/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert running_from(tmp_path / "runtime") == []
    code = f"import subprocess; subprocess.run([{str(python)!r}, '-c', {WAIT!r}])"
    with started(python, "-c", code) as pid:
        (found,) = running_from(tmp_path / "runtime")
        assert found.pid == pid
        assert f"(pid {pid}, user " in str(found)
        assert end_command([found]) == f"kill {pid}"
        assert running_from(tmp_path / "run") == []


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="only /proc says which file a process runs")
def test_a_program_that_calls_itself_otherwise_is_found(tmp_path: Path) -> None:
    """By the file that it runs, which may have been deleted: a server's children change their first word."""
    program = tmp_path / "runtime/server"
    program.parent.mkdir()
    shutil.copy(shutil.which("cat") or "", program)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(["postgres: idle"], executable=program, bufsize=0, **pipes) as process:  # type: ignore[call-overload]
        process.stdin.write(b"\n")
        process.stdout.read(1)  # it has its command line by now
        assert [found.pid for found in running_from(program.parent)] == [process.pid]
        program.unlink()
        assert [found.pid for found in running_from(program.parent)] == [process.pid]
        process.kill()


@pytest.mark.usefixtures("_seen_by")
def test_a_server_of_the_directory_is_found(tmp_path: Path) -> None:
    """By a path in its command, behind an option's name too; somebody who only reads a file there is none."""
    lab = tmp_path / "mi-lab"
    with started(sys.executable, "-c", WAIT, f"--config={lab}/config/supervisord.conf") as pid:
        assert [found.pid for found in serving(lab)] == [pid]
        assert serving(tmp_path / "mi") == []
    (lab / "logs").mkdir(parents=True)
    (lab / "logs/log").write_text("a line\n")
    with started("tail", "-f", lab / "logs/log"):
        assert serving(lab) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="only /proc shows an environment")
def test_a_program_of_the_directorys_supervisor_is_found(tmp_path: Path) -> None:
    """By what its supervisor told it, though its command names no directory; a copy of the directory is another."""
    with started(sys.executable, "-c", WAIT, SUPERVISOR_SERVER_URL=f"unix://{tmp_path}/lab/run/supervisor.sock") as pid:
        assert [found.pid for found in serving(tmp_path / "lab")] == [pid]
        assert serving(tmp_path / "lab2") == []


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="only root makes a container")
def test_the_same_path_in_a_container_is_another_place(tmp_path: Path) -> None:
    """A lab of a container is no lab of its host, though the host sees its processes."""
    (tmp_path / "lab").mkdir()
    inside = (
        f"mount -t tmpfs none {tmp_path} && mkdir {tmp_path}/lab && exec {sys.executable} -c '{WAIT}' {tmp_path}/lab/x"
    )
    with started("unshare", "--mount", "sh", "-c", inside) as pid:
        assert serving(tmp_path / "lab") == []
        assert not processes.sees(pid, tmp_path / "lab")
    with started(sys.executable, "-c", WAIT, f"{tmp_path}/lab/x") as pid:
        assert processes.sees(pid, tmp_path / "lab")
