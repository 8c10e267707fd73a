"""Alpaca takes no order across zero of the account's position, and the account is more than one pair's book."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from domain.enums import CheckMode, FailurePolicy, Side
from extensions import transaction
from models import Order, Position, PositionDifference, Signal
from services.catalog import check_limits
from services.catalog.check_limits import RuleForm
from tests.brokers.alpaca_support import Simulator
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.factories import make_pair, make_stock


@pytest.fixture
def simulated(simulated: Flask) -> Flask:
    check_limits.set_rule(RuleForm(check="exclusivity", mode=CheckMode.OFF), "a person")
    make_stock(simulated, "NVDA")
    make_pair(simulated, "AAPL-TSLA", "2")  # shares a leg with the pair under test
    return simulated


@pytest.fixture
def desk(simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
    with open_alpaca_desk(simulated, simulator) as made:
        made.account_session().step()
        yield made


def hurry() -> None:
    """Make what is to be sent later due now."""
    with transaction() as session:
        session.execute(sa.update(Order).where(Order.status == "QUEUED").values(next_at=Order.created_at))


def go_on(desk: AlpacaDesk) -> None:
    """Take one turn of all that a worker does."""
    desk.poll()
    hurry()
    desk.work()


def work_until(desk: AlpacaDesk, rowid: int, status: str) -> None:
    def is_so() -> bool:
        go_on(desk)
        return desk.signal(rowid).status == status

    desk.wait(is_so)


def trade(desk: AlpacaDesk, ticker: str, side: Side, quantity: str) -> int:
    rowid = desk.alert(ticker, side, quantity, price="100")
    desk.work()
    work_until(desk, rowid, "filled")
    return rowid


def held(desk: AlpacaDesk) -> dict[str, Decimal]:
    return {position.symbol: position.quantity for position in desk.broker.list_positions()}


def sizes(desk: AlpacaDesk, rowid: int, symbol: str) -> list[tuple[Any, ...]]:
    orders = sorted(desk.orders(rowid), key=lambda order: order.id)
    return [(o.purpose, o.side, o.quantity, o.status) for o in orders if o.symbol == symbol]


def one_order(desk: AlpacaDesk, rowid: int, symbol: str) -> Order:
    (found,) = [order for order in desk.orders(rowid) if order.symbol == symbol]
    return found


def text_of(desk: AlpacaDesk, rowid: int) -> str:
    return " ".join(step["text"] for step in desk.signal(rowid).trace)


def test_what_is_traded_back_goes_in_two_when_another_pair_is_short_by_then(desk: AlpacaDesk, simulated: Flask):
    make_pair(simulated, "AAPL-MSFT", "2")
    desk.simulator.tell("work", symbol="MSFT")
    rowid = desk.alert("AAPL-2*MSFT", Side.BUY, "10")
    desk.work()
    work_until(desk, rowid, "filled(...)")
    trade(desk, "AAPL-2*TSLA", Side.SELL, "6")
    assert held(desk) == {"AAPL": 4, "TSLA": 12}
    msft = one_order(desk, rowid, "MSFT")
    desk.simulator.control("POST", f"orders/{msft.client_order_id}/expire")
    work_until(desk, rowid, "canceled")
    assert sizes(desk, rowid, "AAPL") == [
        ("signal", "buy", 10, "FILLED"),
        ("unwind", "sell", 4, "FILLED"),
        ("unwind", "sell", 6, "FILLED"),
    ]
    assert held(desk) == {"AAPL": -6, "TSLA": 12}
    assert "Of sell 10 AAPL, 4 are sent now" in text_of(desk, rowid)


def test_a_leg_that_is_sent_again_goes_in_two_when_the_account_is_long_by_then(desk: AlpacaDesk, simulated: Flask):
    make_pair(simulated, "AAPL-MSFT", "2", on_leg_failure=FailurePolicy.COMPLETE)
    desk.simulator.tell("work", symbol="AAPL")
    rowid = desk.alert("AAPL-2*MSFT", Side.SELL, "10")
    desk.work()
    work_until(desk, rowid, "filled(...)")
    aapl = one_order(desk, rowid, "AAPL")
    desk.simulator.control("POST", f"orders/{aapl.client_order_id}/expire")
    trade_by_hand(desk, "AAPL", "buy", "4", "4")
    work_until(desk, rowid, "filled")
    assert sizes(desk, rowid, "AAPL") == [
        ("signal", "sell", 10, "EXPIRED"),
        ("complete", "sell", 4, "FILLED"),
        ("complete", "sell", 6, "FILLED"),
    ]
    assert held(desk) == {"AAPL": -6, "MSFT": 20}


def queue(desk: AlpacaDesk, side: Side, quantity: str) -> int:
    """Plan a trade of NVDA whose order waits in the queue."""
    rowid = desk.alert("NVDA", side, quantity, price="100")
    desk.plan()
    return rowid


def trade_by_hand(desk: AlpacaDesk, symbol: str, side: str, quantity: str, comes_to: str) -> None:
    """Let somebody else trade at the broker, and the desk hear of it."""
    body = {"symbol": symbol, "side": side, "qty": quantity, "client_order_id": f"by hand {quantity}"}
    desk.simulator.control("POST", "orders", body)
    desk.wait(lambda: held(desk).get(symbol) == Decimal(comes_to))
    with transaction() as session:
        ours = sa.select(sa.func.coalesce(sa.func.sum(sa.cast(Position.quantity, sa.Numeric)), 0))
        known = Decimal(session.execute(ours.where(Position.symbol == symbol)).scalar_one())
        row = PositionDifference(account_id=desk.account_id, symbol=symbol, ours=known, theirs=Decimal(comes_to))
        session.add(row)


def short_by_hand(desk: AlpacaDesk, symbol: str, quantity: str) -> None:
    """Let somebody else sell short at the broker, and the desk hear of it."""
    trade_by_hand(desk, symbol, "sell", quantity, f"-{quantity}")


def test_a_queued_order_is_sent_in_two_when_the_position_has_changed_meanwhile(desk: AlpacaDesk):
    rowid = queue(desk, Side.SELL, "10")
    trade_by_hand(desk, "NVDA", "buy", "4", "4")
    desk.submit()
    assert sizes(desk, rowid, "NVDA") == [("signal", "sell", 4, "ACCEPTED")]
    work_until(desk, rowid, "filled")
    assert sizes(desk, rowid, "NVDA") == [("signal", "sell", 4, "FILLED"), ("signal", "sell", 6, "FILLED")]
    assert (desk.signal(rowid).filled_quantity, held(desk)) == (10, {"NVDA": -6})
    assert desk.simulator.count("POST /v2/orders") == 2


def test_a_plan_goes_by_what_the_broker_holds(desk: AlpacaDesk):
    short_by_hand(desk, "NVDA", "4")
    rowid = trade(desk, "NVDA", Side.BUY, "10")
    assert sizes(desk, rowid, "NVDA") == [("signal", "buy", 4, "FILLED"), ("signal", "buy", 6, "FILLED")]


@pytest.mark.parametrize("queued", [True, False])
def test_when_the_first_half_is_refused_the_signal_says_that_the_second_is_not_sent(desk: AlpacaDesk, queued: bool):
    trade(desk, "NVDA", Side.BUY, "4")
    desk.simulator.tell("reject", symbol="NVDA", reason="halted")
    rowid = desk.alert("NVDA", Side.SELL, "10", price="100")
    desk.work(at_once=not queued)
    assert sizes(desk, rowid, "NVDA") == [("signal", "sell", 4, "REJECTED")]
    signal = desk.signal(rowid)
    assert signal.status == "error"
    assert "halted" in str(signal.status_reason)
    assert str(signal.status_reason).endswith("; so the 6 that were to follow it are not sent")
    go_on(desk)
    assert held(desk) == {"NVDA": 4}


def hold_what_is_held(desk: AlpacaDesk) -> Order:
    """Hold ten NVDA, all of which a working order is about to sell."""
    trade(desk, "NVDA", Side.BUY, "10")
    desk.simulator.tell("work", symbol="NVDA")
    rowid = desk.alert("NVDA", Side.SELL, "10", price="100")
    desk.work()
    return one_order(desk, rowid, "NVDA")


def test_an_order_waits_while_all_that_is_held_is_spoken_for(desk: AlpacaDesk):
    working = hold_what_is_held(desk)
    rowid = desk.alert("NVDA", Side.SELL, "10", price="100")
    desk.work()
    assert (desk.signal(rowid).status, desk.orders(rowid)) == ("waiting", [])
    assert "closes the position first" in str(desk.signal(rowid).status_reason)
    assert desk.simulator.count("POST /v2/orders") == 2
    desk.simulator.control("POST", f"orders/{working.client_order_id}/fill")
    work_until(desk, rowid, "filled")
    assert held(desk) == {"NVDA": -10}
    assert desk.simulator.count("POST /v2/orders") == 3


def test_an_entry_that_waited_longer_than_it_lives_is_not_sent(desk: AlpacaDesk):
    hold_what_is_held(desk)
    rowid = desk.alert("NVDA", Side.SELL, "10", price="100")
    desk.work()
    long_ago = desk.signal(rowid).received_at - timedelta(hours=1)
    with transaction() as session:
        session.execute(sa.update(Signal).where(Signal.id == rowid).values(received_at=long_ago, look_at=None))
    desk.work()
    assert (desk.signal(rowid).status, desk.signal(rowid).status_reason) == ("canceled", "expired")
    assert desk.simulator.count("POST /v2/orders") == 2


def test_a_leg_that_turns_from_a_fraction_is_rounded_so_that_whole_shares_are_short(desk: AlpacaDesk, simulated: Flask):
    make_pair(simulated, "AMD-MSFT", "0.25")
    trade(desk, "AMD-0.25*MSFT", Side.SELL, "10")
    assert held(desk) == {"AMD": -10, "MSFT": Decimal("2.5")}
    rowid = trade(desk, "AMD-0.25*MSFT", Side.BUY, "20")
    assert held(desk) == {"AMD": 10, "MSFT": -2}
    assert [quantity for _, _, quantity, _ in sizes(desk, rowid, "MSFT")] == [Decimal("2.5"), 2]
    assert "20 AMD are hedged by 4.5 MSFT" in text_of(desk, rowid)


def test_a_fraction_that_would_be_short_is_refused_at_planning(desk: AlpacaDesk):
    rowid = desk.alert("NVDA", Side.SELL, "5.5", price="100")
    desk.work()
    assert (desk.signal(rowid).status, desk.orders(rowid)) == ("error", [])
    assert "5.5 NVDA cannot be traded short; the broker trades steps of 1." in str(desk.signal(rowid).error_text)


def test_what_is_held_is_closed_where_a_fraction_would_be_short(desk: AlpacaDesk):
    trade(desk, "NVDA", Side.BUY, "2.5")
    rowid = desk.alert("NVDA", Side.SELL, "8", price="100")
    desk.work()
    work_until(desk, rowid, "part.filled")
    assert sizes(desk, rowid, "NVDA") == [("signal", "sell", Decimal("2.5"), "FILLED")]
    assert "short 5.5 was not opened" in str(desk.signal(rowid).status_reason)
    assert held(desk) == {}


def test_a_fraction_that_turns_out_to_be_short_is_left_and_told(desk: AlpacaDesk):
    rowid = queue(desk, Side.SELL, "5")
    trade_by_hand(desk, "NVDA", "buy", "1.3", "1.3")
    work_until(desk, rowid, "filled")
    parts = [("signal", "sell", Decimal("1.3"), "FILLED"), ("signal", "sell", 3, "FILLED")]
    assert sizes(desk, rowid, "NVDA") == parts
    assert (desk.signal(rowid).filled_quantity, held(desk)) == (Decimal("4.3"), {"NVDA": -3})
    assert "0.7 are left, for fractions cannot be sold short" in text_of(desk, rowid)
