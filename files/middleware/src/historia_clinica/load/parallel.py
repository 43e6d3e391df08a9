"""Blocks of the sample in several processes at once, with a bar for who watches."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait

import psycopg

from historia_clinica.load import blocks
from historia_clinica.load.blocks import Added, Size
from historia_clinica.progress import Progress
from historia_clinica.redaction import told

Work = list[tuple[int, Size]]


class LoadError(Exception):
    """The sample could not be loaded; the text says why."""


def complete(work: Work, seed: int, jobs: int) -> Added:
    """Bring blocks up to their sizes in up to `jobs` processes.

    Raises:
        LoadError: a process could not do its part; the text says why.
    """
    # "spawn": a forked process would inherit the parent's connection to the database.
    context = multiprocessing.get_context("spawn")
    processes = []
    readers: list[Pipe] = []
    for job in range(min(jobs, len(work))):
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_job, args=(writer, work[job::jobs], seed), daemon=True)
        process.start()
        writer.close()  # the process has the only other one: its death reads as the end of file
        processes.append(process)
        readers.append(reader)
    patients = consultations = 0
    progress = Progress()
    done = 0
    try:
        while readers:
            ready = wait(readers)
            for reader in [one for one in readers if one in ready]:
                try:
                    message = reader.recv()
                except EOFError:
                    raise LoadError("a process of the load was killed.") from None
                if message is None:
                    readers.remove(reader)
                elif isinstance(message, str):
                    raise LoadError(message)
                else:
                    patients += message.patients
                    consultations += message.consultations
                    done += 1
                    progress.show(done / len(work), patients + consultations)
    finally:
        progress.end()
        for process in processes:
            process.terminate()
            process.join()
    return Added(patients, consultations)


def _job(writer: Pipe, work: Work, seed: int) -> None:
    """Complete blocks in a process of its own; send what each added, then None, or why not."""
    stop_with_parent()
    # Ctrl-C reaches the parent too, which says so and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with connect() as connection:
            for block, size in work:
                writer.send(blocks.complete(connection, seed, block, size))
        writer.send(None)
    except psycopg.Error as error:
        writer.send(told(error))


def stop_with_parent() -> None:
    """End this process as soon as its parent is gone: a loader that is killed with -9 cannot stop its processes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), name="stop-with-parent", daemon=True).start()


def _watch(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def connect() -> blocks.Connection:
    """Connect by libpq's variables.

    Raises:
        psycopg.OperationalError: the database cannot be reached.
    """
    settings = {
        # A block takes as long as it takes on a slow machine; who waits can end it with Ctrl-C.
        "statement_timeout": "0",
        "lock_timeout": "10s",  # somebody's transaction that was left open is no such thing
        # Citus would open a connection for every shard, for every block anew: three times as slow.
        # The processes of the load are parallel enough. Other servers take it as a mere name.
        "citus.max_adaptive_executor_pool_size": "1",
    }
    return psycopg.connect(
        application_name="historia-clinica-load",
        autocommit=True,
        options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
    )
