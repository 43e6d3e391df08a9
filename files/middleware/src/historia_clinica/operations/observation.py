"""Every request observed: its identifiers, its time, one log line, one more in the metrics."""

from __future__ import annotations

import logging
from time import perf_counter

from flask import Flask, Response, g, request

from historia_clinica import logs
from historia_clinica.operations import trace
from historia_clinica.operations.metrics import Metrics

logger = logging.getLogger(__name__)

# What a label may say; a caller can invent methods, and each would be a time series.
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
# Asked every few seconds by machines: worth a line only when the answer is no.
SILENT = ("/healthz/", "/metrics")


def init_app(app: Flask, metrics: Metrics) -> None:
    """Observe the requests of an application."""

    def begin() -> None:
        g.begin = perf_counter()
        g.trace = trace.of(request.headers.get(trace.HEADER))
        logs.request_id.set(g.trace.trace)

    def end(response: Response) -> Response:
        seconds = perf_counter() - g.begin
        # The route and not the path: a path has a person's document in it.
        route = request.url_rule.rule if request.url_rule else "ninguna"
        method = request.method if request.method in METHODS else "OTRO"
        metrics.observe(route, method, response.status_code, seconds)
        if response.status_code >= 400 or not route.startswith(SILENT):
            logger.info(
                "%s %s %s",
                method,
                route,
                response.status_code,
                extra={
                    "datos": {
                        "metodo": method,
                        "ruta": route,
                        "estado": response.status_code,
                        "ms": round(seconds * 1000, 1),
                        "tramo": g.trace.span,
                    }
                },
            )
        response.headers[trace.HEADER] = g.trace.header
        return response

    def forget(_error: BaseException | None) -> None:
        logs.request_id.set("")

    app.before_request(begin)
    app.after_request(end)
    app.teardown_request(forget)
