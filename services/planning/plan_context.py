"""From a signal to the orders it asks for: checks, sizes and terms, with every answer on its trace.

The same code plans for real, inside the transaction that makes the orders, and for the
question "what would happen", which stores nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from domain.checks.rules import Subject
from domain.enums import (
    FailurePolicy,
    LegPolicy,
    MarketPosition,
    OrderType,
    Side,
    Source,
    TickerType,
    TimeInForce,
)
from domain.exact import plain_text
from domain.order_status import SignalStatus
from domain.preflight import BrokerFacts
from domain.sizing import leg2_quantity, round_to_step
from domain.trace import step
from extensions import plain
from models import Signal
from services.catalog.snapshots import InstrumentTerms, Snapshot
from services.planning.desk_book import Book

ZERO = Decimal(0)
AT_TARGET = "at target"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """How an order is to be traded; prices in the instrument's currency."""

    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    extended_hours: bool = False


MARKET = OrderTerms()


class NotTradable(Exception):
    """The signal must not be traded; says with which status and why. `hold_until`: not now, but then."""

    def __init__(self, status: SignalStatus, reason: str, text: str, *, hold_until: datetime | None = None) -> None:
        super().__init__(text)
        self.status, self.reason, self.text, self.hold_until = status, reason, text, hold_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One order to be made of a signal; quantity and step in shares."""

    number: int
    symbol: str
    asset_class: str
    currency: str
    side: Side
    quantity: Decimal
    step: Decimal
    terms: OrderTerms = MARKET
    is_exit: bool = False
    closes: Decimal = ZERO  # so much of it goes first, by an order of its own, for it closes the other direction


@dataclass(slots=True, kw_only=True)
class Plan:
    """What is to be sent for a signal, and how its legs belong together."""

    legs: list[Leg]
    policy: LegPolicy = LegPolicy.TOGETHER
    on_failure: FailurePolicy = FailurePolicy.UNWIND
    timeout: int | None = None
    lead: int = 1
    not_after: datetime | None = None
    cost: Decimal = ZERO  # what the growing holdings need, about
    waits: bool = False  # for other orders, which are about to trade what it would close

    @property
    def is_exit(self) -> bool:
        """Tell whether every leg only reduces what is held."""
        return all(leg.is_exit for leg in self.legs)


@dataclass(slots=True, kw_only=True)
class PlanContext:
    """All that planning one signal may look at; `trace` is put on the signal when all is decided."""

    session: Session
    signal: Signal
    now: datetime
    broker: BrokerFacts
    known: Snapshot
    desk_lifetime: timedelta
    attached_hedge: bool = False
    trace: list[dict[str, Any]] = field(default_factory=list)

    @property
    def subject(self) -> Subject:
        """Return what is traded and where, as the rules ask for it."""
        signal = self.signal
        kind = TickerType(str(signal.ticker_type))
        return Subject(self.known.account_name(signal.account_id or 0), str(signal.name), kind)

    def see(self, check: str, ok: bool, text: str, **values: object) -> None:
        """Put one answer on record."""
        self.trace.append(step(check, ok, text, **values))

    def add(self, steps: Sequence[dict[str, Any]]) -> None:
        """Put answers on record."""
        self.trace.extend(steps)


def size(scene: PlanContext, book: Book, *, to_target: bool) -> Plan:
    """Return the legs a signal asks for; raises NotTradable."""
    signal = scene.signal
    if signal.source == Source.FLATTEN:
        return _closing_plan(scene, book)
    instruments = [scene.known.terms_of(symbol) for symbol in (signal.symbol1, signal.symbol2) if symbol]
    if signal.ticker_type == TickerType.PAIR:
        return _pair_plan(scene, book, instruments, to_target=to_target)
    only = instruments[0]
    side, quantity = Side(signal.side), signal.quantity
    if to_target and signal.source == Source.WEBHOOK:
        side, quantity = _to_target(scene, book, only.symbol)
    number = 2 if signal.name != only.symbol and not str(signal.name).startswith(f"{only.symbol}-") else 1
    return Plan(legs=[_leg((scene, book), number, only, (side, quantity), _terms(only, signal.price))])


def _terms(instrument: InstrumentTerms, price: Decimal | None) -> OrderTerms:
    """Return the terms that a stock is registered with; its limit and its stop are the alert's price."""
    order_type = instrument.order_type
    return OrderTerms(
        order_type=order_type,
        time_in_force=instrument.time_in_force,
        limit_price=price if order_type.has_limit else None,
        stop_price=price if order_type.has_stop else None,
        extended_hours=instrument.extended_hours,
    )


