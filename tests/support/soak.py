"""Writing while servers are killed: what was acknowledged has to be there afterwards, once."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from support.labs import Lab

VICTIMS = ("citus-coordinator", "citus-worker-1", "middleware")
WRITERS = 4
#: How long the lab may take to answer again by itself.
RECOVERY_SECONDS = 60
#: 201: written, now or by an earlier attempt with the same Idempotency-Key. 412: a PUT had been done by an attempt whose
#: answer was lost. 503: not now.
EXPECTED = {201, 412, 503}


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        recoveries: by victim, the seconds from each kill until every writer had written on every worker again.
        written: the keys (patient, consultation) whose writing was acknowledged.
        found: the keys that the database has, as often as it has them.
        answers: how many of each status, and of each kind of broken connection.
    """

    recoveries: dict[str, list[float]] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    answers: Counter[int | str] = field(default_factory=Counter)

    @property
    def exact(self) -> bool:
        """Whether all that was acknowledged is there exactly once, and nothing else."""
        return sorted(self.written) == sorted(self.found)

    @property
    def unexpected(self) -> list[int | str]:
        """Statuses that no request should have been answered with."""
        return [status for status in self.answers if isinstance(status, int) and status not in EXPECTED]

    def page(self) -> str:
        """Tell it to a person."""
        lines = [f"answers: {dict(self.answers)}"]
        for victim, seconds in self.recoveries.items():
            ordered = sorted(seconds)
            lines.append(
                f"{victim}: killed {len(ordered)} times, writes again after {ordered[len(ordered) // 2]:.1f} s"
                f" (median; {ordered[0]:.1f} to {ordered[-1]:.1f} s)"
            )
        for name, keys in (("acknowledged", self.written), ("found", self.found)):
            mark = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:16]
            lines.append(f"{name + ':':14}{len(keys)} rows, checksum {mark}")
        lines.append("every acknowledged write is there exactly once" if self.exact else "NOT THE SAME")
        return "\n".join(lines)


class _Writer(threading.Thread):
    """Registers patients and writes consultations, one after the other, each until it is acknowledged."""

    def __init__(self, soak: Soak, number: int) -> None:
        super().__init__(name=f"writer-{number}", daemon=True)
        self._soak = soak
        self._number = number
        self.written: list[str] = []
        self.answers: Counter[int | str] = Counter()
        #: When the last round that is finished was begun: a round writes on every worker.
        self.begun = 0.0
        self.stuck = ""
        self._answer = b""  # the last one

    def run(self) -> None:
        """Write until the soak is over."""
        count = 0
        while not self._soak.over.is_set() and not self.stuck:
            begun = time.monotonic()
            # Nine digits that begin with a 9: no patient of the sample has them.
            count += 1
            patient = f"9{self._number}{self._soak.run:02d}{count:05d}"
            self._write("PUT", f"/api/v1/pacientes/{patient}", patient, self._soak.patient)
            for home in self._soak.homes:
                for method in ("PUT", "POST"):
                    key = str(uuid.uuid4())
                    path = f"/api/v1/pacientes/{home}/consultas" + (f"/{key}" if method == "PUT" else "")
                    self._write(method, path, f"{home} {key}", {**self._soak.consultation, "diagnostico": key})
            self.begun = begun

    def _write(self, method: str, path: str, key: str, body: dict[str, str]) -> None:
        """Send it until it is acknowledged; what names it makes the second time harmless."""
        headers = {"Content-Type": "application/json", **self._soak.headers}
        headers |= {"If-None-Match": "*"} if method == "PUT" else {"Idempotency-Key": key.split()[-1]}
        deadline = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < deadline:
            try:
                status: int | str = self._send(method, path, json.dumps(body).encode(), headers)
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
            self.answers[status] += 1
            if status in (201, 412):
                self.written.append(key)
                return
            # Retry-After says 2 s; whoever looks for the moment of recovery asks more often.
            self._soak.over.wait(0.05)
        self.stuck = (
            f"{path} was not acknowledged within {RECOVERY_SECONDS} s: {dict(self.answers)}, the last {self._answer!r}"
        )

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._soak.lab.api_port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            self._answer = answer.read()
            return answer.status
        finally:
            connection.close()


