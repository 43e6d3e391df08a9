"""What those who run the service need: is it alive, how does it do, what happened to this request.

Nothing here belongs to the clinical history, and nothing of the clinical history gets in: metrics and
log lines name routes, never the addresses that were asked for, because those hold people's documents.
"""

from __future__ import annotations

from flask import Flask

from historia_clinica.operations import healthz, metrics, observation, retries


def init_app(app: Flask) -> None:
    """Observe every request, and answer `/healthz/live`, `/healthz/ready` and `/metrics`.

    Call it before anything else asks to be run before or after a request, so that all of it is
    observed; and `retries.init_app` once every route is there.
    """
    numbers = metrics.init_app(app)
    observation.init_app(app, numbers)
    for blueprint in (healthz.blueprint, metrics.blueprint):
        app.register_blueprint(blueprint)


__all__ = ["init_app", "retries"]
