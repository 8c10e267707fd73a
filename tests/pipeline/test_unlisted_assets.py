"""Shares that the venue trades and does not list: they are traded all the same, and cost few requests."""

from collections import Counter
from collections.abc import Iterator

import pytest
from flask import Flask

from brokers.alpaca import market
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_stock

SINGLE = "GET /v2/assets/{symbol}"
SYMBOLS = [f"S{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(80)]


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[AlpacaDesk]:
    for symbol in SYMBOLS:
        make_stock(simulated, symbol)
    with open_alpaca_desk(simulated, simulator) as desk:
        # Whoever asks the simulator for a quote has the share listed.
        monkeypatch.setattr(desk.broker, "list_quotes", lambda _: {})
        yield desk


def test_none_of_many_ends_as_not_tradable(desk: AlpacaDesk, simulator: Simulator) -> None:
    desk.account_session().step()
    assert simulator.count(SINGLE) <= market.MOST_MISSING  # the rest of the minute's requests is for orders
    assert simulator.count("GET /v2/assets") == 1
    rowids = [desk.alert(symbol) for symbol in SYMBOLS]
    for _ in range(20):
        while desk.plan(most=16):
            pass
    assert Counter(desk.signal(rowid).status for rowid in rowids) == {"created": len(SYMBOLS)}
    assert simulator.count(SINGLE) <= len(SYMBOLS)
