"""How values are written on pages: numbers, times and statuses in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.enums import Scope
from domain.order_status import SignalStatus

MINUTE, HOUR, DAY = 60, 3600, 86400
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
W = SignalStatus

# The look of each status, and what it means when the desk gave no reason of its own.
LOOK = {
    W.WAITING: "waiting",
    W.REROUTED: "waiting",
    W.CREATED: "created",
    W.LEG_FILLED: "filling",
    W.PART_FILLED: "filling",
    W.FILLED: "filled",
    W.CANCELED: "canceled",
    W.ERROR: "error",
    W.CRITICAL: "critical",
}
MEANING = {
    W.WAITING: "The worker has not taken it up yet.",
    W.REROUTED: "It is tried again on another route.",
    W.CREATED: "Its orders are with the broker, nothing is filled yet.",
    W.LEG_FILLED: "One leg is filled, the other not yet.",
    W.PART_FILLED: "Part of the quantity is filled.",
    W.FILLED: "The whole quantity is filled.",
    W.CANCELED: "It was canceled.",
    W.ERROR: "It was refused.",
    W.CRITICAL: "A person must look at it.",
}
WAITS_OUTSIDE = "It waits for your own executor to take it up."
ORDER_LOOK = {
    "FILLED": "filled",
    "PARTIALLY_FILLED": "filling",
    "ACCEPTED": "created",
    "CANCEL_PENDING": "created",
    "QUEUED": "waiting",
    "CLAIMED": "waiting",
    "SENDING": "waiting",
    "UNKNOWN": "critical",
    "MANUAL": "critical",
    "REJECTED": "error",
    "DENIED": "error",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as a page shows it: day and clock for the eye, the exact text beside, ISO for the machine."""

    iso: str
    day: str
    clock: str
    exact: str


def moment(time: datetime, now: datetime | None = None) -> Moment:
    """Return a time, UTC, ready to be shown; seen from `now` the day is short, and empty when it is today."""
    exact = f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03d} UTC"
    day = f"{time:%Y-%m-%d}"
    if now is not None and time.year == now.year:
        day = "" if time.date() == now.date() else f"{time.day} {MONTHS[time.month - 1]}"
    return Moment(time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), day, f"{time:%H:%M:%S}", exact)


def maybe(time: datetime | None) -> Moment | None:
    """Return a time ready to be shown, if there is one."""
    return None if time is None else moment(time)


def number(value: Decimal | None, decimals: int = 0) -> str:
    """Return a number in full with at least so many decimals, thousands apart; empty for none."""
    if value is None:
        return ""
    whole, _, fraction = f"{value:,f}".partition(".")
    fraction = fraction.ljust(decimals, "0")
    return f"{whole}.{fraction}" if fraction else whole


def signed(value: Decimal | None, decimals: int = 0) -> str:
    """Return a number with its sign in front, also when it is positive."""
    text = number(value, decimals)
    return f"+{text}" if value is not None and value > 0 else text


def count(number: int, one: str, more: str = "") -> str:
    """Return how many there are of something."""
    return f"1 {one}" if number == 1 else f"{number} {more or one + 's'}"


CENT, PLACE = Decimal("0.01"), Decimal("0.0001")


def money(value: Decimal | None) -> str:
    """Return an amount of money to the cent; what is less than a cent stands in full."""
    if value is None or (value and abs(value) < CENT):
        return number(value, 2)
    return number(value.quantize(CENT), 2)


def signed_money(value: Decimal | None) -> str:
    """Return an amount with its sign in front, also when it is positive."""
    return f"+{money(value)}" if value is not None and value > 0 else money(value)


def price(value: Decimal | None) -> str:
    """Return a price per share with two to four decimals; what is less than 1 stands in full."""
    if value is None or abs(value) < 1:
        return number(value, 2)
    text = number(value.quantize(PLACE))
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def scope_words(scope: str, name: str) -> str:
    """Return what a stop or limit covers."""
    return "for the whole desk" if scope == Scope.DESK else f"for the {scope} {name}"


def sign_look(value: Decimal | None) -> str:
    """Return the look of a slip: better or worse than the alert's price."""
    if not value:
        return "even"
    return "better" if value > 0 else "worse"


def span(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def held(position: str | None, size: Decimal | None) -> str:
    """Return a position as the alert states it, as `long 100`."""
    if position is None:
        return number(size)
    return position if position == "flat" or size is None else f"{position} {number(size)}"
