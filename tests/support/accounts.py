"""Students' accounts on this machine: logged in to by SSH with what the handout has, and removed again."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support import far
from support.labs import ROOT

#: What `make class` makes on the machine besides the accounts.
MADE = ("/etc/historia-clinica", "/etc/sudoers.d/aula", "/usr/local/bin/aula", "/run/aula")


def missing() -> str:
    """Why there can be no accounts here; empty where there can."""
    return far.missing() or ("" if Path("/usr/bin/sudo").exists() else "accounts need sudo (Debian: apt install sudo)")


@contextlib.contextmanager
def removed_again(*names: str) -> Iterator[None]:
    """A while in which accounts are made; at the end they are gone, with all that was made for them."""
    exercises = ROOT / "exercises"
    mode = exercises.stat().st_mode & 0o7777
    try:
        yield
    finally:
        exercises.chmod(mode)
        for name in names:
            with contextlib.suppress(KeyError):
                pwd.getpwnam(name)
                subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)
        with contextlib.suppress(KeyError):
            grp.getgrnam("aula")
            subprocess.run(["groupdel", "aula"], check=True)
        for path in map(Path, MADE):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


class Account:
    """An account, as its student has it.

    Args:
        name: the account.
        handout: the student's folder.
        state: what stands for the folder of root's labs, /var/lib/historia-clinica, for whoever logs in.
        place: a folder for the settings of ssh and sshd.
    """

    def __init__(self, name: str, handout: Path, state: Path, place: Path) -> None:
        self.name = name
        place.mkdir(mode=0o755)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / "host")], check=True)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        Path("/var/lib/historia-clinica").mkdir(mode=0o755, exist_ok=True)
        (place / "sshd_config").write_text(
            f"HostKey {place}/host\nUsePAM no\nPasswordAuthentication no\n", encoding="utf-8"
        )
        (place / "known_hosts").write_text(f"server {(place / 'host.pub').read_text()}", encoding="utf-8")
        (place / "serve").write_text(
            f"mount --bind {state} /var/lib/historia-clinica && exec {far.SSHD} -i -f {place}/sshd_config -E {place}/log\n",
            encoding="utf-8",
        )
        (place / "ssh_config").write_text(
            f'Host server\n  User {name}\n  IdentityFile "{handout}/id_ed25519"\n  IdentitiesOnly yes\n'
            f"  UserKnownHostsFile {place}/known_hosts\n  ProxyCommand unshare --mount sh {place}/serve\n",
            encoding="utf-8",
        )
        self._settings = place / "ssh_config"

    def types(self, command: str, given: str = "") -> tuple[int, str]:
        """What a command of the student's comes to, typed on the server: its exit code, and all that it prints."""
        done = subprocess.run(
            ["ssh", "-F", str(self._settings), "server", command],
            input=given,
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr
