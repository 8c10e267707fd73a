"""When exchanges are open: regular hours with holidays and half days.

Holidays come from a library that keeps them; it is imported only when somebody asks, because it
costs a worker some megabytes.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.enums import AssetClass

FAR = 15  # days; no market is closed for longer
FX_ZONE, FX_EDGE = ZoneInfo("America/New_York"), time(17)
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Session:
    """Whether a market is open, when it opens next and when it closes next; aware UTC, None = never."""

    is_open: bool
    opens_at: datetime | None = None
    closes_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Market:
    """An exchange's regular day; `code` names it in the library of holidays."""

    code: str
    zone: ZoneInfo
    opens: time
    closes: time
    closes_early: time


US = Market("XNYS", ZoneInfo("America/New_York"), time(9, 30), time(16), time(13))
LONDON = Market("XLON", ZoneInfo("Europe/London"), time(8), time(16, 30), time(12, 30))
TORONTO = Market("XTSE", ZoneInfo("America/Toronto"), time(9, 30), time(16), time(13))
ZURICH = Market("XSWX", ZoneInfo("Europe/Zurich"), time(9), time(17, 30), time(17, 30))

# As brokers and charts call them; the holidays of these were compared with a second source for five years.
MARKETS = {
    **dict.fromkeys(
        (
            "SMART", "ISLAND", "NASDAQ", "NYSE", "ARCA", "NYSEARCA", "AMEX", "NYSEAMERICAN", "BATS", "CBOE", "IEX",
            "XNYS", "XNAS", "ARCX", "XASE", "NMS", "NGM", "OTC", "PINK",
        ),
        US,
    ),
    **dict.fromkeys(("LSE", "LSEETF", "XLON"), LONDON),
    **dict.fromkeys(("TSX", "XTSE"), TORONTO),
    **dict.fromkeys(("EBS", "SIX", "XSWX"), ZURICH),
}  # fmt: skip


def market_hours(exchange: str, asset_class: AssetClass, now: datetime) -> Session | None:
    """Return the session of an exchange at `now` (aware); None when its hours are not known.

    Coins always trade, currencies from Sunday 17:00 to Friday 17:00 New York.
    """
    if asset_class is AssetClass.CRYPTO:
        return Session(is_open=True)
    if asset_class is AssetClass.FX:
        return _fx(now)
    market = MARKETS.get(exchange.upper()) if asset_class is AssetClass.STOCK else None
    return None if market is None else _session(market, now)


def _session(market: Market, now: datetime) -> Session:
    for opens, closes in _days(market, now.astimezone(market.zone).date()):
        if now < opens:
            return Session(is_open=False, opens_at=opens, closes_at=closes)
        if now < closes:
            return Session(is_open=True, closes_at=closes)
    return Session(is_open=False)


def _days(market: Market, first: date) -> Iterator[tuple[datetime, datetime]]:
    for number in range(FAR):
        day = first + timedelta(days=number)
        closed, early = _holidays(market.code, day.year)
        if day.weekday() >= SATURDAY or day in closed:
            continue
        closes = market.closes_early if day in early else market.closes
        yield _utc(day, market.opens, market.zone), _utc(day, closes, market.zone)


def _fx(now: datetime) -> Session:
    local = now.astimezone(FX_ZONE)
    sunday = local.date() - timedelta(days=(local.weekday() + 1) % 7)
    if now < _utc(sunday, FX_EDGE, FX_ZONE):
        sunday -= timedelta(days=7)
    closes = _utc(sunday + timedelta(days=5), FX_EDGE, FX_ZONE)
    if now < closes:
        return Session(is_open=True, closes_at=closes)
    opens = _utc(sunday + timedelta(days=7), FX_EDGE, FX_ZONE)
    return Session(is_open=False, opens_at=opens, closes_at=_utc(sunday + timedelta(days=12), FX_EDGE, FX_ZONE))


def _utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)


@functools.lru_cache(maxsize=64)
def _holidays(code: str, year: int) -> tuple[frozenset[date], frozenset[date]]:
    """Return the days of a year on which an exchange is closed, and those on which it closes early."""
    import holidays  # a slow import that most desks never need

    closed = holidays.financial_holidays(code, years=year)
    if "half_day" not in closed.supported_categories:
        return frozenset(closed), frozenset()
    return frozenset(closed), frozenset(holidays.financial_holidays(code, years=year, categories=("half_day",)))
