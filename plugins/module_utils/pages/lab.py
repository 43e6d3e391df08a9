# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""A lab as pages speak of it: its name, its address, what runs where."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import invocation_of
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row, columns, paragraph


def titled(name: str) -> str:
    """A lab as a sentence calls it: the default one has the name `lab`."""
    return "the lab" if name == "lab" else f"the lab {name}"


def headed(lab: Row) -> str:
    """A lab as a page's first words call it, with its machine where that is another."""
    machine = invocation_of(lab).machine
    return f"{titled(lab['name']).capitalize()}{f' on {machine}' if machine else ''}"


def api_url(lab: Row) -> str:
    """Where the lab's API answers."""
    return f"http://127.0.0.1:{lab['api_port']}"


def what_runs(lab: Row) -> list[str]:
    """Where a lab runs and with which engine, why, and each address."""
    nodes = [(str(node["name"]), str(node["role"]), f"{node['host']}:{node['port']}") for node in lab["nodes"]]
    return [
        *paragraph(f"Target: {lab['reasons']['target']}"),
        *paragraph(f"Engine: {lab['reasons']['engine']}"),
        "",
        *columns(("node", "role", "address"), [*nodes, ("middleware", "API", api_url(lab).removeprefix("http://"))]),
        "",
    ]
