# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Where labs live on a host, and the record in which a lab remembers the choices it was made with."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    ensure_text,
    read_text,
)

#: The form of the record that this release reads and writes.
FORMAT = 1
RECORD_NAME = "lab.json"
#: What a finished runtime environment holds; written last, removed with it as one.
RUNTIME_MARK = "lock.sha256"
#: The record once more, for whoever loses it: without it nobody knows what the data beside it are.
COPY_NAME = "lab.json.copy"
#: What lies in a lab's directory for whoever makes it to run or to read; what else is there only the lab's user touches.
OF_THE_MAKER = ("bin", "config", "middleware", RECORD_NAME, COPY_NAME)
#: Where the maker reads files of the lab's user, who can replace none of them.
KEPT_FOLDERS = ("credentials",)


class RecordError(Exception):
    """The record is there but cannot be read; the message says what was found in its place."""


@dataclass(frozen=True)
class Record:
    """What a lab remembers of the run that made it. It holds no secret: every user may read it.

    Attributes:
        name: the lab's name.
        target: where its nodes run.
        engine: what makes one database of them.
        workers: how many workers it has.
        database_port: the coordinator's port; worker N has this one plus N (target host).
        api_port: the middleware's port.
        directory: the lab's directory when it was made.
        user: the user whose processes the lab's are.
        postgres_bin: the folder with the servers' programs.
        postgres_version: the version of these, such as 18.6; empty where pods bring their own.
        format: the form of the record.
        kubeconfig: where the cluster of its pods is named; this one and those below are empty on the target host.
        context: its name there.
        namespace: the pods' namespace.
        storage_class: of the nodes' volumes; empty for the cluster's default.
    """

    name: str
    target: str
    engine: str
    workers: int
    database_port: int
    api_port: int
    directory: str
    user: str
    postgres_bin: str
    postgres_version: str
    format: int = FORMAT
    # These came later, within the same format: a record without them is a lab's of the target host.
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    storage_class: str = ""

    @property
    def ports(self) -> list[int]:
        """Every port that the lab has on its machine: of pods, only the two that are forwarded."""
        servers = self.workers + 1 if self.target == "host" else 1
        return [*range(self.database_port, self.database_port + servers), self.api_port]


#: What a record may lack, and lacks where it is empty.
OPTIONAL = ("kubeconfig", "context", "namespace", "storage_class")


def state_root(uid: int, env: Mapping[str, str], home: str | Path) -> Path:
    """The folder under which a user's labs and the runtime lie.

    Root's labs run as other users, who cannot look into root's home: they lie under ``/var/lib``.

    Args:
        uid: the user's number.
        env: the user's environment, for ``XDG_STATE_HOME`` (ignored unless absolute, as its standard says).
        home: the user's home directory.
    """
    if uid == 0:
        return Path("/var/lib/historia-clinica")
    state = env.get("XDG_STATE_HOME", "")
    base = Path(state) if os.path.isabs(state) else Path(home) / ".local" / "state"
    return base / "historia-clinica"


def runtime_directory(root: Path) -> Path:
    """The environment that all labs of a state root run from."""
    return root / "runtime"


def lab_directory(root: Path, name: str) -> Path:
    """The directory of the lab ``name``, unless a person chose another."""
    return root / "labs" / name


def lab_user(name: str, uid: int, current: str) -> str:
    """The user that the processes of the lab ``name`` run as.

    Args:
        name: the lab's name.
        uid: the number of the user who makes the lab.
        current: that user's name.
    """
    return f"hc-{name}" if uid == 0 else current


def record_path(directory: str | Path) -> Path:
    """The record's file in a lab's directory."""
    return Path(directory) / RECORD_NAME


