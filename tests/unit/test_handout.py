"""What a student is handed out: enough, nothing else, and nobody else's."""

from __future__ import annotations

import configparser
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.handout import PAGES
from support.modules import RunModule

LAB = {"name": "ana-soto", "database_port": 16000, "api_port": 16019}
GIVEN = {
    "lab": LAB,
    "student": {"name": "Ana Soto", "account": "asoto"},
    "server": "aula.uni.edu.co",
    "login": "admin",
    "password": "s3cret",
    "document": "1000000001",
    "api": '{"clave": "first", "token": "ey..."}',
}


@pytest.fixture
def handed(run_module: RunModule, tmp_path: Path) -> Any:
    """Hand out into a place of its own."""

    def run(check: bool = False, **changes: Any) -> dict[str, Any]:
        parameters = {"directory": str(tmp_path / "handouts"), **GIVEN, **changes}
        return run_module("handout", check, **{name: value for name, value in parameters.items() if value is not None})

    return run


def modes(place: Path) -> set[int]:
    """Who may do what with all that was written."""
    return {path.stat().st_mode & 0o077 for path in place.rglob("*")}


def test_a_handout_is_enough_and_nothing_else(handed: Any, tmp_path: Path) -> None:
    """Folder and zip file are the same, for the student alone."""
    folder = tmp_path / "handouts/ana-soto"
    folder.mkdir(parents=True)
    (folder / "old").write_text("of another week", encoding="utf-8")
    assert handed()["changed"]
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert set(texts) == {"LEAME.md", "pg_service.conf", "pgpass", "api.json"}
    assert "ssh -N -L 16000:127.0.0.1:16000 -L 16019:127.0.0.1:16019 asoto@aula.uni.edu.co" in texts["LEAME.md"]
    service = configparser.ConfigParser()
    service.read_string(texts["pg_service.conf"])
    assert dict(service["lab"]) == {
        "host": "127.0.0.1",
        "port": "16000",
        "dbname": "historia_clinica",
        "user": "admin",
        "passfile": "pgpass",
    }
    assert texts["pgpass"] == "127.0.0.1:16000:historia_clinica:admin:s3cret\n"
    assert json.loads(texts["api.json"]) == {"documento_id": "1000000001", "clave": "first"}
    assert modes(tmp_path / "handouts") == {0}
    with zipfile.ZipFile(tmp_path / "handouts/ana-soto.zip") as archive:
        packed = {entry.filename: archive.read(entry).decode() for entry in archive.infolist()}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o600}
    assert packed == {f"ana-soto/{name}": text for name, text in texts.items()}


def test_an_account_that_was_made_for_the_student_has_its_key_in_the_handout(handed: Any, tmp_path: Path) -> None:
    """For the student alone, as all of it; and the page says how to come in with it, and what there is."""
    assert handed(key="the key")["changed"]
    folder = tmp_path / "handouts/ana-soto"
    page = (folder / "LEAME.md").read_text(encoding="utf-8")
    assert (folder / "id_ed25519").read_text(encoding="utf-8") == "the key"
    assert modes(tmp_path / "handouts") == {0}
    assert "    ssh -i id_ed25519 asoto@aula.uni.edu.co\n    aula exercises\n" in page
    assert page.index("chmod 600 pgpass id_ed25519") < page.index("ssh -i id_ed25519 -N -L 16000")


#: A lab in a cluster, and how it is reached; `near`: from the server alone.
IN_A_CLUSTER: dict[str, Any] = {
    "lab": {**LAB, "namespace": "hc-ana-soto"},
    "kubeconfig": "the kubeconfig",
    "cluster": {"until": "2027-04-30 12:00 UTC", "address": "https://192.168.49.2:8443", "near": False},
}


@pytest.mark.parametrize("language", PAGES)
@pytest.mark.parametrize("near", [False, True])
def test_a_lab_in_a_cluster_has_its_kubeconfig_in_the_handout(
    handed: Any, tmp_path: Path, language: str, near: bool
) -> None:
    """For the student alone; the page says how to use it, until when, and where the cluster answers."""
    cluster = {**IN_A_CLUSTER["cluster"], "near": near}
    assert handed(**{**IN_A_CLUSTER, "cluster": cluster}, language=language)["changed"]
    folder = tmp_path / "handouts/ana-soto"
    assert (folder / "kubeconfig").read_text(encoding="utf-8") == "the kubeconfig"
    assert modes(tmp_path / "handouts") == {0}
    page = (folder / PAGES[language]).read_text(encoding="utf-8")
    assert "    kubectl --kubeconfig kubeconfig get pods\n" in page
    assert "2027-04-30 12:00 UTC" in page
    assert "    chmod 600 pgpass kubeconfig\n" in page
    far = "port-forward service/citus-coordinator 16000:5432"
    tunnel = "--server https://127.0.0.1:8443 --tls-server-name 192.168.49.2 get pods"
    assert (far in page, tunnel in page) == (not near, near)
    assert ("`-L 8443:192.168.49.2:8443`" in page, "`aula.uni.edu.co`" in page) == (near, near)


def test_a_second_handout_keeps_what_was_given(handed: Any, tmp_path: Path) -> None:
    """The API's password, and so the same bytes."""
    handed()
    zipped = tmp_path / "handouts/ana-soto.zip"
    before = zipped.read_bytes()
    assert not handed(api=None)["changed"]
    assert zipped.read_bytes() == before
    (tmp_path / "handouts/ana-soto/pgpass").chmod(0o644)
    assert handed(api=None)["changed"]
    assert modes(tmp_path / "handouts") == {0}


def test_a_check_writes_nothing(handed: Any, tmp_path: Path) -> None:
    """It says that something would change."""
    assert handed(api=None, check=True)["changed"]
    assert not (tmp_path / "handouts").exists()


def test_without_a_password_of_the_api_nothing_is_handed_out(handed: Any, tmp_path: Path) -> None:
    """It says where there is none."""
    said = handed(api=None)
    assert said["failed"]
    assert "there is no password of the API in" in said["msg"]
    assert not (tmp_path / "handouts").exists()


@pytest.mark.parametrize("language", PAGES)
def test_the_page_is_there_in_both_languages(handed: Any, tmp_path: Path, language: str) -> None:
    """With the same commands; where the list names no account, there is room for it."""
    handed(language=language, student={"name": "", "account": ""})
    page = (tmp_path / "handouts/ana-soto" / PAGES[language]).read_text(encoding="utf-8")
    assert [line.strip().partition(" ")[0] for line in page.splitlines() if line.startswith("    ")] == [
        "chmod",
        "ssh",
        "PGSERVICEFILE=pg_service.conf",
        "curl",
        "curl",
    ]
    assert ("CUENTA@" in page) == (language == "es")
