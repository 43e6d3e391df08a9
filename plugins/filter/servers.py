# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Filters for the configuration of a lab's servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.servers import (
    server_programs,
    server_settings,
)


class FilterModule:
    """The filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Each filter by its name."""
        return {"server_programs": server_programs, "server_settings": server_settings}
