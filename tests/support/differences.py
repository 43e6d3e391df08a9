"""What a class meets that one engine answers otherwise than the other: each case of differences.yml, run on a lab.

The tables of docs/en/differences.md, docs/es/differences.md and the READMEs are made of the same file (`make docs`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml

from support.labs import ENGINES, Lab

LANGUAGES = ("en", "es")
#: The worker that is down in the cases that want one down; `:there` is a patient of his, `:here` one of the other's.
VICTIM = "citus-worker-2"
NODES = ("citus-coordinator", "citus-worker-1", VICTIM)
ERROR = "error "


@dataclass(frozen=True)
class Answer:
    """What an engine answers.

    Attributes:
        gives: the outcome of the last statement, as `outcome` writes it; of an error the beginning is enough, and of anything
            else `contains PART`.
        words: the same in the words of a class, by language.
        instead: statements of one transaction that the words name as a fix.
    """

    gives: str
    words: dict[str, str]
    instead: tuple[str, ...] = ()

    def matches(self, found: str) -> bool:
        """Whether this is what was found."""
        if self.gives.startswith("contains "):
            return self.gives.removeprefix("contains ") in found
        return found.startswith(self.gives) if ERROR in self.gives else found == self.gives


@dataclass(frozen=True)
class Case:
    """A case: what somebody does, and what comes of it.

    Attributes:
        id: its name, in kebab case.
        section: the heading that it stands under.
        does: what somebody does, by language.
        run: pairs of who does it and what. `first` and `second` are two sessions of the administrator at the coordinator, each in
            a transaction that is rolled back at the end; the answer of `second meanwhile` is not waited for, and is the outcome of
            the case, with `waits; ` before it if it had to wait for a lock; after `first fails` the case goes on; `there` is the
            administrator on the worker of the patient `:there`.
        answers: by engine.
        down: whether a worker is down meanwhile.
        after: statements that take back what the case committed.
        readme: whether the READMEs have it, too.
    """

    id: str
    section: str
    does: dict[str, str]
    run: tuple[tuple[str, str], ...]
    answers: dict[str, Answer]
    down: bool = False
    after: tuple[str, ...] = ()
    readme: bool = False


@dataclass(frozen=True)
class Section:
    """A heading of the page with its cases.

    Attributes:
        heading: by language.
        cases: in their order.
    """

    heading: dict[str, str]
    cases: list[Case] = field(default_factory=list)


def parse(text: str) -> list[Section]:
    """The sections of the file.

    Args:
        text: YAML: `words`, which answers may name instead of giving both languages, and `sections`.

    Raises:
        ValueError: a case lacks an engine or a language, or names what is not there.
    """
    page = yaml.safe_load(text)

    def spoken(says: Any, where: str) -> dict[str, str]:
        words = page["words"].get(says) if isinstance(says, str) else says
        if not isinstance(words, dict) or set(words) != set(LANGUAGES):
            raise ValueError(f"{where}: says neither a word of the list nor en and es: {says}")
        return {language: str(words[language]) for language in LANGUAGES}

    sections = []
    for part in page["sections"]:
        section = Section(spoken(part["heading"], "heading"))
        for entry in part["cases"]:
            name = entry["id"]
            known = {"id", "does", "run", "down", "after", "readme", *ENGINES}
            if unknown := set(entry) - known:
                raise ValueError(f"{name}: {', '.join(sorted(unknown))} is nothing that a case has")
            steps = [step if isinstance(step, dict) else {"first": step} for step in entry["run"]]
            answers = {
                engine: Answer(
                    str(entry[engine]["gives"]),
                    spoken(entry[engine]["says"], f"{name}, {engine}"),
                    tuple(entry[engine].get("instead", ())),
                )
                for engine in ENGINES
            }
            section.cases.append(
                Case(
                    name,
                    section.heading["en"],
                    spoken(entry["does"], name),
                    tuple((who, str(sql)) for step in steps for who, sql in step.items()),
                    answers,
                    bool(entry.get("down")),
                    tuple(entry.get("after", ())),
                    bool(entry.get("readme")),
                )
            )
        sections.append(section)
    return sections


SECTIONS = parse(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
CASES = [case for section in SECTIONS for case in section.cases]


def outcome(connection: psycopg.Connection[tuple[Any, ...]], statement: str) -> str:
    """What a statement gives: its rows, its command tag where it gives none, or `error SQLSTATE: MESSAGE`.

    Rows are written as `a|b; c|d`, NULL as nothing, those of COPY ... TO STDOUT are counted. What follows the first line of a
    COPY ... FROM STDIN is its data.
    """
    command, _, data = statement.partition("\n")
    try:
        with connection.cursor() as cursor:
            if re.match(r"COPY\b.*\bSTD(IN|OUT)\b", command):
                with cursor.copy(command.encode()) as copy:
                    if "FROM STDIN" in command:
                        copy.write(data)
                    else:
                        return f"{sum(bytes(block).count(10) for block in copy)} lines"
            else:
                cursor.execute(statement.encode())
                if cursor.description is not None:
                    return "; ".join(
                        "|".join("" if value is None else str(value) for value in row) for row in cursor.fetchall()
                    )
            return cursor.statusmessage or ""
    except psycopg.Error as error:
        return f"{ERROR}{error.sqlstate}: {str(error).partition(chr(10))[0]}"


def patients(lab: Lab) -> dict[str, str]:
    """A patient of each worker, by the name that the cases give him."""
    with lab.connect() as connection:
        found = connection.execute(
            "SELECT w.node_name, min(p.cedula) FROM (SELECT cedula FROM pacientes ORDER BY cedula LIMIT 50) AS p,"
            " LATERAL lab.where('pacientes', p.cedula) AS w GROUP BY 1"
        ).fetchall()
    return {":there" if node == VICTIM else ":here": cedula for node, cedula in found}


def run(lab: Lab, case: Case, people: dict[str, str]) -> str:
    """Do what a case says, leave nothing of it, and give its outcome: that of the last statement, or the first error.

    Args:
        lab: a lab of either engine.
        case: what to do.
        people: the patients of the case, as `patients` gives them.
    """
    found = enact(lab, case.run, people)
    with lab.connect() as connection:
        for statement in case.after:
            connection.execute(statement.encode())
    return found


def enact(lab: Lab, steps: Iterable[tuple[str, str]], people: dict[str, str]) -> str:
    """Take the steps of a case, roll back what they did not commit, and give their outcome."""
    found = ""
    meanwhile: Future[str] | None = None
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        sessions: dict[str, psycopg.Connection[tuple[Any, ...]]] = {}
        for who, text in steps:
            sql = text
            for name, cedula in people.items():
                sql = sql.replace(name, cedula)
            name, _, how = who.partition(" ")
            if name not in sessions:
                connection = lab.connect(node=VICTIM if name == "there" else NODES[0], autocommit=name == "there")
                stack.callback(connection.close)  # which rolls back
                connection.execute("SET statement_timeout = '20s'")
                sessions[name] = connection
            if how == "meanwhile":
                meanwhile = pool.submit(outcome, sessions[name], sql)
                found = "waits; " if waits(lab, meanwhile) else ""
                continue
            answered = outcome(sessions[name], sql)
            if meanwhile is None:
                found = answered
            if answered.startswith(ERROR) and how != "fails":
                break
        if meanwhile is not None:
            found += meanwhile.result()
    return found


def waits(lab: Lab, answer: Future[str]) -> bool:
    """Whether a statement has to wait for a lock on one of the nodes: known once it does, or has been answered."""

    def waited_for(node: str) -> bool:
        with lab.connect(node=node) as connection:
            return bool(connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())

    lab.wait_until(lambda: answer.done() or any(waited_for(node) for node in NODES))
    return not answer.done()
