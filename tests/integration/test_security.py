"""What SECURITY.md promises of a lab on this machine, seen from outside: its processes, its ports, its files."""

from __future__ import annotations

import ipaddress
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

import psutil

from support.labs import Lab


def family(lab: Lab) -> list[psutil.Process]:
    """All processes of a lab: its supervisor and what that started."""
    supervisor = psutil.Process(int((lab.directory / "run/supervisord.pid").read_text()))
    return [supervisor, *supervisor.children(recursive=True)]


def secrets(lab: Lab) -> dict[str, str]:
    """Every secret of a lab, by what it is."""
    found = {}
    for file in (lab.directory / "credentials").iterdir():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
            found[f"{file.name}, line {number + 1}"] = line.rpartition(":")[2].strip()
    assert len(found) >= 6
    assert all(len(secret) >= 32 for secret in found.values())
    return found


def test_no_secret_is_in_an_argument_or_the_environment_of_a_process(lab: Lab) -> None:
    """`ps` and /proc show none."""
    names = set()
    for process in family(lab):
        try:
            name, shown = process.name(), " ".join([*process.cmdline(), *process.environ().values()])
        except psutil.NoSuchProcess:  # a session's that ended meanwhile
            continue
        names.add(name)
        assert [name for name, secret in secrets(lab).items() if secret in shown] == [], process
    assert "postgres" in names
    assert len(names) > 1  # the supervisor's and the middleware's, too


def test_every_port_listens_on_loopback_only(lab: Lab) -> None:
    """Those of the servers and the API are all there, and none can be reached from outside."""
    listening = []
    for process in family(lab):
        with suppress(psutil.NoSuchProcess):  # a session's that ended meanwhile
            connections = process.net_connections(kind="inet")
            listening += [each.laddr for each in connections if each.status == psutil.CONN_LISTEN]
    assert {lab.database_port, lab.database_port + 1, lab.database_port + 2, lab.api_port} <= {
        address.port for address in listening
    }
    assert [address for address in listening if not ipaddress.ip_address(address.ip).is_loopback] == []


def test_what_a_lab_keeps_is_its_users_alone(lab: Lab) -> None:
    """Nobody else gets into its directory; and in it what matters has its owner's bits alone: and, where root made it, its user's."""
    root = os.geteuid() == 0
    assert stat.S_IMODE(lab.directory.stat().st_mode) == (0o750 if root else 0o700)
    if root:
        assert lab.directory.stat().st_gid == pwd.getpwnam(f"hc-{lab.name}").pw_gid
    open_to_others = set()
    for folder, folders, files in os.walk(lab.directory):
        for path in (Path(folder, name) for name in (*folders, *files)):
            status = path.lstat()
            if not stat.S_ISLNK(status.st_mode) and stat.S_IMODE(status.st_mode) & (0o007 if root else 0o077):
                open_to_others.add(path.relative_to(lab.directory).parts[0])
    assert open_to_others <= {
        "lab.json",
        "logs",
        "middleware",
        "run",
    }  # of the package, of pid files, nothing is secret
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (lab.directory / "credentials").iterdir()}
    assert modes == {0o600}
