"""A root file system that has never seen the lab, nor anything else of this machine: a newcomer's first minute happens in it.

It is a Debian or Ubuntu like this one, with the packages that README.md asks for and no more, which mmdebstrap makes. Where
it cannot, the root is empty but for the system's programs, which this machine lends, in a user namespace of the tester's.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from support.labs import ROOT

BARE_PATH = "/usr/local/bin:/usr/bin:/bin"
TOOLS = ("bash", "curl", "git", "make")
#: Numbers that neither a system's users nor those of containers have: what runs under one of them is the newcomer's.
UIDS = range(61200, 61800)
#: The machine's way to the network is the newcomer's; the rest of /etc is not.
NETWORK = ("/etc/resolv.conf", "/etc/hosts")
#: What the empty root gets from this machine: its programs.
PROGRAMS = ("/bin", "/etc", "/lib", "/lib32", "/lib64", "/sbin", "/usr")
#: Makes the folder $1 the root, with what the arguments from $3 on name of this machine; stays, and reaps what is orphaned.
INIT = """
set -eu
root=$1 alone=$2
shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
for path; do
  if [ -d "$path" ]; then mkdir -p "$root$path"; else mkdir -p "$(dirname "$root$path")"; [ -e "$root$path" ] || : > "$root$path"; fi
  mount --rbind "$path" "$root$path"
done
for file in passwd group; do
  if [ -f "$root/.$file" ]; then mount --bind "$root/.$file" "$root/etc/$file"; fi
done
mount -t proc proc "$root/proc"
cd "$root"
pivot_root . .
umount -l .
cd /
exec python3 -S -c '
import fcntl, signal, socket, struct, sys
if sys.argv[1] == "alone":  # the loopback of a new network is down
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
' "$alone"
"""


class NoRootError(Exception):
    """No root can be made on this machine; the message says why."""


@dataclass(frozen=True)
class Root:
    """A root that runs: its processes end with it.

    Attributes:
        place: the folder that is `/` in it.
        kind: what it is, in words.
        uid: the newcomer's number in it; the group's is the same.
        init: its first process, as this machine numbers it.
        enter: what runs a command in it as the newcomer, in the folder `/`.
    """

    place: Path
    kind: str
    uid: int
    init: int
    enter: tuple[str, ...]

    def processes(self) -> list[psutil.Process]:
        """What runs in it."""
        ours = _namespace(self.init)
        return [
            process
            for process in psutil.process_iter(["pid", "status"])
            if process.pid != self.init
            and process.info["status"] != psutil.STATUS_ZOMBIE
            and _namespace(process.pid) == ours
        ]

    def files(self) -> list[str]:
        """What belongs to the newcomer outside of the home."""
        owned = []
        for parent, folders, names in os.walk(self.place):
            folders[:] = [name for name in folders if Path(parent, name) not in self._not_looked_at()]
            owned += [path for path in (Path(parent, name) for name in (*folders, *names)) if self._is_owned(path)]
        return [f"/{path.relative_to(self.place)}" for path in owned]

    def _not_looked_at(self) -> set[Path]:
        return {self.place / name for name in ("home", "proc", "dev", "sys")}

    def _is_owned(self, path: Path) -> bool:
        return os.geteuid() == 0 and path.lstat().st_uid == self.uid


def _namespace(pid: int) -> int | None:
    """Which processes a process can see; None where it is gone, or another user's."""
    with contextlib.suppress(OSError):
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    return None


@contextlib.contextmanager
def open_root(name: str, home: str, lent: Sequence[str], network: bool = True) -> Iterator[Root]:
    """A root with one user, who has a home in it; at the end all of it is gone.

    Args:
        name: the user's.
        home: the home's path in it.
        lent: paths of this machine that are at the same place in it.
        network: whether it has this machine's; else it has the loopback alone, of its own.

    Raises:
        NoRootError: neither way is open here.
    """
    with contextlib.ExitStack() as stack:
        reasons = []
        for make in (_debian, _borrowed):
            place = Path(tempfile.mkdtemp(prefix="hc-", dir="/tmp"))
            place.chmod(0o755)
            stack.callback(subprocess.run, ["rm", "-rf", str(place)], check=True)
            try:
                root = stack.enter_context(make(place, name, home, lent, network))
            except NoRootError as reason:
                reasons.append(str(reason))
            else:
                print(f"\nThe root is {root.kind}. " + "; ".join(reasons))
                yield root
                return
        raise NoRootError("; ".join(reasons))


# --- Debian, Ubuntu -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _debian(place: Path, name: str, home: str, lent: Sequence[str], network: bool) -> Iterator[Root]:
    if os.geteuid() != 0:
        raise NoRootError("only root enters a tree of mmdebstrap's")
    subprocess.run(["tar", "-xf", str(tree()), "-C", str(place)], check=True)
    uid = _free_uid()
    account = ["useradd", "--key", f"UID_MAX={UIDS.stop}", "--uid", str(uid), "--user-group", "--home-dir", home]
    subprocess.run([*account, "--no-create-home", "--shell", "/bin/bash", "--root", str(place), name], check=True)
    there = [*NETWORK, "/dev", "/sys", *lent]
    with _running(place, "a Debian that mmdebstrap made", uid, home, there, network) as root:
        yield root


