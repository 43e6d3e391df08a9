# Copyright (c) 2026 The maintainers of aula.historia_clinica
# MIT License (see LICENSE)
"""Checks of tables and rows: how they are distributed, on which nodes they are, and that they are as installed."""

from __future__ import annotations

import re

from ansible_collections.aula.historia_clinica.plugins.module_utils.pages.text import human_number
from ansible_collections.aula.historia_clinica.plugins.module_utils.verification.observations import (
    CheckFailed,
    Observations,
)

ORIGINAL_USERS = {"1072319876": ("Luis Herrera", 56), "1078912345": ("Ana María Soto", 34)}
TABLES = ("consultas", "medicos", "pacientes", "usuario")
#: How many the middleware's package has (municipios.csv).
MUNICIPALITIES = 1122
#: How many it knows (cie10.csv); a lab may have more, which somebody used.
DIAGNOSES = 185
#: Of a consultation: its patient, its doctor, its diagnosis and three related ones.
FOREIGN_KEYS = 6
#: Fewer rows than this may lie on one worker by chance.
ENOUGH_TO_SPREAD = 100


def citus_tables(observations: Observations) -> str:
    """The original's view names every table with its kind."""
    found = {str(row["table_name"]): str(row["citus_table_type"]) for row in observations.rows("citus-tables")}
    wrong = [f"{name}: {found.get(name, 'missing')}" for name in TABLES if found.get(name) != _kind(observations, name)]
    if wrong:
        raise CheckFailed(", ".join(wrong))
    return f"{len(TABLES)} tables"


def _kind(observations: Observations, table: str) -> str:
    return {"medicos": "reference", "usuario": observations.usuario_kind}.get(table, "distributed")


def pacientes_distributed(observations: Observations) -> str:
    """`pacientes` is distributed by the patient's document number."""
    return _distributed(observations, "pacientes", "cedula")


def consultas_distributed(observations: Observations) -> str:
    """`consultas` is distributed by the patient's document number."""
    return _distributed(observations, "consultas", "paciente_id")


def usuario_distributed(observations: Observations) -> str:
    """`usuario` is distributed, or a reference table, as configured."""
    return (
        _distributed(observations, "usuario", "documento_id")
        if observations.usuario_kind == "distributed"
        else _copied(observations, "usuario")
    )


def _distributed(observations: Observations, table: str, column: str) -> str:
    row = observations.table(table)
    found = f"{row['kind']} by {row['distribution_column']}" if row["distribution_column"] else str(row["kind"])
    if (row["kind"], row["distribution_column"]) != ("distributed", column):
        raise CheckFailed(found)
    return f"{found}, {row['shard_count']} shards"


def medicos_replicated(observations: Observations) -> str:
    """Every worker has the doctors, all of them, and gets what is written from now on."""
    deaf = [f"{row['node_name']}: {row['problem']}" for row in observations.rows("not-copying")]
    if deaf:
        raise CheckFailed("; ".join(deaf))
    return _copied(observations, "medicos")


def municipios_replicated(observations: Observations) -> str:
    """Every node has DANE's municipalities, all of them."""
    return _filled(observations, "municipios", MUNICIPALITIES)


def cie10_replicated(observations: Observations) -> str:
    """Every node has the diagnoses that a lab knows, all of them."""
    return _filled(observations, "cie10", DIAGNOSES)


def _filled(observations: Observations, table: str, least: int) -> str:
    result = _copied(observations, table)
    rows = observations.table(table)["rows"]
    if not isinstance(rows, int) or rows < least:
        raise CheckFailed(f"{rows} of {least} rows")
    return result


def _copied(observations: Observations, table: str) -> str:
    kind = observations.table(table)["kind"]
    if kind != "reference":
        raise CheckFailed(str(kind))
    rows = {str(shard["node_name"]): shard["rows"] for shard in observations.shards(table)}
    missing = [name for name in observations.workers() if name not in rows]
    if missing:
        raise CheckFailed(f"no copy on {', '.join(missing)}")
    if len(set(rows.values())) > 1:
        raise CheckFailed("copies differ: " + ", ".join(f"{node} {count}" for node, count in sorted(rows.items())))
    return f"{len(rows)} copies of {human_number(next(iter(rows.values())))} rows"


def colocated(observations: Observations) -> str:
    """A patient and the patient's consultations lie on one node."""
    pacientes, consultas = observations.table("pacientes"), observations.table("consultas")
    if pacientes["colocation_id"] is None or pacientes["colocation_id"] != consultas["colocation_id"]:
        raise CheckFailed(f"groups {pacientes['colocation_id']} and {consultas['colocation_id']}")
    keys = observations.rows("places")
    apart = [row for row in keys if row["paciente"] != row["consulta"]]
    if apart or not keys:
        raise CheckFailed(
            f"{len(apart)} of {len(keys)} keys are apart, {apart[0]['clave']} for one" if apart else "no keys"
        )
    return f"group {pacientes['colocation_id']}; {len(keys)} keys tried, each on one node"


