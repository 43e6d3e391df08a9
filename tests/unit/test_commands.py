"""The commands that pages and remedies print, as a shell takes them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import (
    Invocation,
    choose,
    command,
    parse_invocation,
    psql,
    quoted,
    remote_command,
    tunnel,
)
from support.labs import ROOT, run_playbook
from support.remedies import texts

CHECKOUT = Invocation(checkout="/hc")
ELSEWHERE = Invocation(checkout="/my hc", here=False)
INSTALLED = Invocation()
VM = Invocation(machine="vm", ssh=("ssh", "-p", "2222", "ana@10.0.0.7"))
LAB = {"name": "lab", "listed": True, "directory": "/d/mi lab"}


@pytest.mark.parametrize(
    ("invocation", "verb", "printed"),
    [
        (CHECKOUT, "stop", "make stop"),
        (ELSEWHERE, "stop", "make -C '/my hc' stop"),
        (INSTALLED, "stop", "ansible-playbook aula.historia_clinica.stop"),
        (INSTALLED, "lab", "ansible-playbook aula.historia_clinica.site"),
        (Invocation(values={"lab_name": "x"}), "stop", "ansible-playbook aula.historia_clinica.stop -e lab_name=x"),
        # LAB names a host of the inventory; in the Makefile's own, a lab that no host is called after.
        (Invocation("/hc", values={"lab_name": "x"}), "stop", "make stop LAB=x"),
        (Invocation("/hc", inventory=("i",), host="ana"), "stop", "make stop INVENTORY=i LAB=ana"),
        (Invocation("/hc", host="ana"), "stop", "make stop LAB=ana"),
        (Invocation("/hc", inventory=("i",), values={"lab_name": "x"}), "stop", "make stop INVENTORY=i ARGS='-e lab_name=x'"),
        (Invocation("/hc", inventory=("i", "j")), "stop", "make stop INVENTORY=i ARGS='-i j'"),
        (Invocation(inventory=("a b", "j"), host="ana"), "stop", "ansible-playbook aula.historia_clinica.stop -i 'a b' -i j --limit ana"),
        # A class is reached by its list.
        (Invocation("/hc", inventory=("inventories/classroom",), host="ana", values={"lab_roster": "/mi lista.csv"}), "stop", "make stop LAB=ana ROSTER='/mi lista.csv'"),
        (Invocation("/hc", inventory=("mine",), host="ana", values={"lab_roster": "/r.csv"}), "stop", "make stop INVENTORY=mine LAB=ana ROSTER=/r.csv"),
        (Invocation(inventory=("i",), host="ana", values={"lab_roster": "/r.csv"}), "stop", "ansible-playbook aula.historia_clinica.stop -i i --limit ana -e lab_roster=/r.csv"),
        # Who makes a lab says all again; who finds it, what it is found by.
        (Invocation("/hc", values={"lab_workers": "3"}), "lab", "make lab ARGS='-e lab_workers=3'"),
        (Invocation("/hc", values={"lab_workers": 3}), "stop", "make stop"),
        (Invocation("/hc", values={"runtime_directory": "/r"}), "stop", "make stop ARGS='-e runtime_directory=/r'"),
        (Invocation("/hc", options=("-u", "ana", "-K")), "stop", "make stop ARGS='-u ana -K'"),
        (
            Invocation("/hc", values={"lab_directory": "/mi lab"}),
            "lab",
            """make lab ARGS="-e '{lab_directory: /mi lab}'\"""",
        ),
        (
            Invocation(values={"lab_directory": "/mi lab"}),
            "lab",
            "ansible-playbook aula.historia_clinica.site -e '{lab_directory: /mi lab}'",
        ),
    ],
)  # fmt: skip
def test_a_command_names_what_it_needs(invocation: Invocation, verb: str, printed: str) -> None:
    """And no more."""
    assert command(invocation, verb) == printed


