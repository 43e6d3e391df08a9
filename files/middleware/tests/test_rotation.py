"""Passwords and keys are changed while the service answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PASSWORD, Lab
from flask import Flask
from people import KEY, log_in

from historia_clinica.config import ConfigurationError
from historia_clinica.tokens import SigningKeys

NEW = "what-takes-its-place"


@pytest.fixture
def next_password(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    """Give the file with the password that takes the other's place."""
    file = tmp_path / "next.pgpass"
    file.write_text(f"*:*:*:*:{NEW}\n")
    file.chmod(0o600)
    lab.environment["HISTORIA_CLINICA_NEXT_PASSFILE"] = str(file)
    yield file
    lab.admin.execute(f"ALTER ROLE middleware PASSWORD '{PASSWORD}'".encode())


def test_service_comes_in_with_the_next_password_where_the_other_is_refused(
    lab: Lab, next_password: Path, request: pytest.FixtureRequest
) -> None:
    """Before the file of the other is replaced, and afterwards."""
    app: Flask = request.getfixturevalue("app")
    client = app.test_client()
    assert client.get("/usuarios").status_code == 200
    lab.admin.execute(f"ALTER ROLE middleware PASSWORD '{NEW}'".encode())
    lab.rows("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'middleware'")
    assert client.get("/usuarios").status_code == 200
    next_password.unlink()
    lab.rows("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'middleware'")
    answer = client.get("/usuarios")
    assert answer.status_code == 503
    assert "rechaza el usuario o la contraseña" in answer.get_json()["detail"]
    Path(lab.environment["PGPASSFILE"]).write_text(f"*:*:*:*:{NEW}\n")
    assert client.get("/usuarios").status_code == 200


def test_an_older_key_is_believed_until_its_time_is_over(
    rules: Lab, keys: Path, request: pytest.FixtureRequest
) -> None:
    """Whoever holds a token of it goes on; what it signs later is refused."""
    client = request.getfixturevalue("app").test_client()
    held = log_in(client, "administrador")
    now = time.time()
    keys.write_text(f"{'n' * 32}\n{KEY}\t{int(now) + 900}\n")
    assert client.get("/api/v1/medicos", headers=held).status_code == 200
    assert client.get("/api/v1/medicos", headers=log_in(client, "administrador")).status_code == 200
    keys.write_text(f"{'n' * 32}\n{KEY}\t{int(now) - 1}\n")
    assert client.get("/api/v1/medicos", headers=held).status_code == 401


@pytest.mark.parametrize("text", [f"{KEY}\t1\n", f"{KEY}\n{KEY}\tsoon\n", f"{KEY}\n{KEY}\t1\t2\n"])
def test_what_stands_behind_a_key_is_a_time(keys: Path, text: str) -> None:
    """Of an older one only: the first one signs."""
    keys.write_text(text)
    with pytest.raises(ConfigurationError, match="behind an older secret may stand a tab"):
        SigningKeys(keys)
