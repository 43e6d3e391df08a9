# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""The file that has a profile's context, read without a library for YAML: the host's own Python may lack it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path


def kubeconfig_path(environment: Mapping[str, str]) -> Path:
    """The file that Minikube writes a profile's context into: the first that ``KUBECONFIG`` names, or kubectl's own."""
    named = [path for path in environment.get("KUBECONFIG", "").split(os.pathsep) if path]
    home = environment.get("HOME") or os.path.expanduser("~")
    return Path(os.path.abspath(named[0] if named else os.path.join(home, ".kube", "config")))


def knows_context(kubeconfig: str, name: str) -> bool:
    """Whether the text of a kubeconfig has an entry of this name."""
    return re.search(rf"""^[\s-]*name:\s*["']?{re.escape(name)}["']?\s*$""", kubeconfig, re.MULTILINE) is not None


def has_current_context(kubeconfig: str) -> bool:
    """Whether the text of a kubeconfig names a current context."""
    return re.search(r"""^current-context:\s*["']?[^\s"']""", kubeconfig, re.MULTILINE) is not None
