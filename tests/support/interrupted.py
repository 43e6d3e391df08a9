"""Playbooks killed at random moments: whoever runs them again has what was wanted, and nothing else."""

from __future__ import annotations

import json
import os
import pwd
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from support.labs import Lab, Run, processes_of
from support.pods import PodLab
from support.rotation import rotated, secrets_of

#: The patient whose row was acknowledged before a run was killed: no patient of the sample has such a number.
CEDULA = "999000001"


@dataclass
class Interrupted:
    """A lab whose playbooks are killed with -9, with all that they started.

    Attributes:
        lab: described, and not made yet.
        random: says at which moment.
        tell: gets a line about each kill.
        left: names what is there of a lab that was removed.
    """

    lab: Lab
    random: random.Random
    tell: Callable[[str], None]
    left: Callable[[Lab], list[str]]

    def round(self) -> int:
        """Make a lab, scale it out and in, change its secrets, stop it, remove it, each killed once and run again.

        Returns:
            How many of the six runs were killed: the others had ended before their moment.

        Raises:
            AssertionError: what was run again failed, lost a row, or left something.
        """
        killed = int(self._killed_and_run_again("site.yml"))
        self._run("verify.yml")
        with self.lab.connect() as connection:
            connection.execute(
                "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
                " VALUES (%s, 'Rosa', 'Que Queda', '1980-01-01', 'F', 'Tunja')",
                [CEDULA],
            )
        more = ("-e", "clinical_schema_patients=2000")
        self._run("site.yml", *more)
        for workers in (3, 2):
            killed += self._killed_and_run_again("scale.yml", "-e", f"scale_workers={workers}", *more)
            # The inventory may say another number: the record does.
            again = self._run("site.yml", "-e", "lab_workers=5", *more)
            assert again.recap[self.lab.name]["changed"] == 0, again.stdout
            self._run("verify.yml")
            self._nothing_is_lost()
            with self.lab.connect() as connection:
                held = connection.execute("SELECT shards > 0 FROM lab.nodes WHERE role = 'worker'").fetchall()
            assert held == [(True,)] * workers
        before = secrets_of(self.lab)
        killed += self._killed_and_run_again("rotate.yml")
        rotated(self.lab, before)
        again = self._run("site.yml", *more)
        assert again.recap[self.lab.name]["changed"] == 0, again.stdout
        killed += self._killed_and_run_again("stop.yml")
        self._run("start.yml")
        self._nothing_is_lost()
        killed += self._killed_and_run_again("teardown.yml")
        assert self.left(self.lab) == []
        return killed

    def _nothing_is_lost(self) -> None:
        with self.lab.connect() as connection:
            kept = connection.execute("SELECT nombre FROM pacientes WHERE cedula = %s", [CEDULA]).fetchall()
            rows = dict(connection.execute("SELECT table_name, rows FROM lab.tables").fetchall())
        assert kept == [("Rosa",)]
        assert (rows["pacientes"], rows["consultas"]) == (2001, 6000)

    def _killed_and_run_again(self, playbook: str, *arguments: str) -> bool:
        """Kill a run at a moment of the time that it takes, and let the next one finish; whether it was killed."""
        moment = self.random.uniform(0, LONGEST[playbook])
        limit = time.monotonic() + moment
        code = self.lab.kill_while(playbook, lambda: time.monotonic() > limit, *arguments)
        assert code in (0, -signal.SIGKILL), f"{playbook} failed by itself: {code}"
        run = self._run(playbook, *arguments)
        fate = "was killed" if code else "had ended"
        self.tell(f"{playbook} {' '.join(arguments)} {fate} after {moment:.1f} s, then took {run.seconds:.1f} s")
        return code != 0

    def _run(self, playbook: str, *arguments: str) -> Run:
        run = self.lab.play(playbook, *arguments)
        assert run.rc == 0, run.stdout + run.stderr
        return run


def left_on_host(lab: Lab) -> list[str]:
    """What is still there of a lab on this machine: processes, directory, entry in the list of labs, user."""
    things = [f"process {process.pid}" for process in processes_of(lab.directory)]
    registry = lab.directory.parent.parent / "registry" / lab.name
    things += [str(path) for path in (lab.directory, registry) if os.path.lexists(path)]
    things += [f"user {user.pw_name}" for user in pwd.getpwall() if user.pw_name == f"hc-{lab.name}"]
    return things


def left_of_pods(lab: Lab) -> list[str]:
    """What is still there of a lab in pods: the same, and its namespace and volumes."""
    assert isinstance(lab, PodLab)
    volumes = json.loads(lab.kubectl("get", "pv", "-o", "json"))["items"]
    mine = [each for each in volumes if each["spec"].get("claimRef", {}).get("namespace") == lab.namespace]
    things = [f"volume {volume['metadata']['name']}" for volume in mine]
    if lab.kubectl("get", "namespace", lab.namespace, "--ignore-not-found", "-o", "name"):
        things.append(f"namespace {lab.namespace}")
    return things + left_on_host(lab)


#: About as many seconds as each playbook takes, so that most moments lie before its end.
LONGEST = {"site.yml": 25.0, "scale.yml": 40.0, "rotate.yml": 6.0, "stop.yml": 5.0, "teardown.yml": 5.0}
