"""A read that met a passing error is tried once more; a write never is, since it may have been done."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from time import monotonic
from typing import Any

import psycopg
from flask import Flask, request

from historia_clinica.operations.metrics import Metrics

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Classes of SQLSTATE that another try may not meet: a connection that broke (08, and 57P where a server stopped), a
# deadlock or a serialization failure (40). postgres_fdw calls a broken connection to a worker HV or 08.
TRANSIENT = ("08", "40", "57P", "HV00N")
# An error that took long to come would take as long again: its caller has waited enough.
QUICK_SECONDS = 1


def init_app(app: Flask) -> None:
    """Try the reads of every route that the application has by now once more."""
    metrics: Metrics = app.extensions["metrics"]
    for endpoint, view in app.view_functions.items():
        app.view_functions[endpoint] = _again(view, metrics)


def is_transient(error: psycopg.Error) -> bool:
    """Say whether the same statement may succeed at once on another connection."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)  # libpq's own: the connection is gone
    return error.sqlstate.startswith(TRANSIENT)


def _again(view: Callable[..., Any], metrics: Metrics) -> Callable[..., Any]:
    @wraps(view)
    def tried(*args: Any, **kwargs: Any) -> Any:
        begin = monotonic()
        try:
            return view(*args, **kwargs)
        except psycopg.Error as error:
            if request.method not in SAFE or not is_transient(error) or monotonic() - begin > QUICK_SECONDS:
                raise
        rule = request.url_rule
        metrics.retries.labels(rule.rule if rule else "ninguna").inc()
        return view(*args, **kwargs)

    return tried
