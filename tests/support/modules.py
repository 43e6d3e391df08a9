"""Run the collection's modules in this process."""

from __future__ import annotations

from typing import Any, Protocol


class RunModule(Protocol):
    """Runs a module and gives its result, as Ansible would get it."""

    def __call__(self, name: str, check: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
        """Run the module ``name``; ``check`` and ``diff`` are Ansible's modes, all else are its arguments."""
