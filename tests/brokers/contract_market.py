"""The contract of all brokers: money, quotes, assets and the session."""

from decimal import Decimal
from typing import Any

import pytest

from brokers.errors import OrderRejected
from domain.enums import Side, TimeInForce
from domain.order_status import OrderStatus
from tests.brokers.contract_venue import BrokerVenue, shares_of
from tests.support.brokers import find, ref


class MarketContract:
    """What the desk may know before it sends an order, and that the venue means it."""

    def test_equity_changes_hands_but_does_not_change_when_it_buys_at_the_mark(self, broker_venue: BrokerVenue):
        broker, request = broker_venue.broker, broker_venue.make_request()
        broker_venue.quote(request.symbol, Decimal(100), Decimal(100))
        before = broker.account()
        assert before.blocked == ""
        assert before.buying_power > 0
        report = broker_venue.trade(request)
        after = broker.account()
        assert after.equity == before.equity - sum(fill.commission for fill in report.fills)
        assert after.buying_power < before.buying_power

    def test_a_quote_moves_the_equity_and_not_the_cash(self, broker_venue: BrokerVenue):
        broker, request = broker_venue.broker, broker_venue.make_request()
        broker_venue.quote(request.symbol, Decimal(100), Decimal(100))
        broker_venue.trade(request)
        before = broker.account()
        broker_venue.quote(request.symbol, Decimal(103), Decimal(105))
        after = broker.account()
        assert after.cash == before.cash
        assert after.equity == before.equity + 4 * request.quantity

    def test_more_than_the_buying_power_is_refused(self, broker_venue: BrokerVenue):
        broker, request = broker_venue.broker, broker_venue.make_request()
        broker_venue.quote(request.symbol, Decimal(100), Decimal(100))
        power = broker.account().buying_power
        too_much = broker_venue.make_request(quantity=(power / 100).to_integral_value() + 1)
        with pytest.raises(OrderRejected, match="buying power"):
            broker_venue.broker.submit_order(too_much)
        assert find(broker, too_much) is None or broker.list_positions() == []

    def test_quotes_are_given_with_their_time_and_source_and_missing_ones_left_out(self, broker_venue: BrokerVenue):
        symbol = broker_venue.make_request().symbol
        broker_venue.quote(symbol, Decimal("99.5"), Decimal("100.5"))
        quotes = broker_venue.broker.list_quotes([symbol, "NO.SUCH"])
        assert set(quotes) == {symbol}
        quote = quotes[symbol]
        assert (quote.symbol, quote.bid, quote.ask, quote.middle) == (
            symbol,
            Decimal("99.5"),
            Decimal("100.5"),
            Decimal(100),
        )
        assert quote.source
        assert quote.at.tzinfo is not None
        assert broker_venue.broker.list_quotes([]) == {}

    def test_assets_say_what_may_be_done(self, broker_venue: BrokerVenue):
        broker = broker_venue.broker
        symbol, other = broker_venue.make_request().symbol, broker_venue.second_symbol
        broker_venue.restrict(symbol, tradable=True, shortable=False, quantity_step=Decimal(1))
        assets = broker.list_assets([symbol, other])
        assert set(assets) == {symbol, other}
        limited, free = assets[symbol], assets[other]
        assert (limited.symbol, limited.tradable, limited.shortable, limited.quantity_step) == (symbol, True, False, 1)
        assert (free.tradable, free.shortable) == (True, shares_of(broker_venue).short_selling)
        assert free.quantity_step >= shares_of(broker_venue).quantity_step
        assert limited.at.tzinfo is not None
        assert broker.list_assets([]) == {}

    @pytest.mark.parametrize(
        ("rule", "order", "reason"),
        [
            ({"tradable": False}, {}, "tradable"),
            ({"shortable": False}, {"side": Side.SELL}, "short"),
            ({"quantity_step": Decimal(1)}, {"quantity": Decimal("1.5")}, "multiple|fractionable"),
        ],
    )
    def test_what_an_asset_forbids_is_refused(
        self, broker_venue: BrokerVenue, rule: dict[str, Any], order: dict[str, Any], reason: str
    ):
        request = broker_venue.make_request(**order)
        rules = {"tradable": True, "shortable": True, "quantity_step": Decimal("0.01"), **rule}
        broker_venue.restrict(request.symbol, **rules)
        with pytest.raises(OrderRejected, match=reason):
            broker_venue.broker.submit_order(request)
        assert broker_venue.broker.list_positions() == []

    def test_a_holding_of_an_unshortable_asset_can_be_sold(self, broker_venue: BrokerVenue):
        request = broker_venue.make_request()
        broker_venue.restrict(request.symbol, tradable=True, shortable=False, quantity_step=Decimal(1))
        broker_venue.trade(request)
        sold = broker_venue.trade(broker_venue.make_request(side=Side.SELL))
        assert sold.status is OrderStatus.FILLED

    def test_a_blocked_account_says_why_and_takes_no_order(self, broker_venue: BrokerVenue):
        broker_venue.block_the_account("margin call")
        assert broker_venue.broker.account().blocked
        with pytest.raises(OrderRejected, match="margin call"):
            broker_venue.broker.submit_order(broker_venue.make_request())

    def test_an_order_in_a_closed_session_works_and_fills_at_the_opening(self, broker_venue: BrokerVenue):
        broker = broker_venue.broker
        assert broker.session().is_open
        broker_venue.close_the_market()
        assert not broker.session().is_open
        report = broker_venue.trade(broker_venue.make_request(time_in_force=TimeInForce.DAY))
        assert (report.status, report.fills) == (OrderStatus.ACCEPTED, ())
        assert find(broker, report) == report
        broker_venue.open_the_market()
        session = broker.session()
        assert session.is_open
        assert session.at.tzinfo is not None
        done = find(broker, report)
        assert done is not None
        assert done.status is OrderStatus.FILLED

    def test_an_order_in_a_closed_session_can_be_canceled(self, broker_venue: BrokerVenue):
        broker_venue.close_the_market()
        report = broker_venue.trade(broker_venue.make_request(time_in_force=TimeInForce.DAY))
        broker_venue.broker.cancel_order(ref(report))
        broker_venue.pass_time(1)
        ended = find(broker_venue.broker, report)
        assert ended is not None
        assert ended.status is OrderStatus.CANCELED
        broker_venue.open_the_market()
        assert broker_venue.broker.list_positions() == []