def _closing_plan(scene: PlanContext, book: Book) -> Plan:
    """Return the orders that close a book: the short leg first, for its loss has no bound."""
    signal = scene.signal
    legs = []
    symbols = [symbol for symbol in (signal.symbol1, signal.symbol2) if symbol]
    for number, symbol in enumerate(symbols, 1):
        held = book.position(str(signal.name), symbol)
        if held:
            side = Side.SELL if held > 0 else Side.BUY
            legs.append(_leg((scene, book), number, scene.known.terms_of(symbol), (side, abs(held))))
    if not legs:
        raise NotTradable(SignalStatus.CANCELED, "flat", f"{signal.name} is flat already.")
    lead = next((leg.number for leg in legs if leg.side is Side.BUY), 1)
    names = ", ".join(f"{leg.side} {plain_text(leg.quantity)} {leg.symbol}" for leg in legs)
    scene.see("sizing", True, f"The book of {signal.name} is closed: {names}.")
    return Plan(legs=legs, policy=LegPolicy.LEG1_FIRST, on_failure=FailurePolicy.COMPLETE, lead=lead)


def _pair_plan(scene: PlanContext, book: Book, instruments: Sequence[InstrumentTerms], *, to_target: bool) -> Plan:
    signal = scene.signal
    first, second = instruments
    name, hedge_ratio = str(signal.name), signal.hedge_ratio or Decimal(1)
    side1, quantity1 = Side(signal.side), signal.quantity
    held1, held2 = book.position(name, first.symbol), book.position(name, second.symbol)
    if to_target:
        side1, quantity1 = _to_target(scene, book, first.symbol, allow_none=True)
        target1 = held1 + book.coming(name, first.symbol) + side1.sign * quantity1
        target2 = -leg2_quantity(target1, hedge_ratio, scene.broker.step_of(second.symbol, short=target1 > 0))
        missing = target2 - held2 - book.coming(name, second.symbol)
        side2, quantity2 = (Side.BUY if missing > 0 else Side.SELL), abs(missing)
    elif signal.position == MarketPosition.FLAT and _closes(
        book, name, (first.symbol, second.symbol), side1, quantity1
    ):
        side2, quantity2 = (Side.SELL if held2 > 0 else Side.BUY), abs(held2)
        closed = f"{plain_text(quantity2)} {second.symbol}"
        scene.see("closing", True, f"The pair goes flat, so all {closed} held are closed with it.")
    else:
        side2 = side1.opposite
        quantity2, _ = _quantity2(scene, book, second.symbol, side2, quantity1 * hedge_ratio)
    _see_rounding(scene, book, quantity1, quantity2)
    # A limit on one leg could leave the other one alone, so legs of a pair go to the market.
    legs = [
        _leg((scene, book), number, instrument, (side, quantity))
        for number, instrument, side, quantity in ((1, first, side1, quantity1), (2, second, side2, quantity2))
        if quantity > 0 or not to_target
    ]
    if not legs:
        raise NotTradable(SignalStatus.CANCELED, AT_TARGET, f"{name} is where the alert wants it already.")
    return _with_policy(scene, Plan(legs=legs))


def _quantity2(scene: PlanContext, book: Book, symbol: str, side: Side, wanted: Decimal) -> tuple[Decimal, Decimal]:
    """Return the shares of leg 2 nearest to what is wanted that the broker takes, and the step they go by.

    What is short before or after goes by the step of short positions. A fraction that is held long is closed by an
    order of its own where the broker asks for that, and only what is opened then must be in such steps.
    """
    held = book.account_position(symbol)
    after = held + side.sign * wanted
    step = scene.broker.step_of(symbol, short=min(held, after) < 0)
    if held > 0 > after and not scene.broker.reverses_in_one_order:
        return held + round_to_step(-after, step), step
    return round_to_step(wanted, step), step


