"""The commands of a class that works on exercises: `make grade`, `make class-status`, `make exam`; and those of its end."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import itertools
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

import psycopg

from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import (
    Ownership,
    ensure_directory,
    ensure_text,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import columns
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from grading import close, evidence, labs, progress, record, reports, submission, take_over
from grading import exam as exams
from grading.checks import LANGUAGES, PASSED
from grading.classroom import ClassError, Classroom, list_of, read_classroom, settings_of
from grading.exercise import Exercise, ExerciseError, exercise, exercises, folders_of
from grading.grade import check_lab
from grading.lab import IDENTIFIER, connect
from grading.marks import Marks, Student, in_time, marks_of, with_handed_in
from grading.progress import Answer, Progress, progress_of
from grading.texts import both, say

Found = TypeVar("Found")
#: What can be asked for.
COMMANDS = ("grade", "class-status", "exam", "class-archive", "class-close", "class-take-over")
#: Seconds that all checks of one lab may take together.
LAB_SECONDS = 60
#: Labs that are checked at a time, by processor: while one waits for its servers, another one is checked. And those that are asked whether they are up:
#: that is little work, and a server that hangs takes two seconds to be given up.
LABS_EACH, ASKED = 2, 16
#: Seconds between two pictures of a class, and those that a part of a lab has to answer.
PAUSE, PATIENCE = 10, 1.0
TEXTS = {
    "es": {
        "no lab": "el laboratorio {lab} todavía no existe. Créelo con: {make}",
        "unwritable": "no se puede escribir el registro de {lab}: {error}. Libere espacio en el disco, o repita como el usuario de los laboratorios",
        "busy": "Otra calificación está en curso en esta máquina; esta empieza cuando termine.",
        "at work": "otra calificación está en curso en esta máquina, y este comando no la espera: repítalo cuando termine",
        "written": "Notas: {place}/{name}.md; para Moodle: {place}/{name}.moodle.csv (separador: {separator}, una fila por {mark})",
        "page": "Página: {path}",
        "left out": "Sin fila en el archivo de Moodle: {lab}: {why}",
        "strangers": "Laboratorios de esta máquina que no son de nadie en la lista, sin calificar: {labs}",
        "graded": "{graded} de {all} estudiantes tienen nota; {seconds:.0f} s.",
        "heading": ("estudiante", "laboratorio", "nota", "puntos", "resueltos"),
        ",": "coma",
        ";": "punto y coma",
        "nobody": "no hay un estudiante con el laboratorio {lab} en {roster}; hay: {labs}",
        "full": "no se pueden escribir las notas: {error}. Lo comprobado quedó en el registro; cuando haya espacio, repita el comando",
        "stopped": "Interrumpido: no se escribieron notas. Repita el comando cuando quiera.",
        "no exam": "no se puede guardar el examen: {error}",
        "no page": "no se puede escribir la página: {error}",
        "decimal": "DECIMAL={given}: hay point y comma",
        "watch": "WATCH={given}: solo hay yes",
        "state": "STATE={given}: solo hay off",
        "yes": "YES={given}: solo hay yes",
        "one": "un curso se cierra entero; un solo laboratorio se quita con: make teardown LAB={lab}",
        "close stopped": "Interrumpido: el curso no está cerrado, y nada se perdió. Repita el comando cuando quiera.",
        "exam before": "Examen de {name}: {exercises}. Se abre el {begin:%Y-%m-%d %H:%M}; hasta entonces está cerrado."
        " Repita make exam cuando empiece, y déjelo hasta el final ({end:%H:%M}), cuando toma las notas.",
        "exam during": "El examen termina a las {end:%H:%M}; entonces se toman las notas.",
        "exam off": "Ya no hay examen de {name}: sus ejercicios están abiertos.",
        "late": "El examen terminó el {end:%Y-%m-%d %H:%M}: cuentan los intentos hechos hasta entonces, no lo que hay ahora en los laboratorios.",
        "evidence": "De qué se tomaron: {place}/evidence/",
        "projector": "Para el proyector: {path} (cada {seconds} s; Ctrl+C termina)",
    },
    "en": {
        "no lab": "the lab {lab} is not made yet. Make it with: {make}",
        "unwritable": "the record of {lab} cannot be written: {error}. Make room on the disk, or repeat it as the labs' user",
        "busy": "Another grading is under way on this machine; this one begins when it is over.",
        "at work": "another grading is under way on this machine, and this command does not wait: repeat it when that is over",
        "written": "Marks: {place}/{name}.md; for Moodle: {place}/{name}.moodle.csv (separator: {separator}, a row for each {mark})",
        "page": "Page: {path}",
        "left out": "Without a row in Moodle's file: {lab}: {why}",
        "strangers": "Labs of this machine that are nobody's on the list, not graded: {labs}",
        "graded": "{graded} of {all} students have a mark; {seconds:.0f} s.",
        "heading": ("student", "lab", "mark", "points", "passed"),
        ",": "comma",
        ";": "semicolon",
        "nobody": "there is no student with the lab {lab} in {roster}; there are: {labs}",
        "full": "the marks cannot be written: {error}. What was checked is in the record; when there is room, repeat the command",
        "stopped": "Stopped: no marks were written. Repeat the command when you like.",
        "no exam": "the exam cannot be kept: {error}",
        "no page": "the page cannot be written: {error}",
        "decimal": "DECIMAL={given}: there are point and comma",
        "watch": "WATCH={given}: there is only yes",
        "state": "STATE={given}: there is only off",
        "yes": "YES={given}: there is only yes",
        "one": "a class is closed as a whole; a single lab is removed with: make teardown LAB={lab}",
        "close stopped": "Stopped: the class is not closed, and nothing is lost. Repeat the command when you like.",
        "exam before": "Exam of {name}: {exercises}. It opens on {begin:%Y-%m-%d %H:%M}, and is shut until then."
        " Repeat make exam when it begins, and leave it until the end ({end:%H:%M}), when it takes the marks.",
        "exam during": "The exam ends at {end:%H:%M}; marks are taken then.",
        "exam off": "There is no exam of {name} any more: its exercises are open.",
        "late": "The exam ended on {end:%Y-%m-%d %H:%M}: attempts made until then count, not what is in the labs now.",
        "evidence": "What they were taken from: {place}/evidence/",
        "projector": "For the projector: {path} (every {seconds} s; Ctrl+C ends it)",
    },
}


class Session:
    """What the commands work on.

    Args:
        classroom: the class.
        chosen: the exercises that count.
        language: of what is said.
        root: the folder of the state.
        known: all exercises, where others count; students hand in more than what is asked for.

    Attributes:
        exam: in whose time attempts have to be made to count; None where there is none.
        part: the folder of the marks below the day's; empty where they are the day's own.
    """

    exam: exams.Exam | None = None
    part = ""

    def __init__(
        self,
        classroom: Classroom,
        chosen: Sequence[Exercise],
        language: str,
        root: Path,
        known: Sequence[Exercise] = (),
    ) -> None:
        self.classroom = classroom
        self.chosen = chosen
        self.known = known or chosen
        self.language = language
        self.root = root

    def say(self, text: str, /, **values: object) -> str:
        """A sentence in the session's language."""
        return say(TEXTS, self.language, text, **values)

    def students(self, only: str) -> list[Student]:
        """All students, or the one of a lab.

        Raises:
            ExerciseError: there is none.
        """
        found = [each for each in self.classroom.students if only in ("", each.lab)]
        if not found:
            known = ", ".join(each.lab for each in self.classroom.students)
            raise both(TEXTS, "nobody", lab=only, roster=self.classroom.roster.name, labs=known)
        return found

    def grade(self, only: str = "", decimal: str = "point") -> list[str]:
        """Check all labs side by side, and write the marks.

        Args:
            only: the lab of one student, whose page alone is written then; empty for all.
            decimal: point or comma.

        Returns:
            What is said.

        Raises:
            ExerciseError: there is no such student, or the marks cannot be written.
        """
        begun = time.monotonic()
        students = self.students(only)
        with self.alone():
            every, text, left, place = self._take_marks(students, decimal, pages_only=bool(only))
        said, reasons = self._table(every, decimal)
        if only:
            return [*said, self.say("page", path=place / "students" / f"{only}.md")]
        told = {lab for lab, why in reasons if why}
        said += [self.say("left out", lab=lab, why=why) for lab, why in left.items() if lab not in told]
        if not self.exam:
            said += [
                f"{self.classroom.submissions.name}/{name}: {text[self.language]}"
                for name, text in self.handed_in().wrong
            ]
        if self.classroom.strangers:
            said.append(self.say("strangers", labs=", ".join(self.classroom.strangers)))
        separator = self.say(reports.DECIMALS[decimal][1])
        mark = text.splitlines()[0].split(reports.DECIMALS[decimal][1])[0]
        said.append(self.say("written", place=place, name=self.classroom.name, separator=separator, mark=mark))
        if self.exam:
            said.append(self.say("evidence", place=place))
        graded = sum(each.tenths is not None for each in every)
        return [*said, self.say("graded", graded=graded, all=len(every), seconds=time.monotonic() - begun)]

    def grade_finally(self) -> list[str]:
        """Check the labs once more before they go, and write the marks into a folder of their own: those of the same day stay.

        Returns:
            What is said.

        Raises:
            ExerciseError: the marks cannot be written.
        """
        day = self.classroom.place / date.today().isoformat()
        names = (f"final-{number}" if number > 1 else "final" for number in itertools.count(1))
        self.part = next(name for name in names if not (day / name).exists())
        every, *_written = self._take_marks(self.classroom.students, "point")
        return self._table(every, "point")[0]

    def _take_marks(
        self, students: Sequence[Student], decimal: str, pages_only: bool = False
    ) -> tuple[list[Marks], str, dict[str, str], Path]:
        """The marks of students, which are written: them, Moodle's file, who is not in it and why, and where they are.

        Raises:
            ExerciseError: they cannot be written.
        """
        try:
            every = self._side_by_side(self._marks_of, students)
            if not self.exam:  # whose time a file made elsewhere cannot prove
                handed = self.handed_in().by_lab
                every = [
                    with_handed_in(
                        each, self.chosen, handed.get(each.student.lab, {}), each.student.lab in self.classroom.labs
                    )
                    for each in every
                ]
            text, left = reports.moodle_csv(every, self.language, decimal)
            return every, text, left, self._write(every, text, date.today().isoformat(), pages_only)
        except OSError as error:
            raise both(TEXTS, "full", error=error) from error

    def _table(self, every: Sequence[Marks], decimal: str) -> tuple[list[str], list[tuple[str, str]]]:
        """The marks as they are said, with the reason of each student who has none; and these by lab."""
        said = columns(TEXTS[self.language]["heading"], [self._row(each, decimal) for each in every], right=(2, 3, 4))
        reasons = [(each.student.lab, reports.why(each, self.language)) for each in every]
        return [*said, "", *(f"{lab}: {why}" for lab, why in reasons if why)], reasons

    def handed_in(self) -> submission.Handed:
        """What students have handed in who work on their own machines."""
        return submission.handed_in(self.classroom.submissions, self.classroom.students, self.known)

    def status(self, only: str = "") -> list[Progress]:
        """How far each student is.

        Raises:
            ExerciseError: there is no such student.
        """
        return self._side_by_side(self._progress_of, self.students(only), ASKED)

    def keep_projector_page(self, every: Sequence[Progress]) -> Path:
        """Write the page for a projector; where it is.

        Raises:
            ExerciseError: it cannot be written.
        """
        now = datetime.now().astimezone()
        page = progress.projector_page(self.classroom.name, every, self.language, now, PAUSE)
        name = f"{self.classroom.name}.html"
        try:
            _write(self.classroom.place, {name: page})
        except OSError as error:
            raise both(TEXTS, "no page", error=error) from error
        return self.classroom.place / name

    def _side_by_side(
        self, work: Callable[[Student], Found], students: Sequence[Student], at_a_time: int = 0
    ) -> list[Found]:
        """What work comes to for each student."""
        with ThreadPoolExecutor(at_a_time or LABS_EACH * max(2, os.cpu_count() or 1)) as pool:
            return list(pool.map(work, students))

    def _marks_of(self, student: Student) -> Marks:
        """Check a lab. Whatever is wrong with it stops nobody else."""
        if student.lab not in self.classroom.labs:
            return Marks(student, reason=both(TEXTS, "no lab", lab=student.lab, make=self.classroom.make).text)
        try:
            now = check_lab(self.root, student.lab, self.chosen, LAB_SECONDS)
            lines = record.Log(self.root, student.lab, now[0].get("database", "")).lines()
        except ExerciseError as error:
            return Marks(student, reason=error.text)
        except OSError as error:
            return Marks(student, reason=both(TEXTS, "unwritable", lab=student.lab, error=error).text)
        kept = {each.id: record.counting(lines, each.id) for each in self.chosen}
        counted = in_time(self.exam, now, kept) if self.exam else (now, kept)
        return marks_of(student, self.chosen, *counted)

    def answers(self, names: Sequence[str]) -> dict[str, str]:
        """Whether labs of this machine answer: up, partly or down, by name."""
        with ThreadPoolExecutor(ASKED) as pool:
            return dict(zip(names, pool.map(lambda name: self._asked(name)[1].state, names), strict=True))

    def _asked(self, lab: str) -> tuple[str, Answer]:
        """Which database a lab has, and what of it answers."""
        try:
            return ask(labs.find(self.root, lab))
        except ExerciseError:  # its record cannot be read; `make diagnose` says why
            return "", Answer(progress.DOWN)

    def _evidence_of(self, student: Student) -> str:
        """What the marks of a student were taken from, in JSON: the record's lines that count, and what is in the lab."""
        found: dict[str, object] = {"lab": student.lab, "taken": datetime.now(UTC).isoformat(timespec="seconds")}
        lines = record.Log(self.root, student.lab, "").lines()
        found["lines"] = [line for line in lines if self.exam and self.exam.counts(line)]
        try:
            found["exercises"] = evidence.collect(labs.find(self.root, student.lab), self.chosen)
        except ExerciseError as error:
            found["error"] = error.text
        return json.dumps(found, ensure_ascii=False, indent=1, default=str) + "\n"

    def _progress_of(self, student: Student) -> Progress:
        database, answer = "", Answer(progress.NONE)
        if student.lab in self.classroom.labs:
            database, answer = self._asked(student.lab)
        lines = record.Log(self.root, student.lab, database).lines()
        return progress_of(student, answer, self.chosen, lines, datetime.now(UTC))

    def _row(self, marks: Marks, decimal: str) -> tuple[str, ...]:
        student = marks.student
        points = f"{marks.points}/{marks.of}" if marks.results else reports.NO_GRADE
        passed = str(sum(each.state == PASSED for each in marks.results)) if marks.results else reports.NO_GRADE
        return (student.name or student.lab, student.lab, reports.mark_text(marks, decimal), points, passed)

    def _write(self, every: Sequence[Marks], moodle: str, day: str, pages_only: bool) -> Path:
        """Write the marks of a day; where they are.

        Raises:
            OSError: they cannot be written.
        """
        name, strangers, language = self.classroom.name, self.classroom.strangers, self.language
        part = "exam" if self.exam else self.part
        folder = f"{day}/{part}" if part else day
        files = {
            f"{folder}/students/{each.student.lab}.md": reports.student_page(each, day, language) for each in every
        }
        if not pages_only:
            files[f"{folder}/{name}.md"] = reports.class_page(name, every, strangers, day, language)
            files[f"{folder}/{name}.moodle.csv"] = moodle
            files[f"{folder}/{name}.junit.xml"] = reports.junit_xml(every, language)
            files[f"{folder}/{name}.json"] = reports.as_json(name, every, strangers, day)
        if self.exam:
            students = [each.student for each in every]
            proofs = zip(students, self._side_by_side(self._evidence_of, students), strict=True)
            files |= {f"{folder}/evidence/{student.lab}.json": text for student, text in proofs}
        _write(self.classroom.place, files)
        return self.classroom.place / folder

    def alone(self, wait: bool = True) -> AbstractContextManager[None]:
        """A while in which no other grading runs on this machine (`alone`)."""
        return alone(self.root, self.language, wait)


