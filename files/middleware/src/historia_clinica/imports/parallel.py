"""Batches of rows in several processes at once: reading them by the rules takes as long as writing them."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import NamedTuple

import psycopg

from historia_clinica.imports import batches
from historia_clinica.imports.batches import Who, Written
from historia_clinica.imports.files import Row
from historia_clinica.imports.mapping import Plan
from historia_clinica.imports.records import Doctor, Refused
from historia_clinica.imports.rows import RefusedError, Rows
from historia_clinica.load.blocks import Connection
from historia_clinica.load.parallel import connect, stop_with_parent
from historia_clinica.redaction import told

BATCH = 1000  # rows
#: Batches that are read ahead for each process: enough that none waits, few enough to lie in memory.
AHEAD = 2


class ImportFailedError(Exception):
    """The database failed; the text says how."""


class Work(NamedTuple):
    """What each process has to know."""

    plan: Plan
    doctors: list[Doctor]
    codes: frozenset[str] | None  # of diagnoses, if no others may come in
    who: Who
    check: bool  # only look


class _Process(NamedTuple):
    connection: Connection
    rows: Rows
    work: Work


_here: list[_Process] = []  # what this process works with, once it is prepared


def results(rows: Iterable[Row], work: Work, jobs: int) -> Iterator[tuple[list[Row], Written]]:
    """Give each batch of rows, in their order, and what became of it.

    Raises:
        ImportFailedError: the database failed; what came before is written.
        concurrent.futures.process.BrokenProcessPool: a process was killed.
    """
    # "spawn": a forked process would inherit the parent's connections.
    context = multiprocessing.get_context("spawn")
    source = iter(rows)
    pool = ProcessPoolExecutor(jobs, context, _prepare, (work,))
    under_way: deque[tuple[list[Row], Future[Written | str]]] = deque()
    try:
        while True:
            while len(under_way) < AHEAD * jobs and (batch := list(islice(source, BATCH))):
                under_way.append((batch, pool.submit(_take, batch)))
            if not under_way:
                return
            batch, future = under_way.popleft()
            written = future.result()
            if isinstance(written, str):
                raise ImportFailedError(written)
            yield batch, written
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(work: Work) -> None:
    stop_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, too, which ends this process
    _here.append(_Process(connect(), Rows(work.plan, work.doctors, work.codes), work))


def _take(batch: Sequence[Row]) -> Written | str:
    """Read rows and write what they say; or return how the database failed, without what it may quote."""
    connection, rows, work = _here[0]
    records, refused = [], []
    for row in batch:
        try:
            records.append(rows.record(row.line, row.fields))
        except RefusedError as error:
            refused.append(Refused(row.line, row.fields, str(error)))
    try:
        take = batches.look if work.check else batches.write
        return Written(0, 0, 0, refused).and_then(take(connection, records, work.who))
    except psycopg.Error as error:
        return told(error)
