"""What is read for the checks: right on both databases, and no more than the checks that are on need."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from domain.checks.facts import LastTarget, NotTraded, PlannedLeg
from domain.checks.run import run_checks
from domain.enums import CheckMode, MarketPosition, Scope, Side, StopLevel
from extensions import database_time, db, reading, transaction
from models import BrokerAccount, DailyResult, Fill, Order, Position, Quote, Signal
from services.catalog import check_limits, snapshots
from services.catalog.check_limits import RuleForm
from services.catalog.snapshots import AccountRef
from services.execution.stops import StopForm, release_stop, set_stop
from services.ledger.books import read_books
from services.planning.check_inputs import gather, said
from services.planning.contexts import symbols_of
from tests.support.desk import LIFETIME, Desk
from tests.support.factories import make_pair, make_stock

D = Decimal
FLAT_BEFORE = {"previous_position": MarketPosition.FLAT}  # without it there is no last target to hold it against
pytestmark = pytest.mark.usefixtures("context")


@pytest.fixture
def desk(app, tmp_path):
    make_stock(app, "AAA")
    make_pair(app, "BBB-CCC", "2")
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


def look(rowid):
    """Return the facts of a signal as its planning would gather them."""
    known = snapshots.snapshot(fresh=True)
    db.session.rollback()
    with reading() as session:
        signal, now = session.get(Signal, rowid), database_time()
        account = AccountRef(signal.account_id, known.account_name(signal.account_id))
        book = read_books(session, [signal.account_id], [signal.name], symbols_of(signal), now)[signal.account_id]
        inputs = gather(session, [signal], now=now, known=known, desk_lifetime=LIFETIME)
        facts = said(signal, account, now, desk_lifetime=LIFETIME)
        return replace(facts, books=book.lines(symbols_of(signal)), stops=known.stops, **inputs.of(signal))


def count_statements(rowids):
    """Return how many statements the inputs of these signals cost."""
    known = snapshots.snapshot(fresh=True)
    with reading() as session:
        signals = [session.get(Signal, rowid) for rowid in rowids]
        now = database_time()
        with statements() as seen:
            gather(session, signals, now=now, known=known, desk_lifetime=LIFETIME)
    return len(seen)


def limit(check, value="1", **more):
    check_limits.set_rule(RuleForm(check=check, limit=D(value), **more), "the test")


def switch_on(check, **more):
    check_limits.set_rule(RuleForm(check=check, mode=CheckMode.REFUSE, **more), "the test")


def add(*rows):
    with transaction() as session:
        session.add_all(rows)


def position(desk, name, symbol, quantity, price="50", account_id=None):
    return Position(
        account_id=account_id or desk.account_id, name=name, symbol=symbol, quantity=D(quantity), average_price=D(price)
    )


numbers = iter(range(1, 10_000))


def order(desk, name, symbol, side="buy", quantity="10", filled="0", **more):
    values = {
        "leg": 1,
        "name": name,
        "account_id": desk.account_id,
        "symbol": symbol,
        "asset_class": "STK",
        "currency": "USD",
        "side": side,
        "quantity": D(quantity),
        "filled_quantity": D(filled),
        "order_type": "MARKET",
        "time_in_force": "DAY",
        "client_order_id": f"test-{next(numbers)}",
        "status": "ACCEPTED",
        **more,
    }
    return Order(**values)


def other_account():
    return db.session.execute(sa.select(BrokerAccount.id).where(BrokerAccount.name == "external")).scalar_one()


@pytest.mark.parametrize(("said", "count"), [(FLAT_BEFORE, 1), ({}, 0)])
def test_untouched_rules_cost_one_statement_and_none_without_a_previous_position(desk, said, count):
    rowid = desk.alert("AAA", **said)
    assert count_statements([rowid]) == count


def test_all_checks_together_cost_one_statement_for_each_part(desk):
    for check in (
        "price_deviation",
        "daily_loss",
        "orders_per_minute",
        "funds_floor",
        "open_positions",
        "slippage_guard",
    ):
        limit(check)
    for check in ("trading_hours", "duplicate"):
        switch_on(check)
    rowid = desk.alert("AAA", **FLAT_BEFORE)
    assert count_statements([rowid]) == 8  # open positions take two: what is open, and what is still to be ordered


def test_what_the_alert_says_is_among_the_facts(desk):
    facts = look(desk.alert("BBB-2*CCC", Side.SELL, "7", "1.5", position=MarketPosition.SHORT, position_size=D(7)))
    assert (facts.subject.account, facts.subject.name, facts.symbols) == ("paper", "BBB-CCC", ("BBB", "CCC"))
    assert (facts.side, facts.quantity, facts.price, facts.hedge_ratio) == (Side.SELL, D(7), D("1.5"), D(2))
    assert (facts.target, facts.previous, facts.lifetime, facts.when_closed) == (D(-7), None, None, None)
    assert facts.desk_lifetime == 120


def test_the_books_are_this_one_s_and_all_others_of_the_same_symbols(desk):
    add(
        position(desk, "AAA", "AAA", "10.5"),
        position(desk, "AAA-BBB", "AAA", "-3"),
        position(desk, "CCC", "CCC", "1"),
        position(desk, "AAA-BBB", "AAA", "9", account_id=other_account()),
        order(desk, "AAA", "AAA", "sell", "4", "1.5", status="PARTIALLY_FILLED"),
        order(desk, "AAA", "AAA", "sell", "4", status="CANCELED"),
        order(desk, "AAA-DDD", "AAA", "buy", "2", status="QUEUED"),
        order(desk, "AAA-EEE", "AAA", account_id=other_account()),
    )
    facts = look(desk.alert("AAA"))
    assert [(line.name, line.held, line.working, line.is_worked) for line in facts.books] == [
        ("AAA", D("10.5"), D("-2.5"), True),
        ("AAA-BBB", D(-3), D(0), False),
        ("AAA-DDD", D(0), D(2), True),
    ]
    assert facts.own("AAA").average_price == 50


def test_stops_count_until_they_are_released(desk):
    form = StopForm(level=StopLevel.CANCEL, scope=Scope.STOCK, name="AAA", reason="over")
    release_stop(set_stop(form, "a person").id, "done", "a person")
    set_stop(StopForm(level=StopLevel.ENTRIES, scope=Scope.DESK, reason="the news"), "a person")
    facts = look(desk.alert("AAA"))
    (stop,) = facts.stops
    assert (stop.level, stop.scope, stop.name, stop.reason) == (StopLevel.ENTRIES, Scope.DESK, "", "the news")
    assert abs(stop.at - facts.now) < timedelta(minutes=1)


def at(position, size):
    return {"position": position, "position_size": D(size)}


def test_the_last_target_is_that_of_the_last_signal_that_was_traded(desk):
    assert look(desk.alert("AAA", **FLAT_BEFORE, **at(MarketPosition.LONG, 10))).last is None
    desk.work()
    first = look(desk.alert("AAA", **FLAT_BEFORE, **at(MarketPosition.LONG, 20)))
    assert first.last == LastTarget(1, D(10), first.last.at)
    assert look(1).last is None  # nor is it its own forerunner
    assert look(desk.alert("AAA", **FLAT_BEFORE)).last.rowid == 1  # one that waits has led nowhere yet
    add(order(desk, "AAA", "AAA", signal_id=2, status="REJECTED"))
    for status in ("canceled", "error"):  # nor does what came to nothing lead anywhere, had it orders or not
        with transaction() as session:
            session.execute(sa.update(Signal).where(Signal.id == 2).values(status=status))
        assert look(desk.alert("AAA", **FLAT_BEFORE)).last.rowid == 1
    goes_on = {"previous_position": MarketPosition.LONG, "previous_position_size": D(20)}
    facts = look(desk.alert("AAA", Side.SELL, **goes_on))
    assert (facts.last.rowid, facts.not_traded) == (1, NotTraded(2, "error"))
    assert look(desk.alert("BBB-2*CCC", **FLAT_BEFORE)).last is None


def test_the_last_target_counts_at_whichever_account_it_was_traded(desk):
    desk.alert("AAA", **FLAT_BEFORE, **at(MarketPosition.LONG, 10))
    desk.work()
    assert look(desk.alert("AAA", **FLAT_BEFORE)).last.account is None
    with transaction() as session:
        session.execute(sa.update(Signal).where(Signal.id == 1).values(account_id=other_account()))
    assert look(desk.alert("AAA", **FLAT_BEFORE)).last.account == "external"


def test_a_flat_target_is_zero_and_a_missing_one_is_none(desk):
    add(position(desk, "AAA", "AAA", "10"))
    desk.alert("AAA", Side.SELL, **FLAT_BEFORE, position=MarketPosition.FLAT)
    desk.work()
    assert look(desk.alert("AAA", **FLAT_BEFORE)).last.target == 0
    desk.work()
    assert look(desk.alert("AAA", **FLAT_BEFORE)).last.target is None


def test_the_newest_waiting_signal_of_the_name_and_side(desk):
    switch_on("duplicate")
    rowid = desk.alert("AAA", **FLAT_BEFORE)
    assert look(rowid).newer_waiting is None
    desk.alert("AAA", Side.SELL, **FLAT_BEFORE)
    desk.alert("BBB-2*CCC", **FLAT_BEFORE)
    assert look(rowid).newer_waiting is None
    desk.alert("AAA", **FLAT_BEFORE, quantity="11")
    newest = desk.alert("AAA", **FLAT_BEFORE, quantity="12")
    assert look(rowid).newer_waiting == newest
    assert look(newest).newer_waiting is None


def test_to_its_target_a_signal_s_duplicates_are_looked_for_by_themselves(desk):
    rowid, newer = desk.alert("AAA", **FLAT_BEFORE), desk.alert("AAA", **FLAT_BEFORE, quantity="11")
    assert look(rowid).newer_waiting is None
    check_limits.set_rule(RuleForm(check="sizing", choice="target"), "the test")
    assert look(rowid).newer_waiting == newer


def test_open_books_have_a_position_or_a_working_entry(desk):
    limit("open_positions")
    add(
        position(desk, "AAA", "AAA", "0.00000001"),
        position(desk, "BBB-CCC", "BBB", "-1"),
        position(desk, "BBB-CCC", "CCC", "2"),
        position(desk, "DDD", "DDD", "0"),
        position(desk, "DDD", "DDD", "1", account_id=other_account()),
        order(desk, "EEE", "EEE"),
        order(desk, "FFF", "FFF", "sell", is_exit=True),
        order(desk, "GGG", "GGG", status="FILLED"),
    )
    assert look(desk.alert("AAA")).open_books == {
        ("paper", "AAA"),
        ("paper", "BBB-CCC"),
        ("external", "DDD"),
        ("paper", "EEE"),
    }


def test_the_day_s_result_is_realised_less_commission_and_what_closing_would_bring(desk):
    limit("daily_loss")
    now = database_time()
    db.session.rollback()
    today, yesterday = f"{now:%Y-%m-%d}", f"{now - timedelta(days=1):%Y-%m-%d}"

    def day(name, realised, commission="0", date=today, account_id=desk.account_id):
        return DailyResult(
            account_id=account_id,
            day=date,
            name=name,
            symbol="BBB",
            realised=D(realised),
            commission=D(commission),
            traded=D(1),
        )

    external = other_account()
    db.session.rollback()
    add(
        day("AAA", "-10", "1.25"),
        day("AAA", "-1000", date=yesterday),
        day("BBB-CCC", "30"),
        day("AAA", "-200", account_id=external),
        position(desk, "AAA", "AAA", "10", "50"),
        position(desk, "BBB-CCC", "BBB", "-10", "20"),
        position(desk, "BBB-CCC", "CCC", "10", "20"),  # of which there is no quote
        Quote(account_id=desk.account_id, symbol="AAA", bid=D(49), ask=D(51), source="test", at=now),
        Quote(account_id=desk.account_id, symbol="BBB", bid=D(19), ask=D(22), source="test", at=now),
    )
    # AAA: -11.25 realised and 10 * (49 - 50); the pair: 30 realised and -10 * (22 - 20).
    facts = look(desk.alert("AAA"))
    dollars = {Scope.STOCK: D("-21.25"), Scope.ACCOUNT: D("-11.25"), Scope.DESK: D("-211.25")}
    assert facts.results == {scope: {"USD": amount} for scope, amount in dollars.items()}
    assert look(desk.alert("BBB-2*CCC")).results[Scope.PAIR] == {"USD": 10}


def test_orders_of_the_last_minute_are_counted_by_scope(desk):
    limit("orders_per_minute", "5")
    external, old = other_account(), database_time() - timedelta(seconds=61)
    db.session.rollback()
    add(
        order(desk, "AAA", "AAA", status="FILLED"),
        order(desk, "AAA", "AAA", is_exit=True),
        order(desk, "AAA", "AAA", created_at=old),
        order(desk, "BBB-CCC", "BBB"),
        order(desk, "AAA", "AAA", account_id=external),
    )
    assert look(desk.alert("AAA")).orders_in_minute == {Scope.STOCK: 1, Scope.ACCOUNT: 2, Scope.DESK: 3}


def test_the_sessions_are_those_of_the_legs_exchanges(app, desk):
    make_stock(app, "EURUSD", asset_class="CASH")
    make_stock(app, "BTCUSD", asset_class="CRYPTO")
    make_stock(app, "VOD", currency="GBP")  # the broker chooses where
    switch_on("trading_hours")
    assert look(desk.alert("BTCUSD")).sessions["BTCUSD"].is_open
    assert look(desk.alert("EURUSD")).sessions["EURUSD"].closes_at is not None
    assert look(desk.alert("VOD")).sessions == {"VOD": None}
    pair = look(desk.alert("BBB-2*CCC")).sessions
    assert set(pair) == {"BBB", "CCC"}
    assert pair["BBB"] == pair["CCC"] is not None


def test_the_mean_slip_is_weighted_and_of_the_same_name_and_side(desk):
    limit("slippage_guard")
    assert look(desk.alert("AAA")).mean_slip is None
    rowids = [desk.alert("AAA", quantity=str(n)) for n in (1, 3, 100)] + [desk.alert("AAA", Side.SELL)]
    filled = dict(zip(rowids, (("-1", "1"), ("1", "3"), (None, "100"), ("-50", "10")), strict=True))
    with transaction() as session:
        for rowid, (slip, quantity) in filled.items():
            values = {"status": "filled", "slip": slip and D(slip), "filled_quantity": D(quantity)}
            session.execute(sa.update(Signal).where(Signal.id == rowid).values(values))
    found = look(desk.alert("AAA", quantity="5")).mean_slip
    assert (found.mean, found.fills) == (D("0.5"), 2)


def test_the_whole_way_from_the_database_to_a_refusal(desk):
    limit("max_quantity", "9", scope=Scope.STOCK, scope_name="AAA")
    rowid = desk.alert("AAA")
    rules = snapshots.snapshot(fresh=True).rules
    facts = look(rowid)
    assert run_checks(facts, rules).goes_on
    sized = replace(facts, legs=(PlannedLeg("AAA", Side.BUY, D(10)),))
    refusal = run_checks(sized, rules).refusal
    assert refusal.reason == "too large"
    assert refusal.text == "The entry is 10 AAA; 9 are allowed by stock AAA."
    assert db.session.execute(sa.select(sa.func.count()).select_from(Fill)).scalar_one() == 0
