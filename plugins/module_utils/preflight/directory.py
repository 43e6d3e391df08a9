# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Problems of the lab's directory."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ansible_collections.aula.historia_clinica.plugins.module_utils.preflight.case import Case
from ansible_collections.aula.historia_clinica.plugins.module_utils.problems import Problem

#: The longest socket names under the lab's directory. supervisord binds its own name with its process id behind it.
SOCKETS = ("run/.s.PGSQL.65535", "run/supervisor.sock.4194304")


def problems(case: Case) -> Iterator[Problem]:
    """What keeps a lab from being in its directory."""
    directory, folder, identity, user = case.choices.directory, case.machine.folder, case.identity, case.plan.user
    if not directory:
        return
    limit = 103 if identity.system == "Darwin" else 107
    room = limit - max(len(name) for name in SOCKETS) - 1
    length = len(os.fsencode(directory))
    elsewhere = "/srv/historia-clinica" if identity.root else identity.home
    shorter = case.run("lab", lab_directory=f"{elsewhere}/{case.plan.name}")
    if length > room:
        yield Problem(
            "directory-too-long",
            f"{directory} has {length} bytes",
            f"at most {room}: a socket's path may have {limit} on this system",
            shorter,
        )
    if folder.obstacle and folder.kind != "foreign":
        yield Problem(
            "directory-not-writable",
            f"{directory}: {folder.obstacle}",
            f"a directory that {identity.user} may make and write",
            f"look: {case.there('ls', '-ld', folder.nearest)}; or {shorter}",
        )
    if folder.blocked_by:
        yield Problem(
            "directory-unreachable",
            f"{user}, which runs the lab, may not enter {folder.blocked_by}",
            "every folder on the way to the lab open to others (o+x)",
            f"look: {case.there('ls', '-ld', folder.blocked_by)}; or {shorter}",
        )
