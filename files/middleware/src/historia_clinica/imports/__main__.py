"""`python -m historia_clinica.imports FILE`: take another hospital's patients and consultations out of a CSV file.

Connects by libpq's variables. Rows that cannot be taken go into a file beside it, each with its line and the reason, to be mended and
imported by itself. Run again it adds what is missing: a row that is there already says nothing new. Ends with 0; with 2 where rows were
refused; with 1 where it could not go on.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter

import psycopg

from historia_clinica.imports import batches, mapping, parallel
from historia_clinica.imports.batches import MISSING, Who, Written
from historia_clinica.imports.files import FileError, Row, Table, table
from historia_clinica.imports.mapping import KEY, MappingError, Plan
from historia_clinica.imports.records import Refused
from historia_clinica.imports.refused import RefusedRows
from historia_clinica.load.parallel import connect
from historia_clinica.progress import Progress
from historia_clinica.redaction import told

SHOWN = 20  # refused rows that are told here; all of them are in the file


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    go_on = "" if options.check else "What was taken stays: run the same command again to go on."
    if not options.file.is_file():
        print(f"There is no file {options.file}: make import FILE=hospital.csv names it.", file=sys.stderr)
        return 1
    try:
        source = table(options.file)
        plan = mapping.plan(mapping.read(options.mapping), source.header)
        who = Who(options.user, f"importación de {options.file.name}")
        with connect() as connection:
            doctors, codes = batches.doctors(connection), batches.codes(connection)
        return _import(source, parallel.Work(plan, doctors, codes, who, options.check), options.jobs)
    except (FileError, MappingError, OSError) as error:
        print(f"The file could not be imported: {error}", file=sys.stderr)
        return 1
    except (parallel.ImportFailedError, psycopg.Error) as error:
        reason = told(error) if isinstance(error, psycopg.Error) else error
        print(f"The import stopped: {reason}\n{go_on}".strip(), file=sys.stderr)
        return 1
    except BrokenProcessPool:
        print(f"The import stopped: one of its processes was killed.\n{go_on}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"Stopped.\n{go_on}".strip(), file=sys.stderr)
        return 130


class _Told:
    """What became of the rows so far; those that were refused are told as they come."""

    def __init__(self, kept: RefusedRows | None) -> None:
        self._kept = kept
        self.total = Written(0, 0, 0, [])
        self.refused = 0

    def add(self, written: Written) -> None:
        """Count a batch."""
        self.total = self.total.and_then(written._replace(refused=[]))
        refused = sorted(written.refused, key=lambda row: row.line)  # they were sorted by where their patients lie
        for row in refused:
            self.refused += 1
            if self._kept is None or self.refused <= SHOWN:  # else all of them are in the file
                print(f"line {row.line}: {row.why}")
        if self._kept:
            self._kept.add(refused)


def _import(source: Table, work: parallel.Work, jobs: int) -> int:
    start, progress, read = perf_counter(), Progress(), 0
    stray: list[Row] = []
    with nullcontext() if work.check else RefusedRows(source) as kept:
        told_so_far = _Told(kept)
        try:
            for batch, written in parallel.results(source.rows(), work, jobs):
                read += len(batch)
                early = _early(work.plan, written.refused)
                stray += [row for row in batch if row.line in early]
                told_so_far.add(written._replace(refused=[row for row in written.refused if row.line not in early]))
                progress.show(batch[-1].read / source.size, read)
            if stray and not work.check:
                for _batch, written in parallel.results(stray, work, jobs):
                    told_so_far.add(written)
        finally:
            progress.end()
        if kept:
            kept.keep()
    total, refused = told_so_far.total, told_so_far.refused
    if work.plan.unused:
        print(f"Columns that were not used: {', '.join(work.plan.unused)}")
    added = "could be added" if work.check else "added"
    print(
        f"{_many(read, 'row')} in {perf_counter() - start:.1f} s: {_many(total.patients, 'patient')} and"
        f" {_many(total.consultations, 'consultation')} {added}, {_many(total.present, 'row')} said nothing new, {refused:,} refused."
    )
    if kept and refused:
        print(f"The refused rows, each with its line and the reason: {kept.path}")
    return 2 if refused else 0


def _many(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _early(plan: Plan, refused: Sequence[Refused]) -> set[int]:
    """Return the lines whose patient may be in another row of the file, which may not be there yet."""
    if {origin.field for origin in plan.patient} == {KEY}:
        return set()
    return {row.line for row in refused if row.why.startswith(MISSING.partition("{")[0])}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m historia_clinica.imports", description=(__doc__ or "").partition("\n\n")[2]
    )
    parser.add_argument("file", type=Path, help="the CSV file")
    parser.add_argument(
        "--mapping", type=Path, metavar="YAML", help="which column is which field, where their names do not say it"
    )
    parser.add_argument("--check", action="store_true", help="only say what would be refused, and why")
    parser.add_argument(
        "--user", default=getpass.getuser(), metavar="NAME", help="who imports, kept beside each row (default: you)"
    )
    parser.add_argument("--jobs", type=int, choices=range(1, 65), default=min(4, os.cpu_count() or 1), metavar="J",
                        help="processes, of about 40 MB each (default: one for each processor, at most 4)")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
