# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""What a person reads of a lab: the verdicts of `verify`, the page of `status` and the summary of `site`.

Pure functions of what the tasks found; nothing here asks a server. A page is text of at most ``WIDTH`` columns.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.aula.historia_clinica.plugins.module_utils.commands import (
    Way,
    command,
    psql,
    there,
    tunnel,
    way_of,
)

Row = Mapping[str, Any]

WIDTH = 80
PASS, FAIL, NOT_RUN = "pass", "fail", "not-run"

ORIGINAL_USERS = {"1072319876": ("Luis Herrera", 56), "1078912345": ("Ana María Soto", 34)}
TABLES = ("consultas", "medicos", "pacientes", "usuario")
#: Fewer rows than this may lie on one worker by chance.
ENOUGH_TO_SPREAD = 100
#: Seconds of a wait that nobody started by accident.
LONG_WAIT = 10
#: What the summary lets a person ask first.
QUESTION = "SELECT * FROM lab.tables"
#: Lines of a failed program's output that are shown.
LAST_WORDS = 15


class NotAsked(Exception):  # noqa: N818 - a verdict, not an error of the program
    """A promise that nobody could look at; the text says why."""


class Broken(Exception):  # noqa: N818 - a verdict, not an error of the program
    """A promise that is not kept; the text is what was found instead."""


# ---------------------------------------------------------------------------------------------------- text


def clip(text: str, width: int) -> str:
    """The text, cut to a width: the end gives way to an ellipsis."""
    return text if len(text) <= width else text[: width - 1] + "…"


def human_size(size: float | None) -> str:
    """A number of bytes as people say it; ``?`` where nobody could tell."""
    if size is None:
        return "?"
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"


def human_number(number: int | None) -> str:
    """A number with its thousands apart; ``?`` where nobody could tell."""
    return "?" if number is None else f"{number:,}"


def human_duration(seconds: float) -> str:
    """A time in its two largest units."""
    total = int(seconds)
    parts = [(total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "min"), (total % 60, "s")]
    while len(parts) > 2 and not parts[0][0]:
        del parts[0]
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number or unit == "s")


