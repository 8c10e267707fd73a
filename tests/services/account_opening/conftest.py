"""A desk whose brokerage is the simulator, for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from domain.enums import Role
from extensions import db
from models import User
from services.identity import users
from tests.services.account_opening.desk import Alpaca, brokerage_app, simulated_alpaca
from tests.support.factories import log_in, make_user


@pytest.fixture
def alpaca() -> Iterator[Alpaca]:
    with simulated_alpaca() as alpaca:
        yield alpaca


@pytest.fixture
def app(alpaca: Alpaca, database_url: str, tmp_path: Path) -> Iterator[Flask]:
    with brokerage_app(alpaca.url, database_url, tmp_path) as app:
        yield app


@pytest.fixture
def other_owner(context: Flask) -> int:
    """The number of a second user; the admin is OWNER."""
    users.create_user("bert", "a password of bert", Role.USER)
    number: int = db.session.execute(sa.select(User.id).where(User.username == "bert")).scalar_one()
    return number


@pytest.fixture
def people(app: Flask, client: FlaskClient) -> dict[str, dict[str, str]]:
    """The headers of two users, and of the admin."""
    for name in ("anna", "bert"):
        make_user(app, name, f"the password of {name}")
    found = {name: log_in(client, name, f"the password of {name}")["headers"] for name in ("anna", "bert")}
    return {**found, "admin": log_in(client)["headers"]}
