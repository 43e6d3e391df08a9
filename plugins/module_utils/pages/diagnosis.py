# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The page of `diagnose`."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import Commands
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.failure import first_error
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.lab import headed
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.pods import pods_section
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.status import process_lines
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row, columns, paragraph
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.waits import wait_line


def diagnosis_page(lab: Row, found: Row, logs: str) -> str:
    """The original's diagnosis in one go: all there is, what is not ready and why, events, the last lines of each log.

    Args:
        lab: the fact that the role preflight gives.
        found: what the module `lab_info` gives, with the details.
        logs: the last lines of the logs on this machine.
    """
    cluster_report = found["cluster_report"]
    sections = [
        [f"{headed(lab)}: {lab['engine']} on {lab['target']}", f"  {lab['directory']}"],
        process_lines(found["processes"], Commands(lab)["start"]),
    ]
    if cluster_report:
        sections.append(pods_section(lab, cluster_report))
    if cluster_report and not cluster_report["error"]:
        things = [(thing["kind"], thing["name"], thing["says"]) for thing in cluster_report["objects"]]
        sections.append(["Workloads, Services, volumes", *columns(("kind", "name", "says"), things)])
        not_ready = [line for trouble in cluster_report["troubles"] for line in trouble.splitlines()]
        sections.append(["Not ready", *([f"  {line}" for line in not_ready] or ["  nothing"])])
        events = [line for event in cluster_report["events"] for line in paragraph(event, "      ", "  ")]
        sections.append(["Events, the newest last", *(events or ["  none"])])
        for pod, log in cluster_report["logs"].items():
            sections.append([f"Last lines of {pod}", *(f"  {line}" for line in log.splitlines() or ["nothing"])])
    database = found["database"]
    waits = [line for wait in database.get("waits", []) for line in paragraph(wait_line(wait), "      ", "  ")]
    if database["error"]:
        waits = paragraph(f"the database does not say: {first_error(database['error'])}")
    sections.append(["Who waits for whom", *(waits or ["  nobody waits"])])
    sections.append(["Last lines of the logs on this machine", *(f"  {line}" for line in logs.splitlines())])
    return "\n\n".join("\n".join(section) for section in sections)
