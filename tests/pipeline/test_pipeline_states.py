"""The order pipeline under anything that can happen, in any order: its promises hold after every single step.

Real services, both databases, the real paper venue, also in the disguise of venues that do not tell our ids or take one
twice: there a person looks for what no look-up can tell. `LONGER=20` runs twenty times as many examples, by chance.
"""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from brokers.errors import BrokerError, OrderRejected
from brokers.paper.broker import PaperBroker
from brokers.paper.instructions import Kind
from domain.enums import FailurePolicy, LegPolicy, MarketPosition, Scope, Side, StopLevel
from domain.errors import Conflict
from domain.lanes.pair_moves import imbalance
from domain.messages import OrderReport, OrderRequest
from domain.order_status import (
    BY_EVIDENCE,
    CLOSED,
    IN_FLIGHT,
    SIGNAL_TRANSITIONS,
    TRANSITIONS,
    OrderStatus,
    SignalStatus,
)
from domain.position import Holding, add_fill
from extensions import db, transaction
from models import (
    AccountState,
    DailyResult,
    Fill,
    ForeignOrder,
    JournalEntry,
    Order,
    OrderEvent,
    Pair,
    Position,
    PositionDifference,
    Signal,
    Stop,
)
from services.catalog import snapshots
from services.execution import leg_timeouts, send_orders, stops, submit_orders
from services.execution.cancel_orders import cancel_order
from services.execution.follow_up import leg_orders
from services.execution.roll_up import pair_plan
from services.interventions import settle
from services.reconciliation import reconcile
from simulators.odd_venues import AGAIN, EchoingBroker, NamelessBroker
from tests.support.desk import Desk
from tests.support.factories import make_pair, make_stock

TABLES = [
    OrderEvent, Fill, Order, Signal, Position, DailyResult, PositionDifference, ForeignOrder, AccountState, Stop,
    JournalEntry,
]  # fmt: skip
LONGER = int(os.environ.get("LONGER", "0"))
WORKERS = st.sampled_from(["worker", "other worker"])
SYMBOLS = st.sampled_from(["LNT", "MA", "V", None])
ENDED = {S.value for S in (SignalStatus.FILLED, SignalStatus.CANCELED, SignalStatus.ERROR, SignalStatus.CRITICAL)}
DAY_ONE = datetime(2000, 1, 1, tzinfo=UTC)
BAD_DAYS = st.sampled_from([
    None, None, Kind.WORK, Kind.WORK, Kind.PARTIAL, Kind.REJECT, Kind.DELAY, Kind.DROP_ANSWER, Kind.DROP_REQUEST, Kind.UNAVAILABLE, Kind.LATE,
])  # fmt: skip
STEPS = [
    "plan_and_send", "submit", "work", "work", "cancel_at_the_broker", "tidy", "look_up", "look_up", "tend", "poll",
    "poll", "start_anew", "thaw",
]  # fmt: skip
NUMBERS, AMOUNTS = st.integers(0, 50), st.integers(1, 20)
numbers = itertools.count()


