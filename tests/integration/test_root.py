"""Root's labs run as users of their own: nothing that such a user owns is run, imported or followed by root."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.labs import ENGINES, ROOT, Lab, Workshop, citus_servers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's labs run as users of their own")

SECRET = "nobody but root reads this"
#: Every command of the lab's, as playbook and arguments; those that take it away last.
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("site.yml",),
    ("status.yml",),
    ("verify.yml",),
    ("diagnose.yml",),
    ("token.yml",),
    ("login.yml", "-e", "clinical_schema_login=ana"),
    ("dump.yml", "-e", "clinical_schema_dump_file={place}/historia.sql"),
    ("autostart.yml",),
    ("autostart.yml", "-e", "autostart_state=off"),
    ("stop.yml",),
    ("start.yml",),
    ("rebalance.yml",),
    ("scale.yml", "-e", "scale_workers=3"),
)
#: What the lab's user may write into, below the lab's directory; of the files in credentials, each alone.
OWNED = {"data", "logs", "run"}


class Trap:
    """What tells that root ran, imported or followed something: a list of user numbers, and files of root's that links lead to.

    Attributes:
        place: a folder that everybody may look into.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.ran = place / "ran"
        self.ran.touch()
        self.ran.chmod(0o666)
        self.sentinel = place / "sentinel"
        self.sentinel.write_text(f"{SECRET}\n")
        self.sentinel.chmod(0o600)
        self.folder = place / "folder"
        self.folder.mkdir(mode=0o700)
        self.absent = place / "absent"
        self.python = (
            f"import os\nwith open({str(self.ran)!r}, 'a') as file: file.write(f'{{os.geteuid()}} {{__file__}}\\n')\n"
        )
        self.shell = f'#!/bin/sh\necho "$(id -u) $0" >>{self.ran}\n'
        self._before = self._seen()

    def _seen(self) -> list[tuple[int, ...]]:
        found = [path.lstat() for path in (self.sentinel, self.folder)]
        return [(each.st_uid, each.st_gid, each.st_mode, each.st_mtime_ns) for each in found]

    def check(self, after: str, *said: str) -> None:
        """See that nothing of root's went into it."""
        ran = [line for line in self.ran.read_text().splitlines() if line.startswith("0 ")]
        assert ran == [], f"{after}: root ran {ran}"
        assert self._seen() == self._before, f"{after}: what a link leads to was changed"
        assert self.sentinel.read_text() == f"{SECRET}\n", after
        assert os.listdir(self.folder) == [], after
        assert not self.absent.exists(), f"{after}: root made what a link leads to"
        assert not any(SECRET in text for text in said), f"{after}: what a link leads to was shown"


def become(lab: Lab, work: Callable[[], Any]) -> Any:
    """What something gives that the lab's user does."""
    user = pwd.getpwnam(f"hc-{lab.name}")
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            os.write(write, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said)


def writable(lab: Lab) -> list[str]:
    """What the lab's user can write to or put something into, or owns, below the lab's directory and the directory itself."""
    uid = pwd.getpwnam(f"hc-{lab.name}").pw_uid

    def walk() -> list[str]:
        found = []
        for folder, folders, files in os.walk(lab.directory):
            for path in (folder, *(os.path.join(folder, name) for name in (*folders, *files))):
                if os.access(path, os.W_OK, follow_symlinks=False) or os.lstat(path).st_uid == uid:
                    found.append(os.path.relpath(path, lab.directory))
        return sorted(set(found))

    paths: list[str] = become(lab, walk)
    return paths


def replace(path: Path, content: str | Path, mode: int = 0o755) -> None:
    """Put a link (a path) or a file (a text) in the place of a file, as somebody who may write into its folder."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    if isinstance(content, Path):
        path.symlink_to(content)
    else:
        path.write_text(content)
        path.chmod(mode)


@pytest.fixture
def trap() -> Iterator[Trap]:
    """A new one, beside no lab."""
    with tempfile.TemporaryDirectory(prefix="hc-trap-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Trap(Path(folder))


@pytest.fixture(
    params=["postgres_fdw", pytest.param("citus", marks=pytest.mark.long)],
)
def own(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A small lab of the test's own, whose user does what it likes."""
    engine: str = request.param
    assert engine in ENGINES
    if engine == "citus" and not citus_servers():
        pytest.skip("no PostgreSQL with Citus on this machine (LAB_TEST_POSTGRES_BIN names its bin folder)")
    with Workshop.open("hc-root-") as workshop:
        workshop.first_port = 26500
        lab = workshop.lab(f"own-{engine.replace('_', '-')}", engine, clinical_schema_patients=20)
        made = lab.play("site.yml")
        assert made.rc == 0, made.stdout + made.stderr
        yield lab


def test_a_labs_user_owns_data_and_nothing_that_root_runs_or_reads(lab: Lab) -> None:
    """All that the user can change lies in three folders, and in password files that it can replace by no link."""
    found = writable(lab)
    assert {path.partition("/")[0] for path in found} == {*OWNED, "credentials"}
    assert {path for path in found if path.startswith("credentials")} == {
        f"credentials/{file.name}" for file in (lab.directory / "credentials").iterdir()
    }
    assert {stat.S_IMODE(path.lstat().st_mode) for path in (lab.directory / "credentials").iterdir()} == {0o600}


