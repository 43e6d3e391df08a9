"""The words of the Makefile: each is listed, and what is typed after it arrives as it was typed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from support.labs import ROOT

#: What is typed for ARGS, as make gets it, and the words that a command gets: the next case is a line.
TYPED = [
    ("", []),
    ("-e lab_workers=3  -v", ["-e", "lab_workers=3", "-v"]),
    ('-c "select $$a$$"', ["-c", "select $$a$$"]),
    ("-c 'select $1, $${x}, $(HOME), $HOME'", ["-c", "select $1, $${x}, $(HOME), $HOME"]),
    ("-v x=$y -c \"select :'x'\"", ["-v", "x=$y", "-c", "select :'x'"]),
    ('-c "select 1 # 2" -c "`id` $(id) !!"', ["-c", "select 1 # 2", "-c", "`id` $(id) !!"]),
    (r'-c "\d pacientes" -c "\\x"', ["-c", r"\d pacientes", "-c", r"\x"]),
    ('-e \'{"a": "b c"}\'', ["-e", '{"a": "b c"}']),
    ("-c 'select 1;\nselect $2'", ["-c", "select 1;\nselect $2"]),
    ("~/x *.yml && touch $$x; true | cat > y", ["~/x", "*.yml", "&&", "touch", "$$x;", "true", "|", "cat", ">", "y"]),
    ("-e nombre='Ana María'", ["-e", "nombre=Ana María"]),
]
SHOW = "import json, sys; print(json.dumps([sys.argv[4:], *sys.argv[1:4]]))"


def make(tmp_path: Path, rules: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make with the project's Makefile and more rules."""
    more = tmp_path / "more.mk"
    more.write_text(rules, encoding="utf-8")
    return subprocess.run(
        ["make", "--no-print-directory", "-f", "Makefile", "-f", str(more), *arguments],
        cwd=ROOT,
        env={**{name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("typed", [pytest.param(case, id=case[0]) for case in TYPED])
@pytest.mark.parametrize("how", ["after the word", "before make"])
def test_what_is_typed_arrives_as_it_was_typed(tmp_path: Path, typed: tuple[str, list[str]], how: str) -> None:
    """Dollars, backquotes, signs of the shell's; in make's own variables, too."""
    given = {"ARGS": typed[0], "INVENTORY": "José's $HOME/$$x", "LAB": "$1", "USUARIO": '1"2'}
    rules = f'show:\n\t@$(typed) python3 -c "{SHOW}" "$$INVENTORY" "$$LAB" "$$USUARIO"\n'
    if how == "before make":
        done = make(tmp_path, rules, "show", **given)
    else:
        done = make(tmp_path, rules, "show", *(f"{name}={value}" for name, value in given.items()))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [typed[1], *[given[name] for name in ("INVENTORY", "LAB", "USUARIO")]]


#: What is typed for ARGS, and the value that a playbook has of `x`, beside `lab_workers`, which is "3": the next case is a line.
VALUES = [
    ('-e x="/mi lab"', "/mi lab"),
    ("-e x=/mi\\ lab", "/mi lab"),
    ("--extra-vars=x='a  b=c'", "a  b=c"),
    ('-ex="it\'s $1"', "it's $1"),
    ("-e x='a\\tb'", "a\\tb"),
    ('-e \'{"x": "a b"}\'', "a b"),
    ("-e '{x: /mi lab}'", "/mi lab"),
    ("-e \"x='a b'\"", "a b"),
    ('-e "y=1 x=2"', "2"),
]


@pytest.mark.parametrize(
    ("typed", "value"),
    [pytest.param(*case, marks=[] if case is VALUES[0] else pytest.mark.long, id=case[0]) for case in VALUES],
)
def test_what_is_typed_for_a_variable_arrives_as_it_was_typed(tmp_path: Path, typed: str, value: str) -> None:
    """Ansible takes it apart no more, unless it was written for that."""
    seen = playbook(tmp_path, "[x, lab_workers]")
    rules = f"show:\n\t@$(typed) ansible-playbook -i localhost, {tmp_path}/play.yml\n"
    done = make(tmp_path, rules, "show", f"ARGS={typed} -e lab_workers=3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(seen.read_text(encoding="utf-8")) == [value, "3"]


def test_a_word_of_its_own_arrives_as_it_was_typed(tmp_path: Path) -> None:
    """`make dump FILE=...`: one word, with blanks and quotes."""
    seen = playbook(tmp_path, "[clinical_schema_dump_file, clinical_schema_login]")
    rules = f"show:\n\t@$(call play,{os.path.relpath(tmp_path, ROOT / 'playbooks')}/play)\n"
    done = make(tmp_path, rules, "show", "INVENTORY=localhost,", "FILE=mi copia $1.sql", "LOGIN=o'neil")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(seen.read_text(encoding="utf-8")) == [f"{ROOT}/mi copia $1.sql", "o'neil"]


def test_a_list_of_students_is_named_from_where_one_is(tmp_path: Path) -> None:
    """`ROSTER=...`: from this folder, whatever the inventory's."""
    seen = playbook(tmp_path, "[lab_roster]")
    rules = f"show:\n\t@$(call play,{os.path.relpath(tmp_path, ROOT / 'playbooks')}/play)\n"
    done = make(tmp_path, rules, "show", "INVENTORY=localhost,", "ROSTER=mi lista $1.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(seen.read_text(encoding="utf-8")) == [f"{ROOT}/mi lista $1.csv"]


@pytest.mark.parametrize(
    ("given", "inventory"),
    [
        ({}, "inventories/lab"),
        ({"ROSTER": "r.csv"}, "inventories/classroom"),
        ({"ROSTER": "r.csv", "INVENTORY": "mine"}, "mine"),
        ({"INVENTORY": "mine"}, "mine"),
    ],
)
def test_a_list_of_students_is_a_class(tmp_path: Path, given: dict[str, str], inventory: str) -> None:
    """Whose inventory is another one than a single lab's."""
    done = make(tmp_path, "show:\n\t@echo $$INVENTORY\n", "show", *(f"{name}={value}" for name, value in given.items()))
    assert done.stdout.strip() == inventory, done.stderr


@pytest.mark.parametrize("own", ["", "/srv/wheels,https://mirror.example/wheels"])
@pytest.mark.parametrize("folder", [str(ROOT), "/home/ana/Clase #1, 100 % (¿listo?)/historia-clinica"])
def test_uv_looks_first_where_a_bundle_is_opened(tmp_path: Path, folder: str, own: str) -> None:
    """Whatever the folder is called, as uv takes a comma for the end of a place; then where a person says."""
    rules = "show:\n\t@echo $$UV_FIND_LINKS\n"
    words = ["show", "BUNDLE=stick.zip", f"CURDIR={folder}", f"PYTHON={sys.executable}"]
    done = make(tmp_path, rules, *words, **({"UV_FIND_LINKS": own} if own else {}))
    first, _, others = done.stdout.strip().partition(",")
    place = urllib.parse.urlsplit(first)
    assert (place.scheme, place.query, place.fragment, others) == ("file", "", "", own), done.stderr
    assert urllib.parse.unquote(place.path) == f"{folder}/.cache/wheels"


def test_what_is_typed_for_ansible_is_not_for_the_bundle(tmp_path: Path) -> None:
    """It is opened before there is an Ansible."""
    done = make(
        tmp_path, "", ".cache/wheels", "BUNDLE=/no such/stick.zip", "ARGS=--limit ana", f"PYTHON={sys.executable}"
    )
    assert done.stderr.startswith("BUNDLE=/no such/stick.zip: there is no such file."), done.stderr


def playbook(folder: Path, values: str) -> Path:
    """Write a playbook that writes what values it has, and say where."""
    seen = folder / "seen.json"
    task = {"ansible.builtin.copy": {"content": f"{{{{ {values} | to_json }}}}", "dest": str(seen)}}
    here = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    play = [{"hosts": "localhost", "gather_facts": False, "vars": here, "tasks": [task]}]
    (folder / "play.yml").write_text(json.dumps(play), encoding="utf-8")
    return seen


@pytest.mark.parametrize(("word", "strategy"), [("class", "ansible.builtin.host_pinned"), ("lab", "")])
def test_no_lab_of_a_class_waits_for_anothers_task(tmp_path: Path, word: str, strategy: str) -> None:
    """The strategy of `make class` reaches Ansible; one that somebody exported for something else does not."""
    done = make(tmp_path, 'play = echo "strategy:$${ANSIBLE_STRATEGY-}"\n', word, ANSIBLE_STRATEGY="debug")
    assert done.stdout.splitlines()[-1:] == [f"strategy:{strategy}"], done.stdout + done.stderr


def test_a_quote_that_is_not_closed_is_named(tmp_path: Path) -> None:
    """Nothing is run."""
    done = make(tmp_path, "show:\n\t@$(typed) touch " + str(tmp_path / "ran"), "show", "ARGS=-c 'select 1")
    assert done.returncode == 2
    assert "ARGS cannot be read (No closing quotation): -c 'select 1" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_make_that_a_command_starts_has_words_of_its_own(tmp_path: Path) -> None:
    """`make test ARGS=newcomer` runs tests that run make: none of what was typed for the outer one is the inner one's, but LAB."""
    [exported] = re.findall(r"^export (ARGS .*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    words = [name for name in exported.split() if name != "LAB"]
    assert len(words) > 10
    inner = f"inner:\n\t@echo '{'|'.join(f'$({name})' for name in words)}'\n"
    rules = inner + f"outer:\n\t@$(typed) sh -c 'make --no-print-directory -f Makefile -f {tmp_path}/more.mk inner'\n"
    done = make(tmp_path, rules, "outer", *(f"{name}=typed" for name in words))
    assert done.stdout.strip() == "|".join("inventories/lab" if name == "INVENTORY" else "" for name in words), (
        done.stderr
    )


def test_a_make_that_a_command_starts_speaks_as_the_first(tmp_path: Path) -> None:
    """Its failure is not `make[1]`'s: a message is the same from `make class` and from a test of it under `make test`."""
    rules = f"fail:\n\t@false\nouter:\n\t@$(typed) make --no-print-directory -f Makefile -f {tmp_path}/more.mk fail\n"
    inner, outer = make(tmp_path, rules, "outer").stderr.splitlines()
    assert inner.startswith("make: ***")
    assert outer.startswith("make: ***")


@pytest.mark.parametrize("word", ["lab", "test-long", "k8s", "two_words", "lab-%", "class/lab"])
def test_every_word_with_a_description_is_listed(tmp_path: Path, word: str) -> None:
    """Hyphens, digits and prefixes, too."""
    listed = make(tmp_path, f"{word}: ## says something\n\t@true\n", "help").stdout
    assert f"make {word} " in listed


def test_every_word_is_in_the_help(tmp_path: Path) -> None:
    """By itself, or where it is explained; and what is listed is a word."""
    words = set(make(tmp_path, "words:\n\t@echo $(phony)\n" + phony(), "words").stdout.split())
    listed = make(tmp_path, "", "help").stdout
    assert {"lab", "test-long", "unit"} < words
    assert words <= set(re.findall(r"[\w-]+", listed))
    assert set(re.findall(r"^  make (\S+)", listed, re.MULTILINE)) <= words


def phony() -> str:
    """The Makefile's words as a variable of make's, so that make itself takes their variables for what they are."""
    return "".join(
        f"phony += {line.partition(':')[2]}\n"
        for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
        if line.startswith(".PHONY:")
    )
