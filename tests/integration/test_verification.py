"""`make verify`: every check passes on a healthy lab, and a broken lab is told which failed."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.checks import checks_of
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import FAIL, PASS, SKIPPED
from support.labs import Lab, Run, engines_alike


def verify(lab: Lab, file: Path) -> tuple[Run, dict[str, Any]]:
    """Run the playbook; give its report, too."""
    file.unlink(missing_ok=True)
    run = lab.play("verify.yml", "-e", json.dumps({"verification_file": str(file)}))
    assert file.exists(), run.stdout + run.stderr
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return run, report


def found(report: dict[str, Any], result: str) -> dict[str, str]:
    """What was found for the checks with a result."""
    return {check["id"]: check["found"] for check in report["checks"] if check["result"] == result}


def test_a_lab_passes_every_check_and_is_left_as_it_was(lab: Lab) -> None:
    """Exit 0, the table with every check, and nothing changed."""
    run = lab.play("verify.yml")
    assert run.rc == 0, run.stdout
    assert run.recap[lab.name]["changed"] == 0
    checks = checks_of(lab.engine, pods=False)
    assert f"{len(checks)} of {len(checks)} checks passed." in run.stdout
    for check in checks:
        assert f"ok       {check.id} " in run.stdout


def test_what_is_broken_is_named_and_exits_with_an_error(lab: Lab, tmp_path: Path) -> None:
    """A renamed user, a right too many, a copy that differs, one who waits: these and no others, each with what was found."""
    admin = lab.connect()
    worker = lab.connect(node="citus-worker-1")
    copy = "medicos"
    if lab.engine == "citus":
        [(copy,)] = admin.execute("SELECT DISTINCT shard_name FROM lab.shards WHERE table_name = 'medicos'").fetchall()
        worker.execute("SET citus.enable_manual_changes_to_shards = on")
    else:
        worker.execute("SET session_replication_role = replica")  # past what refuses it
    holder, waiter = lab.connect(autocommit=False), lab.connect()
    holder_pid, waiter_pid = holder.info.backend_pid, waiter.info.backend_pid
    waiting = threading.Thread(target=waiter.execute, args=["SELECT pg_advisory_lock(15)"])
    try:
        holder.execute("SELECT pg_advisory_lock(15)")
        waiting.start()
        admin.execute("UPDATE usuario SET nombre = 'Luis' WHERE documento_id = '1072319876'")
        admin.execute("GRANT DELETE ON pacientes TO readonly")
        worker.execute(
            f"INSERT INTO {copy} (id, nombre, especialidad, registro, ciudad)"
            " VALUES (999, 'Nadie', 'Ninguna', 'falso', 'Cali')".encode()
        )
        lab.wait_until(lambda: admin.execute("SELECT max(seconds) > 10 FROM lab.waits").fetchall() == [(True,)])
        run, report = verify(lab, tmp_path / "report.json")
    finally:
        holder.close()
        waiting.join()
        waiter.close()
        admin.execute("UPDATE usuario SET nombre = 'Luis Herrera' WHERE documento_id = '1072319876'")
        admin.execute("REVOKE DELETE ON pacientes FROM readonly")
        worker.execute(f"DELETE FROM {copy} WHERE id = 999".encode())
        admin.close()
        worker.close()
    assert run.rc != 0
    broken = found(report, FAIL)
    assert broken.pop("original-users") == "1072319876: changed"
    assert broken.pop("least-privilege") == "readonly has DELETE on pacientes"
    assert broken.pop("as-installed") == (
        "rights pacientes readonly: found DELETE, SELECT, installed SELECT;"
        " rows of medicos on citus-worker-1: found others, not those of the coordinator"
    )
    assert broken.pop("medicos-replicated").startswith("copies differ: ")
    wait = rf"admin \(process {waiter_pid} on citus-coordinator\) has waited \d+ s for advisory, held by admin \(process {holder_pid} "
    assert re.match(wait, broken.pop("no-long-waits"))
    assert set(broken) <= {"rows-on-workers"}  # the odd copy is the largest, which is what that check compares
    assert "FAILED   original-users" in run.stdout
    assert re.search(r"original's two users are there\. Fix:\n +make lab INVENTORY=", run.stdout)
    assert not report["ok"]


@contextmanager
def frozen(lab: Lab, node: str) -> Iterator[None]:
    """A server that takes connections and answers none."""
    server = lab.postmaster(node)
    os.kill(server, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server, signal.SIGCONT)


def test_a_worker_that_does_not_answer_breaks_what_needs_it(lab: Lab, tmp_path: Path) -> None:
    """The worker is named as the one cause; what the other nodes can say is still checked."""
    with frozen(lab, "citus-worker-2"):
        run, report = verify(lab, tmp_path / "report.json")
    assert run.rc != 0
    assert found(report, FAIL)["nodes-answer"].startswith("citus-worker-2: ")
    assert found(report, SKIPPED)["rows-on-workers"] == "not checked: node citus-worker-2 does not answer"
    assert {"database-answers", "nodes-registered", "colocated", "passwords-required", "api-answers"} <= set(
        found(report, PASS)
    )


@engines_alike
def test_stopped_workers_are_one_cause_with_the_mildest_cure(lab: Lab, tmp_path: Path) -> None:
    """What asks them is not checked, nobody is advised to give up data, and the first cure that is named mends it."""
    for worker in ("citus-worker-1", "citus-worker-2"):
        lab.control("stop", worker)
    try:
        run, report = verify(lab, tmp_path / "report.json")
        assert run.rc != 0
        assert set(found(report, FAIL)) == {"nodes-answer"}, run.stdout
        not_checked = found(report, SKIPPED)
        assert {"constraints", "rows-on-workers", "sample-join", "api-users"} <= set(not_checked)
        assert set(not_checked.values()) == {"not checked: nodes citus-worker-1, citus-worker-2 do not answer"}
        remedy = re.search(r"Every node answers\. Fix:\n +make (\S+) ", run.stdout)
        assert remedy, run.stdout
        assert "reset" not in run.stdout
        status = lab.play("status.yml")
        assert "make start" in status.stdout
    finally:
        started = lab.play("start.yml")
    assert remedy[1] == "start"
    assert started.rc == 0, started.stdout
    assert verify(lab, tmp_path / "report.json")[1]["ok"]


@engines_alike
def test_without_a_database_one_check_fails(lab: Lab, tmp_path: Path) -> None:
    """The database is what failed; what could not be queried is skipped, and no task crashes."""
    with frozen(lab, "citus-coordinator"):
        run, report = verify(lab, tmp_path / "report.json")
    assert run.rc != 0
    assert "database-answers" in found(report, FAIL)
    assert set(found(report, FAIL)) <= {"database-answers", "api-status"}
    assert {"colocated", "passwords-required", "api-users"} <= set(found(report, SKIPPED))
    assert "api-answers" in found(report, PASS)


@engines_alike
def test_verify_leaves_nothing_in_the_database(lab: Lab) -> None:
    """The function that asks is gone with its transaction."""
    assert lab.play("verify.yml").rc == 0
    with lab.connect() as connection:
        left: list[tuple[Any, ...]] = connection.execute("SELECT proname FROM pg_proc WHERE proname = 'ask'").fetchall()
    assert left == []


def test_verify_reads_with_a_wrong_password_refused(lab: Lab) -> None:
    """What the check says of passwords is true."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host="127.0.0.1", port=lab.database_port, user="admin", password="falsa", dbname="historia_clinica"
        )
