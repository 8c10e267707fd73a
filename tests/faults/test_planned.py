"""What the desk itself planned, traded and put on its trace passes the audit, however far it is from the alert's size."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from brokers.paper.instructions import Kind
from domain.enums import FailurePolicy, MarketPosition, Side
from extensions import transaction
from faults import rules, snapshot
from faults.alpaca_venue import AlpacaSide
from faults.senders import Sent
from faults.venues import PaperSide
from models import Order, Signal
from tests.brokers.alpaca_support import Simulator
from tests.brokers.paper_support import make_settings
from tests.support.alpaca_desk import AlpacaDesk, open_alpaca_desk
from tests.support.brokers import ref
from tests.support.desk import Desk, open_desk
from tests.support.factories import make_pair, make_stock

D = Decimal
LONG, SHORT, FLAT = MarketPosition.LONG, MarketPosition.SHORT, MarketPosition.FLAT
SINGLE, PAIR = "LNT", "MA-3*V"
PRICES = {SINGLE: "50", PAIR: "-2", "NVDA": "100"}
HOLDS, PLANS = "signals_hold_what_they_say", "plans_are_the_alerts_or_say_why_not"


class Alerts:
    """Sends alerts to a desk and remembers what was sent."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def send(
        self,
        desk: Desk,
        ticker: str,
        side: Side,
        size: str,
        before: MarketPosition | None,
        after: MarketPosition | None,
    ) -> int:
        words = {"position": after, "previous_position": before}
        rowid = desk.alert(ticker, side, size, PRICES[ticker], **words)
        body = {"ticker": ticker, "order_action": side.value, "order_contracts": size}
        self.sent.append(Sent(f"test-{desk.count}", body, rowids={rowid}, created=1, acknowledged_at=1.0))
        return rowid


@pytest.fixture
def alerts() -> Alerts:
    return Alerts()


@pytest.fixture
def desk(context: Flask, tmp_path: Path) -> Iterator[Desk]:
    make_stock(context, "LNT")
    make_pair(context, "MA-V", "3", on_leg_failure=FailurePolicy.HOLD)
    with open_desk(context, tmp_path) as desk:
        yield desk


def violations(app: Flask, folder: Path, sent: Sequence[Sent]) -> dict[str, list[str]]:
    with closing(PaperSide(make_settings(f"sqlite:///{folder}/paper.db"))) as venue:
        return dict(rules.audit(snapshot.take(app, venue), sent))


def quantities(desk: Desk, rowid: int) -> list[tuple[str, Decimal, str]]:
    return [(order.symbol, order.quantity, order.status) for order in desk.orders(rowid)]


def overtaken(desk: Desk, alerts: Alerts) -> int:
    """An exit was delivered late, after the next entry and that one's exit; returns the exit that was cut."""
    alerts.send(desk, SINGLE, Side.BUY, "45", FLAT, LONG)
    alerts.send(desk, SINGLE, Side.SELL, "70", FLAT, SHORT)  # the exit of the first 45 is still on its way
    desk.work()
    cut = alerts.send(desk, SINGLE, Side.BUY, "70", SHORT, FLAT)
    alerts.send(desk, SINGLE, Side.SELL, "45", LONG, FLAT)
    desk.work()
    return cut


def test_an_exit_that_was_cut_to_what_is_held_is_whole(
    context: Flask, tmp_path: Path, desk: Desk, alerts: Alerts
) -> None:
    cut = overtaken(desk, alerts)
    assert quantities(desk, cut) == [("LNT", 25, "FILLED")]
    assert desk.signal(cut).status == "filled"
    assert violations(context, tmp_path, alerts.sent) == {}


def test_an_exit_that_waited_for_the_end_of_its_entry_is_whole(
    context: Flask, tmp_path: Path, desk: Desk, alerts: Alerts
) -> None:
    desk.tell(Kind.PARTIAL, quantity=D(3))
    entry = alerts.send(desk, SINGLE, Side.BUY, "10", FLAT, LONG)
    desk.work()
    cut = alerts.send(desk, SINGLE, Side.SELL, "10", LONG, FLAT)
    desk.plan()
    desk.broker.cancel_order(ref(desk.orders(entry)[0].client_order_id))
    desk.poll()
    desk.work_off()
    assert quantities(desk, cut) == [("LNT", 3, "FILLED")]
    assert violations(context, tmp_path, alerts.sent) == {}


def test_a_pair_whose_exit_was_cut_is_hedged_as_it_was_planned(
    context: Flask, tmp_path: Path, desk: Desk, alerts: Alerts
) -> None:
    alerts.send(desk, PAIR, Side.BUY, "4", FLAT, LONG)
    alerts.send(desk, PAIR, Side.SELL, "7", FLAT, SHORT)
    cut = alerts.send(desk, PAIR, Side.BUY, "7", SHORT, FLAT)
    desk.work_off()
    assert quantities(desk, cut) == [("MA", 3, "FILLED"), ("V", 9, "FILLED")]
    assert violations(context, tmp_path, alerts.sent) == {}


