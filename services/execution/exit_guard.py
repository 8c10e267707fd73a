"""Exits that were planned while the entry was on its way: when they are to be sent, only what came of it is closed.

What was refused meanwhile must not make the exit open a position the other way.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.checks.catalog import TARGET
from domain.checks.rules import Subject
from domain.closing import Aim, closable, closing_share, spare_holding
from domain.enums import CheckMode, LegPolicy, MarketPosition, Purpose, Side, Source, TickerType
from domain.exact import plain_text
from domain.order_status import IN_FLIGHT, OrderStatus
from domain.trace import step
from models import Order, Position, Signal
from models.order import OPEN
from services.catalog import snapshots
from services.execution.order_moves import note
from services.execution.order_records import Locked
from services.execution.position_reversal import PATIENCE
from services.ledger.closing import read_promised, read_unbooked

logger = logging.getLogger(__name__)

ZERO = Decimal(0)
UNSENT = (OrderStatus.QUEUED, *IN_FLIGHT, OrderStatus.MANUAL)


def entry_is_unsettled(session: Session, locked: Locked) -> bool:
    """Tell whether the leg of a pair that goes first must wait, for what it closes has a leg that may yet be refused.

    Were it closed half-way, that refusal would be traded back into a position. Legs that go together wait for both
    symbols anyway; nothing waits for longer than PATIENCE.
    """
    signal, order = locked.signal, locked.order
    if signal is None or not signal.leg_quantity2 or signal.leg_policy == LegPolicy.TOGETHER:
        return False
    if order.created_at + PATIENCE <= locked.now or order.generation > 1 or order.leg != (signal.lead_leg or 1):
        return False
    account_id, name = signal.account_id or 0, str(signal.name)
    if not _is_judged(session, signal, _with_attached(session, signal, [order])):
        return False
    pending = sa.exists().where(
        Order.account_id == account_id, Order.name == name, Order.signal_id < signal.id, Order.status.in_(UNSENT)
    )
    return bool(session.execute(sa.select(pending)).scalar_one()) or any(
        read_promised(session, account_id, name, before=signal.id).values()
    )


def fit_exits(session: Session, held: Sequence[Locked], actor: str) -> str | None:
    """Make orders of an exit as small as what is there to be closed; returns why none of them may be sent, or None.

    `held` are the orders of one signal that are sent together. Of a pair both legs or none go, for the legs that a
    failed entry has left alone are its own to mend.
    """
    signal = held[0].signal
    if signal is None:
        return None
    orders = _with_attached(session, signal, [locked.order for locked in held])
    if not _is_judged(session, signal, orders):
        return None
    legs = [(order.leg, order.symbol, Side(order.side), order.quantity) for order in orders]
    if signal.leg_quantity1 and signal.leg_quantity2 and len(orders) == 1:  # the other leg follows its fills
        legs = [*legs, _follower(signal, orders[0])]
    most = {leg: min(quantity, _free(session, signal, symbol, side)) for leg, symbol, side, quantity in legs}
    if all(most[leg] == quantity for leg, _, _, quantity in legs):
        return None
    names = " and ".join(
        f"{plain_text(most[leg])} of {plain_text(quantity)} {symbol}" for leg, symbol, _, quantity in legs
    )
    if not all(most.values()):
        signal.trace = [*signal.trace, step("reduce only", False, f"When it was to be sent, {names} could be closed.")]
        return "nothing to close: what it was to close has not come to be"
    text = f"When it was to be sent, {names} could be closed; no more is traded."
    signal.trace = [*signal.trace, step("reduce only", False, text, outcome="clipped")]
    for order in orders:
        order.quantity = most[order.leg]
        note(session, order, text, actor)
    if len(legs) > 1:
        signal.leg_quantity1, signal.leg_quantity2 = most[1], most[2]
    logger.warning("signal %s: %s", signal.id, text)
    return None


def _with_attached(session: Session, signal: Signal, orders: list[Order]) -> list[Order]:
    attached = sa.select(Order).where(Order.signal_id == signal.id, Order.attached, Order.status == OrderStatus.QUEUED)
    return orders + [order for order in session.execute(attached).scalars() if order not in orders]


def _is_judged(session: Session, signal: Signal, orders: Sequence[Order]) -> bool:
    """Tell whether these are an alert's exit, all of it, and sent for the first time."""
    if signal.source != Source.WEBHOOK or signal.leg_closes1 or signal.leg_closes2:
        return False
    if any(o.purpose != Purpose.SIGNAL or o.send_attempts for o in orders):
        return False
    known = snapshots.snapshot(fresh=True)
    subject = Subject(known.account_name(orders[0].account_id), str(signal.name), TickerType(str(signal.ticker_type)))
    if known.rules.mode("reduce_only", subject) is not CheckMode.REFUSE:
        return False
    by_its_words = known.rules.choice("sizing", subject) != TARGET and _only_closes(signal)
    if not by_its_words and not all(order.is_exit for order in orders):
        return False
    count = sa.select(sa.func.count()).select_from(Order).where(Order.signal_id == signal.id)
    return bool(session.execute(count).scalar_one() == len(orders))


def _only_closes(signal: Signal) -> bool:
    """Tell whether the alert says so itself; a leg that follows another's fills is not in the book while it waits."""
    position = MarketPosition(signal.position) if signal.position else None
    previous = MarketPosition(signal.previous_position) if signal.previous_position else None
    aim = Aim(position=position, size=signal.position_size, previous=previous)
    return closing_share(Side(signal.side), signal.quantity, aim) == signal.quantity


def _follower(signal: Signal, lead: Order) -> tuple[int, str, Side, Decimal]:
    quantity = signal.leg_quantity2 if lead.leg == 1 else signal.leg_quantity1
    symbol = signal.symbol2 if lead.leg == 1 else signal.symbol1
    return 3 - lead.leg, str(symbol), Side(lead.side).opposite, quantity or ZERO


def _free(session: Session, signal: Signal, symbol: str, side: Side) -> Decimal:
    """Return how many shares an order of a signal can close, by what was ordered before it and what mends that."""
    account_id, name = signal.account_id or 0, str(signal.name)
    positions = sa.select(Position.name, Position.quantity).where(
        Position.account_id == account_id, Position.symbol == symbol
    )
    working = sa.select(Order.name, Order.side, Order.quantity, Order.filled_quantity).where(
        OPEN,
        Order.account_id == account_id,
        Order.symbol == symbol,
        sa.or_(Order.signal_id.is_(None), Order.signal_id < signal.id, Order.purpose != Purpose.SIGNAL),
    )
    expected: dict[str, Decimal] = {}
    for book, quantity in session.execute(positions):
        expected[book] = quantity
    for book, its_side, quantity, filled in session.execute(working):
        expected[book] = expected.get(book, ZERO) + Side(its_side).sign * (quantity - filled)
    own = expected.pop(name, ZERO)
    if signal.symbol2:
        own += read_promised(session, account_id, name, before=signal.id).get(symbol, ZERO)
    unbooked = read_unbooked(session, account_id, [symbol]).get(symbol, ZERO)
    spare = spare_holding(side, own + sum(expected.values(), ZERO) + unbooked, expected.values()) if unbooked else ZERO
    return closable(side, own, spare)
