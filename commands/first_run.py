"""`flask run`, by which v3 was started, on a database that is not set up yet."""

from __future__ import annotations

from pathlib import Path

import click
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from flask import Flask

from commands.common import run
from config import Config
from extensions import db
from services.health import head_revision
from services.setup import prepare_database


def is_flask_run() -> bool:
    """Return True if this process was started by `flask run`."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "run"


def prepare(app: Flask) -> None:
    """Set up SQLite in the instance folder where that is still to be done; of other databases only say what to run.

    A shared database is never changed by the way: other processes on it may be of another version.
    """
    config: Config = app.config["DESK"]
    with app.app_context():
        try:
            with db.engine.connect() as connection:
                current = MigrationContext.configure(connection).get_current_revision()
        except sa.exc.SQLAlchemyError as e:
            click.echo(f"The database does not answer ({type(e).__name__}).", err=True)
            return
        if current == head_revision():
            return
        if not _is_own(config):
            click.echo("The database is not set up for this version. Run `flask setup` first.", err=True)
            return
        made = run(lambda: prepare_database(config))
    if made.admin_password:
        click.echo(f"admin password (shown only now):     {made.admin_password}", err=True)
    if made.passphrase:
        click.echo(f"webhook passphrase (shown only now): {made.passphrase}", err=True)
    click.echo("Orders are sent by the worker: start `python worker.py` too, or both by `make run`.", err=True)


def _is_own(config: Config) -> bool:
    """Return True if the database is a SQLite file in the instance folder."""
    file = sa.make_url(config.database_url).database if config.is_sqlite else None
    return bool(file) and Path(str(file)).resolve().is_relative_to(config.instance_dir.resolve())
