"""Somebody who has `minikube` on the PATH types `make lab` in a fresh clone: the lab is in Minikube, and all that its page names works.

As the user who may use Minikube here, with an empty home; in the profile of the tests, which runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.labs import ROOT
from support.newcomer import KEPT, PORTS, WRONG, clone, is_open
from support.pods import CONTEXT, KUBECONFIG, MINIKUBE
from support.printed import page_commands
from support.virgin import BARE_PATH, missing

#: Where root's labs lie, unless it says otherwise.
STATE = Path("/var/lib/historia-clinica")


@dataclass(frozen=True)
class Person:
    """Somebody with a clone.

    Attributes:
        place: holds the clone and an empty home.
    """

    place: Path

    def run(self, command: str) -> str:
        """Run a command as typed in the clone, which has to succeed; what it printed."""
        program = shutil.which("minikube")
        assert program
        environment = {name: value for name, value in os.environ.items() if name.startswith((*KEPT, "MINIKUBE_"))}
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.place / "historia-clinica",
            env={
                **environment,
                "HOME": str(self.place / "home"),
                "KUBECONFIG": KUBECONFIG,
                "PATH": f"{Path(program).parent}:{BARE_PATH}",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}\n{said[-6000:]}"
        assert not WRONG.search(said), f"{command}\n{said[-6000:]}"
        return said


def in_the_way() -> str:
    """Why nobody can come with Minikube here; empty where somebody can."""
    if not MINIKUBE or not shutil.which("minikube"):
        return "no Minikube is to be used (LAB_TEST_MINIKUBE=1, LAB_TEST_CONTEXT names a profile of the tests)"
    if os.geteuid() != 0:
        return "`make lab` would make a lab where a person's labs lie"
    if STATE.exists():
        return f"{STATE} has labs, which are a person's"
    taken = [port for port in PORTS if is_open(port)]
    return missing() or (f"the lab's default ports are taken: {taken}" if taken else "")


@pytest.fixture
def person() -> Iterator[Person]:
    """Somebody whose lab, if it is still there at the end, goes."""
    if reason := in_the_way():
        # A person's labs and ports are not touched, and a Minikube that is not there cannot be used. `make test` ends with the
        # test's name and this reason; with the testbed there is none, and the test runs.
        pytest.skip(reason)
    place = Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    place.chmod(0o755)
    (place / "home").mkdir()
    clone(ROOT, place / "historia-clinica")
    somebody = Person(place)
    yield somebody
    if (STATE / "labs/lab").exists():
        somebody.run("make teardown")
    shutil.rmtree(place)


def test_make_lab_takes_minikube_by_itself(person: Person) -> None:
    """Made, followed, made again without a change, and removed with nothing left."""
    page = person.run(f"make lab ARGS='-e minikube_profile={CONTEXT}'")
    assert re.search(rf"Target: minikube\b.*context\s+{CONTEXT}", page, re.DOTALL)
    named = page_commands(page, "lab")
    assert len(named) >= 6, named
    assert re.search(r"changed=0 ", person.run("make lab"))
    printed = {command: person.run(command) for command in named}
    assert '"estado":"ok"' in printed["curl http://127.0.0.1:8080/status"]
    assert re.search(r"(\d+) of \1 checks passed", printed["make verify"])
    assert "make teardown" in printed
    assert not STATE.exists()
    assert [port for port in PORTS if is_open(port)] == []
    spaces = person.run(f"minikube -p {CONTEXT} kubectl -- get namespaces -o name")
    assert "namespace/default" in spaces.split()
    assert "namespace/hc-lab" not in spaces.split()
