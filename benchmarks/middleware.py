"""How fast the API is: beside the build before it, the original's way, FastAPI with asyncpg, and the database alone.

    .venv/bin/python benchmarks/middleware.py [--engine citus] [--access open] [--rounds 5] [--seconds 4]

Makes one lab with the engine (LAB_TEST_POSTGRES_BIN names a PostgreSQL with Citus), then lets five servers answer the same
requests for the same rows, one after the other in each round, each with the same client (http_load.py) and as many
connections: the lab's own service; the service as it was before it was rewritten for threads (service.BEFORE, from the
repository's history); Flask's own server with a connection for each request, as in the original lab (rivals/original.py);
FastAPI with asyncpg on uvicorn (rivals/fast.py); and pgbench, which sends the lab's own statements, prepared, over the same
path, and is what no service can exceed. Bounded: rounds x loads x servers x seconds.

With --access rules every request has a token, and the services and FastAPI keep the same rules (token, session, role, row-level
security, a row for what is read and written); the other two know none, and are left out.

Prints a table (median of the rounds, lowest and highest, p99) and, as the last line, the same as JSON. A ratio is the median
of the rounds' ratios: what slows the machine for a while slows both sides of one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import http_load  # noqa: E402
import service  # noqa: E402

from support.labs import ENGINES, Lab, Workshop, citus_servers  # noqa: E402

RIVALS = ROOT / "benchmarks/rivals"
SQL = service.PACKAGE / "historia_clinica/sql"
PORT = 24990
CLIENTS = 16
#: What is asked of the service, as the least ratio of its rate to another's.
TARGETS = {
    "open": {"before": 0.9, "original": 15.0, "fastapi": 0.85, "pgbench": 0.30},
    "rules": {"before": 0.9, "fastapi": 1.05},
}
CONSULTATION = {"motivo": "Control", "codigo_cie10": "J069", "diagnostico": "Rinofaringitis aguda"}
LOADS = ("paciente", "historia", "mezcla")


@dataclass(frozen=True)
class Measured:
    """One server under one load in one round.

    Attributes:
        rate: answers per second.
        p99: milliseconds that 99 of 100 answers did not exceed.
    """

    rate: float
    p99: float


def requests(load: str, keys: list[str], seed: int, token: str = "") -> Iterator[bytes]:
    """Whole requests without an end; the same for the same seed.

    Args:
        load: ``paciente``, ``historia`` or ``mezcla``: two of each and one consultation that is written, 80 % reads.
        keys: the patients' documents.
        seed: the order of the keys.
        token: of who asks, where the rules hold.
    """
    head = "Host: lab\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")
    order = random.Random(seed)  # noqa: S311 # which patient comes next is no secret
    kinds = itertools.cycle(
        ["paciente", "historia", "paciente", "historia", "escribir"] if load == "mezcla" else [load]
    )
    for kind in kinds:
        key = order.choice(keys)
        if kind == "escribir":
            body = json.dumps({**CONSULTATION, "medico_id": str(order.randint(1, 40))}).encode()
            yield (
                f"POST /api/v1/pacientes/{key}/consultas HTTP/1.1\r\n{head}Content-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            ).encode() + body
        else:
            path = "/historia" if kind == "historia" else ""
            yield f"GET /api/v1/pacientes/{key}{path} HTTP/1.1\r\n{head}\r\n".encode()


class Bench:
    """A lab, and the servers that answer for it in turn."""

    def __init__(self, lab: Lab, place: Path, seconds: float, access: str) -> None:
        self.access = access
        self.token = lab.token() if access == "rules" else ""
        self.lab = lab
        self.place = place
        self.seconds = seconds
        with lab.connect() as connection:
            self.keys = [
                key for (key,) in connection.execute("SELECT cedula FROM pacientes ORDER BY cedula").fetchall()
            ]
        self.environment = service.environment(lab, access)

    def served(self, command: list[str], package: Path = service.PACKAGE) -> Callable[[str, int], Measured]:
        """A measurement of what a command serves at PORT: it runs only meanwhile, so that nobody else has its processor."""
        environment = service.environment(self.lab, self.access, package)

        def measure(load: str, seed: int) -> Measured:
            with service.running(command, PORT, environment, self.place):
                wanted = requests(load, self.keys, seed, self.token)
                address = ("127.0.0.1", PORT)
                http_load.run(address, wanted, CLIENTS, seconds=1)  # connections and plans are there before it counts
                result = http_load.run(address, wanted, CLIENTS, seconds=self.seconds)
            if set(result.statuses) - {200, 201} or result.broken:
                sys.exit(f"{command}: {dict(result.statuses)}, {result.broken} broken; see {self.place}/server.log")
            return Measured(result.rate, result.percentile(0.99) * 1000)

        return measure

    def pgbench(self, load: str, _seed: int) -> Measured:
        """The lab's own statements, prepared, by as many clients as the service has connections."""
        folder = self.place / load
        folder.mkdir(exist_ok=True)
        weights = {"paciente": 2, "historia": 2, "escribir": 1} if load == "mezcla" else {load: 1}
        files = []
        for kind, weight in weights.items():
            (folder / kind).write_text(self.script(kind), encoding="utf-8")
            files.append(f"--file={folder / kind}@{weight}")
        for old in folder.glob("pgbench_log*"):
            old.unlink()
        done = subprocess.run(
            [
                Path(self.lab.record["postgres_bin"]) / "pgbench",
                "--no-vacuum",
                "--protocol=prepared",
                "--client=8",
                f"--time={max(1, round(self.seconds))}",
                "--log",
                *files,
            ],
            env=self.environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        rate = re.search(r"tps = ([0-9.]+)", done.stdout)
        if done.returncode or not rate:
            sys.exit(done.stdout + done.stderr)
        log = next(folder.glob("pgbench_log*")).read_text(encoding="utf-8")
        times = sorted(int(line.split()[2]) for line in log.splitlines())
        return Measured(float(rate[1]), times[int(0.99 * len(times))] / 1000)

    def script(self, kind: str) -> str:
        """A script of pgbench that does with a random patient what a request does."""
        # Numbers of patients are not dense: pgbench takes one of a few hundred by its place.
        chosen = random.Random(1).sample(self.keys, min(300, len(self.keys)))  # noqa: S311
        cases = " ".join(f"when :n = {number} then {key}" for number, key in enumerate(chosen))
        name = {"paciente": "pacientes", "historia": "historia", "escribir": "consulta_insert"}[kind]
        lines = (SQL / f"{name}.sql").read_text(encoding="utf-8").splitlines()
        given = {
            "cedula": ":cedula::text",
            "consulta_id": "gen_random_uuid()",
            "medico_id": "1",
            "fecha_consulta": "now()",
            "tratamiento": "NULL",
            **{field: f"'{value}'" for field, value in CONSULTATION.items()},
        }
        wanted = {"cedula"} if kind != "escribir" else set(given)
        kept = [
            line for line in lines if wanted.issuperset(re.findall(r"%\((\w+)\)s", line)) and not line.startswith("--")
        ]
        # What follows a colon is a variable for pgbench, in a format of to_char too.
        text = "\n".join(kept).replace("HH24:MI:SS", "HH24' || chr(58) || 'MI' || chr(58) || 'SS")
        statement = re.sub(r"%\((\w+)\)s", lambda found: given[found[1]], text)
        return f"\\set n random(0, {len(chosen) - 1})\n\\set cedula case {cases} end\n{statement};\n"


def summary(rounds: list[dict[tuple[str, str], Measured]], targets: dict[str, float]) -> list[dict[str, Any]]:
    """One row for each load and server: rate, p99, and how the service compares with it."""
    table = []
    for load, server in rounds[0]:
        rates = [each[load, server].rate for each in rounds]
        row: dict[str, Any] = {
            "load": load,
            "server": server,
            "rate": round(statistics.median(rates)),
            "lowest": round(min(rates)),
            "highest": round(max(rates)),
            "p99_ms": round(statistics.median(each[load, server].p99 for each in rounds), 1),
        }
        if server in targets:
            ratios = [each[load, "ours"].rate / each[load, server].rate for each in rounds]
            row |= {
                "ratio": round(statistics.median(ratios), 2),
                "ratio_lowest": round(min(ratios), 2),
                "ratio_highest": round(max(ratios), 2),
                "target": targets[server],
                "met": statistics.median(ratios) >= targets[server],
            }
        table.append(row)
    return table


def show(table: list[dict[str, Any]]) -> None:
    """Print it for a person."""
    print(f"{'load':10}{'server':10}{'per second':>12}{'spread':>14}{'p99 ms':>9}   ours against it")
    for row in table:
        spread = f"{row['lowest']}-{row['highest']}"
        against = (
            f"{row['ratio']:.2f} ({row['ratio_lowest']:.2f}-{row['ratio_highest']:.2f}), wanted {row['target']}"
            + ("" if row["met"] else ": NOT MET")
            if "ratio" in row
            else ""
        )
        print(f"{row['load']:10}{row['server']:10}{row['rate']:>12}{spread:>14}{row['p99_ms']:>9}   {against}")


def measure(bench: Bench, number: int) -> list[dict[str, Any]]:
    """Let the servers answer in turn, as often as asked."""
    package, python = service.before(bench.place)
    servers: dict[str, Callable[[str, int], Measured]] = {
        "ours": bench.served(service.command(PORT)),
        "before": bench.served(service.command(PORT, package, python), package),
        "original": bench.served([sys.executable, str(RIVALS / "original.py"), str(PORT)]),
        "fastapi": bench.served(
            [
                str(service.made("rivals", RIVALS / "requirements.txt")),
                *("-m", "uvicorn", "fast:app", "--app-dir", str(RIVALS), "--port", str(PORT)),
            ]
        ),
        "pgbench": bench.pgbench,
    }
    targets = TARGETS[bench.access]
    servers = {name: server for name, server in servers.items() if name == "ours" or name in targets}
    rounds = []
    for seed in range(number):
        rounds.append({(load, name): server(load, seed) for load in LOADS for name, server in servers.items()})
        print(f"round {seed + 1} of {number}", file=sys.stderr)
    return summary(rounds, targets)


def main() -> None:
    """Make a lab, measure, remove it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=ENGINES, default="citus" if citus_servers() else "postgres_fdw")
    parser.add_argument("--access", choices=TARGETS, default="open")
    parser.add_argument("--patients", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="hc-bench-", dir="/tmp"))  # short, for the paths of sockets
    place.chmod(0o755)
    workshop = Workshop(place)
    try:
        lab = workshop.lab(
            "bench", options.engine, clinical_schema_patients=options.patients, middleware_access=options.access
        )
        run = lab.play("site.yml")
        if run.rc:
            sys.exit(run.stdout)
        table = measure(Bench(lab, place, options.seconds, options.access), options.rounds)
    finally:
        workshop.clean()
        shutil.rmtree(place, ignore_errors=True)
    show(table)
    print(
        json.dumps(
            {
                "engine": options.engine,
                "access": options.access,
                "patients": options.patients,
                "rounds": options.rounds,
                "table": table,
            }
        )
    )
    if not all(row.get("met", True) for row in table):
        sys.exit(1)


if __name__ == "__main__":
    main()
