"""A steady stream of reads and writes through a lab's API, of which none may fail."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support.api import ask
from support.labs import Lab

#: What each client does, round after round: a name, a method, a path and a body.
Step = tuple[str, str, str, Any]


@dataclass
class Stream:
    """Clients that ask without a pause until they are told to stop.

    Attributes:
        lab: where.
        token: of an administrator.
        patients: one of each worker.
        city: of the first doctor, which is written again and again.
        answers: how many of each kind were answered well.
        failures: what was not, in words.
        written: the consultations whose writing was acknowledged: patient and identifier.
    """

    lab: Lab
    token: str
    patients: list[str]
    city: str
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    written: list[tuple[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def _steps(self) -> Iterator[Step]:
        """One round: every worker is read and written, all of them are searched, and a doctor is changed on all nodes."""
        for patient in self.patients:
            key = str(uuid.uuid4())
            consultation = {
                "medico_id": "1",
                "diagnostico": "Rinofaringitis",
                "motivo": "flujo",
                "codigo_cie10": "J06.9",
            }
            yield "read", "GET", f"/api/v1/pacientes/{patient}/historia", None
            yield "write", "PUT", f"/api/v1/pacientes/{patient}/consultas/{key}", consultation
        yield "search", "GET", "/api/v1/pacientes?ciudad=Pasto&limite=2", None
        yield "doctor", "PATCH", "/api/v1/medicos/1", {"ciudad": self.city}
        yield "nodes", "GET", "/status", None

    def _work(self) -> None:
        while not self.over.is_set():
            for kind, method, path, body in self._steps():
                headers = {"PUT": {"If_None_Match": "*"}, "PATCH": {"If_Match": "*"}}.get(method, {})
                try:
                    status, _, answer = ask(self.lab, method, path, body, self.token, **headers)
                except OSError as error:
                    status, answer = 0, repr(error)
                if status in (200, 201, 204):
                    self.answers[kind] += 1
                    if kind == "write":
                        self.written.append((path.split("/")[4], path.split("/")[6]))
                else:
                    self.failures.append(f"{method} {path}: {status} {answer}")

    @contextmanager
    def flowing(self, clients: int = 4) -> Iterator[None]:
        """A while in which the stream goes on; it has begun at the start, and ended at the end."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            self.lab.wait_until(lambda: self.answers["nodes"] >= clients or bool(self.failures))
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def lost(self) -> list[tuple[str, str]]:
        """What was acknowledged and is not there; what was written is removed."""
        with self.lab.connect() as connection:
            found = connection.execute("SELECT paciente_id, id::text FROM consultas WHERE motivo = 'flujo'").fetchall()
            for table in ("accesos", "cambios"):
                connection.execute(f"DELETE FROM {table} WHERE documento_id = '1000000001'".encode())
            connection.execute("DELETE FROM consultas WHERE motivo = 'flujo'")
        return sorted(set(self.written) - {(patient, key) for patient, key in found})


def stream_on(lab: Lab) -> Stream:
    """A stream on a lab, of its administrator."""
    with lab.connect() as connection:
        homes = connection.execute(
            "SELECT DISTINCT ON (w.node_name) p.cedula"
            "  FROM (SELECT cedula FROM pacientes ORDER BY cedula LIMIT 50) AS p, lab.where('pacientes', p.cedula) AS w"
            " ORDER BY w.node_name, p.cedula"
        ).fetchall()
        [(city,)] = connection.execute("SELECT ciudad FROM medicos WHERE id = 1").fetchall()
    return Stream(lab, lab.token(), [cedula for (cedula,) in homes], city)
