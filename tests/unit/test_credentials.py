"""The module credentials: passwords are generated once and kept."""

from __future__ import annotations

import stat
from pathlib import Path

from support.modules import RunModule


def test_credentials_generates_a_password_for_each_login(run_module: RunModule, tmp_path: Path) -> None:
    """32 letters and digits each, all different, in libpq's format, readable by the owner alone."""
    result = run_module("credentials", directory=str(tmp_path / "credentials"), logins=["admin", "middleware"])
    passwords = result["passwords"]
    assert result["changed"]
    assert set(passwords) == {"admin", "middleware"}
    assert all(len(password) == 32 and password.isalnum() for password in passwords.values())
    assert passwords["admin"] != passwords["middleware"]
    for login, password in passwords.items():
        file = tmp_path / "credentials" / f"{login}.pgpass"
        assert file.read_text() == f"*:*:*:{login}:{password}\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "credentials").stat().st_mode) == 0o700


def test_credentials_keeps_what_is_there_and_adds_what_is_missing(run_module: RunModule, tmp_path: Path) -> None:
    """A second run changes nothing; a new login gets a password, the others keep theirs."""
    first = run_module("credentials", directory=str(tmp_path), logins=["admin"])
    again = run_module("credentials", directory=str(tmp_path), logins=["admin"])
    more = run_module("credentials", directory=str(tmp_path), logins=["admin", "readonly"])
    assert not again["changed"]
    assert again["passwords"] == first["passwords"]
    assert more["passwords"]["admin"] == first["passwords"]["admin"]
    assert more["generated"] == ["readonly"]
    assert (tmp_path / "nodes.pgpass").read_text().count("\n") == 2


def test_credentials_of_people_are_not_the_nodes(run_module: RunModule, tmp_path: Path) -> None:
    """What the servers log in to each other with stays as it is."""
    run_module("credentials", directory=str(tmp_path), logins=["admin"])
    before = (tmp_path / "nodes.pgpass").read_text()
    result = run_module("credentials", directory=str(tmp_path), logins=["ana"], nodes=False)
    assert result["generated"] == ["ana"]
    assert (tmp_path / "nodes.pgpass").read_text() == before


def test_credentials_in_check_mode_generates_nothing(run_module: RunModule, tmp_path: Path) -> None:
    """Check mode says that it would, and writes no file."""
    result = run_module("credentials", check=True, directory=str(tmp_path / "credentials"), logins=["admin"])
    assert result["changed"]
    assert result["passwords"] == {"admin": ""}
    assert not (tmp_path / "credentials").exists()


def test_credentials_generates_keys_once_and_keeps_a_rotation(run_module: RunModule, tmp_path: Path) -> None:
    """A file for each kind of key, which is no login; a line that somebody put before the others stays there."""
    first = run_module("credentials", directory=str(tmp_path), logins=["admin"], keys=["signing"])
    file = tmp_path / "signing.keys"
    assert first["changed"]
    assert first["keys"] == {"signing": file.read_text()}
    assert len(file.read_text().strip()) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "signing" not in (tmp_path / "nodes.pgpass").read_text()
    file.write_text("a newer key\n" + first["keys"]["signing"])
    again = run_module("credentials", directory=str(tmp_path), logins=["admin"], keys=["signing"])
    assert not again["changed"]
    assert again["keys"]["signing"].splitlines()[0] == "a newer key"
    checked = run_module("credentials", check=True, directory=str(tmp_path / "new"), logins=["admin"], keys=["signing"])
    assert checked["keys"] == {"signing": ""}
