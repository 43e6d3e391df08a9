# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Whether the labs of one run share a machine and a runtime environment, as those of a class do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: What decides where a lab's runtime is, whose, and what it is made of.
DECISIVE = (
    "ansible_become",
    "ansible_become_user",
    "ansible_python_interpreter",
    "runtime_directory",
    "runtime_python",
)


def share_a_runtime(labs: Iterable[Mapping[str, Any]]) -> bool:
    """Whether several labs are made where Ansible runs, by one user, from one runtime environment.

    Args:
        labs: the variables of each.
    """
    known = list(labs)
    return (
        len(known) > 1
        and all(lab.get("ansible_connection") == "local" for lab in known)
        and len({tuple(str(lab.get(name)) for name in DECISIVE) for lab in known}) == 1
    )
