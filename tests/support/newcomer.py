"""Somebody who comes to the project for the first time: an ordinary user on a machine that has never seen it, with a clone.

Behind a proxy that cannot reach this machine, with a locale that is not installed and many unrelated environment variables.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.exported import CLOSED, EXPORTED, OF_ANSIBLE, together
from support.proxy import running
from support.virgin import BARE_PATH, Root, open_root

#: What says where packages come from is the machine's, not a person's.
KEPT = ("PIP_", "UV_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
SETTINGS = ("/etc/pip.conf", "/etc/uv")
#: A home and a checkout as people have them.
HOME = "/home/casa vacía"
CHECKOUT = f"{HOME}/las cosas de José/historia-clinica"
#: The default ports of a lab with three workers, and those of the class.
PORTS = [8080, *range(15432, 15436), *range(16000, 16060)]
#: What no command of the lab prints.
WRONG = re.compile(r"Traceback|^ERROR:|^psql: error|command not found", re.MULTILINE)


@dataclass(frozen=True)
class Done:
    """A command that ended.

    Attributes:
        rc: its exit code; negative where a signal ended it.
        output: what it printed, errors too.
        seconds: how long it took.
    """

    rc: int
    output: str
    seconds: float


@dataclass
class Newcomer:
    """A user whose home is empty, but for a clone of the project in a folder whose path has blanks and accents.

    Attributes:
        root: the machine that has never seen the lab.
        environment: all that is in the environment: what people export for something else, and how this machine gets packages.
    """

    root: Root
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def arrive(cls, project: Path, *lent: str, network: bool = True) -> Iterator[Newcomer]:
        """Come, with a clone of the project; at the end all of it is gone.

        Args:
            project: what is cloned, with what is not committed yet.
            lent: paths of this machine that the newcomer has, too.
            network: whether this machine's network is there, and what it says about where packages come from.

        Raises:
            NoRootError: this machine has no place to come to.
        """
        kept = {name: value for name, value in os.environ.items() if network and name.startswith(KEPT)}
        files = [value for value in kept.values() if os.path.isabs(value)]
        theirs = [*(SETTINGS if network else ()), *files, *lent]
        with running() as proxy, open_root("newcomer", HOME, theirs, network) as root:
            exported = together(EXPORTED, OF_ANSIBLE)
            for name in ("LC_ALL", "LC_CTYPE"):  # else LANG would not matter
                del exported[name]
            proxies = {name: proxy for name, value in exported.items() if value == CLOSED}
            somebody = cls(root, {**exported, **proxies, **kept, "HOME": HOME, "PATH": BARE_PATH})
            somebody.checkout.parent.mkdir(parents=True)
            clone(project, somebody.checkout)
            if os.geteuid() == 0:
                subprocess.run(["chown", "-R", f"{root.uid}:{root.uid}", str(root.place / HOME[1:])], check=True)
            yield somebody

    @property
    def home(self) -> Path:
        """The home, as this machine sees it."""
        return self.root.place / HOME[1:]

    @property
    def checkout(self) -> Path:
        """The clone, as this machine sees it."""
        return self.root.place / CHECKOUT[1:]

    @property
    def state(self) -> Path:
        """Where the newcomer's labs and their runtime lie, as this machine sees it."""
        return self.home / ".local/state/historia-clinica"

    def run(self, command: str, timeout: float = 300) -> Done:
        """Run a command in the clone, as typed in bash.

        Output goes to a file: whoever is started in the background and keeps it open delays nobody.
        """
        started = time.monotonic()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            process = subprocess.Popen(
                [*self.root.enter, "env", f"--chdir={CHECKOUT}", "bash", "-c", command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                rc = process.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                rc = process.wait()
            output.seek(0)
            return Done(rc, output.read(), time.monotonic() - started)


def clone(project: Path, checkout: Path) -> None:
    """Clone the project, and lay over the clone what is not committed yet: what is tested is what is there."""
    git = ["git", "-C", str(project)]
    subprocess.run([*git, "clone", "--quiet", "--no-hardlinks", str(project), str(checkout)], check=True)
    listings = (["diff", "--name-only", "-z", "HEAD"], ["ls-files", "--others", "--exclude-standard", "-z"])
    for listing in listings:
        names = subprocess.run([*git, *listing], capture_output=True, text=True, check=True).stdout
        for name in filter(None, names.split("\0")):
            source, target = project / name, checkout / name
            target.unlink(missing_ok=True)
            if source.is_symlink() or source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)


def is_open(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def index_answers() -> bool:
    """Whether pip reaches its index."""
    asked = [sys.executable, "-m", "pip", "index", "versions", "uv"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0
