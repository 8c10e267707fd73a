"""The desk's own book: moves of orders, and what the broker reports of them.

Everything here works inside the caller's transaction, on rows that the caller has locked.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session, lazyload

from domain.errors import IllegalTransition
from domain.exact import plain_text
from domain.executions import is_rest, may_book, to_book
from domain.lanes.values import Kind
from domain.messages import FillReport, OrderReport
from domain.order_status import AT_BROKER, BY_EVIDENCE, FAILED, OrderStatus
from domain.pricing import average_price
from extensions import utc_now
from models import Order, Signal
from services.account_lock import lock_accounts
from services.among import among
from services.execution.auto_stops import halt_symbol
from services.execution.order_moves import move_order, note, start_cancel
from services.execution.roll_up import refresh_signal
from services.ledger.batch import Ledger

logger = logging.getLogger(__name__)

S = OrderStatus

_SIGNALS = (
    sa.select(Signal)
    .where(Signal.id.in_(sa.select(Order.signal_id).where(among(Order.id, "orders"))))
    .order_by(Signal.id)
    .options(lazyload(Signal.account))
    .with_for_update(of=Signal)
)
_ORDERS = (
    sa.select(Order, utc_now().label("now"))
    .where(among(Order.id, "orders") | among(Order.signal_id, "signals"))
    .order_by(Order.id)
    .with_for_update(of=Order)
)


@dataclass(frozen=True, slots=True)
class Locked:
    """An order with its signal and that one's other orders, locked until the transaction ends; the database's time."""

    order: Order
    signal: Signal | None
    now: datetime
    siblings: list[Order] | None = None  # all orders of the signal, itself included; None = to be read
    ledger: Ledger | None = None  # what its fills are booked to; None = to be read


@dataclass(frozen=True, slots=True)
class LockedOrders:
    """Orders of one transaction, and the books that their fills go to."""

    by_id: Mapping[int, Locked]
    ledger: Ledger

    def of(self, order_id: int) -> Locked:
        """Return one of them."""
        return self.by_id[order_id]


def lock_orders(
    session: Session,
    order_ids: Sequence[int],
    fills: Mapping[int, Sequence[FillReport]] | None = None,
    *,
    accounts: Collection[int] = (),
) -> LockedOrders:
    """Return orders locked with their signals and accounts; `fills` are those that will be booked, by order.

    Locks are always taken in the same order, so that no two workers wait for each other: accounts, signals, orders,
    positions.
    """
    of_orders = sa.select(Order.account_id).where(Order.id.in_(order_ids)).distinct()
    lock_accounts(session, accounts or session.execute(of_orders).scalars().all())
    signals = {row.id: row for row in session.execute(_SIGNALS, {"orders": order_ids}).scalars()}
    rows = session.execute(_ORDERS, {"orders": order_ids, "signals": sorted(signals)}).all()
    ledger = Ledger(session, rows[0].now)
    siblings: dict[int, list[Order]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.Order.leg, row.Order.generation)):
        if row.Order.signal_id is not None:
            siblings[row.Order.signal_id].append(row.Order)
    wanted = set(order_ids)
    ledger.load([(row.Order, (fills or {}).get(row.Order.id, ())) for row in rows])
    return LockedOrders(
        {
            row.Order.id: Locked(
                row.Order,
                signals.get(row.Order.signal_id),
                row.now,
                siblings[row.Order.signal_id] if row.Order.signal_id is not None else None,
                ledger,
            )
            for row in rows
            if row.Order.id in wanted
        },
        ledger,
    )


def lock_order(session: Session, order_id: int) -> Locked:
    """Return an order, locked together with its signal and its account."""
    locked = lock_orders(session, [order_id]).of(order_id)
    return Locked(locked.order, locked.signal, locked.now, locked.siblings)


def apply_report(
    session: Session, locked: Locked, report: OrderReport, actor: str, *, by_evidence: bool = False
) -> None:
    """Book what the broker says of an order: its id, its fills (each once), its status. Then roll up the signal.

    Applying a report twice, or an older one later, changes nothing. `by_evidence`: an order that we
    took for dead may come back to life, because the broker shows it.
    """
    order = locked.order
    if not _take_broker_id(session, order, report, actor):
        return
    _book_fills(session, locked, report, actor)
    # What another order has taken the place of goes on as that one, whose own report says how.
    status = OrderStatus(order.status) if report.replaced_by else _status_with_fills(order, report.status)
    if status != order.status:
        try:
            move_order(
                session, order, status, report.reason or "reported by the broker", actor, by_evidence=by_evidence
            )
        except IllegalTransition as e:
            logger.warning("order %s: stale report skipped, %s", order.client_order_id, e.message)
        else:
            order.reason = _overfill(order)
    if order.status in FAILED and not order.reason:
        order.reason = (report.reason or order.status.lower())[:500]
    if order.cancel_requested_at is not None and order.status in (S.ACCEPTED, S.PARTIALLY_FILLED):
        start_cancel(session, order, order.cancel_reason or "asked for before the broker had it", actor, locked.now)
    refresh_signal(session, locked.signal, order, locked.now, actor, orders=locked.siblings)


def is_same_order(order: Order, report: OrderReport) -> bool:
    """Return True if a report speaks of this order; an answer for another one must never be adopted.

    A broker that does not tell our id is taken at its word: it was asked for this order, or answers to it.
    """
    if report.client_order_id not in ("", order.client_order_id):
        return False
    same = (order.symbol, order.side) == (report.symbol, report.side)
    return same and (order.quantity == report.quantity or bool(report.replaces or report.replaced_by))


def _take_broker_id(session: Session, order: Order, report: OrderReport, actor: str) -> bool:
    """Return True if a report is of the order as the broker has it, or had it before it was replaced."""
    if report.replaces and order.broker_order_id in (None, report.replaces):
        _follow(session, order, report, actor)
    elif order.broker_order_id is None:
        order.broker_order_id = report.broker_order_id
    elif order.broker_order_id != report.broker_order_id and not report.replaced_by:
        note(session, order, f"the broker now says its id is {report.broker_order_id}; ignored", actor)
        text = "order %s: broker id %s became %s, report ignored"
        logger.error(text, order.client_order_id, order.broker_order_id, report.broker_order_id)
        return False
    return True


def _follow(session: Session, order: Order, report: OrderReport, actor: str) -> None:
    """Go on with the order that has taken this one's place: a person did that at the broker, or an event of the market.

    Its quantity is what is to come beside what was filled before.
    """
    quantity = order.filled_quantity + report.quantity
    text = f"replaced at the broker by {report.broker_order_id}, {plain_text(quantity)} in all; followed there"
    note(session, order, text, actor)
    logger.warning("order %s: %s", order.client_order_id, text)
    order.broker_order_id, order.quantity = report.broker_order_id, quantity


def fail_order(session: Session, locked: Locked, status: OrderStatus, reason: str, actor: str) -> None:
    """End an order that never began to work at the broker, and roll up its signal."""
    order = locked.order
    order.reason = reason[:500]
    move_order(session, order, status, reason, actor)
    if order.is_exit and status in FAILED - {S.CANCELED}:
        text = "order %s: the exit (%s %s %s) was not carried out: %s; what it should have closed is still held"
        # Of the exit of an alert the signal says it, once, also how much is left and whether it is sent again.
        is_told = locked.signal is not None and locked.signal.kind == Kind.EXIT
        level = logging.ERROR if is_told else logging.CRITICAL
        logger.log(level, text, order.client_order_id, order.side, plain_text(order.quantity), order.symbol, reason)
    refresh_signal(session, locked.signal, locked.order, locked.now, actor, orders=locked.siblings)


def can_be_adopted(order: Order, report: OrderReport) -> bool:
    """Return True if the broker shows, under this id, an order that we took for dead before the broker had it."""
    return order.broker_order_id is None and report.status in BY_EVIDENCE.get(OrderStatus(order.status), frozenset())


def _book_fills(session: Session, locked: Locked, report: OrderReport, actor: str) -> None:
    may_come = may_book(report)
    if not may_come:
        return
    order, ledger = locked.order, locked.ledger
    if ledger is None:
        ledger = Ledger(session, locked.now)
        ledger.load([(order, may_come)])
    new = to_book(ledger.booked(order), report)
    if report.replaced_by and order.broker_order_id != report.broker_order_id:
        # What was filled before an order was replaced comes on top of what is left of it.
        order.quantity += sum((fill.quantity for fill in new), Decimal(0))
    for fill in new:
        if not ledger.book(order, fill):
            note(session, order, f"execution {fill.execution_id} belongs to another order; not booked", actor)
            logger.critical("order %s: execution %s was booked before", order.client_order_id, fill.execution_id)
        elif is_rest(fill.execution_id):
            _tell_of_rest(session, order, report, fill, actor)
    if locked.ledger is None:
        ledger.store()
    fills = [(fill.quantity, fill.price) for fill in ledger.booked(order)]
    before = _overfill(order)
    order.filled_quantity = sum((quantity for quantity, _ in fills), Decimal(0))
    order.average_price = average_price(fills)
    too_much = _overfill(order)
    if too_much is not None and too_much != before:
        order.reason = too_much
        logger.critical("order %s: %s", order.client_order_id, too_much)
        halt_symbol(session, order.symbol, f"{too_much} {order.symbol} of order {order.client_order_id}")


def _tell_of_rest(session: Session, order: Order, report: OrderReport, fill: FillReport, actor: str) -> None:
    """Say that a part of an order was booked by what its total says, as no execution shows it."""
    text = (
        f"the broker says that {plain_text(report.filled)} are filled and does not show all executions of them; "
        f"{plain_text(fill.quantity)} at {plain_text(fill.price)} are booked by the order's total"
    )
    note(session, order, text, actor)
    logger.critical("order %s: %s", order.client_order_id, text)


def _overfill(order: Order) -> str | None:
    if order.filled_quantity <= order.quantity:
        return None
    return f"the broker filled {plain_text(order.filled_quantity)} of {plain_text(order.quantity)}"


def _status_with_fills(order: Order, reported: OrderStatus) -> OrderStatus:
    """Return the status that the fills confirm: a broker's FILLED waits for the fills themselves."""
    if order.filled_quantity >= order.quantity:
        return S.FILLED
    if order.status == S.CANCEL_PENDING and reported in AT_BROKER | {S.FILLED}:
        return S.CANCEL_PENDING  # it works until the broker says that the cancel is done
    if reported in (S.FILLED, S.ACCEPTED) and order.filled_quantity > 0:
        return S.PARTIALLY_FILLED
    return S.ACCEPTED if reported is S.FILLED else reported