class Pipeline(RuleBasedStateMachine):
    """One account, a stock and a pair; two workers that may die between any two commits."""

    def __init__(self, app: Flask, folder: Path, kind: type[PaperBroker]) -> None:
        super().__init__()
        with transaction() as session:
            for table in TABLES:
                session.execute(sa.delete(table))
            snapshots.bump_version(session)
        app.extensions.pop("registry", None)
        place = folder / f"venue-{next(numbers)}"
        place.mkdir()
        self.desk = Desk(app, place)
        self.passed = timedelta()
        self.desk.venue._clock = lambda: datetime.now(UTC) + self.passed
        self.use_broker(kind)
        self.frozen: list[submit_orders.Claim] = []
        self.ids: dict[int, str] = {}
        self.statuses: dict[int, str] = {}
        self.calls: Counter[str] = Counter()
        self.submit_order = self.desk.broker.submit_order
        self.desk.send_through(self.count_call)

    def use_broker(self, kind: type[PaperBroker]) -> None:
        self.desk.broker = self.desk.brokers[self.desk.account_id] = kind(self.desk.venue, "paper")
        self.desk.market.connect(self.desk.account_id, self.desk.broker)
        self.is_odd = kind is not PaperBroker

    def at_the_venue(self) -> list[OrderReport]:
        """Return the venue's own book, as a person sees it there."""
        return list(self.desk.venue.list("paper", DAY_ONE))

    def count_call(self, request: OrderRequest) -> OrderReport:
        self.calls[request.client_order_id] += 1
        return self.submit_order(request)

    # What people and the strategy do.

    @rule(
        ticker=st.sampled_from(["LNT", "MA-3*V", "MA-3*V"]),
        side=st.sampled_from(Side),
        quantity=st.integers(1, 20),
        position=st.sampled_from([None, None, *MarketPosition]),
        policy=st.sampled_from(LegPolicy),
        on_failure=st.sampled_from(FailurePolicy),
        bad_days=st.tuples(BAD_DAYS, BAD_DAYS),
        amount=st.integers(1, 9),
        end=st.sampled_from(["at once", "at once", "planned", "worked", "claimed", "sending", "sent", "frozen"]),
    )
    def alert(
        self,
        ticker: str,
        side: Side,
        quantity: int,
        position: MarketPosition | None,
        policy: LegPolicy,
        on_failure: FailurePolicy,
        bad_days: tuple[Kind | None, Kind | None],
        amount: int,
        end: str,
    ) -> None:
        """Take an alert on a venue that has a bad day, and go some way with it."""
        for kind, symbol in zip(bad_days, ("LNT", "") if ticker == "LNT" else ("MA", "V"), strict=True):
            if kind is not None and symbol:
                self.instruct(kind, symbol, 1, amount, amount)
        with transaction() as session:
            session.execute(sa.update(Pair).values(leg_policy=policy, on_leg_failure=on_failure))
        size = Decimal(0) if position is MarketPosition.FLAT else Decimal(quantity)
        more: dict[str, Any] = {} if position is None else {"position": position, "position_size": size}
        self.desk.alert(ticker, side, str(quantity), "50" if ticker != "MA-3*V" else "-2", **more)
        if end == "at once":
            self.plan_and_send("worker")
            return
        self.desk.plan()
        if end == "worked":
            self.desk.work()
        elif end != "planned":
            self.die(end)

    @rule(
        what=st.sampled_from(["cancel"] * 3 + ["resolve", "stop", "release", "release"]), number=NUMBERS, data=st.data()
    )
    def a_person(self, what: str, number: int, data: st.DataObject) -> None:
        if what == "stop":
            self.stop(data.draw(st.sampled_from(StopLevel)))
        elif what == "release":
            self.release()
        else:
            (self.cancel_by_hand if what == "cancel" else self.say_that_it_is_not_there)(number)

    @rule(step=st.sampled_from(STEPS), worker=WORKERS)
    def a_worker(self, step: str, worker: str) -> None:
        if step in ("work", "poll", "start_anew", "thaw"):
            getattr(self, step)()
        elif step == "look_up":
            self.look_up(4)
        else:
            getattr(self, step)(worker)

    @rule(what=st.sampled_from(["fill", "fill", "end", "instruct"]), number=NUMBERS, amount=AMOUNTS, data=st.data())
    def the_venue(self, what: str, number: int, amount: int, data: st.DataObject) -> None:
        if what == "instruct":
            kind = data.draw(st.sampled_from([kind for kind in Kind if kind is not Kind.HANG]))
            self.instruct(kind, data.draw(SYMBOLS), 1 + number % 3, amount, amount)
        elif what == "fill":
            self.fill_at_the_venue(number, amount)
        else:
            self.end_at_the_venue(number)

    def cancel_by_hand(self, number: int) -> None:
        if order := self.pick(number, Order.status.not_in(CLOSED)):
            with suppress(Conflict):
                cancel_order(order.id, "changed my mind", "user anna")

    def say_that_it_is_not_there(self, number: int) -> None:
        order = self.pick(number, Order.status == OrderStatus.MANUAL)
        if order is None:
            return
        there = self.desk.venue.find("paper", order.client_order_id)
        if there is not None and self.is_odd:
            settle.identify_order(order.id, there.broker_order_id, "seen there", "user anna")
        elif there is None and not self.is_odd:  # where nobody could tell it later, a person waits until the end
            settle.resolve_order(order.id, "looked there", "user anna")

    def look_there_in_the_end(self) -> None:
        """Say of every order that waits for a person which one it is at the venue, or that it is not there."""
        for order in self.all(Order, Order.id) if self.is_odd else ():
            if order.status == OrderStatus.MANUAL:
                if there := self.desk.venue.find("paper", order.client_order_id):
                    settle.identify_order(order.id, there.broker_order_id, "seen there", "user anna")
                else:
                    settle.resolve_order(order.id, "looked there", "user anna")
                db.session.rollback()

    def stop(self, level: StopLevel) -> None:
        if not stops.list_stops(in_force=True):
            stops.set_stop(stops.StopForm(level=level, scope=Scope.DESK, reason="news"), "user anna")

    def release(self) -> None:
        for stop in stops.list_stops(in_force=True):
            stops.release_stop(stop.id, "over", "user anna")

    # What workers do.

    def plan_and_send(self, worker: str) -> None:
        claims = self.desk.plan(worker, ready=True)
        send_orders.send_now(claims or [], self.desk.brokers, worker)

    def submit(self, worker: str) -> None:
        self.desk.plan(worker)
        self.desk.submit(worker)

    def work(self) -> None:
        self.desk.work()

    def cancel_at_the_broker(self, worker: str) -> None:
        self.desk.cancel(worker)

    def tidy(self, worker: str) -> None:
        submit_orders.reap(worker)
        submit_orders.expire_orders(worker)

    def look_up(self, times: int) -> None:
        for _ in range(times):
            self.desk.look_up()

    def tend(self, worker: str) -> None:
        stops.carry_out(self.desk.brokers, worker)
        leg_timeouts.tend(self.desk.brokers, worker)

    def poll(self) -> None:
        self.desk.poll()
        before = self.rows()
        self.desk.poll()
        assert self.rows() == before, "a second poll changes nothing (I11)"

    def start_anew(self) -> None:
        reconcile.start_account(self.desk.account_id, self.desk.broker, "worker")

    @rule(step=st.sampled_from(["sending", "sent", "frozen"]))
    def die(self, step: str) -> None:
        """Let a worker die, or stop for a while, between two commits."""
        claims = submit_orders.claim_orders(self.desk.brokers, "dead worker") or []
        if step == "sent":
            for claim in claims:
                with suppress(BrokerError):
                    self.desk.broker.submit_order(claim.request)
        elif step == "frozen":
            self.frozen += claims

    def thaw(self) -> None:
        """Let a worker that was stopped right before its call go on, however late."""
        claims, self.frozen = self.frozen, []
        send_orders.send_now(claims, self.desk.brokers, "dead worker")

    @rule(seconds=st.sampled_from([1, 5, 16, 50, 130]), tidy=st.booleans())
    def time_passes(self, seconds: int, tidy: bool) -> None:
        """Move all that is on record into the past, and the venue's clock ahead."""
        by = timedelta(seconds=seconds)
        self.passed += by
        columns = {
            Order: ("created_at", "not_after", "next_at", "sent_at", "lease_until", "cancel_requested_at"),
            OrderEvent: ("at",),
            Signal: ("received_at", "held_until", "unbalanced_at", "look_at"),
        }
        with transaction() as session:
            for table, names in columns.items():
                for row in session.execute(sa.select(table)).scalars():
                    for name in names:
                        if (at := getattr(row, name)) is not None:
                            setattr(row, name, at - by)
        if tidy:
            self.tidy("worker")

    # What the venue does.

    def instruct(self, kind: Kind, symbol: str | None, count: int, quantity: int, seconds: int) -> None:
        self.desk.tell(kind, count, symbol=symbol, seconds=float(seconds), quantity=Decimal(quantity))

    def fill_at_the_venue(self, number: int, quantity: int) -> None:
        if order := self.pick(number, Order.sent_at.is_not(None)):
            with suppress(OrderRejected):
                self.desk.venue.fill_rest("paper", order.client_order_id, Decimal(quantity))

    def end_at_the_venue(self, number: int) -> None:
        if order := self.pick(number, Order.sent_at.is_not(None)):
            with suppress(BrokerError):
                self.desk.venue.cancel("paper", order.client_order_id)

    # What must be true at every moment.

    @invariant()
    def promises_hold(self) -> None:
        db.session.rollback()
        db.session.expire_all()
        orders = self.all(Order, Order.id)
        self.hold_orders(orders)
        self.hold_events(orders)
        self.hold_venue({order.client_order_id for order in orders})
        self.hold_money(orders)
        self.hold_signals(orders)
        db.session.rollback()

    def hold_orders(self, orders: Iterable[Order]) -> None:
        flying = [(order.account_id, order.symbol) for order in orders if order.status in IN_FLIGHT]
        assert len(flying) == len(set(flying)), "one in flight for an account and symbol (I5)"
        filled: dict[int, Decimal] = {}
        for fill in self.all(Fill, Fill.id):
            filled[fill.order_id] = filled.get(fill.order_id, Decimal(0)) + fill.quantity
        for order in orders:
            assert self.ids.setdefault(order.id, order.client_order_id) == order.client_order_id, "I4"
            assert order.filled_quantity == filled.get(order.id, 0), "filled is the sum of the fills (I8)"
            assert order.filled_quantity <= order.quantity, "never more than ordered (I8)"
            assert (order.status == "FILLED") == (order.filled_quantity == order.quantity), order.status

    def hold_events(self, orders: Iterable[Order]) -> None:
        events: dict[int, list[OrderEvent]] = {}
        for event in self.all(OrderEvent, OrderEvent.order_id, OrderEvent.seq):
            events.setdefault(event.order_id, []).append(event)
        for order in orders:
            own = events[order.id]
            sendings = sum(event.to_status == "SENDING" and event.from_status != "SENDING" for event in own)
            assert self.calls[order.client_order_id] <= sendings, "no call without a committed SENDING (I3)"
            assert [event.seq for event in own] == list(range(1, order.moves + 1)), "gapless (I12)"
            assert own[0].from_status is None
            assert own[-1].to_status == order.status, "the last move is where it stands"
            for last, event in itertools.pairwise(own):
                assert event.from_status == last.to_status
                old, new = OrderStatus(str(event.from_status)), OrderStatus(event.to_status)
                assert old is new or new in TRANSITIONS[old] | BY_EVIDENCE.get(old, frozenset()), (old, new)
                assert event.epoch >= last.epoch, "epochs only rise (I6)"
                if (old, new) == (OrderStatus.SENDING, OrderStatus.QUEUED):
                    assert event.cause.startswith("broker unavailable"), "what may have arrived is not sent again"
                if self.is_odd:
                    assert (old, new) != (OrderStatus.UNKNOWN, OrderStatus.QUEUED), "no absence is proof there"
                if new is OrderStatus.SENDING and old is not new and order.not_after is not None:
                    assert event.at <= order.not_after, "nothing is sent too late (I10)"

    def hold_venue(self, ours: set[str]) -> None:
        theirs = [report.client_order_id.partition(AGAIN)[0] for report in self.at_the_venue()]
        assert len(theirs) == len(set(theirs)), "one order at the venue for each id (I2)"
        assert set(theirs) <= ours, "nothing is at the venue that is not in the book"

    def hold_money(self, orders: Iterable[Order]) -> None:
        by_id = {order.id: order for order in orders}
        books: dict[tuple[str, str], Holding] = {}
        realised: dict[tuple[str, str], Decimal] = {}
        days: dict[tuple[str, str, str], Decimal] = {}
        for fill in self.all(Fill, Fill.id):
            order = by_id[fill.order_id]
            key, day = (order.name, order.symbol), f"{fill.at:%Y-%m-%d}"
            books[key], earned = add_fill(books.get(key, Holding()), Side(order.side), fill.quantity, fill.price)
            assert fill.realised == earned
            realised[key] = realised.get(key, Decimal(0)) + earned
            days[(*key, day)] = days.get((*key, day), Decimal(0)) + earned
        rows = self.all(Position, Position.name)
        assert {(r.name, r.symbol): Holding(r.quantity, r.average_price) for r in rows} == books
        assert {(r.name, r.symbol): r.realised for r in rows} == realised
        assert {(r.name, r.symbol, r.day): r.realised for r in self.all(DailyResult, DailyResult.day)} == days

    def hold_signals(self, orders: list[Order]) -> None:
        for signal in self.all(Signal, Signal.id):
            old = self.statuses.get(signal.id)
            new = SignalStatus(signal.status)
            if old is not None and old != new:  # a step of a test may be several moves
                assert new in reachable(SignalStatus(old)), (old, new)
            self.statuses[signal.id] = new
            own = [order for order in orders if order.signal_id == signal.id]
            if new is SignalStatus.FILLED:
                assert own
                assert all(order.status in CLOSED for order in own), "filled, and orders are open"
            plan = pair_plan(signal, own) if own else None
            if plan and new in (SignalStatus.FILLED, SignalStatus.CANCELED, SignalStatus.ERROR):
                assert imbalance(plan, leg_orders(own)) == (0, 0), f"{new}, and the legs do not balance"

    # In the end.

    def teardown(self) -> None:
        try:
            self.settle()
            self.promises_hold()
            self.hold_end()
        finally:
            self.desk.close()

    def settle(self) -> None:
        """Let the venue be well, all workers live and time pass until nothing changes any more."""
        self.desk.venue.forget_instructions()
        self.frozen = []
        self.release()
        for _ in range(30):
            before = self.rows()
            self.time_passes(61, tidy=True)
            for _ in range(6):
                self.desk.look_up()
            self.desk.poll()
            self.tend("worker")
            self.desk.work()
            for report in self.at_the_venue():
                if report.status not in CLOSED:
                    with suppress(OrderRejected):
                        self.desk.venue.fill_rest("paper", report.client_order_id)
            self.desk.poll()
            self.look_there_in_the_end()
            self.desk.work()
            if self.rows() == before:
                return
        raise AssertionError("it never comes to rest")

    def hold_end(self) -> None:
        reconcile.start_account(self.desk.account_id, self.desk.broker, "worker")
        theirs = {report.symbol: report.quantity for report in self.desk.broker.list_positions()}
        ours: dict[str, Decimal] = {}
        for row in self.all(Position, Position.name):
            ours[row.symbol] = ours.get(row.symbol, Decimal(0)) + row.quantity
        assert {symbol: quantity for symbol, quantity in ours.items() if quantity} == theirs
        assert self.all(PositionDifference, PositionDifference.symbol) == []
        orders = self.all(Order, Order.id)
        blocked = {order.symbol for order in orders if order.status == "MANUAL"}
        for order in orders:
            assert order.status in CLOSED or blocked, f"order {order.id} stays {order.status}"
        for signal in self.all(Signal, Signal.id):
            own = [order for order in orders if order.signal_id == signal.id]
            plan = pair_plan(signal, own) if own else None
            if plan and imbalance(plan, leg_orders(own))[0] and all(order.status in CLOSED for order in own):
                assert signal.status == SignalStatus.CRITICAL
            if not blocked:
                part = signal.status == SignalStatus.PART_FILLED and all(order.status in CLOSED for order in own)
                assert signal.status in ENDED or part, f"signal {signal.id} stays {signal.status}"

    # Looking.

    @staticmethod
    def all(table: type, *by: Any) -> list[Any]:
        return list(db.session.execute(sa.select(table).order_by(*by)).scalars())

    def pick(self, number: int, *conditions: Any) -> Order | None:
        db.session.rollback()
        found = list(db.session.execute(sa.select(Order).where(*conditions).order_by(Order.id)).scalars())
        db.session.rollback()
        return found[number % len(found)] if found else None

    @staticmethod
    def rows() -> dict[str, list[tuple[Any, ...]]]:
        """Return what counts of the book, to be compared before and after."""
        db.session.rollback()
        found = {
            "orders": db.session.execute(sa.select(Order.id, Order.status, Order.filled_quantity).order_by(Order.id)),
            "events": db.session.execute(sa.select(OrderEvent.order_id, OrderEvent.seq).order_by(OrderEvent.order_id)),
            "fills": db.session.execute(sa.select(Fill.id).order_by(Fill.id)),
            "signals": db.session.execute(sa.select(Signal.id, Signal.status, Signal.status_reason)),
            "positions": db.session.execute(sa.select(Position.name, Position.symbol, Position.quantity)),
        }
        rows = {name: sorted(tuple(row) for row in result) for name, result in found.items()}
        db.session.rollback()
        return rows


