"""Middleware of the lab "historia clínica distribuida": an HTTP API over a distributed database.

`python -m historia_clinica.server` answers, `python -m historia_clinica.load` fills the tables with
sample data.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from historia_clinica.config import Settings

__version__ = "0.1.0"

LARGEST_BODY = 64 * 1024  # bytes: many times the largest consultation


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application and open its connection pool: call it once in each worker process.

    Args:
        settings: what to run with; read from the environment when it is left out.

    Raises:
        ConfigurationError: a variable is missing or has a value that cannot be used.
    """
    # Imported here so that the loader, which shares this package, does not pay for Flask.
    from historia_clinica import (
        announce,
        citus,
        config,
        db,
        errors,
        health,
        logs,
        openapi,
        operations,
        sessions,
        usuarios,
        v1,
    )

    logs.configure()
    settings = settings or config.from_environment(os.environ)
    app = openapi.create(__name__, __version__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # JSON is UTF-8: names keep their accents
    app.json.sort_keys = False  # type: ignore[attr-defined]  # fields come in the order a person reads them

    errors.init_app(app)
    sessions.init_app(app, settings)
    database = db.init_app(app, settings)
    operations.init_app(app)
    for blueprint in (health.blueprint, usuarios.blueprint, citus.blueprint):
        app.register_blueprint(blueprint)
    v1.init_app(app)
    operations.retries.init_app(app)
    announce.users_in_log(database)
    return app
