"""What a person reads of a lab: verdicts, pages, and their width."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.yaml import yaml_load

from ansible_collections.aula.historia_clinica.plugins.filter.report import FilterModule
from ansible_collections.aula.historia_clinica.plugins.module_utils.report import (
    DIRECT,
    FAIL,
    NOT_RUN,
    WIDTH,
    curl,
    failure_page,
    first_error,
    human_duration,
    human_number,
    human_size,
    left_page,
    preflight_page,
    promises,
    status_page,
    stop_page,
    summary_page,
    verification_page,
    verification_report,
    waited_in_vain,
)

#: Those of the lab below: Citus, on a host.
PROMISES = promises("citus", pods=False)
FILTERS = Path(__file__).parents[2] / "plugins" / "filter"
WORKERS = ("citus-worker-1", "citus-worker-2")
LAB: dict[str, Any] = {
    "name": "lab",
    "way": {"checkout": "/home/ana/historia-clinica"},
    "listed": True,
    "target": "host",
    "engine": "citus",
    "workers": 2,
    "directory": "/var/lib/historia-clinica/labs/lab",
    "database": "historia_clinica",
    "database_port": 15432,
    "api_port": 8080,
    "autostart": "",
    "autostart_possible": True,
    "reasons": {
        "target": "host: this machine has no Minikube. The Minikube lab needs Minikube and a driver, for example Docker.",
        "engine": "citus: the servers have the extension",
    },
    "nodes": [
        {"name": "citus-coordinator", "role": "coordinator", "host": "127.0.0.1", "port": 15432},
        {"name": WORKERS[0], "role": "worker", "host": "127.0.0.1", "port": 15433},
        {"name": WORKERS[1], "role": "worker", "host": "127.0.0.1", "port": 15434},
    ],
}


def node(name: str, role: str, **changes: Any) -> dict[str, Any]:
    """A row of lab.nodes."""
    number = int(name[-1]) if name[-1].isdigit() else 0
    row = {
        "node_name": name,
        "role": role,
        "host": "127.0.0.1",
        "port": 15432 + number,
        "responds": True,
        "error": None,
    }
    return {**row, "version": "18.6", "shards": 49, "size_bytes": 15_000_000, **changes}


NODES = [node("citus-coordinator", "coordinator"), *(node(name, "worker") for name in WORKERS)]
SPREAD = (("pacientes", "cedula", 2), ("consultas", "paciente_id", 2), ("usuario", "documento_id", 3))
SHARDS = [
    {"table_name": table, "shard_name": f"{table}_{n}", "node_name": WORKERS[n % 2], "rows": 100, "size_bytes": 8192}
    for table, _, _ in SPREAD
    for n in range(4)
] + [
    {"table_name": "medicos", "shard_name": "medicos_9", "node_name": name, "rows": 40, "size_bytes": 8192}
    for name in ("citus-coordinator", *WORKERS)
]
KINDS = [(table, "distributed", column, group, 4, 400) for table, column, group in SPREAD]
TABLE_ROWS = [
    dict(zip(("table_name", "kind", "distribution_column", "colocation_id", "shard_count", "rows"), row, strict=True))
    | {"size_bytes": 32768}
    for row in [*KINDS, ("medicos", "reference", None, 1, 1, 40)]
]
ANSWERS: dict[str, list[dict[str, Any]]] = {
    "nodes": NODES,
    "tables": TABLE_ROWS,
    "shards": SHARDS,
    "active-workers": [{"node_name": "127.0.0.1", "node_port": 15433}, {"node_name": "127.0.0.1", "node_port": 15434}],
    "citus-tables": [{"table_name": row["table_name"], "citus_table_type": row["kind"]} for row in TABLE_ROWS],
    "users": [
        {"documento_id": "1072319876", "nombre": "Luis Herrera", "edad": 56},
        {"documento_id": "1078912345", "nombre": "Ana María Soto", "edad": 34},
    ],
    "sample-join": [{"apellido": "Murillo", "medico_nombre": "Gil"}] * 5,
    "counts": [{"pacientes": 400, "consultas": 400, "medicos": 40, "usuario": 400}],
    "places": [{"clave": str(n), "paciente": WORKERS[n % 2], "consulta": WORKERS[n % 2]} for n in range(50)],
    "constraints": [{"node_name": name, "primary_keys": 2, "foreign_keys": 4} for name in WORKERS],
    "privileges": [],
    "installed": [],
    "people": [{"nombre": "ana"}],
    "not-copying": [],
    "obstacles": [],
    "node-differences": [],
    "waits": [],
    "invalid-indexes": [],
    "other-settings": [],
}
LOGINS = {
    "results": [
        {
            "item": {"case": "a wrong password"},
            "msg": 'FATAL:  password authentication failed for user "admin"',
        },
        {"item": {"case": "no password"}, "msg": "fe_sendauth: no password supplied"},
    ]
}
PEOPLE: dict[str, Any] = {"results": [{"item": "ana", "query_result": [{"patients": 400}]}]}
API: dict[str, Any] = {
    "/": {"estado": "ok"},
    "/status": {"estado": "ok", "motor": "citus", "postgresql": "18.6", "latencia_ms": 1.2, "nodos": [{}, {}, {}]},
    "/usuarios": {"usuarios": [{}] * 50, "siguiente": "1072319876"},
    "/citus/workers": {"workers": [{}, {}]},
}


class Found:
    """What the tasks of a healthy lab registered; a test changes it."""

    def __init__(self) -> None:
        self.lab = copy.deepcopy(LAB)
        self.answers = copy.deepcopy(ANSWERS)
        self.errors: dict[str, str] = {}
        self.not_asked: dict[str, str] = {}
        self.database: dict[str, Any] | None = None
        self.logins: dict[str, Any] = copy.deepcopy(LOGINS)
        self.people = copy.deepcopy(PEOPLE)
        self.api = {path: {"item": path, "status": 200, "json": copy.deepcopy(body)} for path, body in API.items()}
        self.usuario_kind = "distributed"

    def table(self, name: str) -> dict[str, Any]:
        """A row of lab.tables."""
        return next(row for row in self.answers["tables"] if row["table_name"] == name)

    def report(self) -> dict[str, Any]:
        """The verdicts."""
        rows = [{"name": name, "answer": {"rows": found}} for name, found in self.answers.items()]
        rows += [{"name": name, "answer": {"error": error}} for name, error in self.errors.items()]
        rows += [{"name": name, "answer": {"not_asked": reason}} for name, reason in self.not_asked.items()]
        database = {"query_result": rows} if self.database is None else self.database
        api = {"results": list(self.api.values())}
        return verification_report(self.lab, database, self.logins, api, self.usuario_kind, people=self.people)


def verdicts(report: dict[str, Any], verdict: str) -> dict[str, str]:
    """What was found for each check with a verdict."""
    return {check["id"]: check["found"] for check in report["checks"] if check["verdict"] == verdict}


def _database_down(found: Found) -> None:
    found.database = {
        "msg": 'unable to connect to database: connection to server at "127.0.0.1" failed\nIs it running?'
    }


def _worker_unregistered(found: Found) -> None:
    del found.answers["nodes"][2]


def _worker_down(found: Found) -> None:
    found.answers["nodes"][2].update(responds=False, error="failed to connect to 127.0.0.1:15434")


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
    found.answers["constraints"][1]["foreign_keys"] = 3


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


#: For each promise a lab that breaks it, and what the report has to say.
BROKEN: dict[str, tuple[Callable[[Found], None], str]] = {
    "database-answers": (_database_down, 'unable to connect to database: connection to server at "127.0.0.1" failed'),
    "nodes-registered": (
        _worker_unregistered,
        "not registered: citus-worker-2; found citus-coordinator, citus-worker-1",
    ),
    "nodes-answer": (_worker_down, "citus-worker-2: failed to connect to 127.0.0.1:15434"),
    "active-workers": (_worker_inactive, "1 of 2 workers"),
    "citus-tables": (_table_local, "pacientes: local"),
    "pacientes-distributed": (_pacientes_by_id, "distributed by id"),
    "consultas-distributed": (_consultas_local, "local"),
    "usuario-spread": (_usuario_copied, "reference"),
    "colocated": (_key_apart, "1 of 50 keys are apart, 7 for one"),
    "medicos-everywhere": (_copy_differs, "copies differ: citus-coordinator 39, citus-worker-1 40, citus-worker-2 40"),
    "rows-on-workers": (_row_lost, "consultas: 400 on the workers, 401 through the coordinator"),
    "rows-spread": (_all_on_one, "no rows of pacientes on citus-worker-2"),
    "sample-join": (_join_refused, "complex joins are only supported"),
    "original-users": (_user_renamed, "1072319876: ('Luis', 56)"),
    "constraints": (_key_missing, "citus-worker-2: 2 primary and 3 foreign keys on 2 shards"),
    "as-installed": (_index_dropped, "index consultas i: found absent, installed CREATE INDEX i"),
    "no-long-waits": (
        _somebody_waits,
        "admin (process 7 on citus-coordinator) has waited 42 s for pacientes, held by api (process 9 on citus-coordinator, idle in transaction)",
    ),
    "indexes-valid": (_index_invalid, "malo on citus-coordinator, citus-worker-1"),
    "least-privilege": (_right_too_many, "readonly has SELECT on usuario"),
    "logins-work": (_login_blind, "ana is shown none of 400 patients"),
    "passwords-required": (_password_not_asked, "a wrong password: let in"),
    "api-answers": (_api_down, "GET /: -1 Connection refused"),
    "api-status": (_other_engine, "engine postgres_fdw, the lab's is citus"),
    "api-users": (_user_not_listed, "50 users, the table has 400"),
    "api-workers": (_worker_not_listed, "1 workers, the database has 2"),
    "settings-alike": (_other_zone, "citus-worker-1 has TimeZone = UTC, the coordinator America/Bogota"),
    "shards-can-move": (_owner_locked_out, "owner ana: the nodes cannot log in"),
}


def test_a_healthy_lab_keeps_every_promise() -> None:
    """Every check passes on what a healthy lab says."""
    report = Found().report()
    assert verdicts(report, FAIL) == {}
    assert (report["ok"], report["passed"], report["failed"], report["not_run"]) == (True, len(PROMISES), 0, 0)
    assert all(check["ok"] and not check["remedy"] for check in report["checks"])


def test_every_promise_has_a_lab_that_breaks_it() -> None:
    """No check is without its counterexample below."""
    assert set(BROKEN) == {check.id for check in PROMISES}


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_found(promise: str) -> None:
    """A lab that breaks a promise is told what was found and what mends it."""
    breaks, found_instead = BROKEN[promise]
    found = Found()
    breaks(found)
    report = found.report()
    assert not report["ok"]
    assert verdicts(report, FAIL)[promise] == found_instead
    remedy = next(check["remedy"] for check in report["checks"] if check["id"] == promise)
    assert "make" in remedy
    assert "{" not in remedy


def test_a_login_that_is_refused_is_named_with_the_reason() -> None:
    """Somebody changed the password on one node, say; the remedy names the verb."""
    found = Found()
    _login_refused(found)
    report = found.report()
    assert verdicts(report, FAIL) == {
        "logins-work": 'ana: FATAL:  password authentication failed for user "ana"'.replace("  ", " ")
    }


NODE = "citus-coordinator"
OPEN = {
    "node_name": NODE,
    "pid": 4711,
    "login": "ana",
    "state": "idle in transaction",
    "statement": "UPDATE",
    "since": "2026-11-27 09:10:03+00",
}
#: What the module says quotes the statement and its arguments.
CANCELLED = (
    "Cannot execute SQL 'SELECT lab.create_login('api', %(api)s)' {'api': 'secret: 1'}: canceling statement due to lock timeout"
    "\nHINT:  Wait.\nCONTEXT:  SQL statement \"x\", query list: ['SELECT secret']"
)


def test_who_holds_what_a_task_waited_for_is_named_with_what_ends_it() -> None:
    """The process, who it is, since when, and a command that can be typed as it is; no statement and no secret."""
    page = stop_page({"msg": CANCELLED}, "Make it", [OPEN], {**LAB, "name": "ana"})
    assert page.splitlines() == [
        "Make it: canceling statement due to lock timeout",
        "HINT:  Wait.",
        "These have a transaction open, which may hold what it waited for:",
        "  - process 4711 on citus-coordinator: ana, since 2026-11-27 09:10:03+00, idle",
        "    in transaction, last statement UPDATE. To end it:",
        "    echo \"SELECT lab.end_session('citus-coordinator', 4711)\" | make psql LAB=ana",
        "Then run this again.",
    ]


@pytest.mark.parametrize(
    ("result", "waited", "end"),
    [
        ({"msg": CANCELLED}, True, "Who held what it waited for has let go of it since: run this again."),
        ({"msg": "Cannot execute SQL 'SELECT 1' None: no"}, False, "Make it: no"),
        (
            {"msg": "non-zero return code", "stderr": "not loaded: canceling statement due to lock timeout"},
            True,
            "Who held what it waited for has let go of it since: run this again.",
        ),
        ({"msg": "non-zero return code", "stderr": "no module"}, False, "    no module"),
    ],
)
def test_a_task_that_waited_for_nobody_says_what_it_was(result: dict[str, str], waited: bool, end: str) -> None:
    """The server's words, or the last ones of a program."""
    assert waited_in_vain(result) is waited
    assert stop_page(result, "Make it", [], LAB).splitlines()[-1] == end


