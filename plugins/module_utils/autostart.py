# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""How a lab starts by itself after a reboot: with systemd, with cron where there is none, with launchd on macOS.

The texts are pure functions of a lab. What a machine has of them is looked at in files, and in the user's crontab.
"""

from __future__ import annotations

import os
import platform
import plistlib
import pwd
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: What a user's crontab calls the line of a lab, which ends with it.
MARK = "# historia-clinica"


@dataclass(frozen=True)
class BootMethod:
    """One method of starting a lab with the machine.

    Attributes:
        name: ``systemd``, ``cron`` or ``launchd``.
        says: what it is, as a page calls it.
        path: the file that it takes; empty for a user's crontab.
        text: of the file, or the line of the crontab.
        link: the symbolic link that switches it on; empty where the file is enough.
    """

    name: str
    says: str
    path: str
    text: str
    link: str = ""


@dataclass(frozen=True)
class Host:
    """Whose lab it is, and on what kind of machine.

    Attributes:
        root: whether root has made it: then the machine's own places are meant, not a user's.
        home: the user's home.
        system: ``Linux`` or ``Darwin``.
        systemd: whether systemd runs the machine.
        crontab: the program that edits a user's crontab; empty where there is none.
        path: where programs are looked for; Minikube finds its driver there.
        variables: what Minikube needs of the environment.
    """

    root: bool
    home: str
    system: str = "Linux"
    systemd: bool = True
    crontab: str = ""
    path: str = os.defpath
    variables: Mapping[str, str] = field(default_factory=dict)


def this_host() -> Host:
    """The machine of this process, and its user."""
    kept = ("MINIKUBE_HOME", "DOCKER_HOST")
    programs = (shutil.which(name) for name in ("minikube", "docker", "podman"))
    folders = [os.path.dirname(program) for program in programs if program]
    crontab = shutil.which("crontab") or ""
    return Host(
        root=os.geteuid() == 0,
        home=pwd.getpwuid(os.geteuid()).pw_dir,  # as systemd and cron know it
        system=platform.system(),
        systemd=os.path.isdir("/run/systemd/system"),
        # BusyBox has one that does not know @reboot.
        crontab="" if "busybox" in os.path.realpath(crontab) else crontab,
        path=os.pathsep.join(dict.fromkeys([*folders, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"])),
        variables={name: os.environ[name] for name in kept if name in os.environ},
    )


# ---------------------------------------------------------------------------------------------------- what is run


def boot_path(directory: str) -> str:
    """Where a lab has the program that starts it."""
    return os.path.join(directory, "bin", "boot.py")


def boot_log(directory: str) -> str:
    """What that program says, where nobody else keeps it."""
    return os.path.join(directory, "logs", "boot.log")


def boot_command(lab: Mapping[str, Any], host: Host) -> list[str]:
    """The program that starts a lab, with its arguments.

    Args:
        lab: the fact that the role preflight gives.
        host: the machine.
    """
    command = [lab["python"], boot_path(lab["directory"]), f"--directory={lab['directory']}"]
    if lab["target"] == "minikube":
        program = shutil.which("minikube", path=host.path) or "minikube"
        variables = {"PATH": host.path, **host.variables}
        command += [f"--minikube={program}", f"--profile={lab['context']}", f"--kubeconfig={lab['kubeconfig']}"]
        command += [f"--set={name}={value}" for name, value in sorted(variables.items())]
        command += ["--force"] if host.root else []
    return command


# ---------------------------------------------------------------------------------------------------- systemd


def systemd_word(text: str) -> str:
    """A word of a command as a unit has it: in quotes, without a specifier or a variable in it."""
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        text = text.replace(character, escaped)
    return f'"{text}"'


def unit_text(lab: Mapping[str, Any], host: Host) -> str:
    """The unit of systemd: the machine's own for root's labs, else the user's."""
    # Through the shell: SELinux lets systemd start nothing that lies under /var/lib, and the shell may.
    words = ["/bin/sh", "-c", 'exec "$0" "$@"', *boot_command(lab, host)]
    whose = f"User={lab['user']}\nGroup={lab['group']}\n" if host.root else ""
    cluster = host.root and lab["target"] != "host"  # a user's units cannot wait for the machine's
    after = "Wants=network-online.target\nAfter=network-online.target docker.service\n" if cluster else ""
    return f"""\
# Made by Ansible: the playbook autostart, which removes it with autostart_state=off.
[Unit]
Description=Historia clinica, lab {lab["name"]}
{after}
[Service]
{whose}ExecStart={words[0]} {" ".join(map(systemd_word, words[1:]))}
Restart=on-failure
RestartSec=10
# The supervisor ends its programs one after the other, each with the signal that it wants.
KillMode=mixed
TimeoutStopSec=120

[Install]
WantedBy={"multi-user" if host.root else "default"}.target
"""


