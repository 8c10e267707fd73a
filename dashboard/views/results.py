"""Results and slippage as the pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboard.formatting import money, number, price, sign_look, signed, signed_money
from dashboard.views.positions import Figure, gain
from domain.slippage import Slippage
from services.reports import pnl, slippage
from services.reports.pnl import Group, Line, ResultFilter
from services.reports.slippage import SlippageFilter

PERIODS = ((1, "Today, UTC"), (7, "7 days"), (30, "30 days"))
SLIPPAGE_DAYS = 30


@dataclass(frozen=True, slots=True)
class ResultLine:
    """What one period brought in one currency; `money` tells real from play money where there are both."""

    period: str
    money: str
    currency: str
    realised: Figure
    commission: str
    net: Figure
    traded: str


@dataclass(frozen=True, slots=True)
class SlipLine:
    """How the fills of one stock or pair met the prices of its alerts."""

    name: str
    signals: str
    quantity: str
    buy: Figure
    sell: Figure
    average: Figure
    best: str
    worst: str
    money: Figure


def result_lines(now: datetime) -> list[ResultLine]:
    """Return the results of the periods, real money first; none where nothing was traded in any of them."""
    found = [(label, total) for days, label in PERIODS for total in _totals(now, days)]
    mixed = _is_mixed([total for _, total in found])
    found.sort(key=lambda each: not each[1].real_money)  # the periods keep their order
    return [
        ResultLine(
            label,
            _kind(total) if mixed else "",
            total.currency or "not known",
            gain(total.realised),
            money(total.commission),
            gain(total.net),
            number(total.traded),
        )
        for label, total in found
    ]


def result_today(now: datetime) -> list[Figure]:
    """Return what today has brought after commission, for each currency, real money first."""
    totals = _totals(now, 1)
    shown = [total for total in totals if total.traded or total.net or len(totals) == 1]
    mixed = _is_mixed(shown)
    return [
        Figure(
            " ".join(word for word in (signed_money(total.net), total.currency, _kind(total) if mixed else "") if word),
            sign_look(total.net),
        )
        for total in shown
    ]


def _totals(now: datetime, days: int) -> Sequence[Line]:
    first = now.date() - timedelta(days=days - 1)
    return pnl.report(ResultFilter(group=Group.DAY, first_day=first, last_day=now.date())).totals


def _is_mixed(totals: Sequence[Line]) -> bool:
    return len({total.real_money for total in totals}) > 1


def _kind(total: Line) -> str:
    return "real money" if total.real_money else "play money"


def slip_lines(now: datetime) -> list[SlipLine]:
    """Return the slippage of the last days by name."""
    since = datetime(now.year, now.month, now.day, tzinfo=UTC) - timedelta(days=SLIPPAGE_DAYS - 1)
    return [
        SlipLine(
            row.name,
            str(row.both.signals),
            number(row.both.quantity),
            _average(row.buy),
            _average(row.sell),
            _average(row.both),
            signed(row.both.best, 2),
            signed(row.both.worst, 2),
            Figure(f"{signed_money(row.both.money)} {row.currency or ''}".strip(), sign_look(row.both.money)),
        )
        for row in slippage.report(SlippageFilter(since=since)).names
        if row.both
    ]


def _average(found: Slippage | None) -> Figure:
    if found is None:
        return Figure()
    return Figure(f"+{price(found.average)}" if found.average > 0 else price(found.average), sign_look(found.average))
