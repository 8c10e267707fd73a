"""What the page of one signal shows, made ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.formatting import ORDER_LOOK, Moment, maybe, moment, number, price, sign_look, signed
from dashboard.views.signals import SignalRow, position_text, signal_row
from domain.alert import REDELIVERY_SPAN
from domain.order_status import CLOSED, SIGNAL_TRANSITIONS, SignalStatus
from models import Fill, Order, OrderEvent, Signal

WAITS = (SignalStatus.WAITING, SignalStatus.REROUTED)


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled value; `kind` tells the template how to place it, an empty `text` is shown as a dash."""

    label: str
    text: str
    kind: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class FillLine:
    """One execution."""

    at: Moment
    quantity: str
    price: str
    commission: str
    execution_id: str
    synthetic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LegLine:
    """One leg's order with its fills."""

    id: int
    leg: int
    purpose: str
    symbol: str
    side: str
    quantity: str
    type: str
    status: str
    look: str
    reason: str
    filled: str
    average: str
    client_order_id: str
    broker_order_id: str
    sent: Moment | None
    fills: tuple[FillLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One move of one order."""

    at: Moment
    order: str
    old: str
    new: str
    cause: str
    actor: str


@dataclass(frozen=True, slots=True)
class Step:
    """One check of the decision trace."""

    check: str
    passed: bool
    text: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """Everything about one signal."""

    row: SignalRow
    received: Moment
    groups: tuple[tuple[str, tuple[Fact, ...]], ...]
    legs: tuple[LegLine, ...]
    moves: tuple[Move, ...]
    trace: tuple[Step, ...]
    external: bool
    synthetic: bool
    can_cancel: bool
    waits: bool
    can_settle: bool


def detail(row: Signal, events: Sequence[OrderEvent], now: datetime) -> Detail:
    """Return a signal, its orders and their moves ready to be shown."""
    names = {order.id: order.client_order_id for order in row.orders}
    moves = [
        Move(
            at=moment(event.at),
            order=names[event.order_id],
            old=event.from_status or "",
            new=event.to_status,
            cause=event.cause,
            actor=event.actor,
        )
        for event in events
        if event.order_id in names
    ]
    return Detail(
        row=signal_row(row, now),
        received=moment(row.received_at),
        groups=(("Alert", _alert(row)), ("Reading", _reading(row)), ("Result", _result(row))),
        legs=tuple(_leg(order) for order in row.orders),
        moves=tuple(moves),
        trace=tuple(_step(entry) for entry in row.trace),
        external=row.external,
        synthetic=any(fill.synthetic for order in row.orders for fill in order.fills),
        can_cancel=_can_cancel(row),
        waits=row.status in WAITS,
        can_settle=row.status == SignalStatus.CRITICAL and all(order.status in CLOSED for order in row.orders),
    )


def _can_cancel(row: Signal) -> bool:
    """Return True if there is something left to cancel; what was asked for once is not asked for again."""
    if row.external:
        return SignalStatus.CANCELED in SIGNAL_TRANSITIONS[SignalStatus(row.status)]
    working = (order.cancel_requested_at is None for order in row.orders if order.status not in CLOSED)
    return row.status in WAITS or any(working)


def _alert(row: Signal) -> tuple[Fact, ...]:
    return (
        Fact("Ticker", row.ticker),
        Fact("Action", f"{row.side} {number(row.quantity)}"),
        Fact("Price", number(row.price, 2), "number"),
        Fact("Position", position_text(row)),
        Fact("Comment", row.comment or ""),
        Fact("Strategy", row.strategy or ""),
        Fact("Bar time", row.bar_time or ""),
        Fact("Alert's own time", moment(row.alert_at).exact if row.alert_at else ""),
        Fact("Received", moment(row.received_at).exact),
        Fact("Deliveries", _deliveries(row)),
    )


def _deliveries(row: Signal) -> str:
    if row.seen_count == 1:
        return "1"
    how = f"by equal content within {REDELIVERY_SPAN} seconds" if row.weak_key else "by its id"
    return f"{row.seen_count}, recognised {how}; the last at {moment(row.last_seen_at).exact}"


def _reading(row: Signal) -> tuple[Fact, ...]:
    route = "" if row.account is None else "your own executor" if row.external else "this desk"
    return (
        Fact("Type", row.ticker_type or ""),
        Fact("Name", row.name or ""),
        Fact("Leg 1", row.symbol1 or ""),
        Fact("Leg 2", row.symbol2 or ""),
        Fact("Hedge ratio", number(row.hedge_ratio), "number"),
        Fact("Account", row.account.name if row.account else ""),
        Fact("Executed by", route),
        Fact("Source", row.source),
    )


def _result(row: Signal) -> tuple[Fact, ...]:
    return (
        Fact("Filled", number(row.filled_quantity), "number"),
        Fact("Fill price", number(row.fill_price, 2), "number"),
        Fact("Slip", signed(row.slip, 2), sign_look(row.slip)),
        Fact("Price of leg 1", number(row.leg_price1, 2), "number"),
        Fact("Price of leg 2", number(row.leg_price2, 2), "number"),
        Fact("Order id of leg 1", row.order_id1 or ""),
        Fact("Order id of leg 2", row.order_id2 or ""),
        Fact("Reason", row.status_reason or ""),
        Fact("Message", row.error_text or ""),
    )


def purpose_text(order: Order) -> str:
    """Return why an order exists, and which of its leg's orders it is where it is not the first."""
    return f"{order.purpose}, order {order.generation} of leg {order.leg}" if order.generation > 1 else order.purpose


def fill_line(fill: Fill) -> FillLine:
    """Return an execution ready to be shown."""
    return FillLine(
        at=moment(fill.at),
        quantity=number(fill.quantity),
        price=number(fill.price, 2),
        commission=number(fill.commission, 2),
        execution_id=fill.execution_id,
        synthetic=fill.synthetic,
    )


def terms_text(order: Order) -> str:
    """Return type, prices and time in force of an order."""
    limit = f" {price(order.limit_price)}" if order.limit_price is not None else ""
    stop = f" at stop {price(order.stop_price)}" if order.stop_price is not None else ""
    if order.trail_percent is not None:
        stop = f" by {number(order.trail_percent)} %"
    elif order.trail_price is not None:
        stop = f" by {price(order.trail_price)}"
    hours = ", extended hours" if order.extended_hours else ""
    return f"{order.order_type.replace('_', ' ')}{limit}{stop}, {order.time_in_force}{hours}"


def _leg(order: Order) -> LegLine:
    return LegLine(
        id=order.id,
        leg=order.leg,
        purpose=purpose_text(order),
        symbol=order.symbol,
        side=order.side,
        quantity=number(order.quantity),
        type=terms_text(order),
        status=order.status,
        look=ORDER_LOOK.get(order.status, "canceled"),
        reason=order.reason or "",
        filled=number(order.filled_quantity),
        average=number(order.average_price, 2),
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id or "",
        sent=maybe(order.sent_at),
        fills=tuple(fill_line(fill) for fill in order.fills),
    )


def _step(entry: dict[str, Any]) -> Step:
    values = entry.get("values", {})
    pairs = tuple((str(name).replace("_", " "), str(value)) for name, value in values.items())
    return Step(str(entry.get("check", "")), bool(entry.get("ok")), str(entry.get("text", "")), pairs)
