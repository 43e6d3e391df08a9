"""Every command that a page or a remedy prints works as it is printed.

In a checkout and out of it, in an installed collection, with other names, directories and inventories. The page of each kind is followed to its end, and every problem that can be provoked here is mended by each of its commands.
tests/newcomer/test_ssh.py follows a lab on another machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.labs import ROOT, processes_of
from support.printed import commands_in, expected, page_commands, problems_of, verb
from support.virgin import BARE_PATH

pytestmark = pytest.mark.long
DATABASE_PORT, API_PORT = 30432, 30480
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@dataclass
class Place:
    """Where somebody types commands.

    Attributes:
        folder: it holds all that this person has.
        typed: where the person is.
        command: what does something with the lab, by the verb of `make` and what `-e` gets, as the person types it first.
        name: the lab's name.
        settings: the environment.
    """

    folder: Path
    typed: Path
    command: Callable[[str, str], str]
    name: str = "lab"
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """Where the lab is."""
        return self.folder / "mi lab"

    @property
    def runtime(self) -> Path:
        """What it runs from."""
        return self.folder / "runtime"

    @property
    def environment(self) -> dict[str, str]:
        """All that is in the environment."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        path = f"{Path(sys.executable).parent}:{BARE_PATH}"
        return {"LC_ALL": "C.UTF-8", **clean, "PATH": path, "ANSIBLE_NOCOLOR": "1", **self.settings}

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as typed in bash."""
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.typed,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=900,
        )

    def follow(self, command: str) -> str:
        """Run a command, which has to print what is expected of it; what it printed."""
        done = self.run(command)
        said = f"{command}\nended with {done.returncode}:\n{done.stdout[-5000:]}"
        assert done.returncode == 0, said
        assert re.search(expected(command), done.stdout, re.DOTALL), said
        return done.stdout

    def make(self) -> str:
        """Make the lab, far from where it would be by default; the page."""
        choices = {
            "lab_directory": str(self.directory),
            "lab_target": "host",
            "lab_engine": "postgres_fdw",
            "lab_database_port": DATABASE_PORT,
            "lab_api_port": API_PORT,
            "clinical_schema_patients": 20,
        }
        done = self.run(self.command("lab", json.dumps(choices)))
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout


def in_checkout(folder: Path, *, inside: bool, name: str) -> Place:
    """`make` in the checkout, or from elsewhere; the lab has another name, or the default one."""
    state = {"XDG_STATE_HOME": str(folder / "state")}
    place = "" if inside else f" -C {ROOT}"
    lab = "" if name == "lab" else f" LAB={name}"

    def command(done: str, extra: str) -> str:
        more = f" -e {shell(extra)}" if extra else ""
        runtime = f"-e runtime_directory={folder}/runtime"
        return f"make{place} {done}{lab} ARGS={shell(runtime + more)}"

    return Place(folder, ROOT if inside else folder, command, name, state)


def installed(folder: Path, inventory: str) -> Place:
    """`ansible-playbook` with a collection that was installed from its archive.

    Args:
        folder: holds it.
        inventory: ``none``, ``relative`` or ``absolute``.
    """
    settings = {"ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections")}
    place = Place(folder, folder, lambda done, extra: "", "lab" if inventory == "none" else "ana", settings)
    for command in (
        f"cd {ROOT} && ansible-galaxy collection build --output-path {shell(str(folder))}",
        "ansible-galaxy collection install --offline aula-historia_clinica-*.tar.gz",
    ):
        done = place.run(command)
        assert done.returncode == 0, done.stdout
    runtime = {"runtime_directory": str(folder / "runtime")}
    words = f"-e {shell(json.dumps(runtime))}"
    if inventory != "none":
        (folder / "mis labs").mkdir()
        hosts = {"ana": {**HERE, **runtime}, "beto": {**HERE, **runtime}}
        (folder / "mis labs/hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        source = "mis labs/hosts.json" if inventory == "relative" else str(folder / "mis labs/hosts.json")
        if inventory == "absolute":
            place.typed = Path("/tmp")
        words = f"-i {shell(source)} --limit ana"

    def typed(done: str, extra: str) -> str:
        playbook = {"lab": "site"}.get(done, done)
        return f"ansible-playbook aula.historia_clinica.{playbook} {words}" + (f" -e {shell(extra)}" if extra else "")

    place.command = typed
    return place


def shell(text: str) -> str:
    """A text as one word of bash."""
    return "'" + text.replace("'", "'\\''") + "'"


KINDS: dict[str, Callable[[Path], Place]] = {
    "checkout": lambda folder: in_checkout(folder, inside=True, name="lab"),
    "checkout, another name": lambda folder: in_checkout(folder, inside=True, name="ana-1"),
    "from elsewhere": lambda folder: in_checkout(folder, inside=False, name="lab"),
    "installed": lambda folder: installed(folder, "none"),
    "installed, relative inventory": lambda folder: installed(folder, "relative"),
    "installed, absolute inventory": lambda folder: installed(folder, "absolute"),
}


@contextlib.contextmanager
def opened(kind: str) -> Iterator[Place]:
    """A place of a kind; whatever is left in it goes."""
    folder = Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield KINDS[kind](folder)
    finally:
        for process in processes_of(folder):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)  # what was killed may still be ending, and write


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_followed_to_its_end(kind: str) -> None:
    """Nothing is left then. While the lab is stopped, the page of `status` says how to start it."""
    with opened(kind) as place:
        named = page_commands(place.make(), place.name)
        for command in named:
            place.follow(command)
            if verb(command) == "stop":
                status = place.run(next(other for other in named if verb(other) == "status"))
                (start,) = set(commands_in(status.stdout))
                place.follow(start)
                place.follow(command)
        assert verb(named[-1]) == "teardown"
        assert not place.directory.exists()
        assert not place.runtime.exists()


# --- Problems -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Provocation:
    """What makes a problem of a lab that runs, and what its remedy names.

    Attributes:
        id: the problem's.
        verb: what the person does.
        extra: what the person says with ``-e``, in which ``FOLDER`` is the place's.
        mends: the verbs, or the programs, of the commands of the remedy, in order.
        spoil: what is done to the lab before.
    """

    id: str
    verb: str
    extra: str
    mends: tuple[str, ...]
    spoil: Callable[[Place], object] = lambda place: None


def lose_record(place: Place) -> None:
    """The record is lost."""
    (place.directory / "lab.json").unlink()


def break_record(place: Place) -> None:
    """The record cannot be read."""
    (place.directory / "lab.json").write_text("{")


def stop(place: Place) -> None:
    """The lab is stopped."""
    place.follow(place.command("stop", ""))


def lose_runtime(place: Place) -> None:
    """The runtime is lost."""
    shutil.rmtree(place.runtime)


def write_thesis(place: Place) -> None:
    """Somebody's own folder."""
    (place.folder / "thesis").mkdir()
    (place.folder / "thesis/chapter").touch()


