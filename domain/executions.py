"""What of a broker's report of an order is still to be booked: new executions, and what no execution ever shows.

The desk keeps eight decimals, some coins trade in nine, and executions come in any order: what is rounded is their
sum, so that what is booked adds up to what the order says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from domain.exact import EXACT, plain_text, round8
from domain.messages import FillReport, OrderReport

REST = "rest"
ZERO = Decimal(0)
ROUNDING = Decimal("2e-8")  # by so much what is booked of an execution may differ from it, as sums are rounded


class BookedFill(Protocol):
    """A fill on record."""

    @property
    def execution_id(self) -> str:
        """Return the broker's name of the execution, or ours of a rest."""

    @property
    def quantity(self) -> Decimal:
        """Return how much was booked of it."""

    @property
    def price(self) -> Decimal:
        """Return at which price."""

    @property
    def at(self) -> datetime:
        """Return when it was executed, aware UTC."""


def is_rest(execution_id: str) -> bool:
    """Return True if a fill was booked by an order's total, because no execution showed it."""
    return execution_id.startswith(f"{REST}:")


def rest_of(report: OrderReport) -> FillReport | None:
    """Return what a settled total says beyond the executions of a report, as one fill; None where that is nothing.

    Its id follows from the report, so that several workers book it once. Its price makes the average right.
    """
    total = report.total
    if total is None or not total.is_settled:
        return None
    shown, paid = ZERO, ZERO
    for fill in report.fills:
        shown, paid = EXACT.add(shown, fill.quantity), EXACT.add(paid, EXACT.multiply(fill.quantity, fill.price))
    quantity = round8(total.quantity) - round8(shown)
    if quantity <= 0:
        return None
    price = round8(EXACT.divide(EXACT.multiply(total.quantity, total.average_price) - paid, quantity))
    return FillReport(
        execution_id=f"{REST}:{report.broker_order_id}:{plain_text(round8(total.quantity))}",
        quantity=quantity,
        price=price if price > 0 else round8(total.average_price),
        commission=ZERO,
        at=report.at,
        synthetic=True,
    )


def may_book(report: OrderReport) -> tuple[FillReport, ...]:
    """Return all fills that may be booked of a report, whatever is on record: its executions, and what they lack."""
    rest = rest_of(report)
    return report.fills if rest is None else (*report.fills, rest)


def to_book(booked: Sequence[BookedFill], report: OrderReport) -> list[FillReport]:
    """Return the fills of a report that are not on record, oldest first, and last the rest that its total says.

    An execution that shows after its rest was booked is what that rest stands for, and not booked again.
    """
    listed = {fill.execution_id: fill.quantity for fill in report.fills}
    mine = [fill for fill in booked if _is_of(fill, report, listed)]
    rests = [fill for fill in mine if is_rest(fill.execution_id)]
    done, exact = _sum(fill.quantity for fill in mine), _sum(_exact(fill, listed) for fill in mine)
    most = max(report.filled, round8(report.total.quantity) if report.total is not None else ZERO)
    cover = _Cover(mine, rests, listed)
    known, found = {fill.execution_id for fill in booked}, list[FillReport]()
    for fill in sorted(report.fills, key=lambda fill: (fill.at, fill.execution_id)):
        if fill.execution_id in known:
            continue
        exact = EXACT.add(exact, cover.left_of(fill))
        step = (min(round8(exact), most) if rests else round8(exact)) - done
        if step > 0:
            found.append(replace(fill, quantity=step))
            done += step
    rest = rest_of(report)
    if rest is not None and rest.execution_id not in known and most > done:
        found.append(replace(rest, quantity=round8(most - done)))
    return found


class _Cover:
    """What was booked by totals, as far as no execution has shown yet that it stands for."""

    def __init__(self, mine: Sequence[BookedFill], rests: Sequence[BookedFill], listed: Mapping[str, Decimal]) -> None:
        used = _sum(listed.get(fill.execution_id, ZERO) - fill.quantity for fill in mine if _is_part(fill, listed))
        self._left = _sum(fill.quantity for fill in rests) - used
        self._until = max((fill.at for fill in rests), default=None)

    def left_of(self, fill: FillReport) -> Decimal:
        """Return how much of an execution that is not on record was not booked by a total before it showed."""
        if self._until is None or fill.at > self._until:
            return fill.quantity
        covered = max(ZERO, min(fill.quantity, self._left))
        self._left -= covered
        return fill.quantity - covered


def _is_part(fill: BookedFill, listed: Mapping[str, Decimal]) -> bool:
    """Return True if only a part of an execution was booked under its name, as a rest stood for the other part."""
    return listed.get(fill.execution_id, fill.quantity) - fill.quantity > ROUNDING


def _exact(fill: BookedFill, listed: Mapping[str, Decimal]) -> Decimal:
    return fill.quantity if _is_part(fill, listed) else listed.get(fill.execution_id, fill.quantity)


def _is_of(fill: BookedFill, report: OrderReport, listed: Mapping[str, Decimal]) -> bool:
    """Return True if a fill is of the order that a report speaks of, and not of one in whose place that is."""
    if not report.replaces and not report.replaced_by:
        return True
    return fill.execution_id in listed or fill.execution_id.startswith(f"{REST}:{report.broker_order_id}:")


def _sum(quantities: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for quantity in quantities:
        total = EXACT.add(total, quantity)
    return total