def test_a_choice_is_made_where_the_inventory_makes_it() -> None:
    """Else the next run would contradict it; a choice that was made on the command line is replaced, or left out."""
    invocation = Invocation("/hc", inventory=("i",), host="ana", values={"lab_workers": "x"}, settled=("lab_api_port",))
    assert choose(invocation, "lab", {"lab_workers": 2}) == "make lab INVENTORY=i LAB=ana ARGS='-e lab_workers=2'"
    assert choose(invocation, "lab", {"lab_api_port": 8081}, ("lab_workers",)) == (
        "set lab_api_port: 8081 for ana in the inventory, then: make lab INVENTORY=i LAB=ana"
    )
    assert command(invocation, "lab", ("lab_workers",)) == "make lab INVENTORY=i LAB=ana"


@pytest.mark.parametrize(
    ("invocation", "lab", "printed"),
    [
        (CHECKOUT, {}, "make psql ARGS=\"-c 'SELECT 1'\""),
        (CHECKOUT, {"name": "ana"}, "make psql LAB=ana ARGS=\"-c 'SELECT 1'\""),
        (CHECKOUT, {"listed": False}, "'/d/mi lab/bin/psql' -c 'SELECT 1'"),
        (INSTALLED, {}, "'/d/mi lab/bin/psql' -c 'SELECT 1'"),
        (Invocation("/hc", sudo=("sudo",)), {}, "sudo '/d/mi lab/bin/psql' -c 'SELECT 1'"),
        (VM, {"directory": "/d"}, "ssh -p 2222 ana@10.0.0.7 \"/d/bin/psql -c 'SELECT 1'\""),
    ],
)
def test_psql_is_the_labs_own_where_make_does_not_find_it(
    invocation: Invocation, lab: dict[str, Any], printed: str
) -> None:
    """`make psql` looks at the labs of whoever types it, on this machine."""
    assert shlex.split(psql(invocation, {**LAB, **lab}, "SELECT 1")) == shlex.split(printed)


def test_what_is_typed_on_another_machine_goes_through_ssh() -> None:
    """With the rights of who made the lab; a tunnel brings its ports."""
    assert remote_command(CHECKOUT, "kill 7") == "kill 7"
    assert remote_command(Invocation(sudo=("sudo", "-u", "ana")), "kill 7") == "sudo -u ana kill 7"
    assert remote_command(VM, "ls -l '/a b'") == """ssh -p 2222 ana@10.0.0.7 "ls -l '/a b'\""""
    assert psql(VM, LAB).startswith("ssh -t -p 2222 ana@10.0.0.7 ")
    assert tunnel(VM, [8080]) == "ssh -N -L 8080:127.0.0.1:8080 -p 2222 ana@10.0.0.7"
    assert tunnel(CHECKOUT, [8080]) == ""


@pytest.mark.parametrize("text", ["", "a b", "it's", 'say "so"', 'it\'s "so"', "$HOME isn't", "a\\b's", "`id`'s", "ñ"])
def test_a_shell_takes_a_quoted_word_as_it_was(text: str) -> None:
    """Whatever is in it."""
    done = subprocess.run(["bash", "-c", f"printf %s {quoted(text)}"], capture_output=True, text=True, check=True)
    assert done.stdout == text