def _with_policy(scene: PlanContext, plan: Plan) -> Plan:
    plan.policy, plan.on_failure, plan.timeout = scene.known.terms_of_pair(str(scene.signal.name))
    apart = len(plan.legs) < 2 or plan.legs[0].side is plan.legs[1].side
    if plan.policy is LegPolicy.ATTACHED and not scene.attached_hedge:
        scene.see("legs", True, "The broker has no attached orders; leg 2 follows the fills of leg 1 instead.")
        plan.policy = LegPolicy.LEG1_FIRST
    if apart and plan.policy is not LegPolicy.TOGETHER:
        plan.policy = LegPolicy.TOGETHER  # legs that do not hedge each other cannot follow each other
    return plan


def _to_target(scene: PlanContext, book: Book, symbol: str, *, allow_none: bool = False) -> tuple[Side, Decimal]:
    """Return what brings our own book to the alert's target position."""
    signal = scene.signal
    if signal.position is None or (signal.position_size is None and signal.position != MarketPosition.FLAT):
        text = "Sizes go by the alert's target position, but the alert names none (mar_pos and mar_pos_size)."
        scene.see("sizing", False, text)
        raise NotTradable(SignalStatus.CANCELED, "missing position size", text)
    sign = {MarketPosition.LONG: 1, MarketPosition.SHORT: -1, MarketPosition.FLAT: 0}[MarketPosition(signal.position)]
    target = sign * (signal.position_size or ZERO)
    held, coming = book.position(str(signal.name), symbol), book.coming(str(signal.name), symbol)
    missing = target - held - coming
    text = (
        f"The target is {plain_text(target)} {symbol}; the book holds {plain_text(held)} and works "
        f"{plain_text(coming)}, so {plain_text(abs(missing))} are missing."
    )
    scene.see("sizing", True, text, target=target, held=held, working=coming)
    if missing == 0 and not allow_none:
        text = f"The book holds {plain_text(held)} {symbol} as the alert wants it."
        raise NotTradable(SignalStatus.CANCELED, AT_TARGET, text)
    return (Side.BUY if missing > 0 else Side.SELL), abs(missing)


def _closes(book: Book, name: str, symbols: tuple[str, str], side1: Side, quantity1: Decimal) -> bool:
    """Tell whether a trade of leg 1 ends a pair of which nothing works any more."""
    held1, held2 = (book.position(name, symbol) for symbol in symbols)
    idle = all(order.name != name for order in book.working)
    return idle and held1 * held2 < 0 and held1 + side1.sign * quantity1 == 0


def _see_rounding(scene: PlanContext, book: Book, quantity1: Decimal, quantity2: Decimal) -> None:
    symbol1, symbol2 = str(scene.signal.symbol1), str(scene.signal.symbol2)
    hedge_ratio = scene.signal.hedge_ratio or Decimal(1)
    off = plain(quantity2 - quantity1 * hedge_ratio)
    side2 = Side(scene.signal.side).opposite
    _, step2 = _quantity2(scene, book, symbol2, side2, quantity1 * hedge_ratio)
    quote = scene.broker.quotes.get(symbol2)
    price = quote.middle if quote else book.average.get((str(scene.signal.name), symbol2))
    money = f"{abs(off) * (price or ZERO):.2f}" if price or not off else "not known, there is no price"
    text = (
        f"{plain_text(quantity1)} {symbol1} are hedged by {plain_text(quantity2)} {symbol2} "
        f"(ratio {plain_text(hedge_ratio)}, steps of {plain_text(step2)})."
    )
    scene.see(
        "sizing", quantity2 > 0 or quantity1 == 0, text,
        quantity1=quantity1, quantity2=quantity2, hedge_ratio=hedge_ratio, rounding=off, rounding_in_money=money,
    )  # fmt: skip


def _leg(
    where: tuple[PlanContext, Book],
    number: int,
    instrument: InstrumentTerms,
    trade: tuple[Side, Decimal],
    terms: OrderTerms = MARKET,
) -> Leg:
    (scene, book), (side, quantity) = where, trade
    held = book.position(str(scene.signal.name), instrument.symbol)
    in_all = book.account_position(instrument.symbol)
    short = min(in_all, in_all + side.sign * quantity) < 0
    return Leg(
        number=number,
        symbol=instrument.symbol,
        asset_class=instrument.asset_class,
        currency=instrument.currency,
        side=side,
        quantity=quantity,
        step=scene.broker.step_of(instrument.symbol, short=short),
        terms=terms,
        is_exit=held * side.sign < 0 and quantity <= abs(held),
    )