def test_what_a_run_leaves_is_named_with_the_reason() -> None:
    """A column that somebody added stays; the page says which, and what helps."""
    page = left_page([{"object": "column pacientes alergias", "found": "text", "wanted": "absent"}])
    assert "rows lie in it" in " ".join(page)
    assert page[-1] == "  - column pacientes alergias: found text, installed absent"


def test_a_worker_that_gets_no_copies_breaks_the_promise_before_a_row_is_missing() -> None:
    """Its rows are still the same; what is written next would not be."""
    found = Found()
    found.answers["not-copying"].append({"node_name": WORKERS[0], "problem": "it has no replication slot"})
    assert verdicts(found.report(), FAIL) == {"medicos-everywhere": "citus-worker-1: it has no replication slot"}


def test_a_node_at_another_address_is_not_where_it_was_registered() -> None:
    """It may answer there, and would not after a restart."""
    found = Found()
    found.answers["nodes"][2]["host"] = "localhost"
    registered = {"nodes-registered": "citus-worker-2 at localhost:15434 instead of 127.0.0.1:15434"}
    assert verdicts(found.report(), FAIL) == registered


def test_without_a_database_the_rest_is_not_run() -> None:
    """One clear verdict, not twenty: what nobody could ask is not called broken."""
    found = Found()
    _database_down(found)
    report = found.report()
    assert set(verdicts(report, FAIL)) == {"database-answers"}
    assert set(verdicts(report, NOT_RUN)) == {
        check.id for check in PROMISES if check.needs and check.id != "api-status"
    }
    assert verdicts(report, NOT_RUN)["colocated"] == "not checked: the database does not answer"


