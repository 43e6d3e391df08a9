"""A class that somebody else goes on with: `make class-take-over` brings back what an archive holds, for another account or server.

Students keep numbers, and so their labs' names, ports and samples; marks and records are there, and what counted in the labs that the students had counts
in the next ones, too. The list comes last: an interrupted run has taken over no class, and goes on when it is typed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import yaml

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import quoted
from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership, ensure_directory
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import runtime_directory
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import registered_labs
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.numbering import parse_kept
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.reading import numbers_of
from grading import record
from grading.archive import GRADES, LIST, RECORDS, SUBMISSIONS, Archive, put, read
from grading.classroom import SETTINGS, said_by
from grading.texts import both, say

TEXTS = {
    "es": {
        "no file": "diga qué archivo: make class-take-over FILE=roster-2026-06-30.zip",
        "strange": "{path} no es el archivo de un curso: contiene {name}",
        "other name": "el curso del archivo se llama {list}: ROSTER={roster}",
        "numbers": "{path} no tiene los números del curso ({error}): traiga otro archivo",
        "there": "ya hay un curso allí, y no se cambió nada: {names}. Elija otra carpeta con ROSTER=, o quite esos archivos",
        "labs": "en esta máquina ya hay laboratorios del curso, y no se cambió nada: {names}. Continúe con su lista, o quítelos con: make teardown LAB=nombre",
        "full": "no se puede escribir {path} ({error}). Cuando se pueda, repita el comando",
        "taken": "El curso {name} está en {roster}: {students} estudiantes, {marks} archivos de notas, {records} registros de lo comprobado.",
        "settings": "Tenía otros ajustes que los de {path}: {settings}. Si los necesita, escríbalos allí antes de seguir.",
        "next": "Sus laboratorios se crean con: make class ROSTER={roster}; lo que se entrega a los estudiantes, con: make handout ROSTER={roster}",
    },
    "en": {
        "no file": "say which archive: make class-take-over FILE=roster-2026-06-30.zip",
        "strange": "{path} is no archive of a class: it holds {name}",
        "other name": "the class of the archive is called {list}: ROSTER={roster}",
        "numbers": "{path} does not have the numbers of the class ({error}): bring another archive",
        "there": "there is a class already, and nothing was changed: {names}. Choose another folder with ROSTER=, or take those files away",
        "labs": "labs of the class are on this machine, and nothing was changed: {names}. Go on with their list, or remove them: make teardown LAB=name",
        "full": "{path} cannot be written ({error}). When it can, repeat the command",
        "taken": "The class {name} is in {roster}: {students} students, {marks} files of marks, {records} records of what was checked.",
        "settings": "It had other settings than {path} has: {settings}. If you need them, write them there before you go on.",
        "next": "Its labs are made with: make class ROSTER={roster}; what is handed out, with: make handout ROSTER={roster}",
    },
}


def take_over(path: Path, roster: Path, settings: Path, root: Path, language: str) -> list[str]:
    """Bring back the class of an archive.

    Args:
        path: the archive.
        roster: where its list is to be; a folder, where it keeps its name.
        settings: of the inventory that the class will have.
        root: the folder of the state.
        language: es or en.

    Returns:
        What is said.

    Raises:
        ExerciseError: the archive is damaged, there is a class already, or something cannot be written.
    """
    archive = read(path)
    if roster.is_dir():
        roster = roster / archive.list
    if roster.name != archive.list:
        raise both(TEXTS, "other name", list=archive.list, roster=quoted(str(roster.with_name(archive.list))))
    numbers = archive.files.get(f"{LIST}/{numbers_of(roster).name}", b"")
    try:
        kept = parse_kept(numbers.decode())
    except ValueError as error:
        raise both(TEXTS, "numbers", path=path, error=error) from error
    files = {place_of(path, name, roster, root): text_of(name, content) for name, content in archive.files.items()}
    files = {place: content for place, content in files.items() if place.name not in SETTINGS}
    there = [str(place) for place, content in files.items() if _other(place, content)]
    if there:
        raise both(TEXTS, "there", names=", ".join(there[:5]) + (", …" if there[5:] else ""))
    if labs := sorted({each.lab for each in kept} & registered_labs(runtime_directory(root)).keys()):
        raise both(TEXTS, "labs", names=", ".join(labs))
    if not root.is_dir():
        ensure_directory(str(root), 0o755, Ownership())
    for place, content in sorted(files.items(), key=lambda each: each[0] == roster):
        try:
            put(place, content)
        except OSError as error:
            raise both(TEXTS, "full", path=place, error=error) from error
    marks, records = (sum(name.startswith(f"{kind}/") for name in archive.files) for kind in (GRADES, RECORDS))
    given = {"name": archive.name, "roster": roster, "students": len(kept), "marks": marks, "records": records}
    said = [say(TEXTS, language, "taken", **given)]
    if other := _settings_of(archive, settings):
        said.append(say(TEXTS, language, "settings", path=settings, settings=other))
    return [*said, say(TEXTS, language, "next", roster=quoted(str(roster.absolute())))]


def place_of(path: Path, name: str, roster: Path, root: Path) -> Path:
    """Where a file of an archive is brought to.

    Args:
        path: the archive.
        name: the file's, in it.
        roster: the list.
        root: the folder of the state.

    Raises:
        ExerciseError: it is none of a class, or would lie elsewhere.
    """
    kind, *rest = PurePosixPath(name).parts
    beside = {kind: roster.parent / kind for kind in (GRADES, SUBMISSIONS)}
    places = {LIST: roster.parent, **beside, RECORDS: record.folder(root)}
    if kind not in places or not rest or ".." in rest or "\\" in name:
        raise both(TEXTS, "strange", path=path, name=name)
    return places[kind].joinpath(*rest)


def text_of(name: str, content: bytes) -> bytes:
    """What a file of an archive is here: of a record, what counted counts in the lab to come."""
    is_record = name.startswith(f"{RECORDS}/") and name.endswith(".jsonl")
    return record.for_another_lab(content.decode("utf-8", "replace")).encode() if is_record else content


def _other(place: Path, content: bytes) -> bool:
    return place.is_symlink() or (place.exists() and (not place.is_file() or place.read_bytes() != content))


def _settings_of(archive: Archive, here: Path) -> str:
    """The settings that the class had, and that are others here, as they are written."""
    had: Mapping[str, object] = {}
    for name in SETTINGS:
        if content := archive.files.get(f"{LIST}/{name}"):
            loaded = yaml.safe_load(content)
            had = loaded if isinstance(loaded, dict) else {}
    has = said_by(here)
    other = {name: value for name, value in had.items() if name != "file" and has.get(name) != value}
    return yaml.safe_dump(other, allow_unicode=True, default_flow_style=True, width=1000).strip() if other else ""
