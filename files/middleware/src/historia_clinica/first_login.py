"""`python -m historia_clinica.first_login DOCUMENTO`: the first log-in of a user, from the lab's own machine.

The seed's users have no password, and nobody can give the first one through the API. This gives one, makes the user where
there is none, and opens a session. What it prints is shown once: it is kept nowhere but as a hash.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys

from historia_clinica import create_app, documents, passwords, sessions
from historia_clinica.permissions import ROLES
from historia_clinica.sql import statement
from historia_clinica.transactions import Transaction, in_transaction
from historia_clinica.v1.usuarios import USUARIO


def main(arguments: list[str] | None = None) -> int:
    """Give the user a password, log him in, and print both as JSON on stdout."""
    parser = argparse.ArgumentParser(prog="python -m historia_clinica.first_login", description=__doc__)
    parser.add_argument(
        "documento", help="document of the user: a cédula, or another type and its number, as TI-1072319876"
    )
    parser.add_argument("--rol", choices=ROLES, default="administrador", help="of a user who is not there yet")
    parser.add_argument("--nombre", default="Primer ingreso", help="of a user who is not there yet")
    given = parser.parse_args(arguments)
    try:
        documento = documents.key(given.documento)
    except ValueError as error:
        parser.error(f"documento {given.documento!r}: {error}")
    app = create_app()
    try:
        with app.app_context():
            print(json.dumps(_first(documento, given.rol, given.nombre), ensure_ascii=False, indent=2))
    finally:
        app.extensions["database"].close()
    return 0


@in_transaction
def _first(transaction: Transaction, documento_id: str, rol: str, nombre: str) -> dict[str, object]:
    key = {"documento_id": documento_id}
    if USUARIO.lock(transaction, key) is None:
        new = {"nombre": nombre, "edad": 0, "rol": rol, "medico_id": None, "activo": True}
        USUARIO.write(transaction, "insert", {**key, **new})
    [user] = transaction.fetch(statement("usuario_log_in"), key)
    if not user["activo"]:
        who, address = f"user {documento_id}", f"usuarios/{documento_id}"
        if user["usuario_activo"]:
            who, address = f"doctor that the user {documento_id} is", f"medicos/{user['medico_id']}"
        raise SystemExit(
            f"The {who} is retired, so no password would let him in: an administrator gives him his place back"
            f""" with PATCH /api/v1/{address} and {{"activo": true}}."""
        )
    password = secrets.token_urlsafe(18)
    transaction.execute(statement("usuario_password"), {**key, "clave_hash": passwords.hashed(password)})
    sessions.close_all(transaction, documento_id)
    return {"clave": password, **sessions.start(transaction, documento_id, user["rol"], user["medico_id"])}


if __name__ == "__main__":
    sys.exit(main())
