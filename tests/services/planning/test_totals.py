"""Sums for a batch of signals: each read once for the whole desk, and every signal sees what was planned before it."""

from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from brokers.paper.instructions import Kind
from domain.checks.facts import MeanSlip
from domain.enums import Scope, Side, TickerType
from extensions import database_time, db, reading, transaction
from models import AccountState, BrokerAccount, Signal
from services.catalog.snapshots import AccountRef
from services.planning.promises import Promise
from services.planning.totals import CHECKS, Needs, SlipKey, read_totals
from tests.support.book_rows import filled_signal, order, position, quote, result
from tests.support.desk import Desk
from tests.support.factories import make_pair, make_stock

D = Decimal
PAPER = AccountRef(1, "paper")
EXTERNAL = AccountRef(2, "external")
SINGLE, PAIR = TickerType.SINGLE, TickerType.PAIR
pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def desk(app, tmp_path):
    desk = Desk(app, tmp_path)
    yield desk
    desk.close()


@contextmanager
def statements():
    """Collect the statements that are sent meanwhile."""
    seen = []

    def note(connection, cursor, statement, *rest):
        seen.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(db.engine, "before_cursor_execute", note)


def read(*checks, slips=(), promises=False):
    db.session.rollback()
    with reading() as session:
        return read_totals(session, database_time(), Needs.of(checks, slips, promises=promises))


def add(*rows):
    with transaction() as session:
        session.add_all(rows)


def today():
    day = f"{database_time():%Y-%m-%d}"
    db.session.rollback()
    return day


def follow(policy="leg1_first"):
    return {"leg_policy": policy, "on_leg_failure": "unwind", "lead_leg": 1, "leg_timeout": 60}


def pair_signal(name="PA-PC", side="buy", first="10", second="20", **fields):
    """Return a signal of a pair under way; its orders are added by themselves."""
    legs = {"leg_quantity1": D(first), "leg_quantity2": D(second)}
    usual = {"status": "created", "filled_quantity": None, "fill_price": None, "ticker_type": "pair"}
    return filled_signal(name, side, None, **{**follow(), **usual, **legs, **fields})


def test_a_batch_costs_as_many_statements_as_one_signal():
    add(*(filled_signal(f"S{n}", received_at=database_time()) for n in range(40)))
    db.session.rollback()
    keys = [SlipKey(1, f"S{n}", Side.BUY) for n in range(40)]
    with reading() as session:
        now = database_time()
        with statements() as seen:
            totals = read_totals(session, now, Needs.of(CHECKS, keys, promises=True))
    for key in keys:  # no session is at hand any more
        totals.results(PAPER, key.name, SINGLE)
        totals.orders_in_minute(PAPER, key.name, SINGLE)
        assert totals.mean_slip(key) == MeanSlip(D("0.1"), 1)
        totals.add_planned(PAPER, key.name, [order(key.name)])
    assert len(seen) == 5  # open books, promises, results, orders, slips
    assert len(totals.open_books) == 40


def test_only_what_is_needed_is_read_and_the_rest_cannot_be_asked_for():
    with reading() as session:
        now = database_time()
        with statements() as seen:
            totals = read_totals(session, now, Needs.of(["age", "stop"], [SlipKey(1, "AAA", Side.BUY)]))
    assert seen == []
    for ask in (
        lambda: totals.open_books,
        lambda: totals.promises,
        lambda: totals.results(PAPER, "AAA", SINGLE),
        lambda: totals.currency(PAPER),
        lambda: totals.orders_in_minute(PAPER, "AAA", SINGLE),
        lambda: totals.mean_slip(SlipKey(1, "AAA", Side.BUY)),
    ):
        with pytest.raises(LookupError):
            ask()
    totals.add_planned(PAPER, "AAA", [order("AAA")])