def alone(desk: Desk, alerts: Alerts) -> int:
    """Leg 2 of a pair was refused and nothing mends that; returns the exit, which closes leg 1 alone."""
    desk.tell(Kind.REJECT, symbol="V")
    entry = alerts.send(desk, PAIR, Side.BUY, "4", FLAT, LONG)
    desk.work()
    assert desk.signal(entry).status == "critical err"
    exit_ = alerts.send(desk, PAIR, Side.SELL, "4", LONG, FLAT)
    desk.work()
    return exit_


def test_an_exit_of_the_one_leg_that_is_held_needs_no_other(
    context: Flask, tmp_path: Path, desk: Desk, alerts: Alerts
) -> None:
    exit_ = alone(desk, alerts)
    assert quantities(desk, exit_) == [("MA", 4, "FILLED")]
    assert desk.signal(exit_).status == "filled"
    assert violations(context, tmp_path, alerts.sent) == {}


def test_an_exit_of_leg_2_alone_closes_it_on_whichever_side_it_is_held(
    context: Flask, tmp_path: Path, desk: Desk, alerts: Alerts
) -> None:
    desk.tell(Kind.REJECT, symbol="MA")
    alerts.send(desk, PAIR, Side.SELL, "4", FLAT, SHORT)
    desk.work()
    exit_ = alerts.send(desk, PAIR, Side.SELL, "4", LONG, FLAT)  # as a chart says it that knows nothing of the first
    desk.work()
    assert quantities(desk, exit_) == [("V", 12, "FILLED")]
    assert desk.orders(exit_)[0].side == "sell"
    assert violations(context, tmp_path, alerts.sent) == {}


def set_signal(rowid: int, **values: object) -> None:
    with transaction() as session:
        session.execute(sa.update(Signal).where(Signal.id == rowid).values(**values))


def set_order(rowid: int, **values: object) -> None:
    with transaction() as session:
        session.execute(sa.update(Order).where(Order.signal_id == rowid).values(**values))


def test_what_was_cut_without_a_word_is_told(context: Flask, tmp_path: Path, desk: Desk, alerts: Alerts) -> None:
    rowid = overtaken(desk, alerts)
    kept = [step for step in desk.signal(rowid).trace if step["check"] != "sizing"]
    set_signal(rowid, trace=kept)
    assert set(violations(context, tmp_path, alerts.sent)) == {PLANS}


def test_an_order_that_was_cut_and_yet_not_filled_is_told(
    context: Flask, tmp_path: Path, desk: Desk, alerts: Alerts
) -> None:
    set_order(overtaken(desk, alerts), quantity=D(30))
    assert HOLDS in violations(context, tmp_path, alerts.sent)


def test_no_plan_is_larger_than_its_alert(context: Flask, tmp_path: Path, desk: Desk, alerts: Alerts) -> None:
    entry = alerts.send(desk, SINGLE, Side.BUY, "45", FLAT, LONG)
    desk.work()
    set_order(entry, quantity=D(46))
    assert PLANS in violations(context, tmp_path, alerts.sent)


def test_a_leg_that_was_not_planned_is_told(context: Flask, tmp_path: Path, desk: Desk, alerts: Alerts) -> None:
    set_order(alone(desk, alerts), purpose="unwind")
    assert HOLDS in violations(context, tmp_path, alerts.sent)


class TestWhereNoOrderTurnsAPositionRound:
    """At Alpaca a leg that turns round is two orders, and a fraction that would be short is left."""

    @pytest.fixture
    def desk(self, simulated: Flask, simulator: Simulator) -> Iterator[AlpacaDesk]:
        make_stock(simulated, "NVDA")
        with open_alpaca_desk(simulated, simulator) as made:
            made.account_session().step()
            yield made

    def trade(self, desk: AlpacaDesk, alerts: Alerts, side: Side, size: str, *, plan_only: bool = False) -> int:
        rowid = alerts.send(desk, "NVDA", side, size, None, None)
        if plan_only:
            desk.plan()
        else:
            desk.wait(lambda: self.go_on(desk, rowid))
        return rowid

    def go_on(self, desk: AlpacaDesk, rowid: int, status: str = "filled") -> bool:
        desk.poll()
        desk.work_off()
        return bool(desk.signal(rowid).status == status)

    def violations(self, desk: AlpacaDesk, alerts: Alerts) -> dict[str, list[str]]:
        with closing(AlpacaSide(desk.simulator.url)) as venue:
            return dict(rules.audit(snapshot.take(desk.app, venue), alerts.sent))

    def test_a_position_that_is_turned_round_is_whole(self, desk: AlpacaDesk, alerts: Alerts) -> None:
        self.trade(desk, alerts, Side.BUY, "10")
        turned = self.trade(desk, alerts, Side.SELL, "30")
        assert quantities(desk, turned) == [("NVDA", 10, "FILLED"), ("NVDA", 20, "FILLED")]
        assert self.violations(desk, alerts) == {}

    def test_a_fraction_that_is_left_is_on_the_trace(self, desk: AlpacaDesk, alerts: Alerts) -> None:
        self.trade(desk, alerts, Side.BUY, "5.5")
        self.trade(desk, alerts, Side.SELL, "4.2")
        rowid = self.trade(desk, alerts, Side.SELL, "5.5", plan_only=True)
        desk.wait(lambda: self.go_on(desk, rowid, "part.filled"))
        assert desk.signal(rowid).filled_quantity == D("1.3")
        assert self.violations(desk, alerts) == {}
