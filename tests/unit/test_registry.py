"""The host's list of its labs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path

import yaml

from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import (
    Run,
    claim,
    directory_of,
    forget_claims,
    process_mark,
    register,
    registered_labs,
    registry,
    unregister,
)
from support.modules import RunModule


def test_a_lab_is_known_until_it_is_forgotten(tmp_path: Path) -> None:
    """Registered once, it stays; forgotten, it is gone, and the list with the last one."""
    runtime, lab = tmp_path / "runtime", tmp_path / "labs/ana"
    lab.mkdir(parents=True)
    assert register(runtime, "ana", lab)
    assert not register(runtime, "ana", lab)
    assert registered_labs(runtime) == {"ana": lab}
    assert unregister(runtime, "ana", lab)
    assert not unregister(runtime, "ana", lab)
    assert not registry(runtime).exists()


def test_a_lab_is_not_forgotten_for_another_of_its_name(tmp_path: Path) -> None:
    """Only the one in the directory that was removed is; a directory that is gone can be told, too."""
    runtime, lab = tmp_path / "runtime", tmp_path / "far/ana"
    register(runtime, "ana", lab)
    assert not unregister(runtime, "ana", tmp_path / "labs/ana")
    assert directory_of(runtime, "ana") == str(lab)
    assert unregister(runtime, "ana", lab)
    assert directory_of(runtime, "ana") == ""


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


def test_one_run_at_a_time_works_on_a_lab(tmp_path: Path) -> None:
    """Another run is told who has the lab, until that one has ended, however it did; the same run may ask again."""
    runtime = tmp_path / "runtime"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        theirs, mine = Run(process_mark(other.pid), "ana", "stop.yml", "luis"), Run(process_mark(os.getpid()))
        assert claim(runtime, "ana", theirs) is None
        told = claim(runtime, "ana", mine)
        assert told
        assert replace(told, since="") == theirs
        assert datetime.fromisoformat(told.since) <= datetime.now()
        assert claim(runtime, "ana", replace(theirs, playbook="site.yml")) is None
        assert claim(runtime, "ana", mine) == replace(told, playbook="site.yml"), "the same run, since then"
        assert claim(runtime, "luis", mine) is None
        other.kill()
        other.wait()
    assert claim(runtime, "ana", mine) is None
    told = claim(runtime, "ana", Run("1 2"))
    assert told
    assert told.is_same(mine)


def test_one_host_of_a_run_at_a_time_works_on_a_lab(tmp_path: Path) -> None:
    """Two hosts of an inventory that were given one name."""
    ana = Run(process_mark(os.getpid()), "ana")
    assert claim(tmp_path / "runtime", "x", ana) is None
    told = claim(tmp_path / "runtime", "x", replace(ana, host="beto"))
    assert told
    assert told.host == "ana"
    assert claim(tmp_path / "runtime", "x", ana) is None


def test_a_claim_of_an_older_version_is_kept(tmp_path: Path) -> None:
    """It names the process and no more; what a line cannot hold becomes a blank."""
    mark = process_mark(os.getpid())
    registry(tmp_path / "runtime").mkdir()
    (registry(tmp_path / "runtime") / ".ana.run").write_text(f"{mark}\tana", encoding="utf-8")
    assert claim(tmp_path / "runtime", "ana", Run("1 2", "ana")) == Run(mark, "ana")
    assert Run.parse(Run(mark, "ana", "my\tplay\n.yml").text()) == Run(mark, "ana", "my play .yml")


PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


def claims(playbook: Path) -> bool:
    """Whether a playbook, or one that it imports, takes the lab's claim."""
    for play in yaml.safe_load(playbook.read_text(encoding="utf-8")):
        imported = play.get("ansible.builtin.import_playbook")
        if imported and claims(PLAYBOOKS / imported):
            return True
        for task in play.get("tasks", []):
            role = task.get("ansible.builtin.import_role", {}).get("name", "")
            variables = task.get("vars", {})
            purpose = variables.get("preflight_purpose", "build")
            if role.endswith(".preflight") and variables.get("preflight_exclusive", purpose != "use"):
                return True
    return False


