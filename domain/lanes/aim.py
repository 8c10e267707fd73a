"""Where a signal leads: the position it wants, from the position before it and the alert's own words."""

from dataclasses import dataclass
from decimal import Decimal

from domain.exact import plain_text
from domain.lanes.values import ZERO, Ask, Kind, Note


@dataclass(frozen=True, slots=True)
class Aim:
    """The position wanted at the end, in shares of leg 1, signed; `kind` None = there is nothing to do."""

    end: Decimal
    kind: Kind | None
    notes: tuple[Note, ...] = ()


def aim(ask: Ask, before: Decimal) -> Aim:
    """Return where a signal leads from `before`, the signed position when all earlier signals have ended.

    An alert that names the position after it never leads beyond that position; a flat one closes exactly what is held.
    """
    end = _end(ask, before)
    return Aim(end, kind_of(before, end), tuple(_notes(ask, before, end)))


def kind_of(before: Decimal, end: Decimal) -> Kind | None:
    """Return what leading from one position to another is; None where they are the same."""
    if before == end:
        return None
    if before * end < 0:
        return Kind.REVERSAL
    return Kind.EXIT if abs(end) < abs(before) else Kind.ENTRY


def _end(ask: Ask, before: Decimal) -> Decimal:
    if ask.closes_all:
        return ZERO
    if ask.to_target and ask.bound is not None:
        return ask.bound
    if ask.bound is None or not ask.cuts:
        return before + ask.change
    if ask.bound == 0:
        return ZERO
    missing = ask.bound - before
    if missing * ask.change <= 0:
        return before
    return before + ask.side.sign * min(ask.quantity, abs(missing))


def _notes(ask: Ask, before: Decimal, end: Decimal) -> list[Note]:
    notes = []
    if ask.previous is not None and ask.previous != before:
        text = f"The alert starts from {position_text(ask.previous)}, but the desk comes to {position_text(before)}."
        notes.append(Note(text, is_warning=True))
    if ask.closes_all or ask.to_target:
        return notes
    if end != before + ask.change:
        traded = abs(end - before)
        wanted = f"{ask.side} {plain_text(ask.quantity)}"
        text = (
            f"The alert says {wanted}; {plain_text(traded)} lead from {position_text(before)} to {position_text(end)}."
        )
        notes.append(Note(text))
    return notes


def position_text(position: Decimal) -> str:
    """Return a signed position in words, such as "long 10"."""
    if position == 0:
        return "flat"
    return f"{'long' if position > 0 else 'short'} {plain_text(abs(position))}"
