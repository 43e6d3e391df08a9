"""Where labs live, and what they remember."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils import paths

RECORD = paths.Record(
    name="ana",
    target="host",
    engine="postgres_fdw",
    workers=2,
    database_port=15432,
    api_port=8080,
    directory="/srv/ana",
    user="ana",
    postgres_bin="/usr/lib/postgresql/18/bin",
    postgres_version="18.6",
)


def test_root_keeps_labs_where_their_users_can_look() -> None:
    """Root's state never lies under root's home, whatever XDG_STATE_HOME says."""
    root = paths.state_root(0, {"XDG_STATE_HOME": "/root/state"}, "/root")
    assert root == Path("/var/lib/historia-clinica")
    assert paths.lab_directory(root, "ana") == Path("/var/lib/historia-clinica/labs/ana")
    assert paths.runtime_directory(root) == Path("/var/lib/historia-clinica/runtime")


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, "/home/ana/.local/state/historia-clinica"),
        ({"XDG_STATE_HOME": ""}, "/home/ana/.local/state/historia-clinica"),
        ({"XDG_STATE_HOME": "relative"}, "/home/ana/.local/state/historia-clinica"),
        ({"XDG_STATE_HOME": "/data/state"}, "/data/state/historia-clinica"),
    ],
)
def test_a_user_keeps_labs_in_the_state_directory(env: dict[str, str], expected: str) -> None:
    """XDG_STATE_HOME counts where it is absolute; else it is the standard's default."""
    assert paths.state_root(1000, env, "/home/ana") == Path(expected)


def test_only_roots_labs_have_a_user_of_their_own() -> None:
    """Root makes a user for each lab, with a name that Linux takes; anybody else is the lab's user."""
    assert paths.lab_user("ana", 0, "root") == "hc-ana"
    assert paths.lab_user("ana", 1000, "luis") == "luis"
    assert len(paths.lab_user("a" * 28, 0, "root")) <= 32


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Writing makes the directory, is readable by everybody, and says changed only once."""
    directory = tmp_path / "labs" / "ñandú con espacio"
    record = replace(RECORD, directory=str(directory))
    assert paths.read_record(directory) is None
    assert paths.write_record(directory, record, write=False)
    assert not directory.exists()
    assert paths.write_record(directory, record)
    assert not paths.write_record(directory, record)
    assert paths.read_record(directory) == record
    assert paths.record_path(directory).stat().st_mode & 0o777 == 0o644
    assert sorted(os.listdir(directory)) == ["lab.json", "lab.json.copy"]
    shutil.copy(directory / "lab.json.copy", directory / "lab.json")  # as the problem record-missing advises
    assert paths.read_record(directory) == record
    assert paths.write_record(directory, replace(record, workers=3), write=False)
    assert paths.read_record(directory) == record


def test_removing_a_record_leaves_the_rest(tmp_path: Path) -> None:
    """Only lab.json goes; a dry run removes nothing; a second time there is nothing to remove."""
    (tmp_path / "data").mkdir()
    paths.write_record(tmp_path, RECORD)
    assert paths.remove_record(tmp_path, write=False)
    assert paths.read_record(tmp_path) == RECORD
    assert paths.remove_record(tmp_path)
    assert not paths.remove_record(tmp_path)
    assert os.listdir(tmp_path) == ["data"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ('{"name": "ana"', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "its format is None"),
        (json.dumps({**asdict(RECORD), "format": 2}), "its format is 2; this release reads 1"),
        (json.dumps({**asdict(RECORD), "workers": "2"}), "its field workers is '2', not int"),
        (json.dumps({**asdict(RECORD), "workers": True}), "its field workers is True"),
        (json.dumps({**asdict(RECORD), "engine": None}), "its field engine is None, not str"),
    ],
)
def test_a_broken_record_says_what_is_wrong_with_it(tmp_path: Path, text: str, said: str) -> None:
    """Every form of garbage is a RecordError in words."""
    paths.record_path(tmp_path).write_text(text, encoding="utf-8")
    with pytest.raises(paths.RecordError, match=said):
        paths.read_record(tmp_path)


def test_what_is_no_text_file_is_a_broken_record(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, a folder and a pipe (which nobody writes to) do not hang or raise anything else."""
    path = paths.record_path(tmp_path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(paths.RecordError, match="UTF-8"):
        paths.read_record(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(paths.RecordError, match="no file"):
        paths.read_record(tmp_path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(paths.RecordError, match="no file"):
        paths.read_record(tmp_path)


def test_an_unknown_field_is_no_reason_to_refuse_a_record(tmp_path: Path) -> None:
    """What a later release adds within the same format is left alone."""
    text = json.dumps({**asdict(RECORD), "colour": "blue"})
    assert paths.parse_record(text) == RECORD


def test_a_record_of_this_machine_is_as_it_always_was() -> None:
    """What only pods have is neither written nor missed: labs that were made before have the same text, and are read."""
    assert not set(json.loads(paths.record_text(RECORD))) & set(paths.OPTIONAL)
    assert paths.parse_record(paths.record_text(RECORD)) == RECORD


def test_pods_are_remembered_by_their_cluster(tmp_path: Path) -> None:
    """Written and read; the cluster's default storage class is no field; one of another type is refused."""
    record = replace(RECORD, target="kubernetes", kubeconfig="/k", context="aula", namespace="hc-ana")
    paths.write_record(tmp_path, record)
    assert paths.read_record(tmp_path) == record
    assert "storage_class" not in json.loads(paths.record_text(record))
    with pytest.raises(paths.RecordError, match="its field context is 3, not str"):
        paths.parse_record(json.dumps({**asdict(record), "context": 3}))
