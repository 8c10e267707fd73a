"""What an alert itself says of its order: prices, a trail, money instead of shares.

It holds for what opens or enlarges the position of a single stock. An exit is to end the position, so it goes by the
registered terms and by its own size, and the trace says that; entries of pairs are refused by name.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from domain.alert import OwnTerms
from domain.enums import OrderType, Side, Source
from domain.exact import EXACT, plain_text
from domain.lanes.aim import position_text
from domain.lanes.values import Kind
from domain.messages import Trail
from domain.order_status import SignalStatus
from domain.planning.values import ZERO, InstrumentTerms, OrderTerms, PlanContext, Refused, Request, Steps, note

CHECK = "alert's terms"
PROTECTION = ("take_profit", "stop_loss")


def registered_terms(instrument: InstrumentTerms, price: Decimal | None) -> OrderTerms:
    """Return the terms that a stock is registered with; its limit and its stop are the alert's price."""
    order_type = instrument.order_type
    return OrderTerms(
        order_type=order_type,
        time_in_force=instrument.time_in_force,
        limit_price=price if order_type.has_limit else None,
        stop_price=price if order_type.has_stop else None,
        extended_hours=instrument.extended_hours,
    )


def entry_terms(own: OwnTerms, instrument: InstrumentTerms, price: Decimal | None) -> OrderTerms:
    """Return the terms of an order that opens: those that the alert names, else the registered ones.

    Time in force and extended hours are the registered ones always.
    """
    limit, stop = own.limit_price, own.stop_price
    trail = Trail(percent=own.trail_percent, price=own.trail_price) if own.trail_percent or own.trail_price else None
    if limit is None and stop is None and trail is None:
        return registered_terms(instrument, price)
    if trail is not None:
        order_type = OrderType.TRAILING_STOP
    elif stop is not None:
        order_type = OrderType.STOP if limit is None else OrderType.STOP_LIMIT
    else:
        order_type = OrderType.LIMIT
    return OrderTerms(
        order_type=order_type,
        time_in_force=instrument.time_in_force,
        limit_price=limit,
        stop_price=stop,
        trail=trail,
        extended_hours=instrument.extended_hours,
        of_alert=True,
    )


def objection(request: Request, kind: Kind, steps: Steps) -> Refused | None:
    """Return why the alert's own terms cannot be kept; what is not used of them goes on the trace."""
    names = [name for name in request.own_terms.told() if name != "notional" or request.is_pair]
    if not names:
        return None
    listed = ", ".join(names)
    if kind is Kind.EXIT:
        text = f"{listed}: for what opens a position; this closes one, and is sent as {request.name} is registered."
        steps.append(note(CHECK, True, text))
        return None
    if request.is_pair:
        why = (
            "its legs go to the market, for a limit or a stop on one leg could leave the other one alone, and no "
            "broker has such orders for a spread"
        )
        return _refused(names[0], f"{listed}: for single stocks. {request.name} is a pair: {why}.", steps)
    if protection := [name for name in PROTECTION if name in names]:
        why = (
            "they would be orders at the broker that close by themselves, which the desk does not send; a position "
            "is closed by an alert"
        )
        return _refused(protection[0], f"{' and '.join(protection)} cannot be kept: {why}. Nothing is opened.", steps)
    told = ", ".join(f"{name} {plain_text(value)}" for name, value in request.own_terms.told().items() if name in names)
    steps.append(note(CHECK, True, f"The alert's own terms go over the registered ones: {told}."))
    return None


def in_shares(request: Request, context: PlanContext, steps: Steps) -> tuple[Request, str] | Refused:
    """Return the request with a quantity for the money that its alert names, and what cannot be opened for it.

    The position that the alert names is that of the strategy, whose size is another one: its side counts, and no more.
    """
    money, bound = request.own_terms.notional, request.bound
    if money is None or request.is_pair or request.source is not Source.WEBHOOK:
        return request, ""
    if bound is not None and bound * request.side.sign <= 0:
        text = "notional is for what opens a position; this alert closes one, and goes by its own size."
        steps.append(note("notional", True, text))
        return request, ""
    before = context.lane.before
    turns = bound is not None and before * request.side.sign < 0
    quantity, text, values = _shares_for(money, request, context)
    steps.append(note("notional", quantity > 0, text, notional=money, **values))
    if not quantity and not turns:
        return Refused(status=SignalStatus.ERROR, reason="notional", text=text, steps=steps)
    if not quantity:
        closing = replace(request, quantity=abs(before), bound=ZERO, previous=None)
        return closing, f"nothing was opened after {position_text(before)} was closed: {text}"
    to = request.side.sign * quantity
    # Where sizes go by the alert's target, that is a position worth so much.
    is_target = bound is not None and context.rules.choice("sizing", context.facts.subject) == "target"
    whole = abs(before) + quantity if turns else quantity
    return replace(request, quantity=whole, bound=to if is_target else None, previous=None), ""


def _shares_for(money: Decimal, request: Request, context: PlanContext) -> tuple[Decimal, str, dict[str, object]]:
    """Return the quantity that costs no more than that, 0 if there is none, with the sentence and its values."""
    symbol, own = request.symbols[0], request.own_terms
    quote = context.broker.quotes.get(symbol)
    of_quote = None if quote is None else quote.ask if request.side is Side.BUY else quote.bid
    known = (
        (own.limit_price, "the alert's limit"),
        (own.stop_price, "the alert's stop"),
        (request.price, "the alert's price"),
        (of_quote, "the quote"),
    )
    price, whose = next(((price, whose) for price, whose in known if price is not None and price > 0), (None, ""))
    if price is None:
        text = f"{plain_text(money)} cannot be brought into shares: neither the alert nor a quote names a price."
        return ZERO, text, {}
    step = context.step_of(symbol, request.side is Side.SELL)
    steps = EXACT.divide(EXACT.divide(money, price), step).to_integral_value(ROUND_FLOOR, EXACT)
    quantity = EXACT.multiply(steps, step)
    how = f"at {plain_text(price)}, {whose}, in steps of {plain_text(step)}"
    values: dict[str, object] = {"price": price, "step": step, "quantity": quantity}
    if not quantity:
        return ZERO, f"{plain_text(money)} buy less than one step of {symbol}: {how}.", values
    return quantity, f"{plain_text(money)} are {plain_text(quantity)} {symbol} {how}, rounded down.", values


def _refused(reason: str, text: str, steps: Steps) -> Refused:
    steps.append(note(CHECK, False, text))
    return Refused(status=SignalStatus.ERROR, reason=reason, text=text, steps=steps)
