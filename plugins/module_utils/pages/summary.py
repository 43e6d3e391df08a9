# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The pages at the end of `preflight` and of `site.yml`."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import (
    Commands,
    Invocation,
    invocation_of,
    psql,
    tunnel,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.autostart import after_reboot
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.lab import api_url, headed, titled, what_runs
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row, paragraph

#: What the summary lets a person ask first.
QUESTION = "SELECT * FROM lab.tables"
#: What environment.sh adds to `no_proxy` for the lab's own commands: a person's shell does not have it.
DIRECT = "localhost,127.0.0.1,::1,192.168.0.0/16"


def preflight_page(lab: Row) -> str:
    """What stands at the end of `preflight` where nothing stands in the way, of the fact that the role gives."""
    doing = "brings it up to date" if lab["exists"] else "makes it"
    machine = invocation_of(lab).machine
    return "\n".join(
        [
            f"No problems found for {titled(lab['name'])}{f' on {machine}' if machine else ''}.",
            "",
            *what_runs(lab),
            f"Directory: {lab['directory']}",
            f"To go on: {Commands(lab)['lab']} {doing}",
        ]
    )


def summary_page(lab: Row, access: str = "rules", environment: Mapping[str, str] | None = None) -> str:
    """What stands at the end of `site.yml`: what runs where and why, what to try, how to stop.

    Args:
        lab: the fact that the role preflight gives.
        access: whether the API's rules hold (``rules``) or are lifted (``open``).
        environment: of the run, where it has a say.
    """
    invocation = invocation_of(lab)
    commands = Commands(lab)
    on = f" on {invocation.machine}" if invocation.machine else ""
    lines = [
        f"{headed(lab)} is ready.",
        "",
        *what_runs(lab),
        *_reach(invocation, lab),
        "Try:",
        f"  {curl(environment or {})} {api_url(lab)}/status",
        f"  {curl(environment or {})} {api_url(lab)}/usuarios",
        f"  {psql(invocation, lab, QUESTION)}",
        f"  {psql(invocation, lab)}",
        f"  {commands['status']}",
        f"  {commands['verify']}",
        "",
        *(
            [f"To log in to {api_url(lab)}/api/v1: {commands['token']}"]
            if access == "rules"
            else paragraph(
                "ACCESS IS OPEN: anybody who reaches the API reads and writes. To have the rules: middleware_access=rules.",
                indent="",
            )
        ),
        f"Credentials{on}: {lab['directory']}/credentials",
        f"To stop: {commands['stop']}",
        f"To go on, with the data: {commands['start']}",
        after_reboot(lab),
        f"To remove: {commands['teardown']}",
    ]
    return "\n".join(lines)


def _reach(invocation: Invocation, lab: Row) -> list[str]:
    """How to reach a lab that is on another machine, which listens there only."""
    if not invocation.machine:
        return []
    forward = tunnel(invocation, (lab["api_port"], lab["database_port"]))
    if not forward:
        return [*paragraph(f"Its ports are those of {invocation.machine}, and open there only.", indent=""), ""]
    return [
        *paragraph(
            f"Its ports are those of {invocation.machine}, and open there only. To have them here, leave this running:",
            indent="",
        ),
        f"  {forward}",
        "",
    ]


def curl(environment: Mapping[str, str]) -> str:
    """How a person's curl asks this machine: past the proxy, where it would go through one.

    Args:
        environment: of the run, which may have been given `DIRECT`.
    """
    # The names that curl reads; HTTP_PROXY is not one of them.
    if not any(environment.get(name) for name in ("http_proxy", "all_proxy", "ALL_PROXY")):
        return "curl"
    own = (environment.get("no_proxy") or environment.get("NO_PROXY") or "").replace(DIRECT, "")
    exempt = {"*", "127.0.0.1", "127.0.0.0/8"} & {word.strip() for word in own.split(",")}
    return "curl" if exempt else "curl --noproxy 127.0.0.1"
