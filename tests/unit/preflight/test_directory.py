"""What may be a lab's directory."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import record_path
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.directory import SOCKETS
from support.preflight import ANA, Bench, listening, port_of


def test_an_empty_folder_may_become_a_lab(bench: Bench) -> None:
    """A mount point, say; also with what an interrupted write of the record left."""
    bench.directory.mkdir()
    (bench.directory / ".abc.new").touch()
    assert bench.problems() == []


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/nonexistent"), os.mkfifo])
def test_what_is_no_folder_is_foreign(bench: Bench, make: Callable[[Path], None]) -> None:
    """A file, a link to nothing, a pipe."""
    make(bench.directory)
    problem = bench.only("directory-foreign")
    assert "is no folder" in problem.found


def test_a_lost_record_is_put_back_and_its_servers_are_left_alone(bench: Bench) -> None:
    """The lab runs on, so its ports are taken: nobody is told to end its servers, or to begin anew at other ports."""
    bench.record()
    for entry in ("bin", "config", "credentials", "data/citus-coordinator", "logs", "middleware", "run"):
        (bench.directory / entry).mkdir(parents=True)
    with listening(port_of(bench)):
        for damage in (record_path(bench.directory).unlink, lambda: record_path(bench.directory).write_text("{")):
            damage()
            (problem,) = bench.problems()
            assert problem.id in ("record-missing", "record-unreadable")
            command = re.search(r"put it back: (cp .*?);", problem.remedy)
            assert command
            subprocess.run(shlex.split(command[1]), check=True)
            assert "record-missing" not in bench.ids()


def test_another_softwares_lab_json_is_no_record(bench: Bench) -> None:
    """A folder with a lab.json among other things is not taken for a broken lab, which reset would remove."""
    bench.directory.mkdir()
    record_path(bench.directory).write_text("{}", encoding="utf-8")
    (bench.directory / "notebook.ipynb").touch()
    problem = bench.only("directory-foreign")
    assert "lab.json is no lab's record" in problem.found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_refused(bench: Bench) -> None:
    """Where the user may not write; a folder that cannot be read is one problem, not two."""
    bench.directory.mkdir(mode=0o000)
    assert bench.ids() == ["directory-not-writable"]
    bench.choose(directory=str(bench.directory / "below"))
    assert bench.ids() == ["directory-not-writable"]


def test_a_folder_that_takes_no_files_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only file system, for root too: the nearest parent is named, and its size is of no interest."""
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(bench.folder))
    bench.seen.update(disk=0)
    problem = bench.only("directory-not-writable")
    assert f"ana may not write in {bench.folder}" in problem.found
    assert f"ls -ld {bench.folder}" in problem.remedy


def test_a_socket_fits_into_the_longest_directory(bench: Bench) -> None:
    """A directory of just the right length takes a socket of every server and of the supervisor; a byte more is too long."""
    room = 107 - max(map(len, SOCKETS)) - 1
    fits = bench.folder / ("x" * (room - len(str(bench.folder)) - 1))
    bench.choose(directory=str(fits))
    assert bench.ids() == []
    (fits / "run").mkdir(parents=True)
    for name in SOCKETS:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(fits / name))
    shutil.rmtree(fits)
    bench.choose(directory=f"{fits}x")
    assert bench.ids() == ["directory-too-long"]
    bench.choose(directory=str(fits))
    bench.identity = replace(ANA, system="Darwin")
    assert bench.ids() == ["directory-too-long"]
