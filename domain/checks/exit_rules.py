"""The check of exits: what closes a position closes at most what is held."""

from decimal import Decimal

from domain.checks.facts import Facts, PlannedLeg
from domain.checks.rules import Rules
from domain.checks.verdict import Finding, show
from domain.enums import Side

ZERO = Decimal(0)


def reduce_only(facts: Facts, rules: Rules) -> Finding | None:
    """What an alert closes by its own words must be held; how large an opening it is does not matter here."""
    share = facts.closes
    if not share or not facts.legs:
        return None
    texts, legs = [], []
    values: dict[str, object] = {}
    for leg in facts.legs:
        opens = leg.quantity * (facts.quantity - share) / facts.quantity
        closes = leg.quantity - opens
        free = facts.closable(leg.symbol, leg.side)
        quantity = leg.quantity if closes <= free else free + opens
        if quantity > 0:
            legs.append(PlannedLeg(leg.symbol, leg.side, quantity))
        texts.append(_text(facts, leg, closes, free))
        values |= {f"closes {leg.symbol}": show(closes), f"held {leg.symbol}": show(facts.expected(leg.symbol))}
    text = f"{'; '.join(texts)}."
    if tuple(legs) == facts.legs:
        return Finding(True, text, values)
    where = ", ".join(map(str, facts.elsewhere))
    return Finding(False, f"{text}{f' Held elsewhere: {where}.' if where else ''}", values, legs=tuple(legs))


def _text(facts: Facts, leg: PlannedLeg, closes: Decimal, free: Decimal) -> str:
    line, promised = facts.own(leg.symbol), facts.promised.get(leg.symbol, ZERO)
    on_its_way = line.working + promised
    held = f"the book holds {show(line.held)}" + (f" and works {show(on_its_way)}" if on_its_way else "")
    spare = facts.spare(leg.symbol, leg.side)
    if abs(spare) > max(ZERO, -leg.side.sign * facts.expected(leg.symbol)):
        held += f", the account {show(spare)} with what the desk did not trade"
    what = "long" if leg.side is Side.SELL else "short"
    end = "" if free >= closes else f", so {show(closes - free)} would close nothing"
    if not free:
        end = f": there is nothing {what} to close"
    return f"To {leg.side} {show(closes)} {leg.symbol} is to close, and {held}{end}"
