"""The API of a lab as a process of a benchmark's own: the command of its README, the lab's database.

Beside it, the same of a commit of before, from the repository's history and with the packages that were locked for it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from support.labs import Lab

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "files/middleware/src"
ENVIRONMENTS = ROOT / ".cache/benchmarks"
#: The last build on uvicorn, with a fiber for each request.
BEFORE = "bdeb5bcd19d6037fc757230e714acccc94757705"


def environment(lab: Lab, access: str = "open", package: Path = PACKAGE) -> dict[str, str]:
    """What a service needs to know to answer for a lab, with access ``open`` or under the ``rules``."""
    user = {"open": "middleware", "rules": "api"}[access]
    keys = {"HISTORIA_CLINICA_SIGNING_KEYS": str(lab.directory / "credentials/signing.keys")}
    return {
        **(keys if access == "rules" else {}),
        "PATH": os.environ["PATH"],
        "PGHOST": "127.0.0.1",
        "PGPORT": str(lab.database_port),
        "PGUSER": user,
        "PGDATABASE": "historia_clinica",
        "PGPASSFILE": str(lab.directory / f"credentials/{user}.pgpass"),
        "PYTHONPATH": str(package),
        "HISTORIA_CLINICA_ACCESS": access,
    }


def command(port: int, package: Path = PACKAGE, python: str = sys.executable) -> list[str]:
    """The command of the README of a package, at another port."""
    text = (package.parent / "README.md").read_text(encoding="utf-8")
    arguments = text.partition("python -m historia_clinica.server")[2].partition("```")[0].split()
    return [
        python,
        "-m",
        "historia_clinica.server",
        *(f"--port={port}" if a == "--port=8080" else a for a in arguments),
    ]


def unpack_before(place: Path, *paths: str) -> None:
    """Put the checkout as it was at BEFORE into a folder, or some of its paths."""
    archive = ["git", "-C", str(ROOT), "archive", BEFORE, *paths]
    found = subprocess.run(archive, stdout=subprocess.PIPE, check=False)
    if found.returncode:
        sys.exit(f"The repository has no commit {BEFORE[:7]}, which is measured beside this one: git fetch --unshallow")
    unpack = ["tar", "-x", "-C", str(place)]
    subprocess.run(unpack, input=found.stdout, check=True)


def before(place: Path) -> tuple[Path, str]:
    """The package as it was at BEFORE, put into a folder, and the Python that has its packages."""
    unpack_before(place, "files/middleware")
    package = place / "files/middleware"
    return package / "src", str(made("before", package / "requirements.txt"))


def made(name: str, requirements: Path) -> Path:
    """The Python of an environment that has the packages of a locked file; made when it is first asked for."""
    folder = ENVIRONMENTS / name
    python, mark, locked = folder / "bin/python", folder / "locked", requirements.read_bytes()
    if not mark.exists() or mark.read_bytes() != locked:
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        synced = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(requirements)]
        subprocess.run(synced, check=True)
        mark.write_bytes(locked)
    return python


@contextlib.contextmanager
def running(command: list[str], port: int, variables: dict[str, str], place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server as long as the block lasts, so that it has the processor only then.

    Args:
        command: what to run.
        port: where it listens; any answer there, an error too, says that it is there.
        variables: its environment.
        place: a folder; its log is ``server.log`` there.
    """
    with (place / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env=variables, cwd=place, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the server did not start; see {place}/server.log")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz/live", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
