"""A desk whose pair MA-V and stock LNT a program beside Interactive Brokers trades."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from domain.enums import AssetClass
from tests.resources.v4.executor import Executor
from tests.support.factories import make_pair, make_stock


@pytest.fixture(autouse=True)
def registered(app: Flask) -> None:
    make_stock(app, "LNT", account="external")
    make_pair(app, "MA-V", "3", account="external")
    make_stock(app, "BF.A", account="external")
    make_stock(app, "EURUSD", account="external", asset_class=AssetClass.FX)
    make_stock(app, "AAPL")


@pytest.fixture
def executor(client: FlaskClient) -> Executor:
    return Executor(client)
