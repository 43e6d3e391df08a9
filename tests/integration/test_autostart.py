"""A lab starts by itself after a reboot: what `make autostart` writes, and what that does."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.labs import Lab, only

pytestmark = [
    only("postgres_fdw"),  # the same program with every engine
    pytest.mark.skipif(
        os.geteuid() != 0, reason="only root may have a /run of its own, which says who runs the machine"
    ),
]

#: A machine that systemd runs, and one that it does not, for one command: a /run of its own.
SYSTEMD = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec "$@"',
    "sh",
]
OTHER = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh"]


def answers(lab: Lab) -> bool:
    """Whether the API answers, with the database behind it."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{lab.api_url}/status", timeout=5) as answer:  # noqa: S310  # http, as the line says
        return b'"estado":"ok"' in answer.read()
    return False


def lose_power(lab: Lab) -> None:
    """Kill every process of the lab, the supervisor first, and leave what they leave."""
    found = [
        process
        for process in psutil.process_iter(["environ", "cmdline"])
        if str(lab.directory) in " ".join([*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()])
    ]
    for process in sorted(found, key=lambda process: process.pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=10)
    assert not answers(lab)


@pytest.fixture
def stopped(lab: Lab) -> Iterator[Lab]:
    """The lab, which is going to be stopped one way or another; at the end it runs, and nothing starts it by itself."""
    yield lab
    for within in (SYSTEMD, OTHER):
        lab.play("autostart.yml", "-e", "autostart_state=off", within=within)
    started = lab.play("start.yml")
    assert started.rc == 0, started.stdout


def test_a_lab_that_lost_its_power_starts_by_itself(stopped: Lab) -> None:
    """What systemd is told to run, runs it, as the lab's user, though a server's old number is another process by now."""
    lab = stopped
    unit = Path(f"/etc/systemd/system/historia-clinica-{lab.name}.service")
    check = lab.play("autostart.yml", "--check", within=SYSTEMD)
    assert check.recap[lab.name]["changed"] == 1, check.stdout
    assert not unit.exists()
    on = lab.play("autostart.yml", "--diff", within=SYSTEMD)
    assert (on.rc, on.recap[lab.name]["changed"]) == (0, 1), on.stdout
    assert f"+User=hc-{lab.name}" in on.stdout
    assert f"make autostart INVENTORY={lab.inventory} STATE=off" in on.stdout
    assert lab.play("autostart.yml", within=SYSTEMD).recap[lab.name]["changed"] == 0
    assert f"it starts by itself (systemd, unit {unit.name})" in lab.play("status.yml").stdout
    command = re.search(r'ExecStart=/bin/sh "-c" ".*?\$@\\"" (.*)', unit.read_text(encoding="utf-8"))
    assert command

    user = pwd.getpwnam(f"hc-{lab.name}")
    same_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
    with subprocess.Popen(["sleep", "1000"], **same_user) as other:  # type: ignore[call-overload]
        lose_power(lab)
        lock = lab.directory / "data/citus-worker-1/postmaster.pid"
        lines = lock.read_text(encoding="utf-8").splitlines(keepends=True)
        lock.write_text("".join([f"{other.pid}\n", *lines[1:]]), encoding="utf-8")
        with subprocess.Popen(shlex.split(command[1]), **same_user) as booted:  # type: ignore[call-overload]
            try:
                lab.wait_until(lambda: answers(lab), 60)
                above = [process.pid for process in psutil.Process(lab.postmaster("citus-worker-1")).parents()]
                assert booted.pid in above[:2]  # between them is what keeps people's data out of the server's log
                assert psutil.Process(booted.pid).username() == user.pw_name
            finally:
                booted.send_signal(signal.SIGTERM)  # or nothing would end the wait for it
                other.kill()
            assert booted.wait(60) == 0

    off = lab.play("autostart.yml", "-e", "autostart_state=off", within=SYSTEMD)
    assert off.recap[lab.name]["changed"] == 1, off.stdout
    assert not unit.exists()
    assert f"by itself: make autostart INVENTORY={lab.inventory}" in lab.play("status.yml", within=SYSTEMD).stdout


def test_cron_starts_it_where_there_is_no_systemd(stopped: Lab) -> None:
    """Debian's cron, as it starts with the machine."""
    cron = shutil.which("cron")
    if not cron or not shutil.which("crontab"):
        pytest.skip("no cron on this machine")
    lab = stopped
    on = lab.play("autostart.yml", within=OTHER)
    assert (on.rc, on.recap[lab.name]["changed"]) == (0, 1), on.stdout
    file = Path(f"/etc/cron.d/historia-clinica-{lab.name}")
    assert f"@reboot hc-{lab.name} " in file.read_text(encoding="utf-8")
    assert lab.play("stop.yml").rc == 0
    with subprocess.Popen([*OTHER, cron, "-f"]) as daemon:
        lab.wait_until(lambda: answers(lab), 90)
        daemon.terminate()
    supervisors = [p for p in psutil.process_iter(["cmdline"]) if "supervisor.supervisord" in (p.info["cmdline"] or [])]
    mine = [p for p in supervisors if str(lab.directory) in " ".join(p.info["cmdline"])]
    assert [process.username() for process in mine] == [f"hc-{lab.name}"]
    assert "--nodaemon" in mine[0].cmdline()
    assert lab.play("autostart.yml", "-e", "autostart_state=off", within=OTHER).recap[lab.name]["changed"] == 1
    assert not file.exists()


def test_a_machine_that_can_start_nothing_says_so(lab: Lab) -> None:
    """Neither systemd nor cron: the run fails with what to do, and the lab runs on."""
    if shutil.which("crontab"):
        pytest.skip("cron could start it here")
    run = lab.play("autostart.yml", within=OTHER)
    assert run.rc != 0
    assert "neither systemd nor cron" in run.stdout
    assert answers(lab)
