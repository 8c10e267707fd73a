"""What the page of controls shows, made ready."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboard.banners import by, stop_text
from dashboard.formatting import Moment, moment
from domain.enums import Scope, StopLevel
from models import JournalEntry, Stop

# What each level does, beside its name.
LEVELS = (
    (StopLevel.ENTRIES, "No entries", "Nothing is opened or made larger. Exits and working orders go on."),
    (StopLevel.CANCEL, "Cancel", "No entries, and every working order is canceled; of a pair both legs."),
    (
        StopLevel.FLATTEN,
        "Flatten",
        "No entries, orders are canceled, and then every position is closed at the market's price.",
    ),
)
SCOPES = (
    (Scope.DESK, "the whole desk"),
    (Scope.ACCOUNT, "one account"),
    (Scope.STOCK, "one stock, and the pairs it is a leg of"),
    (Scope.PAIR, "one pair"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopView:
    """A stop in force."""

    id: int
    text: str
    by: str
    at: Moment
    reason: str
    progress: str
    done: Moment | None
    level: str


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One thing that a person did."""

    id: int
    at: Moment
    actor: str
    action: str
    subject: str
    text: str


def stop_view(stop: Stop, now: datetime) -> StopView:
    """Return a stop ready to be shown, with how far it was carried out."""
    progress = stop.progress or ""
    if not progress and stop.level != StopLevel.ENTRIES:
        progress = "not begun; a worker carries it out as soon as it runs"
    return StopView(
        id=stop.id,
        text=stop_text(stop),
        by=by(stop.actor),
        at=moment(stop.at, now),
        reason=stop.reason,
        progress=progress,
        done=moment(stop.done_at, now) if stop.done_at and stop.level != StopLevel.ENTRIES else None,
        level=stop.level,
    )


def journal_line(entry: JournalEntry, now: datetime) -> JournalLine:
    """Return an entry of the journal ready to be shown."""
    return JournalLine(
        entry.id, moment(entry.at, now), entry.actor.removeprefix("user "), entry.action, entry.subject, entry.text
    )
