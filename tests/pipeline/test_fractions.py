"""Parts of shares are sent only as the broker takes them: no order is made that it would refuse."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from domain.enums import OrderType, TimeInForce
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk, set_up_simulated, simulated_config
from tests.support.apps import closing_app
from tests.support.factories import make_stock

LIMITED = {"order_type": OrderType.LIMIT}


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Iterator[AlpacaDesk]:
    with (
        closing(Simulator()) as simulator,
        closing_app(simulated_config(database_url, tmp_path, simulator)) as app,
        app.app_context(),
    ):
        set_up_simulated(app)
        make_stock(app, "AAPL", time_in_force=TimeInForce.GTC, **LIMITED)
        make_stock(app, "MSFT", time_in_force=TimeInForce.DAY, **LIMITED)
        make_stock(app, "BTCUSD", time_in_force=TimeInForce.GTC, **LIMITED)
        with open_alpaca_desk(app, simulator) as desk:
            yield desk


def test_parts_of_shares_are_day_orders(desk: AlpacaDesk):
    refused = desk.alert("AAPL", quantity="1.5")
    whole, of_the_day, coin = (
        desk.alert("AAPL", quantity="2"),
        desk.alert("MSFT", quantity="1.5"),
        desk.alert("BTCUSD", quantity="0.5", price="100"),
    )
    desk.work()
    assert desk.orders(refused) == []
    signal = desk.signal(refused)
    assert (signal.status, signal.status_reason) == ("error", "time in force")
    assert "1.5 AAPL are not whole shares, which the broker does not take as GTC orders" in (signal.error_text or "")
    assert [desk.orders(rowid)[0].status for rowid in (whole, of_the_day, coin)] == ["ACCEPTED"] * 3
