"""A small desk and venue in memory: one account, its lanes, and what the venue does to their orders.

The desk part does what the services do around the pure functions: it looks, decides, stores, and looks again after each
change. Nothing of it decides anything itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from domain.enums import Purpose, Side
from domain.lanes.admit import Candidate, End, Hold, admit
from domain.lanes.decide import decide
from domain.lanes.values import Ahead, Ask, Kind, Lane, LaneLeg, Nothing, Trade, Wait, Working
from domain.order_status import CLOSED, OrderStatus

S = OrderStatus
ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(eq=False)
class SimOrder:
    id: int
    signal: int
    lane: str
    symbol: str
    side: Side
    quantity: Decimal
    closes: Decimal
    status: OrderStatus = S.QUEUED
    filled: Decimal = ZERO
    purpose: Purpose = Purpose.SIGNAL
    is_market: bool = True
    cancel_requested: bool = False
    sent_at: Decimal | None = None

    @property
    def is_exit(self) -> bool:
        return self.closes == self.quantity

    @property
    def rest(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def is_open(self) -> bool:
        return self.status not in CLOSED


@dataclass(eq=False)
class SimSignal:
    id: int
    lane: str
    ask: Ask
    status: str = "waiting"
    reason: str = ""
    held: bool = False
    is_market: bool = True
    notes: list[Any] = field(default_factory=list)
    kind: Kind | None = None


class Desk:
    """One account with lanes; `hedges` maps a pair's name to its hedge ratio."""

    def __init__(self, hedges: dict[str, Decimal] | None = None, step: Decimal = ONE) -> None:
        self.held: dict[tuple[str, str], Decimal] = {}
        self.orders: list[SimOrder] = []
        self.signals: list[SimSignal] = []
        self.hedges = hedges or {}
        self.step = step
        self.now = ZERO

    # What the outside does.
    def alert(self, lane: str, side: str, quantity: object, **how: Any) -> SimSignal:
        options = {name: how.pop(name) for name in ("held", "is_market") if name in how}
        ask = Ask(signal_id=len(self.signals) + 1, side=Side(side), quantity=Decimal(str(quantity)), **how)
        signal = SimSignal(ask.signal_id, lane, ask, **options)
        self.signals.append(signal)
        self.run()
        return signal

    def accept(self, order: SimOrder) -> None:
        if order.status in (S.SENDING, S.UNKNOWN):
            order.status = S.CANCEL_PENDING if order.cancel_requested else S.ACCEPTED
            self.run()

    def lose(self, order: SimOrder) -> None:
        if order.status is S.SENDING:
            order.status = S.UNKNOWN
            self.run()

    def fill(self, order: SimOrder, quantity: object = None) -> None:
        part = order.rest if quantity is None else min(order.rest, Decimal(str(quantity)))
        if order.status not in (S.SENDING, S.UNKNOWN, S.ACCEPTED, S.PARTIALLY_FILLED, S.CANCEL_PENDING) or part <= 0:
            return
        key = (order.lane, order.symbol)
        self.held[key] = self.held.get(key, ZERO) + order.side.sign * part
        order.filled += part
        if order.rest == 0:
            order.status = S.FILLED
        elif order.status is not S.CANCEL_PENDING:
            order.status = S.CANCEL_PENDING if order.cancel_requested else S.PARTIALLY_FILLED
        self.run()

    def end(self, order: SimOrder, status: OrderStatus = S.CANCELED) -> None:
        if order.is_open and order.status is not S.QUEUED:
            order.status = status
            self.run()

    def tick(self, seconds: object = 1) -> None:
        self.now += Decimal(str(seconds))
        self.run()

    # What the desk does.
    def run(self) -> None:
        for _ in range(20):
            before = self._state()
            self._plan()
            self._send()
            if self._state() == before:
                return
        raise AssertionError("the desk does not come to rest")

    def lane(self, name: str, but: SimOrder | None = None, ahead: tuple[Ahead, ...] = ()) -> Lane:
        legs = tuple(
            LaneLeg(
                symbol=symbol,
                held=self.held.get((name, symbol), ZERO),
                working=tuple(
                    self._working(o) for o in self.orders if o.symbol == symbol and o.is_open and o is not but
                ),
            )
            for symbol in name.split("-")
        )
        return Lane(name=name, legs=legs, ahead=ahead, hedge_ratio=self.hedges.get(name))

    def position(self, lane: str) -> tuple[Decimal, ...]:
        return tuple(self.held.get((lane, symbol), ZERO) for symbol in lane.split("-"))

    def open(self, lane: str | None = None) -> list[SimOrder]:
        return [order for order in self.orders if order.is_open and lane in (None, order.lane)]

    def _plan(self) -> None:
        for signal in self.signals:
            if signal.status != "waiting" or signal.held:
                continue
            ahead = tuple(
                Ahead(signal_id=other.id, is_exit=other.kind in (Kind.EXIT, Kind.REVERSAL), why=other.reason)
                for other in self.signals
                if other.lane == signal.lane and other.id < signal.id and other.status == "waiting"
            )
            made = decide(self.lane(signal.lane, ahead=ahead), signal.ask, lambda symbol, short: self.step)
            match made:
                case Wait():
                    signal.reason, signal.kind = made.reason, made.kind
                    for number in made.cancel:
                        self._cancel(self.orders[number - 1])
                case Nothing():
                    signal.status, signal.reason, signal.notes = "canceled", made.text, list(made.notes)
                    self._pass(made.passes)
                case Trade():
                    signal.status, signal.reason, signal.notes = "planned", "", list(made.notes)
                    signal.kind = made.kind
                    self._pass(made.passes)
                    for leg in made.legs:
                        if leg.quantity:
                            self.orders.append(
                                SimOrder(
                                    len(self.orders) + 1, signal.id, signal.lane, leg.symbol, leg.side, leg.quantity,
                                    leg.closes, is_market=signal.is_market,
                                )
                            )  # fmt: skip

    def _pass(self, signals: tuple[int, ...]) -> None:
        for number in signals:
            self.signals[number - 1].status = "canceled"
            self.signals[number - 1].reason = "what it waited for is over"

    def _send(self) -> None:
        for order in self.orders:
            if order.status is not S.QUEUED or any(
                other.symbol == order.symbol and other.status in (S.SENDING, S.UNKNOWN) for other in self.orders
            ):
                continue
            leg = next(leg for leg in self.lane(order.lane, but=order).legs if leg.symbol == order.symbol)
            candidate = Candidate(
                order_id=order.id, lane=order.lane, symbol=order.symbol, side=order.side, quantity=order.quantity,
                closes=order.closes, purpose=order.purpose,
            )  # fmt: skip
            answer = admit(candidate, leg)
            if isinstance(answer, Hold):
                for number in answer.cancel:
                    self._cancel(self.orders[number - 1])
            elif isinstance(answer, End):
                order.status = S.CANCELED
            else:
                order.quantity, order.closes = answer.quantity, answer.closes
                order.status, order.sent_at = S.SENDING, self.now

    def _cancel(self, order: SimOrder) -> None:
        order.cancel_requested = True
        if order.status is S.QUEUED:
            order.status = S.CANCELED
        elif order.status in (S.ACCEPTED, S.PARTIALLY_FILLED):
            order.status = S.CANCEL_PENDING

    def _working(self, order: SimOrder) -> Working:
        return Working(
            order_id=order.id,
            signal_id=order.signal,
            lane=order.lane,
            symbol=order.symbol,
            side=order.side,
            rest=order.rest,
            status=order.status,
            is_exit=order.is_exit,
            purpose=order.purpose,
            is_market=order.is_market,
            cancel_requested=order.cancel_requested,
            age=None if order.sent_at is None else self.now - order.sent_at,
        )

    def _state(self) -> tuple[Any, ...]:
        orders = tuple((o.status, o.quantity, o.filled, o.cancel_requested) for o in self.orders)
        return orders, tuple((s.status, s.reason) for s in self.signals)