PROVOCATIONS = (
    Provocation("target-unknown", "lab", "lab_target=cloud", ("lab",)),
    Provocation("engine-unknown", "lab", "lab_engine=Postgres_FDW", ("lab",)),
    Provocation("workers-invalid", "lab", "lab_workers=0", ("lab",)),
    Provocation("port-invalid", "lab", "lab_api_port=80", ("lab",)),
    Provocation("directory-relative", "lab", "lab_directory=labs/lab", ("lab",)),
    Provocation("directory-foreign", "lab", "lab_directory=FOLDER/thesis", ("ls",), write_thesis),
    Provocation("name-taken", "lab", "lab_directory=FOLDER/other", ("lab", "lab")),
    Provocation("record-target", "lab", "lab_target=minikube", ("lab", "reset")),
    Provocation("record-engine", "lab", "lab_engine=citus", ("lab", "reset")),
    Provocation("lab-stopped", "scale", "scale_workers=1", ("start",), stop),
    Provocation("record-ports", "lab", "lab_api_port=30490", ("lab", "reset")),
    Provocation("record-missing", "status", "", ("reset",), lose_record),
    Provocation("record-unreadable", "lab", "", ("ls", "reset"), break_record),
    Provocation("runtime-missing", "stop", "", ("lab",), lose_runtime),
    Provocation("postgres-missing", "lab", "lab_postgres_bin=/nonexistent", ("ls", "lab")),
    Provocation("kubernetes-unnamed", "lab", '{"lab_name": "pods", "lab_target": "kubernetes"}', ("kubectl",)),
    Provocation("lab-missing", "status", "lab_name=nobody", ("lab",)),
    Provocation("lab-name", "lab", "lab_name=Nobody", ("lab",)),
)


