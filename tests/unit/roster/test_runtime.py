"""Whether the labs of a class share a runtime."""

from __future__ import annotations

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.runtime import share_a_runtime

HERE = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
#: What the labs have, and whether one runtime serves them all.
LABS: dict[str, tuple[list[dict[str, str]], bool]] = {
    "all here": ([HERE, {**HERE, "lab_database_port": "16020"}], True),
    "one alone": ([HERE], False),
    "one elsewhere": ([HERE, {"ansible_host": "server"}], False),
    "one of another user": ([HERE, {**HERE, "ansible_become": "true", "ansible_become_user": "ana"}], False),
    "one with another Python": ([HERE, {**HERE, "runtime_python": "/opt/python3.12"}], False),
    "one with a runtime of its own": ([HERE, {**HERE, "runtime_directory": "/srv/ana"}], False),
}


@pytest.mark.parametrize("labs", LABS)
def test_labs_that_differ_have_no_runtime_in_common(labs: str) -> None:
    """What decides where a runtime is, whose, and what it is made of has to be the same; nothing else has."""
    variables, shared = LABS[labs]
    assert share_a_runtime(variables) is shared
