"""An order in a worker's hands: the lease that makes it so, and what the broker is sent and asked by."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.enums import AssetClass, LegPolicy, OrderType, Purpose, Side, TimeInForce
from domain.messages import AlertPrice, OrderRef, OrderRequest, Trail
from models import Order, Signal
from services.timing import SEND_LEASE, SEND_WALL

MOST_ATTEMPTS = 5

# What a broker finds an order by, and how the order stands; rows of these columns cost less than whole orders.
REF_COLUMNS = (
    Order.id,
    Order.client_order_id,
    Order.symbol,
    Order.side,
    Order.quantity,
    Order.broker_order_id,
    Order.sent_at,
    Order.status,
    Order.filled_quantity,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """An order in our hands until the lease ends; `epoch` tells our hand from a later one."""

    order_id: int
    account_id: int
    epoch: int
    until: datetime | None  # when the lease ends, by the database's clock; None = it has ended
    began: float  # monotonic seconds, so that a clock that jumps cannot lengthen the lease
    request: OrderRequest

    @property
    def is_fresh(self) -> bool:
        """Return True if there is time for a call before the lease ends."""
        left = (SEND_LEASE - SEND_WALL - timedelta(seconds=5)).total_seconds() - (time.monotonic() - self.began)
        return left > 0


def take_lease(order: Order, worker: str, now: datetime) -> None:
    """Lease an order to a worker; the epoch rises, so that the worker that had it before can no longer change it."""
    order.lease_owner, order.lease_until = worker, now + SEND_LEASE
    order.lease_epoch += 1


def drop_lease(order: Order) -> None:
    """End the lease of an order: no worker has it any more."""
    order.lease_owner = order.lease_until = None


def start_sending(order: Order, now: datetime) -> None:
    """Count an attempt; the caller moves the order to SENDING and commits before the first byte leaves."""
    order.sent_at = now
    order.send_attempts += 1


def make_claim(order: Order, signal: Signal | None, account: str, attached_to: str | None) -> Claim:
    """Return the claim of a leased order with what is to be sent."""
    alert = None
    if signal is not None and signal.price is not None:
        # Of one leg of a pair that is traded alone, the price of the spread says nothing.
        both = signal.symbol2 is None or bool(signal.leg_quantity1 and signal.leg_quantity2)
        hedge_ratio = signal.hedge_ratio if signal.symbol2 else None
        alert = AlertPrice(price=signal.price, leg=order.leg, hedge_ratio=hedge_ratio) if both else None
    request = OrderRequest(
        client_order_id=order.client_order_id,
        account=account,
        symbol=order.symbol,
        asset_class=AssetClass(order.asset_class),
        currency=order.currency,
        side=Side(order.side),
        quantity=order.quantity,
        order_type=OrderType(order.order_type),
        time_in_force=TimeInForce(order.time_in_force),
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail=trail_of(order),
        extended_hours=order.extended_hours,
        alert_price=alert,
        attached_to=attached_to if order.attached else None,
        hedge_ratio=signal.hedge_ratio if order.attached and signal else None,
        is_urgent=_is_urgent(order, signal),
    )
    return Claim(order.id, order.account_id, order.lease_epoch, order.lease_until, time.monotonic(), request)


def trail_of(order: Order) -> Trail | None:
    """Return how far the stop of an order stays behind the market; None for all but trailing stops."""
    if order.trail_percent is None and order.trail_price is None:
        return None
    return Trail(percent=order.trail_percent, price=order.trail_price)


def _is_urgent(order: Order, signal: Signal | None) -> bool:
    """Return True for an order that closes, and for one without which a leg stands alone."""
    follows = (
        signal is not None
        and signal.leg_policy == LegPolicy.LEG1_FIRST
        and signal.symbol2 is not None
        and order.leg != (signal.lead_leg or 1)
    )
    return order.is_exit or order.purpose != Purpose.SIGNAL or follows


def ref_of(order: Any) -> OrderRef:
    """Return what a broker finds an order by; `order` is one, or a row of REF_COLUMNS."""
    return OrderRef(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=Side(order.side),
        quantity=order.quantity,
        broker_order_id=order.broker_order_id,
        sent_at=order.sent_at,
    )
