"""Parts of shares are sent only as the broker takes them: no order is made that it would refuse."""

from collections.abc import Iterator

import pytest
from flask import Flask

from domain.enums import OrderType, TimeInForce
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_stock

LIMITED = {"order_type": OrderType.LIMIT}


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    make_stock(simulated, "AAPL", time_in_force=TimeInForce.GTC, **LIMITED)
    make_stock(simulated, "MSFT", time_in_force=TimeInForce.DAY, **LIMITED)
    make_stock(simulated, "BTCUSD", time_in_force=TimeInForce.GTC, **LIMITED)
    with open_alpaca_desk(simulated, simulator) as desk:
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
