"""The filters of the list of signals, read from the address; each wrong one gets a message of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from domain.order_status import SignalStatus
from domain.period import BACKWARDS, first_moment, moment_after
from domain.ticker import TickerError, normalise_name
from services.reports.signal_queries import SignalFilter

NAMES = ("ticker", "status", "from", "to")


@dataclass(slots=True)
class Filters:
    """What the visitor typed, what it means, and what is wrong with it."""

    typed: dict[str, str]
    wanted: SignalFilter = field(default_factory=SignalFilter)
    after: int | None = None
    messages: dict[str, str] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, str]:
        """Return the filters that are in use, for addresses of further pages."""
        return {name: text for name, text in self.typed.items() if text}


def read_filters(args: Mapping[str, str]) -> Filters:
    """Return the filters of an address; never raises, `messages` tells what is wrong."""
    result = Filters({name: args.get(name, "").strip() for name in NAMES})
    first, last = _day(result, "from"), _day(result, "to")
    if first is not None and last is not None and last < first:
        result.messages["to"] = BACKWARDS
    result.wanted = SignalFilter(
        name=_name(result),
        status=_status(result),
        since=None if first is None else first_moment(first),
        until=None if last is None else moment_after(last),
    )
    if after := args.get("after", ""):
        if after.isascii() and after.isdigit() and len(after) <= 18:
            result.after = int(after)
        else:
            result.messages["after"] = "This page of the list does not exist."
    return result


def _name(filters: Filters) -> str | None:
    if not (text := filters.typed["ticker"]):
        return None
    try:
        return normalise_name(text)
    except TickerError as e:
        filters.messages["ticker"] = e.reason
        return None


def _status(filters: Filters) -> SignalStatus | None:
    if not (text := filters.typed["status"]):
        return None
    try:
        return SignalStatus(text)
    except ValueError:
        filters.messages["status"] = f"must be one of: {', '.join(SignalStatus)}"
        return None


def _day(filters: Filters, name: str) -> date | None:
    if not (text := filters.typed[name]):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        filters.messages[name] = "must be a date as YYYY-MM-DD"
        return None
