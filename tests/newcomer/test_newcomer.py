"""What README.md promises to somebody who has just cloned the project: each of its commands, in its order, on the default ports.

The newcomer is an ordinary user of a machine that has never seen the lab (support/virgin.py says what that is here).
Never run here: `make test`, which would call itself; `make lint`, and a short form of `make soak`, which `make test` runs;
`make docs` and `make lock`, which write checked-in files anew and are for those who change them.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.labs import ROOT, citus_servers
from support.newcomer import PORTS, WRONG, Newcomer, index_answers, is_open
from support.printed import page_commands
from support.readme import commands
from support.virgin import NoRootError

README = commands(ROOT / "README.md")
#: Of the table of commands, those that no block of the README has; each is run before the command that is named.
MORE = {
    "make help": "make status",
    "make env": "make status",
    "make preflight": "make status",
    "make diagnose": "make status",
    """make psql ARGS='-Atc "select $$it costs $5$$"'""": "make status",
    "make token": "make status",
    "make reset": "make teardown",
}
#: What stands at the end of a `make lab` is followed before the command that is named, for the lab that is named.
PAGES = {"lab": "curl http://127.0.0.1:8080", "ana-soto": "make teardown"}

#: What docs/en/install.md tells this newcomer, behind a proxy and in a language that is not there, to type before commands without `make`.
WITHOUT_MAKE = {
    "curl http": "export no_proxy=localhost,127.0.0.1; ",
    ".venv/bin/": ". roles/runtime/files/environment.sh; ",
}

#: The first pattern that fits a command says what the command prints.
EXPECTED = {
    r"curl( --noproxy \S+)? \S+/status": r'"estado":"ok"',
    r"curl( --noproxy \S+)? \S+/usuarios": r"Luis Herrera.*Ana María Soto",
    r"curl \S+/citus/workers": r'"puerto":15433.*"puerto":15434',
    r"curl \S+:\d+$": r'"servicio":"historia-clinica"',
    r"make lab INVENTORY=": r"The lab ana-soto is ready.*PLAY RECAP.*ana-soto .*failed=0.*beto-nunez .*failed=0.*carla-pena .*failed=0",
    r"make (lab|reset)": r"The lab is ready\..*failed=0",
    r"make psql .*total_pacientes": r"total_pacientes\s+-+\s+1000\s.*total_consultas\s+-+\s+3000\s",
    r"make psql .*master_get_active": r"\| +15434\s.*medicos +\| reference",
    r"make psql .*lab\.shards": r"citus-worker-2 .*colocation_id.*shard_name.*\(8 rows\)",
    r"make psql .*lab\.where": r"\| (citus-worker-\d)\s[^|]*\|[^|]*\| \1\s.*medico_nombre.*\(5 rows\)",
    r"make psql LAB=ana-soto .*lab\.nodes": r"citus-worker-2 .*16002 .*\(3 rows\)",
    r"make psql .*lab\.tables": r"pacientes +\| distributed +\| cedula",
    r"make psql .*it costs": r"^it costs \$5$",
    r"make psql( LAB=\S+)?$": "",
    r"kill -9 ": r"\A\Z",
    r"echo .*lab\.nodes.* make psql": r"citus-worker-1 +\| t(?!.*citus-worker-1)",
    r"make status": r"citus-worker-2 +running.*historia_clinica, answers",
    r"make diagnose": r"Processes, .*Last lines of the logs.*failed=0",
    r"make token": r'"token": "ey',
    r"make scale ": r"\(100 %\).*citus-worker-3: \d+ shards.*failed=0",
    r"make verify": r"(\d+) of \1 checks passed",
    r"make stop": r"changed=1 .*failed=0",
    r"make start": r"changed=[01] .*failed=0",
    r"make autostart": r"starts? by itself",
    r"make teardown": r"changed=[1-9].*failed=0",
    r"make help": r"make teardown +\w",
    r"make env": "",
    r"rm -rf .venv; .* make env": r"\ABringing Ansible into .venv, once: .*\n\Z",
    r"make preflight": r"No problems found for the lab\..*failed=0",
    r"\S+ansible-galaxy collection build": r"Created collection",
    r"\S+ansible-galaxy collection install": r"was installed successfully",
    r"\. \S+; cd / && \S+ansible-playbook --syntax-check": r"playbook: /.*/\.ansible/collections/.*/playbooks/site\.yml\n",
}


@dataclass
class Visit:
    """What has happened to the newcomer so far.

    Attributes:
        somebody: the newcomer.
        page: what the last `make lab` printed.
        ran: the commands that were run.
    """

    somebody: Newcomer
    page: str = ""
    ran: list[str] = field(default_factory=list)

    def follow(self, command: str, place: str) -> str:
        """Run a command, which has to succeed and to print what is expected of it; give what it printed."""
        before = next((first for start, first in WITHOUT_MAKE.items() if command.startswith(start)), "")
        done = self.somebody.run(before + command, timeout=600)
        limit = time.monotonic() + 60
        while "\\watch" in command and not fits(command, done.output) and time.monotonic() < limit:
            done = self.somebody.run(before + command, timeout=600)  # as a person does where the machine is slow
        said = f"{place}: {command}\nended with {done.rc} after {done.seconds:.1f} s"
        print(said)  # shown where a test fails, and with pytest -s
        said += f" and printed:\n{done.output[-6000:]}"
        assert done.rc == 0, said
        assert fits(command, done.output), f"{said}\nexpected: {expected(command)}"
        assert not WRONG.search(done.output), said
        self.ran.append(command)
        if "make lab" in command:
            self.page = done.output
        return done.output

    def follow_page(self, lab: str) -> None:
        """Run every command that the page of a lab names, but for those that the README comes to."""
        named = page_commands(self.page, lab)
        assert len(named) >= 6, named
        for command in named:
            if command not in (other.text for other in README):
                self.follow(command, f"the page of the lab {lab}")


def fits(command: str, output: str) -> bool:
    """Whether a command printed what is expected of it."""
    return re.search(expected(command), output, re.DOTALL | re.MULTILINE) is not None


def expected(command: str) -> str:
    """The pattern of what a command prints."""
    for pattern, output in EXPECTED.items():
        if re.match(pattern, command, re.DOTALL):
            return output
    raise LookupError(f"EXPECTED has no pattern for this command: {command}")


@pytest.fixture(scope="module")
def visit() -> Iterator[Visit]:
    """A newcomer, who takes everything along at the end."""
    if taken := [port for port in PORTS if is_open(port)]:
        pytest.skip(f"the README's commands use the default ports, and these are taken: {taken}")
    if not index_answers():
        pytest.skip("no package index is reachable, and a newcomer's caches are empty")
    servers = [str(Path(folder).parents[2]) for folder in [citus_servers()] if folder]
    try:
        with Newcomer.arrive(ROOT, *servers) as somebody:
            yield Visit(somebody)
    except NoRootError as reason:
        pytest.skip(f"there is no root that has never seen the lab: {reason}")


def test_a_newcomer_can_follow_the_readme(visit: Visit) -> None:
    """Every command works as it stands there, and so does every one that the page of `make lab` names."""
    assert len(README) > 15
    for command in README:
        for lab in (lab for lab, before in PAGES.items() if before == command.text):
            visit.follow_page(lab)
        for more in (text for text, before in MORE.items() if before == command.text):
            visit.follow(more, "README.md, the table of commands")
        visit.follow(command.text, command.place)
    # After the last command the archive is installed, and found "in another folder".
    found = "ansible-playbook --syntax-check aula.historia_clinica.site"
    visit.follow(f'{WITHOUT_MAKE[".venv/bin/"]}cd / && "$OLDPWD"/.venv/bin/{found}', "README.md, elsewhere")
    assert set(MORE) <= set(visit.ran)
    assert set(PAGES.values()) <= set(visit.ran)


@pytest.mark.long
def test_a_lab_with_citus_works_the_same(visit: Visit) -> None:
    """The README's command for an installed PostgreSQL that has Citus, and then the README's questions."""
    servers = citus_servers()
    arrived(visit)
    if not servers:
        pytest.skip("no PostgreSQL with Citus on this machine (LAB_TEST_POSTGRES_BIN names its bin folder)")
    named = re.search(
        r"`(make lab ARGS='-e lab_postgres_bin=)[^']+'`", (ROOT / "README.md").read_text(encoding="utf-8")
    )
    assert named
    page = visit.follow(f"{named[1]}{servers}'", "README.md, Choose")
    assert "Engine: citus" in page
    questions = [
        command for command in README if re.match(r"curl|make psql (?!LAB)|kill|echo|make verify", command.text)
    ]
    assert len(questions) > 8
    for command in questions:
        visit.follow(command.text, command.place)
    visit.follow("make teardown", "README.md")


def test_nothing_is_left(visit: Visit) -> None:
    """After the last `make teardown` no process, no file of a lab and no open port is there; what was downloaded is kept."""
    arrived(visit)
    somebody = visit.somebody
    assert [process.cmdline() for process in somebody.root.processes()] == []
    assert somebody.root.files() == []
    assert not somebody.state.exists()
    kept = [somebody.home / ".ansible", somebody.home / ".cache", somebody.checkout.parent]
    assert files_below(somebody.home, besides=kept) == []
    assert [port for port in PORTS if is_open(port)] == []


@pytest.mark.parametrize(
    "setting",
    [
        "PIP_NO_CACHE_DIR=1",
        pytest.param("PIP_CACHE_DIR=/root/of/somebody/else", marks=pytest.mark.long),
        pytest.param("XDG_CACHE_HOME=", marks=pytest.mark.long),
    ],
)
def test_the_environment_is_made_wherever_pip_keeps_its_cache(visit: Visit, setting: str) -> None:
    """Where pip names no folder for its cache, or one that the newcomer may not make, `.venv` is made all the same."""
    visit.follow(f"rm -rf .venv; {setting} make env", "somebody's settings of pip")
    assert visit.somebody.root.files() == []


def arrived(visit: Visit) -> None:
    """Stop where a newcomer who began the README did not come to its end: what is on the machine is anybody's guess."""
    if visit.ran and README[-1].text not in visit.ran:
        pytest.fail("the newcomer did not come to the end of README.md", pytrace=False)


def files_below(folder: Path, besides: list[Path]) -> list[str]:
    """The files in a folder, but for those in some of its folders."""
    return [
        str(Path(place, name))
        for place, _, names in os.walk(folder)
        for name in names
        if not any(Path(place).is_relative_to(other) for other in besides)
    ]
