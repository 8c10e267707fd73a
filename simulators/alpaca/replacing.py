"""PATCH of an order: answered at once, done a moment later, and by then perhaps not possible any more.

"A success return code from a replaced order does NOT guarantee the existing open order has been replaced. If the
existing open order is filled before the replacing (new) order reaches the execution venue, the replacing (new) order is
rejected": Trading API, PATCH /v2/orders/{order_id}.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulators.alpaca.account import Account, Order
from simulators.alpaca.engine import Engine
from simulators.alpaca.faults import Fault
from simulators.alpaca.rules import make_order
from simulators.alpaca.wire import BUSINESS, Refused, text

ZERO = Decimal(0)
# "Order cannot be replaced when the status is accepted, pending_new, pending_cancel or pending_replace": the same page.
REPLACEABLE = ("new", "partially_filled", "held")


def replace(
    engine: Engine, account: Account, order: Order, changes: dict[str, Any], told: Fault | None = None
) -> Order:
    """Take other terms for an order that works; returns the order that may take its place. Raises Refused."""
    if order.status not in REPLACEABLE:
        raise Refused(422, BUSINESS, f'unable to replace order, order is in "{order.status}" state')
    if order.notional is not None:
        raise Refused(422, BUSINESS, "notional orders cannot be replaced")
    new = _judged(engine, account, order, changes)
    new.replaces, new.rests, new.hwm = order.id, order.rests, order.hwm
    account.orders[new.id] = new
    engine.move(order, "pending_replace")
    engine.event(account, order, "pending_replace")
    wait = told.seconds if told is not None else 0.0
    engine.later(wait, lambda: _carry_out(engine, account, order, new, told))
    return new


def _judged(engine: Engine, account: Account, order: Order, changes: dict[str, Any]) -> Order:
    body = {
        "symbol": order.symbol, "qty": text(order.qty), "side": order.side, "type": order.type,
        "time_in_force": order.time_in_force, "limit_price": text(order.limit_price),
        "stop_price": text(order.stop_price), "extended_hours": order.extended_hours,
    }  # fmt: skip
    if order.type == "trailing_stop":  # its stop is Alpaca's own; `trail` is the new distance, of the kind it has
        name = "trail_price" if order.trail_price is not None else "trail_percent"
        body |= {"stop_price": None, name: text(getattr(order, name))}
        changes = {name if key == "trail" else key: value for key, value in changes.items()}
    before, order.status = order.status, "replaced"  # while the new one is judged, the old one holds nothing
    try:
        new = make_order(body | changes, account, engine.market, engine.clock)
    finally:
        order.status = before
    if (new.qty or ZERO) <= order.filled_qty:
        raise Refused(422, BUSINESS, "qty must be greater than what is filled already")
    new.qty = (new.qty or ZERO) - order.filled_qty
    return new


def _carry_out(engine: Engine, account: Account, order: Order, new: Order, told: Fault | None) -> None:
    """Put the new order in the place of the old one, or let the old one go on."""
    if not order.is_open or (told is not None and told.kind == "replace_rejected"):
        if order.is_open:
            engine.move(order, "partially_filled" if order.filled_qty else "new")
        engine.end(account, new, "rejected")
        engine.event(account, order, "order_replace_rejected")
        return
    order.replaced_by, order.replaced_at = new.id, engine.clock.now()
    engine.move(order, "replaced")
    engine.event(account, order, "replaced")
    engine.begin(account, new)
