"""How fast the sample data loads: rows per second into a lab, beside one plain PostgreSQL that takes the same rows.

    .venv/bin/python benchmarks/load.py [--patients 200000] [--consultations 5]

Makes a lab for each engine that this machine can run (LAB_TEST_POSTGRES_BIN names a PostgreSQL with Citus), loads the rows
with the lab's own loader, which also invents them, then copies the same rows with one plain COPY for each table into an
ordinary database of the same coordinator, with the same keys and indexes. Prints one line of JSON for each engine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import psycopg
from by_hand import checked

from support.labs import Lab, Workshop, runnable_engines

ROOT = Path(__file__).parents[1]

TABLES = {
    "medicos": "id, nombre, especialidad, registro, ciudad, activo",
    "pacientes": "cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad, telefono, correo, creado_en",
    "consultas": "paciente_id, id, medico_id, fecha_consulta, motivo, codigo_cie10, diagnostico, tratamiento",
}


def plain_copy(lab: Lab, folder: Path) -> float:
    """Seconds that one plain PostgreSQL takes for the lab's rows, by COPY from files."""
    with lab.connect() as source:
        for table, columns in TABLES.items():
            query = f"COPY (SELECT {columns} FROM {table}) TO STDOUT"  # noqa: S608 # names of this file
            with (folder / table).open("wb") as file, source.cursor().copy(query.encode()) as copy:
                for block in copy:
                    file.write(block)
        source.execute("CREATE DATABASE plain")
    with psycopg.connect(
        host="127.0.0.1",
        port=lab.database_port,
        user="admin",
        dbname="plain",
        passfile=str(lab.directory / "credentials/admin.pgpass"),
        autocommit=True,
    ) as target:
        target.execute((ROOT / "roles/clinical_schema/files/sql/history.sql").read_bytes())
        started = time.monotonic()
        for table, columns in TABLES.items():
            query = f"COPY {table} ({columns}) FROM STDIN"
            with (folder / table).open("rb") as file, target.cursor().copy(query.encode()) as copy:
                while block := file.read(1 << 16):
                    copy.write(block)
        return time.monotonic() - started


def measure(engine: str, patients: int, consultations: int) -> dict[str, object]:
    """Load one lab, then the plain database."""
    with Workshop.open("hc-bench-") as workshop:
        lab = workshop.lab("bench", engine, clinical_schema_patients=0)
        checked(lab.play("site.yml"))
        wanted = {"clinical_schema_patients": patients, "clinical_schema_consultations": consultations}
        seconds = checked(lab.play("site.yml", "--tags", "schema", "-e", json.dumps(wanted), "-v")).seconds
        with lab.connect() as connection:
            counts = dict(connection.execute("SELECT table_name, rows FROM lab.tables").fetchall())
        rows = counts["pacientes"] + counts["consultas"]
        plain = plain_copy(lab, workshop.place)
    return {
        "engine": engine,
        "rows": rows,
        "consultations": counts["consultas"],
        "seconds": round(seconds, 1),
        "rows_per_second": round(rows / seconds),
        "plain_copy_seconds": round(plain, 1),
        "plain_copy_rows_per_second": round(rows / plain),
        "ratio": round(seconds / plain, 2),
    }


def main() -> None:
    """Measure each engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--patients", type=int, default=200_000)
    parser.add_argument("--consultations", type=int, default=5)
    options = parser.parse_args()
    for engine in runnable_engines():
        print(json.dumps(measure(engine, options.patients, options.consultations)), flush=True)


if __name__ == "__main__":
    main()
