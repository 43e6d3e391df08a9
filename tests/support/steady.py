"""A steady load of reads and writes of the clinical history, and what its clients saw of what was done meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

Connect = Callable[[], psycopg.Connection[Any]]
WRITE = """INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)
           VALUES (%s, 'Carga', 'Continua', '1990-01-01', 'F', 'Tunja')"""
CONSULT = """INSERT INTO consultas (paciente_id, id, medico_id, fecha_consulta, motivo, diagnostico, codigo_cie10)
             VALUES (%s, gen_random_uuid(), 1, now(), 'Control', 'Sano', 'Z000')"""


@dataclass
class Steady:
    """What the clients of a load saw.

    Attributes:
        errors: what was refused or lost, as text.
        written: the patients whose rows were acknowledged.
        longest_write: seconds that the slowest transaction of a writer took.
        longest_read: seconds that the slowest answer took.
        reads: how many answers there were.
    """

    errors: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    longest_write: float = 0.0
    longest_read: float = 0.0
    reads: int = 0

    def report(self) -> str:
        """One line."""
        return (
            f"{len(self.written)} writes, longest {self.longest_write:.2f} s; {self.reads} reads, longest {self.longest_read:.2f} s;"
            f" {len(self.errors)} errors"
        )

    def lost(self, connection: psycopg.Connection[Any]) -> list[str]:
        """The patients that were acknowledged and are not there, or not once."""
        rows = connection.execute("SELECT cedula FROM pacientes WHERE apellido = 'Continua'").fetchall()
        found = [cedula for (cedula,) in rows]
        return sorted({*self.written, *found} - set(found)) + [each for each in self.written if found.count(each) != 1]


@contextlib.contextmanager
def steady(connect: Connect, pause: float = 0.02, writers: int = 1, first: int = 700_000_000) -> Iterator[Steady]:
    """Write and read while something else is done.

    Args:
        connect: opens a connection in autocommit, as an application does.
        pause: seconds between two transactions of a client.
        writers: how many clients write; as many read.
        first: the number of the first patient.
    """
    seen = Steady()
    over = threading.Event()
    lock = threading.Lock()

    def write(number: int) -> None:
        with connect() as connection:
            while not over.is_set():
                cedula = str(first + len(seen.written) * writers + number)
                before = time.monotonic()
                try:
                    with connection.transaction():
                        connection.execute(WRITE, [cedula])
                        connection.execute("UPDATE pacientes SET ciudad = 'Cali' WHERE cedula = %s", [cedula])
                except psycopg.Error as error:
                    seen.errors.append(f"write: {error}")
                else:
                    with lock:
                        seen.written.append(cedula)
                        seen.longest_write = max(seen.longest_write, time.monotonic() - before)
                over.wait(pause)

    def read() -> None:
        with connect() as connection:
            least = 0
            while not over.is_set():
                known = len(seen.written)
                cedula = seen.written[(seen.reads * 7919) % known] if known else ""
                before = time.monotonic()
                try:
                    [(count,)] = connection.execute("SELECT count(*) FROM pacientes").fetchall()
                    one = connection.execute("SELECT 1 FROM pacientes WHERE cedula = %s", [cedula]).fetchall()
                    if count < least or (known and one != [(1,)]):
                        seen.errors.append(f"read: {count} patients after {least}, {len(one)} of {cedula}")
                    least = count
                except psycopg.Error as error:
                    seen.errors.append(f"read: {error}")
                with lock:
                    seen.reads += 1
                    seen.longest_read = max(seen.longest_read, time.monotonic() - before)
                over.wait(pause)

    threads = [threading.Thread(target=write, args=[number]) for number in range(writers)]
    threads += [threading.Thread(target=read) for _ in range(writers)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()
