"""What those who run the service need: every request observed, one log line and one more in the metrics; `/metrics`.

A request's identifiers are those of W3C Trace Context (https://www.w3.org/TR/trace-context/), taken over or made anew:
`traceparent: 00-<trace>-<span>-<flags>`, hexadecimal. The trace is one person's click through every service that it touches;
a span is one service's part in it. Log lines and metrics name routes, never addresses, which hold people's documents.

`/metrics` (https://prometheus.io/docs/instrumenting/exposition_formats/) waits for no node of the database: those are asked in the
background, at most every few seconds, only if somebody wants to know.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections import Counter as Tally
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from time import monotonic, perf_counter
from typing import Any, NamedTuple

import psycopg
from flask import Blueprint, Flask, Response, current_app, g, request, request_finished, request_started
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0, generate_latest
from prometheus_client.registry import Collector
from psycopg.rows import DictRow

from historia_clinica.errors import DatabaseUnavailableError
from historia_clinica.pool import Database
from historia_clinica.sql import statement

logger = logging.getLogger(__name__)
blueprint = Blueprint("metrics", __name__)

TRACEPARENT = "traceparent"
# Versions after 00 may add fields; ff is no version, and an identifier of zeros none.
_FORM = re.compile(
    "(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}"
    "-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
# What a label may say; a caller can invent methods, and each would be a time series.
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
# Asked every few seconds by machines: worth a line only when the answer is no.
SILENT = ("/healthz/", "/metrics")

# From a key's row in memory to the longest that a statement may take.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BROKEN = "08"  # the class of SQLSTATE of a connection that broke, or was never made
FRESH_SECONDS = 5  # the view of the nodes asks every one and waits up to two seconds for one that is silent
FIRST_SECONDS = 1  # the first who asks finds nothing and waits a moment


def init_app(app: Flask, database: Database) -> None:
    """Observe every request of an application: Flask's signals come before and after all that is done for one."""
    metrics = app.extensions["metrics"] = Metrics(database)
    request_started.connect(metrics.begin, app)
    request_finished.connect(metrics.end, app)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Write every number down. It asks no node and waits for none."""
    numbers: Metrics = current_app.extensions["metrics"]
    return Response(generate_latest(numbers.registry), content_type=CONTENT_TYPE_PLAIN_1_0_0)


class Metrics:
    """The numbers of this process, and who looks at the beginning and the end of its requests."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        requests = Counter("http_requests", "Requests answered.", ["route", "method", "status"], **own)
        text = "Time from a request to its answer."
        seconds = Histogram("http_request_duration_seconds", text, ["route", "method"], buckets=BUCKETS, **own)
        transient = "Requests that were tried again after a transient error of the database."
        self.retries = Counter("http_retries", transient, ["route"], **own)
        self.registry.register(DatabaseCollector(database))
        # Every request looks for these two: in a dictionary, and not behind the lock of each metric.
        self._requests, self._seconds = cache(requests.labels), cache(seconds.labels)

    def begin(self, _app: Flask, **_: Any) -> None:
        """Continue the caller's trace, or begin one where the header is missing or malformed, before a request."""
        new = secrets.token_hex(24)
        trace, span, flags = new[:32], new[32:], "00"
        header = request.environ.get("HTTP_TRACEPARENT")
        found = _FORM.fullmatch(header.strip()) if header else None
        if found and not (found["version"] == "00" and found["more"]):
            trace, flags = found["trace"], found["flags"]
        g.observed = trace, span, flags, perf_counter()

    def end(self, _app: Flask, response: Response, **_: Any) -> None:
        """Count and tell what was answered, and say under which identifiers, after a request."""
        trace, span, flags, begun = g.observed
        seconds = perf_counter() - begun
        rule, method, status = request.url_rule, request.method, response.status_code
        # The route and not the path: a path has a person's document in it.
        route = rule.rule if rule else "ninguna"
        method = method if method in METHODS else "OTRO"
        self._requests(route, method, status).inc()
        self._seconds(route, method).observe(seconds)
        if status >= 400 or not route.startswith(SILENT):
            data = {"metodo": method, "ruta": route, "estado": status, "ms": round(seconds * 1000, 1), "tramo": span}
            logger.info("%s %s %s", method, route, status, extra={"datos": data})
        response.headers[TRACEPARENT] = f"00-{trace}-{span}-{flags}"


class DatabaseCollector(Collector):
    """What is asked when somebody reads: the pool's state, the errors so far, the nodes as last seen."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._nodes = Nodes(database)

    def collect(self) -> Iterator[Metric]:
        """Yield the families, as a registry asks for them."""
        size, in_use, waiting = self._database.state()
        yield GaugeMetricFamily("db_pool_size", "Connections that are open.", size)
        yield GaugeMetricFamily("db_pool_in_use", "Connections that are lent to a request.", in_use)
        yield GaugeMetricFamily("db_pool_waiting", "Requests that wait for a connection.", waiting)

        classes: Tally[str] = Tally()
        for sqlstate, number in list(self._database.errors.items()):
            classes[sqlstate[:2] or BROKEN] += number
        errors = CounterMetricFamily("db_errors", "Errors of the database by class of SQLSTATE.", labels=["class"])
        for name, number in sorted(classes.items()):
            errors.add_metric([name], number)
        yield errors

        seen = self._nodes.seen()
        up = GaugeMetricFamily("lab_node_up", "Whether a node of the database answers.", labels=["node", "role"])
        shards = GaugeMetricFamily("lab_node_shards", "Shards that a node holds.", labels=["node", "role"])
        for node in seen.nodes:
            up.add_metric([node["node_name"], node["role"]], node["responds"])
            shards.add_metric([node["node_name"], node["role"]], node["shards"])
        told = bool(seen.nodes)
        yield GaugeMetricFamily("lab_up", "Whether the coordinator told of its nodes when last asked.", told)
        yield GaugeMetricFamily("lab_age_seconds", "How long ago the nodes were asked.", monotonic() - seen.at)
        yield up
        yield shards


class Seen(NamedTuple):
    """The rows of `lab.nodes`, none where the coordinator did not answer, and when (monotonic) it was asked."""

    nodes: list[DictRow]
    at: float


class Nodes:
    """Remembers the nodes' state for who may not wait for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._one = ThreadPoolExecutor(1, "ask-nodes")
        self._seen: Seen | None = None
        self._asked: Future[None] | None = None

    def seen(self) -> Seen:
        """Return the nodes as they were when last asked, and have them asked again if that is long ago."""
        stale = self._seen is None or monotonic() - self._seen.at > FRESH_SECONDS
        if stale and (self._asked is None or self._asked.done()):
            self._asked = self._one.submit(self._ask)
        if self._seen is None and self._asked:
            wait([self._asked], FIRST_SECONDS)
        return self._seen or Seen([], monotonic())

    def _ask(self) -> None:
        try:
            with self._database.connection() as connection:
                nodes = connection.execute(statement("node_states")).fetchall()
        except (DatabaseUnavailableError, psycopg.Error):
            nodes = []
        self._seen = Seen(nodes, monotonic())
