"""Real labs, made by the playbooks: described, run, asked, killed and removed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg
import pytest

ROOT = Path(__file__).parents[2]
ENGINES = ("postgres_fdw", "citus")
#: The labs of the tests are far from a person's: ports, directories and names of their own.
FIRST_PORT = 25000


@dataclass(frozen=True)
class Run:
    """A finished ansible-playbook.

    Attributes:
        rc: its exit code.
        stdout: what it printed.
        stderr: what it printed as errors.
        seconds: how long it took.
        recap: the counts of its recap, by host.
    """

    rc: int
    stdout: str
    stderr: str
    seconds: float
    recap: dict[str, dict[str, int]]


def run_playbook(*arguments: str, environment: dict[str, str] | None = None, within: Sequence[str] = ()) -> Run:
    """Run ansible-playbook in the checkout; ``within`` is a command that runs another one."""
    started = time.monotonic()
    done = subprocess.run(
        [*within, str(Path(sys.executable).with_name("ansible-playbook")), *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    recap = {
        host: {key: int(number) for key, number in re.findall(r"(\w+)=(\d+)", counts)}
        for host, counts in re.findall(r"^(\S+)\s+: (ok=.*)$", done.stdout, re.MULTILINE)
    }
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - started, recap)


@dataclass
class Lab:
    """A lab on this machine.

    Attributes:
        name: its name.
        engine: ``citus`` or ``postgres_fdw``.
        directory: its directory.
        inventory: the inventory that has just this lab.
        database_port: the coordinator's port; worker N has this one plus N.
        api_port: the middleware's port.
        variables: what its inventory sets.
        environment: what its playbooks get besides that of the tests.
        made: the run that made it, with -vvv --diff.
    """

    name: str
    engine: str
    directory: Path
    inventory: Path
    database_port: int
    api_port: int
    variables: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    made: Run | None = None

    @property
    def api_url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def record(self) -> dict[str, Any]:
        """What the lab remembers of itself."""
        loaded: dict[str, Any] = json.loads((self.directory / "lab.json").read_text(encoding="utf-8"))
        return loaded

    def port(self, node: str) -> int:
        """The port of a node, by its name."""
        number = re.fullmatch(r"citus-worker-(\d+)", node)
        return self.database_port + (int(number[1]) if number else 0)

    def connect(
        self, user: str = "admin", node: str = "citus-coordinator", autocommit: bool = True, options: str = ""
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection to one of the lab's servers, with options of libpq."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port(node),
            user=user,
            dbname="historia_clinica",
            passfile=str(self.directory / "credentials" / f"{user}.pgpass"),
            connect_timeout=5,
            options=options,
            autocommit=autocommit,
        )

    def lets_in(self, login: str, password: str, node: str = "citus-coordinator") -> bool:
        """Whether a node lets a login in with a password, and does not refuse the password."""
        try:
            psycopg.connect(
                host="127.0.0.1",
                port=self.port(node),
                user=login,
                dbname="historia_clinica",
                password=password,
                passfile="/dev/null",
            ).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                return False
            raise
        return True

    def play(self, playbook: str, *arguments: str, within: Sequence[str] = ()) -> Run:
        """Run one of the project's playbooks on this lab; ``within`` is a command that runs another one."""
        return run_playbook(
            "-i", str(self.inventory), f"playbooks/{playbook}", *arguments, environment=self.environment, within=within
        )

    def token(self) -> str:
        """A token of an administrator, as `make token` gives it."""
        run = self.play("token.yml")
        told = re.search(r'"token": "(\S+)"', run.stdout)
        assert told is not None, run.stdout + run.stderr
        return told[1]

    def start(self, playbook: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of the project's playbooks on this lab, and do not wait for its end."""
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return subprocess.Popen(
            [program, "-i", str(self.inventory), f"playbooks/{playbook}", *arguments],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill_while(self, playbook: str, condition: Callable[[], bool], *arguments: str) -> int:
        """Start a playbook and kill it, and what it started, once a condition holds; its exit code."""
        process = self.start(playbook, *arguments)
        try:
            self.wait_until(lambda: condition() or process.poll() is not None, 120)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended by itself
                family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
                for pid in family:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        return process.wait()

    def postmaster(self, node: str) -> int:
        """The process of a node's server.

        Raises:
            ProcessLookupError: there is none, or it is just starting and has not written its number yet.
        """
        try:
            text = (self.directory / "data" / node / "postmaster.pid").read_text(encoding="utf-8")
            return int(text.splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError) as error:
            raise ProcessLookupError(f"{node} has no process") from error

    def kill(self, node: str) -> None:
        """Kill a node's server, without a chance to end in good order."""
        os.kill(self.postmaster(node), signal.SIGKILL)

    def control(self, command: str, program: str) -> None:
        """Start or stop one of the lab's programs, as somebody does who knows its supervisor."""
        supervisorctl = [
            f"{self.variables['runtime_directory']}/bin/supervisorctl",
            f"--configuration={self.directory}/config/supervisord.conf",
        ]
        subprocess.run([*supervisorctl, command, program], check=True, stdout=subprocess.DEVNULL)

    @contextlib.contextmanager
    def stopped(self, node: str) -> Iterator[None]:
        """A while in which a node's server is stopped, and stays so; at the end it is started."""
        self.control("stop", node)
        try:
            yield
        finally:
            self.control("start", node)

    @contextlib.contextmanager
    def without(self, node: str) -> Iterator[None]:
        """A while in which a node's server is stopped; at the end all nodes answer, and doctors can be written."""

        def whole() -> bool:
            with self.connect() as connection:
                connection.execute("UPDATE medicos SET activo = activo WHERE id = 1")
                return connection.execute("SELECT bool_and(responds) FROM lab.nodes").fetchall() == [(True,)]

        with self.stopped(node):
            yield
        self.wait_until(whole)

    def kill_middleware(self) -> None:
        """Kill the service, its workers are left to see that for themselves."""
        mine = [
            process
            for process in psutil.process_iter(["cmdline"])
            if f"--port={self.api_port}" in (process.info["cmdline"] or [])
        ]
        min(mine, key=lambda process: process.create_time()).kill()

    def wait_until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until a condition holds; a database that does not answer, or has no process yet, counts as "no"."""
        limit = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except (psycopg.Error, ProcessLookupError):
                pass
            if time.monotonic() > limit:
                pytest.fail(f"waited {seconds} s in vain for {condition}")
            time.sleep(0.05)


class Workshop:
    """A place for labs that is removed with all of them.

    Attributes:
        first_port: of its first lab. Suites that run side by side have ports of their own.
    """

    first_port = FIRST_PORT

    def __init__(self, place: Path) -> None:
        self.place = place
        self.labs: list[Lab] = []
        self._finished: dict[str, Lab] = {}

    @classmethod
    @contextlib.contextmanager
    def open(cls, prefix: str) -> Iterator[Self]:
        """A place below /tmp, short enough for the paths of sockets, which the labs' users may enter; removed with all labs."""
        place = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
        place.chmod(0o755)
        workshop = cls(place)
        try:
            yield workshop
        finally:
            workshop.clean()

    def finished(self, engine: str) -> Lab:
        """The lab of an engine that the tests share, made when it is first asked for."""
        if engine not in self._finished:
            lab = self.lab(f"test-{engine.replace('_', '-')}", engine)
            lab.made = lab.play("site.yml", "-vvv", "--diff")
            assert lab.made.rc == 0, lab.made.stdout + lab.made.stderr
            self._finished[engine] = lab
        return self._finished[engine]

    def lab(self, name: str, engine: str, **variables: Any) -> Lab:
        """Describe a lab without making it."""
        servers = {"lab_postgres_bin": citus_servers()} if engine == "citus" else {}
        lab = Lab(*self.described(name, engine, self.first_port, {"lab_target": "host", **servers, **variables}))
        self.labs.append(lab)
        return lab

    def described(
        self, name: str, engine: str, first_port: int, variables: dict[str, Any]
    ) -> tuple[str, str, Path, Path, int, int, dict[str, Any]]:
        """The arguments of the next lab, whose inventory is written."""
        number = len(self.labs)
        directory = self.place / "labs" / name
        values = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "runtime_directory": str(self.place / "runtime"),
            "lab_directory": str(directory),
            "lab_engine": engine,
            "lab_database_port": first_port + 100 * number,
            "lab_api_port": first_port + 100 * number + 99,
            **variables,
        }
        inventory = self.place / f"{name}.json"
        inventory.write_text(json.dumps({"all": {"hosts": {name: values}}}), encoding="utf-8")
        return name, engine, directory, inventory, values["lab_database_port"], values["lab_api_port"], values

    def clean(self) -> None:
        """Remove every lab, and the place."""
        for lab in self.labs:
            lab.play("teardown.yml")
        shutil.rmtree(self.place, ignore_errors=True)


def only(engine: str) -> pytest.MarkDecorator:
    """Mark a test, or a file of tests, as one about one engine: the fixture ``lab`` is that engine's."""
    return pytest.mark.parametrize("lab", [engine], indirect=True, scope="session")


#: Mark a test of what is the same with every engine: `make test` asks one, `make test-long` the other, too.
engines_alike = pytest.mark.parametrize(
    "lab", ["postgres_fdw", pytest.param("citus", marks=pytest.mark.long)], indirect=True, scope="session"
)


def citus_servers() -> str | None:
    """The folder of a PostgreSQL that has Citus, where the machine has one."""
    return os.environ.get("LAB_TEST_POSTGRES_BIN") or None


def runnable_engines() -> list[str]:
    """The engines that this machine can run on the target host; says which it cannot."""
    if citus_servers():
        return list(ENGINES)
    print("citus: skipped: LAB_TEST_POSTGRES_BIN names no PostgreSQL with Citus", file=sys.stderr)
    return [engine for engine in ENGINES if engine != "citus"]


def isolated(lock: str) -> list[str]:
    """What runs a program of a locked environment of its own, before the program's name."""
    return ["uv", "run", "--quiet", "--isolated", "--no-project", "--with-requirements", lock]


def processes_of(place: Path) -> list[psutil.Process]:
    """The processes whose command line names a directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(place) in argument for argument in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found
