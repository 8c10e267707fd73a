"""Applications of tests, which leave no thread and no connection behind."""

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from flask import Flask

from app import create_app
from config import Config
from extensions import db
from services.setup import prepare_database

PATIENCE = 5.0  # seconds for a thread to end


class CompiledStatements(dict[Any, Any]):
    """Statements that were compiled once, for every engine of one kind: else each test compiles them anew.

    Keys hold the engine's dialect, which each engine has of its own; here its name stands for it.
    """

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(_for_any_engine(key))

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(_for_any_engine(key), compiled)

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_for_any_engine(key), default)


def _for_any_engine(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(part.name if isinstance(part, sa.Dialect) else part for part in key)


_compiled = CompiledStatements()


@contextlib.contextmanager
def closing_app(config: Config) -> Iterator[Flask]:
    """An application that leaves no thread and no connection behind, so that its database can be dropped or copied."""
    app = create_app(config)
    with app.app_context():
        db.engine.update_execution_options(compiled_cache=_compiled)
    try:
        yield app
    finally:
        close_app(app)


def close_app(app: Flask) -> None:
    """End the thread that tells others of changes, and every connection."""
    if (notifier := app.extensions.get("notifier")) is not None:
        notifier.close(PATIENCE)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def set_up(config: Config) -> None:
    """Do what `flask setup` does with a new database."""
    with closing_app(config) as app, app.app_context():
        prepare_database(config)