def rows_on_workers(observations: Observations) -> str:
    """What the workers count in their shards is what the coordinator says."""
    shards = {table: observations.shards(table) for table in TABLES}
    counts = observations.rows("counts")[0]
    wrong, said = [], []
    for table in TABLES:
        counted = [int(shard["rows"]) for shard in shards[table]]
        found = max(counted) if observations.table(table)["kind"] == "reference" else sum(counted)
        said.append(f"{table} {human_number(found)}")
        if found != counts[table]:
            wrong.append(f"{table}: {found} on the workers, {counts[table]} through the coordinator")
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return ", ".join(said)


def rows_balanced(observations: Observations) -> str:
    """Every worker that holds shards of the two large tables holds rows of them."""
    said = []
    for table in ("pacientes", "consultas"):
        on: dict[str, int] = {}
        for shard in observations.shards(table):
            on[str(shard["node_name"])] = on.get(str(shard["node_name"]), 0) + int(shard["rows"])
        if len(on) < min(2, len(observations.workers())):
            raise CheckFailed(f"all shards of {table} are on {', '.join(on)}")
        empty = [name for name, rows in on.items() if not rows]
        if empty and sum(on.values()) >= ENOUGH_TO_SPREAD:
            raise CheckFailed(f"no rows of {table} on {', '.join(empty)}")
        said.append(f"{table} {' + '.join(human_number(rows) for _, rows in sorted(on.items()))}")
        new = [name for name in observations.workers() if name not in on]
        if new and table == "consultas":
            said.append(f"none yet on {', '.join(new)}, which came later")
    return ", ".join(said)


def sample_join(observations: Observations) -> str:
    """The original's query of patients, consultations and doctors answers."""
    rows = observations.rows("sample-join")
    wanted = min(5, int(observations.rows("counts")[0]["consultas"]))
    if len(rows) != wanted:
        raise CheckFailed(f"{len(rows)} rows instead of {wanted}")
    return f"{len(rows)} rows"


def original_users(observations: Observations) -> str:
    """The original's two users are there."""
    found = {str(row["documento_id"]): (row["nombre"], row["edad"]) for row in observations.rows("users")}
    wrong = [document for document, user in ORIGINAL_USERS.items() if found.get(document) != user]
    if wrong:
        raise CheckFailed(
            "; ".join(f"{document}: {'changed' if document in found else 'missing'}" for document in wrong)
        )
    return ", ".join(name for name, _ in ORIGINAL_USERS.values())


def constraints_on_workers(observations: Observations) -> str:
    """The workers themselves hold primary and foreign keys: each shard of `consultas` has one, and one to each that it names."""
    wanted: dict[str, int] = {}
    for shard in observations.shards("consultas"):
        wanted[str(shard["node_name"])] = wanted.get(str(shard["node_name"]), 0) + 1
    found = {str(row["node_name"]): row for row in observations.rows("constraints")}
    wrong = []
    for node, shards in sorted(wanted.items()):
        row = found.get(node, {})
        keys = (row.get("primary_keys"), row.get("foreign_keys"))
        if keys != (shards, FOREIGN_KEYS * shards):
            wrong.append(f"{node}: {keys[0]} primary and {keys[1]} foreign keys on {shards} shards")
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return f"1 primary and {FOREIGN_KEYS} foreign keys on each of {sum(wanted.values())} shards of consultas"


def indexes_valid(observations: Observations) -> str:
    """No index was left half-built, which nothing uses and every writer pays for."""
    nodes: dict[str, list[str]] = {}
    for row in observations.rows("invalid-indexes"):
        # That of a shard is the table's.
        nodes.setdefault(re.sub(r"_\d{6,}$", "", str(row["index"])), []).append(str(row["node_name"]))
    if nodes:
        raise CheckFailed("; ".join(f"{index} on {', '.join(sorted(set(on)))}" for index, on in sorted(nodes.items())))
    return "no index is invalid"


def as_installed(observations: Observations) -> str:
    """What was installed in the catalogue is there, and nothing that gives rights has been added; the nodes have the same, and the rows of lists."""
    wrong = [
        f"{row['object']}: found {row['found']}, installed {row['wanted']}" for row in observations.rows("installed")
    ]
    wrong += [f"{row['object']}: found {row['found']}, not {row['wanted']}" for row in observations.rows("rows")]
    wrong += [
        f"{row['object']}: found {row['found']}, here {row['wanted']}" for row in observations.rows("node-differences")
    ]
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return "tables, keys, indexes, rights, logins and the rows of lists are as they were installed"


def shards_can_move(observations: Observations) -> str:
    """Nothing keeps a shard from moving to another node, or from being split; none is moved to find out."""
    wrong = [f"{row['object']}: {row['problem']}" for row in observations.rows("obstacles")]
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return "owners, keys, settings and logins are as a move needs them"
