# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Keep what Ansible packs of a module from one run for the next."""

from __future__ import annotations

DOCUMENTATION = r"""
name: payloads
type: aggregate
short_description: Keep what Ansible packs of a module from one run for the next
description:
  - In every run, Ansible looks anew for what each module imports, and every start of a module compiles all of that. Both take
    longer than most modules work.
  - This keeps the packed modules in the virtual environment that Ansible runs from, compiled, and lends them to the next run.
  - It also loads the collection's filters once, for the processes of all tasks.
  - Packed modules are as the files are. An edited module, another release of Ansible or other collections make them anew.
  - Where Ansible runs from no virtual environment, nothing is kept and nothing differs.
requirements:
  - enabled in the configuration
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

import base64
import contextlib
import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import io
import marshal
import os
import shutil
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.executor import module_common
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__

PLUGINS = Path(__file__).parents[1]

#: Of collections and of Ansible itself, but no module that lies beside a playbook: its name does not say where.
NAMED_BY_PLACE = ("ansible.modules.", "ansible_collections.")


def fingerprint(paths: Iterable[Path]) -> str:
    """What packed modules depend on, in 12 characters: releases, and names, sizes and times of files."""
    known = hashlib.sha256(f"{__version__} {sys.version}".encode())
    for path in sorted(paths):
        found = path.stat()
        known.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return known.hexdigest()[:12]


def own_sources() -> list[Path]:
    """The files of this collection that are packed: its modules, and all that they may import."""
    return [path for folder in ("modules", "module_utils") for path in (PLUGINS / folder).rglob("*.py")]


@functools.cache
def byte_code(name: str, source: bytes) -> bytes:
    """What a source compiles to, as the content of a C(.pyc) that is not compared with its source: they lie in one archive."""
    unchecked = (1).to_bytes(4, "little")
    return (
        importlib.util.MAGIC_NUMBER
        + unchecked
        + bytes(8)
        + marshal.dumps(compile(source, name, "exec", dont_inherit=True))
    )


def compiled(packed: bytes) -> bytes:
    """Add to a zip archive of Python sources what they compile to; an interpreter of another release passes it over.

    Raises:
        SyntaxError: a source cannot be compiled by this interpreter.
        zipfile.BadZipFile: it is no archive.
    """
    both = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as sources, zipfile.ZipFile(both, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in sources.infolist():
            source = sources.read(entry)
            archive.writestr(entry, source)
            if entry.filename.endswith(".py"):
                archive.writestr(entry.filename + "c", byte_code(entry.filename, source))
    return both.getvalue()


def lend(kept: Path, used: Path) -> None:
    """Give a run what earlier ones kept."""
    if kept.is_dir():
        shutil.copytree(kept, used, dirs_exist_ok=True)


def keep(used: Path, kept: Path) -> None:
    """Keep what a run packed and nobody kept before; what was packed of other files goes."""
    packed = [path for path in used.iterdir() if path.name.startswith(NAMED_BY_PLACE)]
    # Ansible's own locks, and what a worker that was killed had not written to its end, are no payloads.
    new = [path for path in packed if not path.name.endswith((".lock", "-part")) and not (kept / path.name).exists()]
    if not new:
        return
    if not kept.is_dir():
        # Another run may be removing them too; what stays of them takes room and is never lent.
        shutil.rmtree(kept.parent, ignore_errors=True)
        kept.mkdir(parents=True)
    for path in new:
        payload = module_common._CachedModule.load(str(path))
        both = base64.b64encode(compiled(base64.b64decode(payload.zip_data)))
        own = kept / f".{path.name}.{os.getpid()}"
        dataclasses.replace(payload, zip_data=both).dump(str(own))
        own.rename(kept / path.name)  # another run may keep the same at this moment


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no types
    """The callback."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "aula.historia_clinica.payloads"

    def __init__(self) -> None:
        super().__init__()
        # Each task is a process that begins as a copy of this one. What is imported here, none that uses a filter has to import for itself.
        importlib.import_module("ansible_collections.aula.historia_clinica.plugins.filter.filters")
        self._used = Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
        # Not what is in the others: those of the virtual environment go with it. Folders show where one was added or removed.
        others = [folder for path in constants.COLLECTIONS_PATHS for folder in Path(path).glob("ansible_collections/*")]
        self._kept = Path(sys.prefix, "payloads", fingerprint([*own_sources(), *others]))
        with contextlib.suppress(OSError):
            lend(self._kept, self._used)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Keep what this run packed. Where a release of Ansible packs otherwise, nothing is kept and nothing differs."""
        if sys.prefix != sys.base_prefix:
            with contextlib.suppress(OSError, SyntaxError, zipfile.BadZipFile, AttributeError, TypeError):
                keep(self._used, self._kept)
