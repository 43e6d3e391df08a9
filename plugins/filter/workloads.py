# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Filters for what a lab's pods say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.workloads import (
    network_verdict,
    secret_credentials,
)


class FilterModule:
    """The filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Each filter by its name."""
        return {"network_verdict": network_verdict, "secret_credentials": secret_credentials}