def does(command: str) -> str:
    """What a command is: its verb, or its program."""
    return verb(command) or command.removeprefix("sudo ").split()[0]


@pytest.fixture(scope="module", params=["checkout", "installed, relative inventory"])
def lab(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A lab that runs; what a problem's remedy has made of it is what the next one finds."""
    with opened(request.param) as place:
        place.make()
        yield place
        place.run(place.command("teardown", ""))


@pytest.mark.parametrize("case", PROVOCATIONS, ids=lambda case: case.id)
def test_a_remedy_mends_what_it_stands_with(lab: Place, case: Provocation) -> None:
    """Each of its commands can be typed as it is printed, and leads past the problem."""
    case.spoil(lab)
    refused = lab.run(lab.command(case.verb, case.extra.replace("FOLDER", str(lab.folder))))
    assert refused.returncode != 0, refused.stdout
    found = problems_of(refused.stdout)
    assert case.id in found, refused.stdout
    commands = [command for command in commands_in(found[case.id]) if does(command) != "teardown"]
    assert tuple(map(does, commands)) == case.mends, found[case.id]
    for command in commands:
        if does(command) == "kubectl" and not shutil.which("kubectl"):
            continue
        done = lab.run(command)
        said = f"{command}\nended with {done.returncode}:\n{done.stdout[-5000:]}"
        if not verb(command):
            assert done.returncode != 127, said  # a look shows what is there, or that nothing is
        elif done.returncode == 0:
            assert re.search(expected(command), done.stdout, re.DOTALL), said
        else:
            assert problems_of(done.stdout), said
            assert case.id not in problems_of(done.stdout), said


def test_a_port_that_is_taken_can_be_had_back_or_left(lab: Place) -> None:
    """The process that has it is named, and ends as the remedy says."""
    port = json.loads((lab.directory / "lab.json").read_text(encoding="utf-8"))["api_port"]
    lab.run(lab.command("stop", ""))
    listen = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print(flush=True); s.accept()"
    with subprocess.Popen([sys.executable, "-c", listen], stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline()
        refused = lab.run(lab.command("lab", ""))
        (end, reset) = commands_in(problems_of(refused.stdout)["port-busy"])
        assert (end, verb(reset)) == (f"kill {other.pid}", "reset")
        assert lab.run(end).returncode == 0
        other.wait(30)
    lab.follow(lab.command("lab", ""))


def test_another_run_can_be_waited_for_or_ended(lab: Place) -> None:
    """The remedy names its process; what it has left undone the next run does."""
    claim = lab.folder / f"registry/.{lab.name}.run"
    before = claim.read_text(encoding="utf-8")
    typed = ["bash", "-c", lab.command("lab", "")]
    none = subprocess.DEVNULL
    with subprocess.Popen(typed, cwd=lab.typed, env=lab.environment, stdin=none, stdout=none, stderr=none) as other:
        limit = time.monotonic() + 120
        while claim.read_text(encoding="utf-8") in ("", before):
            assert other.poll() is None, "the other run has ended"
            assert time.monotonic() < limit, "the other run does not claim the lab"
            time.sleep(0.05)
        refused = lab.run(lab.command("stop", ""))
        (look, end) = commands_in(problems_of(refused.stdout)["lab-busy"])
        assert "ansible" in lab.run(look).stdout
        assert lab.run(end).returncode == 0
    lab.follow(lab.command("lab", ""))
