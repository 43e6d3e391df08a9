"""A lab on another machine, over SSH: its page says which machine, how its ports come here, and every command of it works here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.far import far_machine, missing
from support.labs import ROOT, Workshop, processes_of, run_playbook
from support.newcomer import is_open
from support.printed import expected, page_commands, page_of, verb

DATABASE_PORT, API_PORT = 29432, 29480


@dataclass(frozen=True)
class Teacher:
    """Somebody with a checkout, whose labs are on other machines.

    Attributes:
        place: the folder with the inventory and, as it is one file system, the far labs.
        inventory: two hosts, of which one is the far machine.
    """

    place: Path
    inventory: Path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as typed in the checkout; what it printed as errors stands with the rest."""
        return subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )


@pytest.fixture
def teacher() -> Iterator[Teacher]:
    """A far machine that has a runtime already, as it has no way to a package index; whatever lab is left goes."""
    if reason := missing():
        pytest.skip(reason)
    with Workshop.open("hc-") as workshop, far_machine(workshop.place / "far") as far:
        runtime = {"runtime_directory": str(workshop.place / "runtime")}
        choices = {
            **runtime,
            **far.variables,
            "ansible_python_interpreter": sys.executable,
            "lab_target": "host",
            "lab_engine": "postgres_fdw",
            "lab_database_port": DATABASE_PORT,
            "lab_api_port": API_PORT,
            "clinical_schema_patients": 20,
        }
        inventory = workshop.place / "vms.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"vm1": choices, "vm2": {"ansible_host": "10.255.255.1"}}}}))
        here = {**runtime, "ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        made = run_playbook("-i", "localhost,", "playbooks/preflight.yml", "-e", json.dumps(here))
        assert (workshop.place / "runtime").exists(), made.stdout
        yield Teacher(workshop.place, inventory)
        for process in processes_of(workshop.place):
            process.kill()


def test_the_page_of_a_far_lab_is_followed_to_the_end(teacher: Teacher) -> None:
    """From the tunnel to the teardown, which leaves nothing there; a lab elsewhere than by default, found by its name."""
    words = f"INVENTORY={teacher.inventory} LAB=vm1 ARGS='-e lab_directory={teacher.place}/lab'"
    made = teacher.run(f"make lab {words}")
    assert made.returncode == 0, made.stdout[-5000:]
    page = page_of(made.stdout, "vm1")
    assert "on vm1 is ready" in page
    tunnel, *named = page_commands(made.stdout, "vm1")
    assert tunnel.startswith("ssh -N -L ")
    assert not is_open(API_PORT)
    with subprocess.Popen(["bash", "-c", f"exec {tunnel}"], stdin=subprocess.DEVNULL) as forward:
        limit = time.monotonic() + 30
        while not is_open(API_PORT):
            assert time.monotonic() < limit, "the tunnel does not open"
            time.sleep(0.05)
        for command in named:
            done = teacher.run(command)
            assert done.returncode == 0, command + done.stdout[-5000:]
            assert re.search(expected(command), done.stdout, re.DOTALL), command + done.stdout[-5000:]
        forward.terminate()
    assert verb(named[-1]) == "teardown"
    assert not (teacher.place / "lab").exists()
    assert not (teacher.place / "runtime").exists()
    assert not [process for process in processes_of(teacher.place) if "postgres" in process.name()]


def test_remedies_for_a_far_lab_are_typed_here(teacher: Teacher) -> None:
    """What is to be looked at there goes through ssh, what makes the lab does not."""
    (teacher.place / "thesis").mkdir()
    (teacher.place / "thesis/chapter").touch()
    refused = teacher.run(
        f"make lab INVENTORY={teacher.inventory} LAB=vm1 ARGS='-e lab_directory={teacher.place}/thesis'"
    )
    assert "directory-foreign" in refused.stdout
    (look,) = re.findall(r"look: (ssh .*?);", refused.stdout)
    assert "chapter" in teacher.run(look).stdout
    assert shutil.which("ssh")
