"""A lab that starts by itself: what systemd, cron and launchd are told, and how it is switched on and off."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import boot
from ansible_collections.aula.historia_clinica.plugins.module_utils import autostart
from ansible_collections.aula.historia_clinica.plugins.module_utils.autostart import Host
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.autostart import after_reboot, autostart_page
from support.modules import RunModule

ROOT = Host(root=True, home="/root", crontab="/usr/bin/crontab")
ANA = replace(ROOT, root=False, home="/home/ana")
MAC = replace(ANA, home="/Users/ana", system="Darwin", systemd=False)


INVOCATION = {"checkout": "/home/ana/historia-clinica"}


def lab(directory: str = "/var/lib/historia-clinica/labs/lab", **changes: Any) -> dict[str, Any]:
    """The fact of a lab, as far as this reads it."""
    return {
        "name": "lab",
        "invocation": INVOCATION,
        "autostart_possible": True,
        "target": "host",
        "directory": directory,
        "python": f"{directory}/../../runtime/bin/python",
        "user": "nobody",
        "group": "nogroup",
        "user_exists": True,
        "context": "historia-clinica",
        "kubeconfig": "/home/ana/.kube/config",
        "autostart": "",
        **changes,
    }


#: What a directory may hold and each of the three reads in its own way.
AWKWARD = ("plain", "mi lab ñ", "100% $HOME", 'it\'s "here"', "a\\b;c&d")


@pytest.mark.parametrize("host", [ROOT, ANA], ids=["root", "user"])
@pytest.mark.parametrize("name", AWKWARD)
def test_systemd_takes_the_unit(tmp_path: Path, host: Host, name: str) -> None:
    """systemd-analyze finds nothing to say of it: no unknown key, no program that is missing, no broken quotes."""
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("no systemd-analyze on this machine")
    directory = tmp_path / name / "labs/lab"
    directory.mkdir(parents=True)
    unit = tmp_path / "historia-clinica-lab.service"
    described = lab(str(directory), user="daemon", group="daemon")
    unit.write_text(autostart.systemd(described, host).text, encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", "--man=no", *([] if host.root else ["--user"]), str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_words_are_what_they_were() -> None:
    """Neither a specifier, a variable nor an escape is left in them."""
    assert autostart.systemd_word('100% $HOME "x" \\n') == '"100%% $$HOME \\"x\\" \\\\n"'


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("host", [ROOT, ANA], ids=["root", "user"])
def test_cron_runs_the_program_with_its_arguments(tmp_path: Path, host: Host, name: str) -> None:
    """What cron hands to the shell, once it has read its own percent signs, runs the program, and its words are logged."""
    directory = tmp_path / name
    (directory / "bin").mkdir(parents=True)
    (directory / "logs").mkdir()
    (directory / "bin/boot.py").write_text("import sys; print(sys.argv[1:])", encoding="utf-8")
    described = lab(str(directory), python=shutil.which("python3"))
    line = next(line for line in autostart.cron(described, host).text.splitlines() if line.startswith("@reboot"))
    command = line.removeprefix("@reboot ").removeprefix("nobody " if host.root else "")
    assert "%" not in command.replace("\\%", "")
    subprocess.run(["/bin/sh", "-c", command.replace("\\%", "%")], check=True)
    assert (directory / "logs/boot.log").read_text(encoding="utf-8") == f"{[f'--directory={directory}']}\n"


@pytest.mark.parametrize("name", AWKWARD)
def test_launchd_reads_the_program_with_its_arguments(name: str) -> None:
    """An agent of the user's; root's lab is a daemon that runs as the lab's user."""
    described = lab(f"/Users/ana/{name}")
    method = autostart.launchd(described, MAC)
    job = plistlib.loads(method.text.encode())
    assert method.path == "/Users/ana/Library/LaunchAgents/historia-clinica.lab.plist"
    assert job["ProgramArguments"] == autostart.boot_command(described, MAC)
    assert job["RunAtLoad"]
    assert "UserName" not in job
    daemon = autostart.launchd(described, replace(MAC, root=True))
    assert daemon.path.startswith("/Library/LaunchDaemons/")
    assert plistlib.loads(daemon.text.encode())["UserName"] == "nobody"


