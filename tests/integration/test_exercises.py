"""The exercises, in a lab: each is proven, nobody gets points by a trick, and the guide's commands do what it says."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grading import class_program, evidence, labs, record, stage
from grading import exam as exams
from grading.exercise import Exercise, ExerciseError, exercise, exercises
from grading.grade import check_lab
from grading.program import Session, main
from grading.record import TEACHER
from support.labs import ENGINES, ROOT, Lab, Workshop, only

PLACE = ROOT / "exercises"
FIRST = "recetas-junto-al-paciente"
#: Each exercise with each engine that it names: those of one engine are in `make test`.
PROVEN = [
    pytest.param(engine, each, id=f"{each.id}-{engine}", marks=[pytest.mark.long] if engine == "citus" else [])
    for engine in ENGINES
    for each in exercises([PLACE])
    if engine in each.about.needs.engine
]


@pytest.fixture
def session(lab: Lab, workshop: Workshop) -> Iterator[Session]:
    """The commands of the exercises on a lab, which have nothing on record yet; the lab is left as it was for the other tests."""
    yield Session([PLACE], "es", workshop.place, lab.name)
    shutil.rmtree(workshop.place / "grading", ignore_errors=True)
    stage.remove(exercise([PLACE], FIRST), labs.find(workshop.place, lab.name))
    with lab.connect() as connection:
        connection.execute("DROP TABLE public.respuestas")
        left = connection.execute("SELECT table_name FROM lab.tables WHERE kind = 'local'").fetchall()
    assert left == []


@pytest.mark.parametrize(("lab", "each"), PROVEN, indirect=["lab"], scope="session")
def test_an_exercise_is_proven(session: Session, each: Exercise) -> None:
    """Untouched it gives nothing, each solution everything; each wrong answer is caught by the check that explains it."""
    said, well = session.test(each.id)
    assert well, "\n".join(said)
    assert len([line for line in said if line.startswith("  pasa")]) >= 4


@only("postgres_fdw")
def test_the_guide_can_be_followed(
    session: Session,
    lab: Lab,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its commands, one after the other, as a student types them; what was begun is handed in; then the exercise is solved, and listed so."""
    words = {"exercises": "list", "exercise": "show", "check": "check", "hint": "hint", "exercise-reset": "reset"}
    guide = (ROOT / "docs" / "es" / "exercises.md").read_text(encoding="utf-8")
    [block, handing_in] = re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    typed = re.findall(r"^make ([a-z-]+)(?: EXERCISE=(\S+))?$", block, re.MULTILINE)
    assert len(typed) == len(block.splitlines()) == len(words)
    monkeypatch.setattr(labs, "state", lambda: session.root)
    monkeypatch.setenv("LAB", lab.name)
    codes = [main(PLACE, [words[word], *([name] * bool(name))]) for word, name in typed]
    said = capsys.readouterr()
    assert (codes, said.err) == ([0, 0, 1, 0, 0], "")
    for told in (
        "sin empezar",
        "## Qué hacer",
        "No hay una tabla public.recetas.",
        "0 de 10 puntos",
        "Pista 1 de 3",
        "como al principio",
    ):
        assert told in " ".join(said.out.split())
    [code] = re.findall(r"\Amake submit CODE=(\S+)\n\Z", handing_in)
    monkeypatch.chdir(tmp_path)
    assert main(PLACE, ["submit", "--code", code]) == 0
    assert f"submission-{code}.json" in capsys.readouterr().out
    session = Session([PLACE], "en", session.root, lab.name)
    assert any(re.search(rf"{FIRST} .* begun +0/10", line) for line in session.overview())
    with pytest.raises(ExerciseError, match=f"the stage of {FIRST} is prepared in this lab"):
        session.test(FIRST)
    assert session.test(FIRST, anew=True)[1]


