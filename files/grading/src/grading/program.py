"""The commands of the exercises: `make exercises`, `exercise`, `check`, `hint`, `exercise-reset`, `exercise-test`, `submit`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import columns, paragraph
from ansible_collections.aula.historia_clinica.plugins.module_utils.paths import Record
from grading import evidence, labs, record, stage, submission
from grading.archive import put
from grading.checks import BROKEN, FAILED, LANGUAGES, NOT_RUN, PASSED, Verdict
from grading.exam import DURING, exam_of
from grading.exercise import CLASSES, Exercise, ExerciseError, exercise, exercises, folders_of
from grading.lab import identity
from grading.runner import check_exercises

TEXTS = {
    "es": {
        "list": ("ejercicio", "título", "nivel", "min", "estado", "puntos"),
        "new": "sin empezar",
        "begun": "empezado",
        "passed": "resuelto",
        "elsewhere": "no en este laboratorio",
        "next": "Para empezar uno: make exercise EXERCISE=nombre",
        "changed": "En su laboratorio: {stage}",
        "then": "Cuando lo tenga: make check EXERCISE={id}. Si se atasca: make hint EXERCISE={id}",
        "again": "El escenario ya estaba preparado y no se tocó; para volver a empezar: make exercise-reset EXERCISE={id}",
        "reset": "El escenario de {id} está como al principio; lo demás de su laboratorio no se tocó.",
        "unprepared": "el escenario de {id} no está preparado en este laboratorio. Prepárelo con: make exercise EXERCISE={id}",
        "points": "{points} de {of} puntos en {seconds:.1f} s.",
        "well": "Resuelto.",
        "shut": "cerrado",
        "before": "{id} es de un examen: se abre el {begin:%Y-%m-%d %H:%M}",
        "after": "{id} fue de un examen, que terminó el {end:%Y-%m-%d %H:%M}: está cerrado",
        "no hints": "en el examen no hay pistas",
        "hint": "Pista {number} de {all}: {hint}",
        "no more": "No hay más pistas; estas son las {all}:",
        "needs": "{id} necesita {needs}; este laboratorio tiene {has}. Vea los que se pueden hacer aquí con: make exercises",
        "in use": "el escenario de {id} está preparado en este laboratorio, y la prueba borraría lo hecho en él. Si no importa:"
        " make exercise-test EXERCISE={id} ARGS=--anew",
        "no code": "diga quién entrega, como lo conoce su profesor: make submit CODE=20201234 (el código, o el correo)",
        "nothing": "no hay nada que entregar: empiece un ejercicio con make exercise EXERCISE=nombre",
        "unwritten": "no se puede escribir {path}: {error}",
        "submitted": "Entrega de {student}: {path}. Envíela a su profesor tal como está.",
        "proven": "{id} está probado: sin tocar da 0, las soluciones todo, y cada respuesta equivocada se reconoce. Se quitó su escenario.",
        "not proven": "{id} no está bien: vea arriba. Se quitó su escenario.",
        "broken": "Lo que está dañado es la comprobación, no lo suyo: no le quita puntos. Avise a su profesor.",
        PASSED: "pasa",
        FAILED: "falla",
        NOT_RUN: "sin probar",
        BROKEN: "dañada",
    },
    "en": {
        "list": ("exercise", "title", "level", "min", "state", "points"),
        "new": "not begun",
        "begun": "begun",
        "passed": "passed",
        "elsewhere": "not in this lab",
        "next": "To begin one: make exercise EXERCISE=name",
        "changed": "In your lab: {stage}",
        "then": "When you have it: make check EXERCISE={id}. If you are stuck: make hint EXERCISE={id}",
        "again": "The stage was prepared before, and is as you left it; to begin anew: make exercise-reset EXERCISE={id}",
        "reset": "The stage of {id} is as at the beginning; nothing else of your lab was touched.",
        "unprepared": "the stage of {id} is not prepared in this lab. Prepare it with: make exercise EXERCISE={id}",
        "points": "{points} of {of} points in {seconds:.1f} s.",
        "well": "Passed.",
        "shut": "shut",
        "before": "{id} is of an exam: it opens on {begin:%Y-%m-%d %H:%M}",
        "after": "{id} was of an exam that ended on {end:%Y-%m-%d %H:%M}: it is shut",
        "no hints": "there are no hints in the exam",
        "hint": "Hint {number} of {all}: {hint}",
        "no more": "There are no more hints; these are the {all}:",
        "needs": "{id} needs {needs}; this lab has {has}. See what can be done here with: make exercises",
        "in use": "the stage of {id} is prepared in this lab, and the test would overwrite what was done there. If that does not matter:"
        " make exercise-test EXERCISE={id} ARGS=--anew",
        "no code": "say who hands it in, as your teacher knows you: make submit CODE=20201234 (the code, or the e-mail)",
        "nothing": "there is nothing to hand in: begin an exercise with make exercise EXERCISE=name",
        "unwritten": "{path} cannot be written: {error}",
        "submitted": "Handed in by {student}: {path}. Send it to your teacher as it is.",
        "proven": "{id} is proven: untouched it gives 0, the solutions all of it, and each wrong answer is caught. Its stage was removed.",
        "not proven": "{id} is not right: see above. Its stage was removed.",
        "broken": "It is the check that is broken, not what you did: it costs no points. Tell your teacher.",
        PASSED: "passed",
        FAILED: "failed",
        NOT_RUN: "not run",
        BROKEN: "broken",
    },
}


class Session:
    """What the commands work on.

    Args:
        places: where exercises lie.
        language: of what is said.
        root: the folder of the state.
        lab: the name of the lab; empty for the default one.
    """

    def __init__(self, places: Sequence[Path], language: str, root: Path, lab: str = "") -> None:
        self.places = places
        self.language = language
        self.root = root
        self.lab: Record = labs.find(root, lab)
        self.log = record.Log(root, self.lab.name, identity(self.lab))

    def say(self, text: str, /, **values: object) -> str:
        """A sentence in the session's language."""
        return str(TEXTS[self.language][text]).format(**values)

    def exercise(self, name: str) -> Exercise:
        """The exercise of a name, where this lab can have it.

        Raises:
            ExerciseError: there is none, it needs another lab, or it is shut.
        """
        found = exercise(self.places, name)
        set_in = exam_of(self.root, self.lab.name, name)
        if set_in and (phase := set_in.phase(datetime.now(UTC))) != DURING:
            raise self.error(phase, id=name, begin=set_in.begin, end=set_in.end)
        if not found.can_be_done(self.lab.target, self.lab.engine):
            needs = found.about.needs
            raise self.error(
                "needs",
                id=name,
                needs=", ".join((*needs.target, *needs.engine)),
                has=f"{self.lab.target}, {self.lab.engine}",
            )
        return found

    def error(self, text: str, /, **values: object) -> ExerciseError:
        """A sentence in both languages, to be raised."""
        return ExerciseError(*(str(TEXTS[language][text]).format(**values) for language in LANGUAGES))

    def overview(self) -> list[str]:
        """All exercises, with state and points."""
        rows = []
        for each in exercises(self.places):
            about = each.about
            checked = record.counting(self.log.lines(), each.id)
            points = max((line["points"] for line in checked), default=0)
            state = "passed" if points == about.points else "new" if self.log.facts(each.id) is None else "begun"
            if not each.can_be_done(self.lab.target, self.lab.engine):
                state = "elsewhere"
            set_in = exam_of(self.root, self.lab.name, each.id)
            if set_in and set_in.phase(datetime.now(UTC)) != DURING:
                state = "shut"
            kept = (self.say(state), f"{points}/{about.points}")
            title = getattr(about.title, self.language)
            rows.append(
                (CLASSES[about.class_][self.language], (each.id, title, str(about.level), str(about.minutes), *kept))
            )
        lines = columns(TEXTS[self.language]["list"], [row for _class, row in rows], right=(2, 3, 5))
        said = lines[:1]
        for (title, _row), line in zip(rows, lines[1:], strict=True):
            if title not in said:
                said += ["", title]
            said.append(line)
        return [*said, "", self.say("next")]

    def show(self, name: str) -> list[str]:
        """The statement of an exercise, whose stage is prepared where it is not."""
        each = self.exercise(name)
        begun = self.log.facts(name) is not None
        if not begun:
            self._prepare(each)
        changed = self.say("changed", stage=getattr(each.about.stage, self.language))
        return [
            f"# {getattr(each.about.title, self.language)} ({name})",
            "",
            each.statement(self.language),
            "",
            self.say("again", id=name) if begun else changed,
            self.say("then", id=name),
        ]

    def reset(self, name: str) -> list[str]:
        """Make the stage of an exercise anew."""
        self._prepare(self.exercise(name))
        return [self.say("reset", id=name)]

    def _prepare(self, each: Exercise) -> None:
        self.log.add("stage", each.id, facts=stage.make(each, self.lab))

    def check(self, name: str) -> tuple[list[str], bool]:
        """Check an exercise; what is said, and whether all of it passed."""
        each = self.exercise(name)
        facts = self.log.facts(name)
        if facts is None:
            raise self.error("unprepared", id=name)
        started = time.monotonic()
        verdicts = check_exercises(self.lab, [each], {name: facts})[name]
        kept = self.log.add("check", name, **record.summary(verdicts))
        said = [line for verdict in verdicts for line in self._verdict(verdict)]
        seconds = time.monotonic() - started
        said += ["", self.say("points", points=kept["points"], of=each.about.points, seconds=seconds)]
        if any(verdict.verdict == BROKEN for verdict in verdicts):
            said.append(self.say("broken"))
        well = record.is_passed(kept)
        return [*said, *([self.say("well")] if well else [])], well

    def submit(self, student: str, path: Path | None) -> list[str]:
        """Check what was begun once more, and write the file for the teacher.

        Args:
            student: the code or the address, as the teacher's list has it.
            path: of the file; else it is called after the student, and lies here.

        Raises:
            ExerciseError: there is nothing to hand in, or the file cannot be written.
        """
        if not student:
            raise self.error("no code")
        begun = [
            each
            for each in exercises(self.places)
            if each.can_be_done(self.lab.target, self.lab.engine) and self.log.facts(each.id) is not None
        ]
        if not begun:
            raise self.error("nothing")
        stages = {each.id: self.log.facts(each.id) or {} for each in begun}
        for name, verdicts in check_exercises(self.lab, begun, stages).items():
            self.log.add("check", name, **record.summary(verdicts))
        lines, found = self.log.lines(), evidence.collect(self.lab, begun)
        best = {
            each.id: max(record.counting(lines, each.id), key=lambda line: (line["points"], line["time"]))
            for each in begun
        }
        attempts = {
            each.id: {
                "version": submission.version_of(each),
                **{name: best[each.id][name] for name in ("time", "points", "checks")},
                "stage": stages[each.id],
                "evidence": found[each.id],
            }
            for each in begun
        }
        place = path or Path(submission.name_of(student))
        text = submission.text_of(student, self.lab, identity(self.lab), attempts, datetime.now().astimezone())
        try:
            put(place.absolute(), text.encode())
        except OSError as error:
            raise self.error("unwritten", path=place, error=error) from error
        rows = [f"  {best[each.id]['points']}/{each.about.points}  {each.id}" for each in begun]
        return [*rows, "", self.say("submitted", student=student, path=place)]

    def _verdict(self, verdict: Verdict) -> list[str]:
        first = f"  {self.say(verdict.verdict):<10}  {verdict.points}/{verdict.of}  {verdict.name}"
        return [first, *paragraph(verdict.message.get(self.language, ""), indent=" " * 14)]

    def hint(self, name: str) -> list[str]:
        """The next hint of an exercise; when there are no more, all of them."""
        each = self.exercise(name)
        set_in = exam_of(self.root, self.lab.name, name)
        if set_in and not set_in.hints:
            raise self.error("no hints")
        if self.log.facts(name) is None:
            raise self.error("unprepared", id=name)
        hints = each.hints(self.language)
        number = len(self.log.since_stage(name, "hint")) + 1
        if number > len(hints):
            return [
                self.say("no more", all=len(hints)),
                *(self.say("hint", number=n, all=len(hints), hint=hint) for n, hint in enumerate(hints, 1)),
            ]
        self.log.add("hint", name, number=number)
        return [self.say("hint", number=number, all=len(hints), hint=hints[number - 1])]

    def test(self, name: str, anew: bool = False) -> tuple[list[str], bool]:
        """Prove an exercise on this lab: untouched, with each solution, with each wrong answer. Its stage is removed in the end.

        Args:
            name: the exercise.
            anew: also where its stage is prepared here, and somebody may have worked on it.

        Returns:
            What is said, and whether all is as it has to be.

        Raises:
            ExerciseError: it cannot be tried, or somebody may have worked on it.
        """
        each = self.exercise(name)
        if self.log.facts(name) is not None and not anew:
            raise self.error("in use", id=name)
        said, wrong = [], []
        for title, script, catches in cases(each, self.lab.engine):
            facts = stage.make(each, self.lab)
            if script:
                stage.run([script], self.lab)
            verdicts = check_exercises(self.lab, [each], {name: facts})[name]
            problem = judge(verdicts, catches, each.about.points)
            wrong += [problem] * bool(problem)
            said.append(f"  {self.say(BROKEN if problem else PASSED):<10}  {title}  {problem}".rstrip())
            if catches not in (NOTHING, EVERYTHING) and not problem:
                caught = next(verdict for verdict in verdicts if verdict.name == catches)
                said += paragraph(caught.message[self.language], indent=" " * 14)
        stage.remove(each, self.lab)
        self.log.add("stage", name, facts=None)
        return [*said, "", self.say("proven" if not wrong else "not proven", id=name)], not wrong


