# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The filters: pure functions of module_utils, under the names that playbooks and roles know them by."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import command, invocation_of
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.autostart import autostart_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.chaos import chaos_page, chaos_plan
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.diagnosis import diagnosis_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.failure import (
    first_error,
    stop_page,
    waited_in_vain,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.history import copy_page, left_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.rotation import rotation_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.status import status_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.summary import preflight_page, summary_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.verification import verification_page
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.accounts import (
    account_files,
    student_accounts,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.runtime import share_a_runtime
from ansible_collections.aula.historia_clinica.plugins.module_utils.servers import server_programs, server_settings
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.results import verification_report
from ansible_collections.aula.historia_clinica.plugins.module_utils.workloads import (
    network_verdict,
    secret_credentials,
    secret_data,
)


def command_of(lab: Mapping[str, Any], verb: str) -> str:
    """A command of a lab, by what `make` calls it, of the fact that the role preflight gives."""
    return command(invocation_of(lab), verb)


class FilterModule:
    """The filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Each filter by its name."""
        return {
            "account_files": account_files,
            "autostart_page": autostart_page,
            "chaos_page": chaos_page,
            "chaos_plan": chaos_plan,
            "command": command_of,
            "copy_page": copy_page,
            "diagnosis_page": diagnosis_page,
            "first_error": first_error,
            "left_page": left_page,
            "network_verdict": network_verdict,
            "preflight_page": preflight_page,
            "rotation_page": rotation_page,
            "secret_credentials": secret_credentials,
            "secret_data": secret_data,
            "server_programs": server_programs,
            "server_settings": server_settings,
            "share_a_runtime": share_a_runtime,
            "status_page": status_page,
            "stop_page": stop_page,
            "student_accounts": student_accounts,
            "summary_page": functools.partial(summary_page, environment=os.environ),
            "verification_page": verification_page,
            "verification_report": verification_report,
            "waited_in_vain": waited_in_vain,
        }