def _workers_down(found: Found) -> None:
    """What the questions give on postgres_fdw with both workers stopped."""
    for row in found.answers["nodes"][1:]:
        row.update(responds=False, error="Connection refused")
    for row in found.answers["shards"]:
        row["rows"] = None
    found.answers["not-copying"] = [{"node_name": name} for name in WORKERS]
    found.answers["constraints"] = []
    found.answers["obstacles"] = [{"object": f"settings of {name}", "problem": "no answer"} for name in WORKERS]
    for question in ("users", "sample-join", "counts"):
        del found.answers[question]
        found.errors[question] = 'could not connect to server "citus-worker-1"'
    found.api["/status"]["json"]["estado"] = "degradado"
    found.api["/usuarios"].update(status=503, json={"detail": "Un nodo de la base de datos no responde; mire /status."})


def test_with_the_workers_down_the_cause_stands_first_and_alone() -> None:
    """What asks them is not checked and has no remedy: there is one cause, with the mildest cure."""
    found = Found()
    _workers_down(found)
    report = found.report()
    assert set(verdicts(report, FAIL)) == {"nodes-answer"}
    assert set(verdicts(report, NOT_RUN)) == {check.id for check in PROMISES if check.asks_nodes} - {
        "usuario-spread",
        "citus-tables",
    }
    assert set(verdicts(report, NOT_RUN).values()) == {
        "not checked: nodes citus-worker-1, citus-worker-2 do not answer"
    }
    order = [check["verdict"] for check in report["checks"]]
    assert order.index(FAIL) < order.index(NOT_RUN)
    (remedy,) = (check["remedy"] for check in report["checks"] if check["remedy"])
    assert remedy.startswith("make start starts what is down")


