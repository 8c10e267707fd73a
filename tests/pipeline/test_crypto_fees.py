"""Coins of which the broker keeps its fee: what is booked is what the account holds, and all of it can be sold."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask

from domain.enums import MarketPosition, Scope, Side, StopLevel
from domain.messages import PositionReport
from extensions import db
from models import CoinFee, DailyResult, Position, PositionDifference
from services.catalog import check_limits
from services.catalog.check_limits import RuleForm
from services.execution import stops
from services.reconciliation import reconcile
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_stock

FEE, LEFT = Decimal("0.00125"), Decimal("0.49875")  # of 0.5


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[AlpacaDesk]:
    monkeypatch.setattr(reconcile, "POSITION_LAG", -3600.0)  # what was filled a moment ago is compared too
    make_stock(simulated, "BTCUSD", asset_class="CRYPTO")
    with open_alpaca_desk(simulated, simulator) as made:
        made.account_session().step()
        yield made


def trade(desk: AlpacaDesk, side: Side, quantity: str = "0.5", status: str = "filled") -> int:
    rowid = desk.alert("BTCUSD", side, quantity, price="60000")
    desk.work()
    desk.wait(lambda: desk.poll() or desk.signal(rowid).status == status)
    return rowid


def compare(desk: AlpacaDesk) -> int:
    return reconcile.compare_positions(desk.account_id, desk.broker)


def book(desk: AlpacaDesk) -> Position:
    db.session.rollback()
    db.session.expire_all()
    return db.session.execute(sa.select(Position).where(Position.symbol == "BTCUSD")).scalar_one()


def fees() -> list[Decimal]:
    db.session.rollback()
    return list(db.session.execute(sa.select(CoinFee.quantity).order_by(CoinFee.id)).scalars())


def at_broker(desk: AlpacaDesk) -> list[tuple[str, Decimal]]:
    return [(row.symbol, row.quantity) for row in desk.broker.list_positions()]


def told(desk: AlpacaDesk, rowid: int) -> list[str]:
    return [step["text"] for step in desk.signal(rowid).trace if step["check"] == "fee"]


def test_a_coin_that_was_just_bought_can_be_sold_by_the_alert_that_knows_of_no_fee(desk: AlpacaDesk):
    trade(desk, Side.BUY)
    assert at_broker(desk) == [("BTCUSD", LEFT)]
    rowid = trade(desk, Side.SELL)
    assert [(order.quantity, order.is_exit) for order in desk.orders(rowid)] == [(LEFT, True)]
    assert (at_broker(desk), book(desk).quantity, fees()) == ([], 0, [FEE])
    kept, sold = told(desk, rowid)
    assert "kept 0.00125 BTCUSD as its fee" in kept
    assert "0.5 BTCUSD are asked for; after fees 0.49875 are held" in sold
    assert compare(desk) == 0


def test_a_fee_is_booked_when_the_books_are_compared_and_is_no_difference(desk: AlpacaDesk):
    trade(desk, Side.BUY)
    assert compare(desk) == compare(desk) == 0
    held = book(desk)
    assert (held.quantity, fees()) == (LEFT, [FEE])
    worth = FEE * held.average_price
    assert held.commission == worth
    assert db.session.execute(sa.select(DailyResult.commission).where(DailyResult.commission != 0)).scalars().all() == [
        worth
    ]
    rowid = trade(desk, Side.SELL)
    assert (at_broker(desk), book(desk).quantity, fees()) == ([], 0, [FEE])
    assert len(told(desk, rowid)) == 1


def test_a_position_that_was_bought_in_parts_is_sold_in_parts(desk: AlpacaDesk):
    for _ in range(3):
        trade(desk, Side.BUY)
        compare(desk)
    for _ in range(3):
        trade(desk, Side.SELL)
    assert (at_broker(desk), book(desk).quantity, fees()) == ([], 0, [FEE] * 3)


def test_a_stop_of_entries_does_not_take_the_exit_for_an_entry(desk: AlpacaDesk):
    trade(desk, Side.BUY)
    stops.set_stop(stops.StopForm(level=StopLevel.ENTRIES, scope=Scope.DESK, reason="news"), "a person")
    trade(desk, Side.SELL)
    assert at_broker(desk) == []


def test_a_stop_that_closes_positions_sells_what_is_left(desk: AlpacaDesk):
    trade(desk, Side.BUY)
    stops.set_stop(stops.StopForm(level=StopLevel.FLATTEN, scope=Scope.DESK, reason="news"), "a person")
    stops.carry_out([desk.account_id], "worker")
    desk.work()
    desk.wait(lambda: desk.poll() or book(desk).quantity == 0)
    assert (at_broker(desk), fees()) == ([], [FEE])


def test_sizes_that_go_by_the_target_close_what_is_left(desk: AlpacaDesk):
    trade(desk, Side.BUY)
    check_limits.set_rule(RuleForm(check="sizing", choice="target"), "a person")
    rowid = desk.alert("BTCUSD", Side.SELL, "0.5", price="60000", position=MarketPosition.FLAT)
    desk.work()
    desk.wait(lambda: desk.poll() or desk.signal(rowid).status == "filled")
    assert (at_broker(desk), book(desk).quantity, fees()) == ([], 0, [FEE])


@pytest.mark.parametrize("theirs", ["0.49", "0", "0.51"])
def test_what_can_be_no_fee_is_a_difference_and_not_booked(
    desk: AlpacaDesk, theirs: str, monkeypatch: pytest.MonkeyPatch
):
    trade(desk, Side.BUY)
    (held,) = desk.broker.list_positions()
    report = PositionReport(symbol="BTCUSD", quantity=Decimal(theirs), average_price=held.average_price, at=held.at)
    monkeypatch.setattr(desk.broker, "list_positions", lambda: [report])
    assert compare(desk) == 1
    assert (book(desk).quantity, fees()) == (Decimal("0.5"), [])
    (difference,) = db.session.execute(sa.select(PositionDifference)).scalars()
    assert (difference.ours, difference.theirs) == (Decimal("0.5"), Decimal(theirs))


def test_fees_that_were_booked_leave_no_room_for_more(desk: AlpacaDesk, monkeypatch: pytest.MonkeyPatch):
    trade(desk, Side.BUY)
    compare(desk)
    (held,) = desk.broker.list_positions()
    less = PositionReport(symbol="BTCUSD", quantity=LEFT - FEE, average_price=held.average_price, at=held.at)
    monkeypatch.setattr(desk.broker, "list_positions", lambda: [less])
    assert compare(desk) == 1
    assert (book(desk).quantity, fees()) == (LEFT, [FEE])


def test_more_than_fees_can_have_taken_is_still_a_short_sale(desk: AlpacaDesk):
    trade(desk, Side.BUY)
    rowid = desk.alert("BTCUSD", Side.SELL, "0.6", price="60000")
    desk.work()
    assert [order.quantity for order in desk.orders(rowid)] == [LEFT]
    assert "short sale" in str(desk.signal(rowid).left_out)


def test_shares_lack_no_fee(desk: AlpacaDesk, monkeypatch: pytest.MonkeyPatch):
    make_stock(desk.app, "AAPL")
    rowid = desk.alert("AAPL", Side.BUY, "1000")
    desk.work()
    desk.wait(lambda: desk.poll() or desk.signal(rowid).status == "filled")
    (held,) = desk.broker.list_positions()
    less = PositionReport(symbol="AAPL", quantity=Decimal(999), average_price=held.average_price, at=held.at)
    monkeypatch.setattr(desk.broker, "list_positions", lambda: [less])
    assert compare(desk) == 1
    assert fees() == []


PRICES = {"LTCUSD": "80", "UNIUSD": "8"}  # no entry is worth less than the 10 dollars that Alpaca wants


def trade_coin(desk: AlpacaDesk, ticker: str, side: Side, quantity: str, **more: MarketPosition) -> int:
    rowid = desk.alert(ticker, side, quantity, price=PRICES[ticker], **more)
    desk.work()
    desk.wait(lambda: desk.poll() or desk.signal(rowid).status == "filled")
    return rowid


def test_holdings_are_read_anew_after_a_fill(desk: AlpacaDesk):
    make_stock(desk.app, "LTCUSD", asset_class="CRYPTO")
    trade_coin(desk, "LTCUSD", Side.BUY, "1")
    trade_coin(desk, "LTCUSD", Side.SELL, "1", position=MarketPosition.FLAT)
    trade_coin(desk, "LTCUSD", Side.BUY, "0.5")
    rowid = trade_coin(desk, "LTCUSD", Side.SELL, "0.5", position=MarketPosition.FLAT)
    assert [order.quantity for order in desk.orders(rowid)] == [LEFT]
    assert (at_broker(desk), fees()) == ([], [Decimal("0.0025"), FEE])


def test_no_fee_is_booked_that_never_was(desk: AlpacaDesk):
    make_stock(desk.app, "UNIUSD", asset_class="CRYPTO")
    trade_coin(desk, "UNIUSD", Side.BUY, "1000")
    trade_coin(desk, "UNIUSD", Side.SELL, "1")
    trade_coin(desk, "UNIUSD", Side.BUY, "1.4")
    trade_coin(desk, "UNIUSD", Side.SELL, "1")
    assert fees() == [Decimal("2.5"), Decimal("0.0035")]
    assert compare(desk) == 0


def test_holdings_that_no_fill_has_changed_are_not_asked_for_again(desk: AlpacaDesk):
    trade(desk, Side.BUY)
    desk.alert("BTCUSD", Side.SELL, "0.1", price="60000")
    desk.plan()
    asked = desk.simulator.count("GET /v2/positions")
    desk.alert("BTCUSD", Side.SELL, "0.1", price="60000")
    desk.plan()
    assert desk.simulator.count("GET /v2/positions") == asked
