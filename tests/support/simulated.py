"""Fixtures of tests at the simulator of Alpaca; `tests/conftest.py` takes them in for all."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from services.setup import prepare_database
from tests.brokers.alpaca_support import ACCOUNT, Simulator
from tests.support.apps import closing_app
from tests.support.factories import make_config


@pytest.fixture
def simulator_options() -> dict[str, Any]:
    """What `simulator` is started with; a module with other wishes has a fixture of this name of its own."""
    return {}


@pytest.fixture
def simulator(simulator_options: dict[str, Any]) -> Iterator[Simulator]:
    """A simulator of Alpaca for one test: it fills at once and takes as many requests as come."""
    with closing(Simulator(**simulator_options)) as made:
        yield made


@pytest.fixture
def simulated(database_url: str, tmp_path: Path, simulator: Simulator) -> Iterator[Flask]:
    """An application whose signals go to an account at the simulator, with its context pushed; nothing is registered."""
    config = make_config(database_url, tmp_path, BROKER=ACCOUNT, ALPACA_SIMULATOR_URL=simulator.url)
    with closing_app(config) as app, app.app_context():
        prepare_database(config)
        yield app
