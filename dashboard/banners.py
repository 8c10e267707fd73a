"""What stands on every page: nobody watching, stops in force, positions that differ, and news of what was done."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app, g, get_flashed_messages, request, url_for

from dashboard.alarms import broker_alarm, worker_alarm
from dashboard.formatting import Moment, moment, scope_words
from dashboard.viewer import current_viewer, may_read
from domain.enums import StopLevel
from extensions import database_time
from models import Stop
from services.execution.stops import list_stops
from services.reports.account_views import count_differences
from services.reports.signal_queries import desk_state
from services.reports.unmonitored_accounts import list_unwatched

STOPPED = {
    StopLevel.ENTRIES: "no entries",
    StopLevel.CANCEL: "no entries, working orders are canceled",
    StopLevel.FLATTEN: "no entries, orders are canceled and positions closed",
}
MOST_STOPS = 3  # that have a banner of their own


@dataclass(frozen=True, slots=True)
class Banner:
    """One line above the page; `key` stays the same as long as it speaks of the same thing."""

    key: str
    look: str
    text: str
    link: str = ""
    label: str = ""
    since: Moment | None = None
    urgent: bool = False


def init_app(app: Flask) -> None:
    """Give the templates of all pages the function that reads the banners."""
    app.jinja_env.globals.update(banners=banners, news=news)


def without_database() -> None:
    """Show this answer's page without anything from the database, which may be away."""
    g.without_banners = True


def banners() -> list[Banner]:
    """Return what people must know on whatever page they are; visitors are told of a silent worker alone."""
    if g.get("without_banners") or not may_read() or request.blueprint == "auth":
        return []
    found = _worker_banner()
    return found if current_viewer() is None else found + _inner_banners()


def _worker_banner() -> list[Banner]:
    state = desk_state()
    if state.worker_ok or not state.worker_needed:
        return []
    lifetime = current_app.config["DESK"].signal_lifetime
    text = worker_alarm(state, lifetime, with_stakes=current_viewer() is not None)
    return [Banner("banner-worker", "bad", text, urgent=True)]


def _inner_banners() -> list[Banner]:
    accounts = url_for("accounts.accounts")
    found = [
        Banner(
            f"banner-away-{account.account_id}",
            "bad",
            broker_alarm(account),
            accounts,
            "Show accounts",
            moment(account.since) if account.since else None,
            urgent=True,
        )
        for account in list_unwatched()
        if account.at_stake
    ]
    stops = list_stops(in_force=True)
    found += [_stop_banner(stop) for stop in stops[:MOST_STOPS]]
    controls = url_for("controls.controls")
    if (more := len(stops) - MOST_STOPS) > 0:
        text = "1 more stop is in force." if more == 1 else f"{more} more stops are in force."
        found.append(Banner("banner-stops", "stop", text, controls, "Show controls"))
    if differing := count_differences():
        symbols = "1 symbol differs" if differing == 1 else f"{differing} symbols differ"
        text = f"The broker holds other positions than the desk's own book says: {symbols}."
        found.append(Banner("banner-differences", "bad", text, url_for("positions.positions"), "Show positions"))
    return found


def _stop_banner(stop: Stop) -> Banner:
    since = moment(stop.at, database_time())
    when = f"{since.day} {since.clock[:5]}".strip()
    text = f"{stop_text(stop)}, {by(stop.actor)} since {when} UTC."
    return Banner(f"banner-stop-{stop.id}", "stop", text, url_for("controls.controls"), "Show controls")


def stop_text(stop: Stop) -> str:
    """Return a stop in words."""
    return f"Stopped: {STOPPED[StopLevel(stop.level)]} {scope_words(stop.scope, stop.scope_name)}"


def by(actor: str) -> str:
    """Return who did it; a person by the name alone."""
    return f"by {actor.removeprefix('user ')}"


def news() -> list[str]:
    """Return what the form before this page has done; a page that only updates itself leaves it to the next one."""
    if current_viewer() is None or request.headers.get("Sec-Fetch-Dest", "document") != "document":
        return []
    return [str(text) for text in get_flashed_messages()]
