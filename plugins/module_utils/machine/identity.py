# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The user of this process, the other users of the machine, and the environment of our programs."""

from __future__ import annotations

import grp
import json
import os
import platform
import pwd
import subprocess
import sys
from collections.abc import Mapping

from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.observation import Identity


def current_identity() -> Identity:
    """The user of this process; a number where the system knows no name."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        home = pwd.getpwuid(uid).pw_dir
    except KeyError:
        home = "/"
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    return Identity(
        uid=uid,
        user=user_name(uid),
        group=group,
        home=os.environ.get("HOME") or home,
        system=platform.system(),
        env=dict(os.environ),
        machine=platform.node(),
    )


def user_name(uid: int) -> str:
    """A user's name; the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def user_exists(name: str) -> bool:
    """Whether the system knows a user; the number of one without a name counts, since a process runs as it."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return name.isdigit()
    return True


def runtime_variables(runtime: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as the runtime's own script leaves it: without what a person exported for something else.

    This module runs in a person's Python, and its programs would have a person's environment.

    Args:
        runtime: where the runtime is. One that is not there, or has no script yet, leaves the environment as it is.
        environment: what there is.
    """
    script = os.path.join(runtime, "environment.sh")
    if not os.path.isfile(script):
        return dict(environment)
    show = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    done = subprocess.run(
        ["/bin/sh", "-c", '. "$0"; exec "$@"', script, *show],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=True,
    )
    left: dict[str, str] = json.loads(done.stdout)
    return left
