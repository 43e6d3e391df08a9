"""What the tasks of a healthy lab register, for results and pages; a test changes it."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.checks import checks_of
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.results import verification_report

#: Those of the lab below: Citus, on a host.
CHECKS = checks_of("citus", pods=False)
WORKERS = ("citus-worker-1", "citus-worker-2")
LAB: dict[str, Any] = {
    "name": "lab",
    "invocation": {"checkout": "/home/ana/historia-clinica"},
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
    {"table_name": table, "shard_name": f"{table}_9", "node_name": name, "rows": rows, "size_bytes": 8192}
    for table, rows in (("medicos", 40), ("municipios", 1122), ("cie10", 185))
    for name in ("citus-coordinator", *WORKERS)
]
KINDS = [(table, "distributed", column, group, 4, 400) for table, column, group in SPREAD]
TABLE_ROWS = [
    dict(zip(("table_name", "kind", "distribution_column", "colocation_id", "shard_count", "rows"), row, strict=True))
    | {"size_bytes": 32768}
    for row in [
        *KINDS,
        ("medicos", "reference", None, 1, 1, 40),
        ("municipios", "reference", None, 1, 1, 1122),
        ("cie10", "reference", None, 1, 1, 185),
    ]
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
    "constraints": [{"node_name": name, "primary_keys": 2, "foreign_keys": 12} for name in WORKERS],
    "privileges": [],
    "installed": [],
    "rows": [],
    "people": [{"nombre": "ana"}],
    "not-copying": [],
    "obstacles": [],
    "node-differences": [],
    "waits": [],
    "invalid-indexes": [],
    "other-settings": [],
    "log-settings": [
        {"name": "log_error_verbosity", "setting": "terse"},
        {"name": "log_min_error_statement", "setting": "panic"},
        {"name": "log_parameter_max_length", "setting": "0"},
        {"name": "log_statement", "setting": "none"},
    ],
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
        self.skipped: dict[str, str] = {}
        self.database: dict[str, Any] | None = None
        self.logins: dict[str, Any] = copy.deepcopy(LOGINS)
        self.people = copy.deepcopy(PEOPLE)
        self.api = {path: {"item": path, "status": 200, "json": copy.deepcopy(body)} for path, body in API.items()}
        self.usuario_kind = "distributed"
        self.replaceable: list[str] = []

    def table(self, name: str) -> dict[str, Any]:
        """A row of lab.tables."""
        return next(row for row in self.answers["tables"] if row["table_name"] == name)

    def report(self) -> dict[str, Any]:
        """The report."""
        rows = [{"name": name, "answer": {"rows": found}} for name, found in self.answers.items()]
        rows += [{"name": name, "answer": {"error": error}} for name, error in self.errors.items()]
        rows += [{"name": name, "answer": {"skipped": reason}} for name, reason in self.skipped.items()]
        database = {"query_result": rows} if self.database is None else self.database
        api = {"results": list(self.api.values())}
        return verification_report(
            self.lab, database, self.logins, api, self.usuario_kind, people=self.people, replaceable=self.replaceable
        )


def results(report: dict[str, Any], result: str) -> dict[str, str]:
    """What was found for each check with a result."""
    return {check["id"]: check["found"] for check in report["checks"] if check["result"] == result}


def database_down(found: Found) -> None:
    """What the questions give where nothing listens on the lab's port."""
    found.database = {
        "msg": 'unable to connect to database: connection to server at "127.0.0.1" failed\nIs it running?'
    }


def worker_down(found: Found) -> None:
    """What the coordinator says of a worker that is stopped."""
    found.answers["nodes"][2].update(responds=False, error="failed to connect to 127.0.0.1:15434")


def workers_down(found: Found) -> None:
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
