"""What must be true once the dust has settled. Each rule yields its violations, one line each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from domain.enums import Side, TickerType
from domain.lanes.values import Kind
from domain.order_status import AT_BROKER, BY_EVIDENCE, CLOSED, TRANSITIONS, OrderStatus, SignalStatus
from domain.pricing import average_price
from faults.planned import STEP, planned, unexplained
from faults.senders import Sent
from faults.snapshot import Snapshot
from faults.venues import VenueOrder

UNFINISHED = {SignalStatus.WAITING, SignalStatus.REROUTED, SignalStatus.CREATED, SignalStatus.LEG_FILLED}
LIVED_AT_BROKER = AT_BROKER | {OrderStatus.FILLED, OrderStatus.EXPIRED, OrderStatus.REPLACED}
Lines = Iterator[str]


@dataclass(frozen=True, slots=True)
class Scope:
    """What the rules look at: the books of both sides, and what was sent."""

    books: Snapshot
    sent: Sequence[Sent]


def acknowledged_alerts_are_stored_once(scope: Scope) -> Lines:
    """Every alert answered 200 or 201 is exactly one row, the one that was named in the answers."""
    rows = defaultdict(list)
    for signal in scope.books.signals:
        rows[signal.dedupe_key].append(signal)
    for sent in scope.sent:
        found = rows[f"id:{sent.signal_id}"]
        if sent.acknowledged_at is None:
            if len(found) > 1:
                yield f"alert {sent.signal_id}: stored {len(found)} times"
        elif [row.id for row in found] != sorted(sent.rowids):
            yield f"alert {sent.signal_id}: answered with rows {sorted(sent.rowids)}, stored in {[r.id for r in found]}"
        elif sent.created > 1:
            yield f"alert {sent.signal_id}: answered as new {sent.created} times"
        elif found[0].seen_count < sent.created + sent.repeats:
            yield (
                f"alert {sent.signal_id}: answered {sent.created + sent.repeats} times, "
                f"counted as seen {found[0].seen_count} times"
            )


def rows_are_alerts_that_were_sent(scope: Scope) -> Lines:
    """Every row is an alert that was really sent, and says what that said."""
    bodies = {f"id:{sent.signal_id}": sent.body for sent in scope.sent}
    for signal in scope.books.signals:
        body = bodies.get(signal.dedupe_key)
        if body is None:
            yield f"signal {signal.id}: '{signal.dedupe_key}' was never sent"
        elif (signal.ticker, signal.side, signal.quantity) != (
            body["ticker"],
            body["order_action"],
            Decimal(body["order_contracts"]),
        ):
            yield f"signal {signal.id}: stored as {signal.side} {signal.quantity} {signal.ticker}, sent was {body}"


def orders_reach_the_venue_once(scope: Scope) -> Lines:
    """The venue has at most one order for each id of ours, and none that the book has not."""
    counts = Counter(order.client_order_id for order in scope.books.venue_orders)
    ours = {order.client_order_id for order in scope.books.orders}
    for client_order_id, count in counts.items():
        if count > 1:
            yield f"order {client_order_id}: {count} times at the venue"
        if client_order_id not in ours:
            yield f"order {client_order_id}: at the venue, not in the book"


def orders_agree_with_the_venue(scope: Scope) -> Lines:
    """Status, filled quantity and average price of each order are the venue's."""
    theirs = {order.client_order_id: order for order in scope.books.venue_orders}
    for order in scope.books.orders:
        other = theirs.get(order.client_order_id)
        if other is None:
            if order.status in LIVED_AT_BROKER or order.filled_quantity != 0:
                yield f"{_name(order)}: {order.status}, {order.filled_quantity} filled, but not at the venue"
            continue
        at_venue = _terms(other)
        in_book = (order.symbol, order.side, order.quantity, order.status, order.filled_quantity, order.average_price)
        if in_book != at_venue:
            yield f"{_name(order)}: {_words(in_book)} in the book, {_words(at_venue)} at the venue"


def fills_agree_with_the_venue(scope: Scope) -> Lines:
    """Each fill in the book is one at the venue, with its quantity, price and commission, and the other way round."""
    theirs = {order.client_order_id: order.fills for order in scope.books.venue_orders}
    for order in scope.books.orders:
        at_venue = theirs.get(order.client_order_id, {})
        booked = [fill.execution_id for fill in scope.books.fills.get(order.id, ())]
        in_book = {f.execution_id: (f.quantity, f.price, f.commission) for f in scope.books.fills.get(order.id, ())}
        if len(booked) != len(in_book) or in_book != at_venue:
            ours, others = _words(in_book.items()), _words(at_venue.items())
            yield f"{_name(order)}: fills {ours} in the book, {others} at the venue"


