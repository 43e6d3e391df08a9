"""Wrong input, as a person meets it: ansible-playbook's exit code, its one list, and that nothing was made."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]
PLAY = """
- name: Try the choices
  hosts: all
  gather_facts: false
  tasks:
    - name: Check what the lab needs
      ansible.builtin.import_role:
        name: aula.historia_clinica.preflight
    - name: Remember what the lab is made with
      aula.historia_clinica.lab_record:
        lab: "{{ ansible_facts['lab'] }}"
        state: "{{ record | default('present') }}"
"""


def play(folder: Path, choices: dict[str, Any], *arguments: str, **environment: str) -> tuple[int, str]:
    """Run the play with these choices, on one lab unless an inventory is named; its exit code and output."""
    playbook = folder / "play.yml"
    playbook.write_text(PLAY, encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("-i", str(CHECKOUT / "inventories" / "lab"), str(playbook), "-e", json.dumps(choices), *arguments),
        ],
        cwd=CHECKOUT,
        env={**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def changed(output: str) -> list[int]:
    """How much changed on each host, by the recap."""
    return [int(number) for number in re.findall(r"changed=(\d+) ", output)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may look into, with a path that is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="pf", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def choices(folder: Path) -> dict[str, Any]:
    """Choices with which nothing is wrong; the PostgreSQL is a stand-in that knows its version."""
    for part in ("pg/bin", "pg/lib", "pg/share/extension"):
        (folder / part).mkdir(parents=True)
    for program in ("postgres", "initdb", "psql"):
        path = folder / "pg/bin" / program
        path.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n", encoding="utf-8")
        path.chmod(0o755)
    for extension in ("postgres_fdw", "dblink"):
        (folder / f"pg/share/extension/{extension}.control").touch()
        (folder / f"pg/lib/{extension}.so").touch()
    return {
        "lab_directory": str(folder / "lab"),
        "lab_postgres_bin": str(folder / "pg/bin"),
        "lab_database_port": 24500,
        "lab_api_port": 24599,
        "runtime_directory": str(folder / "runtime"),
    }


def test_everything_that_is_wrong_is_one_list(folder: Path, choices: dict[str, Any]) -> None:
    """Wrong values of every kind and a busy port: exit code 2, each with its remedy, no traceback, nothing made."""
    with socket.create_server(("127.0.0.1", 24599)):
        code, output = play(
            folder,
            {
                **choices,
                "lab_name": "Ana María",
                "lab_target": "cloud",
                "lab_engine": ["citus"],
                "lab_workers": "1000",
                "lab_database_port": "80",
                "lab_postgres_bin": "bin",
            },
        )
    assert code == 2
    assert "cannot go on: 7 problems. Nothing of it was changed." in output
    for id_ in (
        "lab-name",
        "target-unknown",
        "engine-unknown",
        "workers-invalid",
        "port-invalid",
        "directory-relative",
        "port-busy",
    ):
        assert re.search(rf"^\d\. {id_}: ", output, re.MULTILINE), id_
    assert f"pid {os.getpid()}" in output
    assert "Traceback" not in output
    assert changed(output) == [0]
    assert sorted(path.name for path in folder.iterdir()) == ["pg", "play.yml"]


def test_the_list_is_json_for_a_program(folder: Path, choices: dict[str, Any]) -> None:
    """With Ansible's JSON output the problems are data."""
    code, output = play(
        folder,
        {**choices, "lab_workers": -1},
        ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
        ANSIBLE_DEPRECATION_WARNINGS="0",
    )
    assert code == 2
    tasks = json.loads(output[output.index("{") : output.rindex("}") + 1])["plays"][0]["tasks"]
    problems = [task["hosts"]["lab"]["problems"] for task in tasks if "problems" in task["hosts"]["lab"]]
    assert [[problem["id"] for problem in found] for found in problems] == [["workers-invalid"]]
    assert set(problems[0][0]) == {"id", "found", "needed", "remedy"}


def test_a_lab_is_remembered_obeyed_and_forgotten(folder: Path, choices: dict[str, Any]) -> None:
    """Check mode announces the record and writes nothing; a second run changes nothing; contradictions are refused."""
    record = folder / "lab" / "lab.json"
    code, output = play(folder, choices, "--check", "--diff")
    assert (code, changed(output)) == (0, [1]), output
    assert '+  "database_port": 24500,' in output
    assert not record.parent.exists()
    code, output = play(folder, choices)
    assert (code, changed(output)) == (0, [1]), output
    assert json.loads(record.read_text(encoding="utf-8"))["api_port"] == 24599
    left_out = {key: choices[key] for key in ("lab_directory", "runtime_directory")}
    code, output = play(folder, left_out, "--diff")
    assert (code, changed(output)) == (0, [0]), output
    code, output = play(folder, {**left_out, "lab_api_port": "24598", "lab_workers": 1})
    assert code == 2
    assert "lab_api_port is 24598, but the lab was made with 24599" in output
    assert "lab_workers is 1, but the lab was made with 2" in output
    assert "Traceback" not in output
    code, output = play(folder, {**left_out, "preflight_purpose": "remove", "record": "absent"})
    assert (code, changed(output)) == (0, [1]), output
    assert not record.exists()


def test_labs_that_are_made_side_by_side_share_no_port(folder: Path, choices: dict[str, Any]) -> None:
    """Two hosts of one play with the same ports: one becomes a lab, the other is told whose they are."""
    inventory = folder / "hosts.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {name: {**host, "lab_directory": str(folder / "labs" / name)} for name in ("ana", "beto")}
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    del choices["lab_directory"]
    playbook = ("-i", str(inventory), "--limit", "ana,beto")
    code, output = play(folder, choices, *playbook)
    assert code == 2, output
    assert "Traceback" not in output
    assert re.search(r"port 24500 .*belongs to the lab (ana|beto)", output)
    assert len(list((folder / "labs").glob("*/lab.json"))) == 1
