"""What a person at a lab reads of a run, by the callback of ansible.cfg, in real runs of ansible-playbook."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.labs import Run, run_playbook

PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
"""


def run(place: Path, tasks: str, *arguments: str) -> Run:
    """Run tasks on this machine."""
    playbook = place / "play.yml"
    playbook.write_text(PLAY + "\n".join(f"    {line}" for line in tasks.splitlines()), encoding="utf-8")
    interpreter = "ansible_python_interpreter={{ ansible_playbook_python }}"
    return run_playbook("-i", "ana,", "-c", "local", "-e", interpreter, str(playbook), *arguments)


def said(run: Run) -> list[str]:
    """What it printed above the recap."""
    return [line.rstrip() for line in run.stdout.split("\nPLAY RECAP")[0].splitlines() if line.strip()]


def test_a_change_is_a_line_and_a_page_is_itself(tmp_path: Path) -> None:
    """What was fine already is no news."""
    done = run(
        tmp_path,
        """\
- name: Look
  ansible.builtin.command: "true"
  changed_when: false
- name: Turn it
  ansible.builtin.command: "true"
  changed_when: true
- name: Say it
  ansible.builtin.debug:
    msg: |-
      The lab is ready.
        node  role
- name: Judge it
  ansible.builtin.assert:
    that: true
    success_msg: 2 of 2
""",
    )
    assert done.rc == 0
    assert said(done) == ["changed  ana: Turn it", "The lab is ready.", "  node  role", "2 of 2"]
    assert done.recap["ana"]["changed"] == 1


@pytest.mark.parametrize(
    ("task", "lines"),
    [
        (
            '- name: Try\n  ansible.builtin.command: sh -c "echo hola; echo mal >&2; exit 3"',
            ["  non-zero return code", "  stderr:", "    mal", "  stdout:", "    hola"],
        ),
        (
            '- name: Try\n  ansible.builtin.command: "{{ item }}"\n  loop: ["true", "sh -c \'echo mal >&2; exit 3\'"]',
            ["  non-zero return code", "  stderr:", "    mal"],
        ),
        (
            "- name: Try\n  ansible.builtin.fail:\n    msg: |-\n      It is so.\n        as/it/is",
            ["  It is so.", "    as/it/is"],
        ),
        (
            "- name: Secret\n  no_log: true\n  ansible.builtin.fail:\n    msg: hunter2",
            ["  the output has been hidden due to the fact that 'no_log: true' was specified for this result"],
        ),
    ],
    ids=["command", "one item of a loop", "message of several lines", "secret"],
)
def test_a_failure_is_said_once(tmp_path: Path, task: str, lines: list[str]) -> None:
    """With where it happened, what was wrong, and a program's last words."""
    done = run(tmp_path, task)
    assert done.rc == 2
    assert said(done)[0].startswith("FAILED   ana: ")
    assert said(done)[1:] == lines
    assert not done.stderr


def test_a_warning_is_shown_though_nothing_changed(tmp_path: Path) -> None:
    """A module has its reasons to warn."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "warns.py").write_text(
        "from ansible.module_utils.basic import AnsibleModule\n"
        "module = AnsibleModule({})\nmodule.warn('The profile has other settings.')\nmodule.exit_json(changed=False)\n",
        encoding="utf-8",
    )
    done = run(tmp_path, "- name: Look\n  warns:")
    assert "[WARNING]: The profile has other settings." in done.stderr
    assert said(done) == []


def test_a_rescue_speaks_for_its_block(tmp_path: Path) -> None:
    """It gives the cause: the task that failed would only say it worse."""
    done = run(
        tmp_path,
        """\
- name: Try
  block:
    - name: Reach it
      ansible.builtin.fail:
        msg: no answer
  rescue:
    - name: Say why
      ansible.builtin.fail:
        msg: The image cannot be pulled.
""",
    )
    assert said(done) == ["FAILED   ana: Say why", "  The image cannot be pulled."]


def test_a_rescue_speaks_for_what_its_block_includes_and_includes_what_it_says(tmp_path: Path) -> None:
    """Neither the task that failed in a file of its own nor the block's other tasks say it a second time."""
    (tmp_path / "work.yml").write_text(
        "- name: Reach it\n  ansible.builtin.fail:\n    msg: no answer\n", encoding="utf-8"
    )
    (tmp_path / "stop.yml").write_text(
        "- name: Look\n  ansible.builtin.command: 'true'\n  changed_when: false\n"
        '- name: Say why\n  ansible.builtin.fail:\n    msg: "{{ words }}: the image cannot be pulled."\n',
        encoding="utf-8",
    )
    done = run(
        tmp_path,
        f"""\
- name: Try
  block:
    - name: Do the work
      ansible.builtin.include_tasks: {tmp_path}/work.yml
  rescue:
    - name: Stop
      ansible.builtin.include_tasks: {tmp_path}/stop.yml
      vars:
        words: "{{{{ ansible_failed_task['name'] }}}}, {{{{ ansible_failed_result['msg'] }}}}"
""",
    )
    assert said(done) == ["FAILED   ana: Say why", "  Reach it, no answer: the image cannot be pulled."]


def test_an_unreachable_machine_is_said(tmp_path: Path) -> None:
    """A class has machines that are switched off."""
    done = run(
        tmp_path, "- name: Look\n  ansible.builtin.ping:", "-c", "ssh", "-e", "ansible_host=127.0.0.1 ansible_port=9"
    )
    assert done.rc == 4
    assert said(done)[0] == "UNREACHABLE ana: Look"
    assert "Connection refused" in done.stdout


def test_verbose_is_ansibles_own(tmp_path: Path) -> None:
    """Whoever asks for more gets all of it."""
    done = run(tmp_path, "- name: Look\n  ansible.builtin.ping:", "-v")
    assert "TASK [Look]" in done.stdout
    assert "ok: [ana]" in done.stdout


@pytest.mark.parametrize("loop", ["", "  loop: [1]\n"])
@pytest.mark.parametrize("verbosity", ["-v", "-vvv"])
def test_the_error_of_a_task_that_hides_its_result_is_hidden(tmp_path: Path, verbosity: str, loop: str) -> None:
    """Ansible would show it beside the censored result."""
    task = "- name: Hide it\n  ansible.builtin.fail:\n    msg: \"{{ 's3' ~ 'cret' }}\"\n"
    shown = run(tmp_path, f"{task}{loop}", verbosity)
    assert "s3cret" in shown.stdout + shown.stderr
    hidden = run(tmp_path, f"{task}{loop}  no_log: true\n", verbosity)
    assert hidden.rc == 2
    assert "s3cret" not in hidden.stdout + hidden.stderr