def test_launchd_takes_the_agent(tmp_path: Path) -> None:
    """As macOS itself checks it."""
    plutil = shutil.which("plutil")
    if not plutil:
        pytest.skip("no plutil on this machine: launchd is macOS'")
    file = tmp_path / "agent.plist"
    file.write_text(autostart.launchd(lab(), MAC).text, encoding="utf-8")
    subprocess.run([plutil, "-lint", str(file)], check=True)


@pytest.mark.parametrize(
    ("host", "method"),
    [
        (ROOT, "systemd"),
        (ANA, "systemd"),
        (replace(ANA, systemd=False), "cron"),
        (replace(ROOT, systemd=False), "cron"),
        (MAC, "launchd"),
        (replace(ANA, systemd=False, crontab=""), None),
    ],
)
def test_each_machine_has_its_way(host: Host, method: str | None) -> None:
    """systemd before cron; without either there is none."""
    found = autostart.pick_method(autostart.boot_methods(lab(), host), host)
    assert (found and found.name) == method


def test_root_runs_nothing_that_belongs_to_others() -> None:
    """The unit and the file of cron are root's, and what they start, which the lab's user owns, runs as that user."""
    assert "\nUser=nobody\nGroup=nogroup\n" in autostart.systemd(lab(), ROOT).text
    assert "\n@reboot nobody " in autostart.cron(lab(), ROOT).text
    assert "User=" not in autostart.systemd(lab(), ANA).text


def test_a_lab_in_minikube_starts_its_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the program, the kubeconfig and the folders of the run that asked for it; as root with --force."""
    monkeypatch.setattr(shutil, "which", lambda name, path=None: f"/opt/bin/{name}")
    host = replace(ROOT, path="/opt/bin:/usr/bin", variables={"MINIKUBE_HOME": "/m"})
    command = autostart.boot_command(lab(target="minikube", user="root"), host)
    assert command[3:] == [
        "--minikube=/opt/bin/minikube",
        "--profile=historia-clinica",
        "--kubeconfig=/home/ana/.kube/config",
        "--set=MINIKUBE_HOME=/m",
        "--set=PATH=/opt/bin:/usr/bin",
        "--force",
    ]
    assert "docker.service" in autostart.systemd(lab(target="minikube"), host).text
    assert len(autostart.boot_command(lab(target="kubernetes"), host)) == 3


CRONTAB = "MAILTO=ana\n5 4 * * * backup # historia-clinica lab2\n"


def test_a_crontab_keeps_what_others_wrote() -> None:
    """A lab's line is put in, found, replaced and taken out; one of a lab whose name begins alike stays."""
    method = autostart.cron(lab(), replace(ANA, systemd=False))
    once = autostart.crontab_with(CRONTAB, method.text, "lab")
    assert once == f"{CRONTAB}{method.text}\n"
    assert autostart.crontab_with(once, method.text, "lab") == once
    assert autostart.crontab_with(once, "", "lab") == CRONTAB
    assert autostart.is_enabled(method, "lab", once)
    assert not autostart.is_enabled(method, "lab", CRONTAB)


