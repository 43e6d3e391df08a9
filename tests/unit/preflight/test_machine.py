"""What is found out of the machine: folders, files, sockets and processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.machine import (
    as_wanted,
    directory,
    identity,
    memory,
    ports,
    programs,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.plan import Plan
from support.exported import EXPORTED
from support.modules import RunModule
from support.preflight import STOCK, Bench


def test_the_machine_has_memory_and_disk() -> None:
    """What is found out here is an amount that a machine can have."""
    available, disk = memory.available_memory(), directory.free_disk("/")
    assert available is None or 1 << 20 < available < 1 << 50
    assert disk is None or 0 <= disk < 1 << 60
    assert directory.free_disk("/nonexistent") is None


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smaller of what the machine and what the container has left; cache that can go is left."""
    files = {
        "/proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n",
        "/sys/fs/cgroup/memory.max": "1000\n",
        "/sys/fs/cgroup/memory.current": "900\n",
        "/sys/fs/cgroup/memory.stat": "anon 500\ninactive_file 300\n",
    }
    monkeypatch.setattr(memory, "read_text", lambda path: files.get(path, ""))
    assert memory.available_memory() == 400
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert memory.available_memory() == 8000000 * 1024
    files.clear()
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert memory.available_memory() is None


def test_pg_config_says_where_extensions_are(bench: Bench) -> None:
    """A distribution's folders are not beside its programs; macOS' libraries end otherwise."""
    folder = Path(bench.postgres("split", has=STOCK))
    (bench.folder / "x" / "extension").mkdir(parents=True)
    (bench.folder / "x" / "extension" / "citus.control").touch()
    (bench.folder / "x" / "citus.dylib").touch()
    assert sorted(programs.extensions(str(folder))) == ["dblink", "postgres_fdw"]
    config = folder / "pg_config"
    config.write_text(f"#!/bin/sh\necho {bench.folder}/x\necho {bench.folder}/x\n", encoding="utf-8")
    config.chmod(0o755)
    assert sorted(programs.extensions(str(folder))) == ["citus", "dblink", "postgres_fdw"]


def test_reaching_a_path_looks_at_each_link_on_the_way(bench: Bench) -> None:
    """Closed to others; open to the owner and to the group."""
    closed = bench.folder / "closed"
    closed.mkdir(mode=0o710)
    (closed / "inner").mkdir(mode=0o755)
    (bench.folder / "link").symlink_to(closed / "inner")
    found = closed.stat()
    assert directory.blocked_by(str(bench.folder / "link")) == str(closed)
    assert directory.blocked_by(str(bench.folder / "link"), found.st_uid) == ""
    assert directory.blocked_by(str(bench.folder / "link"), 99999, frozenset({found.st_gid})) == ""
    assert directory.blocked_by(str(bench.folder)) == ""
    assert directory.blocked_by("/nonexistent/x") == "/nonexistent"


def test_a_server_whose_process_cannot_be_seen_must_be_the_labs_users() -> None:
    """Without /proc or lsof: the process must be alive and its user the lab's."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan("lab", "host", None, 1, folder, 20000, 8080, "/b", "ana", "ana", "/r")
        data = Path(folder, "data", "citus-coordinator")
        data.mkdir(parents=True)
        (data / "postmaster.pid").write_text(f"{os.getpid()}\n\n\n20000\n", "utf-8")
        assert ports._is_own_server(plan, 20000, None, frozenset())
        mine = replace(plan, user=identity.user_name(os.geteuid()))
        assert ports._is_own_server(mine, 20000, os.geteuid(), frozenset())
        assert not ports._is_own_server(plan, 20000, os.geteuid(), frozenset())
        (data / "postmaster.pid").write_text("999999999\n\n\n20000\n", "utf-8")
        assert not ports._is_own_server(plan, 20000, None, frozenset())


def test_as_root_the_labs_user_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """hc-NAME has no other processes than the lab's."""
    plan = Plan("lab", "host", None, 1, "/d", 20000, 8080, "/b", "hc-lab", "hc-lab", "/r")
    monkeypatch.setattr(ports, "user_name", lambda uid: {5: "hc-lab", 6: "ana"}[uid])
    assert ports._is_supervised(plan, 5, None)
    assert not ports._is_supervised(plan, 6, None)
    assert not ports._is_supervised(replace(plan, user="ana"), 6, None)


def test_nobody_in_particular_has_a_number() -> None:
    """A user without a name, as in some containers, is no exception."""
    assert identity.user_name(3999999) == "3999999"
    assert identity.current_identity().uid == os.geteuid()


def test_the_runtime_keeps_out_what_is_for_something_else(tmp_path: Path) -> None:
    """The programs that are asked find a folder for what they write, and no proxy before a cluster on this machine."""
    exported = {"PATH": os.environ["PATH"], **EXPORTED["no such folder"], **EXPORTED["a proxy"]}
    assert identity.runtime_variables(str(tmp_path), exported) == exported
    shutil.copy(Path(__file__).parents[3] / "roles" / "runtime" / "files" / "environment.sh", tmp_path)
    left = identity.runtime_variables(str(tmp_path), exported)
    assert "TMPDIR" not in left
    assert left["no_proxy"] == left["NO_PROXY"] == "localhost,127.0.0.1,::1,192.168.0.0/16"


SERVERS = ("citus-coordinator", "citus-worker-1")
RECORD, DATA = {"recorded": False, "data_made": True}, {"recorded": True, "data_made": False}
#: What somebody does to a lab, and which of its tasks then has to be run.
BY_HAND: dict[str, tuple[str, str, dict[str, bool]]] = {
    "nothing": ("", "", {"recorded": True, "data_made": True}),
    "another record": ("cp /dev/null", "lab.json", RECORD),
    "no record": ("rm", "lab.json", RECORD),
    "no copy": ("rm", "lab.json.copy", RECORD),
    "a copy that others read": ("chmod 0644", "lab.json.copy", RECORD),
    "unlisted": ("rm", "../../registry/ana", RECORD),
    "a server without data": ("rm", f"data/{SERVERS[1]}/PG_VERSION", DATA),
    "nobody knows what was made": ("rm", "data/.created", DATA),
    "data that cannot be looked at": ("ln -sfn .", "data/.created", DATA),
}


@pytest.mark.parametrize("by_hand", BY_HAND)
def test_a_task_is_left_out_only_where_its_module_would_change_nothing(
    run_module: RunModule, tmp_path: Path, by_hand: str
) -> None:
    """What preflight sees is what lab_record and data_directories see; whatever differs is left to them."""
    lab = tmp_path / "labs/ana"
    fact: dict[str, Any] = {field.name: 1 if field.type == "int" else "" for field in fields(Record)}
    fact |= {"name": "ana", "target": "host", "directory": str(lab), "runtime": str(tmp_path / "runtime")}
    fact |= {"user": "", "group": "", "nodes": [{"name": name} for name in SERVERS]}
    assert as_wanted(fact, there=True) == {"recorded": False, "data_made": False}
    assert run_module("lab_record", lab=fact)["changed"]
    for name in SERVERS:
        (lab / "data" / name).mkdir(parents=True)
        (lab / "data" / name / "PG_VERSION").touch()
    (lab / "data/.created").write_text("\n".join(SERVERS), encoding="utf-8")
    change, file, seen = BY_HAND[by_hand]
    if change:
        subprocess.run([*change.split(), lab / file], check=True)
    assert as_wanted(fact, there=True) == seen
    assert run_module("lab_record", check=True, lab=fact)["changed"] is not seen["recorded"]
    assert as_wanted(fact, there=False) == {"recorded": False, "data_made": False}