@contextlib.contextmanager
def alone(root: Path, language: str, wait: bool) -> Iterator[None]:
    """A while in which no other grading runs on this machine: two would share its processors, and checks run out of time.

    Args:
        root: the folder of the state.
        language: es or en.
        wait: for the end of another one.

    Raises:
        ExerciseError: there is another one, and it is not waited for.
    """
    folder = record.folder(root)
    if not root.is_dir():  # there is no lab yet, and so nothing to be counted
        yield
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise both(TEXTS, "at work") from None
            print(say(TEXTS, language, "busy"), file=sys.stderr, flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(top: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder, which only their owner reads: all of them, or where there is no room for one, none.

    Raises:
        OSError: one cannot be written.
    """
    ensure_directory(str(top), 0o700, Ownership())
    with tempfile.TemporaryDirectory(prefix=".new-", dir=top) as place:
        for name, text in files.items():
            for folder in reversed(Path(name).parents):
                for above in (Path(place), top):
                    ensure_directory(str(above / folder), 0o700, Ownership())
            ensure_text(f"{place}/{name}", text, 0o600, Ownership())
        for name in files:
            Path(place, name).replace(top / name)


def ask(lab: Record) -> tuple[str, Answer]:
    """Which database a lab has, empty where it does not answer, and what else of it answers."""
    try:
        with contextlib.closing(connect(lab, lab.database_port)) as connection:
            row = connection.execute(IDENTIFIER).fetchone()
    except psycopg.Error:
        return "", Answer(progress.DOWN)
    _coordinator, *workers, api = lab.ports
    silent = [f"citus-worker-{number}" for number, port in enumerate(workers, 1) if not takes_sessions(port)]
    silent += ["API"] * (not listens(api))
    return str(row["system_identifier"]) if row else "", Answer(
        progress.PARTLY if silent else progress.UP, tuple(silent)
    )


def takes_sessions(port: int) -> bool:
    """Whether a server at a port of this machine says that it takes sessions: to a frozen one connections are made all the same."""
    asked = f"host=127.0.0.1 port={port} user=admin dbname=historia_clinica connect_timeout=2"
    return psycopg.pq.PGconn.ping(asked.encode()) == psycopg.pq.Ping.OK


def listens(port: int) -> bool:
    """Whether somebody takes connections at a port of this machine."""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE):
            return True
    except OSError:
        return False


def parser() -> argparse.ArgumentParser:
    """What can be typed."""
    parsed = argparse.ArgumentParser(prog="exercises", description=__doc__)
    parsed.add_argument("command", choices=COMMANDS)
    parsed.add_argument("--inventory", type=Path, required=True, help="the inventory of the class")
    parsed.add_argument(
        "--roster", default="", help="the list of students, where it is another one than the inventory's"
    )
    parsed.add_argument("--language", default="", help="es (the default) or en")
    parsed.add_argument(
        "--exercises",
        default="",
        help="names of those that count, with commas between; all of them where nothing is said",
    )
    parsed.add_argument("--path", default="", help="folders of a teacher's own exercises, with colons between")
    parsed.add_argument(
        "--decimal", default="", help="grade: the decimal sign of Moodle's file, point (the default) or comma"
    )
    parsed.add_argument("--state", default="", help="exam: off takes it away")
    parsed.add_argument("--file", type=Path, help="class-take-over: the archive")
    parsed.add_argument("--yes", default="", help="class-close: yes closes the class without a question")
    parsed.add_argument(
        "--ansible", default="", help="class-close: what was typed for Ansible; --check says the plan alone"
    )
    parsed.add_argument("--watch", default="", help="class-status: yes repeats it, and keeps a page for a projector")
    return parsed


def main(own: Path, arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        own: where the project's exercises lie.
        arguments: what was typed.

    Returns:
        0, or 1 where what stands in the one message that is printed is in the way. A student's lab that is down is in nobody's.
    """
    asked = parser().parse_args(arguments)
    language = asked.language or LANGUAGES[0]
    if language not in LANGUAGES:
        print(f"LAB_LANGUAGE={language}: hay es y en (there are es and en)", file=sys.stderr)
        return 1
    try:
        for name, known in (
            ("decimal", ("", *reports.DECIMALS)),
            ("watch", ("", "yes")),
            ("state", ("", "off")),
            ("yes", ("", "yes")),
        ):
            if getattr(asked, name) not in known:
                raise both(TEXTS, name, given=getattr(asked, name))
        root, only = labs.state(), os.environ.get("LAB", "")
        if asked.command == "class-take-over":
            said = _taken_over(asked.file, asked.inventory, asked.roster, root, language)
            print("\n".join(said))
            return 0
        if asked.command == "class-close":
            if only:
                raise both(TEXTS, "one", lab=only)
            if done := close.finish(list_of(asked.inventory, asked.roster)):
                print(say(close.TEXTS, language, "finished", path=done))
                return 0
        places = [own, *folders_of(asked.path)]
        names = [name for name in asked.exercises.split(",") if name]
        chosen = [exercise(places, name) for name in names] if names else exercises(places)
        classroom = read_classroom(asked.inventory, asked.roster, root)
        session = Session(classroom, chosen, language, root, exercises(places))
        if asked.command == "exam":
            hold(session, places, asked.state == "off", asked.decimal or "point")
        elif asked.command in ("class-archive", "class-close"):
            closing = close.Closing(session, asked.inventory, own.parent, asked.ansible)
            if asked.command == "class-archive":
                closing.keep()
            elif not closing.close(is_sure=bool(asked.yes)):
                return 1
        elif asked.command == "grade":
            print("\n".join(session.grade(only, asked.decimal or "point")))
        elif asked.watch:
            watch(session, only)
        else:
            print("\n".join(progress.status_page(session.status(only), language, session.classroom.make)))
    except ClassError as error:
        print(error, file=sys.stderr)
        return 1
    except ExerciseError as error:
        text = error.text[language]
        print(f"{text[0].upper()}{text[1:]}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        stopped = "close stopped" if asked.command == "class-close" else "stopped"
        print(say(TEXTS, language, stopped), file=sys.stderr)
        return 1
    return 0


def _taken_over(file: Path | None, inventory: Path, roster: str, root: Path, language: str) -> list[str]:
    """Take over a class, while nobody grades; what is said.

    Raises:
        ClassError: the inventory is none of a class.
        ExerciseError: what is in the way.
    """
    if file is None:
        raise both(take_over.TEXTS, "no file")
    settings = settings_of(inventory)
    with alone(root, language, wait=False):
        return take_over.take_over(file, settings.parent / roster, settings, root, language)


def hold(session: Session, places: Sequence[Path], off: bool, decimal: str) -> None:
    """Keep the exam of a class, or take it away; while it lasts, show how far the class is, and at its end take the marks.

    Raises:
        ExerciseError: exam.yml is wrong, or something cannot be written.
    """
    classroom, root = session.classroom, session.root
    if off:
        exams.forget(root, classroom.name)
        print(session.say("exam off", name=classroom.name))
        return
    exam, session.chosen = exams.read(classroom.roster.parent / exams.FILE, places)
    try:
        exams.keep(root, classroom.name, exam, [each.lab for each in classroom.students])
    except OSError as error:
        raise both(TEXTS, "no exam", error=error) from error
    said = {"name": classroom.name, "exercises": ", ".join(exam.exercises), "begin": exam.begin, "end": exam.end}
    phase = exam.phase(datetime.now(UTC))
    if phase == exams.BEFORE:
        print(session.say("exam before", **said))
        return
    if phase == exams.DURING:
        print(session.say("exam during", **said), flush=True)
        if not watch(session, "", exam.end):
            return
    elif datetime.now(UTC) >= exam.end + exams.GRACE:
        print(session.say("late", **said))
    session.exam = exam
    print("\n".join(session.grade("", decimal)))


def watch(session: Session, only: str, end: datetime | None = None) -> bool:
    """Show how far the class is, again and again, until a time comes or somebody ends it; whether the time came."""
    with contextlib.suppress(KeyboardInterrupt):
        while end is None or datetime.now(UTC) < end:
            every = session.status(only)
            try:
                path = session.keep_projector_page(every)
                said = session.say("projector", path=path, seconds=PAUSE)
            except ExerciseError as error:  # a disk that is full for a while ends no exam
                said = error.text[session.language]
            if sys.stdout.isatty():
                sys.stdout.write("\x1b[H\x1b[J")
            print("\n".join(progress.status_page(every, session.language, session.classroom.make)))
            print(said, flush=True)
            left = (end - datetime.now(UTC)).total_seconds() if end else PAUSE
            time.sleep(max(0.0, min(PAUSE, left)))  # people look at it; nothing is waited for but the end
        return True
    return False
