"""`/metrics`: what Prometheus reads, https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import cache

from flask import Blueprint, Flask, Response, current_app
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from historia_clinica.db import Database
from historia_clinica.operations.nodes import Nodes

blueprint = Blueprint("metrics", __name__)

# From a key's row in memory to the longest that a statement may take.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# The class of a connection that broke, or was never made: SQLSTATE 08, connection exception.
BROKEN = "08"


class Metrics:
    """The numbers of an application, in a registry of its own.

    Where several processes answer at one port (server.py) they count in files of one folder, and whichever is asked adds
    them up: https://prometheus.github.io/client_python/multiprocess/.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._registry = CollectorRegistry()
        several = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        if several:
            MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]
        own = None if several else self._registry
        requests = Counter("http_requests", "Requests answered.", ["route", "method", "status"], registry=own)
        seconds = Histogram(
            "http_request_duration_seconds",
            "Time from a request to its answer.",
            ["route", "method"],
            buckets=BUCKETS,
            registry=own,
        )
        # Every request looks for these two: in a dictionary, and not behind the lock of each metric.
        self._requests = cache(requests.labels)
        self._seconds = cache(seconds.labels)
        self.retries = Counter(
            "http_retries",
            "Requests that were tried again after a transient error of the database.",
            ["route"],
            registry=own,
        )
        errors = Counter("db_errors", "Errors of the database by class of SQLSTATE.", ["class"], registry=own)
        database.on_error = lambda sqlstate: errors.labels(sqlstate[:2] or BROKEN).inc()
        self._size, self._in_use, self._waiting = (
            Gauge(f"db_pool_{name}", text, registry=own, multiprocess_mode="livesum")
            for name, text in (
                ("size", "Connections that are open."),
                ("in_use", "Connections that are lent to a request."),
                ("waiting", "Requests that wait for a connection."),
            )
        )
        self._registry.register(NodesCollector(Nodes(database)))
        if several:
            threading.Thread(target=self._keep_looking, name="metrics", daemon=True).start()

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests(route, method, status).inc()
        self._seconds(route, method).observe(seconds)

    def text(self) -> bytes:
        """Write every number down; of the other processes' pools as they were a second ago."""
        self._look()
        return generate_latest(self._registry)

    def _look(self) -> None:
        pool = self._database.state()
        self._size.set(pool.size)
        self._in_use.set(pool.in_use)
        self._waiting.set(pool.waiting)

    def _keep_looking(self) -> None:
        while not self._database.closed.wait(1):
            self._look()


class NodesCollector(Collector):
    """What is asked when somebody reads: the nodes as last seen."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def collect(self) -> Iterator[Metric]:
        """Yield the families, as a registry asks for them."""
        seen = self._nodes.seen()
        up = GaugeMetricFamily("lab_node_up", "Whether a node of the database answers.", labels=["node", "role"])
        shards = GaugeMetricFamily("lab_node_shards", "Shards that a node holds.", labels=["node", "role"])
        for node in seen.nodes:
            up.add_metric([node["node_name"], node["role"]], node["responds"])
            shards.add_metric([node["node_name"], node["role"]], node["shards"])
        yield GaugeMetricFamily(
            "lab_up", "Whether the coordinator told of its nodes when last asked.", bool(seen.nodes)
        )
        yield GaugeMetricFamily("lab_age_seconds", "How long ago the nodes were asked.", seen.age)
        yield up
        yield shards


def init_app(app: Flask) -> Metrics:
    """Make the metrics of an application that has a database."""
    metrics = Metrics(app.extensions["database"])
    app.extensions["metrics"] = metrics
    return metrics


@blueprint.get("/metrics")
def metrics() -> Response:
    """Write every number down. It asks no node and waits for none."""
    numbers: Metrics = current_app.extensions["metrics"]
    return Response(numbers.text(), content_type=CONTENT_TYPE_PLAIN_1_0_0)
