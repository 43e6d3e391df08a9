# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a person reads of a lab whose passwords and keys are changed."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import Row, human_duration, paragraph


def rotation_page(lab: Row, logins: Sequence[str], seconds: int, resumed: bool, person: bool = False) -> list[str]:
    """What is changed, as lines of a page.

    Args:
        lab: the fact that the role preflight gives.
        logins: whose passwords.
        seconds: how long the tokens that the old signing key signed are valid.
        resumed: it was begun by a run that did not end.
        person: it is one person's password alone.
    """
    lines = ["It goes on with what an earlier run began and did not finish."] if resumed else []
    unseen = " and of nodes, which the servers alone know" if lab["engine"] == "postgres_fdw" and not person else ""
    lines += paragraph(f"New passwords of {', '.join(logins)}{unseen}: in {lab['directory']}/credentials.", "")
    if person:
        return lines
    lines += paragraph("A new key signs the API's tokens.", "")
    if seconds > 0:
        return lines + paragraph(
            f"Those that the old one signed are valid for {human_duration(seconds)} more"
            " (-e workspace_token_seconds=0 ends them at once).",
            "",
        )
    return lines + paragraph("Those that the old one signed are refused: everybody logs in anew.", "")
