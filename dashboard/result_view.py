"""Results and slippage as the pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboard.position_view import Figure, gain
from dashboard.words import money, number, price, sign_look, signed, signed_money
from domain.slippage import Slippage
from services import pnl, slippage
from services.pnl import Group, ResultFilter
from services.slippage import SlippageFilter

PERIODS = ((1, "Today, UTC"), (7, "7 days"), (30, "30 days"))
SLIPPAGE_DAYS = 30


@dataclass(frozen=True, slots=True)
class ResultLine:
    """What one period brought in one currency."""

    period: str
    currency: str
    realised: Figure
    commission: str
    net: Figure
    traded: str


@dataclass(frozen=True, slots=True)
class SlipLine:
    """How the fills of one stock or pair met the prices of its alerts."""

    name: str
    side: str
    signals: str
    quantity: str
    average: Figure
    best: str
    worst: str
    money: Figure


def result_lines(now: datetime) -> list[ResultLine]:
    """Return the results of the periods; none where nothing was traded in any of them."""
    lines = []
    for days, label in PERIODS:
        first = now.date() - timedelta(days=days - 1)
        for total in pnl.report(ResultFilter(group=Group.DAY, first_day=first, last_day=now.date())).totals:
            lines.append(
                ResultLine(
                    label,
                    total.currency or "not known",
                    gain(total.realised),
                    money(total.commission),
                    gain(total.net),
                    number(total.traded),
                )
            )
    return lines


def result_today(now: datetime) -> list[Figure]:
    """Return what today has brought after commission, for each currency."""
    today = ResultFilter(group=Group.DAY, first_day=now.date(), last_day=now.date())
    totals = pnl.report(today).totals
    return [
        Figure(f"{signed_money(total.net)} {total.currency or ''}".strip(), sign_look(total.net))
        for total in totals
        if total.traded or total.net or len(totals) == 1
    ]


def slip_lines(now: datetime) -> list[SlipLine]:
    """Return the slippage of the last days by name and side; both sides together where both were traded."""
    since = datetime(now.year, now.month, now.day, tzinfo=UTC) - timedelta(days=SLIPPAGE_DAYS - 1)
    lines = []
    for row in slippage.report(SlippageFilter(since=since)).names:
        sides = [("buy", row.buy), ("sell", row.sell)]
        if row.buy and row.sell:
            sides.append(("both", row.both))
        lines += [_slip_line(row.name, side, row.currency or "", found) for side, found in sides if found]
    return lines


def _slip_line(name: str, side: str, currency: str, found: Slippage) -> SlipLine:
    average = f"+{price(found.average)}" if found.average > 0 else price(found.average)
    return SlipLine(
        name,
        side,
        str(found.signals),
        number(found.quantity),
        Figure(average, sign_look(found.average)),
        signed(found.best, 2),
        signed(found.worst, 2),
        Figure(f"{signed_money(found.money)} {currency}".strip(), sign_look(found.money)),
    )
