"""Which Python a host's labs run from."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Invocation
from ansible_collections.aula.historia_clinica.plugins.modules import runtime_environment
from ansible_collections.aula.historia_clinica.plugins.modules.runtime_environment import (
    RuntimeEnvironmentError,
    choose_interpreter,
)

HERE = Invocation(checkout="/home/ana/historia-clinica")


def interpreter(path: Path, version: str) -> str:
    """A program that says a version as Python does; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def ordinary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ordinary user, whose machine runs the modules with Python 3.10; the folder on the PATH."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "_base_executable", interpreter(tmp_path / "own/python3", "3 10"))
    monkeypatch.setattr(os, "get_exec_path", lambda: [str(tmp_path / "bin")])
    monkeypatch.setattr(runtime_environment, "SYSTEM_FOLDERS", ())
    return tmp_path / "bin"


def test_an_older_python_is_passed_over_for_the_newest_that_is_there(ordinary: Path) -> None:
    """A machine over SSH, whose own Python is 3.10, and which has newer ones beside it."""
    interpreter(ordinary / "python3.11", "3 11")
    newest = interpreter(ordinary / "python3.13", "3 13")
    assert choose_interpreter(None, HERE) == Path(newest)


def test_the_modules_own_python_will_do_where_it_is_new_enough(ordinary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no search."""
    interpreter(ordinary / "python3.13", "3 13")
    own = interpreter(ordinary.parent / "new/python3", "3 11")
    monkeypatch.setattr(sys, "_base_executable", own)
    assert choose_interpreter(None, HERE) == Path(own)


@pytest.mark.parametrize("wanted", [None, "python3.9"])
def test_where_there_is_none_one_remedy_says_so(ordinary: Path, wanted: str | None) -> None:
    """Which machine, what was found there, what brings a newer one, and how to name it; nothing about this machine's .venv."""
    named = interpreter(ordinary / "python3.9", "3 9")
    with pytest.raises(RuntimeEnvironmentError) as failed:
        choose_interpreter(wanted and named, HERE)
    message = str(failed.value)
    assert platform.node() in message
    assert f"{named} (3.9)" in message if wanted else "own/python3 (3.10)" in message
    assert "sudo apt install python3.11" in message
    assert message.count("make lab ") == 1
    assert "runtime_python=" in message
    assert ".venv" not in message
