# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Images: which ones a cluster has, what a build would see, and how it is told its arguments."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.minikube.run import Output


def parse_images(output: Output) -> dict[str, str] | None:
    """The images of a cluster, id by name, from ``minikube image ls --format json``.

    Returns:
        None where no cluster answers: one that does has images, its own; one that is stopped has an empty list.
    """
    try:
        return {tag: entry["id"] for entry in json.loads(output.stdout) for tag in entry["repoTags"] or []} or None
    except (ValueError, KeyError, TypeError):
        return None


def ignored(path: str, patterns: Sequence[str]) -> bool:
    """Whether a ``.dockerignore`` keeps a file from a build: the last pattern that fits the file or a folder above it decides."""
    parts = path.split("/")
    candidates = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    out = False
    for pattern in patterns:
        body = os.path.normpath(pattern.lstrip("!").strip()).lstrip("/")
        expression = re.escape(body).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*")
        expression = expression.replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        if any(re.fullmatch(expression, candidate) for candidate in candidates):
            out = not pattern.startswith("!")
    return out


def context_files(directory: Path) -> list[Path]:
    """The files that a build of a directory can see, in order: all but what its ``.dockerignore`` names.

    Raises:
        OSError: it cannot be read.
    """
    rules = directory / ".dockerignore"
    lines = rules.read_text(encoding="utf-8").splitlines() if rules.exists() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    files = []
    for parent, folders, names in os.walk(directory):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in (*names, *links):
            path = Path(parent, name)
            relative = path.relative_to(directory).as_posix()
            # Applied here, and left out: Minikube's archive would lack the Dockerfile where it names all files.
            if relative == "Dockerfile" or (relative != ".dockerignore" and not ignored(relative, patterns)):
                files.append(path)
    return sorted(files)


def content_digest(directory: Path, build_arguments: Mapping[str, str]) -> str:
    """What an image would be made of, in 16 characters: the same for the same files and arguments, wherever they lie.

    Raises:
        OSError: the directory cannot be read.
    """
    digest = hashlib.sha256(json.dumps(dict(sorted(build_arguments.items()))).encode())
    for path in context_files(directory):
        if path.is_symlink():
            kind, content = "link", os.readlink(path).encode()
        else:
            kind, content = "program" if os.access(path, os.X_OK) else "file", path.read_bytes()
        digest.update(
            f"\n{kind} {path.relative_to(directory).as_posix()} {hashlib.sha256(content).hexdigest()}".encode()
        )
    return digest.hexdigest()[:16]


def stage_context(directory: Path, target: Path) -> None:
    """Copy what a build can see, readable by every user of the image whatever this machine's umask is.

    Raises:
        OSError: it cannot be read, or written there.
    """
    for path in context_files(directory):
        copy = target / path.relative_to(directory)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy, follow_symlinks=False)
        if not path.is_symlink():
            copy.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
    for parent, folders, _ in os.walk(target):
        for folder in folders:
            Path(parent, folder).chmod(0o755)


def build_options(container_runtime: str, build_arguments: Mapping[str, str]) -> list[str]:
    """Build arguments as the runtime's own builder takes them; the wrong form fails without an exit code."""
    form = "opt=build-arg:" if container_runtime == "containerd" else "build-arg="
    return [f"--build-opt={form}{name}={value}" for name, value in sorted(build_arguments.items())]