class Soak:
    """A steady load of writes on a lab whose servers are killed.

    Args:
        lab: where.
        seed: of the order in which they are killed.
        token: of somebody who may write; none where the lab's access is open.
    """

    def __init__(self, lab: Lab, seed: int, token: str | None = None) -> None:
        self.lab = lab
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.random = random.Random(seed)
        self.over = threading.Event()
        self.mark = f"resistencia {uuid.uuid4()}"
        self.patient = {
            "nombre": "Paciente",
            "apellido": "De Prueba",
            "fecha_nacimiento": "1980-01-01",
            "sexo": "F",
            "ciudad": self.mark,
        }
        self.consultation = {
            "medico_id": "1",
            "motivo": self.mark,
            "codigo_cie10": "J069",
        }
        with lab.connect() as connection:
            # One patient of each worker: each round of a writer touches all of them.
            homes = connection.execute(
                "SELECT DISTINCT ON (w.node_name) p.cedula"
                "  FROM (SELECT cedula FROM pacientes ORDER BY cedula LIMIT 50) AS p, lab.where('pacientes', p.cedula) AS w"
                " ORDER BY w.node_name, p.cedula"
            ).fetchall()
            self.homes = [cedula for (cedula,) in homes]
            # Patients of a run before have other numbers.
            [(runs,)] = connection.execute(
                "SELECT count(DISTINCT ciudad) FROM pacientes WHERE ciudad LIKE 'resistencia %'"
            )
            self.run = int(runs)

    def kill(self, victim: str) -> None:
        """Kill a server, or the service, without a chance to end in good order."""
        if victim == "middleware":
            self.lab.kill_middleware()
        else:
            self.lab.kill(victim)

    def rounds(self, number: int, tell: Callable[[str], None]) -> Outcome:
        """Kill each of VICTIMS so many times, in an order of the seed's, while WRITERS write.

        Args:
            number: how many times each.
            tell: what to call with a line after each kill.

        Raises:
            RuntimeError: the lab did not recover by itself.
        """
        outcome = Outcome({victim: [] for victim in VICTIMS})
        victims = list(VICTIMS) * number
        self.random.shuffle(victims)
        writers = [_Writer(self, each) for each in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            self._wait(writers, time.monotonic(), "before anything was killed")
            for victim in victims:
                self.kill(victim)
                at = time.monotonic()
                self._wait(writers, at, f"after {victim} was killed")
                outcome.recoveries[victim].append(time.monotonic() - at)
                tell(f"{victim}: {outcome.recoveries[victim][-1]:.1f} s")
        finally:
            self.over.set()
            for writer in writers:
                writer.join()
        for writer in writers:
            outcome.written += writer.written
            outcome.answers += writer.answers
        outcome.found = self._found()
        return outcome

    def _wait(self, writers: list[_Writer], since: float, when: str) -> None:
        """Wait until each writer has finished a round that it began later."""
        while not all(writer.begun > since for writer in writers):
            stuck = [writer.stuck for writer in writers if writer.stuck]
            if stuck:
                raise RuntimeError(f"{when}: {stuck[0]}")
            time.sleep(0.01)

    def _found(self) -> list[str]:
        with self.lab.connect() as connection:
            patients = connection.execute("SELECT cedula FROM pacientes WHERE ciudad = %s", [self.mark]).fetchall()
            consultations = connection.execute(
                "SELECT paciente_id || ' ' || diagnostico FROM consultas WHERE motivo = %s", [self.mark]
            ).fetchall()
        return [key for (key,) in (*patients, *consultations)]
