"""Log lines: one JSON object a line on stderr, for a person's eye and for a collector alike.

A line that is about a request has its identifier. None has a person's document: what a database or a traceback says may
quote the row that it is about.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

from flask import g, has_request_context

_DOCUMENT = re.compile(r"(?<![0-9a-f])[0-9]{5,10}(?![0-9a-f])")
_JSON = json.JSONEncoder(ensure_ascii=False, default=str)


def without_documents(text: str) -> str:
    """Return a text that others wrote with every number masked that could be a person's document."""
    return _DOCUMENT.sub("*****", text)


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON; `extra={"datos": {...}}` adds fields to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON without line breaks."""
        line: dict[str, Any] = {
            "hora": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "nivel": record.levelname.lower(),
            "origen": record.name,
            "mensaje": record.getMessage(),
            **getattr(record, "datos", {}),
        }
        if has_request_context() and "observed" in g:
            line["peticion"] = g.observed[0]
        if record.exc_info:
            line["traza"] = without_documents(self.formatException(record.exc_info))
        return _JSON.encode(line)


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