def test_with_one_worker_down_it_is_named() -> None:
    """What fails because of it says so."""
    found = Found()
    _worker_down(found)
    found.answers["constraints"].pop()
    assert verdicts(found.report(), NOT_RUN) == {"constraints": "not checked: node citus-worker-2 does not answer"}


def test_what_is_changed_in_the_cluster_stands_before_what_it_took_along() -> None:
    """A StatefulSet that was scaled down is why its nodes do not answer."""
    found = Found()
    _workers_down(found)
    database = {"query_result": [{"name": name, "answer": {"rows": rows}} for name, rows in found.answers.items()]}
    survey = {"error": "", "changed": ["StatefulSet citus-worker has 0 replicas, 2 were made"]}
    report = verification_report(
        found.lab, database, found.logins, {"results": list(found.api.values())}, survey=survey
    )
    assert [check["id"] for check in report["checks"] if check["verdict"] == FAIL][:2] == [
        "objects-as-made",
        "nodes-answer",
    ]


def test_a_failed_statement_breaks_only_what_needs_it() -> None:
    """An error of one question is what its promises found; the others are judged."""
    found = Found()
    del found.answers["users"]
    found.errors["users"] = 'relation "usuario" does not exist'
    assert verdicts(found.report(), FAIL) == {"original-users": 'relation "usuario" does not exist'}


