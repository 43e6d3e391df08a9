"""A class as Ansible's own inventory manager reads it, with this project's configuration."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.numbering import Machine, enrol
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.table import read_table
from support.labs import ROOT, run_playbook

LIST = "Código;Nombre;Correo;Grupo\n1;Ana Soto;ana@uni.edu;Grupo 1\n2;Beto Núñez;beto@uni.edu;Grupo 2\n"
NUMBERS = "roster.numbers.json"


@pytest.fixture
def classroom(tmp_path: Path) -> Path:
    """The project's inventory of a class, as it is without a list, in a folder of one's own."""
    folder = tmp_path / "classroom"
    kept = shutil.ignore_patterns("roster.csv", "*.numbers.json")
    return Path(shutil.copytree(ROOT / "inventories/classroom", folder, ignore=kept))


def inventory(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ansible-inventory, which has all that ansible-playbook has."""
    program = Path(sys.executable).with_name("ansible-inventory")
    return subprocess.run(
        [program, "--list", "-e", "runtime_directory=/nowhere/runtime", *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def hosts(*arguments: str | Path) -> dict[str, dict[str, Any]]:
    """The variables of each host."""
    done = inventory(*arguments)
    assert done.returncode == 0, done.stderr
    known: dict[str, dict[str, Any]] = json.loads(done.stdout)["_meta"]["hostvars"]
    return known


def test_a_class_without_a_list_is_the_example(classroom: Path) -> None:
    """Nobody real; it is there to be tried."""
    known = hosts("-i", classroom)
    assert len(known) == 3
    assert all(each["student_email"]["__ansible_unsafe"].endswith(".example") for each in known.values())
    assert [path.name for path in classroom.glob("*.json")] == ["roster.example.numbers.json"]
    assert (classroom / "roster.example.csv").stat().st_mode & 0o044


def test_each_student_is_a_host_with_ports_and_a_section(classroom: Path) -> None:
    """In the order of the list, which only its owner reads from then on, as the numbers beside it."""
    roster = classroom / "roster.csv"
    roster.write_bytes(LIST.encode("cp1252"))
    roster.chmod(0o644)
    done = inventory("-i", classroom)
    groups = json.loads(done.stdout)
    known = groups["_meta"]["hostvars"]
    assert {name: (each["lab_database_port"], each["lab_api_port"]) for name, each in known.items()} == {
        "ana-soto": (16000, 16019),
        "beto-nunez": (16020, 16039),
    }
    assert groups["grupo_2"] == {"hosts": ["beto-nunez"]}
    assert {name: each["clinical_schema_seed"] for name, each in known.items()} == {"ana-soto": 1, "beto-nunez": 2}
    assert known["beto-nunez"]["ansible_connection"] == "local"
    assert known["beto-nunez"]["student_name"] == {"__ansible_unsafe": "Beto Núñez"}
    assert "only its owner reads it now" in done.stderr
    assert [stat.S_IMODE((classroom / name).stat().st_mode) for name in ("roster.csv", NUMBERS)] == [0o600, 0o600]
    assert inventory("-i", classroom).stderr == ""


def test_a_list_anywhere_is_a_class_with_its_own_numbers(classroom: Path, tmp_path: Path) -> None:
    """As `make class ROSTER=...` names it; settings are those of roster.yml."""
    roster = tmp_path / "grupo 7.csv"
    roster.write_text(LIST.replace("Nombre", "Inscrito"), encoding="utf-8")
    with (classroom / "roster.yml").open("a", encoding="utf-8") as settings:
        settings.write("columns: {name: inscrito}\n")
    (classroom / "roster.yml").write_text(
        (classroom / "roster.yml").read_text().replace("target: auto", "target: host").replace("16000", "20000")
    )
    known = hosts("-i", classroom, "-e", json.dumps({"lab_roster": str(roster)}))
    assert {name: (each["lab_database_port"], each["lab_target"]) for name, each in known.items()} == {
        "ana-soto": (20000, "host"),
        "beto-nunez": (20020, "host"),
    }
    assert (tmp_path / "grupo 7.numbers.json").exists()


def test_a_wrong_list_ends_the_run_in_one_message(classroom: Path) -> None:
    """Also beside a second inventory, with which Ansible would go on; nothing is kept of it."""
    (classroom / "roster.csv").write_text(f"{LIST}\n;Carla;;\n2;Dora;d@uni.edu;\n", encoding="utf-8")
    for more in ([], ["-i", "other,"]):
        done = run_playbook("-i", str(classroom), *more, "playbooks/status.yml")
        assert done.rc == 1
        assert done.stdout == ""
        assert done.stderr.splitlines() == [
            f"2 things are wrong in {classroom}/roster.csv; nothing was changed:",
            "  line 5 has no code and no e-mail",
            "  line 6 has the code 2, as line 3 has",
        ]
    assert not (classroom / NUMBERS).exists()


#: What is done to a class, and what is said: the next case is an entry.
BROKEN = {
    "a list that is not there": (
        "rm roster.csv; sed -i 's/^target.*/file: mine.csv/' roster.yml",
        "there is no list of students .*mine.csv",
    ),
    "numbers that say something else": (f"echo '{{}}' > {NUMBERS}", f"cannot be read from .*{NUMBERS}"),
    "a column that means nothing": ("echo 'columns: {nombre: x}' >> roster.yml", "names nombre; there are: code, name"),
    "a port of the system's": ("sed -i 's/16000/80/' roster.yml", "first_port of roster.yml is 80"),
}


@pytest.mark.parametrize(("change", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_class_is_told(classroom: Path, change: str, said: str) -> None:
    """In a sentence."""
    (classroom / "roster.csv").write_text(LIST, encoding="utf-8")
    subprocess.run(["bash", "-c", change], cwd=classroom, check=True)
    done = inventory("-i", classroom)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert re.search(said, done.stderr), done.stderr


def test_who_left_is_named_as_long_as_the_lab_is_there(classroom: Path, tmp_path: Path) -> None:
    """It stays until somebody removes it."""
    (classroom / "roster.csv").write_text(LIST, encoding="utf-8")
    runtime = ["-e", f"runtime_directory={tmp_path}/runtime"]
    assert list(hosts("-i", classroom, *runtime)) == ["ana-soto", "beto-nunez"]
    (classroom / "roster.csv").write_text("".join(LIST.splitlines(keepends=True)[:2]), encoding="utf-8")
    lab = tmp_path / "labs/beto-nunez"
    lab.mkdir(parents=True)
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry/beto-nunez").symlink_to(lab)
    done = inventory("-i", classroom, *runtime)
    assert list(json.loads(done.stdout)["_meta"]["hostvars"]) == ["ana-soto"]
    said = " ".join(done.stderr.split())
    assert (
        "no longer in roster.csv, with a lab that stays until it is removed: Beto Núñez (make teardown LAB=beto-nunez"
        in said
    )
    lab.rmdir()
    assert inventory("-i", classroom, *runtime).stderr == ""


def test_a_check_keeps_nothing(classroom: Path) -> None:
    """It says what would be."""
    roster = classroom / "roster.csv"
    roster.write_text(LIST, encoding="utf-8")
    roster.chmod(0o644)
    play = classroom.parent / "play.yml"
    play.write_text(
        "- hosts: all\n  gather_facts: false\n  tasks: [{ansible.builtin.debug: {msg: '{{ lab_api_port }}'}}]\n"
    )
    done = run_playbook("-i", str(classroom), str(play), "--check")
    assert done.rc == 0, done.stderr
    assert {"16019", "16039"} <= set(done.stdout.split())
    assert not (classroom / NUMBERS).exists()
    assert stat.S_IMODE(roster.stat().st_mode) == 0o644


def test_a_thousand_rows_are_read_within_a_second() -> None:
    """And numbered; with an eye on whatever grows faster than the list."""
    lines = [f"{20260000 + i};José Núñez {i};e{i}@uni.edu;Grupo {i % 30}" for i in range(1000)]
    content = "\n".join(["Código;Nombre;Correo;Grupo", *lines]).encode("cp1252")
    started = time.perf_counter()
    rows, problems = read_table(content)
    group, more = enrol(rows, [], Machine(outgoing=range(32768, 61000)))
    again, _none = enrol(rows, group.kept, Machine(outgoing=range(32768, 61000)))
    assert time.perf_counter() - started < 1
    assert (len(group.students), problems, more, again.kept == group.kept) == (1000, [], [], True)
