"""How well the fills met the prices of the alerts, by stock or pair and side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from domain.enums import Side
from domain.slippage import Slippage, Tally
from extensions import db
from models import Instrument, Signal
from models.signal import SLIPPED

MOST_SIGNALS = 50_000  # of one report: they are added up here, because SQLite would do it with floats


@dataclass(frozen=True, slots=True, kw_only=True)
class SlippageFilter:
    """Which signals count: of a stock or pair, of a side, received in a time (UTC, `until` excluded)."""

    name: str | None = None
    side: Side | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class NameSlippage:
    """The slippage of one stock or pair, each side alone and both; money in the currency of leg 1."""

    name: str
    currency: str | None
    buy: Slippage | None
    sell: Slippage | None
    both: Slippage | None


@dataclass(frozen=True, slots=True)
class Report:
    """The names in order; `covers_since` is set when there were too many signals and older ones were left out."""

    names: list[NameSlippage]
    covers_since: datetime | None


def report(wanted: SlippageFilter) -> Report:
    """Return the slippage of the filled signals, partly filled ones by what was filled."""
    query = (
        sa.select(Signal.name, Signal.symbol1, Signal.side, Signal.slip, Signal.filled_quantity, Signal.received_at)
        .where(SLIPPED, Signal.filled_quantity.is_not(None))
        .order_by(Signal.received_at.desc(), Signal.id.desc())
        .limit(MOST_SIGNALS + 1)
    )
    if wanted.name is not None:
        query = query.where(Signal.name == wanted.name)
    if wanted.side is not None:
        query = query.where(Signal.side == wanted.side)
    if wanted.since is not None:
        query = query.where(Signal.received_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Signal.received_at < wanted.until)
    rows = db.session.execute(query).all()
    counted = rows[:MOST_SIGNALS]
    tallies: dict[str, dict[Side | None, Tally]] = {}
    symbols: dict[str, str | None] = {}
    for row in counted:
        if row.name is None or row.slip is None or row.filled_quantity is None:
            continue
        symbols.setdefault(row.name, row.symbol1)
        tally = tallies.setdefault(row.name, {None: Tally(), Side.BUY: Tally(), Side.SELL: Tally()})
        for which in (None, Side(row.side)):
            tally[which].add(row.slip, row.filled_quantity)
    currencies = _currencies(sorted({symbol for symbol in symbols.values() if symbol}))
    names = [
        NameSlippage(
            name, currencies.get(symbols[name] or ""), tally[Side.BUY].result(), tally[Side.SELL].result(), both
        )
        for name, tally in sorted(tallies.items())
        if (both := tally[None].result()) is not None
    ]
    return Report(names, counted[-1].received_at if len(rows) > MOST_SIGNALS else None)


def _currencies(symbols: list[str]) -> dict[str, str]:
    query = sa.select(Instrument.symbol, Instrument.currency)
    if len(symbols) <= 500:  # else the whole register is read, rather than a list of any length sent
        query = query.where(Instrument.symbol.in_(symbols))
    return {row.symbol: row.currency for row in db.session.execute(query)}