def test_what_there_was_no_time_for_is_not_run() -> None:
    """One question that hangs is broken; those behind it are neither kept nor broken."""
    found = Found()
    del found.answers["nodes"], found.answers["users"]
    found.errors["nodes"] = "canceling statement due to statement timeout"
    found.not_asked["users"] = "an earlier question took too long"
    report = found.report()
    assert verdicts(report, FAIL) == dict.fromkeys(("nodes-answer", "nodes-registered"), found.errors["nodes"])
    assert verdicts(report, NOT_RUN) == {"original-users": "an earlier question took too long"}


def test_an_answer_of_another_form_is_a_broken_promise() -> None:
    """A program that answers nonsense is reported, not a crash."""
    found = Found()
    found.api["/usuarios"]["json"] = {"users": []}
    assert verdicts(found.report(), FAIL) == {"api-users": "an answer in another form: KeyError('usuarios')"}


def test_a_shard_that_could_not_be_counted_is_named() -> None:
    """Rows that nobody counted are no rows that are there."""
    found = Found()
    found.answers["shards"][1]["rows"] = None
    assert (
        verdicts(found.report(), FAIL)["rows-on-workers"] == "citus-worker-2: shards of pacientes could not be counted"
    )


def test_a_worker_without_shards_yet_is_no_broken_promise() -> None:
    """A worker that came later holds nothing until data are moved: said, not called broken."""
    found = Found()
    third = {"name": "citus-worker-3", "role": "worker", "host": "127.0.0.1", "port": 15435}
    found.lab["nodes"].append(third)
    found.answers["nodes"].append(node("citus-worker-3", "worker"))
    found.answers["active-workers"].append({"node_name": "127.0.0.1", "node_port": 15435})
    found.answers["shards"].append({**found.answers["shards"][-1], "node_name": "citus-worker-3"})
    found.api["/citus/workers"]["json"]["workers"].append({})
    found.api["/status"]["json"]["nodos"].append({})
    report = found.report()
    assert verdicts(report, FAIL) == {}
    assert "none yet on citus-worker-3" in verdicts(report, "pass")["rows-spread"]


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
    assert verdicts(found.report(), FAIL) == {}