def reachable(status: SignalStatus) -> set[SignalStatus]:
    """Return every status that a signal may come to from another one."""
    found, new = {status}, {status}
    while new:
        new = {after for each in new for after in SIGNAL_TRANSITIONS[each]} - found
        found |= new
    return found


def run(app: Flask, folder: Path, examples: int, kind: type[PaperBroker] = PaperBroker) -> None:
    make_stock(app, "LNT")
    make_pair(app, "MA-V", "3")
    make_machine: Callable[[], Pipeline] = lambda: Pipeline(app, folder, kind)  # noqa: E731
    profile = settings(
        max_examples=examples * max(LONGER, 1),
        stateful_step_count=25,
        deadline=None,
        derandomize=not LONGER,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(make_machine, settings=profile)


@pytest.mark.timeout(400 + 120 * LONGER)  # a failing example takes its time to be made small
def test_the_promises_of_the_pipeline_hold_whatever_happens(
    context: Flask, fast_folder: Path, request: pytest.FixtureRequest
) -> None:
    on_sqlite = db.engine.dialect.name == "sqlite"
    run(context, fast_folder, 70 if on_sqlite else 12)


@pytest.mark.timeout(400 + 120 * LONGER)
@pytest.mark.parametrize("kind", [EchoingBroker, NamelessBroker], ids=lambda kind: kind.name)
def test_the_promises_hold_at_venues_that_treat_our_ids_as_they_like(
    context: Flask, fast_folder: Path, kind: type[PaperBroker]
) -> None:
    run(context, fast_folder, 20 if db.engine.dialect.name == "sqlite" else 5, kind)
