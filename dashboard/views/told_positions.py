"""What an outside executor tells of its account, made ready for the page of positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.formatting import Moment, moment, number, price
from dashboard.views.positions import Figure, gain, side
from services.reports.executor_figures import ToldHolding

NOT_TOLD = Figure(why="its executor did not tell")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldLine:
    """A symbol as its executor told it; `booked` is what the desk's books hold where that is another quantity."""

    key: str
    symbol: str
    side: str
    held: str
    cost: Figure
    unrealised: Figure
    told: Moment
    booked: str


def told_lines(account_id: int, rows: Sequence[ToldHolding]) -> tuple[ToldLine, ...]:
    """Return the lines of an account."""
    return tuple(_line(f"told-{account_id}-{row.told.symbol}", row) for row in rows)


def _line(key: str, row: ToldHolding) -> ToldLine:
    told = row.told
    return ToldLine(
        key=key,
        symbol=told.symbol,
        side=side(told.quantity),
        held=number(abs(told.quantity)),
        cost=NOT_TOLD if told.average_cost is None else Figure(price(told.average_cost)),
        unrealised=NOT_TOLD if told.unrealised is None else gain(told.unrealised),
        told=moment(told.told_at),
        booked="" if told.quantity == row.booked else f"{side(row.booked)} {number(abs(row.booked))}",
    )
