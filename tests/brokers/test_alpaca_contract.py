"""The Alpaca adapter keeps the contract of all brokers, against the simulator."""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from brokers.alpaca.broker import AlpacaBroker
from brokers.base import Broker
from domain.messages import OrderReport, OrderRequest
from tests.brokers.alpaca_support import ACCOUNT, Clock, Simulator, make_request, make_settings
from tests.brokers.contract import BrokerContract
from tests.support.brokers import find


class AlpacaVenue:
    """An Alpaca account at a simulator whose time moves when it is told to."""

    def __init__(self) -> None:
        self.simulator, self.clock = Simulator(), Clock()
        self._brokers: list[AlpacaBroker] = []
        self.broker: Broker = self.reconnect()
        self.second_symbol = "MSFT"

    def make_request(self, **overrides: Any) -> OrderRequest:
        return make_request(**overrides)

    def trade(self, request: OrderRequest) -> OrderReport:
        self.broker.submit_order(request)
        self.simulator.advance(1)
        report = find(self.broker, request.client_order_id)
        assert report is not None
        return report

    def reconnect(self) -> Broker:
        self._brokers.append(AlpacaBroker(make_settings(self.simulator.url), ACCOUNT, self.clock))
        return self._brokers[-1]

    def told(self, request: OrderRequest) -> str:
        return request.client_order_id

    def will_reject(self, reason: str) -> None:
        self.simulator.tell("reject", reason=reason)

    def will_be_unavailable(self) -> None:
        self.simulator.tell("rate_limit", seconds=3)

    def will_lose_the_request(self) -> None:
        self.simulator.tell("drop_before")

    def will_lose_the_answer(self) -> None:
        self.simulator.tell("drop_after")

    def will_leave_working(self) -> None:
        self.simulator.tell("work")

    def will_fill_partly(self, quantity: Decimal) -> None:
        self.simulator.tell("partial", quantity=str(quantity))

    def will_show_it_late(self, seconds: float) -> None:
        self.simulator.tell("late", seconds=seconds)

    def pass_time(self, seconds: float) -> None:
        self.simulator.advance(seconds)
        self.clock.ahead += seconds

    def fill_rest(self, client_order_id: str) -> None:
        self.simulator.control("POST", f"orders/{client_order_id}/fill")

    def quote(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        self.simulator.control("PUT", f"quotes/{symbol}", {"bid": str(bid), "ask": str(ask)})

    def close_the_market(self) -> None:
        self.simulator.control("PUT", "clock", {"is_open": False})

    def open_the_market(self) -> None:
        self.simulator.control("PUT", "clock", {"is_open": True})

    def block_the_account(self, reason: str) -> None:
        self.simulator.control("PUT", "account", {"blocked": reason})

    def restrict(self, symbol: str, *, tradable: bool, shortable: bool, quantity_step: Decimal) -> None:
        rules = {"tradable": tradable, "shortable": shortable, "fractionable": quantity_step < 1}
        self.simulator.control("PUT", f"assets/{symbol}", rules)

    def close(self) -> None:
        for broker in self._brokers:
            broker.close()
        self.simulator.close()


@pytest.fixture
def broker_venue() -> Iterator[AlpacaVenue]:
    with closing(AlpacaVenue()) as venue:
        yield venue


class TestAlpacaBroker(BrokerContract):
    pass
