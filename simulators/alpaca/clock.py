"""The simulator's time, which can be moved, and its exchange's hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays

NEW_YORK = ZoneInfo("America/New_York")
OPENS, CLOSES = timedelta(hours=9, minutes=30), timedelta(hours=16)
EARLY, LATE = timedelta(hours=4), timedelta(hours=20)  # extended hours
FAR = timedelta(days=365)


@dataclass
class Clock:
    """`mode`: always (open day and night), real (New York's hours) or manual (as the control said last)."""

    offset: float = 0.0  # seconds ahead of the machine's clock
    mode: str = "always"
    manual_open: bool = True
    turn_at: datetime | None = None  # when a manual session changes by itself
    was_open: bool = True  # when somebody looked last
    manual_overnight: bool = False  # a manual session that is closed is that of the night

    def now(self) -> datetime:
        """Return the simulator's time, aware UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.offset)

    def move_to(self, at: datetime) -> None:
        """Let it be that late; a clock never goes back."""
        self.offset += max(0.0, (at - self.now()).total_seconds())

    def is_open(self) -> bool:
        """Return True if the exchange is open."""
        if self.mode == "always":
            return True
        if self.mode == "manual":
            turned = self.turn_at is not None and self.now() >= self.turn_at
            return self.manual_open is not turned
        opens, closes = _session(self.now())
        return opens <= self.now() < closes

    def is_extended(self) -> bool:
        """Return True if orders for extended hours trade."""
        if self.mode != "real":
            return True
        day = self.now().astimezone(NEW_YORK)
        begin = day.replace(hour=0, minute=0, second=0, microsecond=0)
        return not is_closed(day.date()) and begin + EARLY <= day < begin + LATE

    def is_overnight(self) -> bool:
        """Return True between the late and the early session, on nights before a trading day.

        https://docs.alpaca.markets/us/docs/245-trading.md: 20:00 to 4:00 New York, not before a holiday.
        """
        if self.mode != "real":
            return self.manual_overnight and not self.is_open()
        day = self.now().astimezone(NEW_YORK)
        begin = day.replace(hour=0, minute=0, second=0, microsecond=0)
        if day < begin + EARLY:
            return not is_closed(day.date())
        return day >= begin + LATE and not is_closed(day.date() + timedelta(days=1))

    def extended_phase(self) -> str:
        """Return the phase of an exchange that is not open, as the clocks of /v3 name it."""
        if self.mode != "real" or not self.is_extended():
            return "closed"
        return "pre" if self.now() < session_of(self.now().astimezone(NEW_YORK).date())[0] else "post"

    def is_market_day(self) -> bool:
        """Return True if the exchange has a session today."""
        return self.mode != "real" or not is_closed(self.now().astimezone(NEW_YORK).date())

    def next_open(self) -> datetime:
        """Return when the exchange opens next."""
        if self.mode == "real":
            return _next(self.now(), opening=True)
        if self.mode == "manual" and not self.is_open() and self.turn_at is not None and self.turn_at > self.now():
            return self.turn_at
        return self.now() + FAR

    def next_close(self) -> datetime:
        """Return when it closes next."""
        if self.mode == "real":
            return _next(self.now(), opening=False)
        if self.mode == "manual" and self.is_open() and self.turn_at is not None and self.turn_at > self.now():
            return self.turn_at
        return self.now() + FAR


@cache
def _closed_days(year: int) -> frozenset[date]:
    return frozenset(holidays.financial_holidays("NYSE", years=year))


def is_closed(day: date) -> bool:
    """Return True if New York's exchange has no session on a day."""
    return day.weekday() > 4 or day in _closed_days(day.year)


def session_of(day: date) -> tuple[datetime, datetime]:
    """Return when a trading day begins and ends, in New York's time."""
    begin = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
    return begin + OPENS, begin + CLOSES


def _session(at: datetime) -> tuple[datetime, datetime]:
    """Return the session that runs, or the next one."""
    day = at.astimezone(NEW_YORK).date()
    while is_closed(day) or session_of(day)[1] <= at:
        day += timedelta(days=1)
    return session_of(day)


def _next(at: datetime, *, opening: bool) -> datetime:
    opens, closes = _session(at)
    if opening and opens <= at:
        return _session(closes)[0]
    return opens if opening else closes