#: What a case of `test` comes to, where it is not that one check fails.
NOTHING, EVERYTHING = "", "*"


def cases(each: Exercise, engine: str) -> Iterator[tuple[str, Path | None, str]]:
    """The cases that prove an exercise: a title, what is run, and the check that it has to fail, or NOTHING or EVERYTHING.

    Raises:
        ExerciseError: there is no solution, or there are fewer than two wrong answers, or one does not say what it fails.
    """
    yield "untouched", None, NOTHING
    for kind, least in (("solution", 1), ("wrong", 2)):
        found = list(stage.answers(each, kind, engine))
        if len(found) < least:
            raise ExerciseError(
                f"en {each.folder / kind} hacen falta {least} para {engine}",
                f"{each.folder / kind} needs {least} for {engine}",
            )
        for path, fails in found:
            if kind == "wrong" and not fails:
                raise ExerciseError(
                    f"{path} no dice qué comprobación falla: -- fails: nombre",
                    f"{path} does not say which check it fails: -- fails: name",
                )
            yield f"{kind}/{path.name}", path, EVERYTHING if kind == "solution" else fails


def judge(verdicts: Sequence[Verdict], catches: str, points: int) -> str:
    """What is wrong with what a case came to; empty where nothing is."""
    if sum(verdict.of for verdict in verdicts) != points:
        return f"its checks give {sum(verdict.of for verdict in verdicts)} points, exercise.yml says {points}"
    got = sum(verdict.points for verdict in verdicts)
    broken = [f"{verdict.name}: {verdict.message['en']}" for verdict in verdicts if verdict.verdict == BROKEN]
    if broken:
        return "; ".join(broken)
    if catches == NOTHING:
        return f"{got} points of {points} for nothing" if got else ""
    failed = [f"{verdict.name}: {verdict.message['en']}" for verdict in verdicts if verdict.verdict != PASSED]
    if catches == EVERYTHING:
        return "; ".join(failed)
    if any(verdict.name == catches and verdict.verdict == FAILED for verdict in verdicts):
        return ""
    return f"is not caught by {catches}: {'; '.join(failed) or 'everything passes'}"


