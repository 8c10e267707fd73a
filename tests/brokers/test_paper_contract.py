"""The paper broker keeps the contract of all brokers."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from brokers.base import Broker
from brokers.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from brokers.paper.broker import PaperBroker
from brokers.paper.instructions import Instruction, Kind
from brokers.paper.venue import PaperVenue
from brokers.registry import spec_of
from brokers.spec import Opening
from domain.enums import AssetClass, Environment, OrderType, TimeInForce
from domain.messages import OrderReport, OrderRequest
from domain.venue.capabilities import Identity
from tests.brokers.contract import BrokerContract
from tests.brokers.contract_venue import LONG_AGO
from tests.brokers.paper_support import ACCOUNT, Clock, make_request, make_settings
from tests.support.brokers import find, ref


class PaperBrokerVenue:
    """A paper broker, its venue, and a second connection to the same store."""

    def __init__(self, url: str) -> None:
        self.clock = Clock()
        self.clock.now = LONG_AGO + timedelta(hours=12)
        self.venue = PaperVenue(make_settings(url, commission=Decimal("0.01")), clock=self.clock)
        self.broker: Broker = PaperBroker(self.venue, ACCOUNT)
        self.second_symbol = "MSFT"
        self._others: list[PaperVenue] = []
        self._url = url

    def make_request(self, **overrides: Any) -> OrderRequest:
        return make_request(**overrides)

    def trade(self, request: OrderRequest) -> OrderReport:
        return self.broker.submit_order(request)

    def reconnect(self) -> Broker:
        self._others.append(PaperVenue(make_settings(self._url), clock=self.clock))
        return PaperBroker(self._others[-1], ACCOUNT)

    def told(self, request: OrderRequest) -> str:
        return request.client_order_id

    def will_reject(self, reason: str) -> None:
        self.venue.instruct(Instruction(kind=Kind.REJECT, reason=reason))

    def will_be_unavailable(self) -> None:
        self.venue.instruct(Instruction(kind=Kind.UNAVAILABLE))

    def will_lose_the_request(self) -> None:
        self.venue.instruct(Instruction(kind=Kind.DROP_REQUEST))

    def will_lose_the_answer(self) -> None:
        self.venue.instruct(Instruction(kind=Kind.DROP_ANSWER))

    def will_leave_working(self) -> None:
        self.venue.instruct(Instruction(kind=Kind.WORK))

    def will_fill_partly(self, quantity: Decimal) -> None:
        self.venue.instruct(Instruction(kind=Kind.PARTIAL, quantity=quantity))

    def will_show_it_late(self, seconds: float) -> None:
        self.venue.instruct(Instruction(kind=Kind.LATE, seconds=seconds))

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)

    def fill_rest(self, client_order_id: str) -> None:
        self.venue.fill_rest(ACCOUNT, client_order_id)

    def quote(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        self.venue.set_quote(symbol, bid, ask)

    def close_the_market(self) -> None:
        self.venue.set_session(False)

    def open_the_market(self) -> None:
        self.venue.set_session(True)

    def block_the_account(self, reason: str) -> None:
        self.venue.block(ACCOUNT, reason)

    def restrict(self, symbol: str, **rules: Any) -> None:
        self.venue.set_asset(symbol, **rules)

    def close(self) -> None:
        for venue in (self.venue, *self._others):
            venue.close()


@pytest.fixture
def broker_venue(paper_url: str) -> Iterator[PaperBrokerVenue]:
    with closing(PaperBrokerVenue(paper_url)) as venue:
        yield venue


class TestPaperBroker(BrokerContract):
    pass


def test_the_capabilities_are_what_the_venue_does():
    capabilities = PaperBroker.capabilities
    assert capabilities.classes.keys() == set(AssetClass)
    for rules in capabilities.classes.values():
        assert rules.order_kinds.keys() == set(OrderType) - {OrderType.RELATIVE}
        assert rules.order_kinds[OrderType.LIMIT] == set(TimeInForce)
        assert rules.quantity_step == Decimal("0.00000001")
        assert rules.short_selling
    assert capabilities.identity is Identity.UNIQUE
    assert capabilities.attached_pair_hedge


def test_an_order_for_another_account_is_refused(broker_venue: PaperBrokerVenue):
    with pytest.raises(OrderRejected, match="somebody"):
        broker_venue.broker.submit_order(make_request(account="somebody"))
    assert broker_venue.venue.list("somebody", LONG_AGO) == []


def test_accounts_do_not_see_each_other(broker_venue: PaperBrokerVenue):
    other = PaperBroker(broker_venue.venue, "other")
    report = broker_venue.broker.submit_order(make_request(client_order_id="the-same"))
    assert find(other, report.client_order_id) is None
    assert other.list_orders(LONG_AGO) == []
    assert other.list_positions() == []
    assert other.account().cash == Decimal(1_000_000)
    other.submit_order(make_request(client_order_id="the-same", account="other"))
    with pytest.raises(OutcomeUnknown):
        other.submit_order(make_request(client_order_id="the-same", account="other"))


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 129])
def test_an_account_needs_a_printable_name(broker_venue: PaperBrokerVenue, name: str):
    with pytest.raises(ValueError, match="name"):
        PaperBroker(broker_venue.venue, name)


def open_paper(url: str) -> Broker:
    """Open an account as the desk does, by the name of its broker."""
    desk = SimpleNamespace(
        paper_database_url=url,
        paper_slippage_bps=Decimal(0),
        paper_commission=Decimal(0),
        paper_reference_price=Decimal(100),
        paper_cash=Decimal(1_000_000),
        paper_leverage=Decimal(2),
    )
    opening = Opening(account=ACCOUNT, environment=Environment.PAPER, may_trade=True)
    return spec_of("paper").connect(desk, opening)


def test_the_registry_opens_it_by_name(paper_url: str):
    with closing(open_paper(paper_url)) as broker:
        assert broker.name == "paper"
        assert broker.submit_order(make_request()).fills


def test_the_registry_names_the_brokers_it_knows():
    with pytest.raises(ValueError, match=r"'robinhood'.*paper"):
        spec_of("robinhood")


def test_a_store_that_is_away_is_said_at_the_first_call_not_before(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with closing(open_paper(f"sqlite:///{tmp_path}/file/paper.db")) as broker:
        calls = [
            lambda: broker.submit_order(make_request()),
            lambda: broker.cancel_order(ref("x")),
            lambda: find(broker, "x"),
            lambda: broker.list_orders(LONG_AGO),
            broker.list_positions,
            broker.account,
            lambda: broker.list_assets(["AAPL"]),
            lambda: broker.list_quotes(["AAPL"]),
            broker.session,
        ]
        for call in calls:
            with pytest.raises(BrokerUnavailable):
                call()
