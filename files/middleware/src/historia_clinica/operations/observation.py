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
        here = trace.of(request.environ.get("HTTP_TRACEPARENT"))
        g.observed = here, perf_counter()
        logs.request_id.set(here.trace)

    def end(response: Response) -> Response:
        here, begun = g.observed
        seconds = perf_counter() - begun
        rule, method, status = request.url_rule, request.method, response.status_code
        # The route and not the path: a path has a person's document in it.
        route = rule.rule if rule else "ninguna"
        method = method if method in METHODS else "OTRO"
        metrics.observe(route, method, status, seconds)
        if status >= 400 or not route.startswith(SILENT):
            data = {
                "metodo": method,
                "ruta": route,
                "estado": status,
                "ms": round(seconds * 1000, 1),
                "tramo": here.span,
            }
            logger.info("%s %s %s", method, route, status, extra={"datos": data})
        response.headers[trace.HEADER] = here.header
        return response

    def forget(_error: BaseException | None) -> None:
        logs.request_id.set("")

    app.before_request(begin)
    app.after_request(end)
    app.teardown_request(forget)
