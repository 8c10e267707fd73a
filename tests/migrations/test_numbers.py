"""On SQLite the number of a deleted row is not given to another one, and giving this back to a table loses nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import downgrade, upgrade

from extensions import db
from models import BrokerAccount, Order
from tests.support import book_rows
from tests.support.apps import closing_app
from tests.support.factories import make_config

LATER = {"orders": ("trail_percent", "trail_price"), "signals": ("order_terms",)}  # since revision 0007
KEY = "PRIMARY KEY (id)"


@pytest.fixture
def sqlite_app(tmp_path: Path) -> Iterator[Flask]:
    """An application on an empty SQLite database."""
    with closing_app(make_config(f"sqlite:///{tmp_path}/desk.db", tmp_path)) as app, app.app_context():
        yield app


def ask(statement: str) -> list[Any]:
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def described() -> dict[str, str]:
    """Return what the database says of each table and index, without the order in which constraints stand."""
    return {
        name: "\n".join(sorted(line.strip().strip(",").strip() for line in made.splitlines()))
        for name, made in ask("select name, sql from sqlite_master where sql is not null")
    }


def numbered() -> set[str]:
    return {name for name, made in described().items() if "AUTOINCREMENT" in made}


def wanted() -> set[str]:
    return {table.name for table in db.metadata.sorted_tables if table.dialect_options["sqlite"]["autoincrement"]}


def fill(app: Flask) -> None:
    """Store orders with all that refers to them."""
    book_rows.add(app, BrokerAccount(name="paper", broker="paper", environment="paper", route="desk"))
    (signal,) = book_rows.add(app, book_rows.filled_signal())
    orders = book_rows.add(
        app, book_rows.order(signal_id=signal, is_exit=True, reason="it's"), book_rows.order(status="SENDING", leg=2)
    )
    for order in orders:
        book_rows.add(app, book_rows.fill(order), book_rows.event(order), book_rows.event(order, 2, "FILLED"))


@contextmanager
def later_columns() -> Iterator[None]:
    """Let tables of an older revision have, for so long, the columns that today's models write."""
    names = [(table, column) for table, columns in LATER.items() for column in columns]
    for deed, kind in (("add", " TEXT"), ("drop", "")):
        with db.engine.begin() as connection:
            for table, column in names:
                connection.execute(sa.text(f"alter table {table} {deed} column {column}{kind}"))
        if deed == "add":
            yield


def contents() -> dict[str, list[Any]]:
    return {
        name: sorted(ask(f"select * from {name}"), key=repr)  # noqa: S608 - names of our own tables
        for name in ("signals", "orders", "fills", "order_events", "broker_accounts")
    }


def test_every_table_whose_model_asks_for_it_has_numbers_that_are_used_once(sqlite_app: Flask) -> None:
    upgrade()
    assert len(wanted()) > 10
    assert numbered() == wanted()


def test_the_rebuilt_table_is_the_old_one_but_for_its_key(sqlite_app: Flask) -> None:
    upgrade(revision="0007")
    with later_columns():
        fill(sqlite_app)
    schema, rows = described(), contents()
    assert KEY in schema["orders"]
    upgrade(revision="0008")
    after = described()
    as_it_was = after["orders"].replace(" PRIMARY KEY AUTOINCREMENT", "").splitlines()
    assert sorted([*as_it_was, KEY]) == schema.pop("orders").splitlines()
    assert {name: after[name] for name in schema} == schema
    assert contents() == rows
    assert ask("pragma foreign_key_check") == []
    assert len([name for name in schema if name.startswith(("ix_orders", "uq_orders"))]) > 8


def test_the_number_of_a_deleted_order_is_not_used_again(sqlite_app: Flask) -> None:
    upgrade(revision="0007")
    with later_columns():
        fill(sqlite_app)
    upgrade()
    (first,) = book_rows.add(sqlite_app, book_rows.order())
    with db.session.begin():
        db.session.execute(sa.delete(Order).where(Order.id == first))
    (second,) = book_rows.add(sqlite_app, book_rows.order())
    assert second == first + 1


def test_tables_that_lost_it_on_the_way_back_have_it_again(sqlite_app: Flask) -> None:
    upgrade()
    downgrade(revision="0004")
    assert not {"orders", "signals"} & numbered()
    upgrade()
    assert numbered() == wanted()
