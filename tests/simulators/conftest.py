"""A simulator for each test, with a market that stands at 100 dollars."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from simulators.alpaca.server import Running, run_in_thread
from tests.simulators.support import FILL_AFTER, Alpaca, Caller, Control, make_broker


@pytest.fixture
def simulator() -> Iterator[Running]:
    with closing(run_in_thread(fill_after=FILL_AFTER, rate_limit=100_000)) as running:
        yield running


@pytest.fixture
def control(simulator: Running) -> Iterator[Control]:
    with closing(Control(simulator.url)) as control:
        control.quote("AAPL", 100, 100)
        yield control


@pytest.fixture
def alpaca(simulator: Running, control: Control) -> Iterator[Alpaca]:
    with closing(Alpaca(simulator.url, control)) as alpaca:
        yield alpaca


@pytest.fixture
def broker(simulator: Running, control: Control) -> Iterator[Caller]:
    with closing(make_broker(simulator.url)) as broker:
        yield broker