@pytest.fixture
def described(open_place: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A lab of a user whose home is a place of the test's, on a machine that systemd runs."""
    directory = open_place / "labs/lab"
    (directory / "bin").mkdir(parents=True)
    shutil.copy(boot.__file__, directory / "bin")
    host = Host(root=False, home=str(open_place / "home"))
    monkeypatch.setattr(autostart, "this_host", lambda: host)
    return lab(str(directory), user_exists=False)


def test_switching_on_and_off(run_module: RunModule, described: dict[str, Any]) -> None:
    """Once changed, then not; check mode says so and writes nothing; what is off is as it was before."""
    home = Path(autostart.this_host().home)
    unit = home / ".config/systemd/user/historia-clinica-lab.service"
    link = unit.parent / "default.target.wants/historia-clinica-lab.service"
    check = run_module("autostart", check=True, diff=True, lab=described)
    assert check["changed"]
    assert not home.exists()
    made = run_module("autostart", diff=True, lab=described)
    assert made["diff"] == check["diff"]
    assert [entry["after_header"] for entry in made["diff"]] == [str(unit), str(link)]
    assert (made["method"], made["waits_for"]) == ("systemd, user unit historia-clinica-lab.service", "nobody")
    assert link.resolve() == unit
    assert autostart.enabled_method(described, autostart.this_host()) == made["method"]
    assert not run_module("autostart", lab=described)["changed"]
    assert not run_module("autostart", check=True, lab=described)["changed"]
    assert run_module("autostart", check=True, lab=described, state="off")["changed"]
    assert unit.exists()
    off = run_module("autostart", lab=described, state="off")
    assert (off["changed"], off["method"]) == (True, "")
    assert [path for path in (unit, link) if path.is_symlink() or path.exists()] == []
    assert autostart.enabled_method(described, autostart.this_host()) == ""
    assert not run_module("autostart", lab=described, state="off")["changed"]


def test_systemd_itself_calls_it_enabled(run_module: RunModule, described: dict[str, Any]) -> None:
    """The link is what `systemctl enable` makes."""
    systemctl = shutil.which("systemctl")
    if not systemctl:
        pytest.skip("no systemctl on this machine")
    run_module("autostart", lab=described)
    home = autostart.this_host().home
    done = subprocess.run(
        [systemctl, "--user", "is-enabled", "historia-clinica-lab.service"],
        env={"HOME": home, "SYSTEMD_OFFLINE": "1", "XDG_RUNTIME_DIR": home},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "enabled", done.stderr


def test_an_interrupted_switch_is_taken_up(run_module: RunModule, described: dict[str, Any]) -> None:
    """A unit without its link starts nothing, and is not called on."""
    run_module("autostart", lab=described)
    link = Path(autostart.this_host().home, ".config/systemd/user/default.target.wants/historia-clinica-lab.service")
    link.unlink()
    assert autostart.enabled_method(described, autostart.this_host()) == ""
    assert run_module("autostart", lab=described)["changed"]
    assert link.is_symlink()


def test_a_machine_without_any_way_says_what_helps(
    run_module: RunModule, described: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written; to switch off is no failure there."""
    monkeypatch.setattr(autostart, "this_host", lambda: Host(root=False, home="/nonexistent", systemd=False))
    failed = run_module("autostart", lab=described)
    assert failed["failed"]
    assert "sudo apt install cron" in failed["msg"]
    assert not run_module("autostart", lab=described, state="off")["changed"]


def test_a_lab_without_the_program_that_starts_it_is_told_what_brings_it(
    run_module: RunModule, described: dict[str, Any]
) -> None:
    """One that an earlier release made; nothing is written that would start nothing."""
    Path(described["directory"], "bin/boot.py").unlink()
    for check in (True, False):
        failed = run_module("autostart", check=check, lab=described)
        assert failed["failed"]
        assert "bin/boot.py, which starts the lab: make lab brings it." in failed["msg"]
    assert not Path(autostart.this_host().home).exists()


@pytest.mark.parametrize(
    ("changes", "result", "said"),
    [
        ({}, {"method": "systemd, unit x", "waits_for": ""}, ["starts by itself after a reboot: systemd, unit x."]),
        (
            {},
            {"method": "systemd, user unit x", "waits_for": "ana"},
            ["until ana logs in", "  loginctl enable-linger ana"],
        ),
        ({}, {"method": "launchd, x", "waits_for": "ana"}, ["until ana logs in"]),
        ({"target": "minikube"}, {"method": "cron, x", "waits_for": ""}, ["profile historia-clinica is started too"]),
        (
            {"invocation": {**INVOCATION, "host": "ana"}},
            {"method": "cron, x", "waits_for": ""},
            ["make autostart LAB=ana STATE=off"],
        ),
        ({}, {"method": "", "waits_for": ""}, ["does not start by itself", "make start"]),
    ],
)
def test_the_page_says_what_becomes_of_it(changes: dict[str, str], result: dict[str, str], said: list[str]) -> None:
    """Who starts it, whether it waits for a log-in and what to do against that, and how to undo it."""
    page = autostart_page(lab(**changes), result)
    assert [text for text in said if text not in page] == []
    assert ("STATE=off" in page) == bool(result["method"])
    assert max(map(len, page.splitlines())) <= 90


def test_status_and_summary_say_whether_it_is_on() -> None:
    """One sentence for both."""
    assert after_reboot(lab()) == "After a reboot: make start; by itself: make autostart"
    assert after_reboot(lab(autostart_possible=False)) == "After a reboot: make start"
    assert "by itself (cron, x)" in after_reboot(lab(autostart="cron, x"))