def test_each_signal_of_a_batch_sees_what_those_before_it_took():
    add(order("AAA", status="ACCEPTED"))
    totals = read("open_positions", "orders_per_minute")
    totals.add_planned(PAPER, "BBB-CCC", [order("BBB"), order("CCC", "sell")])
    totals.add_planned(EXTERNAL, "AAA", [order("AAA"), order("AAA", is_exit=True)])
    totals.add_planned(PAPER, "DDD", [order("DDD", is_exit=True)])
    assert totals.open_books == {("paper", "AAA"), ("paper", "BBB-CCC"), ("external", "AAA")}
    assert totals.orders_in_minute(PAPER, "BBB-CCC", PAIR) == {Scope.DESK: 4, Scope.ACCOUNT: 3, Scope.PAIR: 2}
    assert totals.orders_in_minute(PAPER, "DDD", SINGLE) == {Scope.DESK: 4, Scope.ACCOUNT: 3, Scope.STOCK: 0}
    assert totals.orders_in_minute(EXTERNAL, "AAA", SINGLE) == {Scope.DESK: 4, Scope.ACCOUNT: 1, Scope.STOCK: 1}


def test_of_a_stock_the_orders_as_a_leg_count_too():
    add(order("AAA"), order("AAA", name="AAA-BBB"), order("BBB", name="AAA-BBB", leg=2), order("AAA", account_id=2))
    totals = read("orders_per_minute")
    totals.add_planned(PAPER, "CCC-AAA", [order("CCC"), order("AAA", "sell")])
    assert totals.orders_in_minute(PAPER, "AAA", SINGLE) == {Scope.DESK: 6, Scope.ACCOUNT: 5, Scope.STOCK: 3}
    assert totals.orders_in_minute(PAPER, "AAA-BBB", PAIR) == {Scope.DESK: 6, Scope.ACCOUNT: 5, Scope.PAIR: 2}
    assert totals.orders_of(PAPER, ("AAA", "BBB", "DDD")) == {"AAA": 3, "BBB": 1, "DDD": 0}


def test_what_follows_a_planned_order_is_promised_for_the_rest_of_the_batch():
    totals = read("open_positions")
    coming = Promise("paper", "PA-PC", "PC", D(-20))
    totals.add_planned(PAPER, "PA-PC", [order("PA")], [coming])
    assert (totals.open_books, totals.promises) == ({("paper", "PA-PC")}, (coming,))


def test_results_are_kept_apart_by_currency(app):
    make_stock(app, "VOD", currency="GBP")
    make_stock(app, "AAPL")
    day = today()
    add(
        result(day, "VOD", "-30", commission=D(1)),
        result(day, "AAPL", "-20"),
        result(day, "GONE", "-7"),
        order("GONE", currency="CHF"),
        order("GONE", currency="EUR"),  # the last one counts where the stock is not registered any more
        result(day, "NEVER", "-3"),
        position("VOD", "10", "50"),
        quote("VOD", "49", "51"),
        AccountState(account_id=1, currency="USD"),
    )
    totals = read("daily_loss")
    account = {"GBP": D(-41), "USD": D(-20), "EUR": D(-7), "": D(-3)}
    assert totals.results(PAPER, "VOD", SINGLE) == {
        Scope.DESK: account,
        Scope.ACCOUNT: account,
        Scope.STOCK: {"GBP": D(-41)},
    }
    assert totals.results(PAPER, "VOD-AAPL", PAIR) == {Scope.DESK: account, Scope.ACCOUNT: account}
    assert (totals.currency(PAPER), totals.currency(EXTERNAL)) == ("USD", None)


def test_play_money_does_not_make_up_for_losses_of_real_money(app):
    make_stock(app, "AAA")
    day = today()
    real = BrokerAccount(id=7, name="real", broker="alpaca", environment="live", live_enabled=True)
    add(real)
    add(result(day, "AAA", "1000"), result(day, "AAA", "-600", account_id=7), result(day, "AAA", "-1", account_id=2))
    totals = read("daily_loss")
    assert totals.results(AccountRef(7, "real"), "AAA", SINGLE)[Scope.DESK] == {"USD": D(-600)}
    assert totals.results(PAPER, "AAA", SINGLE)[Scope.DESK] == {"USD": D(999)}


def test_yesterday_does_not_count(app):
    make_stock(app, "AAA")
    now = database_time()
    db.session.rollback()
    add(result(f"{now - timedelta(days=1):%Y-%m-%d}", "AAA", "-1000"))
    assert read("daily_loss").results(PAPER, "AAA", SINGLE) == {}


