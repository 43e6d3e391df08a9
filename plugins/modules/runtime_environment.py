#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Make the environment that the labs of a host run from."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runtime_environment
short_description: Make the environment that the labs of a host run from
description:
  - Makes a Python virtual environment that holds exactly what a lock file names, with its hashes checked. It is made again
    only when the lock or the interpreter changed, under a lock, since the labs of a host share it.
  - Installs with C(uv), out of its cache without a network where that suffices. Where the interpreter of this task has no
    uv beside it, pip brings the locked one.
  - A new environment takes the old one's place only when it is complete, and one that is removed leaves its place first, so
    that none is there by halves where a run is interrupted.
options:
  state:
    description:
      - V(present) makes it; V(absent) removes it, with what an interrupted run has left of one, unless the host still has a lab.
        Where something runs from it that is no lab of the host's list, it stays, and the module fails.
    type: str
    choices: [present, absent]
    default: present
  directory:
    description: >-
      Absolute path. By default C(/var/lib/historia-clinica/runtime) for root, else C(historia-clinica/runtime) in the user's
      state directory.
    type: path
  lock:
    description: Text of the lock file. Required when O(state=present).
    type: str
  bootstrap:
    description: Text of the lock file with uv alone, for pip. Required when O(state=present).
    type: str
  shell_environment:
    description: >-
      Text that C(sh) sources before it runs a program of the lab's, to leave out what a person exported for something else. It
      is kept beside the environment, and holds for pip and uv here. Required when O(state=present).
    type: str
  python:
    description: >-
      The interpreter to make it from, 3.11 or newer. By default this task's own; where that is older, or root's labs, which
      run as other users, could not read it, the newest one that is found.
    type: path
  invocation:
    description:
      - How the person who started the run reaches this machine, as P(aula.historia_clinica.invocation#lookup) finds out, for the commands that
        messages name.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Says whether it would be made or removed.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Make the runtime environment
  aula.historia_clinica.runtime_environment:
    lock: "{{ lookup('ansible.builtin.file', 'requirements/runtime.txt') }}"
    bootstrap: "{{ lookup('ansible.builtin.file', 'requirements/bootstrap.txt') }}"
    shell_environment: "{{ lookup('ansible.builtin.file', 'environment.sh') }}"
  register: runtime_environment
"""

RETURN = r"""
directory:
  description: Where the environment is.
  returned: always
  type: str
digest:
  description: What the environment is made of, in 12 characters; it changes when the environment is made anew.
  returned: O(state=present)
  type: str
python:
  description: Its interpreter.
  returned: always
  type: str
interpreter:
  description: The same for modules, which gives them an environment of the lab's.
  returned: always
  type: str
exists:
  description: Whether it is there now.
  returned: always
  type: bool
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aula.historia_clinica.plugins.module_utils import paths
from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import (
    Invocation,
    command,
    parse_invocation,
    remote_command,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.processes import end_command, running_from
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import forget_claims, registered_labs

OLDEST = (3, 11)
#: What brings a newer Python on systems whose own is older.
INSTALL = "Ubuntu 22.04: sudo apt install python3.11 python3.11-venv; Fedora, RHEL 9: sudo dnf install python3.11; brew install python"
#: Where a system keeps its Pythons.
SYSTEM_FOLDERS = ("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin")
#: The Python of the lab's modules, below the environment's directory.
INTERPRETER = "bin/lab-python"
LAB_PYTHON = """\
#!/bin/sh
# The Python of the lab's modules, in an environment of the lab's.
umask 022
. "${0%/*}/../environment.sh"
exec "${0%/*}/python" "$@"
"""


class RuntimeEnvironmentError(Exception):
    """The environment cannot be made; the message says why and what to do."""


def others_can_run(program: Path) -> bool:
    """Whether any user of the host can run a program: every directory on the way to it is open."""
    real = program.resolve()
    with contextlib.suppress(OSError):
        return bool(real.stat().st_mode & 0o001) and all(parent.stat().st_mode & 0o001 for parent in real.parents)
    return False


def interpreter_version(program: Path) -> tuple[int, int]:
    """An interpreter's version; (0, 0) where it does not run."""
    code = "import sys; print(*sys.version_info[:2])"
    with contextlib.suppress(OSError, ValueError):
        done = subprocess.run([program, "-c", code], capture_output=True, text=True, check=False)
        major, minor = map(int, done.stdout.split())
        return major, minor
    return 0, 0


def choose_interpreter(wanted: str | None, invocation: Invocation) -> Path:
    """The interpreter to make the environment from.

    Args:
        wanted: the one that was chosen.
        invocation: how the person who chooses reaches this machine.

    Raises:
        RuntimeEnvironmentError: there is none that serves.
    """
    root = os.geteuid() == 0
    own = Path(getattr(sys, "_base_executable", sys.executable))
    names = [f"python3.{minor}" for minor in range(14, 10, -1)]
    # Root's labs run as users of their own: only the system's will do.
    folders = [*([] if root else os.get_exec_path()), *SYSTEM_FOLDERS]
    candidates = [Path(wanted)] if wanted else [own, *(Path(folder, name) for name in names for folder in folders)]
    present = [candidate for candidate in dict.fromkeys(candidates) if os.path.exists(candidate)]
    for candidate in present:
        if not (root and not others_can_run(candidate)) and interpreter_version(candidate) >= OLDEST:
            return candidate
    looked = ", ".join(f"{python} ({'.'.join(map(str, interpreter_version(python)))})" for python in present) or "none"
    raise RuntimeEnvironmentError(
        f"{platform.node()} has no Python {OLDEST[0]}.{OLDEST[1]} or newer that the lab's processes can use (found: {looked})."
        f" Install one there ({INSTALL}){', of the system, since root gives each lab a user of its own' if root else ''}; or name"
        f" it: {command(invocation, 'lab', runtime_python='/path/to/python3')}"
    )


@dataclass(frozen=True)
class Wanted:
    """What the environment shall be.

    Attributes:
        python: the interpreter that it is made from.
        lock: the text of the lock file.
        bootstrap: the text of the lock file with uv alone.
        shell_environment: the text that sh sources first.
    """

    python: Path
    lock: str
    bootstrap: str
    shell_environment: str

    @property
    def digest(self) -> str:
        """What it is made of."""
        return hashlib.sha256(f"{self.python.resolve()}\n{self.lock}".encode()).hexdigest()

    @property
    def scripts(self) -> dict[str, tuple[int, str]]:
        """What lies in it besides packages: path to mode and text."""
        return {"environment.sh": (0o644, self.shell_environment), INTERPRETER: (0o755, LAB_PYTHON)}

    def run(self, command: list[str | Path], **variables: str) -> str | None:
        """Run a step; what it said when it failed, nothing when it did not."""
        return self._said(self._run('exec "$@"', command, variables))

    def bring(self, command: list[str | Path], **variables: str) -> str | None:
        """Run a step that brings packages; what it said when it failed, and what to do."""
        said = self._said(self._run('package_environment "$0" && exec "$@"', command, variables))
        return said and said + "\n" + self._run('package_advice "$1"', [said]).stdout

    def _run(
        self, script: str, arguments: list[str | Path], variables: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        variables = variables or {}
        return subprocess.run(
            ["/bin/sh", "-c", f"{self.shell_environment}\n{script}", sys.executable, *arguments],
            env={**os.environ, **variables, "LAB_SETS": " ".join(variables)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    @staticmethod
    def _said(done: subprocess.CompletedProcess[str]) -> str | None:
        if done.returncode == 0:
            return None
        return "\n".join(done.stdout.strip().splitlines()[-12:]) or "it said nothing"


def equip(directory: Path, wanted: Wanted, write: bool = True) -> bool:
    """Put the scripts into an environment.

    Returns:
        Whether one of them was not there as it is wanted.

    Raises:
        OSError: one cannot be written.
    """
    changed = False
    for name, (mode, text) in wanted.scripts.items():
        path = directory / name
        with contextlib.suppress(OSError):
            if path.read_text(encoding="utf-8") == text and stat.S_IMODE(path.stat().st_mode) == mode:
                continue
        changed = True
        if write:
            new = path.with_name(f".{path.name}.new")
            new.write_text(text, encoding="utf-8")
            new.chmod(mode)
            new.rename(path)
    return changed


def find_uv(scratch: Path, wanted: Wanted) -> Path:
    """Uv beside this task's interpreter or, where there is none, the locked one that pip brings.

    Raises:
        RuntimeEnvironmentError: pip cannot bring it.
    """
    beside = Path(sys.executable).parent / "uv"
    if beside.exists():
        return beside
    requirement = scratch / "bootstrap.txt"
    requirement.write_text(wanted.bootstrap, encoding="utf-8")
    tools = scratch / "tools"
    # Not quietly: else pip keeps to itself that it does not trust a certificate.
    options: list[str | Path] = ["--disable-pip-version-check", "--progress-bar", "off", "-r", requirement]
    pip: list[str | Path] = [tools / "bin/python", "-m", "pip", "install", *options]
    venv: list[str | Path] = [wanted.python, "-m", "venv", tools]
    for words, run in ((venv, wanted.run), (pip, wanted.bring)):
        said = run(words)
        if said is not None:
            raise RuntimeEnvironmentError(
                f"{' '.join(map(str, words))} failed:\n{said}\n"
                "If the module venv is missing: apt install python3-venv (Debian, Ubuntu)."
            )
    return tools / "bin/uv"


def scratch_of(directory: Path) -> Path:
    """Where an environment is made, and where one ends: beside its place."""
    return directory.parent / f".{directory.name}.new"


def make(directory: Path, wanted: Wanted) -> None:
    """Make the environment beside its place, then put it there.

    Raises:
        RuntimeEnvironmentError: a step failed.
        OSError: the place cannot be written.
    """
    scratch = scratch_of(directory)
    shutil.rmtree(scratch, ignore_errors=True)  # an earlier run that was interrupted
    scratch.mkdir(parents=True)
    try:
        uv = find_uv(scratch, wanted)
        requirements = scratch / "runtime.txt"
        requirements.write_text(wanted.lock, encoding="utf-8")
        new = scratch / "environment"
        variables = {"VIRTUAL_ENV": str(new), "UV_NO_CONFIG": "1"}
        venv: list[str | Path] = [uv, "venv", "-q", "--relocatable", "--no-python-downloads"]
        said = wanted.run([*venv, "--python", wanted.python, new], **variables)
        if said is None:
            sync: list[str | Path] = [uv, "pip", "sync", "-q", "--require-hashes", requirements]
            # Out of the cache if that holds all of it: no network, and no wait for one.
            if wanted.run([*sync, "--offline"], **variables) is not None:
                said = wanted.bring(sync, **variables)
        if said is not None:
            raise RuntimeEnvironmentError(f"{directory} cannot be made with {wanted.python}:\n{said}")
        # The labs' users cannot write compiled code here, and each start of a process would compile anew. Left out is
        # that of which a process reads little, or nothing.
        read = ["-q", "-j", "0", "-x", "/(dns|faker|kubernetes|oauthlib|pydantic/v1|tests)/"]
        wanted.run([new / "bin/python", "-m", "compileall", *read, new / "lib"])
        # uv links files out of its cache, with the modes that they have there.
        for parent, _, names in os.walk(new):
            for path in (parent, *(os.path.join(parent, name) for name in names)):
                mode = os.lstat(path).st_mode
                if not stat.S_ISLNK(mode):
                    os.chmod(path, 0o755 if mode & 0o100 else 0o644)
        equip(new, wanted)
        (new / paths.RUNTIME_MARK).write_text(wanted.digest, encoding="utf-8")
        if directory.exists():
            os.rename(directory, scratch / "old")
        os.rename(new, directory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remove(directory: Path, invocation: Invocation) -> None:
    """Remove the environment, and what an interrupted run has left of one.

    Args:
        directory: where it is.
        invocation: how the person reaches this machine, for what is to be ended there.

    Raises:
        RuntimeEnvironmentError: something runs from it.
        OSError: something in it cannot be removed.
    """
    left = running_from(directory)
    if left:
        raise RuntimeEnvironmentError(
            f"it stays: {', '.join(map(str, left))} runs from it, and is of no lab that this host knows. "
            f"End what is left: {remote_command(invocation, end_command(left))}; then run this again"
        )
    scratch = scratch_of(directory)
    if scratch.exists():
        shutil.rmtree(scratch)
    if directory.exists():
        os.rename(directory, scratch)
        shutil.rmtree(scratch)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Let one task at a time work on a directory that several labs share."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory.parent / f".{directory.name}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["present", "absent"], "default": "present"},
            "directory": {"type": "path"},
            "lock": {"type": "str"},
            "bootstrap": {"type": "str"},
            "shell_environment": {"type": "str"},
            "python": {"type": "path"},
            "invocation": {"type": "dict", "default": {}},
        },
        required_if=[("state", "present", ["lock", "bootstrap", "shell_environment"])],
        supports_check_mode=True,
    )
    invocation = parse_invocation(module.params["invocation"])
    home = Path.home()
    root = paths.state_root(os.geteuid(), os.environ, home)
    directory = Path(module.params["directory"] or paths.runtime_directory(root))
    result: dict[str, Any] = {
        "directory": str(directory),
        "python": str(directory / "bin/python"),
        "interpreter": str(directory / INTERPRETER),
        "changed": False,
    }
    os.umask(0o022)  # the labs' users read it
    try:
        if module.params["state"] == "absent":
            if directory.parent.is_dir() and not registered_labs(directory):
                result["changed"] = directory.exists() or scratch_of(directory).exists()
                if not module.check_mode:
                    with locked(directory):
                        # Another lab of this host, removed at the same time, may have come first.
                        if not registered_labs(directory):
                            remove(directory, invocation)
                            forget_claims(directory)  # this run's too, where there was no lab
                    (directory.parent / f".{directory.name}.lock").unlink(missing_ok=True)
                    for parent in (directory.parent / "labs", directory.parent):
                        with contextlib.suppress(OSError):  # something else is in it
                            parent.rmdir()
        else:
            python = choose_interpreter(module.params["python"], invocation)
            wanted = Wanted(python, *(module.params[name] for name in ("lock", "bootstrap", "shell_environment")))
            result["digest"] = wanted.digest[:12]
            mark = directory / paths.RUNTIME_MARK

            def is_made() -> bool:
                return mark.exists() and mark.read_text(encoding="utf-8") == wanted.digest

            def is_current() -> bool:
                return is_made() and not equip(directory, wanted, write=False)

            if not is_current():
                result["changed"] = True
                if not module.check_mode:
                    with locked(directory):
                        if is_current():  # another lab of this host made it meanwhile
                            result["changed"] = False
                        elif is_made():
                            equip(directory, wanted)
                        else:
                            make(directory, wanted)
    except (RuntimeEnvironmentError, OSError) as error:
        module.fail_json(msg=f"The runtime environment {directory}: {error}")
    module.exit_json(exists=os.path.exists(result["python"]), **result)


if __name__ == "__main__":
    main()
