# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Read the text files below a directory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: text_tree
short_description: Read the text files below a directory
description:
  - Gives the text files below directories of the controlling machine, as the module M(aula.historia_clinica.text_files) takes
    them. Compiled Python is left out.
options:
  _terms:
    description: Directories.
    required: true
    type: list
    elements: path
  below:
    description: Path to put before each file's own.
    type: str
    default: ""
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Put a package in its place
  aula.historia_clinica.text_files:
    directory: /opt/lab
    files: "{{ query('aula.historia_clinica.text_tree', 'src', below='package') }}"
"""

RETURN = r"""
_raw:
  description: One entry for each file, with C(path) and C(content), in order of path.
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def read_tree(directory: Path, below: str) -> list[dict[str, str]]:
    """The text files below a directory.

    Returns:
        Entries of ``path`` (with ``below`` before it) and ``content``, in order of path.

    Raises:
        OSError: a file cannot be read.
        UnicodeDecodeError: a file is not text in UTF-8.
    """
    found = (path for path in directory.rglob("*") if path.is_file())
    return [
        {
            "path": str(Path(below, path.relative_to(directory))),
            "content": path.read_text(encoding="utf-8"),
        }
        for path in sorted(found)
        if "__pycache__" not in path.parts
    ]


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible has no types
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        """Read each directory named."""
        self.set_options(var_options=variables, direct=kwargs)
        entries: list[dict[str, str]] = []
        for term in terms:
            try:
                found = read_tree(Path(term), self.get_option("below"))
            except (OSError, UnicodeDecodeError) as error:
                raise AnsibleLookupError(f"text_tree: {term}: {error}") from error
            if not found:
                raise AnsibleLookupError(f"text_tree: there is no file below {term}")
            entries += found
        return entries
