"""`python -m historia_clinica.load`: fill the tables with the sample data that is not there yet.

Connects by libpq's variables (PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSFILE). Writes one line of
JSON to stdout, and to stderr a progress bar where a person looks at it. Run again it adds nothing;
asked for more it adds the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from time import perf_counter

import psycopg

from historia_clinica.config import whole
from historia_clinica.load import blocks, parallel, sample
from historia_clinica.redaction import told


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 with the reason on stderr."""
    options = _parser().parse_args(arguments)
    start = perf_counter()
    try:
        report = load(options.patients, options.consultations, options.seed, options.jobs)
    except (psycopg.Error, parallel.LoadError) as error:
        reason = told(error) if isinstance(error, psycopg.Error) else str(error)
        print(f"The sample data could not be loaded: {reason}", file=sys.stderr)
        print("What was finished is kept: run the same command again to go on.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; run the same command again to go on.", file=sys.stderr)
        return 130
    seconds = perf_counter() - start
    added = report["added_patients"] + report["added_consultations"]
    print(json.dumps(report | {"seconds": round(seconds, 3), "rows_per_second": round(added / seconds)}))
    return 0


def load(patients: int, per_patient: int, seed: int, jobs: int) -> dict[str, int]:
    """Load what is missing to have so many patients, each with at least so many consultations.

    Returns:
        What the sample of this seed holds now, and what this call added.

    Raises:
        psycopg.Error: the database cannot be reached or lacks a table or a right.
        parallel.LoadError: a process of the load failed.
    """
    with parallel.connect() as connection:
        doctors = blocks.add_doctors(connection)
        have = blocks.recorded(connection, seed)
        asked = blocks.asked(patients, per_patient)
        work = [
            (block, size)
            for block, size in asked.items()
            if (there := have.get(block, blocks.NOTHING)).at_least(size) != there
        ]
        added = parallel.complete(work, seed, jobs)
        sizes = blocks.recorded(connection, seed).values()
    return {
        "patients": sum(size.patients for size in sizes),
        "consultations": sum(size.consultations for size in sizes),
        "added_doctors": doctors,
        "added_patients": added.patients,
        "added_consultations": added.consultations,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m historia_clinica.load", description=(__doc__ or "").partition("\n\n")[2]
    )
    number = parser.add_argument
    number("--patients", type=_whole(0, sample.PATIENTS_PER_SEED), required=True, metavar="N",
           help="how many patients there shall be")  # fmt: skip
    number("--consultations", type=_whole(0, 1000), required=True, metavar="K",
           help="how many consultations each of them has")  # fmt: skip
    number("--seed", type=_whole(0, 2**31 - 1), required=True, metavar="S",
           help="which population: the same number gives the same people")  # fmt: skip
    # Two for each processor, because a process mostly waits for the servers.
    number("--jobs", type=_whole(1, 64), default=2 * (os.cpu_count() or 1), metavar="J",
           help="processes that load at once (default: two for each processor)")  # fmt: skip
    return parser


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        number = whole(text, lowest, highest)
        if number is None:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lowest} to {highest}")
        return number

    return convert


if __name__ == "__main__":
    sys.exit(main())
