#!/usr/bin/python
# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Break one node of a lab for a while, and measure what its users notice."""

from __future__ import annotations

DOCUMENTATION = r"""
module: chaos
short_description: Break one node of a lab for a while, and measure what its users notice
description:
  - Starts the lab's program C(bin/fault.py) as the lab's user, which breaks the node and puts it right at the end of the time, also where this
    module, or the run, is killed meanwhile.
  - Meanwhile asks the database for a row of each shard, and writes it (without changing it), and asks the API, again and again, one after the
    other, over loopback only. Goes on until all of that is answered.
  - Nothing is broken unless the lab is well.
options:
  lab:
    description: The fact that M(aula.historia_clinica.preflight) gives.
    type: dict
    required: true
  fault:
    description: V(kill), V(freeze), V(cut) or V(fill).
    type: raw
  node:
    description: The name of a node, or C(middleware).
    type: raw
  seconds:
    description: For how long, from 1 to 600.
    type: raw
    default: 20
  timeout:
    description: Seconds to wait, from its end on, until everything answers again.
    type: int
    default: 120
  state:
    description:
      - V(possible) only looks whether that can be done.
      - V(done) does it.
    type: str
    choices: [possible, done]
    default: done
attributes:
  check_mode:
    support: full
    description: Looks whether it can be done, and breaks nothing.
author:
  - The maintainers of aula.historia_clinica (@aula)
"""

EXAMPLES = r"""
- name: Freeze a worker
  aula.historia_clinica.chaos:
    lab: "{{ ansible_facts['lab'] }}"
    fault: freeze
    node: citus-worker-1
    seconds: 10
"""

RETURN = r"""
fault:
  description: What was done.
  returned: success
  type: str
node:
  description: To which node.
  returned: success
  type: str
seconds:
  description: For how long.
  returned: success
  type: int
probes:
  description: >-
    What was asked, a row for each node and kind (read, write, request): C(answered), C(failed), C(longest) (seconds), C(first_error) and C(back)
    (seconds since the fault), C(errors) by kind.
  returned: success
  type: list
  elements: dict
"""

import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.aula.historia_clinica.plugins.module_utils.chaos import (
    MIDDLEWARE,
    Probe,
    kind_of,
    problems,
    rows_of,
)
from ansible_collections.aula.historia_clinica.plugins.module_utils.ownership import Ownership
from ansible_collections.aula.historia_clinica.plugins.module_utils.rotation import read_password

try:
    import psycopg
except ImportError as error:  # the interpreter is not the runtime's
    MISSING: ImportError | None = error
else:
    MISSING = None

