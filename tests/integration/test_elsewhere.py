"""A lab in a directory of its own choice: found by its name alone, and removed whole, whatever was removed by hand before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.labs import Lab, Workshop, processes_of

ELSEWHERE = "distant"  # a name of its own: other suites run at the same time


def forget_directory(lab: Lab) -> None:
    """Let the inventory name the lab's directory no longer."""
    values = {name: value for name, value in lab.variables.items() if name != "lab_directory"}
    lab.inventory.write_text(json.dumps({"all": {"hosts": {lab.name: values}}}), encoding="utf-8")


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab that was made with `-e lab_directory=...`, with a runtime of its own; no later command names the directory."""
    with Workshop.open("hc-") as workshop:
        workshop.first_port = 31000
        far = workshop.place / "mi lab"
        lab = workshop.lab(ELSEWHERE, "postgres_fdw", clinical_schema_patients=10, lab_directory=str(far))
        lab.directory = far
        forget_directory(lab)
        lab.made = lab.play("site.yml", "-e", json.dumps({"lab_directory": str(far)}))
        assert lab.made.rc == 0, lab.made.stdout + lab.made.stderr
        yield lab
        for process in processes_of(workshop.place):
            process.kill()


def runtime(lab: Lab) -> Path:
    """The environment that the lab runs from."""
    return Path(lab.variables["runtime_directory"])


def link(lab: Lab) -> Path:
    """The lab in the host's list."""
    return runtime(lab).parent / "registry" / lab.name


def assert_gone(lab: Lab) -> None:
    """Nothing of the lab is there: no process, no file, no link, no user."""
    place = runtime(lab).parent
    assert processes_of(place) == []
    assert sorted(path.name for path in place.iterdir()) == [lab.inventory.name]
    user = subprocess.run(["id", f"hc-{lab.name}"], capture_output=True, check=False)
    assert user.returncode != 0


def test_a_lab_elsewhere_is_found_and_removed_though_its_runtime_is_gone(lab: Lab) -> None:
    """Every command finds it; a second one of its name is refused; the runtime is brought back for its removal."""
    for playbook in ("stop.yml", "start.yml", "status.yml", "verify.yml", "site.yml"):
        run = lab.play(playbook)
        assert run.rc == 0, run.stdout
    refused = lab.play("site.yml", "-e", f"lab_directory={runtime(lab).parent}/second")
    assert refused.rc != 0
    assert "name-taken" in refused.stdout
    shutil.rmtree(runtime(lab))
    told = lab.play("status.yml")
    assert told.rc != 0
    assert "runtime-missing" in told.stdout
    removed = lab.play("teardown.yml")
    assert removed.rc == 0, removed.stdout + removed.stderr
    assert_gone(lab)


def forget_link(lab: Lab) -> None:
    """The list forgets the lab: an older release did."""
    link(lab).unlink()


def remove_directory(lab: Lab) -> None:
    """Somebody removes the directory, while the servers run on it."""
    shutil.rmtree(lab.directory)


def remove_record(lab: Lab) -> None:
    """The record alone is lost."""
    (lab.directory / "lab.json").unlink()


def kill_supervisor(lab: Lab) -> None:
    """The supervisor is killed: its servers run on."""
    os.kill(int((lab.directory / "run/supervisord.pid").read_text()), 9)


@pytest.mark.long
@pytest.mark.parametrize("how", [remove_directory, remove_record, kill_supervisor])
@pytest.mark.parametrize("without_runtime", [False, True])
def test_teardown_removes_what_somebody_has_begun_to_remove(
    lab: Lab, how: Callable[[Lab], None], without_runtime: bool
) -> None:
    """No process is left behind a directory, a record or a runtime that is gone."""
    how(lab)
    if without_runtime:
        shutil.rmtree(runtime(lab))
    removed = lab.play("teardown.yml")
    assert removed.rc == 0, removed.stdout + removed.stderr
    assert_gone(lab)
    again = lab.play("teardown.yml")
    assert (again.rc, again.recap[lab.name]["changed"]) == (0, 0), again.stdout


@pytest.mark.long
def test_a_runtime_from_which_a_forgotten_lab_runs_stays(lab: Lab) -> None:
    """The teardown says what runs, and fails; nothing of that lab is touched; once it has ended all can go."""
    forget_link(lab)
    stays = lab.play("teardown.yml")
    assert stays.rc != 0
    assert "runs from it" in stays.stdout
    assert "kill " in stays.stdout
    with lab.connect() as connection:
        assert connection.execute("SELECT count(*) FROM pacientes").fetchone() == (10,)
    named = lab.play("teardown.yml", "-e", json.dumps({"lab_directory": str(lab.directory)}))
    assert named.rc == 0, named.stdout
    assert_gone(lab)


@pytest.mark.long
def test_reset_makes_it_anew_at_its_place_or_leaves_it_alone(lab: Lab) -> None:
    """With the ports and the workers that it had; where it could not be made again, nothing of it is removed."""
    grown = lab.play("scale.yml", "-e", "scale_workers=3")
    assert grown.rc == 0, grown.stdout
    before = lab.record
    with lab.connect() as connection:
        connection.execute("UPDATE pacientes SET ciudad = 'Leticia'")
    refused = lab.play("reset.yml", "-e", "lab_engine=citus")
    assert refused.rc != 0
    assert "engine-not-installed" in refused.stdout
    with lab.connect() as connection:
        assert connection.execute("SELECT count(*) FROM pacientes WHERE ciudad = 'Leticia'").fetchone() == (10,)
    reset = lab.play("reset.yml")
    assert reset.rc == 0, reset.stdout
    assert lab.record == before
    with lab.connect() as connection:
        assert connection.execute("SELECT count(*) FROM pacientes WHERE ciudad = 'Leticia'").fetchone() != (10,)
    assert lab.play("teardown.yml").rc == 0
    assert_gone(lab)