def tree() -> Path:
    """The archive of a root with the README's packages: made once, and kept outside of the checkout.

    Raises:
        NoRootError: it cannot be made here.
    """
    if not shutil.which("mmdebstrap"):
        raise NoRootError("mmdebstrap is not installed")
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    suite = release.get("VERSION_CODENAME", "")
    sources = [path for path in _sources() if suite in path.read_text(encoding="utf-8").split()] if suite else []
    if not sources:
        raise NoRootError("no source of packages of this machine names its own release")
    packages = ["ca-certificates", *readme_packages()]
    made_of = " ".join([suite, *packages, *(path.read_text(encoding="utf-8") for path in sources)])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "historia-clinica-tests")
    archive = cache / f"{suite}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.tar"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            for older in cache.glob("*.tar"):
                older.unlink()
            _bootstrap(suite, packages, sources, archive)
    return archive


def _bootstrap(suite: str, packages: list[str], sources: list[Path], archive: Path) -> None:
    """Let mmdebstrap make the archive, from where this machine has its packages."""
    new = archive.with_name("new.tar")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as settings:
        asked = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
        settings.write("".join(line for line in asked.splitlines(keepends=True) if line.startswith("Acquire::http")))
        settings.flush()
        options = ["--variant=minbase", f"--include={','.join(packages)}", f"--aptopt={settings.name}"]
        done = subprocess.run(
            ["mmdebstrap", "--quiet", *options, suite, str(new), *map(str, sources)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        new.unlink(missing_ok=True)
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise NoRootError(f"mmdebstrap could not make a root: {said[0]}")
    new.rename(archive)


def _sources() -> list[Path]:
    """The files that say where this machine has its packages from."""
    folder = Path("/etc/apt/sources.list.d")
    listed = [Path("/etc/apt/sources.list"), *sorted(folder.glob("*.list")), *sorted(folder.glob("*.sources"))]
    return [path for path in listed if path.is_file()]


def readme_packages() -> list[str]:
    """What README.md tells a person with Debian to install."""
    told = re.search(r"`sudo apt install ([^`]+)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert told, "README.md no longer says what to install"
    return told[1].split()


def _free_uid() -> int:
    taken = {process.info["uids"].real for process in psutil.process_iter(["uids"]) if process.info["uids"]}
    taken |= {entry.pw_uid for entry in pwd.getpwall()}
    return next(uid for uid in UIDS if uid not in taken)


# --- An empty root ------------------------------------------------------------------------------------------------


def missing() -> str:
    """What this machine lacks for a newcomer; empty where it has all."""
    tools = [tool for tool in TOOLS if not shutil.which(tool, path=BARE_PATH)]
    look = (
        "for p in python3 python3.13 python3.12 python3.11; do "
        "$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' && exit; done; exit 1"
    )
    if subprocess.run(["bash", "-c", look], env={"PATH": BARE_PATH}, stderr=subprocess.DEVNULL, check=False).returncode:
        tools.append("python3 (3.11 or newer, with venv)")
    return f"not in {BARE_PATH}: {', '.join(tools)}" if tools else ""


@contextlib.contextmanager
def _borrowed(place: Path, name: str, home: str, lent: Sequence[str], network: bool) -> Iterator[Root]:
    if sys.platform != "linux":
        raise NoRootError("namespaces are Linux's")
    if lacking := missing():
        raise NoRootError(lacking)
    uid = os.geteuid() or _free_uid()
    for part in ("home", "proc", "run", "tmp", "var/tmp"):
        (place / part).mkdir(parents=True)
        (place / part).chmod(0o1777 if part.endswith("tmp") else 0o755)
    programs = []
    for path in filter(os.path.lexists, PROGRAMS):
        if os.path.islink(path):
            (place / path[1:]).symlink_to(os.readlink(path))
        else:
            programs.append(path)
    for file, line in (("passwd", f"{name}:x:{uid}:{uid}::{home}:/bin/bash"), ("group", f"{name}:x:{uid}:")):
        others = [other for other in Path("/etc", file).read_text().splitlines() if other.split(":")[2] != str(uid)]
        (place / f".{file}").write_text("\n".join([*others, line]) + "\n", encoding="utf-8")
    (place / home[1:]).mkdir(parents=True)
    for folder in (place, place / "home"):
        folder.chmod(0o555)  # where the tester is the newcomer, it is the tester's
    try:
        there = [*programs, "/dev", "/sys", *lent]
        with _running(place, "this machine's, emptied", uid, home, there, network) as root:
            yield root
    finally:
        for folder in (place, place / "home"):
            folder.chmod(0o755)


# --- Both ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _running(place: Path, kind: str, uid: int, home: str, lent: Sequence[str], network: bool) -> Iterator[Root]:
    """Start the root's first process, and end it, and with it all others, at last.

    Raises:
        NoRootError: this machine does not allow it.
    """
    (place / home[1:]).mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(place / home[1:], uid, uid)
    own = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    net = [] if network else ["--net"]
    unshare = [
        "unshare",
        *own,
        *net,
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        INIT,
        "init",
        str(place),
    ]
    there = [path for path in dict.fromkeys(lent) if os.path.exists(path)]
    process = subprocess.Popen(
        [*unshare, "" if network else "alone", *there], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    init: list[psutil.Process] = []
    try:
        if process.stdout.readline() != "ready\n":
            said = process.stderr.read().strip().splitlines()[-1:] or ["it said nothing"]
            raise NoRootError(f"no namespace: {said[0]}")
        init = psutil.Process(process.pid).children()
        become = ["--user", "--preserve-credentials"] if own else [f"--setuid={uid}", f"--setgid={uid}"]
        program = shutil.which("nsenter") or "nsenter"
        yield Root(
            place, kind, uid, init[0].pid, (program, f"--target={init[0].pid}", *net, "--mount", "--pid", *become)
        )
    finally:
        process.kill()
        process.communicate()
        psutil.wait_procs(init, timeout=30)