def test_a_lab_of_another_name_is_named_in_the_remedies() -> None:
    """What a person copies works for that lab."""
    found = Found()
    found.lab["way"] = {**found.lab["way"], "host": "ana"}
    _worker_down(found)
    remedy = next(check["remedy"] for check in found.report()["checks"] if check["id"] == "nodes-answer")
    assert "make start LAB=ana" in remedy


def test_the_table_shows_verdicts_and_remedies() -> None:
    """What is broken stands in the table and again below, with its remedy; the page is as wide as a terminal."""
    found = Found()
    _database_down(found)
    page = verification_page(found.report())
    assert "BROKEN   database-answers" in page
    assert re.search("[?] +colocated +not checked: the database does not answer", page)
    assert "its local port. To mend it:\n    make start starts what is down\n    make diagnose says why" in page
    assert f"1 broken, {len(verdicts(found.report(), NOT_RUN))} could not be checked." in page
    assert max(map(len, page.splitlines())) <= WIDTH


PROCESSES = [
    {"name": "supervisord", "state": "RUNNING", "pid": 10, "uptime_seconds": 90061, "memory_bytes": 18 * 2**20},
    {"name": "citus-coordinator", "state": "FATAL", "pid": 0, "uptime_seconds": 0, "memory_bytes": None},
]
DATABASE = {"query_all_results": [NODES, TABLE_ROWS, SHARDS]}
FOUND: dict[str, Any] = {
    "processes": PROCESSES,
    "database": {"nodes": NODES, "tables": TABLE_ROWS, "shards": SHARDS, "error": ""},
    "api": {"status": 200, "body": API["/status"]},
}


def test_the_status_page_has_everything_within_its_width() -> None:
    """Nodes, processes, tables, shards of each node, rows, sizes and endpoints, in 80 columns."""
    page = status_page(LAB, FOUND)
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert max(map(len, page.splitlines())) <= WIDTH
    assert "supervisord running 10 1 d 1 h 18 MB" in lines
    assert "citus-coordinator fatal - 0 s ?" in lines
    assert "make start starts what is stopped." in lines
    assert "citus-worker-1 worker 127.0.0.1:15433 18.6 49 14 MB" in lines
    assert "pacientes distributed cedula 4 400 32 kB" in lines
    assert "citus-worker-2 pacientes 2 200 16 kB" in lines
    assert "API http://127.0.0.1:8080 ok, 1.2 ms to the database" in lines


def test_the_status_page_says_which_node_is_down_and_why() -> None:
    """A node that does not answer shows, and what it holds is unknown, not zero."""
    nodes = [
        *NODES[:2],
        node(WORKERS[1], "worker", responds=False, error="failed to connect to 127.0.0.1:15434", size_bytes=None),
    ]
    shards = [{**row, "rows": None, "size_bytes": None} if row["node_name"] == WORKERS[1] else row for row in SHARDS]
    page = status_page(LAB, {**FOUND, "database": {**FOUND["database"], "nodes": nodes, "shards": shards}})
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert "citus-worker-2 worker 127.0.0.1:15434 no answer 49 ?" in lines
    assert "! citus-worker-2: failed to connect to 127.0.0.1:15434" in lines
    assert "make start starts what is down." in lines
    assert "citus-worker-2 pacientes 2 ? ?" in lines


def test_the_status_page_of_a_stopped_lab_says_how_to_start_it() -> None:
    """Nothing runs: the page says so instead of failing."""
    silent = {"processes": [], "database": {"error": "connection refused"}, "api": {"status": 0, "body": {}}}
    page = status_page(LAB, silent)
    assert "none: the lab is stopped; make start starts it." in page
    assert "connection refused" in page
    assert "no answer" in page


