"""What distribution costs and brings: the lab's questions to each engine, and to one plain PostgreSQL with the same rows.

    .venv/bin/python benchmarks/queries.py [--patients 50000] [--rounds 5]

Makes a lab for each engine that this machine can run, copies its rows into an ordinary database of the same coordinator (load.py),
and asks both in turn, in each round. A ratio is the median of the rounds' ratios. Prints one line of JSON for each engine: for each
question the milliseconds in the lab, in the plain database, and their ratio; and how much longer the join on a column that the rows
are not spread by takes than the join on the one that they are.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import load
import psycopg
from by_hand import checked

from support.labs import Lab, Workshop, runnable_engines

QUESTIONS = {
    "one patient": "SELECT * FROM pacientes WHERE cedula = '{cedula}'",
    "a history": "SELECT count(*) FROM pacientes p JOIN consultas c ON p.cedula = c.paciente_id JOIN medicos m ON c.medico_id = m.id"
    " WHERE p.cedula = '{cedula}'",
    "count": "SELECT count(*) FROM consultas",
    "co-located join": "SELECT count(*), max(p.apellido) FROM pacientes p JOIN consultas c ON p.cedula = c.paciente_id",
    # As the original wrote it: it finds nothing, and has to bring all rows together to know that.
    "join on another column": "SELECT count(*), max(p.apellido) FROM pacientes p JOIN consultas c ON p.id = c.paciente_id",
    "grouped by a doctor's speciality": "SELECT m.especialidad, count(*) FROM consultas c JOIN medicos m ON c.medico_id = m.id GROUP BY 1",
}


def milliseconds(connection: psycopg.Connection[tuple[object, ...]], query: str) -> float:
    """How long one query takes, until its rows are here."""
    started = time.perf_counter()
    connection.execute(query.encode()).fetchall()
    return 1000 * (time.perf_counter() - started)


def measure(lab: Lab, place: Path, rounds: int) -> dict[str, object]:
    """Ask both databases in turn."""
    load.plain_copy(lab, place)
    plain = psycopg.connect(
        host="127.0.0.1",
        port=lab.database_port,
        user="admin",
        dbname="plain",
        passfile=str(lab.directory / "credentials/admin.pgpass"),
        autocommit=True,
    )
    with plain, lab.connect() as spread:
        plain.execute("ANALYZE")
        spread.execute("SET citus.enable_repartition_joins = on")  # another engine takes it for a setting of somebody's
        found = spread.execute("SELECT cedula FROM pacientes ORDER BY cedula LIMIT 1").fetchone()
        if found is None:
            sys.exit("the lab has no patient")
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in QUESTIONS}
        for number in range(rounds + 1):
            for name, question in QUESTIONS.items():
                query = question.format(cedula=found[0])
                pair = (milliseconds(spread, query), milliseconds(plain, query))
                if number:  # the first round warms both
                    times[name].append(pair)
    joins = zip(times["join on another column"], times["co-located join"], strict=True)
    return {
        "questions": {
            name: {
                "lab_ms": round(statistics.median(mine for mine, _ in pairs), 1),
                "plain_ms": round(statistics.median(other for _, other in pairs), 1),
                "ratio": round(statistics.median(mine / other for mine, other in pairs), 2),
            }
            for name, pairs in times.items()
        },
        "other_column_ratio": round(statistics.median(other[0] / same[0] for other, same in joins), 1),
    }


def main() -> None:
    """Measure each engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--patients", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for engine in runnable_engines():
        with Workshop.open("hc-bench-") as workshop:
            lab = workshop.lab("bench", engine, clinical_schema_patients=options.patients)
            checked(lab.play("site.yml"))
            result = measure(lab, workshop.place, options.rounds)
        print(
            json.dumps({"engine": engine, "patients": options.patients, "rounds": options.rounds, **result}), flush=True
        )


if __name__ == "__main__":
    main()
