"""The original lab's way: Flask's own server, and a connection of its own for each request."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import psycopg
from flask import Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue
from psycopg.rows import DictRow, dict_row

SQL = {path.stem: path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "sql").glob("*.sql")}
app = Flask(__name__)


def rows(name: str, parameters: dict[str, Any]) -> list[DictRow]:
    """Connect, ask, hang up."""
    connection = psycopg.connect(autocommit=True, row_factory=dict_row)  # libpq's variables say where
    try:
        return connection.execute(SQL[name].encode(), parameters).fetchall()
    finally:
        connection.close()


@app.get("/api/v1/pacientes/<cedula>")
def patient(cedula: str) -> ResponseReturnValue:
    """One patient."""
    found = rows("patient", {"cedula": cedula})
    return jsonify(found[0]) if found else abort(404)


@app.get("/api/v1/pacientes/<cedula>/historia")
def history(cedula: str) -> ResponseReturnValue:
    """A patient with his consultations."""
    found = rows("patient", {"cedula": cedula})
    return jsonify(paciente=found[0], consultas=rows("consultations", {"cedula": cedula})) if found else abort(404)


@app.post("/api/v1/pacientes/<cedula>/consultas")
def consult(cedula: str) -> ResponseReturnValue:
    """Write a consultation."""
    return jsonify(rows("insert", {**request.get_json(), "cedula": cedula})[0]), 201


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]))