def test_the_status_page_of_a_lab_without_its_supervisor_says_so_and_what_helps() -> None:
    """Its programs run on: it is not stopped, and not as it should be."""
    row = {"pid": 0, "uptime_seconds": 0, "memory_bytes": 0}
    left = [
        {**row, "name": "supervisord", "state": "GONE"},
        {**row, "name": "citus-coordinator", "state": "UNSUPERVISED", "pid": 7},
    ]
    page = status_page(LAB, {**FOUND, "processes": left})
    assert "stopped" not in page
    assert "supervisord        gone " in page
    assert "citus-coordinator  unsupervised    7" in page
    assert "nobody starts again what ends." in " ".join(page.split())
    assert "\n  make start\n" in page


def test_the_status_page_cuts_what_is_too_wide() -> None:
    """A host with a long name does not break the page."""
    nodes = [{**NODES[0], "host": "citus-coordinator.laboratorio-de-bases-de-datos-distribuidas.svc.cluster.local"}]
    page = status_page(LAB, {**FOUND, "database": {**FOUND["database"], "nodes": nodes}})
    assert max(map(len, page.splitlines())) <= WIDTH
    assert "…" in page


def test_the_summary_says_where_why_how_and_how_to_stop() -> None:
    """What a person needs after the first run, and no password."""
    page = summary_page(LAB)
    for text in (
        "Target: host: this machine has no Minikube.",
        "The Minikube lab needs Minikube",
        "Engine: citus: the servers have the extension",
        "127.0.0.1:15434",
        "curl http://127.0.0.1:8080/status",
        "make psql\n",
        "make status\n",
        "make verify\n",
        "/var/lib/historia-clinica/labs/lab/credentials",
        "make stop",
        "make teardown",
    ):
        assert text in page
    assert max(map(len, page.splitlines())) <= WIDTH


def test_summary_says_how_to_log_in_or_that_nobody_has_to() -> None:
    """With the rules the command that gives a token; where they are lifted, that they are, and how to have them."""
    assert "make token" in summary_page(LAB)
    page = summary_page(LAB, access="open")
    assert "ACCESS IS OPEN" in page
    assert "middleware_access=rules" in page
    assert "make token" not in page


@pytest.mark.parametrize(
    ("environment", "proxied"),
    [
        ({}, False),
        ({"http_proxy": "http://proxy:3128"}, True),
        ({"ALL_PROXY": "socks5://proxy"}, True),
        ({"HTTP_PROXY": "http://proxy:3128"}, False),  # curl does not read it
        ({"https_proxy": "http://proxy:3128"}, False),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "intranet,127.0.0.1"}, False),
        ({"http_proxy": "http://proxy:3128", "NO_PROXY": "*"}, False),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "localhost"}, True),
        ({"http_proxy": "http://proxy:3128", "no_proxy": f"intranet,{DIRECT}"}, True),  # only in the run
    ],
)
def test_the_summarys_curl_goes_past_a_proxy(environment: dict[str, str], proxied: bool) -> None:
    """As typed in the shell of the person whose environment it is, it asks this machine and not the proxy."""
    assert curl(environment) == ("curl --noproxy 127.0.0.1" if proxied else "curl")
    assert f"  {curl(environment)} http://127.0.0.1:8080/status\n" in summary_page(LAB, environment=environment)
    assert DIRECT in (FILTERS.parents[1] / "roles/runtime/files/environment.sh").read_text(encoding="utf-8")


def test_the_summary_of_another_lab_names_it_in_the_commands() -> None:
    """A student's commands mean the student's lab; psql looks at this machine's labs and needs no inventory."""
    way = {"checkout": "/home/ana/historia-clinica", "inventory": ["inventories/class room"], "host": "ana"}
    page = summary_page({**LAB, "name": "ana", "way": way})
    assert "make status INVENTORY='inventories/class room' LAB=ana" in page
    assert "make psql LAB=ana\n" in page


