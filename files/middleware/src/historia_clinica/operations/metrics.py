"""`/metrics`: what Prometheus reads, https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from functools import cache

from flask import Blueprint, Flask, Response, current_app
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0, generate_latest
from prometheus_client.registry import Collector

from historia_clinica.db import Database
from historia_clinica.operations.nodes import Nodes

blueprint = Blueprint("metrics", __name__)

# From a key's row in memory to the longest that a statement may take.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# The class of a connection that broke, or was never made: SQLSTATE 08, connection exception.
BROKEN = "08"


class Metrics:
    """The numbers of one worker process, in a registry of its own."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        requests = Counter("http_requests", "Requests answered.", ["route", "method", "status"], registry=self.registry)
        seconds = Histogram(
            "http_request_duration_seconds",
            "Time from a request to its answer.",
            ["route", "method"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        # Every request looks for these two: in a dictionary, and not behind the lock of each metric.
        self._requests = cache(requests.labels)
        self._seconds = cache(seconds.labels)
        self.retries = Counter(
            "http_retries",
            "Requests that were tried again after a transient error of the database.",
            ["route"],
            registry=self.registry,
        )
        self.registry.register(DatabaseCollector(database, Nodes(database)))

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests(route, method, status).inc()
        self._seconds(route, method).observe(seconds)


class DatabaseCollector(Collector):
    """What is asked when somebody reads: the pool's state, the errors so far, the nodes as last seen."""

    def __init__(self, database: Database, nodes: Nodes) -> None:
        self._database = database
        self._nodes = nodes

    def collect(self) -> Iterator[Metric]:
        """Yield the families, as a registry asks for them."""
        pool = self._database.state()
        yield GaugeMetricFamily("db_pool_size", "Connections that are open.", pool.size)
        yield GaugeMetricFamily("db_pool_in_use", "Connections that are lent to a request.", pool.in_use)
        yield GaugeMetricFamily("db_pool_waiting", "Requests that wait for a connection.", pool.waiting)

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
    return Response(generate_latest(numbers.registry), content_type=CONTENT_TYPE_PLAIN_1_0_0)