def test_root_runs_and_follows_nothing_that_a_labs_user_puts_in_its_way(own: Lab, trap: Trap) -> None:
    """Links in the places of logs, lock and pid files, of what was and what may come: each command leaves alone what they lead to."""

    def plant() -> list[str]:
        refused = []
        for name in (
            "bin/psql",
            "bin/boot.py",
            "bin/fault.py",
            "config/supervisord.conf",
            "lab.json",
            "middleware/src/sitecustomize.py",
        ):
            try:
                replace(own.directory / name, trap.shell)
            except OSError:
                refused.append(name)
        logs, run, data = (own.directory / name for name in ("logs", "run", "data"))
        replace(logs / "secret.log", trap.sentinel)
        replace(logs / "folder", trap.folder)
        for name in ("boot.log", "absent.log"):
            replace(logs / name, trap.absent)
        for name in ("supervisor.lock", "citus-worker-3.log"):
            replace(run / name, trap.absent)
        for folder in (logs, run, data):
            for module in ("sitecustomize.py", "psycopg.py", "psutil.py", "json.py"):
                replace(folder / module, trap.python)
        replace(data / ".created", trap.absent)
        replace(data / ".citus-worker-9.new", trap.sentinel)
        replace(data / "citus-worker-9", trap.folder)
        return refused

    refused = become(own, plant)
    assert refused == [
        "bin/psql",
        "bin/boot.py",
        "bin/fault.py",
        "config/supervisord.conf",
        "lab.json",
        "middleware/src/sitecustomize.py",
    ]
    for playbook, *arguments in COMMANDS:
        done = own.play(playbook, *(word.format(place=trap.place) for word in arguments), "-vv", "--diff")
        trap.check(" ".join((playbook, *arguments)), done.stdout, done.stderr)
        # This machine may have neither systemd nor cron.
        assert done.rc == 0 or "autostart" in playbook, done.stdout + done.stderr
    psql = subprocess.run([own.directory / "bin/psql", "-Atc", "SELECT 1"], capture_output=True, text=True, check=True)
    assert psql.stdout == "1\n"
    trap.check("psql")
    removed = own.play("teardown.yml")
    trap.check("teardown.yml", removed.stdout, removed.stderr)
    assert removed.rc == 0, removed.stdout + removed.stderr
    assert not own.directory.exists()


def test_a_lab_that_was_its_users_becomes_roots_by_the_next_make_lab(own: Lab, trap: Trap) -> None:
    """As labs were: all of it the user's, who has put programs, modules and links into it. None is run; then all is in order."""
    user = pwd.getpwnam(f"hc-{own.name}")
    for folder, folders, files in os.walk(own.directory):
        for name in (*folders, *files):
            os.lchown(os.path.join(folder, name), user.pw_uid, user.pw_gid)
    os.chown(own.directory, user.pw_uid, user.pw_gid)
    own.directory.chmod(0o700)
    for name in ("lab.json", "lab.json.copy"):
        os.chown(own.directory / name, 0, 0)

    def plant() -> None:
        package = own.directory / "middleware/src"
        replace(own.directory / "bin/psql", trap.shell)
        replace(own.directory / "bin/unwanted", trap.sentinel)
        replace(own.directory / "config/new.conf", trap.sentinel)
        runs = f"/bin/sh -c 'echo $(id -u) new.conf >>{trap.ran}; exec sleep 600'"
        replace(own.directory / "config/programs/new.conf", f"[program:new]\ncommand = {runs}\n", 0o600)
        for name in ("sitecustomize.py", "historia_clinica/first_login.py"):
            replace(package / name, trap.python)
        (package / "historia_clinica/__pycache__").mkdir(exist_ok=True)
        replace(package / "historia_clinica/__pycache__/own.pyc", trap.sentinel)

    become(own, plant)
    registry = Path(own.variables["runtime_directory"]).parent
    with tempfile.TemporaryDirectory() as state:
        (Path(state) / "historia-clinica").symlink_to(registry)
        # `make psql` looks below /var/lib; here its program is asked for another place.
        program = (ROOT / "files/programs/lab").read_text().replace("state=/var/lib", f"state={state}")
        refused = subprocess.run(
            ["bash", "-c", program, "lab", "psql"],
            env={**os.environ, "LAB": own.name},
            capture_output=True,
            text=True,
            check=False,
        )
    assert refused.returncode == 1
    assert "belongs to somebody else" in refused.stderr
    trap.check("psql", refused.stdout)
    for playbook in ("stop.yml", "start.yml", "status.yml", "diagnose.yml"):
        done = own.play(playbook)
        assert done.rc == 0, done.stdout + done.stderr
        trap.check(f"{playbook}, before", done.stdout, done.stderr)
    login = own.play("login.yml", "-e", "clinical_schema_login=ana")
    assert login.rc != 0
    assert "takes it over" in login.stdout
    verdict = own.play("verify.yml")
    assert verdict.rc != 0
    assert "files-protected" in verdict.stdout
    trap.check("verify.yml", verdict.stdout)
    given = ("login.yml", "-e", "clinical_schema_login=ana")
    for playbook, *arguments in (("site.yml",), given, ("site.yml",), ("verify.yml",), ("token.yml",)):
        done = own.play(playbook, *arguments, "--diff")
        assert done.rc == 0, done.stdout + done.stderr
        trap.check(playbook, done.stdout, done.stderr)
    again = own.play("site.yml")
    assert again.recap[own.name]["changed"] == 0, again.stdout
    assert {path.partition("/")[0] for path in writable(own)} == {*OWNED, "credentials"}
