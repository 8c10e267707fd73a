"""The web application: create_app wires extensions, API, pages and commands together."""

from __future__ import annotations

import click
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

import dashboard
import resources
from commands import first_run, register_commands
from config import Config, ConfigError
from engines import engine_options
from extensions import init_extensions
from logs import configure_logging
from services import change_feed


def create_app(config: Config | None = None) -> Flask:
    """Return a ready application; raises ConfigError when a setting is missing or wrong."""
    config = config or _read_settings()
    configure_logging(config.log_level, config.secrets)
    app = Flask(__name__)
    app.config.update(
        DESK=config,
        SECRET_KEY=config.secret_key,
        JWT_SECRET_KEY=config.jwt_secret_key,
        SQLALCHEMY_DATABASE_URI=config.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(config.database_url, pool_size=config.database_pool),
        MAX_CONTENT_LENGTH=64 * 1024,
        MAX_FORM_MEMORY_SIZE=64 * 1024,
    )
    if config.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=config.trusted_proxies, x_proto=config.trusted_proxies, x_host=0, x_port=0
        )
    init_extensions(app)
    change_feed.init_app(app)
    resources.init_app(app)
    dashboard.init_app(app)
    register_commands(app)
    if first_run.is_flask_run():
        first_run.prepare(app)
    return app


def _read_settings() -> Config:
    try:
        return Config.from_env()
    except ConfigError as e:
        if click.get_current_context(silent=True) is None:
            raise
        raise SystemExit(f"Error: {e}") from None  # the `flask` program would show any other error with a traceback
