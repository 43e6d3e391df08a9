"""What the tests of Minikube share: a PATH with nothing on it, a Minikube that says what was recorded, a directory to build from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.minikube import Replay, Script
from support.modules import RunModule

USER_ID = 12345


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """A PATH that is empty, and a way to put programs on it that say something."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr("ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run.FOLDERS", ())
    for name, value in (("PATH", folder), ("HOME", tmp_path), ("MINIKUBE_HOME", tmp_path / "minikube")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setattr(os, "geteuid", lambda: USER_ID)

    def put(name: str, stdout: str = "", stderr: str = "", rc: int = 0) -> None:
        code = f"import sys\nprint({stdout!r})\nprint({stderr!r}, file=sys.stderr)\nsys.exit({rc})\n"
        (folder / name).write_text(f"#!{sys.executable} -IS\n{code}", encoding="utf-8")
        (folder / name).chmod(0o755)

    return put


@pytest.fixture
def replay(tmp_path: Path, programs: Script, run_module: RunModule) -> Replay:
    """A Minikube that says what was recorded."""
    return Replay(tmp_path, programs, run_module)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A directory to build from."""
    folder = tmp_path / "context"
    (folder / "src").mkdir(parents=True)
    (folder / "src/a.py").write_text("a = 1\n", encoding="utf-8")
    (folder / "src/run").write_text("#!/bin/sh\n", encoding="utf-8")
    (folder / "src/link").symlink_to("a.py")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY src /src\n", encoding="utf-8")
    (folder / ".dockerignore").write_text("# all but src\n**\n!src\n**/__pycache__\n", encoding="utf-8")
    return folder
