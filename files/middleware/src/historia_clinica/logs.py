"""Log lines: one JSON object a line on stderr, for a person's eye and for a collector alike.

A line that is about a request has its identifier. None has a person's document or name: what a database or an exception says
may quote the row that it is about, so that of these only what names objects is told.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import psycopg
from flask import g, has_request_context

from historia_clinica.redaction import told, without_documents

_JSON = json.JSONEncoder(ensure_ascii=False, default=str)


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON; `extra={"datos": {...}}` adds fields to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON without line breaks."""
        line: dict[str, Any] = {
            "hora": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "nivel": record.levelname.lower(),
            "origen": record.name,
            "mensaje": _message(record),
            **getattr(record, "datos", {}),
        }
        if has_request_context() and "observed" in g:
            line["peticion"] = g.observed[0]
        if record.exc_info:
            line["traza"] = _trace(record.exc_info[1])
        return _JSON.encode(line)


def _message(record: logging.LogRecord) -> str:
    """Return what a record says; libraries may quote the path of a request."""
    text = record.getMessage()
    return text if record.name.startswith(__package__ or "") else without_documents(text)


def _trace(error: BaseException | None) -> str:
    """Return where an exception comes from, and through which others: the code, and of what they say nothing but the database's."""
    lines: list[str] = []
    while error is not None:
        what = told(error) if isinstance(error, psycopg.Error) else ""
        lines = [*traceback.format_tb(error.__traceback__), f"{type(error).__name__}{what and ': '}{what}\n", *lines]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "".join(lines)


def configure() -> None:
    """Send everything from INFO on to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    # What no line says needs not be found out for each of them:
    # https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # The pool tells each attempt that failed, the server each request that waits for a thread; pool.py tells when the
    # database goes and comes back, once.
    for name in ("psycopg.pool", "waitress.queue"):
        logging.getLogger(name).setLevel(logging.ERROR)