#: Seconds that one question may take.
PATIENCE = 2
#: Between two questions: a prober is no load.
PAUSE = 0.02
#: What a way into a cluster may need of the environment.
WAY = ("PATH", "HOME", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
SAMPLE = """
SELECT DISTINCT ON (w.shard_name) p.cedula, w.node_name
  FROM (SELECT cedula FROM public.pacientes ORDER BY cedula LIMIT 500) AS p, lab.where('pacientes', p.cedula) AS w
 ORDER BY w.shard_name, p.cedula
"""
READ = "SELECT nombre FROM public.pacientes WHERE cedula = %s"
#: A write of its own shard that leaves the row as it is.
WRITE = "UPDATE public.pacientes SET ciudad = ciudad WHERE cedula = %s"


class ChaosError(Exception):
    """It cannot be done, or the lab does not come back; the message says why."""


class Prober(threading.Thread):
    """Asks one thing again and again, each time for the next of its keys.

    Args:
        probe: takes in what comes of it.
        ask: asks for a key; raises what it was answered with, if not well.
        keys: what it asks for.
        over: when it ends.
    """

    def __init__(self, probe: Probe, ask: Callable[[str], None], keys: list[str], over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.probe = probe
        self.clean = 0.0  # when the last round began that had no error
        self._ask = ask
        self._keys = keys
        self._over = over

    def run(self) -> None:
        """Ask until it is over."""
        while not self._over.is_set():
            begun = time.monotonic()
            missed = [key for key in self._keys if not self._once(key)]  # each is asked, whatever the others say
            if not missed:
                self.clean = begun

    def _once(self, key: str) -> bool:
        if self._over.wait(PAUSE):
            return False
        begun = time.monotonic()
        said = ""
        try:
            self._ask(key)
        except Exception as error:  # whatever it is, it is what a client would meet
            said = kind_of(f"{type(error).__name__} {error}")
        self.probe.count(said, time.monotonic() - begun, time.monotonic())
        return not said


class Session:
    """Asks the database, over a connection that is made anew where it broke."""

    def __init__(self, where: dict[str, Any], password: str, statement: str) -> None:
        self._where = where
        self._password = password
        self._statement = statement
        self._connection: psycopg.Connection[Any] | None = None

    def __call__(self, key: str) -> None:
        """Ask for a key."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._where, self._password)
        try:
            self._connection.execute(self._statement.encode(), [key])
        except psycopg.OperationalError:
            # With Citus a session keeps connections to the workers, and tells of each that broke.
            self._connection.close()
            raise


def connect(where: dict[str, Any], password: str) -> psycopg.Connection[Any]:
    """Connect to the lab's database, with little patience."""
    return psycopg.connect(
        host=where["PGHOST"],
        port=where["PGPORT"],
        user=where["PGUSER"],
        dbname=where["PGDATABASE"],
        password=password,
        passfile="/dev/null",
        connect_timeout=PATIENCE,
        application_name="chaos",
        options=f"-c statement_timeout={PATIENCE}s -c lock_timeout={PATIENCE}s",
        autocommit=True,
        tcp_user_timeout=1000 * PATIENCE,
    )


def request(port: int) -> Callable[[str], None]:
    """What asks the API for a path."""

    def ask(path: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3 * PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ChaosError(f"the API answers {answer.status}")

    return ask


class Chaos:
    """One fault of a lab."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.lab: dict[str, Any] = parameters["lab"]
        self.fault: str = parameters["fault"]
        self.node: str = parameters["node"]
        self.timeout: int = parameters["timeout"]
        self.seconds = int(parameters["seconds"])
        self.directory: str = self.lab["directory"]
        self.program = os.path.join(self.directory, "bin", "fault.py")
        self.owner = Ownership.of(self.lab["user"], self.lab["group"])
        self.over = threading.Event()
        # A way into a cluster may lead through a proxy, or a program that logs in.
        names = WAY if self.lab["target"] != "host" else ()
        self.way = {name: value for name in names if (value := os.environ.get(name))}

    def password(self) -> str:
        """The administrator's."""
        login = self.lab["libpq"]["PGUSER"]
        path = os.path.join(self.directory, "credentials", f"{login}.pgpass")

        def read() -> str:
            with open(path, encoding="utf-8") as file:
                return read_password(file.read(), login)

        return self.owner.act(read)

    def look(self) -> list[tuple[str, str]]:
        """See that the lab is well.

        Returns:
            A key and its node for each shard.

        Raises:
            ChaosError: it is not; nothing was broken.
        """
        if not os.path.exists(self.program):
            raise ChaosError("this lab was made by an older version, which cannot: make the lab again first")
        self._ask("--look", *self._asked())
        try:
            with connect(self.lab["libpq"], self.password()) as connection:
                silent = connection.execute("SELECT node_name FROM lab.nodes WHERE NOT responds ORDER BY 1").fetchall()
                if silent:
                    names = ", ".join(name for (name,) in silent)
                    raise ChaosError(f"{names} does not answer: a lab is broken only when it is well; start it first")
                connection.execute("SET statement_timeout = '60s'")
                sample = connection.execute(SAMPLE).fetchall()
        except psycopg.Error as error:
            raise ChaosError(
                f"the coordinator does not answer: start the lab first ({str(error).splitlines()[0]})"
            ) from error
        if not sample:
            raise ChaosError("the lab has no patient to ask for: make the lab again first")
        return [(str(cedula), str(node)) for cedula, node in sample]

    def undo(self) -> None:
        """Undo what a fault that was killed has left.

        Raises:
            ChaosError: a fault is under way, or that does not go.
        """
        self._ask("--undo")

    def run(self, sample: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """Break the node, and measure until everything answers again.

        Returns:
            Rows of what was asked and noticed.

        Raises:
            ChaosError: the fault did not happen, or the lab does not come back.
        """
        probers = [*self._probers(sample)]
        for prober in probers:
            prober.start()
        try:
            self._wait(lambda: all(prober.clean for prober in probers), 60, "the lab is not well: nothing was broken")
            zero = time.monotonic() - (time.time() - self.break_node())
            ended = time.monotonic() if self.fault == "kill" else None
            time.sleep(self.seconds)  # so long it is to be broken
            self.undo()  # it does so by itself: this waits for it
            ended = ended or time.monotonic()
            self._wait(
                lambda: all(prober.clean > ended for prober in probers),
                self.timeout,
                f"not everything answers again {self.timeout} s after the end of the fault; diagnose says why, start helps",
            )
        finally:
            self.over.set()
        return rows_of([prober.probe for prober in probers], zero)

    def _probers(self, sample: list[tuple[str, str]]) -> Iterator[Prober]:
        password = self.password()
        for node in sorted({home for _key, home in sample}):
            keys = [key for key, home in sample if home == node]
            for kind, statement in (("read", READ), ("write", WRITE)):
                ask = Session(self.lab["libpq"], password, statement)
                yield Prober(Probe(node, kind), ask, keys, self.over)
        yield Prober(Probe(MIDDLEWARE, "request"), request(self.lab["api_port"]), ["/usuarios"], self.over)

    def break_node(self) -> float:
        """Have the lab's program break the node, which goes on by itself; when that was, in seconds since 1970."""
        return float(self._ask(*self._asked(), f"--seconds={self.seconds}", wait=False)["at"])

    def _asked(self) -> list[str]:
        """What the lab's program is told of the fault, the node, and where that is."""
        chosen = [f"--fault={self.fault}", f"--node={self.node}"]
        if self.lab["target"] == "host":
            port = next((each["port"] for each in self.lab["nodes"] if each["name"] == self.node), 0)
            return [*chosen, f"--port={port}"]
        return [*chosen, *(f"--{name}={self.lab[name] or ''}" for name in ("namespace", "kubeconfig", "context"))]

    def _ask(self, *arguments: str, wait: bool = True) -> dict[str, Any]:
        """Run the lab's program, as its user, until it says something, or to its end; what it says.

        Raises:
            ChaosError: what it said.
        """
        command = [self.lab["python"], self.program, f"--directory={self.directory}", *arguments]

        def run() -> str:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONUTF8": "1", **self.way},
                start_new_session=True,
                text=True,
            )
            said = process.stdout.readline() if process.stdout else ""
            if wait:
                process.wait()
            return said

        said: dict[str, Any] = json.loads(
            self.owner.act(run) or '{"error": "the program that breaks nodes ended without a word"}'
        )
        if "error" in said:
            raise ChaosError(said["error"])
        return said

    @staticmethod
    def _wait(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
        limit = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > limit:
                raise ChaosError(otherwise)
            time.sleep(0.05)  # the probers ask meanwhile


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "dict", "required": True},
            "fault": {"type": "raw"},
            "node": {"type": "raw"},
            "seconds": {"type": "raw", "default": 20},
            "timeout": {"type": "int", "default": 120},
            "state": {"type": "str", "choices": ["possible", "done"], "default": "done"},
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib("psycopg"), exception=str(MISSING))
    asked = module.params
    nodes = [node["name"] for node in asked["lab"]["nodes"]]
    wrong = problems(asked["fault"], asked["node"], asked["seconds"], nodes, pods=asked["lab"]["target"] != "host")
    if wrong:
        module.fail_json(msg="; ".join(wrong))
    try:
        chaos = Chaos(module.params)
        sample = chaos.look()
        broken = module.params["state"] == "done" and not module.check_mode
        probes = chaos.run(sample) if broken else []
    except (ChaosError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=module.params["state"] == "done",
        fault=chaos.fault,
        node=chaos.node,
        seconds=chaos.seconds,
        probes=probes,
    )


if __name__ == "__main__":
    main()
