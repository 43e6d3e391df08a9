"""What a teacher reads of `make class`: live lines, and one table, in real runs of ansible-playbook."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.classroom import (
    Progress,
    class_page,
    live_lines,
    plain_line,
)
from support.labs import ROOT, Run, run_playbook

FACTS = "{lab: {database_port: '{{ 16000 + 20 * n }}', api_port: '{{ 16019 + 20 * n }}', workers: 2}}"
PLAY = f"""\
- hosts: all
  gather_facts: false
  tasks:
    - name: Look
      ansible.builtin.set_fact: {FACTS}
    - name: Decide
      block:
        - name: Try
          ansible.builtin.command: "false"
          when: inventory_hostname == 'beto'
      rescue:
        - name: Explain
          ansible.builtin.fail:
            msg: |-
              No room for it.
              Make some.
    - name: Change
      ansible.builtin.command: "true"
      changed_when: inventory_hostname == 'ana'
    - name: List the changes that are left in place
      ansible.builtin.debug: {{msg: [Rows lie in it.]}}
      when: inventory_hostname != 'beto'
      tags: [left]
    - name: Show the summary
      ansible.builtin.debug: {{msg: the whole page}}
      tags: [summary]
"""
INVENTORY = """\
all:
  hosts:
    ana: {student_name: Ana Soto, n: 0}
    beto: {student_name: Beto Núñez, n: 1}
    carla: {n: 2}
  vars: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""
CALLBACK = {
    "ANSIBLE_STDOUT_CALLBACK": "aula.historia_clinica.classroom",
    "ANSIBLE_STRATEGY": "ansible.builtin.host_pinned",
}


@pytest.fixture
def play(tmp_path: Path) -> tuple[str, ...]:
    """The arguments of a play in which one student's lab fails."""
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    (tmp_path / "hosts.yml").write_text(INVENTORY, encoding="utf-8")
    return ("-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml"))


def squeezed(run: Run) -> list[str]:
    """The lines, blanks as one, seconds as N."""
    return [re.sub(r"\d+( s|$)", r"N\1", " ".join(line.split())) for line in run.stdout.splitlines()]


def test_where_nobody_looks_each_student_is_a_line_and_then_a_row(play: tuple[str, ...]) -> None:
    """Who failed is told with what to do, and stops nobody else; what is left as it is in several labs is said once."""
    run = run_playbook(*play, environment=CALLBACK)
    assert run.rc == 2
    lines = squeezed(run)
    assert sorted(lines[:3]) == ["ana: up N s", "beto: FAILED Explain: No room for it.", "carla: up N s"]
    assert lines[3:] == [
        "student lab state database API workers changed seconds",
        "Ana Soto ana up 16000 16019 2 1 N",
        "Beto Núñez beto failed 16020 16039 2 0 N",
        "carla carla up 16040 16059 2 0 N",
        "",
        "FAILED beto (Beto Núñez): Explain",
        "No room for it.",
        "Make some.",
        "",
        "LEFT ana, carla",
        "Rows lie in it.",
        "",
        "2 of 3 labs are up, 1 failed; changed=1; N s.",
    ]


def test_a_terminal_has_a_line_for_each_student(play: tuple[str, ...]) -> None:
    """Which is drawn over; at its end stands the same table."""
    leader, follower = pty.openpty()
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    environment = {
        **os.environ,
        **CALLBACK,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "LINES": "24",
        "COLUMNS": "80",
    }
    with subprocess.Popen([program, *play], cwd=ROOT, env=environment, stdout=follower, stderr=follower) as process:
        os.close(follower)
        said = b""
        try:
            while part := os.read(leader, 4096):
                said += part
        except OSError:  # how a terminal says that nobody is there any more
            pass
    os.close(leader)
    assert process.returncode == 2
    drawn, _wiped, table = said.decode().rpartition("\x1b[J")
    assert re.search(r"\x1b\[3F\x1b\[J", said.decode())
    assert re.search(r"^beto +FAILED +Explain: No room for it\.\r$", drawn, re.MULTILINE)
    assert "the whole page" not in said.decode()
    assert "2 of 3 labs are up, 1 failed" in table


def test_v_shows_everything(play: tuple[str, ...]) -> None:
    """As Ansible shows it by itself."""
    run = run_playbook(*play, "-v", environment=CALLBACK)
    assert "TASK [Change]" in run.stdout
    assert run.recap["beto"]["failed"] == 1


def test_a_class_without_room_on_the_terminal_is_one_line() -> None:
    """With how many are up."""
    students = [Progress(f"e{number}", task="Run the servers", seconds=3.0 if number else None) for number in range(30)]
    assert live_lines(students, 79, 24) == ["29 of 30 labs are up ... Run the servers"]
    assert len(live_lines(students, 79, 40)) == 30


def test_a_lab_is_told_once() -> None:
    """The clock stops with what comes first."""
    student = Progress("ana", started=10.0)
    assert student.finish(15.0)
    assert not student.finish(99.0)
    assert plain_line(student) == "ana: up        5 s"
    assert "1 of 1 labs are up; changed=0; 1 min 30 s." in class_page([student], 90)
