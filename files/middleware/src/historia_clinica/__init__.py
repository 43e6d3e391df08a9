"""Middleware of the lab "historia clínica distribuida": an HTTP API over a distributed database.

`python -m historia_clinica.server` answers, `python -m historia_clinica.load` fills the tables with sample data.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from historia_clinica.application import Application
    from historia_clinica.config import Settings

__version__ = "0.1.0"


def create_app(settings: Settings | None = None) -> Application:
    """Build the application and open its connection pool: call it once in a process.

    Settings are read from the environment when they are left out. Raises ConfigurationError where one cannot be used.
    """
    # Imported here so that the loader, which shares this package, does not pay for Flask.
    from historia_clinica import config, logs, operations, pool, problems, public, sessions
    from historia_clinica.application import Application
    from historia_clinica.v1 import (
        accesos,
        cie10,
        cluster,
        consultas,
        importaciones,
        medicos,
        municipios,
        pacientes,
        sesiones,
        usuarios,
    )

    logs.configure()
    settings = settings or config.from_environment(os.environ)
    app = Application(__name__, __version__)
    for module in (
        public,
        operations,
        sesiones,
        medicos,
        municipios,
        cie10,
        pacientes,
        consultas,
        importaciones,
        accesos,
        usuarios,
        cluster,
    ):
        app.register_blueprint(module.blueprint)
    problems.init_app(app)
    sessions.init_app(app, settings)
    database = pool.init_app(app, settings)
    operations.init_app(app, database)
    public.log_users(database)
    return app
