"""The module lab_info, where nothing answers; the tests of whole labs ask it while all of it does."""

from __future__ import annotations

from pathlib import Path

from support.modules import RunModule


def test_what_does_not_answer_is_told(run_module: RunModule, tmp_path: Path) -> None:
    """No process, no database, no API, no cluster: each says so, and the module does not fail."""
    libpq = {
        "PGHOST": "127.0.0.1",
        "PGPORT": "1",
        "PGUSER": "admin",
        "PGDATABASE": "historia_clinica",
        "PGPASSFILE": "/none",
        "PGCONNECT_TIMEOUT": "5",
    }
    cluster = {"kubeconfig": str(tmp_path / "kubeconfig"), "context": "aula", "namespace": "hc-lab"}
    lab = {"target": "kubernetes", "directory": str(tmp_path), "api_port": 1, "libpq": libpq, **cluster}
    found = run_module("lab_info", lab=lab)
    assert not found["changed"]
    assert found["processes"] == []
    assert "Connection refused" in found["database"]["error"]
    assert found["api"] == {"status": 0, "body": {}}
    assert found["cluster_report"]["pods"] == []
    assert "aula" in found["cluster_report"]["error"]
