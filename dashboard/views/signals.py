"""What the lists show, made ready: templates only place these texts and compute nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboard.formatting import (
    LOOK,
    MEANING,
    WAITS_OUTSIDE,
    Moment,
    held,
    maybe,
    moment,
    number,
    sign_look,
    signed,
    span,
)
from domain.enums import Route
from domain.order_status import SignalStatus
from models import Signal
from services.reports.signal_queries import CRITICAL_HOURS, DeskState

PLACES = 4  # decimals of prices in lists, so that their points stand one below the other
LONG_COMMENT = 18  # characters a comment's column shows
ENDED_BADLY = (SignalStatus.ERROR, SignalStatus.CANCELED, SignalStatus.CRITICAL)  # their lists say why
Line = tuple[str, str]  # what it is, and its text


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRow:
    """One line of a list of signals."""

    rowid: int
    received: Moment
    alert_at: Moment | None
    repeats: str
    name: str
    ticker: tuple[Line, ...]
    side: str
    quantity: str
    price: str
    fill_price: str
    fill: tuple[Line, ...]
    slip: str
    slip_look: str
    status: str
    look: str
    reason: tuple[Line, ...]
    why: str
    position: str
    comment: str
    long_comment: bool


def signal_row(row: Signal, now: datetime) -> SignalRow:
    """Return a signal as a line of a list."""
    status = SignalStatus(row.status)
    return SignalRow(
        rowid=row.id,
        received=moment(row.received_at, now),
        alert_at=maybe(row.alert_at),
        repeats=f"{row.seen_count} times, counted once" if row.seen_count > 1 else "",
        name=row.name or row.ticker,
        ticker=ticker_lines(row),
        side=row.side,
        quantity=number(row.quantity),
        price=number(row.price, PLACES),
        fill_price=number(row.fill_price, PLACES),
        fill=fill_lines(row),
        slip=signed(row.slip, PLACES),
        slip_look=sign_look(row.slip),
        status=status,
        look=LOOK[status],
        reason=reason_lines(row),
        why=(row.status_reason or row.error_text or "") if status in ENDED_BADLY else "",
        position=position_text(row),
        comment=row.comment or "",
        long_comment=len(row.comment or "") > LONG_COMMENT,
    )


def ticker_lines(row: Signal) -> tuple[Line, ...]:
    """Return what is behind a ticker: its text as received, what it was read as, where it is routed."""
    lines = [("as received", row.ticker)]
    if row.symbol1 and row.symbol2:
        lines += [("pair", f"{row.symbol1} and {row.symbol2}"), ("hedge ratio", number(row.hedge_ratio))]
    elif row.symbol1:
        lines.append(("single", row.symbol1))
    if row.account is not None:
        lines.append(("account", row.account.name))
    return tuple(lines)


def fill_lines(row: Signal) -> tuple[Line, ...]:
    """Return how fill price and slip come about; empty while there is no fill price."""
    if row.fill_price is None:
        return ()
    alert, fill = number(row.price, 2), number(row.fill_price, 2)
    lines = []
    if row.slip is not None:
        formula = f"alert {alert} − fill {fill}" if row.side == "buy" else f"fill {fill} − alert {alert}"
        word = {"better": "better than the alert", "worse": "worse than the alert", "even": "as the alert"}
        lines.append(("slip", f"{formula} = {signed(row.slip, 2)}, {word[sign_look(row.slip)]}"))
    legs = ((row.symbol1, row.leg_price1), (row.symbol2, row.leg_price2))
    lines += [(symbol, number(price, 2)) for symbol, price in legs if symbol and price is not None]
    return tuple(lines)


def reason_lines(row: Signal) -> tuple[Line, ...]:
    """Return why a signal has its status, and how much of it is filled while that is not all."""
    status = SignalStatus(row.status)
    reason, text = row.status_reason or "", row.error_text or ""
    told = [("", line) for line in (reason if reason not in text else "", text) if line]
    if not told:
        outside = row.external and status is SignalStatus.WAITING
        told = [("", WAITS_OUTSIDE if outside else MEANING[status])]
    if row.filled_quantity is not None and row.filled_quantity < row.quantity:
        told.append(("filled", f"{number(row.filled_quantity)} of {number(row.quantity)}"))
    return tuple(told)


def position_text(row: Signal) -> str:
    """Return the strategy's position before and after, as the alert states them."""
    before = held(row.previous_position, row.previous_position_size)
    after = held(row.position, row.position_size)
    return f"{before} → {after}" if before and after else before or after


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The desk's line of health, and how many signals need a person."""

    ok: bool
    needed: bool
    worker: str
    worker_age: str
    seen: Moment | None
    route: str
    account: str
    waiting: int
    critical: str | None


def health(state: DeskState) -> Health:
    """Return the health line."""
    age = state.worker_age
    seconds = None if age is None else age.total_seconds()
    critical = None
    if state.critical:
        signals = "1 signal needs" if state.critical == 1 else f"{state.critical} signals need"
        critical = f"{signals} a person: critical error in the last {CRITICAL_HOURS} hours."
    return Health(
        ok=state.worker_ok,
        needed=state.worker_needed,
        worker="not running",
        worker_age="" if seconds is None else span(seconds),
        seen=maybe(state.worker_seen),
        route="orders by this desk" if state.route == Route.DESK else "left to your own executor",
        account=state.account,
        waiting=state.waiting,
        critical=critical,
    )


@dataclass(frozen=True, slots=True)
class StatusCount:
    """How many of today's signals have a status."""

    status: str
    look: str
    count: int


def status_counts(counts: dict[SignalStatus, int]) -> list[StatusCount]:
    """Return the counts in the order of a signal's life; a rare status appears only when there is one."""
    shown = [status for status in SignalStatus if counts[status] or status is not SignalStatus.REROUTED]
    return [StatusCount(status, LOOK[status], counts[status]) for status in shown]
