"""Log lines: one JSON object a line on stderr, for a person's eye and for a collector alike."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any


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
        if record.exc_info:
            line["traza"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure() -> None:
    """Send everything from INFO on to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # The pool tells each failed attempt and each request; db.py tells when the database goes and
    # comes back, once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
