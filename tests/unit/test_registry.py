"""The host's list of its labs."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import (
    register,
    registered_labs,
    registry,
    unregister,
)


def test_a_lab_is_known_until_it_is_forgotten(tmp_path: Path) -> None:
    """Registered once, it stays; forgotten, it is gone, and the list with the last one."""
    runtime, lab = tmp_path / "runtime", tmp_path / "labs/ana"
    lab.mkdir(parents=True)
    assert register(runtime, "ana", lab)
    assert not register(runtime, "ana", lab)
    assert registered_labs(runtime) == {"ana": lab}
    assert unregister(runtime, "ana")
    assert not unregister(runtime, "ana")
    assert not registry(runtime).exists()


def test_a_lab_that_moved_is_found_in_its_new_place(tmp_path: Path) -> None:
    """The link follows."""
    (tmp_path / "new").mkdir()
    register(tmp_path / "runtime", "ana", tmp_path / "old")
    assert register(tmp_path / "runtime", "ana", tmp_path / "new")
    assert registered_labs(tmp_path / "runtime") == {"ana": tmp_path / "new"}


def test_a_lab_whose_directory_was_deleted_does_not_count(tmp_path: Path) -> None:
    """Else its link would keep the runtime for ever."""
    register(tmp_path / "runtime", "ana", tmp_path / "gone")
    assert registered_labs(tmp_path / "runtime") == {}


def test_asking_changes_nothing(tmp_path: Path) -> None:
    """Check mode only says what it would do."""
    assert register(tmp_path / "runtime", "ana", tmp_path, write=False)
    assert not registry(tmp_path / "runtime").exists()