def positions_agree_with_the_venue(scope: Scope) -> Lines:
    """The signed sum of the book's fills is the venue's position symbol by symbol, and the book's own one by one."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    parts: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for order in scope.books.orders:
        net = _net(order, scope.books.fills.get(order.id, ()))
        held[order.symbol] += net
        parts[order.name, order.symbol] += net
    for symbol in sorted({*held, *scope.books.positions}):
        ours, theirs = held.get(symbol, Decimal(0)), scope.books.positions.get(symbol, Decimal(0))
        if ours != theirs:
            yield f"position {symbol}: {ours:f} by the book's fills, {theirs:f} at the venue"
    for key in sorted({*parts, *scope.books.held}):
        ours, booked = parts.get(key, Decimal(0)), scope.books.held.get(key, Decimal(0))
        if ours != booked:
            yield f"position {key[1]} of {key[0]}: {ours:f} by its fills, {booked:f} is booked"


def everything_has_ended(scope: Scope) -> Lines:
    """No signal waits for anything, and every order is closed."""
    for signal in scope.books.signals:
        if signal.status in UNFINISHED:
            yield f"signal {signal.id}: ended as '{signal.status}'"
        elif signal.unbalanced_at is not None and signal.status != SignalStatus.CRITICAL:
            yield f"signal {signal.id}: ended as '{signal.status}', its legs out of balance"
    for order in scope.books.orders:
        if order.status not in CLOSED:
            yield f"{_name(order)}: ended as {order.status}"


def plans_are_the_alerts_or_say_why_not(scope: Scope) -> Lines:
    """What was planned of a signal is what its alert asks for, or less where the trace says why."""
    orders = _by_signal(scope)
    for signal in scope.books.signals:
        for line in unexplained(signal, orders[signal.id]):
            yield f"signal {signal.id} ('{signal.status}'): {line}, and its trace does not say why"


def signals_hold_what_they_say(scope: Scope) -> Lines:
    """What is held because of a signal is hedged as planned, or its status asks for a person; 'filled' is all of it."""
    orders = _by_signal(scope)
    for signal in scope.books.signals:
        net: dict[str, Decimal] = defaultdict(Decimal)
        for order in orders[signal.id]:
            net[order.symbol] += _net(order, scope.books.fills.get(order.id, ()))
        sign = _direction(signal, orders[signal.id])
        held = {1: sign * net.get(signal.symbol1, Decimal(0)), 2: -sign * net.get(signal.symbol2, Decimal(0))}
        plan = planned(signal, orders[signal.id])
        lines = list(_not_whole(plan, held)) if signal.status == SignalStatus.FILLED else []
        if signal.ticker_type == TickerType.PAIR and signal.status != SignalStatus.CRITICAL:
            lines += _not_hedged(signal, plan, held)
        yield from (f"signal {signal.id} ('{signal.status}'): {line}" for line in lines)


def _direction(signal: Any, orders: Sequence[Any]) -> int:
    """Return the sign of leg 1: the alert's, but an exit closes what is held, on whichever side that is."""
    first = next((order for order in sorted(orders, key=lambda order: order.leg) if order.is_exit), None)
    if first is None or signal.kind != Kind.EXIT:
        return Side(signal.side).sign
    return Side(first.side).sign * (1 if first.leg == 1 else -1)  # of a leg that is held alone there is only that one


def exits_open_nothing(scope: Scope) -> Lines:
    """No fill of an exit, or of a leg that is traded back, makes a position larger or turns it round."""
    orders = {order.id: order for order in scope.books.orders}
    fills = sorted((fill for of_order in scope.books.fills.values() for fill in of_order), key=lambda fill: fill.id)
    held: dict[tuple[int, str, str], Decimal] = defaultdict(Decimal)
    for fill in fills:
        order = orders[fill.order_id]
        key = (order.account_id, order.name, order.symbol)
        before = held[key]
        held[key] = after = before + Side(order.side).sign * fill.quantity
        if order.is_exit and (abs(after) > abs(before) or before * after < 0):
            yield f"{_name(order)}: an exit made {before:f} {order.symbol} into {after:f}"


def _not_whole(plan: Mapping[int, Decimal], held: Mapping[int, Decimal]) -> Lines:
    if not plan:
        yield "nothing was ordered for it"
    for leg, wanted in plan.items():
        if held[leg] != wanted:
            yield f"{held[leg]:f} of leg {leg} were filled, {wanted:f} were planned"


def _not_hedged(signal: Any, plan: Mapping[int, Decimal], held: Mapping[int, Decimal]) -> Lines:
    first, second = held[1], held[2]
    what = f"{first:f} {signal.symbol1} against {second:f} {signal.symbol2}"
    if len(plan) < 2:
        if any(quantity for leg, quantity in held.items() if leg not in plan):
            yield f"{what}, planned was only leg {', '.join(map(str, plan)) or 'none'}"
        return
    # Where a leg trades whole shares only, the other one decides how near they can come.
    off1, off2 = abs(first - second * plan[1] / plan[2]), abs(second - first * plan[2] / plan[1])
    if off1 >= (signal.leg_step1 or STEP) and off2 >= (signal.leg_step2 or STEP):
        yield f"{what}, planned were {plan[1]:f} to {plan[2]:f}"


