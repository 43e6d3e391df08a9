"""The archive of a class: one zip file with its list and numbers, its marks with what exams' were taken from, and the grader's record of its labs.

`manifest.json` in it says whose it is, until when it is kept, and the checksum of each file. A file `.sha256` beside it has that of the archive, as
`sha256sum --check` takes it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    see_that_nobody_else_writes,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.reading import numbers_of
from grading import exam as exams
from grading import record
from grading.classroom import Classroom
from grading.submission import handed_in
from grading.texts import both

FORMAT = 1
MANIFEST = "manifest.json"
#: Where archives lie, beside the list.
FOLDER = "closed"
#: The folders in an archive: what lies beside the list, the marks, the grader's record, what students handed in.
LIST, GRADES, RECORDS, SUBMISSIONS = "list", "grades", "records", "submissions"
#: The folders of the marks whose files are called after labs; and what files that are called after the class end in.
BY_LAB = ("students", "evidence")
KINDS = ("md", "moodle.csv", "junit.xml", "json", "html")
TEXTS = {
    "es": {
        "unreadable": "no se puede leer el archivo {path}: {error}",
        "no zip": "{path} está dañado, o no es el archivo de un curso ({error}): traiga una copia buena",
        "foreign": "{path} no es el archivo de un curso: no tiene un manifest.json del formato {format}",
        "other checksum": "{path} no es el archivo cuya suma dice {name}: traiga una copia buena de ambos",
        "damaged": "{path} está dañado ({names}): traiga una copia buena",
    },
    "en": {
        "unreadable": "the archive {path} cannot be read: {error}",
        "no zip": "{path} is damaged, or no archive of a class ({error}): bring a good copy of it",
        "foreign": "{path} is no archive of a class: it has no manifest.json of the format {format}",
        "other checksum": "{path} is not the archive whose checksum {name} says: bring a good copy of both",
        "damaged": "{path} is damaged ({names}): bring a good copy of it",
    },
}


@dataclass(frozen=True)
class Archive:
    """The archive of a class, as it is read.

    Attributes:
        name: the class's.
        list: what its list is called.
        until: the last day on which it is kept.
        files: by name.
    """

    name: str
    list: str
    until: date
    files: Mapping[str, bytes]


def files_of(classroom: Classroom, root: Path) -> dict[str, Path]:
    """What is archived of a class: by its name in the archive, where it lies."""
    roster, place = classroom.roster, classroom.place
    beside = [roster, numbers_of(roster), classroom.settings, roster.with_name(exams.FILE)]
    found = {f"{LIST}/{path.name}": path for path in beside}
    found |= {f"{GRADES}/{path.relative_to(place)}": path for path in sorted(_marks(classroom))}
    handed = handed_in(classroom.submissions, classroom.students, ()).files
    found |= {f"{SUBMISSIONS}/{path.name}": path for paths in handed.values() for path in paths}
    records = [Path(f"{lab}.jsonl") for lab in classroom.every_lab]
    records.append(Path("exams", f"{classroom.name}.json"))
    found |= {f"{RECORDS}/{path}": record.folder(root) / path for path in records}
    return {name: path for name, path in found.items() if path.is_file()}


def lab_of(name: str) -> str:
    """The lab that a file of an archive is about; empty where it is the class's."""
    path = PurePosixPath(name)
    return path.stem if path.parent.name in (*BY_LAB, RECORDS) else ""


def _marks(classroom: Classroom) -> Iterator[Path]:
    """The files of a class's marks: beside one list there may be another."""
    own = {f"{classroom.name}.{kind}" for kind in KINDS}
    labs = set(classroom.every_lab)
    for path in classroom.place.rglob("*"):
        if path.relative_to(classroom.place).parts[0].startswith("."):  # of a grading that was killed
            continue
        if path.is_file() and (path.stem in labs if path.parent.name in BY_LAB else path.name in own):
            yield path


def free_path(roster: Path, day: date) -> Path:
    """Where the next archive of a list is written."""
    first = roster.parent / FOLDER / f"{roster.stem}-{day}.zip"
    path, number = first, 1
    while path.exists():
        number += 1
        path = first.with_stem(f"{first.stem}-{number}")
    return path


def write(path: Path, archive: Archive) -> None:
    """Write an archive, whole or not at all; only its owner reads it.

    Raises:
        OSError: it cannot be written.
    """
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {MANIFEST: _manifest(archive), **archive.files}.items():
            entry = zipfile.ZipInfo(name, datetime.now().timetuple()[:6])
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            file.writestr(entry, content)
    put(path, into.getvalue())
    digest = hashlib.sha256(into.getvalue()).hexdigest()
    put(checksum_of(path), f"{digest}  {path.name}\n".encode())


def put(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole, onto the disk itself; so are folders that it needs.

    Raises:
        OSError: it cannot be written.
    """
    for folder in reversed(path.parents):
        if not folder.is_dir():
            ensure_directory(str(folder), 0o700, Ownership())
    see_that_nobody_else_writes(str(path.parent))
    descriptor, new = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.rename(new, path)
    except BaseException:
        os.unlink(new)
        raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _manifest(archive: Archive) -> bytes:
    said = {
        "format": FORMAT,
        "class": archive.name,
        "list": archive.list,
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "kept_until": archive.until.isoformat(),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in archive.files.items()},
    }
    return (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode()


def checksum_of(path: Path) -> Path:
    """Where the checksum of an archive is."""
    return path.with_name(f"{path.name}.sha256")


def read(path: Path, checksum: bool = True) -> Archive:
    """An archive, each file of which is as its manifest says.

    Args:
        path: its file.
        checksum: whether it has to be as the file beside it says, where there is one.

    Raises:
        ExerciseError: it is none, or it is damaged.
    """
    try:
        content = path.read_bytes()
        beside = checksum_of(path)
        wanted = beside.read_text(encoding="utf-8").split()[:1] if checksum and beside.is_file() else []
    except (OSError, ValueError) as error:
        raise both(TEXTS, "unreadable", path=path, error=error) from error
    if wanted and wanted != [hashlib.sha256(content).hexdigest()]:
        raise both(TEXTS, "other checksum", path=path, name=beside.name)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            files = {entry.filename: file.read(entry) for entry in file.infolist()}
    # What zipfile says of a damaged file is any of these.
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise both(TEXTS, "no zip", path=path, error=error) from error
    try:
        said = json.loads(files.pop(MANIFEST, b"null"))
        if said["format"] != FORMAT:
            raise ValueError
        archive = Archive(str(said["class"]), str(said["list"]), date.fromisoformat(said["kept_until"]), files)
        sums = dict(said["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise both(TEXTS, "foreign", path=path, format=FORMAT) from error
    changed = sorted(
        name
        for name in sums.keys() | files.keys()
        if name not in files or sums.get(name) != hashlib.sha256(files[name]).hexdigest()
    )
    if changed:
        raise both(TEXTS, "damaged", path=path, names=", ".join(changed))
    return archive
