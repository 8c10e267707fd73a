"""What the list and the page of orders show, made ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from dashboard.alarms import order_alarm
from dashboard.formatting import ORDER_LOOK, Moment, moment, number, price, signed_money
from dashboard.views.signal import Fact, FillLine, Move, fill_line, purpose_text, terms_text
from domain.enums import Purpose
from domain.order_status import CLOSED, OrderStatus
from models import Order
from services.reports.order_queries import OrderRecord
from services.reports.unmonitored_accounts import UnmonitoredAccount

Away = Mapping[int, UnmonitoredAccount]

# What is said of an open order while the desk has no reason of its own.
ORDER_MEANING = {
    OrderStatus.QUEUED: "It waits for a worker to send it.",
    OrderStatus.CLAIMED: "A worker is about to send it.",
    OrderStatus.SENDING: "It is on its way to the broker.",
    OrderStatus.UNKNOWN: "Whether the broker has it is not known yet; it is looked up, never sent twice.",
    OrderStatus.MANUAL: "No look-up can tell whether the broker has it. Look there yourself and say so on its page.",
    OrderStatus.ACCEPTED: "The broker has it.",
    OrderStatus.PARTIALLY_FILLED: "Part of it is filled.",
    OrderStatus.CANCEL_PENDING: "Its end was asked for; the broker decides.",
}
LONG_REASON = 22  # characters a reason's column shows
WHY = {
    Purpose.SIGNAL: "as the alert asked",
    Purpose.COMPLETE: "sends a failed leg again",
    Purpose.UNWIND: "trades back a leg whose other leg failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One line of the list of orders."""

    id: int
    signal_id: int | None
    created: Moment
    name: str
    leg: str
    symbol: str
    side: str
    quantity: str
    filled: str
    average: str
    status: str
    look: str
    reason: str
    long_reason: bool
    purpose: str
    can_cancel: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDetail:
    """Everything about one order."""

    row: OrderRow
    cancel_asked: bool
    both_legs: bool
    is_manual: bool
    groups: tuple[tuple[str, tuple[Fact, ...]], ...]
    fills: tuple[FillLine, ...]
    moves: tuple[Move, ...]
    synthetic: bool


def order_row(order: Order, now: datetime, away: Away) -> OrderRow:
    """Return an order as a line of the list; `away` are the accounts whose brokers cannot be read, by number."""
    status = OrderStatus(order.status)
    asked = order.cancel_reason if status not in CLOSED else None
    alarm = order_alarm(status, away.get(order.account_id))
    told = order.reason or asked or ""
    reason = "; ".join(text for text in (alarm, told) if text) or ORDER_MEANING.get(status, "")
    return OrderRow(
        id=order.id,
        signal_id=order.signal_id,
        created=moment(order.created_at, now),
        name=order.name or order.symbol,
        leg=f"leg {order.leg}" if "-" in order.name else "",
        symbol=order.symbol,
        side=order.side,
        quantity=number(order.quantity),
        filled=number(order.filled_quantity),
        average=price(order.average_price),
        status=status,
        look=ORDER_LOOK.get(status, "canceled"),
        reason=reason,
        long_reason=len(reason) > LONG_REASON,
        purpose=purpose_text(order),
        can_cancel=status not in CLOSED and order.cancel_requested_at is None,
    )


def order_detail(record: OrderRecord, now: datetime, away: Away) -> OrderDetail:
    """Return an order with its fills and moves ready to be shown."""
    order = record.order
    row = order_row(order, now, away)
    return OrderDetail(
        row=row,
        cancel_asked=order.cancel_requested_at is not None and order.status not in CLOSED,
        both_legs=order.signal_id is not None and "-" in order.name,
        is_manual=order.status == OrderStatus.MANUAL,
        groups=(("Order", _order(record)), ("At the broker", _broker(order)), ("Result", _result(record, row.reason))),
        fills=tuple(fill_line(fill) for fill in record.fills),
        moves=_moves(record),
        synthetic=any(fill.synthetic for fill in record.fills),
    )


def _order(record: OrderRecord) -> tuple[Fact, ...]:
    order = record.order
    return (
        Fact("Book", order.name),
        Fact("Symbol", f"{order.symbol}, {order.asset_class}, {order.currency}"),
        Fact("Action", f"{order.side} {number(order.quantity)}"),
        Fact("Type", terms_text(order)),
        Fact("Leg", str(order.leg)),
        Fact("Purpose", f"{order.purpose}: {WHY[Purpose(order.purpose)]}"),
        Fact("Generation", str(order.generation)),
        Fact("Direction", "closes or reduces a position" if order.is_exit else "opens or adds to a position"),
        Fact("Account", record.account),
        Fact("Made", moment(order.created_at).exact),
    )


def _broker(order: Order) -> tuple[Fact, ...]:
    return (
        Fact("Our id", order.client_order_id),
        Fact("Broker's id", order.broker_order_id or ""),
        Fact("Sent", _exact(order.sent_at)),
        Fact("Times sent", str(order.send_attempts)),
        Fact("Times looked up", str(order.lookups)),
        Fact("Not sent after", _exact(order.not_after)),
        Fact("Sized by", "the broker, by the fills of leg 1" if order.attached else "the desk"),
        Fact("End asked for", _exact(order.cancel_requested_at)),
        Fact("Asked because", order.cancel_reason or ""),
    )


def _result(record: OrderRecord, reason: str) -> tuple[Fact, ...]:
    order = record.order
    filled = f"{number(order.filled_quantity)} of {number(order.quantity)}"
    realised = sum((fill.realised for fill in record.fills), Decimal(0)) if record.fills else None
    commission = sum((fill.commission for fill in record.fills), Decimal(0)) if record.fills else None
    return (
        Fact("Status", order.status),
        Fact("Reason", reason),
        Fact("Filled", filled),
        Fact("Average price", price(order.average_price)),
        Fact("Commission", number(commission, 2)),
        Fact("Realised", signed_money(realised)),
    )


def _exact(time: datetime | None) -> str:
    return "" if time is None else moment(time).exact


def _moves(record: OrderRecord) -> tuple[Move, ...]:
    return tuple(
        Move(
            at=moment(event.at),
            order="",
            old=event.from_status or "",
            new=event.to_status,
            cause=event.cause,
            actor=event.actor,
        )
        for event in record.events
    )


def order_rows(orders: Sequence[Order], now: datetime, away: Away) -> list[OrderRow]:
    """Return the lines of a list."""
    return [order_row(order, now, away) for order in orders]
