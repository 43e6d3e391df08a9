"""The end of a class: `make class-close` takes its last marks, archives it, removes its labs and deletes what is personal beside the list.

Nothing is removed before it is in the archive, which is read back and compared; nothing is deleted that is not in it as it lies there. What belongs to a lab
stays until the lab is gone, and what belongs to the class until all of them are. While a closing is not over, the file `NAME.closing` beside the
archive names it: the next run goes on with that archive, which then has all of what both found.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import quoted
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import human_size
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import runtime_directory
from ansible_collections.aula.historia_clinica.plugins.module_utils.registry import registered_labs
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.accounts import accounts_of
from ansible_collections.aula.historia_clinica.plugins.module_utils.roster.reading import EXAMPLE, numbers_of
from grading import exam as exams
from grading import progress
from grading.archive import (
    FOLDER,
    GRADES,
    LIST,
    RECORDS,
    SUBMISSIONS,
    Archive,
    checksum_of,
    files_of,
    free_path,
    lab_of,
    put,
    read,
    write,
)
from grading.classroom import Classroom
from grading.exercise import ExerciseError
from grading.texts import both, say

if TYPE_CHECKING:
    from grading.class_program import Session

#: The playbook that removes labs and students' accounts.
PLAYBOOK = "playbooks/class_close.yml"
TEXTS = {
    "es": {
        "title": "Cierre del curso {name} ({roster}):",
        "goes on": "Cierre del curso {name} ({roster}), que se interrumpió; sigue con {path}:",
        "graded": "  se califican por última vez: {labs}",
        "nothing": "  no hay laboratorios del curso en esta máquina: si están en otra, ciérrelo allí",
        "elsewhere": "en esta máquina no hay laboratorios del curso {name}, ni se calificó nada: ciérrelo donde están. Si ya no existe ninguno, no hay"
        " qué archivar: rm {files}",
        "down": "  no responden, y quedan con las notas que tienen: {labs}. Si han de contar, antes: {start}",
        "archived": "  se archivan: {marks} archivos de notas, {records} registros de lo comprobado, la lista y sus números, en {path}, hasta el {until}",
        "removed": "  se quitan, con todos sus datos: {labs}",
        "accounts": "  se quitan de este servidor, con los archivos de sus dueños: las cuentas {accounts}; la que ya existía se queda, sin laboratorio",
        "deleted": "  se borran: la lista y sus números, lo demás que se archiva, y {handouts} carpetas para estudiantes",
        "expired": "  se borra el archivo {path}, que se guardaba hasta el {until}",
        "ask": "Escriba el nombre del curso ({name}) para cerrarlo: ",
        "not sure": "no se cerró nada: hay que escribir {name}. Donde no hay quien lo escriba: make class-close ROSTER={roster} YES=yes",
        "exam on": "el curso {name} tiene un examen hasta el {end:%Y-%m-%d %H:%M}: ciérrelo después, o quite el examen con: {exam} STATE=off",
        "exam open": "las notas del examen de {name}, que terminó el {end:%Y-%m-%d %H:%M}, no se han tomado: {exam};"
        " si no hacen falta, quite el examen con: {exam} STATE=off",
        "no archive": "no se puede escribir el archivo del curso en {path} ({error}). Necesita hasta {needed}, y hay libres {free}. No se quitó nada",
        "other": "{path} no es lo que se acaba de escribir: no se quitó nada. Revise el disco",
        "lost": "un cierre de {name} se interrumpió, y su archivo falta o cambió: {error}. Vuelva a ponerlo; si de verdad ya no existe, borre {marker}"
        " y se archivará lo que queda",
        "written": "Archivo: {path} ({size}), hasta el {until}. Guarde una copia en otra máquina, con {checksum}.",
        "done": "El curso {name} está cerrado: {labs} laboratorios, {accounts} cuentas y {files} archivos menos.",
        "stays": "No se quitó, y sus datos siguen aquí: {names}. Arriba dice por qué; después, repita: {close}",
        "changed": "Cambió mientras se cerraba, y sigue aquí: {names}. Repita: {close}",
        "undeleted": "No se puede borrar: {error}. Después, repita: {close}",
        "finished": "El curso estaba cerrado, menos sus números, que ahora se borraron. Archivo: {path}",
    },
    "en": {
        "title": "Closing the class {name} ({roster}):",
        "goes on": "Closing the class {name} ({roster}), which was interrupted; it goes on with {path}:",
        "graded": "  graded for the last time: {labs}",
        "nothing": "  no lab of the class is on this machine: if they are on another one, close it there",
        "elsewhere": "this machine has no lab of the class {name}, and nothing was graded on it: close it where they are. If none is left anywhere, there"
        " is nothing to archive: rm {files}",
        "down": "  without an answer, left with the marks that they have: {labs}. If they are to count, first: {start}",
        "archived": "  archived: {marks} files of marks, {records} records of what was checked, the list and its numbers, in {path}, until {until}",
        "removed": "  removed, with all of their data: {labs}",
        "accounts": "  removed from this server, with their owners' files: the accounts {accounts}; one that was there before stays, without a lab",
        "deleted": "  deleted: the list and its numbers, what else is archived, {handouts} handouts",
        "expired": "  deleted: the archive {path}, which was kept until {until}",
        "ask": "Type the class's name ({name}) to close it: ",
        "not sure": "nothing was closed: {name} has to be typed. Where nobody can type it: make class-close ROSTER={roster} YES=yes",
        "exam on": "the class {name} has an exam until {end:%Y-%m-%d %H:%M}: close it later, or take the exam away with: {exam} STATE=off",
        "exam open": "the marks of the exam of {name}, which ended on {end:%Y-%m-%d %H:%M}, are not taken yet: {exam};"
        " if nobody needs them, take the exam away with: {exam} STATE=off",
        "no archive": "the class's archive cannot be written to {path} ({error}). It needs up to {needed}, and {free} are free. Nothing was removed",
        "other": "{path} is not what was just written: nothing was removed. See to the disk",
        "lost": "a closing of {name} was interrupted, and its archive is missing or has changed: {error}. Put it back; if it is really gone, delete {marker},"
        " and what is left is archived",
        "written": "Archive: {path} ({size}), until {until}. Keep a copy on another machine, with {checksum}.",
        "done": "The class {name} is closed: {labs} labs, {accounts} accounts and {files} files fewer.",
        "stays": "Not removed, with its data still here: {names}. Above stands why; then repeat: {close}",
        "changed": "It changed while the class was closed, and is still here: {names}. Repeat: {close}",
        "undeleted": "It cannot be deleted: {error}. Then repeat: {close}",
        "finished": "The class was closed but for its numbers, which are deleted now. Archive: {path}",
    },
}


@dataclass(frozen=True)
class Plan:
    """What closing a class does.

    Attributes:
        labs: those that are here, by what they answer.
        accounts: of its students on this server.
        files: what is archived, by its name there.
        handouts: one for each student.
        path: of the archive.
        until: the last day on which it is kept.
        before: what an interrupted closing has archived.
        expired: archives past their date.
    """

    labs: Mapping[str, str]
    accounts: Sequence[str]
    files: Mapping[str, Path]
    handouts: Sequence[Path]
    path: Path
    until: date
    before: Archive | None
    expired: Mapping[Path, date] = field(default_factory=dict)


class Closing:
    """The end of a class.

    Args:
        session: what the commands of the class work on.
        inventory: of the class, as it was named.
        checkout: the folder of the playbooks.
        arguments: what was typed for Ansible, which removes the labs.
    """

    def __init__(self, session: Session, inventory: Path, checkout: Path, arguments: str) -> None:
        self.session = session
        self.classroom: Classroom = session.classroom
        self.inventory = inventory
        self.checkout = checkout
        self.arguments = arguments
        roster = quoted(str(self.classroom.roster.absolute()))
        self.again = f"make class-close ROSTER={roster}"
        self.exam = f"make exam ROSTER={roster}"

    def say(self, text: str, /, **values: object) -> None:
        """Say a sentence."""
        print(say(TEXTS, self.session.language, text, **values), flush=True)

    def close(self, is_sure: bool) -> bool:
        """Say what will be done, ask, and do it.

        Args:
            is_sure: nobody is asked.

        Returns:
            Whether nothing is left to be done.

        Raises:
            ExerciseError: something is in the way. Nothing that is not archived was removed.
        """
        if {"--check", "-C"} & set(self.arguments.split()):
            self._see_that_no_exam_is_on()
            plan = self.plan()
            self._see_that_it_is_here(plan)
            self.tell(plan)
            return True
        with self.session.alone(wait=False):
            self._see_that_no_exam_is_on()
            plan = self.plan()
            self._see_that_it_is_here(plan)
            self.tell(plan)
            self._confirm(is_sure)
            if plan.labs:
                print("\n".join(self.session.grade_finally()), flush=True)
            archive = self._archive(plan, goes_on=True)
            self._remove_labs()
            return self._delete(plan, archive)

    def _see_that_it_is_here(self, plan: Plan) -> None:
        """See that this is the machine of the class: elsewhere its list would go, and its labs would stay.

        Raises:
            ExerciseError: it has neither labs nor marks of it.
        """
        if not plan.labs and not plan.before and not any(name.startswith((GRADES, RECORDS)) for name in plan.files):
            roster = self.classroom.roster
            files = " ".join(quoted(str(path)) for path in (roster, numbers_of(roster)) if path.is_file())
            raise both(TEXTS, "elsewhere", name=self.classroom.name, files=files)

    def keep(self) -> None:
        """Archive the class, which goes on.

        Raises:
            ExerciseError: it cannot be archived.
        """
        with self.session.alone(wait=False):
            self._archive(self.plan(), goes_on=False)

    def plan(self) -> Plan:
        """What closing the class does, as things are.

        Raises:
            ExerciseError: the archive of an interrupted closing cannot be read.
        """
        classroom = self.classroom
        here = [lab for lab in classroom.every_lab if lab in self._registered()]
        before, path = None, free_path(classroom.roster, date.today())
        marker = marker_of(classroom.roster)
        if marker.is_file():
            path = marker.with_name(marker.read_text(encoding="utf-8").strip())
            try:
                before = read(path, checksum=False)
            except ExerciseError as error:
                said = {
                    language: say(TEXTS, language, "lost", name=classroom.name, error=text, marker=marker)
                    for language, text in error.text.items()
                }
                raise ExerciseError(**said) from error
        return Plan(
            labs=self.session.answers(here),
            accounts=sorted(accounts_of(classroom.every_lab)),
            files=files_of(classroom, self.session.root),
            handouts=[path for path in _entries(handouts_of(classroom.roster)) if path.is_dir()],
            path=path,
            until=_later(date.today(), classroom.years),
            before=before,
            expired=expired(classroom.roster.parent / FOLDER, date.today()),
        )

    def tell(self, plan: Plan) -> None:
        """Say what a plan does."""
        classroom = self.classroom
        self.say("goes on" if plan.before else "title", name=classroom.name, roster=classroom.roster, path=plan.path)
        silent = [lab for lab, state in plan.labs.items() if state == progress.DOWN]
        answer = [lab for lab in plan.labs if lab not in silent]
        if answer:
            self.say("graded", labs=", ".join(answer))
        if not plan.labs and not plan.before:
            self.say("nothing")
        if silent:
            start = f"make start ROSTER={quoted(str(classroom.roster.absolute()))}"
            self.say("down", labs=", ".join(silent), start=start)
        marks, records = (sum(name.startswith(f"{kind}/") for name in plan.files) for kind in (GRADES, RECORDS))
        self.say("archived", marks=marks, records=records, path=plan.path, until=plan.until)
        if plan.labs:
            self.say("removed", labs=", ".join(plan.labs))
        if plan.accounts:
            self.say("accounts", accounts=", ".join(plan.accounts))
        self.say("deleted", handouts=len(plan.handouts))
        for path, until in plan.expired.items():
            self.say("expired", path=path, until=until)

    def _see_that_no_exam_is_on(self) -> None:
        name, now = self.classroom.name, datetime.now(UTC)
        for each in exams.kept(self.session.root):
            if each.name != name:
                continue
            end = each.exam.end
            if each.exam.phase(now) != exams.AFTER:
                raise both(TEXTS, "exam on", name=name, end=end, exam=self.exam)
            taken = self.classroom.place.glob(f"*/exam/{name}.json")
            if all(path.parents[1].name < end.date().isoformat() for path in taken):
                raise both(TEXTS, "exam open", name=name, end=end, exam=self.exam)

    def _confirm(self, is_sure: bool) -> None:
        """See that whoever types it means it.

        Raises:
            ExerciseError: not so.
        """
        name = self.classroom.name
        typed = name if is_sure else ""
        if not is_sure and sys.stdin.isatty():
            with contextlib.suppress(EOFError):
                typed = input(say(TEXTS, self.session.language, "ask", name=name)).strip()
        if typed != name:
            raise both(TEXTS, "not sure", name=name, roster=quoted(str(self.classroom.roster.absolute())))

    def _archive(self, plan: Plan, goes_on: bool) -> Archive:
        """Archive the class, read it back and compare.

        Args:
            plan: what is done.
            goes_on: the class is closed next.

        Raises:
            ExerciseError: it cannot be archived.
        """
        files = files_of(self.classroom, self.session.root)  # with the last marks
        needed = sum(path.stat().st_size for path in files.values())
        before = plan.before.files if plan.before else {}
        try:
            found = {name: path.read_bytes() for name, path in files.items()}
            archive = Archive(self.classroom.name, self.classroom.roster.name, plan.until, {**before, **found})
            write(plan.path, archive)
            if read(plan.path) != archive or any(path.read_bytes() != found[name] for name, path in files.items()):
                raise both(TEXTS, "other", path=plan.path)
            if goes_on:
                put(marker_of(self.classroom.roster), f"{plan.path.name}\n".encode())
        except OSError as error:
            free = human_size(shutil.disk_usage(self.classroom.roster.parent).free)
            raise both(
                TEXTS, "no archive", path=plan.path, error=error, needed=human_size(needed), free=free
            ) from error
        self.tell_archive(plan)
        return archive

    def tell_archive(self, plan: Plan) -> None:
        """Say where the archive is."""
        size, checksum = human_size(plan.path.stat().st_size), checksum_of(plan.path).name
        self.say("written", path=plan.path, size=size, until=plan.until, checksum=checksum)

    def _remove_labs(self) -> None:
        """Remove labs and accounts, as far as it goes: what is left is seen then."""
        every = self.classroom.every_lab
        here = {*self._registered(), *accounts_of(every).values()}
        left = [lab for lab in self.classroom.left if lab in here]
        if labs := [lab for lab in every if lab in here]:
            # Who left is no host of the class any more, but has what all of its hosts have.
            more = ["-i", f"{','.join(left)},"] if left else []
            roster = ["-e", f"lab_roster={self.classroom.roster.absolute()}"]
            self._play("-i", str(self.inventory), *more, *roster, "--limit", ",".join(labs))

    def _play(self, *options: str) -> None:
        command = [sys.executable, "requirements/typed", "ansible-playbook", *options, PLAYBOOK]
        subprocess.run(command, cwd=self.checkout, env=os.environ | {"ARGS": self.arguments}, check=False)

    def _delete(self, plan: Plan, archive: Archive) -> bool:
        """Delete what is archived, but for what belongs to a lab or an account that is still here; whether nothing is left.

        Raises:
            ExerciseError: something cannot be deleted.
        """
        roster, labs = self.classroom.roster, set(self.classroom.every_lab)
        accounts = accounts_of(labs)
        stay = {lab for lab in labs if lab in self._registered()} | set(accounts.values())
        files = files_of(self.classroom, self.session.root)
        order = [
            *(name for kind in (RECORDS, GRADES, SUBMISSIONS) for name in files_in(files, kind)),
            f"{LIST}/{roster.name}",
            f"{LIST}/{numbers_of(roster).name}",
        ]
        changed: list[str] = []
        deleted = 0
        try:
            for path in plan.expired:
                _remove(checksum_of(path))
                _remove(path)
            for lab in labs - stay:
                _remove(handouts_of(roster) / lab)
                _remove(handouts_of(roster) / f"{lab}.zip")
            if not stay:
                _remove(handouts_of(roster))
                for folder, left in ((self.classroom.place, ".new-*"), (roster.parent / FOLDER, ".*.new")):
                    for path in folder.glob(left):  # of a run that was killed
                        _remove(path)
            for name in order:
                lab = lab_of(name)
                if name not in files or roster_is_example(roster, name) or (lab in stay if lab else stay or changed):
                    continue
                if files[name].read_bytes() != archive.files.get(name):
                    changed.append(name)
                    continue
                files[name].unlink()
                deleted += 1
            for folder in (self.classroom.place, self.classroom.submissions):
                _remove_empty(folder)
            if not stay and not changed:
                marker_of(roster).unlink()
        except OSError as error:
            raise both(TEXTS, "undeleted", error=error, close=self.again) from error
        if stay:
            self.say("stays", names=", ".join(sorted({*stay, *accounts})), close=self.again)
        if changed:
            self.say("changed", names=", ".join(changed), close=self.again)
        if not stay and not changed:
            self.say("done", name=self.classroom.name, labs=len(plan.labs), accounts=len(plan.accounts), files=deleted)
        return not stay and not changed

    def _registered(self) -> Mapping[str, Path]:
        return registered_labs(runtime_directory(self.session.root))


def finish(roster: Path) -> Path | None:
    """End a closing that was killed when the list was deleted, and nothing but its numbers was left; the archive, where there was such a one.

    Raises:
        ExerciseError: the archive cannot be read, or something cannot be deleted.
    """
    marker, numbers = marker_of(roster), numbers_of(roster)
    if roster.exists() or not marker.is_file():
        return None
    path = marker.with_name(marker.read_text(encoding="utf-8").strip())
    try:
        if numbers.is_file() and numbers.read_bytes() == read(path).files.get(f"{LIST}/{numbers.name}"):
            numbers.unlink()
        marker.unlink()
    except OSError as error:
        again = f"make class-close ROSTER={quoted(str(roster.absolute()))}"
        raise both(TEXTS, "undeleted", error=error, close=again) from error
    return path


def marker_of(roster: Path) -> Path:
    """Where the archive of a closing is named that is not over."""
    return roster.parent / FOLDER / f"{roster.stem}.closing"


def handouts_of(roster: Path) -> Path:
    """Where the handouts of a class are, as the playbook of the same name writes them."""
    return roster.with_suffix(".handouts")


def expired(folder: Path, today: date) -> dict[Path, date]:
    """The archives in a folder that are past their date, and the date. What is no archive that can be read stays."""
    found = {}
    for path in _entries(folder):
        with contextlib.suppress(ExerciseError):
            if path.suffix == ".zip" and (until := read(path, checksum=False).until) < today:
                found[path] = until
    return found


def files_in(files: Mapping[str, Path], kind: str) -> list[str]:
    """The names of an archive in one of its folders."""
    return [name for name in files if name.startswith(f"{kind}/")]


def roster_is_example(roster: Path, name: str) -> bool:
    """Whether a file of an archive is the list of invented students, which is the project's."""
    return roster.name == EXAMPLE and name == f"{LIST}/{EXAMPLE}"


def _later(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # the 29th of February
        return day.replace(year=day.year + years, day=28)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_empty(top: Path) -> None:
    """Remove the folders that nothing is in, with the one above them."""
    for folder, _folders, _files in os.walk(top, topdown=False):
        with contextlib.suppress(OSError):  # something is in it
            os.rmdir(folder)