def parse_record(text: str) -> Record:
    """The record that ``text`` holds.

    Raises:
        RecordError: it is not JSON, not an object, of another format, or a field is missing or of another type.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"it is not JSON ({error})") from error
    if not isinstance(data, dict):
        raise RecordError("it is not a JSON object")
    if data.get("format") != FORMAT:
        raise RecordError(f"its format is {data.get('format')!r}; this release reads {FORMAT}")
    values: dict[str, Any] = {}
    for field in fields(Record):
        wanted = int if field.type == "int" else str
        value = data.get(field.name, "" if field.name in OPTIONAL else None)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise RecordError(f"its field {field.name} is {value!r}, not {field.type}")
        values[field.name] = value
    return Record(**values)


def read_record(directory: str | Path) -> Record | None:
    """The record of the lab in ``directory``; None where there is none.

    Raises:
        RecordError: there is a record, but it cannot be read.
    """
    path = record_path(directory)
    try:
        text = read_text(str(path))
        if text is not None and os.geteuid() == 0 and path.stat().st_uid != 0:
            raise RecordError("it is not root's, whose lab it is: its user may have written it")
    except NotADirectoryError:
        return None
    except OSError as error:
        raise RecordError(error.strerror or str(error)) from error
    except ValueError as error:
        raise RecordError("it is not UTF-8 text") from error
    if text is None:
        return None
    return parse_record(text)


def beside(directory: str) -> list[str]:
    """What lies beside a directory, by name."""
    parent = os.path.dirname(directory)
    try:
        names = sorted(os.listdir(parent))
    except OSError:
        return []
    return [os.path.join(parent, name) for name in names if os.path.join(parent, name) != directory]


def record_text(record: Record) -> str:
    """The record as it is written: the same text for the same record."""
    kept = {name: value for name, value in asdict(record).items() if value or name not in OPTIONAL}
    return json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_record(directory: str | Path, record: Record, owner: Ownership | None = None, write: bool = True) -> bool:
    """Write the record, readable by everybody, and its copy, each by a rename; the directory is made where it is missing.

    Args:
        directory: the lab's directory. It belongs to whoever makes the lab; the lab's user may look into it, and change nothing.
        record: what to remember.
        owner: the lab's user; where it is not another one than this process', a directory that is there keeps its mode.
        write: False only asks whether something would change.

    Returns:
        Whether something changed, or would.

    Raises:
        OSError: the directory or the file cannot be made.
    """
    owner = owner or Ownership()
    if not os.path.isdir(directory):
        if not write:
            return True
        ensure_directory(str(directory), 0o755, Ownership())
    keeper = Ownership(os.geteuid()) if owner.other else owner
    # First the directory: from then on nobody else puts anything into it.
    written = [ensure_directory(str(directory), owner.mode(0o700), owner.readable, write)] if owner.other else []
    written += [
        ensure_text(str(Path(directory) / name), record_text(record), mode, keeper, write)
        for name, mode in ((RECORD_NAME, 0o644), (COPY_NAME, 0o600))
    ]
    return any(written)


def remove_record(directory: str | Path, write: bool = True) -> bool:
    """Remove the record and its copy, and nothing else.

    Returns:
        Whether there was one.

    Raises:
        OSError: it cannot be removed.
    """
    paths = [path for name in (COPY_NAME, RECORD_NAME) if os.path.lexists(path := Path(directory) / name)]
    for path in paths if write else ():
        path.unlink()
    return bool(paths)


def replaceable(directory: str | Path) -> list[str]:
    """What the maker of a lab runs or reads in its directory, and another user could replace.

    Raises:
        OSError: the directory cannot be read.
    """
    mine = {0, os.geteuid()}

    def is_open(path: str) -> bool:
        found = os.lstat(path)
        return found.st_uid not in mine or (not stat.S_ISLNK(found.st_mode) and bool(found.st_mode & 0o022))

    paths = [str(directory)]
    for name in (*OF_THE_MAKER, *KEPT_FOLDERS):
        top = os.path.join(directory, name)
        if not os.path.lexists(top):
            continue
        paths.append(top)
        if name in KEPT_FOLDERS or os.path.islink(top):
            continue
        for folder, folders, files in os.walk(top):
            paths += [os.path.join(folder, each) for each in (*folders, *files)]
    return sorted(path for path in paths if is_open(path))