def systemd(lab: Mapping[str, Any], host: Host) -> BootMethod:
    """By systemd."""
    folder = "/etc/systemd/system" if host.root else os.path.join(host.home, ".config/systemd/user")
    unit = f"historia-clinica-{lab['name']}.service"
    target = "multi-user.target" if host.root else "default.target"
    return BootMethod(
        "systemd",
        f"systemd, {'' if host.root else 'user '}unit {unit}",
        os.path.join(folder, unit),
        unit_text(lab, host),
        os.path.join(folder, f"{target}.wants", unit),
    )


def lingers(user: str) -> bool:
    """Whether systemd starts a user's units with the machine, before the user logs in."""
    return os.path.exists(os.path.join("/var/lib/systemd/linger", user))


# ---------------------------------------------------------------------------------------------------- cron


def cron(lab: Mapping[str, Any], host: Host) -> BootMethod:
    """By cron: a file of the machine's for root's labs, which run as their own user, else a line of the user's crontab."""
    command = f"{shlex.join(boot_command(lab, host))} >>{shlex.quote(boot_log(lab['directory']))} 2>&1"
    command = command.replace("%", "\\%")  # cron's word for a new line
    if host.root:
        text = f'# Made by Ansible: the playbook autostart, which removes it with autostart_state=off.\nMAILTO=""\n@reboot {lab["user"]} {command}\n'
        path = f"/etc/cron.d/historia-clinica-{lab['name']}"
        return BootMethod("cron", f"cron, {path}", path, text)
    return BootMethod("cron", "cron, @reboot in the crontab", "", f"@reboot {command} {MARK} {lab['name']}")


def crontab_with(crontab: str, line: str, name: str) -> str:
    """A crontab with one line for a lab, in the place of those that it has; without any where the line is empty."""
    kept = [other for other in crontab.splitlines() if not other.endswith(f"{MARK} {name}")]
    return "".join(f"{one}\n" for one in [*kept, *([line] if line else [])])


def read_crontab(program: str) -> str:
    """The user's crontab; empty where there is none."""
    done = subprocess.run([program, "-l"], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def write_crontab(program: str, text: str) -> None:
    """Replace the user's crontab.

    Raises:
        OSError: crontab refuses it; with its words.
    """
    done = subprocess.run([program, "-"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"crontab: {done.stderr.strip()}")


# ---------------------------------------------------------------------------------------------------- launchd


def launchd(lab: Mapping[str, Any], host: Host) -> BootMethod:
    """By launchd: an agent of the user's, who has to log in; for root's labs a daemon."""
    label = f"historia-clinica.{lab['name']}"
    job: dict[str, Any] = {
        "Label": label,
        "ProgramArguments": boot_command(lab, host),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "StandardOutPath": boot_log(lab["directory"]),
        "StandardErrorPath": boot_log(lab["directory"]),
    }
    folder = "/Library/LaunchDaemons" if host.root else os.path.join(host.home, "Library/LaunchAgents")
    if host.root:
        job |= {"UserName": lab["user"], "GroupName": lab["group"]}
    text = plistlib.dumps(job).decode()
    return BootMethod("launchd", f"launchd, {label}", os.path.join(folder, f"{label}.plist"), text)


# ---------------------------------------------------------------------------------------------------- which


def boot_methods(lab: Mapping[str, Any], host: Host) -> list[BootMethod]:
    """Every boot method that a machine of this kind may have, the best first."""
    if host.system == "Darwin":
        return [launchd(lab, host)]
    return [systemd(lab, host), cron(lab, host)]


def pick_method(found: Sequence[BootMethod], host: Host) -> BootMethod | None:
    """The boot method that a lab of this machine uses; None if there is none."""
    for method in found:
        if (
            method.name == "launchd"
            or (method.name == "systemd" and host.systemd)
            or (method.name == "cron" and host.crontab)
        ):
            return method
    return None


def is_enabled(method: BootMethod, name: str, crontab: str) -> bool:
    """Whether a boot method is enabled for a lab.

    Args:
        method: one of them.
        name: the lab's name.
        crontab: the user's crontab.
    """
    if not method.path:
        return any(line.endswith(f"{MARK} {name}") for line in crontab.splitlines())
    return os.path.isfile(method.path) and (not method.link or os.path.lexists(method.link))


def enabled_method(lab: Mapping[str, Any], host: Host) -> str:
    """What starts a lab with the machine, in words; empty where nothing does."""
    crontab = "" if host.root or not host.crontab else read_crontab(host.crontab)
    return next((method.says for method in boot_methods(lab, host) if is_enabled(method, lab["name"], crontab)), "")