def test_the_summary_of_an_installed_collection_names_its_playbooks() -> None:
    """It has no Makefile."""
    page = summary_page({**LAB, "way": {"inventory": ["/home/ana/hosts.yml"]}})
    assert "make" not in page
    assert "ansible-playbook aula.historia_clinica.status -i /home/ana/hosts.yml\n" in page
    assert "/var/lib/historia-clinica/labs/lab/bin/psql -c 'SELECT * FROM lab.tables'" in page


def test_the_summary_of_a_lab_on_another_machine_says_which_and_how_to_reach_it() -> None:
    """Its ports are open there only; with the tunnel the page's commands work here."""
    way = {"inventory": ["vms"], "host": "vm1", "machine": "vm1", "ssh": ["ssh", "-p", "2222", "ana@10.0.0.7"]}
    page = summary_page({**LAB, "way": way})
    assert page.startswith("The lab on vm1 is ready.")
    assert "  ssh -N -L 8080:127.0.0.1:8080 -L 15432:127.0.0.1:15432 -p 2222 ana@10.0.0.7\n" in page
    assert "  ssh -t -p 2222 ana@10.0.0.7 /var/lib/historia-clinica/labs/lab/bin/psql\n" in page
    assert "Credentials on vm1: " in page
    assert "ssh" not in summary_page({**LAB, "way": {**way, "ssh": []}})


@pytest.mark.parametrize(("exists", "doing"), [(False, "makes it"), (True, "brings it up to date")])
def test_the_preflight_page_says_what_the_lab_will_be(exists: bool, doing: str) -> None:
    """And how to go on."""
    page = preflight_page({**LAB, "exists": exists})
    for text in ("Nothing stands in the way of the lab.", "Engine: citus:", "127.0.0.1:15434", f"make lab {doing}"):
        assert text in page


def test_a_failure_page_shows_each_problem_and_its_remedy() -> None:
    """A remedy stays in one line, however long: it is to be typed."""
    remedy = "make lab ARGS='-e lab_api_port=8081 " + "-e lab_workers=2 " * 5 + "'"
    page = failure_page(
        {
            "msg": "The lab 'lab' cannot go on: 1 problem (port-busy).",
            "problems": [
                {"id": "port-busy", "found": "8080 is in use", "needed": "a free port", "remedy": remedy + "\n"}
            ],
        }
    )
    assert page.splitlines() == [
        "  The lab 'lab' cannot go on: 1 problem (port-busy).",
        "",
        "  port-busy",
        "    found    8080 is in use",
        "    needed   a free port",
        f"    to mend  {remedy}",
    ]


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (8192, "8.0 kB"), (15_000_000, "14 MB"), (3 * 2**40, "3.0 TB"), (None, "?")]
)
def test_sizes_are_told_as_people_say_them(size: int | None, text: str) -> None:
    """Two figures are enough."""
    assert human_size(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (61, "1 min 1 s"), (3600, "1 h"), (90061.7, "1 d 1 h")])
def test_durations_are_told_in_two_units(seconds: float, text: str) -> None:
    """Seconds do not matter after a day."""
    assert human_duration(seconds) == text


def test_numbers_have_their_thousands_apart() -> None:
    """A million is readable; the unknown is not zero."""
    assert (human_number(1_000_000), human_number(None)) == ("1,000,000", "?")


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (
            "Cannot execute SQL 'SELECT (1)\nFROM x' None: relation \"x\" does not exist\nLINE 2, query list: ['SELECT']",
            'relation "x" does not exist',
        ),
        ("Cannot execute SQL 'SELECT %(a)s' {'a': 1}: no, query list: []", "no"),
        ("connection refused\n\tIs the server running?", "connection refused"),
        ("", "no answer"),
    ],
)
def test_the_first_error_is_what_the_server_said(message: str, error: str) -> None:
    """A module quotes the whole statement; a person wants the one sentence."""
    assert first_error(message) == error


def test_every_filter_is_documented() -> None:
    """ansible-doc knows each filter, under its name."""
    filters = FilterModule().filters()
    assert filters
    for name in filters:
        documented = yaml_load((FILTERS / f"{name}.yml").read_text(encoding="utf-8"))
        assert documented["DOCUMENTATION"]["name"] == name
