# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Checks of logins: who can log in, who cannot, and their privileges."""

from __future__ import annotations

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.failure import first_error
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row, human_number
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import (
    CheckFailed,
    Observations,
)


def least_privilege(observations: Observations) -> str:
    """The lab's logins have no rights beyond their work."""
    wrong = [str(row["problem"]) for row in observations.rows("privileges")]
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return "no login but admin is a superuser, deletes, or reads what it need not"


def logins_work(observations: Observations) -> str:
    """Whoever was given a login gets in and is shown the patients, on all nodes."""
    patients = observations.rows("counts")[0]["pacientes"]
    found: dict[str, Row] = {str(row["item"]): row for row in observations.people}
    wrong = []
    for login in (str(row["nombre"]) for row in observations.rows("people")):
        rows = found[login].get("query_result")
        if not rows:
            wrong.append(f"{login}: {first_error(str(found[login].get('msg') or 'no answer'))}")
        elif patients and not rows[0]["patients"]:
            wrong.append(f"{login} is shown none of {human_number(patients)} patients")
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return f"{len(found)} besides the lab's own" if found else "nobody was given one"


def passwords_required(observations: Observations) -> str:
    """Neither a wrong password nor none opens the database."""
    if not observations.logins:
        raise CheckFailed("nobody tried")
    wrong = []
    for login in observations.logins:
        message = str(login.get("msg") or "")
        if "query_result" in login:
            wrong.append(f"{login['case']}: let in")
        elif "password" not in message:  # "password authentication failed", "no password supplied"
            wrong.append(f"{login['case']}: {message.strip() or 'no answer'}")
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return "refused: " + ", ".join(str(login["case"]) for login in observations.logins)
