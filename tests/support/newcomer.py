"""Somebody who comes to the project for the first time: another user, an empty home, a clean clone, a bare environment."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

BARE_PATH = "/usr/local/bin:/usr/bin:/bin"
TOOLS = ("bash", "curl", "git", "make")
#: What says where packages come from is the machine's, not a person's.
KEPT = ("PIP_", "UV_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: Numbers that neither a system's users nor those of containers have: what runs under one of them is the newcomer's.
UIDS = range(61200, 61800)
#: The default ports of a lab with three workers, and those of the class.
PORTS = [port for lab in range(4) for port in (8080 + lab, *range(15432 + 100 * lab, 15436 + 100 * lab))]
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


class Newcomer:
    """A user whose home is empty, with a clone of the project in a folder whose path has blanks and accents.

    As root it is a user made for this; otherwise it is oneself, with another home.

    Attributes:
        place: the folder that holds everything of the newcomer's.
        home: the home; a lab finds its place below it.
        checkout: the clone.
    """

    def __init__(self, project: Path) -> None:
        # Short: a server's socket lies deep below, and its path may have 107 characters.
        self.place = Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
        self.place.chmod(0o755)
        self.home = self.place / "casa vacía"
        self.checkout = self.place / "las cosas de José" / "historia-clinica"
        self.account: pwd.struct_passwd | None = None
        self._runs = 0
        try:
            for folder in (self.home, self.checkout.parent, self.place / "cache"):
                folder.mkdir()
            clone(project, self.checkout)
            if os.geteuid() == 0:
                self._create_account()
        except BaseException:
            self.close()
            raise

    def _create_account(self) -> None:
        taken = {entry.pw_uid for entry in pwd.getpwall()} | {
            process.info["uids"].real for process in psutil.process_iter(["uids"]) if process.info["uids"]
        }
        uid = next(uid for uid in UIDS if uid not in taken)
        name = f"newcomer-{uid}"
        subprocess.run(
            [
                "useradd",
                "--key",
                f"UID_MAX={UIDS.stop}",
                "--uid",
                str(uid),
                "--user-group",
                "--no-create-home",
                "--home-dir",
                str(self.home),
                name,
            ],
            check=True,
        )
        self.account = pwd.getpwnam(name)
        for folder in (self.home, self.checkout.parent, self.place / "cache"):
            subprocess.run(["chown", "-R", f"{name}:", str(folder)], check=True)

    @property
    def state(self) -> Path:
        """Where the newcomer's labs and their runtime lie."""
        return self.home / ".local/state/historia-clinica"

    @property
    def environment(self) -> dict[str, str]:
        """All that is in the environment."""
        return {
            **{name: value for name, value in os.environ.items() if name.startswith(KEPT)},
            "HOME": str(self.home),
            "PATH": BARE_PATH,
            "PIP_CACHE_DIR": str(self.place / "cache/pip"),
            "UV_CACHE_DIR": str(self.place / "cache/uv"),
        }

    def run(self, command: str, timeout: float = 300) -> Done:
        """Run a command in the clone, as typed in bash.

        Output goes to a file: whoever is started in the background and keeps it open delays nobody.
        """
        self._runs += 1
        log = self.place / f"{self._runs}.log"
        started = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=self.checkout,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.account.pw_uid if self.account else None,
                group=self.account.pw_gid if self.account else None,
                extra_groups=[] if self.account else None,
            )
            try:
                rc = process.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                rc = process.wait()
        return Done(rc, log.read_text(encoding="utf-8", errors="replace"), time.monotonic() - started)

    def processes(self) -> list[psutil.Process]:
        """What runs: all of the account's; of one's own, what names the place."""
        return [
            process
            for process in psutil.process_iter(["uids", "cmdline", "status"])
            if process.info["status"] != psutil.STATUS_ZOMBIE
            and (
                process.info["uids"] and process.info["uids"].real == self.account.pw_uid
                if self.account
                else str(self.place) in " ".join(process.info["cmdline"] or [])
            )
        ]

    def close(self) -> None:
        """Leave, and take everything along."""
        while processes := self.processes():  # again: a supervisor may have started something meanwhile
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.1)
        if self.account:
            subprocess.run(["userdel", self.account.pw_name], check=True)
        shutil.rmtree(self.place)


def missing() -> str:
    """What this machine lacks for a newcomer; empty where it has all."""
    tools = [tool for tool in TOOLS if not shutil.which(tool, path=BARE_PATH)]
    look = (
        "for p in python3 python3.13 python3.12 python3.11; do "
        "$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' && exit; done; exit 1"
    )
    if subprocess.run(["bash", "-c", look], env={"PATH": BARE_PATH}, stderr=subprocess.DEVNULL, check=False).returncode:
        tools.append("python3 (3.11 or newer, with venv)")
    if os.geteuid() == 0 and not shutil.which("useradd"):
        tools.append("useradd")
    return f"not in {BARE_PATH}: {', '.join(tools)}" if tools else ""


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


def page_commands(output: str, lab: str) -> list[str]:
    """The commands that the page of a lab names, in the order in which they can be followed."""
    page = re.split(r"^(?:The lab |PLAY RECAP)", output, flags=re.MULTILINE)
    title = "is ready." if lab == "lab" else f"{lab} is ready."
    text = next(part for part in page if part.startswith(title))
    tries = re.search(r"Try:\n(.*?)\n\s*\n", text, re.DOTALL)
    ends = re.findall(r"^To [^:]+: (make .*)$", text, re.MULTILINE)
    assert tries, text
    assert len(ends) == 3, text
    return [*(line.strip() for line in tries[1].splitlines()), *ends]


def is_open(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0
