"""What a signal shows of its orders: prices, slip and shares, of pairs that trade one leg only too."""

from decimal import Decimal

import pytest
from flask import Flask

from domain.order_status import OrderStatus
from extensions import db, transaction
from models import Signal
from services.execution.order_records import apply_report, fail_order, lock_order
from services.reports.slippage import SlippageFilter, report
from tests.support import book_rows
from tests.support.reports import filled_report

D = Decimal


def send_lone_leg(app: Flask, leg: int) -> tuple[int, int]:
    """Store a pair's signal of which only one leg is on its way; returns the numbers of signal and order."""
    fields = {"slip": None, "filled_quantity": None, "fill_price": None, "status": "created", "trace": []}
    (rowid,) = book_rows.add(app, book_rows.filled_signal("MA-V", "sell", **{**fields, "price": D(63)}))
    order = book_rows.order(
        "MA" if leg == 1 else "V", "sell", "3", signal_id=rowid, leg=leg, name="MA-V", status="SENDING"
    )
    return rowid, *book_rows.add(app, order)


def book(order_id: int, price: str, quantity: str | None = None) -> None:
    with transaction() as session:
        locked = lock_order(session, order_id)
        apply_report(session, locked, filled_report(locked.order, price, quantity), "worker")


def shown(rowid: int) -> tuple[object, ...]:
    db.session.rollback()
    signal = db.session.get_one(Signal, rowid)
    return signal.status, signal.filled_quantity, signal.fill_price, signal.slip


@pytest.mark.parametrize(("leg", "filled", "prices"), [(1, D(3), (D(100), None)), (2, None, (None, D(100)))])
def test_a_leg_that_trades_alone_gives_the_pair_no_price(
    context: Flask, leg: int, filled: Decimal | None, prices: tuple[Decimal | None, Decimal | None]
) -> None:
    rowid, order_id = send_lone_leg(context, leg)
    book(order_id, "100")
    assert shown(rowid) == ("filled", filled, None, None)
    signal = db.session.get_one(Signal, rowid)
    assert (signal.leg_price1, signal.leg_price2) == prices
    name = "MA" if leg == 1 else "V"
    told = f"Only leg {leg} ({name}) is traded, so there is no price of the pair and no slip."
    assert [entry["text"] for entry in signal.trace] == [told]
    assert report(SlippageFilter()).names == []


def test_a_lone_leg_is_told_of_once_and_only_when_it_has_traded(context: Flask) -> None:
    rowid, order_id = send_lone_leg(context, 1)
    with transaction() as session:
        fail_order(session, lock_order(session, order_id), OrderStatus.REJECTED, "no", "worker")
    assert db.session.get_one(Signal, rowid).trace == []
    rowid, order_id = send_lone_leg(context, 1)
    for filled in ("1", "2"):
        book(order_id, "100", filled)
    assert len(db.session.get_one(Signal, rowid).trace) == 1


def test_a_pair_whose_legs_both_traded_shows_its_spread_in_full(context: Flask) -> None:
    rowid, first = send_lone_leg(context, 1)
    (second,) = book_rows.add(
        context, book_rows.order("V", "buy", "1", signal_id=rowid, leg=2, name="MA-V", status="SENDING")
    )
    with transaction() as session:
        signal = session.get_one(Signal, rowid)
        signal.leg_quantity1, signal.leg_quantity2, signal.hedge_ratio = D(3), D(1), D("0.37")
    book(first, "300.12345678")
    book(second, "100.5678")
    assert shown(rowid) == ("filled", 3, D("262.91337078"), D("199.91337078"))


def test_the_slip_of_a_cheap_coin_is_not_rounded_away(context: Flask) -> None:
    fields = {"slip": None, "fill_price": None, "status": "created", "price": D("0.000012")}
    (rowid,) = book_rows.add(context, book_rows.filled_signal("SHIBUSD", **fields))
    order = book_rows.order("SHIBUSD", quantity="10000000", signal_id=rowid, status="SENDING")
    book(*book_rows.add(context, order), "0.0000125")
    assert shown(rowid) == ("filled", 10_000_000, D("0.0000125"), D("-0.0000005"))
    (found,) = report(SlippageFilter()).names
    assert found.both is not None
    assert found.both.money == -5
