"""The collection as others get it: an archive, installed without a network, used where there is no checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
import yaml

from support.labs import ROOT
from support.printed import expected, page_commands, page_of, verb
from support.virgin import BARE_PATH

DATABASE_PORT, API_PORT = 26432, 26480


@dataclass(frozen=True)
class Elsewhere:
    """A folder without a checkout, where the collection is installed.

    Attributes:
        place: the folder.
    """

    place: Path

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command; Ansible's programs, which are on the PATH, find no settings but their own."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        return subprocess.run(
            command,
            cwd=cwd or self.place,
            env={
                "LC_ALL": "C.UTF-8",
                **clean,
                "PATH": f"{Path(sys.executable).parent}:{BARE_PATH}",
                "ANSIBLE_HOME": str(self.place / "ansible"),
                "ANSIBLE_COLLECTIONS_PATH": str(self.place / "collections"),
                "ANSIBLE_NOCOLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def play(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run one of the collection's playbooks by its full name, on a lab of the test's own."""
        choices = {
            "lab_name": "elsewhere",
            "lab_target": "host",
            "lab_engine": "postgres_fdw",
            "lab_directory": str(self.place / "lab"),
            "runtime_directory": str(self.place / "runtime"),
            "lab_database_port": DATABASE_PORT,
            "lab_api_port": API_PORT,
            "clinical_schema_patients": 20,
        }
        return self.run("ansible-playbook", f"aula.historia_clinica.{name}", "-e", json.dumps(choices))


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    """The archive, built from the checkout and installed; whatever lab is left is removed at the end."""
    place = Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
    place.chmod(0o755)
    somewhere = Elsewhere(place)
    built = somewhere.run("ansible-galaxy", "collection", "build", "--output-path", str(place), cwd=ROOT)
    archives = list(place.glob("aula-historia_clinica-*.tar.gz"))
    try:
        assert len(archives) == 1, built.stdout + built.stderr
        installed = somewhere.run("ansible-galaxy", "collection", "install", "--offline", str(archives[0]))
        assert installed.returncode == 0, installed.stdout + installed.stderr
        yield somewhere
    finally:
        if (place / "lab").exists():
            somewhere.play("teardown")
        shutil.rmtree(place)


def test_the_archive_holds_what_is_used_and_no_more(elsewhere: Elsewhere) -> None:
    """Roles, plugins, playbooks and the middleware; no caches, environments or results of tests."""
    collection = elsewhere.place / "collections/ansible_collections/aula/historia_clinica"
    there = {path.name for path in collection.iterdir()}
    assert {"roles", "plugins", "playbooks", "files", "README.md", "LICENSE"} <= there
    assert (
        not {".git", ".venv", ".cache", ".ci", "build", "collections", "Makefile", "molecule", "benchmarks", "findings"}
        & there
    )
    assert not (collection / "tests/unit").exists()
    assert not list(collection.rglob("__pycache__"))


def test_every_playbook_is_found_and_complete(elsewhere: Elsewhere) -> None:
    """By its full name, in any folder, with what the package `ansible` brings."""
    names = [f"aula.historia_clinica.{path.stem}" for path in sorted((ROOT / "playbooks").glob("*.yml"))]
    assert "aula.historia_clinica.site" in names
    checked = elsewhere.run("ansible-playbook", "--syntax-check", *names)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_ansible_core_alone_needs_what_is_declared_and_no_more(elsewhere: Elsewhere) -> None:
    """Without a collection that it uses the archive is refused where it is installed, not in the middle of a playbook."""
    declared = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    assert len(declared) > 1
    home = elsewhere.place / "alone"
    archive = str(next(elsewhere.place.glob("aula-historia_clinica-*.tar.gz")))

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        core = [
            "uv",
            "run",
            "--quiet",
            "--isolated",
            "--no-project",
            "--with",
            f"ansible-core=={version('ansible-core')}",
        ]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        clean |= {"LC_ALL": "C.UTF-8", "ANSIBLE_HOME": str(home)}
        return subprocess.run(
            [*core, *command], cwd=elsewhere.place, env=clean, capture_output=True, text=True, check=False
        )

    install = ("ansible-galaxy", "collection", "install", "--offline", archive)
    for name, bound in declared.items():
        refused = run(*install)
        assert refused.returncode != 0
        assert f"* {name}:{bound} (dependency of" in refused.stdout + refused.stderr
        # What Galaxy would bring.
        brought = home / "collections/ansible_collections" / name.replace(".", "/")
        brought.parent.mkdir(parents=True, exist_ok=True)
        there = distribution("ansible").locate_file("ansible_collections")
        brought.symlink_to(Path(str(there), name.replace(".", "/")))
    installed = run(*install)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    checked = run("ansible-playbook", "--syntax-check", "aula.historia_clinica.site")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_lab_is_made_and_its_page_followed_to_the_end(elsewhere: Elsewhere) -> None:
    """`ansible-playbook aula.historia_clinica.site` without an inventory; each command of its page, and nothing is left."""
    made = elsewhere.play("site")
    assert made.returncode == 0, made.stdout[-5000:] + made.stderr
    assert "make " not in page_of(made.stdout, "elsewhere")
    named = page_commands(made.stdout, "elsewhere")
    for command in named:
        done = elsewhere.run("bash", "-c", command)
        assert done.returncode == 0, command + done.stdout[-5000:] + done.stderr
        assert re.search(expected(command), done.stdout, re.DOTALL), command + done.stdout[-5000:]
    assert verb(named[-1]) == "teardown"
    assert not (elsewhere.place / "lab").exists()
    assert not (elsewhere.place / "runtime").exists()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{API_PORT}/", timeout=10)