def test_the_follower_of_a_leg_that_works_is_promised_and_its_pair_is_open(app, desk):
    make_pair(app, "PA-PC", "2", leg_policy="leg1_first")
    desk.tell(Kind.WORK)
    desk.alert("PA-2*PC", quantity="10", price="0")
    desk.work()
    totals = read("open_positions")
    assert totals.promises == (Promise("paper", "PA-PC", "PC", D(-20)),)
    assert totals.open_books == {("paper", "PA-PC")}


def test_what_follows_is_promised_also_while_no_order_is_open():
    add(pair_signal(unbalanced_at=database_time()))
    rowid = db.session.execute(sa.select(Signal.id)).scalar_one()
    add(order("PA", name="PA-PC", signal_id=rowid), position("AAA"))  # filled; what follows is not there yet
    totals = read("open_positions")
    assert totals.promises == (Promise("paper", "PA-PC", "PC", D(-20)),)
    assert totals.open_books == {("paper", "PA-PC"), ("paper", "AAA")}


def test_of_what_follows_only_the_rest_is_promised_and_a_single_promises_its_opening_part():
    add(pair_signal(), pair_signal("AAA", "sell", "20", "0", leg_quantity2=None, symbol2=None, ticker_type="single"))
    pair, single = db.session.execute(sa.select(Signal.id).order_by(Signal.id)).scalars()
    add(
        order("PA", name="PA-PC", signal_id=pair),
        order("PC", "sell", "5", name="PA-PC", leg=2, signal_id=pair, status="ACCEPTED"),
        order("AAA", "sell", "8", signal_id=single, is_exit=True, status="ACCEPTED"),
    )
    totals = read(promises=True)
    assert set(totals.promises) == {Promise("paper", "PA-PC", "PC", D(-15)), Promise("paper", "AAA", "AAA", D(-12))}


@pytest.mark.parametrize(
    ("of_signal", "of_order"),
    [
        ({"status": "critical err"}, {}),
        ({"status": "filled"}, {}),
        ({}, {"status": "REJECTED"}),
        ({}, {"purpose": "unwind"}),
        ({}, {"cancel_requested_at": sa.func.current_timestamp()}),
    ],
)
def test_what_has_ended_or_failed_promises_nothing(of_signal, of_order):
    if "cancel_requested_at" in of_order:
        of_order = {"cancel_requested_at": database_time()}
        db.session.rollback()
    add(pair_signal(unbalanced_at=database_time(), **of_signal))
    rowid = db.session.execute(sa.select(Signal.id)).scalar_one()
    add(order("PA", name="PA-PC", signal_id=rowid, **of_order))
    totals = read("open_positions")
    assert (totals.promises, totals.open_books) == ((), frozenset())


def test_mean_slips_of_many_names_and_sides_are_each_of_their_own_last_fills():
    now = database_time()
    db.session.rollback()

    def at(minutes, name, side, slip, **more):
        return filled_signal(name, side, slip, received_at=now - timedelta(minutes=minutes), **more)

    add(
        *(at(n, "AAA", "buy", "-1") for n in range(20)),
        at(30, "AAA", "buy", "-100"),  # older than the last twenty
        at(1, "AAA", "sell", "3", filled="1"),
        at(2, "AAA", "sell", "-1", filled="3"),
        at(1, "BBB", "buy", "7"),
        at(1, "BBB", "buy", "9", account_id=2),
        at(2, "BBB", "buy", None),
        at(3, "BBB", "buy", "50", status="part.filled"),
    )
    keys = {
        SlipKey(1, "AAA", Side.BUY): MeanSlip(D(-1), 20),
        SlipKey(1, "AAA", Side.SELL): MeanSlip(D(0), 2),
        SlipKey(1, "BBB", Side.BUY): MeanSlip(D(7), 1),
        SlipKey(2, "BBB", Side.BUY): MeanSlip(D(9), 1),
        SlipKey(1, "CCC", Side.BUY): None,
    }
    totals = read("slippage_guard", slips=keys)
    assert {key: totals.mean_slip(key) for key in keys} == keys
