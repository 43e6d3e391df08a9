"""What distribution costs and brings: the lab's questions to each engine, and to one plain PostgreSQL with the same rows.

    .venv/bin/python benchmarks/queries.py [--patients 50000] [--consultations 3] [--rounds 5] [--engine postgres_fdw]

Makes a lab for each engine that this machine can run, copies its rows into an ordinary database of the same coordinator (load.py),
and asks both in turn, in each round; with postgres_fdw a third session too, which plans as the lab did at bdeb5bc. A ratio is the
median of the rounds' ratios. Prints one line of JSON for each engine: for each question the milliseconds in the lab, in the plain
database, their ratio, and how many times as fast as before it is; and how much longer the join on a column that the rows are not
spread by takes than the join on the one that they are. Ends with an error where a question is slower than before (below 0.95), or
one of the two counts by city and by diagnosis less than 1.5 times as fast.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import load
import psycopg
from by_hand import checked

from support.labs import ENGINES, Lab, Workshop, runnable_engines

QUESTIONS = {
    "one patient": "SELECT * FROM pacientes WHERE cedula = '{cedula}'",
    "a history": "SELECT count(*) FROM pacientes p JOIN consultas c ON p.cedula = c.paciente_id JOIN medicos m ON c.medico_id = m.id"
    " WHERE p.cedula = '{cedula}'",
    "count": "SELECT count(*) FROM consultas",
    "co-located join": "SELECT count(*), max(p.apellido) FROM pacientes p JOIN consultas c ON p.cedula = c.paciente_id",
    # As the original wrote it: it finds nothing, and has to bring all rows together to know that.
    "join on another column": "SELECT count(*), max(p.apellido) FROM pacientes p JOIN consultas c ON p.id = c.paciente_id",
    "grouped by a doctor's speciality": "SELECT m.especialidad, count(*) FROM consultas c JOIN medicos m ON c.medico_id = m.id GROUP BY 1",
    "patients of each city": "SELECT ciudad, count(*) FROM pacientes GROUP BY ciudad",
    "consultations of each diagnosis": "SELECT codigo_cie10, count(*) FROM consultas GROUP BY codigo_cie10",
    "consultations of each patient": "SELECT paciente_id, count(*) FROM consultas GROUP BY paciente_id ORDER BY 2 DESC LIMIT 5",
}
#: How many times as fast as at bdeb5bc a question has to be at least, with postgres_fdw.
SPEED = dict.fromkeys(QUESTIONS, 0.95) | {"patients of each city": 1.5, "consultations of each diagnosis": 1.5}
Connection = psycopg.Connection[tuple[object, ...]]


def milliseconds(connection: Connection, query: str) -> float:
    """How long one query takes, until its rows are here."""
    started = time.perf_counter()
    connection.execute(query.encode()).fetchall()
    return 1000 * (time.perf_counter() - started)


def plan_as_before(spread: Connection, plain: Connection) -> None:
    """Have a session count part by part, as it was at bdeb5bc: give back, in its transaction, what joins such partial counts."""
    known = plain.execute(
        "SELECT array_agg(aggfnoid::oid), array_agg(aggcombinefn::oid) FROM pg_aggregate WHERE aggcombinefn <> 0"
    ).fetchall()
    changed = spread.execute(
        "UPDATE pg_aggregate AS a SET aggcombinefn = p.f::regproc FROM unnest(%s::oid[], %s::oid[]) AS p (a, f)"
        " WHERE a.aggfnoid = p.a",
        known[0],
    )
    if not changed.rowcount:
        sys.exit("the lab's aggregates are as they were")


def measure(lab: Lab, place: Path, rounds: int) -> dict[str, Any]:
    """Ask the databases in turn."""
    load.plain_copy(lab, place)
    plain = psycopg.connect(
        host="127.0.0.1",
        port=lab.database_port,
        user="admin",
        dbname="plain",
        passfile=str(lab.directory / "credentials/admin.pgpass"),
        autocommit=True,
    )
    with plain, lab.connect(autocommit=False) as spread, lab.connect(autocommit=False) as before:
        plain.execute("ANALYZE")
        asked = {"lab": spread, "plain": plain}
        if lab.engine == "postgres_fdw":
            plan_as_before(before, plain)
            asked["before"] = before
        else:
            spread.execute("SET citus.enable_repartition_joins = on")
        found = spread.execute("SELECT cedula FROM pacientes ORDER BY cedula LIMIT 1").fetchone()
        if found is None:
            sys.exit("the lab has no patient")
        times: dict[str, list[dict[str, float]]] = {name: [] for name in QUESTIONS}
        for number in range(rounds + 1):
            for name, question in QUESTIONS.items():
                query = question.format(cedula=found[0])
                order = list(asked) if number % 2 else list(asked)[::-1]
                taken = {who: milliseconds(asked[who], query) for who in order}
                if number:  # the first round warms all
                    times[name].append(taken)
        before.rollback()

    def ratio(name: str, over: str, under: str) -> float:
        return round(statistics.median(taken[over] / taken[under] for taken in times[name]), 2)

    joins = zip(times["join on another column"], times["co-located join"], strict=True)
    return {
        "questions": {
            name: {
                **{f"{who}_ms": round(statistics.median(taken[who] for taken in times[name]), 1) for who in asked},
                "ratio": ratio(name, "lab", "plain"),
                **({"times_as_fast": ratio(name, "before", "lab")} if "before" in asked else {}),
            }
            for name in times
        },
        "other_column_ratio": round(statistics.median(other["lab"] / same["lab"] for other, same in joins), 1),
    }


def main() -> int:
    """Measure each engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--patients", type=int, default=50_000)
    parser.add_argument("--consultations", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", action="append", choices=ENGINES)
    options = parser.parse_args()
    short = []
    for engine in options.engine or runnable_engines():
        with Workshop.open("hc-bench-") as workshop:
            lab = workshop.lab(
                "bench",
                engine,
                clinical_schema_patients=options.patients,
                clinical_schema_consultations=options.consultations,
            )
            checked(lab.play("site.yml"))
            result = measure(lab, workshop.place, options.rounds)
        sizes = {"patients": options.patients, "consultations": options.patients * options.consultations}
        print(json.dumps({"engine": engine, **sizes, "rounds": options.rounds, **result}), flush=True)
        short += [
            f"{name}: {found['times_as_fast']} times as fast as before, at least {SPEED[name]} is wanted"
            for name, found in result["questions"].items()
            if found.get("times_as_fast", SPEED[name]) < SPEED[name]
        ]
    print(*short, sep="\n", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