def test_every_playbook_that_changes_a_lab_claims_it() -> None:
    """Whoever only reads may do so at any time."""
    free = {path.stem for path in PLAYBOOKS.glob("*.yml") if not claims(path)}
    assert free == {"diagnose", "dump", "preflight", "status", "verify"}


def test_asking_claims_nothing(tmp_path: Path) -> None:
    """Where something stands in the way, the lab stays free, and no folder is made."""
    runtime = tmp_path / "runtime"
    assert claim(runtime, "ana", Run(process_mark(os.getpid())), take=False) is None
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_is_left_to_who_names_problems(tmp_path: Path) -> None:
    """Asking fails nobody: the list of problems says what is wrong with the name."""
    runtime, mine = tmp_path / "runtime", Run(process_mark(os.getpid()))
    claim(runtime, "ana", mine)
    assert claim(runtime, "a" * 300, mine, take=False) is None


def test_where_nothing_of_a_lab_is_nothing_is_made(tmp_path: Path) -> None:
    """A lab that is removed twice, or was never there, leaves no folder for its claim."""
    assert claim(tmp_path / "state" / "runtime", "ana", Run(process_mark(os.getpid()))) is None
    assert list(tmp_path.iterdir()) == []


def test_claims_go_with_the_last_lab(tmp_path: Path) -> None:
    """Nothing is left beside the runtime."""
    claim(tmp_path / "runtime", "ana", Run(process_mark(os.getpid())))
    forget_claims(tmp_path / "runtime")
    assert list(tmp_path.iterdir()) == []


def test_a_process_is_not_taken_for_a_later_one_with_its_number(tmp_path: Path) -> None:
    """Numbers of processes come again: the mark has the start, too."""
    runtime = tmp_path / "runtime"
    claim(runtime, "ana", Run(f"{os.getpid()} 1"))
    assert claim(runtime, "ana", Run(process_mark(os.getpid()))) is None


def test_a_teardown_where_no_lab_is_leaves_no_claim(run_module: RunModule, tmp_path: Path) -> None:
    """Removed a second time, when the runtime is gone: what that run wrote goes with it."""
    runtime = tmp_path / "state" / "runtime"
    runtime.parent.mkdir()
    claim(runtime, "ana", Run(process_mark(os.getpid())))
    assert not run_module("runtime_environment", state="absent", directory=str(runtime))["changed"]
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_goes_whole_or_stays(run_module: RunModule, tmp_path: Path) -> None:
    """Nothing is removed from which something runs; what an interrupted run left of one goes with it."""
    runtime, scratch = tmp_path / "state/runtime", tmp_path / "state/.runtime.new"
    (runtime / "bin").mkdir(parents=True)
    (runtime / "bin/python").symlink_to(sys.executable)
    scratch.mkdir()
    with subprocess.Popen([runtime / "bin/python", "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert run_module("runtime_environment", check=True, state="absent", directory=str(runtime))["changed"]
        refused = run_module("runtime_environment", state="absent", directory=str(runtime))
        assert f"(pid {process.pid}, user " in refused["msg"]
        assert f"kill {process.pid}" in refused["msg"]
        assert (runtime / "bin/python").exists()
        process.kill()
    assert run_module("runtime_environment", state="absent", directory=str(runtime))["changed"]
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_a_server_works_on_stays(run_module: RunModule, tmp_path: Path) -> None:
    """With its data; once it has ended, the lab is removed, and the list forgets it."""
    lab = tmp_path / "labs/ana"
    (lab / "data").mkdir(parents=True)
    fact = {field.name: 1 if field.type == "int" else "" for field in fields(Record)}
    fact |= {"name": "ana", "directory": str(lab), "runtime": str(tmp_path / "runtime")}
    register(tmp_path / "runtime", "ana", lab)
    with subprocess.Popen([sys.executable, "-c", "input()", "-D", lab / "data"], stdin=subprocess.PIPE) as process:
        refused = run_module("lab_record", lab=fact, state="absent")
        assert f"kill {process.pid}" in refused["msg"]
        assert (lab / "data").exists()
        process.kill()
    assert run_module("lab_record", lab=fact, state="absent")["changed"]
    assert not lab.exists()
    assert registered_labs(tmp_path / "runtime") == {}