def columns(headings: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Lines of a table.

    Args:
        headings: one for each column; what is too wide for the page is cut in the widest column.
        rows: the cells.
        right: numbers of the columns that end at the right.
    """
    lines = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(headings))]
    excess = sum(widths) + 2 * len(widths) - WIDTH  # each column is followed, or led, by two blanks
    if excess > 0:
        widest = widths.index(max(widths))
        widths[widest] = max(4, widths[widest] - excess)
    ends = set(right)
    return [
        "  "
        + "  ".join(
            clip(cell, width).rjust(width) if number in ends else clip(cell, width).ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def paragraph(text: str, indent: str = "  ", first: str | None = None) -> list[str]:
    """A text as lines of the page, all behind the same indent. A command that is to be typed has no place in it: it may be parted."""
    return textwrap.wrap(
        " ".join(text.split()),
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def failure_page(result: Row) -> str:
    """What a person needs of a task that failed: what is wrong, the problems one by one, a program's last words.

    Args:
        result: what the task gave; ``problems`` are those of the module ``preflight``.
    """
    said = str(result.get("msg") or result.get("censored") or "no reason was given").strip().splitlines()
    lines = [
        f"  {line}".rstrip() for line in said
    ]  # as it is: a command that is broken over two lines cannot be copied
    for problem in result.get("problems", []):
        lines += ["", f"  {problem['id']}"]
        for heading in ("found", "needed"):
            lines += paragraph(problem[heading], indent=" " * 13, first=f"    {heading:9}")
        lines += [f"    to mend  {problem['remedy'].rstrip()}"]  # in one line, as it is to be typed
    for stream in ("stderr", "module_stderr", "stdout", "module_stdout"):
        words = str(result.get(stream) or "").rstrip().splitlines()
        if words:
            lines += ["", f"  {stream.removeprefix('module_')}:", *(f"    {line}" for line in words[-LAST_WORDS:])]
    return "\n".join(lines)


def api_url(lab: Row) -> str:
    """Where the lab's API answers."""
    return f"http://127.0.0.1:{lab['api_port']}"


# ---------------------------------------------------------------------------------------------------- verify


@dataclass(frozen=True)
class Evidence:
    """What the tasks of the role verification found.

    Attributes:
        lab: the fact that the role preflight gives.
        sql: the answer to each question by its name: ``{"rows": [...]}``, ``{"error": ...}`` or ``{"not_asked": ...}``.
        sql_error: why there are no answers at all; empty where there are.
        logins: each attempt to log in that has to be refused: ``case``, and ``msg`` or, were it let in, ``query_result``.
        api: the answer of each path: ``status``, ``json``, ``msg``.
        usuario_kind: how the table `usuario` is spread: ``distributed`` or ``reference``.
        survey: what the cluster says, of `lab_info`; empty where the lab has no pods.
        people: each log-in of somebody whom `make login` gave a login: ``item``, the login, and ``msg`` or ``query_result``.
    """

    lab: Row
    sql: Mapping[str, Row] = field(default_factory=dict)
    sql_error: str = ""
    logins: Sequence[Row] = ()
    api: Mapping[str, Row] = field(default_factory=dict)
    usuario_kind: str = "distributed"
    survey: Row = field(default_factory=dict)
    people: Sequence[Row] = ()

    def rows(self, name: str) -> list[Row]:
        """The rows that answer a question.

        Raises:
            Broken: it failed.
            NotAsked: there was no time for it.
        """
        answer = self.sql[name]
        if "not_asked" in answer:
            raise NotAsked(str(answer["not_asked"]))
        if "error" in answer:
            raise Broken(str(answer["error"]))
        return list(answer["rows"])

    def workers(self) -> list[str]:
        """The names of the workers that the lab was made with."""
        return [node["name"] for node in self.lab["nodes"] if node["role"] == "worker"]

    def silent_nodes(self) -> list[str]:
        """The nodes that do not answer the coordinator, as far as it could be asked."""
        nodes = self.sql.get("nodes", {}).get("rows") or []
        return sorted(str(row["node_name"]) for row in nodes if not row["responds"])

    def table(self, name: str) -> Row:
        """What `lab.tables` says about a table.

        Raises:
            Broken: it is not there.
        """
        for row in self.rows("tables"):
            if row["table_name"] == name:
                return row
        raise Broken(f"there is no table {name}")

    def shards(self, table: str) -> list[Row]:
        """What `lab.shards` says about a table.

        Raises:
            Broken: nothing, or a shard could not be counted.
        """
        shards = [row for row in self.rows("shards") if row["table_name"] == table]
        if not shards:
            raise Broken(f"{table} has no shards")
        silent = sorted({str(row["node_name"]) for row in shards if row["rows"] is None})
        if silent:
            raise Broken(f"{', '.join(silent)}: shards of {table} could not be counted")
        return shards

    def answer(self, path: str) -> Any:
        """The JSON of a path of the API.

        Raises:
            Broken: no answer, or another one than 200 with JSON.
        """
        answer = self.api[path]
        if answer.get("status") != 200:
            detail = (answer.get("json") or {}).get("detail") or answer.get("msg", "")
            raise Broken(f"GET {path}: {answer.get('status')} {detail}".strip())
        if "json" not in answer:
            raise Broken(f"GET {path}: 200, but no JSON")
        return answer["json"]


def database_answers(evidence: Evidence) -> str:
    """One connection as the administrator, through the lab's one port."""
    if evidence.sql_error:
        raise Broken(evidence.sql_error)
    return f"127.0.0.1:{evidence.lab['database_port']}, database {evidence.lab['database']}"


def nodes_registered(evidence: Evidence) -> str:
    """The nodes that the database knows are those of the lab, where the lab has them."""
    found = sorted((str(row["role"]), str(row["node_name"])) for row in evidence.rows("nodes"))
    wanted = sorted((str(node["role"]), str(node["name"])) for node in evidence.lab["nodes"])
    missing = [name for role, name in wanted if (role, name) not in found]
    if missing:
        raise Broken(f"not registered: {', '.join(missing)}; found {', '.join(name for _, name in found) or 'none'}")
    addresses = {str(node["name"]): f"{node['host']}:{node['port']}" for node in evidence.lab["nodes"]}
    moved = [
        f"{row['node_name']} at {row['host']}:{row['port']} instead of {addresses[row['node_name']]}"
        for row in evidence.rows("nodes")
        if addresses.get(row["node_name"], f"{row['host']}:{row['port']}") != f"{row['host']}:{row['port']}"
    ]
    if moved:
        raise Broken(", ".join(moved))
    return f"1 coordinator, {sum(role == 'worker' for role, _ in found)} workers"


def nodes_answer(evidence: Evidence) -> str:
    """Every node answers a query that the coordinator sends."""
    nodes = evidence.rows("nodes")
    silent = [f"{row['node_name']}: {row['error']}" for row in nodes if not row["responds"]]
    if silent or not nodes:
        raise Broken("; ".join(silent) or "no nodes")
    return f"{len(nodes)} of {len(nodes)}"


def active_workers(evidence: Evidence) -> str:
    """The original's function names every worker."""
    found = len(evidence.rows("active-workers"))
    wanted = len(evidence.workers())
    if found < wanted:
        raise Broken(f"{found} of {wanted} workers")
    return f"{found} workers"


def citus_tables(evidence: Evidence) -> str:
    """The original's view names every table with its kind."""
    found = {str(row["table_name"]): str(row["citus_table_type"]) for row in evidence.rows("citus-tables")}
    wrong = [f"{name}: {found.get(name, 'missing')}" for name in TABLES if found.get(name) != _kind(evidence, name)]
    if wrong:
        raise Broken(", ".join(wrong))
    return f"{len(TABLES)} tables"


def _kind(evidence: Evidence, table: str) -> str:
    return {"medicos": "reference", "usuario": evidence.usuario_kind}.get(table, "distributed")


def _distributed(evidence: Evidence, table: str, column: str) -> str:
    row = evidence.table(table)
    found = f"{row['kind']} by {row['distribution_column']}" if row["distribution_column"] else str(row["kind"])
    if (row["kind"], row["distribution_column"]) != ("distributed", column):
        raise Broken(found)
    return f"{found}, {row['shard_count']} shards"


def pacientes_distributed(evidence: Evidence) -> str:
    """`pacientes` is spread by the patient's document number."""
    return _distributed(evidence, "pacientes", "cedula")


def consultas_distributed(evidence: Evidence) -> str:
    """`consultas` is spread by the patient's document number."""
    return _distributed(evidence, "consultas", "paciente_id")


def usuario_spread(evidence: Evidence) -> str:
    """`usuario` is spread as it was asked for."""
    return (
        _distributed(evidence, "usuario", "documento_id")
        if evidence.usuario_kind == "distributed"
        else _copied(evidence, "usuario")
    )


def colocated(evidence: Evidence) -> str:
    """A patient and the patient's consultations lie on one node."""
    pacientes, consultas = evidence.table("pacientes"), evidence.table("consultas")
    if pacientes["colocation_id"] is None or pacientes["colocation_id"] != consultas["colocation_id"]:
        raise Broken(f"groups {pacientes['colocation_id']} and {consultas['colocation_id']}")
    keys = evidence.rows("places")
    apart = [row for row in keys if row["paciente"] != row["consulta"]]
    if apart or not keys:
        raise Broken(f"{len(apart)} of {len(keys)} keys are apart, {apart[0]['clave']} for one" if apart else "no keys")
    return f"group {pacientes['colocation_id']}; {len(keys)} keys tried, each on one node"


def _copied(evidence: Evidence, table: str) -> str:
    kind = evidence.table(table)["kind"]
    if kind != "reference":
        raise Broken(str(kind))
    rows = {str(shard["node_name"]): shard["rows"] for shard in evidence.shards(table)}
    missing = [name for name in evidence.workers() if name not in rows]
    if missing:
        raise Broken(f"no copy on {', '.join(missing)}")
    if len(set(rows.values())) > 1:
        raise Broken("copies differ: " + ", ".join(f"{node} {count}" for node, count in sorted(rows.items())))
    return f"{len(rows)} copies of {human_number(next(iter(rows.values())))} rows"


def medicos_everywhere(evidence: Evidence) -> str:
    """Every worker has the doctors, all of them, and gets what is written from now on."""
    deaf = [f"{row['node_name']}: {row['problem']}" for row in evidence.rows("not-copying")]
    if deaf:
        raise Broken("; ".join(deaf))
    return _copied(evidence, "medicos")


def rows_on_workers(evidence: Evidence) -> str:
    """What the workers count in their shards is what the coordinator says."""
    shards = {table: evidence.shards(table) for table in TABLES}
    counts = evidence.rows("counts")[0]
    wrong, said = [], []
    for table in TABLES:
        counted = [int(shard["rows"]) for shard in shards[table]]
        found = max(counted) if evidence.table(table)["kind"] == "reference" else sum(counted)
        said.append(f"{table} {human_number(found)}")
        if found != counts[table]:
            wrong.append(f"{table}: {found} on the workers, {counts[table]} through the coordinator")
    if wrong:
        raise Broken("; ".join(wrong))
    return ", ".join(said)


def rows_spread(evidence: Evidence) -> str:
    """Every worker that holds shards of the two large tables holds rows of them."""
    said = []
    for table in ("pacientes", "consultas"):
        on: dict[str, int] = {}
        for shard in evidence.shards(table):
            on[str(shard["node_name"])] = on.get(str(shard["node_name"]), 0) + int(shard["rows"])
        if len(on) < min(2, len(evidence.workers())):
            raise Broken(f"all shards of {table} are on {', '.join(on)}")
        empty = [name for name, rows in on.items() if not rows]
        if empty and sum(on.values()) >= ENOUGH_TO_SPREAD:
            raise Broken(f"no rows of {table} on {', '.join(empty)}")
        said.append(f"{table} {' + '.join(human_number(rows) for _, rows in sorted(on.items()))}")
        new = [name for name in evidence.workers() if name not in on]
        if new and table == "consultas":
            said.append(f"none yet on {', '.join(new)}, which came later")
    return ", ".join(said)


def sample_join(evidence: Evidence) -> str:
    """The original's query of patients, consultations and doctors answers."""
    rows = evidence.rows("sample-join")
    wanted = min(5, int(evidence.rows("counts")[0]["consultas"]))
    if len(rows) != wanted:
        raise Broken(f"{len(rows)} rows instead of {wanted}")
    return f"{len(rows)} rows" + (f", {rows[0]['apellido']} with {rows[0]['medico_nombre']} first" if rows else "")


def original_users(evidence: Evidence) -> str:
    """The original's two users are there."""
    found = {str(row["documento_id"]): (row["nombre"], row["edad"]) for row in evidence.rows("users")}
    wrong = [document for document, user in ORIGINAL_USERS.items() if found.get(document) != user]
    if wrong:
        raise Broken("; ".join(f"{document}: {found.get(document, 'missing')}" for document in wrong))
    return ", ".join(name for name, _ in ORIGINAL_USERS.values())


def constraints_on_workers(evidence: Evidence) -> str:
    """The workers themselves hold primary and foreign keys: each shard of `consultas` has one and two."""
    wanted: dict[str, int] = {}
    for shard in evidence.shards("consultas"):
        wanted[str(shard["node_name"])] = wanted.get(str(shard["node_name"]), 0) + 1
    found = {str(row["node_name"]): row for row in evidence.rows("constraints")}
    wrong = []
    for node, shards in sorted(wanted.items()):
        row = found.get(node, {})
        keys = (row.get("primary_keys"), row.get("foreign_keys"))
        if keys != (shards, 2 * shards):
            wrong.append(f"{node}: {keys[0]} primary and {keys[1]} foreign keys on {shards} shards")
    if wrong:
        raise Broken("; ".join(wrong))
    return f"1 primary and 2 foreign keys on each of {sum(wanted.values())} shards of consultas"


def wait_line(wait: Row) -> str:
    """A row of `lab.waits` as a sentence, without the statements, which may name people."""
    line = (
        f"{wait['waiting_login']} (process {wait['waiting_pid']} on {wait['waiting_node']}) has waited"
        f" {float(wait['seconds']):.0f} s for {wait['waits_for']}"
    )
    if wait["blocking_pid"] is not None:
        state = f", {wait['blocking_state']}" if wait["blocking_state"] else ""
        line += f", held by {wait['blocking_login']} (process {wait['blocking_pid']} on {wait['blocking_node']}{state})"
    return line


def nobody_waits_long(evidence: Evidence) -> str:
    """No session has waited for another one for long."""
    waits = evidence.rows("waits")
    long = [wait_line(wait) for wait in waits if float(wait["seconds"]) >= LONG_WAIT]
    if long:
        raise Broken("; ".join(long))
    return f"{len(waits)} wait, each for less than {LONG_WAIT} s" if waits else "nobody waits"


def indexes_valid(evidence: Evidence) -> str:
    """No index was left half-built, which nothing uses and every writer pays for."""
    nodes: dict[str, list[str]] = {}
    for row in evidence.rows("invalid-indexes"):
        # That of a shard is the table's.
        nodes.setdefault(re.sub(r"_\d{6,}$", "", str(row["index"])), []).append(str(row["node_name"]))
    if nodes:
        raise Broken("; ".join(f"{index} on {', '.join(sorted(set(on)))}" for index, on in sorted(nodes.items())))
    return "no index is invalid"


def as_installed(evidence: Evidence) -> str:
    """What was installed in the catalogue is there, and nothing that gives rights has been added; the nodes have the same."""
    wrong = [f"{row['object']}: found {row['found']}, installed {row['wanted']}" for row in evidence.rows("installed")]
    wrong += [
        f"{row['object']}: found {row['found']}, here {row['wanted']}" for row in evidence.rows("node-differences")
    ]
    if wrong:
        raise Broken("; ".join(wrong))
    return "tables, keys, indexes, rights and logins are as they were installed"


def least_privilege(evidence: Evidence) -> str:
    """The lab's logins have no rights beyond their work."""
    wrong = [str(row["problem"]) for row in evidence.rows("privileges")]
    if wrong:
        raise Broken("; ".join(wrong))
    return "no login but admin is a superuser, deletes, or reads what it need not"


def logins_work(evidence: Evidence) -> str:
    """Whoever was given a login gets in and is shown the patients, on all nodes."""
    patients = evidence.rows("counts")[0]["pacientes"]
    found: dict[str, Row] = {str(row["item"]): row for row in evidence.people}
    wrong = []
    for login in (str(row["nombre"]) for row in evidence.rows("people")):
        rows = found[login].get("query_result")
        if not rows:
            wrong.append(f"{login}: {first_error(str(found[login].get('msg') or 'no answer'))}")
        elif patients and not rows[0]["patients"]:
            wrong.append(f"{login} is shown none of {human_number(patients)} patients")
    if wrong:
        raise Broken("; ".join(wrong))
    return f"{len(found)} besides the lab's own" if found else "nobody was given one"


def passwords_required(evidence: Evidence) -> str:
    """Neither a wrong password nor none opens the database."""
    if not evidence.logins:
        raise Broken("nobody tried")
    wrong = []
    for login in evidence.logins:
        message = str(login.get("msg") or "")
        if "query_result" in login:
            wrong.append(f"{login['case']}: let in")
        elif "password" not in message:  # "password authentication failed", "no password supplied"
            wrong.append(f"{login['case']}: {message.strip() or 'no answer'}")
    if wrong:
        raise Broken("; ".join(wrong))
    return "refused: " + ", ".join(str(login["case"]) for login in evidence.logins)


def api_answers(evidence: Evidence) -> str:
    """The API lives."""
    return f"GET / says {evidence.answer('/')['estado']}"


def api_status(evidence: Evidence) -> str:
    """The API reaches the database and says which engine it is."""
    status = evidence.answer("/status")
    if status["motor"] != evidence.lab["engine"]:
        raise Broken(f"engine {status['motor']}, the lab's is {evidence.lab['engine']}")
    if len(status["nodos"]) < len(evidence.lab["nodes"]):
        raise Broken(f"{len(status['nodos'])} of {len(evidence.lab['nodes'])} nodes")
    if status["estado"] != "ok":
        raise Broken(f"GET /status says {status['estado']}")
    return f"{status['motor']}, PostgreSQL {status['postgresql']}, {len(status['nodos'])} nodes"


def api_users(evidence: Evidence) -> str:
    """The API's list of users has as many as the table, or a full page of them."""
    body = evidence.answer("/usuarios")
    listed, there = len(body["usuarios"]), int(evidence.rows("counts")[0]["usuario"])
    if listed != there and not (body["siguiente"] and listed < there):
        raise Broken(f"{listed} users, the table has {there}")
    return f"{listed} of {there} users"


def api_workers(evidence: Evidence) -> str:
    """The API's list of workers is the database's."""
    listed, there = len(evidence.answer("/citus/workers")["workers"]), len(evidence.rows("active-workers"))
    if listed != there:
        raise Broken(f"{listed} workers, the database has {there}")
    return f"{listed} workers"


def settings_alike(evidence: Evidence) -> str:
    """Every node computes with the settings of the coordinator, whose session asks it."""
    wrong = [
        f"{row['node_name']} has {row['setting']} = {row['found']}, the coordinator {row['wanted']}"
        for row in evidence.rows("other-settings")
    ]
    if wrong:
        raise Broken("; ".join(wrong))
    return "time zone, formats, languages are the same on every node"


def shards_can_move(evidence: Evidence) -> str:
    """Nothing keeps a shard from moving to another node, or from being split; none is moved to find out."""
    wrong = [f"{row['object']}: {row['problem']}" for row in evidence.rows("obstacles")]
    if wrong:
        raise Broken("; ".join(wrong))
    return "owners, keys, settings and logins are as a move needs them"


def objects_as_made(evidence: Evidence) -> str:
    """The namespace holds what a run made, as it made it."""
    if evidence.survey["error"]:
        raise Broken(evidence.survey["error"])
    if evidence.survey["changed"]:
        raise Broken("; ".join(evidence.survey["changed"]))
    return f"namespace {evidence.lab['namespace']}"


@dataclass(frozen=True)
class Check:
    """One promise.

    Attributes:
        id: its stable name.
        promise: what was promised, as a sentence.
        judge: says what was found, or raises `Broken`.
        remedy: what mends it; ``{lab}``, ``{status}``, ... stand for the commands of these names.
        needs: checks without which this one cannot say anything.
        asks_nodes: whether it is the workers who answer: with one of them silent it has no ground to stand on.
    """

    id: str
    promise: str
    judge: Callable[[Evidence], str]
    remedy: str
    needs: tuple[str, ...] = ("database-answers",)
    asks_nodes: bool = False


# The mildest cure that can help, and no other: what it cannot do, it says, with the next one.
START = "{start} starts what is down; {diagnose} says why, where that does not help"
MAKE = "{lab} puts it right, or says what stands in its way"

#: From the ground up: what makes others fail stands before them.
CHECKS: tuple[Check, ...] = (
    Check("database-answers", "The database answers on its local port", database_answers, START, ()),
    Check("nodes-answer", "Every node answers", nodes_answer, START),
    Check("nodes-registered", "One coordinator and every worker are registered", nodes_registered, MAKE),
    Check("active-workers", "master_get_active_worker_nodes() names the workers", active_workers, MAKE),
    Check("citus-tables", "citus_tables names the tables and their kinds", citus_tables, MAKE, asks_nodes=True),
    Check("pacientes-distributed", "pacientes is distributed by cedula", pacientes_distributed, MAKE),
    Check("consultas-distributed", "consultas is distributed by paciente_id", consultas_distributed, MAKE),
    Check(
        "usuario-spread",
        "usuario is distributed by documento_id (or copied, where asked)",
        usuario_spread,
        MAKE,
        asks_nodes=True,
    ),
    Check("colocated", "A patient and its consultations lie on one node", colocated, MAKE),
    Check(
        "medicos-everywhere", "medicos is on every node, with the same rows", medicos_everywhere, MAKE, asks_nodes=True
    ),
    Check(
        "rows-on-workers",
        "The workers hold the rows that the coordinator counts",
        rows_on_workers,
        "{verify} again, once nobody loads data; {lab} else",
        asks_nodes=True,
    ),
    Check("rows-spread", "The data lie on more than one worker", rows_spread, MAKE, asks_nodes=True),
    Check("sample-join", "The original's query answers", sample_join, MAKE, asks_nodes=True),
    Check(
        "original-users",
        "The original's two users are there",
        original_users,
        "{lab} brings back one that is missing; one that was changed is yours to change back",
        asks_nodes=True,
    ),
    Check("constraints", "The workers hold primary and foreign keys", constraints_on_workers, MAKE, asks_nodes=True),
    Check(
        "as-installed",
        "Nobody has changed what was installed",
        as_installed,
        "{lab} puts it right; of columns, which hold rows, it only speaks",
    ),
    Check(
        "no-long-waits",
        f"Nobody waits for another one for {LONG_WAIT} s",
        nobody_waits_long,
        "{verify} again, once the other one has ended; SELECT * FROM lab.waits shows what both do, and"
        " SELECT pg_terminate_backend(PROCESS) on the node that is named ends the other one",
    ),
    Check(
        "indexes-valid",
        "No index was left invalid",
        indexes_valid,
        "{lab} builds those again that the lab came with; one of your own: DROP INDEX, then CREATE INDEX"
        " again once the cause is gone (rows twice, a node that was down)",
    ),
    Check("least-privilege", "No login has more rights than it needs", least_privilege, MAKE),
    Check(
        "logins-work",
        "Whoever was given a login gets in, and sees the patients",
        logins_work,
        "{login} gives it again, as it was; {no_login} takes it away",
        asks_nodes=True,
    ),
    Check(
        "passwords-required",
        "Nobody gets into the database without the password",
        passwords_required,
        "{lab} writes the servers' pg_hba.conf anew; look for trust in it, where that does not help",
    ),
    Check("api-answers", "The API answers", api_answers, START, ()),
    Check("api-status", "GET /status knows the database and its engine", api_status, START, ("api-answers",), True),
    Check("api-users", "GET /usuarios lists the users", api_users, MAKE, ("database-answers", "api-answers"), True),
    Check(
        "api-workers", "GET /citus/workers lists the workers", api_workers, MAKE, ("database-answers", "api-answers")
    ),
)
#: What is promised of a lab with Citus besides.
CHECKS_OF_CITUS: tuple[Check, ...] = (
    Check(
        "settings-alike",
        "Every node computes with the same settings",
        settings_alike,
        "{lab} gives every node the coordinator's",
    ),
    Check(
        "shards-can-move",
        "Shards can move between the nodes, and be split",
        shards_can_move,
        "{lab} puts it right; what is said of a table of yours is yours to do",
        asks_nodes=True,
    ),
)
#: What is promised of a lab in pods besides; what is deleted or scaled there takes nodes along, so it stands first.
CHECKS_OF_PODS: tuple[Check, ...] = (
    Check(
        "objects-as-made",
        "Nobody has changed what was made in the cluster",
        objects_as_made,
        "{start} brings back what was scaled down; {lab} puts the rest right",
        (),
    ),
)
#: What a check that others need is about, as they name it where it is broken.
GROUNDS = {"database-answers": "the database", "api-answers": "the API"}


def promises(engine: str, pods: bool) -> tuple[Check, ...]:
    """What is promised of a lab, by its engine and whether it runs in pods."""
    return (*(CHECKS_OF_PODS if pods else ()), *CHECKS, *(CHECKS_OF_CITUS if engine == "citus" else ()))


def titled(name: str) -> str:
    """A lab as a sentence calls it: the default one has the name `lab`."""
    return "the lab" if name == "lab" else f"the lab {name}"


#: Commands that mean nothing by themselves: the verb, and what it is asked for.
ASKED = {
    "login": ("login", {"clinical_schema_login": "name"}),
    "no_login": ("login", {"clinical_schema_login": "name", "clinical_schema_login_kind": "none"}),
}


class Commands(dict[str, str]):
    """The commands of a lab, by what `make` calls them, or by the names in `ASKED`."""

    def __init__(self, lab: Row) -> None:
        super().__init__()
        self._way = way_of(lab)

    def __missing__(self, verb: str) -> str:
        """Spell one."""
        done, values = ASKED.get(verb, (verb, {}))
        return command(self._way, done, **values)


def headed(lab: Row) -> str:
    """A lab as a page's first words call it, with its machine where that is another."""
    machine = way_of(lab).machine
    return f"{titled(lab['name']).capitalize()}{f' on {machine}' if machine else ''}"


def not_checked(silent: str) -> str:
    """Why a promise could be neither kept nor broken: who does not answer, as the subject of the sentence."""
    return f"not checked: {silent} {'do' if ',' in silent else 'does'} not answer"


def judge(evidence: Evidence) -> dict[str, Any]:
    """The verdict on every promise.

    A promise whose answer has another form than expected is broken: what was found says so. One whose ground is gone
    (the database, the API, a node) is not called broken: the cause is.

    Returns:
        ``checks`` (each with ``id``, ``promise``, ``verdict``, ``ok``, ``found`` and ``remedy``), ``ok``, and the
        counts ``passed``, ``failed`` and ``not_run``.
    """
    verdicts: dict[str, str] = {}
    checks = []
    commands = Commands(evidence.lab)
    nodes = evidence.silent_nodes()
    silent = f"node{'s' if len(nodes) > 1 else ''} {', '.join(nodes)}" if nodes else ""
    for check in promises(evidence.lab["engine"], bool(evidence.survey)):
        missing = [GROUNDS[name] for name in check.needs if verdicts[name] != PASS]
        if missing:
            verdict, found = NOT_RUN, not_checked(", ".join(missing))
        else:
            try:
                verdict, found = PASS, check.judge(evidence)
            except Broken as broken:
                verdict, found = FAIL, str(broken)
            except NotAsked as reason:
                verdict, found = NOT_RUN, str(reason)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                verdict, found = FAIL, f"an answer in another form: {error!r}"
            if verdict != PASS and check.asks_nodes and silent:
                verdict, found = NOT_RUN, not_checked(silent)
        verdicts[check.id] = verdict
        checks.append(
            {
                "id": check.id,
                "promise": check.promise,
                "verdict": verdict,
                "ok": verdict == PASS,
                "found": " ".join(found.split()),
                "remedy": check.remedy.format_map(commands) if verdict == FAIL else "",
            }
        )
    counts = {name: sum(verdict == name for verdict in verdicts.values()) for name in (PASS, FAIL, NOT_RUN)}
    return {
        "lab": evidence.lab["name"],
        "engine": evidence.lab["engine"],
        "ok": counts[PASS] == len(checks),
        "passed": counts[PASS],
        "failed": counts[FAIL],
        "not_run": counts[NOT_RUN],
        "checks": checks,
    }


def verification_report(
    lab: Row,
    database: Row,
    logins: Row,
    api: Row,
    usuario_kind: str = "distributed",
    survey: Row | None = None,
    people: Row | None = None,
) -> dict[str, Any]:
    """The verdicts from the results that the tasks registered.

    Args:
        lab: the fact that the role preflight gives.
        database: of `postgresql_query`: rows of ``name`` and ``answer``.
        logins: of `postgresql_query` in a loop over the cases.
        api: of `uri` in a loop over the paths.
        usuario_kind: how the table `usuario` is spread.
        survey: of `lab_info`, where the lab has pods.
        people: of `postgresql_query` in a loop over the logins of people.
    """
    answers = database.get("query_result") or []
    return judge(
        Evidence(
            lab=lab,
            sql={row["name"]: row["answer"] for row in answers},
            sql_error="" if answers else first_error(str(database.get("msg") or "no answer")),
            logins=[{**result, "case": result["item"]["case"]} for result in logins.get("results", [])],
            api={result["item"]: result for result in api.get("results", [])},
            usuario_kind=usuario_kind,
            survey=survey or {},
            people=(people or {}).get("results", []),
        )
    )


def first_error(message: str) -> str:
    """The one sentence of a module's long message: what the server said, without the statement."""
    message = re.sub(r"^Cannot execute SQL '.*?' (?:None|\{.*?\}): ", "", message, flags=re.DOTALL)
    lines = [line.strip() for line in message.split(", query list:")[0].splitlines() if line.strip()]
    return lines[0] if lines else "no answer"


def server_said(message: str) -> str:
    """What the server said, of a module's long message: without the statement, its arguments and where it stood."""
    message = message.split(", query list: ")[0]
    message = re.sub(r"^.*(?:\}|None): ", "", message, flags=re.DOTALL)
    return re.sub(r"\s+CONTEXT:.*$", "", message, flags=re.DOTALL).strip()


def stop_page(result: Row, task: str, transactions: Sequence[Row], lab: Row) -> str:
    """Why a task on the database failed; where it waited for somebody, for whom, and what ends that.

    Args:
        result: of the task: of a statement, or of a command.
        task: its name.
        transactions: the rows of `lab.open_transactions`, where it waited for a lock.
        lab: the fact that the role preflight gives.
    """
    command = "stderr" in result
    said = failure_page(result) if command else server_said(str(result.get("msg") or "no reason was given"))
    lines = [f"{task}:\n{said}" if command else f"{task}: {said}"]
    if waited_in_vain(result) and not transactions:
        lines += ["Who held what it waited for has let go of it since: run this again."]
    elif transactions:
        lines += ["These have a transaction open, which may hold what it waited for:"]
        for row in transactions:
            what = ", ".join(word for word in (row["state"], f"last statement {row['statement']}") if word)
            text = (
                f"process {row['pid']} on {row['node_name']}: {row['login']}, since {row['since']}, {what}. To end it:"
            )
            lines += paragraph(text, "    ", "  - ")
            ending = f"SELECT lab.end_session('{row['node_name']}', {row['pid']})"
            lines += [f'    echo "{ending}" | {psql(way_of(lab), lab)}']
        lines += ["Then run this again."]
    return "\n".join(lines)


def waited_in_vain(result: Row) -> bool:
    """Whether a task on the database failed because it was not given a lock in time."""
    said = " ".join(str(result.get(part) or "") for part in ("msg", "stderr", "log"))
    return "lock timeout" in said or "statement timeout" in said


def left_page(rows: Sequence[Row]) -> list[str]:
    """What a run leaves as somebody made it, and why, as lines of a page.

    Args:
        rows: each with ``object``, ``found`` and ``wanted``.
    """
    lines = paragraph(
        "Left as somebody made it, because rows lie in it (ALTER TABLE puts it right by hand):",
        "",
    )
    for row in rows:
        lines += paragraph(f"{row['object']}: found {row['found']}, installed {row['wanted']}", "    ", "  - ")
    return lines


def copy_page(rows: Sequence[Row], file: str) -> list[str]:
    """What a copy of the history holds, and what of others' making it does not, as lines of a page.

    Args:
        rows: each with ``kind`` (``rows`` or ``left out``; others are of no interest here) and ``text``.
        file: where the copy is.
    """
    left_out = [str(row["text"]) for row in rows if row["kind"] == "left out"]
    lines = [f"Copied into {file}:", *(f"  {row['text']}" for row in rows if row["kind"] == "rows")]
    if left_out:
        lines += paragraph(f"Not in it, since somebody made it beside the history: {', '.join(left_out)}.", "  ", "")
    return lines


def verification_page(report: Row) -> str:
    """The verdicts as a table, what is broken with its remedy below."""
    marks = {PASS: "ok", FAIL: "BROKEN", NOT_RUN: "?"}
    lines = [f"Promises of {titled(report['lab'])} ({report['engine']})", ""]
    width = max(len(check["id"]) for check in report["checks"])
    for check in report["checks"]:
        head = f"  {marks[check['verdict']]:<7}  {check['id']:<{width}}  "
        lines += paragraph(check["found"], " " * len(head), head)
    for check in report["checks"]:
        if check["verdict"] == FAIL:
            # Each step begins a line, so that its command can be copied.
            steps = [f"    {step}" for step in check["remedy"].split("; ")]
            lines += ["", f"{check['id']}: {check['promise']}. To mend it:", *steps]
    total = len(report["checks"])
    end = f"{report['passed']} of {total} promises are kept"
    if report["not_run"]:
        end += f", {report['failed']} broken, {report['not_run']} could not be checked"
    return "\n".join([*lines, "", f"{end}."])


# ---------------------------------------------------------------------------------------------------- status


def status_page(lab: Row, found: Row, pods: Sequence[str] = ()) -> str:
    """Nodes, processes, pods, tables, shards and endpoints on one page.

    Args:
        lab: the fact that the role preflight gives.
        found: what the module `lab_info` gives.
        pods: the lines about its pods, where it has some.
    """
    sections = [
        [
            f"{headed(lab)}: {lab['engine']} on {lab['target']}, {lab['workers']} workers",
            f"  {lab['directory']}",
            f"  {after_reboot(lab)}",
        ],
        process_lines(found["processes"], Commands(lab)["start"]),
        *([list(pods)] if pods else []),
    ]
    database = found["database"]
    if database["error"]:
        error = first_error(database["error"])
        sections.append(["Database", *paragraph(error), f"  {Commands(lab)['start']} starts what is down."])
    else:
        sections += [
            _nodes(database["nodes"], Commands(lab)["start"]),
            _tables(database["tables"]),
            _shards(database["shards"]),
        ]
    sections.append(_endpoints(lab, found["api"], not database["error"]))
    return "\n\n".join("\n".join(section) for section in sections)


def after_reboot(lab: Row) -> str:
    """What becomes of a lab after a reboot, in a sentence, of the fact that the role preflight gives."""
    if lab["autostart"]:
        return f"After a reboot it starts by itself ({lab['autostart']})."
    commands = Commands(lab)
    by_itself = f"; by itself: {commands['autostart']}" if lab["autostart_possible"] else ""
    return f"After a reboot: {commands['start']}{by_itself}"


def autostart_page(lab: Row, result: Row) -> str:
    """What stands at the end of `make autostart`.

    Args:
        lab: the fact that the role preflight gives.
        result: of the module `autostart`.
    """
    way = way_of(lab)
    name = titled(lab["name"]).capitalize()
    if not result["way"]:
        return f"{name} does not start by itself. After a reboot: {command(way, 'start')}"
    lines = [f"{name} starts by itself after a reboot: {result['way']}."]
    if result["waits_for"]:
        lines += paragraph(f"It waits until {result['waits_for']} logs in.", "")
        if result["way"].startswith("systemd"):
            lines += ["To have it start with the machine (with sudo, where that is refused):"]
            linger = f"loginctl enable-linger {result['waits_for']}"
            lines += [f"  {there(way, linger)}"]
    if lab["target"] == "minikube":
        lines += paragraph(f"Minikube's profile {lab['context']} is started too.", "")
    if lab["target"] == "kubernetes":
        lines += ["Its pods start with their cluster; here it is its local ports that open."]
    return "\n".join([*lines, f"To undo it: {command(way, 'autostart', autostart_state='off')}"])


def process_lines(processes: Sequence[Row], start: str) -> list[str]:
    """The processes of a lab on this machine, as lines of a page."""
    if not processes:
        return ["Processes", f"  none: the lab is stopped; {start} starts it."]
    rows = [
        (
            str(process["name"]),
            str(process["state"]).lower(),
            str(process["pid"] or "-"),
            human_duration(process["uptime_seconds"]),
            human_size(process["memory_bytes"]),
        )
        for process in processes
    ]
    total = sum(process["memory_bytes"] or 0 for process in processes)
    advice = []
    if any(process["state"] == "UNSUPERVISED" for process in processes):
        advice = paragraph(
            "The supervisor was killed. What it had started runs on, but nobody starts again what ends."
            " This ends it in good order and starts all of it anew, with a supervisor:"
        )
        advice.append(f"  {start}")
    elif not all(process["pid"] for process in processes):
        advice = [f"  {start} starts what is stopped."]
    return [
        f"Processes, {human_size(total)} of memory in all",
        *columns(("name", "state", "pid", "up for", "memory"), rows, (2, 3, 4)),
        *advice,
    ]


def _nodes(nodes: Sequence[Row], start: str) -> list[str]:
    rows = [
        (
            str(node["node_name"]),
            str(node["role"]),
            f"{node['host']}:{node['port']}",
            str(node["version"]) if node["responds"] else "no answer",
            human_number(node["shards"]),
            human_size(node["size_bytes"]),
        )
        for node in nodes
    ]
    lines = columns(("node", "role", "address", "PostgreSQL", "shards", "size"), rows, (4, 5))
    for node in nodes:
        if not node["responds"]:
            lines += paragraph(f"{node['node_name']}: {node['error']}", "    ", "  ! ")
    if not all(node["responds"] for node in nodes):
        lines.append(f"  {start} starts what is down.")
    return ["Nodes", *lines]


def _tables(tables: Sequence[Row]) -> list[str]:
    rows = [
        (
            str(table["table_name"]),
            str(table["kind"]),
            str(table["distribution_column"] or "-"),
            "-" if table["shard_count"] is None else str(table["shard_count"]),
            human_number(table["rows"]),
            human_size(table["size_bytes"]),
        )
        for table in tables
    ]
    return ["Tables", *columns(("table", "kind", "distributed by", "shards", "rows", "size"), rows, (3, 4, 5))]


def _shards(shards: Sequence[Row]) -> list[str]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for shard in shards:
        groups.setdefault((str(shard["node_name"]), str(shard["table_name"])), []).append(shard)
    rows = [
        (
            node,
            table,
            str(len(held)),
            human_number(
                None if any(shard["rows"] is None for shard in held) else sum(shard["rows"] for shard in held)
            ),
            human_size(
                None
                if any(shard["size_bytes"] is None for shard in held)
                else sum(shard["size_bytes"] for shard in held)
            ),
        )
        for (node, table), held in sorted(groups.items())
    ]
    return ["Shards on each node", *columns(("node", "table", "shards", "rows", "size"), rows, (2, 3, 4))]


def _endpoints(lab: Row, api: Row, database_answers: bool) -> list[str]:
    body = api["body"]
    if api["status"] == 200:
        said = f"{body.get('estado', 'answers')}, {body.get('latencia_ms', '?')} ms to the database"
    elif api["status"]:
        said = f"{api['status']} {body.get('detail', '')}".strip()
    else:
        said = "no answer"
    rows = [
        ("API", api_url(lab), said),
        (
            "database",
            f"127.0.0.1:{lab['database_port']}",
            f"{lab['database']}, {'answers' if database_answers else 'no answer'}",
        ),
    ]
    return ["Endpoints", *columns(("what", "where", "says"), rows)]


# ---------------------------------------------------------------------------------------------------- summary


def what_runs(lab: Row) -> list[str]:
    """Where a lab runs and with which engine, why, and each address."""
    nodes = [(str(node["name"]), str(node["role"]), f"{node['host']}:{node['port']}") for node in lab["nodes"]]
    return [
        *paragraph(f"Target: {lab['reasons']['target']}"),
        *paragraph(f"Engine: {lab['reasons']['engine']}"),
        "",
        *columns(("node", "role", "address"), [*nodes, ("middleware", "API", api_url(lab).removeprefix("http://"))]),
        "",
    ]


def preflight_page(lab: Row) -> str:
    """What stands at the end of `preflight` where nothing stands in the way, of the fact that the role gives."""
    doing = "brings it up to date" if lab["exists"] else "makes it"
    machine = way_of(lab).machine
    return "\n".join(
        [
            f"Nothing stands in the way of {titled(lab['name'])}{f' on {machine}' if machine else ''}.",
            "",
            *what_runs(lab),
            f"Directory: {lab['directory']}",
            f"To go on: {Commands(lab)['lab']} {doing}",
        ]
    )


#: What environment.sh adds to `no_proxy` for the lab's own commands: a person's shell does not have it.
DIRECT = "localhost,127.0.0.1,::1,192.168.0.0/16"


def curl(environment: Mapping[str, str]) -> str:
    """How a person's curl asks this machine: past the proxy, where it would go through one.

    Args:
        environment: of the run, which may have been given `DIRECT`.
    """
    # The names that curl reads; HTTP_PROXY is not one of them.
    if not any(environment.get(name) for name in ("http_proxy", "all_proxy", "ALL_PROXY")):
        return "curl"
    own = (environment.get("no_proxy") or environment.get("NO_PROXY") or "").replace(DIRECT, "")
    exempt = {"*", "127.0.0.1", "127.0.0.0/8"} & {word.strip() for word in own.split(",")}
    return "curl" if exempt else "curl --noproxy 127.0.0.1"


def summary_page(lab: Row, access: str = "rules", environment: Mapping[str, str] | None = None) -> str:
    """What stands at the end of `site.yml`: what runs where and why, what to try, how to stop.

    Args:
        lab: the fact that the role preflight gives.
        access: whether the API's rules hold (``rules``) or are lifted (``open``).
        environment: of the run, where it has a say.
    """
    way = way_of(lab)
    commands = Commands(lab)
    on = f" on {way.machine}" if way.machine else ""
    lines = [
        f"{headed(lab)} is ready.",
        "",
        *what_runs(lab),
        *_reach(way, lab),
        "Try:",
        f"  {curl(environment or {})} {api_url(lab)}/status",
        f"  {curl(environment or {})} {api_url(lab)}/usuarios",
        f"  {psql(way, lab, QUESTION)}",
        f"  {psql(way, lab)}",
        f"  {commands['status']}",
        f"  {commands['verify']}",
        "",
        *(
            [f"To log in to {api_url(lab)}/api/v1: {commands['token']}"]
            if access == "rules"
            else paragraph(
                "ACCESS IS OPEN: anybody who reaches the API reads and writes. To have the rules: middleware_access=rules.",
                indent="",
            )
        ),
        f"Credentials{on}: {lab['directory']}/credentials",
        f"To stop: {commands['stop']}",
        f"To go on, with the data: {commands['start']}",
        after_reboot(lab),
        f"To remove: {commands['teardown']}",
    ]
    return "\n".join(lines)


def _reach(way: Way, lab: Row) -> list[str]:
    """How to reach a lab that is on another machine, which listens there only."""
    if not way.machine:
        return []
    forward = tunnel(way, (lab["api_port"], lab["database_port"]))
    if not forward:
        return [*paragraph(f"Its ports are those of {way.machine}, and open there only.", indent=""), ""]
    return [
        *paragraph(
            f"Its ports are those of {way.machine}, and open there only. To have them here, leave this running:",
            indent="",
        ),
        f"  {forward}",
        "",
    ]
