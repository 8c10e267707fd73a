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
        sa.select(Signal.id, Signal.name, Signal.symbol1, Signal.side, Signal.slip, Signal.filled_quantity)
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
    tallies: dict[str, dict[Side, Tally]] = {}
    symbols: dict[str, str | None] = {}
    for _, name, symbol1, side, slip, filled in rows[:MOST_SIGNALS]:
        if name is None or slip is None or filled is None:
            continue
        if name not in tallies:
            tallies[name] = {Side.BUY: Tally(), Side.SELL: Tally()}
            symbols[name] = symbol1
        tallies[name][Side(side)].add(slip, filled)
    currencies = _currencies(sorted({symbol for symbol in symbols.values() if symbol}))
    return Report(
        [
            _result(name, currencies.get(symbols[name] or ""), tally[Side.BUY], tally[Side.SELL])
            for name, tally in sorted(tallies.items())
        ],
        _received_at(rows[MOST_SIGNALS - 1].id) if len(rows) > MOST_SIGNALS else None,
    )


def _result(name: str, currency: str | None, buy: Tally, sell: Tally) -> NameSlippage:
    both = Tally()
    for tally in (buy, sell):
        both.merge(tally)
    return NameSlippage(name, currency, buy.result(), sell.result(), both.result())


def _received_at(rowid: int) -> datetime:
    at: datetime = db.session.execute(sa.select(Signal.received_at).where(Signal.id == rowid)).scalar_one()
    return at


def _currencies(symbols: list[str]) -> dict[str, str]:
    query = sa.select(Instrument.symbol, Instrument.currency)
    if len(symbols) <= 500:  # else the whole register is read, rather than a list of any length sent
        query = query.where(Instrument.symbol.in_(symbols))
    return {row.symbol: row.currency for row in db.session.execute(query)}
