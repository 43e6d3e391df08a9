"""The module text_files: several small files at once, honestly reported."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from support.modules import RunModule


def settings(directory: Path, content: str = "port = 1\n") -> dict[str, Any]:
    """The arguments for one file in one directory."""
    return {
        "directory": str(directory),
        "directories": {"config": "0700"},
        "files": [{"path": "config/a.conf", "content": content, "mode": "0600"}],
    }


def test_text_files_makes_files_and_directories_with_their_modes(run_module: RunModule, tmp_path: Path) -> None:
    """Files and directories are there, with the modes asked for, and the changed file is named."""
    result = run_module("text_files", **settings(tmp_path / "lab"))
    file = tmp_path / "lab/config/a.conf"
    assert result["changed"]
    assert result["changed_files"] == ["config/a.conf"]
    assert file.read_text() == "port = 1\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_text_files_changes_nothing_the_second_time(run_module: RunModule, tmp_path: Path) -> None:
    """A second run reports nothing."""
    run_module("text_files", **settings(tmp_path))
    result = run_module("text_files", **settings(tmp_path))
    assert not result["changed"]
    assert result["changed_files"] == []


def test_text_files_mends_a_mode(run_module: RunModule, tmp_path: Path) -> None:
    """A mode that was changed by hand is repaired, and reported."""
    run_module("text_files", **settings(tmp_path))
    os.chmod(tmp_path / "config/a.conf", 0o644)
    assert run_module("text_files", **settings(tmp_path))["changed"]
    assert stat.S_IMODE((tmp_path / "config/a.conf").stat().st_mode) == 0o600


def test_text_files_in_check_mode_says_what_it_would_do_and_does_nothing(run_module: RunModule, tmp_path: Path) -> None:
    """Check mode reports the change with its diff, and leaves the file."""
    run_module("text_files", **settings(tmp_path))
    result = run_module("text_files", check=True, diff=True, **settings(tmp_path, "port = 2\n"))
    assert result["changed"]
    assert (result["diff"][0]["before"], result["diff"][0]["after"]) == ("port = 1\n", "port = 2\n")
    assert (tmp_path / "config/a.conf").read_text() == "port = 1\n"


def test_text_files_purges_only_what_it_was_told_to(run_module: RunModule, tmp_path: Path) -> None:
    """A file that is not wanted any more goes, in the directories named and in no others."""
    run_module("text_files", **settings(tmp_path))
    (tmp_path / "config/old.conf").write_text("x")
    (tmp_path / "config/__pycache__").mkdir()
    (tmp_path / "config/__pycache__/a.pyc").write_text("compiled")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/kept").write_text("x")
    result = run_module("text_files", purge=["config"], **settings(tmp_path))
    assert result["changed_files"] == ["config/old.conf"]
    assert not (tmp_path / "config/old.conf").exists()
    assert (tmp_path / "data/kept").exists()
    assert (tmp_path / "config/__pycache__/a.pyc").exists()


def test_text_files_has_each_directory_on_the_way(run_module: RunModule, tmp_path: Path) -> None:
    """One that nobody names is no way round: it has the mode of what lies in it, unless it is named itself."""
    files = [{"path": "a/b/c/file", "content": "x"}]
    named = {"a/b/c": "0755", "a": "0711"}
    (tmp_path / "a/b").mkdir(parents=True, mode=0o777)
    (tmp_path / "a/b").chmod(0o777)
    assert run_module("text_files", directory=str(tmp_path), directories=named, files=files)["changed"]
    assert [stat.S_IMODE((tmp_path / path).stat().st_mode) for path in ("a", "a/b", "a/b/c")] == [0o711, 0o755, 0o755]
    assert not run_module("text_files", directory=str(tmp_path), directories=named, files=files)["changed"]


def test_text_files_says_where_it_failed(run_module: RunModule, tmp_path: Path) -> None:
    """A file where a directory should be is named in the message, without a traceback."""
    (tmp_path / "config").write_text("x")
    result = run_module("text_files", **settings(tmp_path))
    assert result["failed"]
    assert str(tmp_path / "config") in result["msg"]
