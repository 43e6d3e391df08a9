"""How fast another hospital's file comes in: `make import`, beside one plain PostgreSQL that takes the same rows by COPY.

    .venv/bin/python benchmarks/imports.py [--rows 200000] [--engine citus]

Makes a lab for each engine that this machine can run, writes a file of so many patients with a consultation each, as Excel in Spanish
would, and imports it: reading by the rules, refusing, and keeping who brought each row included. Then it copies the same rows with one
plain COPY for each table into an ordinary database of the same coordinator. Prints one line of JSON for each engine: seconds, their ratio,
and the memory of the import's processes (PSS, at its highest). Ends with an error where one is more than is wanted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import psutil
from by_hand import checked
from load import plain_copy

from support.labs import ENGINES, Lab, Workshop, runnable_engines

RATIO, MEGABYTES = 2.5, 150
MAPPING = "paciente:\n  cedula: [Tipo, Número]\nconsulta:\n  fecha_consulta: [Fecha, Hora]\n"
HEADER = "Tipo;Número;nombre;apellido;fecha_nacimiento;sexo;ciudad;telefono;correo;Fecha;Hora;medico_id;motivo;codigo_cie10;diagnostico;tratamiento"
ROW = (
    "CC;{number:,};Ana María;Núñez Peña;{day:02}/{month:02}/19{year};Mujer;Bogotá;300 123 4567;ana{number}@example.com;"
    "{day:02}/{month:02}/2025;2:{minute:02} p. m.;{doctor};Tos y fiebre;j06.9;Infección respiratoria aguda;Reposo y líquidos"
)


def write(file: Path, rows: int) -> None:
    """Write the hospital's file."""
    with file.open("w", encoding="cp1252", newline="\r\n") as output:
        output.write(HEADER + "\n")
        for n in range(rows):
            about = {
                "day": 1 + n % 28,
                "month": 1 + n % 12,
                "year": 40 + n % 60,
                "minute": n % 60,
                "doctor": 1 + n % 40,
            }
            output.write(ROW.format(number=20_000_000 + n, **about).replace(",", ".", 3) + "\n")


def memory(process: subprocess.Popen[str]) -> float:
    """Megabytes that a process and its children hold (PSS), at the highest, until it ends."""
    highest = 0.0
    while process.poll() is None:
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            highest = max(highest, sum(one.memory_full_info().pss for one in family) / 1e6)
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.2)  # nobody tells when memory is at its highest: five looks a second
    return highest


def measure(engine: str, rows: int) -> dict[str, object]:
    """Import into one lab, then copy into the plain database."""
    with Workshop.open("hc-bench-") as workshop:
        lab: Lab = workshop.lab("bench", engine, clinical_schema_patients=0)
        checked(lab.play("site.yml"))
        file = workshop.place / "hospital.csv"
        write(file, rows)
        file.with_suffix(".yml").write_text(MAPPING, encoding="utf-8")
        started = time.monotonic()
        program = [str(lab.directory / "bin/import"), str(file), "--mapping", str(file.with_suffix(".yml"))]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
            megabytes = memory(process)
            said = process.stdout.read() if process.stdout else ""
        seconds = time.monotonic() - started
        if process.returncode or f"{rows:,} patients" not in said:
            sys.exit(said)
        plain = plain_copy(lab, workshop.place)
    return {
        "engine": engine,
        "rows": rows,
        "seconds": round(seconds, 1),
        "plain_copy_seconds": round(plain, 1),
        "ratio": round(seconds / plain, 2),
        "megabytes": round(megabytes),
    }


def main() -> int:
    """Measure each engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--engine", action="append", choices=ENGINES)
    options = parser.parse_args()
    missed = False
    for engine in options.engine or runnable_engines():
        found = measure(engine, options.rows)
        print(json.dumps(found), flush=True)
        missed = missed or float(str(found["ratio"])) > RATIO or int(str(found["megabytes"])) > MEGABYTES
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