@only("postgres_fdw")
def test_a_lab_is_checked_for_all_exercises(session: Session, lab: Lab) -> None:
    """A line for each, kept; what was not begun, and all of a lab that is down, is not run, with the reason, and is no failure."""
    session.reset(FIRST)
    every = exercises([PLACE])
    lines = {line["exercise"]: line for line in check_lab(session.root, lab.name, every)}
    assert set(lines) == {each.id for each in every}
    assert [each["verdict"] for each in lines[FIRST]["checks"]][:2] == ["failed", "not run"]
    others = [line["checks"] for name, line in lines.items() if name != FIRST]
    assert {(check["verdict"], check["message"]["en"]) for [check] in others} == {
        ("not run", "its stage is not prepared")
    }
    with lab.stopped("citus-coordinator"):
        down = check_lab(session.root, lab.name, every)
        with pytest.raises(ExerciseError, match=rf"the lab {lab.name} does not answer .* make start LAB={lab.name}$"):
            Session([PLACE], "en", session.root, lab.name)
    assert {(line["points"], check["verdict"]) for line in down for check in line["checks"]} == {(0, "not run")}
    lab.wait_until(lambda: bool(session.check(FIRST)))
    assert len(session.log.since_stage(FIRST, "check")) == 2, "nothing was kept of the lab that was down"


