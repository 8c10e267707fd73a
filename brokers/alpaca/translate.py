"""Alpaca's words and the desk's, both ways. Pure: one table for each vocabulary.

What Alpaca adds to its vocabularies one day must not stop the desk: an unknown status counts as working,
unless the order's own times say that it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from brokers.alpaca.symbols import from_alpaca, is_coin, to_alpaca
from brokers.errors import OrderRejected
from domain.enums import OrderType, Side, TimeInForce
from domain.exact import EXACT, plain_text, round8
from domain.messages import FilledTotal, FillReport, OrderReport, OrderRequest, Replacement, Trail
from domain.order_status import OrderStatus

S = OrderStatus

STATUS_FROM_ALPACA: dict[str, OrderStatus] = {
    "new": S.ACCEPTED,
    "accepted": S.ACCEPTED,
    "pending_new": S.ACCEPTED,
    "accepted_for_bidding": S.ACCEPTED,
    "held": S.ACCEPTED,
    "stopped": S.ACCEPTED,
    "suspended": S.ACCEPTED,
    "calculated": S.ACCEPTED,
    "pending_review": S.ACCEPTED,
    "pending_replace": S.ACCEPTED,
    "done_for_day": S.ACCEPTED,  # one good till canceled goes on tomorrow; a day order is reported as expired
    "partially_filled": S.PARTIALLY_FILLED,
    "pending_cancel": S.CANCEL_PENDING,
    "filled": S.FILLED,
    "canceled": S.CANCELED,
    "expired": S.EXPIRED,
    "rejected": S.REJECTED,
    "replaced": S.REPLACED,
}
# Which of an order's own times says how it ended, where its status is a word that is not in the table.
ENDED_AT = {
    "filled_at": S.FILLED,
    "canceled_at": S.CANCELED,
    "expired_at": S.EXPIRED,
    "failed_at": S.REJECTED,
    "replaced_at": S.REPLACED,
}
TYPE_TO_ALPACA = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP: "stop",
    OrderType.STOP_LIMIT: "stop_limit",
    OrderType.TRAILING_STOP: "trailing_stop",
}
TIF_TO_ALPACA = {
    TimeInForce.DAY: "day",
    TimeInForce.GTC: "gtc",
    TimeInForce.OPG: "opg",
    TimeInForce.CLS: "cls",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
}
# Coins trade day and night, so there is no day for an order to end with.
COIN_TIF_TO_ALPACA = {TimeInForce.DAY: "gtc", TimeInForce.GTC: "gtc", TimeInForce.IOC: "ioc"}
SIDE_FROM_ALPACA = {"buy": Side.BUY, "sell": Side.SELL}

CENT, HUNDREDTH_OF_A_CENT, COIN_STEP = Decimal("0.01"), Decimal("0.0001"), Decimal("0.000000001")
SEVERAL_LEGS = "(several legs)"
MOST_DIGITS = 40  # before or after the point; what has more is no number of a venue


def order_body(request: OrderRequest) -> dict[str, Any]:
    """Return the body of POST /v2/orders, numbers as exact text; OrderRejected for what Alpaca does not have."""
    coin = is_coin(request.symbol)
    try:
        order_type = TYPE_TO_ALPACA[request.order_type]
        time_in_force = (COIN_TIF_TO_ALPACA if coin else TIF_TO_ALPACA)[request.time_in_force]
    except KeyError as e:
        raise OrderRejected(f"Alpaca does not take {e.args[0]} orders of {request.symbol}") from None
    if request.attached_to is not None:
        raise OrderRejected("Alpaca does not let an order follow another")
    body = {
        "symbol": to_alpaca(request.symbol),
        "qty": plain_text(request.quantity),
        "side": request.side.value,
        "type": order_type,
        "time_in_force": time_in_force,
        "client_order_id": request.client_order_id,
    }
    if request.order_type.has_limit:
        body["limit_price"] = price_text(request.limit_price, request.side, coin=coin, stop=False)
    if request.order_type.has_stop:
        body["stop_price"] = price_text(request.stop_price, request.side, coin=coin, stop=True)
    if request.order_type.has_trail:
        body |= trail_body(request.trail)
    return {**body, "extended_hours": True} if request.extended_hours else body


def trail_body(trail: Trail | None) -> dict[str, str]:
    """Return how far a trailing stop stays behind, in whole cents where it is money: rather further than nearer."""
    if trail is None or not trail.is_usable:
        raise OrderRejected("a trailing stop needs a trail in percent, above 0 and below 100, or in money, above 0")
    if trail.percent is not None:
        return {"trail_percent": plain_text(trail.percent)}
    away = (trail.price or CENT).quantize(CENT, ROUND_CEILING, EXACT)
    return {"trail_price": plain_text(away)}


def replacement_body(terms: Replacement, order: Mapping[str, Any]) -> dict[str, str]:
    """Return the body of PATCH /v2/orders/{id} for an order as Alpaca has it; OrderRejected for what it cannot have."""
    side, symbol = SIDE_FROM_ALPACA.get(str(order.get("side"))), from_alpaca(str(order.get("symbol")))
    if side is None:
        raise OrderRejected("an order without a side of its own cannot be given other terms")
    coin = is_coin(symbol)
    body = {"client_order_id": terms.client_order_id}
    if terms.quantity is not None:
        body["qty"] = plain_text(terms.quantity)
    if terms.limit_price is not None:
        body["limit_price"] = price_text(terms.limit_price, side, coin=coin, stop=False)
    if terms.stop_price is not None:
        body["stop_price"] = price_text(terms.stop_price, side, coin=coin, stop=True)
    if terms.time_in_force is not None:
        known = COIN_TIF_TO_ALPACA if coin else TIF_TO_ALPACA
        if terms.time_in_force not in known:
            raise OrderRejected(f"Alpaca does not take {terms.time_in_force} orders of {symbol}")
        body["time_in_force"] = known[terms.time_in_force]
    return body


def price_text(price: Decimal | None, side: Side, *, coin: bool, stop: bool) -> str:
    """Return a price rounded to the venue's step: cents from a dollar up, hundredths of a cent below it.

    A limit is never rounded to the worse side, and a stop never to where it would be hit sooner.
    """
    if price is None or price <= 0:
        raise OrderRejected("the order needs a price above 0")
    size = COIN_STEP if coin else CENT if price >= 1 else HUNDREDTH_OF_A_CENT
    down = (side is Side.BUY) is not stop
    rounded = price.quantize(size, ROUND_FLOOR if down else ROUND_CEILING, EXACT)
    if rounded <= 0:
        raise OrderRejected(f"a price of {plain_text(price)} is below the smallest step of {plain_text(size)}")
    return plain_text(rounded)


def order_status(order: Mapping[str, Any]) -> OrderStatus:
    """Return the desk's word for an order's status."""
    known = STATUS_FROM_ALPACA.get(str(order.get("status")))
    if known is not None:
        return known
    return next((ended for name, ended in ENDED_AT.items() if order.get(name)), S.ACCEPTED)


def order_report(order: Mapping[str, Any], fills: Sequence[FillReport], *, are_settled: bool = False) -> OrderReport:
    """Return what Alpaca says of an order, with its executions, oldest first; ValueError when it makes no sense.

    `are_settled`: no more executions are to be expected of what is filled now.
    """
    status = order_status(order)
    filled = number(order.get("filled_qty")) or Decimal(0)
    return OrderReport(
        client_order_id=str(order["client_order_id"]),
        broker_order_id=str(order["id"]),
        symbol=from_alpaca(str(order.get("symbol") or SEVERAL_LEGS)),
        side=_side(order.get("side")),
        quantity=round8(number(order.get("qty")) or filled),  # one given in dollars has no quantity
        status=status,
        at=moment(order.get("updated_at")) or moment(order.get("created_at")) or datetime.now(UTC),
        reason=_reason(order, status),
        fills=tuple(fills),
        sent_at=moment(order.get("submitted_at")) or moment(order.get("created_at")),
        replaces=str(order.get("replaces") or ""),
        replaced_by=str(order.get("replaced_by") or ""),
        total=_total(order, filled, are_settled=are_settled),
    )


def _total(order: Mapping[str, Any], filled: Decimal, *, are_settled: bool) -> FilledTotal | None:
    price = number(order.get("filled_avg_price"))
    if filled <= 0 or price is None:
        return None
    return FilledTotal(quantity=filled, average_price=price, is_settled=are_settled)


def _side(word: Any) -> Side:
    if not word:
        return Side.BUY  # one of several legs has no side of its own
    known = SIDE_FROM_ALPACA.get(str(word).partition("_")[0])  # "sell_short" is a word of other places
    if known is None:
        raise ValueError(f"'{word}' is no side that the desk knows")
    return known


def fill_report(activity: Mapping[str, Any]) -> FillReport:
    """Return one execution from the account's activities, not rounded; ValueError when it makes no sense.

    Commission is 0: Alpaca books fees of regulators as activities of their own at the end of the day, and takes
    those of coins out of the coins.
    """
    quantity, price = number(activity.get("qty")), number(activity.get("price"))
    at = moment(activity.get("transaction_time"))
    if quantity is None or price is None or at is None:
        raise ValueError("an execution without quantity, price or time")
    return FillReport(
        execution_id=str(activity["id"]), quantity=quantity, price=round8(price), commission=Decimal(0), at=at
    )


def number(text: Any) -> Decimal | None:
    """Return a number as Alpaca writes them, as text or as such; None for nothing. ValueError for anything else."""
    if text is None or text == "":
        return None
    try:
        value = Decimal(str(text))
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not value.is_finite() or abs(value.adjusted()) > MOST_DIGITS:
        raise ValueError("not a number of a sensible size")
    return value


def moment(text: Any) -> datetime | None:
    """Return a time as Alpaca writes them, RFC 3339 with any number of decimals, in UTC; None for nothing."""
    if not text:
        return None
    at = datetime.fromisoformat(str(text))
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        raise ValueError("not a time of a calendar") from None


def _reason(order: Mapping[str, Any], status: OrderStatus) -> str:
    if status is S.REJECTED:
        return str(order.get("reject_reason") or "rejected by Alpaca after it was taken")
    if status is S.REPLACED and order.get("replaced_by"):
        return f"replaced by {order['replaced_by']}"
    return ""
