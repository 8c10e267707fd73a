"""How long it took until what a fault had struck was on its way again; read from the records, after the fact.

Struck is what was under way at that moment: an alert whose delivery failed, an alert not yet planned, an order in
a worker's hands. It has recovered when the alert is acknowledged, when its orders exist, when the broker's word
on the order is booked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from domain.order_status import AT_BROKER, CLOSED, OrderStatus
from faults.senders import Sent
from faults.snapshot import Snapshot

IN_HAND = {OrderStatus.CLAIMED, OrderStatus.SENDING}
KNOWN = AT_BROKER | CLOSED
DELIVERY_SECONDS = 2.0  # a delivery that fails so soon after a fault failed because of it


@dataclass(frozen=True, slots=True)
class Blow:
    """A fault that struck a process, or all of them (no `pid`), at a moment in seconds since 1970."""

    at: float
    pid: int | None = None


def after(blows: Sequence[Blow], books: Snapshot, sent: Sequence[Sent]) -> list[float]:
    """Return for each blow how many seconds later all that it struck had recovered."""
    waiting = [*_alerts(sent), *_plannings(books, sent)]
    found = []
    for blow in blows:
        ends = [end for begin, end in waiting if begin <= blow.at < end] + list(_orders_in_hand(books, blow))
        found.append(max((end - blow.at for end in ends), default=0.0))
    return found


def after_no_answer(books: Snapshot) -> list[float]:
    """Return for each order whose sending had no plain answer how many seconds passed until it was known."""
    found = []
    for events in books.events.values():
        begin = None
        strange = False
        for event in events:
            at = event.at.timestamp()
            if event.to_status == OrderStatus.SENDING:
                begin = at if begin is None else begin
            elif event.to_status in KNOWN:
                if begin is not None and strange:
                    found.append(at - begin)
                break
            elif event.from_status == OrderStatus.SENDING and event.cause.startswith(("no answer", "broker unavail")):
                strange = True
    return found


def _alerts(sent: Sequence[Sent]) -> Iterator[tuple[float, float]]:
    for one in sent:
        if one.failed_at and one.acknowledged_at is not None and one.acknowledged_at > one.failed_at[0]:
            yield one.failed_at[0] - DELIVERY_SECONDS, one.acknowledged_at


def _plannings(books: Snapshot, sent: Sequence[Sent]) -> Iterator[tuple[float, float]]:
    first_order: dict[Any, float] = {}
    for order in books.orders:
        if events := books.events.get(order.id):
            first_order.setdefault(order.signal_id, events[0].at.timestamp())
    for one in sent:
        for rowid in one.rowids:
            if rowid in first_order and one.acknowledged_at is not None:
                yield one.acknowledged_at, first_order[rowid]


def _orders_in_hand(books: Snapshot, blow: Blow) -> Iterator[float]:
    """Yield when the orders were known that a struck process was sending at that moment."""
    for events in books.events.values():
        before = [event for event in events if event.at.timestamp() <= blow.at]
        if not before or before[-1].to_status not in IN_HAND:
            continue
        if blow.pid is None or f":{blow.pid}:" in before[-1].actor:
            known = (event for event in events[len(before) :] if event.to_status in KNOWN)
            if (first := next(known, None)) is not None:
                yield first.at.timestamp()