def pairs_are_hedged_as_a_whole(scope: Scope) -> Lines:
    """What all signals of a pair have come to is hedged by the ratio of its alerts, or one of them calls for a person.

    Signals that are right one by one may yet be wrong together: each may have counted on what another one held.
    """
    pairs = defaultdict(list)
    for signal in scope.books.signals:
        if signal.ticker_type == TickerType.PAIR:
            pairs[signal.name].append(signal)
    net: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for order in scope.books.orders:
        net[order.name, order.symbol] += _net(order, scope.books.fills.get(order.id, ()))
    for name, signals in pairs.items():
        last = signals[-1]
        first, second = (net.get((name, symbol), Decimal(0)) for symbol in (last.symbol1, last.symbol2))
        off = abs(first * last.hedge_ratio + second)
        if off > (last.leg_step2 or STEP) * len(signals) and not any(
            s.status == SignalStatus.CRITICAL for s in signals
        ):
            yield f"pair {name}: holds {first:f} and {second:f} at hedge ratio {last.hedge_ratio:f}, and nobody is told"


def moves_are_on_record(scope: Scope) -> Lines:
    """The record of each order has no gap, follows the table of legal moves, and ends where the order is."""
    for order in scope.books.orders:
        events = scope.books.events.get(order.id, ())
        if [event.seq for event in events] != list(range(1, order.moves + 1)):
            yield f"{_name(order)}: {order.moves} moves, on record are {[event.seq for event in events]}"
            continue
        if events[0].from_status is not None or events[0].to_status != OrderStatus.QUEUED:
            yield f"{_name(order)}: its record begins {events[0].from_status} -> {events[0].to_status}"
        for before, event in pairwise(events):
            if event.from_status != before.to_status:
                yield f"{_name(order)}: move {event.seq} leaves {event.from_status}, but it was {before.to_status}"
            elif event.to_status != event.from_status and not _is_legal(event):
                yield f"{_name(order)}: move {event.seq} is illegal, {event.from_status} -> {event.to_status}"
        if events[-1].to_status != order.status:
            yield f"{_name(order)}: is {order.status}, its record ends at {events[-1].to_status}"


def no_lease_is_left(scope: Scope) -> Lines:
    """Nobody holds an order any more."""
    for order in scope.books.orders:
        if order.lease_owner is not None or order.lease_until is not None:
            yield f"{_name(order)}: still leased by {order.lease_owner} until {order.lease_until}"


RULES: tuple[Callable[[Scope], Lines], ...] = (
    acknowledged_alerts_are_stored_once,
    rows_are_alerts_that_were_sent,
    orders_reach_the_venue_once,
    orders_agree_with_the_venue,
    fills_agree_with_the_venue,
    positions_agree_with_the_venue,
    everything_has_ended,
    plans_are_the_alerts_or_say_why_not,
    signals_hold_what_they_say,
    exits_open_nothing,
    pairs_are_hedged_as_a_whole,
    moves_are_on_record,
    no_lease_is_left,
)


def audit(books: Snapshot, sent: Sequence[Sent]) -> Mapping[str, list[str]]:
    """Return the violations of each rule that has any, by the rule's name."""
    scope = Scope(books, sent)
    found = {rule.__name__: list(rule(scope)) for rule in RULES}
    return {name: lines for name, lines in found.items() if lines}


def _by_signal(scope: Scope) -> Mapping[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for order in scope.books.orders:
        found[order.signal_id].append(order)
    return found


def _terms(order: VenueOrder) -> tuple[object, ...]:
    filled = sum((quantity for quantity, _, _ in order.fills.values()), Decimal(0))
    average = average_price((quantity, price) for quantity, price, _ in order.fills.values())
    return (order.symbol, order.side, order.quantity, order.status, filled, average)


def _net(order: Any, fills: Iterable[Any]) -> Decimal:
    return Side(order.side).sign * sum((fill.quantity for fill in fills), Decimal(0))


def _is_legal(event: Any) -> bool:
    old = OrderStatus(event.from_status)
    return event.to_status in TRANSITIONS[old] | BY_EVIDENCE.get(old, frozenset())


def _name(order: Any) -> str:
    return f"order {order.client_order_id} (signal {order.signal_id} leg {order.leg})"


def _words(values: Iterable[Any]) -> str:
    words = []
    for value in values:
        if isinstance(value, tuple):
            words.append(f"[{_words(value)}]")
        else:
            words.append(f"{value:f}" if isinstance(value, Decimal) else str(value))
    return " ".join(words) or "none"