@only("postgres_fdw")
def test_a_class_is_graded_and_watched(
    session: Session, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is stuck is named, who solved it gets the points, a lab that is down keeps what was passed and has no mark; nothing stays but the record."""
    (tmp_path / "roster.yml").write_text("plugin: aula.historia_clinica.roster\n", encoding="utf-8")
    (tmp_path / "roster.csv").write_text(f"Código;Nombre;Lab\n1;Ana Soto;{lab.name}\n2;Beto Núñez;\n", encoding="utf-8")
    monkeypatch.setattr(labs, "state", lambda: session.root)
    monkeypatch.delenv("LAB", raising=False)

    def say(word: str) -> str:
        typed = [word, "--inventory", str(tmp_path), "--language", "en", "--exercises", FIRST]
        assert class_program.main(PLACE, typed) == 0
        return capsys.readouterr().out

    def rows() -> list[list[str]]:
        [path] = tmp_path.glob("grades/*/roster.moodle.csv")
        return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))[1:]

    session.reset(FIRST)
    for _attempt in range(3):
        session.check(FIRST)
    said = say("class-status")
    assert f"Stuck: Ana Soto in {FIRST} (3 checks" in said
    assert re.search(rf"{lab.name} +up ", said)
    assert re.search(rf"Ana Soto +{lab.name} +0\.0 +0/10 +0", say("grade"))
    each = exercise([PLACE], FIRST)
    [solution, *_others] = [path for path, _fails in stage.answers(each, "solution", lab.engine)]
    stage.run([solution], session.lab)
    said = say("grade")
    assert re.search(rf"Ana Soto +{lab.name} +100\.0 +10/10 +1", said)
    assert "the lab beto-nunez is not made yet" in said
    assert rows() == [["1", "10", "Passed.", "100.0"]]
    assert len([line for line in session.log.lines() if line.get("by") == TEACHER]) == 2
    own = session.log.path.read_text(encoding="utf-8")
    another = re.sub(r'"database": "[0-9]+"', '"database": "1"', own)
    session.log.path.write_text(record.for_another_lab(another), encoding="utf-8")
    assert re.search(rf"{lab.name} +up +1 ", say("class-status")), "a class that was taken over"
    assert re.search(rf"Ana Soto +{lab.name} +100\.0 +10/10 +1", say("grade"))
    session.log.path.write_text(own, encoding="utf-8")
    handed = tmp_path / "submissions/beto.json"
    assert f"  10/10  {FIRST}" in session.submit("2", handed), "Beto has no lab here: it is as if this were his own"
    assert re.search(r"Beto Núñez +beto-nunez +100\.0 +10/10 +1", say("grade"))
    evidence = json.loads(handed.read_text(encoding="utf-8"))["exercises"][FIRST]["evidence"]
    assert [each["rows"] for each in evidence["relations"].values()] == [3000, 3000], evidence
    handed.unlink()
    with lab.connect() as connection:
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'grading'"
        lab.wait_until(lambda: connection.execute(sessions).fetchall() == [(0,)])
    with lab.connect() as connection:
        connection.execute("ALTER FUNCTION pg_catalog.pg_control_system() RENAME TO pg_control")
    said = say("grade")
    with lab.connect() as connection:
        connection.execute("ALTER FUNCTION pg_catalog.pg_control() RENAME TO pg_control_system")
    assert f"what PostgreSQL brings was modified in the lab {lab.name}" in said
    with lab.stopped("citus-coordinator"):
        said = say("grade")
        assert re.search(rf"^{lab.name}: the lab {lab.name} does not answer", said, re.MULTILINE)
        assert rows() == []
        assert re.search(rf"{lab.name} +down +1 +{FIRST} ", say("class-status"))
    lab.wait_until(lambda: bool(session.check(FIRST)))


@only("postgres_fdw")
def test_an_exercise_of_an_exam_is_shut_but_in_its_time(session: Session, lab: Lab) -> None:
    """It is listed so; in its time there are no hints; what its marks are taken from is what the servers say."""
    session.reset(FIRST)

    def hold(begins: int, ends: int) -> None:
        now = datetime.now(UTC)
        times = {"from": now + timedelta(minutes=begins), "to": now + timedelta(minutes=ends)}
        exams.keep(session.root, "curso", exams.Exam.model_validate({"exercises": [FIRST], **times}), [lab.name])

    for begins, ends, said in ((10, 20, "it opens on"), (-20, -10, "an exam that ended on")):
        hold(begins, ends)
        for does in (session.show, session.check, session.hint, session.reset):
            with pytest.raises(ExerciseError, match=said):
                does(FIRST)
        assert any(re.search(rf"{FIRST} .* cerrado", row) for row in session.overview())
    hold(-10, 10)
    with pytest.raises(ExerciseError, match="there are no hints"):
        session.hint(FIRST)
    assert not session.check(FIRST)[1]
    each = exercise([PLACE], FIRST)
    [solution, *_others] = [path for path, _fails in stage.answers(each, "solution", lab.engine)]
    stage.run([solution], session.lab)
    found = evidence.collect(session.lab, [each])[FIRST]["relations"]
    recetas = found["recetas"]
    assert recetas["rows"] == sum(recetas["nodes"].values()) > 0
    assert recetas["plan"]
    exams.forget(session.root, "curso")


#: What a student tries, who is the administrator of his database, in order to get points for nothing; and what undoes it. The exercise is
#: FIRST, whose stage is made and not touched. The next one is a line.
CHEATS: dict[str, tuple[str, str]] = {
    "the schema lab says that it is distributed": (
        "CREATE TABLE public.recetas (LIKE public.recetas_recibidas); ALTER VIEW lab.tables RENAME TO lab_tables;"
        " CREATE VIEW lab.tables AS SELECT 'recetas' AS table_name, 'distributed' AS kind, 'paciente_id' AS distribution_column",
        "DROP VIEW lab.tables; ALTER VIEW lab.lab_tables RENAME TO tables",
    ),
    "a view in place of the table": ("CREATE VIEW public.recetas AS SELECT * FROM public.recetas_recibidas", ""),
    "parts that are on no worker": (
        "CREATE TABLE public.recetas (LIKE public.recetas_recibidas) PARTITION BY HASH (paciente_id);"
        " CREATE TABLE public.recetas_0 PARTITION OF public.recetas FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        " INSERT INTO public.recetas SELECT * FROM public.recetas_recibidas",
        "",
    ),
    "parts on a server that is the coordinator under another name": (
        "CREATE SERVER \"citus-worker-3\" FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{port}');"
        " CREATE TABLE public.recetas (LIKE public.recetas_recibidas) PARTITION BY HASH (paciente_id);"
        " CREATE FOREIGN TABLE public.recetas_0 PARTITION OF public.recetas FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
        " SERVER \"citus-worker-3\" OPTIONS (table_name 'recetas_recibidas')",
        'DROP SERVER "citus-worker-3" CASCADE',
    ),
    "what was to be copied is deleted, so that nothing is missing": (
        "DELETE FROM public.recetas_recibidas; CREATE TABLE public.recetas (LIKE public.recetas_recibidas)",
        "",
    ),
    "a function of one's own goes first, by a setting of the role": (
        "CREATE SCHEMA trampa; CREATE FUNCTION trampa.pg_get_expr(pg_node_tree, oid) RETURNS text LANGUAGE sql AS $$SELECT 'x'$$;"
        " ALTER ROLE admin SET search_path = trampa, pg_catalog, public",
        "ALTER ROLE admin RESET search_path; DROP SCHEMA trampa CASCADE",
    ),
    "an operator of one's own goes first, by a setting of the database": (
        "CREATE SCHEMA trampa; CREATE FUNCTION trampa.si(name, name) RETURNS boolean LANGUAGE sql AS $$SELECT true$$;"
        " CREATE OPERATOR trampa.= (LEFTARG = name, RIGHTARG = name, FUNCTION = trampa.si);"
        " ALTER DATABASE historia_clinica SET search_path = trampa, pg_catalog, public",
        "ALTER DATABASE historia_clinica RESET search_path; DROP SCHEMA trampa CASCADE",
    ),
    "a trigger at log-in sets the search path": (
        "CREATE FUNCTION public.trampa() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM set_config('search_path', 'public', false); END$$;"
        " CREATE EVENT TRIGGER trampa ON login EXECUTE FUNCTION public.trampa()",
        "DROP EVENT TRIGGER trampa; DROP FUNCTION public.trampa()",
    ),
    "a function is added to pg_catalog": (
        "CREATE FUNCTION pg_catalog.hashtext(character varying) RETURNS integer LANGUAGE sql AS $$SELECT 0$$",
        "DROP FUNCTION pg_catalog.hashtext(character varying)",
    ),
    "an operator is added to pg_catalog": (
        "CREATE FUNCTION public.si(text, name) RETURNS boolean LANGUAGE sql AS $$SELECT true$$;"
        " CREATE OPERATOR pg_catalog.=== (LEFTARG = text, RIGHTARG = name, FUNCTION = public.si)",
        "DROP OPERATOR pg_catalog.=== (text, name); DROP FUNCTION public.si(text, name)",
    ),
    "a function of PostgreSQL's is written anew": (
        "CREATE OR REPLACE FUNCTION pg_catalog.hashtext(text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$SELECT 0$$",
        "CREATE OR REPLACE FUNCTION pg_catalog.hashtext(text) RETURNS integer"
        " LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'hashtext'",
    ),
    "every number at once as the answer": (
        "ALTER TABLE public.respuestas DROP CONSTRAINT respuestas_pkey;"
        f" INSERT INTO public.respuestas SELECT '{FIRST}', 'recetas en citus-worker-1', n FROM generate_series(0, 5000) n",
        "DELETE FROM public.respuestas; ALTER TABLE public.respuestas ADD CONSTRAINT respuestas_pkey PRIMARY KEY (ejercicio, pregunta)",
    ),
    "answers that are a view": (
        "ALTER TABLE public.respuestas RENAME TO guardadas;"
        f" CREATE VIEW public.respuestas AS SELECT '{FIRST}' AS ejercicio, 'recetas en citus-worker-1' AS pregunta, 1 AS valor",
        "DROP VIEW public.respuestas; ALTER TABLE public.guardadas RENAME TO respuestas",
    ),
    "no statement of the grader's ends": (
        "ALTER ROLE admin SET statement_timeout = '1ms'; ALTER ROLE admin SET transaction_timeout = '1ms'",
        "ALTER ROLE admin RESET statement_timeout; ALTER ROLE admin RESET transaction_timeout",
    ),
}


@only("postgres_fdw")
def test_no_trick_gives_points(session: Session, lab: Lab) -> None:
    """Each is tried by the administrator of the database, who may do anything there."""
    session.reset(FIRST)
    gained = {}
    for trick, (does, undoes) in CHEATS.items():
        with lab.connect() as connection:
            connection.execute(does.replace("{port}", str(lab.database_port)).encode())
        try:
            session.check(FIRST)
            checks = session.log.since_stage(FIRST, "check")[-1]["checks"]
            points = {each["name"]: each["points"] for each in checks if each["points"]}
        except ExerciseError:  # nothing is checked, and one sentence says why
            points = {}
        finally:
            with lab.connect(
                options="-c event_triggers=off -c search_path=public -c statement_timeout=0 -c transaction_timeout=0"
            ) as connection:
                connection.execute(undoes.encode())
        if points:
            gained[trick] = points
        session.reset(FIRST)
    print(f"{len(CHEATS)} tricks tried, {len(gained)} successful")
    assert gained == {}
    assert len(CHEATS) >= 10