def parser() -> argparse.ArgumentParser:
    """What can be typed."""
    parsed = argparse.ArgumentParser(prog="exercises", description=__doc__)
    parsed.add_argument("command", choices=["list", "show", "check", "hint", "reset", "test", "submit"])
    parsed.add_argument("exercise", nargs="?", default="", help="the name of an exercise")
    parsed.add_argument("--language", default="", help="es (the default) or en")
    parsed.add_argument("--code", default="", help="submit: who hands it in, as the teacher's list knows the student")
    parsed.add_argument("--file", type=Path, help="submit: the file that is written")
    parsed.add_argument("--anew", action="store_true", help="test: also where the stage is in use")
    parsed.add_argument("--path", default="", help="folders of a teacher's own exercises, with colons between")
    return parsed


def main(own: Path, arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        own: where the project's exercises lie.
        arguments: what was typed.

    Returns:
        0, or 1 where something is missing: a check that did not pass, or what stands in the one sentence that is printed.
    """
    asked = parser().parse_args(arguments)
    language = asked.language or LANGUAGES[0]
    if language not in LANGUAGES:
        print(f"LAB_LANGUAGE={language}: hay es y en (there are es and en)", file=sys.stderr)
        return 1
    try:
        places = [own, *folders_of(asked.path)]
        session = Session(places, language, labs.state(), os.environ.get("LAB", ""))
        well = True
        if asked.command == "list":
            said = session.overview()
        elif asked.command == "check":
            said, well = session.check(asked.exercise)
        elif asked.command == "submit":
            said = session.submit(asked.code, asked.file)
        elif asked.command == "test":
            said, well = session.test(asked.exercise, asked.anew)
        else:
            said = {"show": session.show, "hint": session.hint, "reset": session.reset}[asked.command](asked.exercise)
    except ExerciseError as error:
        text = error.text[language]
        print(f"{text[0].upper()}{text[1:]}", file=sys.stderr)
        return 1
    print("\n".join(said))
    return 0 if well else 1
