"""Every check passes on a healthy lab, and fails on a lab that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import FAIL
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.tables import DIAGNOSES, MUNICIPALITIES
from support.observations import CHECKS, WORKERS, Found, database_down, node, results, worker_down

ROOT = Path(__file__).parents[3]


def _worker_unregistered(found: Found) -> None:
    del found.answers["nodes"][2]


def _worker_inactive(found: Found) -> None:
    del found.answers["active-workers"][0]


def _table_local(found: Found) -> None:
    found.answers["citus-tables"][0]["citus_table_type"] = "local"


def _pacientes_by_id(found: Found) -> None:
    found.table("pacientes")["distribution_column"] = "id"


def _consultas_local(found: Found) -> None:
    found.table("consultas").update(kind="local", distribution_column=None)


def _usuario_copied(found: Found) -> None:
    found.table("usuario").update(kind="reference", distribution_column=None)


def _key_apart(found: Found) -> None:
    found.answers["places"][7]["consulta"] = WORKERS[0]


def _copy_differs(found: Found) -> None:
    next(row for row in found.answers["shards"] if row["table_name"] == "medicos")["rows"] = 39


def _municipality_lost(found: Found) -> None:
    next(row for row in found.answers["shards"] if row["table_name"] == "municipios")["rows"] = 1121


def _diagnosis_lost(found: Found) -> None:
    next(row for row in found.answers["shards"] if row["table_name"] == "cie10")["rows"] = 184


def _row_lost(found: Found) -> None:
    found.answers["counts"][0]["consultas"] = 401


def _all_on_one(found: Found) -> None:
    for row in found.answers["shards"]:
        if row["table_name"] == "pacientes":
            row["rows"] = 200 if row["node_name"] == WORKERS[0] else 0


def _join_refused(found: Found) -> None:
    del found.answers["sample-join"]
    found.errors["sample-join"] = "complex joins are only supported"


def _user_renamed(found: Found) -> None:
    found.answers["users"][0]["nombre"] = "Luis"


def _key_missing(found: Found) -> None:
    found.answers["constraints"][1]["foreign_keys"] = 11


def _right_too_many(found: Found) -> None:
    found.answers["privileges"].append({"problem": "readonly has SELECT on usuario"})


def _index_dropped(found: Found) -> None:
    found.answers["installed"].append({"object": "index consultas i", "found": "absent", "wanted": "CREATE INDEX i"})


def _other_zone(found: Found) -> None:
    found.answers["other-settings"].append(
        {"node_name": WORKERS[0], "setting": "TimeZone", "found": "UTC", "wanted": "America/Bogota"}
    )


def _index_invalid(found: Found) -> None:
    found.answers["invalid-indexes"] += [
        {"node_name": "citus-coordinator", "index": "malo"},
        {"node_name": WORKERS[0], "index": "malo_102044"},
    ]


def _owner_locked_out(found: Found) -> None:
    found.answers["obstacles"].append({"object": "owner ana", "problem": "the nodes cannot log in"})


def _somebody_waits(found: Found) -> None:
    found.answers["waits"] += [
        {
            **dict.fromkeys(("waiting_node", "blocking_node"), "citus-coordinator"),
            **{"waits_for": "pacientes", "seconds": seconds, "waiting_pid": 7, "waiting_login": "admin"},
            **{"blocking_pid": 9, "blocking_login": "api", "blocking_state": "idle in transaction"},
        }
        for seconds in (9.9, 42.4)
    ]


def _login_blind(found: Found) -> None:
    found.people["results"][0]["query_result"] = [{"patients": 0}]


def _login_refused(found: Found) -> None:
    found.people["results"][0] = {"item": "ana", "msg": 'FATAL:  password authentication failed for user "ana"'}


def _password_not_asked(found: Found) -> None:
    found.logins["results"][0]["query_result"] = [{"?column?": 1}]


def _api_down(found: Found) -> None:
    for answer in found.api.values():
        answer.update(status=-1, msg="Connection refused")
        del answer["json"]


def _other_engine(found: Found) -> None:
    found.api["/status"]["json"]["motor"] = "postgres_fdw"


def _user_not_listed(found: Found) -> None:
    found.api["/usuarios"]["json"]["siguiente"] = None


def _worker_not_listed(found: Found) -> None:
    del found.api["/citus/workers"]["json"]["workers"][0]


def _files_of_others(found: Found) -> None:
    found.replaceable = ["/labs/lab/bin", "/labs/lab/bin/psql", "/labs/lab/config", "/labs/lab/lab.json"]


def _details_logged(found: Found) -> None:
    found.answers["log-settings"][0]["setting"] = "default"


#: For each check a lab that fails it, and what the report has to say.
FAILING: dict[str, tuple[Callable[[Found], None], str]] = {
    "database-answers": (database_down, 'unable to connect to database: connection to server at "127.0.0.1" failed'),
    "nodes-registered": (
        _worker_unregistered,
        "not registered: citus-worker-2; found citus-coordinator, citus-worker-1",
    ),
    "nodes-answer": (worker_down, "citus-worker-2: failed to connect to 127.0.0.1:15434"),
    "active-workers": (_worker_inactive, "1 of 2 workers"),
    "citus-tables": (_table_local, "pacientes: local"),
    "pacientes-distributed": (_pacientes_by_id, "distributed by id"),
    "consultas-distributed": (_consultas_local, "local"),
    "usuario-distributed": (_usuario_copied, "reference"),
    "colocated": (_key_apart, "1 of 50 keys are apart, 7 for one"),
    "medicos-replicated": (_copy_differs, "copies differ: citus-coordinator 39, citus-worker-1 40, citus-worker-2 40"),
    "municipios-replicated": (
        _municipality_lost,
        "copies differ: citus-coordinator 1121, citus-worker-1 1122, citus-worker-2 1122",
    ),
    "cie10-replicated": (
        _diagnosis_lost,
        "copies differ: citus-coordinator 184, citus-worker-1 185, citus-worker-2 185",
    ),
    "rows-on-workers": (_row_lost, "consultas: 400 on the workers, 401 through the coordinator"),
    "rows-balanced": (_all_on_one, "no rows of pacientes on citus-worker-2"),
    "sample-join": (_join_refused, "complex joins are only supported"),
    "original-users": (_user_renamed, "1072319876: changed"),
    "constraints": (_key_missing, "citus-worker-2: 2 primary and 11 foreign keys on 2 shards"),
    "as-installed": (_index_dropped, "index consultas i: found absent, installed CREATE INDEX i"),
    "no-long-waits": (
        _somebody_waits,
        "admin (process 7 on citus-coordinator) has waited 42 s for pacientes, held by api (process 9 on citus-coordinator, idle in transaction)",
    ),
    "indexes-valid": (_index_invalid, "malo on citus-coordinator, citus-worker-1"),
    "least-privilege": (_right_too_many, "readonly has SELECT on usuario"),
    "logins-work": (_login_blind, "ana is shown none of 400 patients"),
    "passwords-required": (_password_not_asked, "a wrong password: let in"),
    "files-protected": (
        _files_of_others,
        "another user can replace /labs/lab/bin, /labs/lab/bin/psql, /labs/lab/config and 1 more",
    ),
    "logs-redacted": (_details_logged, "log_error_verbosity = default"),
    "api-answers": (_api_down, "GET /: -1 Connection refused"),
    "api-status": (_other_engine, "engine postgres_fdw, the lab's is citus"),
    "api-users": (_user_not_listed, "50 users, the table has 400"),
    "api-workers": (_worker_not_listed, "1 workers, the database has 2"),
    "settings-alike": (_other_zone, "citus-worker-1 has TimeZone = UTC, the coordinator America/Bogota"),
    "shards-can-move": (_owner_locked_out, "owner ana: the nodes cannot log in"),
}


def test_a_healthy_lab_passes_every_check() -> None:
    """Every check passes on what a healthy lab says."""
    report = Found().report()
    assert results(report, FAIL) == {}
    assert (report["ok"], report["passed"], report["failed"], report["skipped"]) == (True, len(CHECKS), 0, 0)
    assert all(check["ok"] and not check["remedy"] for check in report["checks"])


def test_every_check_has_a_lab_that_fails_it() -> None:
    """No check is without its counterexample below."""
    assert set(FAILING) == {check.id for check in CHECKS}


@pytest.mark.parametrize("check", FAILING)
def test_a_failed_check_is_found(check: str) -> None:
    """A failed check says what was found and what to do."""
    breaks, found_instead = FAILING[check]
    found = Found()
    breaks(found)
    report = found.report()
    assert not report["ok"]
    assert results(report, FAIL)[check] == found_instead
    remedy = next(row["remedy"] for row in report["checks"] if row["id"] == check)
    assert "make" in remedy
    assert "{" not in remedy


def test_a_login_that_is_refused_is_named_with_the_reason() -> None:
    """Somebody changed the password on one node, say; the remedy names the verb."""
    found = Found()
    _login_refused(found)
    report = found.report()
    assert results(report, FAIL) == {
        "logins-work": 'ana: FATAL:  password authentication failed for user "ana"'.replace("  ", " ")
    }


def test_a_worker_that_gets_no_copies_fails_the_check_before_a_row_is_missing() -> None:
    """Its rows are still the same; what is written next would not be."""
    found = Found()
    found.answers["not-copying"].append({"node_name": WORKERS[0], "problem": "it has no replication slot"})
    assert results(found.report(), FAIL) == {"medicos-replicated": "citus-worker-1: it has no replication slot"}


def test_a_node_at_another_address_is_not_where_it_was_registered() -> None:
    """It may answer there, and would not after a restart."""
    found = Found()
    found.answers["nodes"][2]["host"] = "localhost"
    registered = {"nodes-registered": "citus-worker-2 at localhost:15434 instead of 127.0.0.1:15434"}
    assert results(found.report(), FAIL) == registered


def test_a_shard_that_could_not_be_counted_is_named() -> None:
    """Rows that nobody counted are no rows that are there."""
    found = Found()
    found.answers["shards"][1]["rows"] = None
    assert (
        results(found.report(), FAIL)["rows-on-workers"] == "citus-worker-2: shards of pacientes could not be counted"
    )


def test_rows_that_somebody_changed_are_told_with_the_objects() -> None:
    """Of a list that all labs have alike, or of a copy."""
    found = Found()
    row = {"object": "rows of cie10 on citus-worker-1", "found": "others", "wanted": "those of the coordinator"}
    found.answers["rows"].append(row)
    told = "rows of cie10 on citus-worker-1: found others, not those of the coordinator"
    assert results(found.report(), FAIL) == {"as-installed": told}


@pytest.mark.parametrize(("table", "least"), [("municipios", MUNICIPALITIES), ("cie10", DIAGNOSES)])
def test_the_lists_of_the_country_and_the_world_are_those_of_the_package(table: str, least: int) -> None:
    """As many as its file has lines, without the header; fewer are told."""
    listed = (ROOT / f"files/middleware/src/historia_clinica/{table}.csv").read_text(encoding="utf-8")
    assert len(listed.splitlines()) - 1 == least
    found = Found()
    found.table(table)["rows"] = least - 1
    assert results(found.report(), FAIL) == {f"{table}-replicated": f"{least - 1} of {least} rows"}


def test_a_worker_without_shards_yet_fails_no_check() -> None:
    """A worker that came later holds nothing until data is moved: reported, but no failure."""
    found = Found()
    third = {"name": "citus-worker-3", "role": "worker", "host": "127.0.0.1", "port": 15435}
    found.lab["nodes"].append(third)
    found.answers["nodes"].append(node("citus-worker-3", "worker"))
    found.answers["active-workers"].append({"node_name": "127.0.0.1", "node_port": 15435})
    copied = [shard for shard in found.answers["shards"] if shard["node_name"] == "citus-coordinator"]
    found.answers["shards"] += [{**shard, "node_name": "citus-worker-3"} for shard in copied]
    found.api["/citus/workers"]["json"]["workers"].append({})
    found.api["/status"]["json"]["nodos"].append({})
    report = found.report()
    assert results(report, FAIL) == {}
    assert "none yet on citus-worker-3" in results(report, "pass")["rows-balanced"]


def test_usuario_may_be_a_reference_table_where_that_was_asked_for() -> None:
    """The original's other half is a choice."""
    found = Found()
    _usuario_copied(found)
    found.usuario_kind = "reference"
    next(row for row in found.answers["citus-tables"] if row["table_name"] == "usuario")["citus_table_type"] = (
        "reference"
    )
    found.answers["shards"] = [row for row in found.answers["shards"] if row["table_name"] != "usuario"] + [
        {"table_name": "usuario", "shard_name": "usuario_1", "node_name": name, "rows": 400, "size_bytes": 8192}
        for name in ("citus-coordinator", *WORKERS)
    ]
    assert results(found.report(), FAIL) == {}
