"""A machine that is reached by SSH alone: a real sshd in a network of its own, whose ports nobody else has."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
#: Brings the loopback of a new network up, and keeps the network.
NETWORK = """
import fcntl, socket, struct, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
print("up", flush=True)
sys.stdin.read()
"""


def missing() -> str:
    """Why there can be no such machine here; empty where there can."""
    lacking = [name for name in ("ssh", "ssh-keygen", "unshare", "nsenter") if not shutil.which(name)]
    lacking += [] if SSHD else ["sshd"]
    if os.geteuid() != 0:
        return "only root makes a network of its own, in which a far machine's ports are"
    if lacking:
        return f"a far machine needs {', '.join(lacking)} (Debian: openssh-server, openssh-client)"
    try:
        pwd.getpwnam("sshd")
    except KeyError:
        return "sshd has no user `sshd` here (Debian: apt install --reinstall openssh-server)"
    done = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    return f"no network of its own can be made here: {done.stderr.strip()}" if done.returncode else ""


@dataclass(frozen=True)
class Far:
    """The machine.

    Attributes:
        place: a folder with its keys and settings.
        network: the process that keeps its network.
    """

    place: Path
    network: int

    @property
    def variables(self) -> dict[str, str]:
        """How an inventory says where it is; its own name is in the settings of ssh, as a person may have it."""
        return {
            "ansible_host": "far-machine",
            "ansible_user": "root",
            "ansible_ssh_common_args": f"-F {self.place}/ssh_config",
        }


@contextlib.contextmanager
def far_machine(place: Path) -> Iterator[Far]:
    """A machine whose sshd is started by whoever connects, and lets in the key in ``place``; its processes end with it."""
    place.mkdir(mode=0o700)
    for name in ("host", "person"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    (place / "sshd_config").write_text(
        f"HostKey {place}/host\nAuthorizedKeysFile {place}/person.pub\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "PermitRootLogin prohibit-password\nMaxStartups 100\n",
        encoding="utf-8",
    )
    (place / "known_hosts").write_text(f"far-machine {(place / 'host.pub').read_text()}", encoding="utf-8")
    unshare = ["unshare", "--net", sys.executable, "-S", "-c", NETWORK]
    with subprocess.Popen(unshare, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as network:
        assert network.stdout
        assert network.stdout.readline() == "up\n"
        (place / "ssh_config").write_text(
            f"Host far-machine\n  IdentityFile {place}/person\n  UserKnownHostsFile {place}/known_hosts\n"
            f"  ProxyCommand nsenter --target {network.pid} --net {SSHD} -i -f {place}/sshd_config -E {place}/log\n",
            encoding="utf-8",
        )
        yield Far(place, network.pid)
        network.terminate()