VERBS = "lab|preflight|status|diagnose|verify|psql|token|stop|start|autostart|teardown|reset"
TEXTS = [
    path
    for place in ("plugins", "roles", "files/programs")
    for path in (ROOT / place).rglob("*")
    if path.suffix in (".py", ".sql", ".yml")
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_else_spells_a_command(path: Path) -> None:
    """A text for a person that says `make` is wrong wherever there is no Makefile, or another lab is meant."""
    spelled = re.compile(rf"(?<![`(])\bmake ({VERBS})\b(?! it| the| a )")
    found = [text for text in texts(path) if spelled.search(text)]
    assert found == []


# --- The lookup, in real runs of ansible-playbook ---------------------------------------------------------------------

Found = Callable[..., Invocation]


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """What the lookup finds out for a host, with an inventory and words for ansible-playbook."""
    tasks = [{"debug": {"msg": "{{ lookup('aula.historia_clinica.invocation') | to_json }}"}}]
    hosts = "{{ groups['all'] | default(['localhost'], true) }}"
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": hosts, "gather_facts": False, "tasks": tasks}]))

    def find(inventory: dict[str, Any] | None, *words: str, host: str = "lab") -> Invocation:
        if inventory is not None:
            (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": inventory}}))
            words = ("-i", str(tmp_path / "hosts.yml"), *words)
        run = run_playbook(
            str(tmp_path / "play.yml"), *words, environment={"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
        )
        assert run.rc == 0, run.stdout + run.stderr
        result = json.loads(run.stdout[run.stdout.index("{") :])
        return parse_invocation(json.loads(result["plays"][0]["tasks"][0]["hosts"][host]["msg"]))

    return find


HERE = {"ansible_connection": "local"}


def test_the_checkouts_own_inventory_needs_no_name(found: Found) -> None:
    """Only what was given with -e, and never a secret of it."""
    invocation = found(None, "-e", "lab_name=x", "-e", "lab_password=s", "-e", "other=1")
    assert invocation == Invocation(checkout=str(ROOT), values={"lab_name": "x"})


def test_an_inventory_of_several_hosts_needs_both_names(found: Found, tmp_path: Path) -> None:
    """Its choices are its own; values of a form that Ansible has marked come through as they were typed."""
    hosts = {"ana": {**HERE, "lab_api_port": 8081}, "lab": HERE}
    invocation = found(hosts, "-e", '{"lab_workers": 3, "minikube_addons": ["a"]}', "-l", "ana", host="ana")
    assert (invocation.inventory, invocation.host, invocation.settled) == (
        (str(tmp_path / "hosts.yml"),),
        "ana",
        ("lab_api_port",),
    )
    assert invocation.values == {"lab_workers": 3, "minikube_addons": ["a"]}


def test_a_value_that_a_command_repeats_is_the_one_that_was_given(found: Found) -> None:
    """Whatever is in it; a number becomes text, as every choice may be."""
    values = {
        f"lab_{number}": value
        for number, value in enumerate(
            [
                "a b",
                "/mi lab",
                "/mi lab/é",
                "it's",
                'a"b',
                "a\\b",
                "/a: b",
                "/a #b",
                "k=v",
                "é",
                True,
                ["a", "b c"],
                {"a": 1},
            ]
        )
    }
    words = shlex.split(command(Invocation(values=values), "lab"))[2:]
    assert found(None, *words).values == values
    arguments = command(Invocation("/hc", values=values), "lab").partition("ARGS=")[2]
    assert found(None, *shlex.split(shlex.split(arguments)[0])).values == values


@pytest.mark.parametrize(
    ("host", "words", "machine", "ssh", "sudo"),
    [
        (HERE, (), "", (), ()),
        (HERE, ("-b",), "", (), ("sudo",)),
        ({"ansible_host": "10.0.0.7"}, (), "lab", ("ssh", "10.0.0.7"), ()),
        (
            {"ansible_port": "{{ 2200 + 22 }}", "ansible_user": "ana", "ansible_ssh_private_key_file": "/k y"},
            ("--private-key", "/other"),
            "lab",
            ("ssh", "-p", "2222", "-i", "/k y", "ana@lab"),
            (),
        ),
        ({"ansible_become": True, "ansible_become_user": "ana"}, ("-u", "beto"), "lab", ("ssh", "beto@lab"), ("sudo", "-u", "ana")),
        ({"ansible_connection": "community.docker.docker"}, (), "lab", (), ()),
    ],
)  # fmt: skip
def test_a_host_is_reached_as_ansible_reaches_it(
    found: Found,
    host: dict[str, Any],
    words: tuple[str, ...],
    machine: str,
    ssh: tuple[str, ...],
    sudo: tuple[str, ...],
) -> None:
    """Nobody is called: the lookup only reads."""
    invocation = found({"lab": host}, *words)
    assert (invocation.machine, invocation.ssh, invocation.sudo) == (machine, ssh, sudo)
    assert invocation.options == tuple(words)


def test_a_way_goes_through_ansible_unchanged() -> None:
    """Which knows lists only."""
    invocation = Invocation("/hc", inventory=("i",), values={"a": [1]}, ssh=("ssh", "vm"))
    assert parse_invocation(json.loads(json.dumps(asdict(invocation)))) == invocation
