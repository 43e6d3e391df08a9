"""The users in the log at start: what the original lab tells a student to look for there."""

from __future__ import annotations

import logging
import threading

import psycopg
from psycopg.rows import DictRow

from historia_clinica.db import Database, DatabaseUnavailableError
from historia_clinica.sql import statement

logger = logging.getLogger(__name__)

LISTED = 50
PAUSE_SECONDS = 2  # servers and middleware of a lab start together: the tables may come a little later


def users_in_log(database: Database) -> None:
    """Log the first users as soon as the database answers, without keeping the start waiting."""
    threading.Thread(target=_log, args=(database,), name="users-in-log", daemon=True).start()


def _log(database: Database) -> None:
    told = ""
    while True:
        try:
            rows = _first(database)
            break
        except (DatabaseUnavailableError, psycopg.Error) as error:
            if str(error) != told:
                told = str(error)
                logger.warning(
                    "No se pudo leer la tabla usuario; el servicio sigue y lo vuelve a intentar.",
                    extra={"datos": {"error": told}},
                )
            if database.closed.wait(PAUSE_SECONDS):
                return
    for row in rows[:LISTED]:
        known = {**row, "documento_id": "*" * 6 + row["documento_id"][-4:]}  # enough for who knows it
        logger.info("Usuario cargado de la tabla usuario.", extra={"datos": known})
    logger.info("Usuarios en la tabla usuario: %s.", f"más de {LISTED}" if len(rows) > LISTED else len(rows))


def _first(database: Database) -> list[DictRow]:
    with database.connection() as connection:
        return connection.execute(statement("usuarios"), {"despues": "", "limite": LISTED}).fetchall()
