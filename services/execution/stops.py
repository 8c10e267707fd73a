"""Stops: no new positions, working orders canceled, positions closed; until a person releases them.

Setting one is a single commit, seen by every worker before its next order. A worker carries out the
rest: it cancels what works, and closes what is held by signals of the desk's own, which
go through the same pipeline as every alert.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Purpose, Route, Scope, Side, Source, StopLevel
from domain.errors import Conflict, InvalidInput, NotFound
from domain.exact import plain_text
from domain.order_status import SignalStatus
from domain.stops import StopInForce, first_stop
from extensions import announce, database_time, reading, transaction, utc_now
from models import BrokerAccount, Instrument, Order, Pair, Position, Signal, Stop
from models.control import IN_FORCE
from models.order import OPEN
from services import journal
from services.accounts.connections import desk_accounts
from services.catalog import snapshots
from services.execution.order_moves import request_cancel
from services.execution.order_records import lock_order
from services.execution.roll_up import refresh_signal
from services.intake.desk_signals import InternalSignal, add_signal
from services.timing import STOP_ROUND_DELAY

logger = logging.getLogger(__name__)

ROUNDS = 3  # tries to close a position, before a person must look


@dataclass(frozen=True, slots=True, kw_only=True)
class StopForm:
    """What a person asks for; `name` is empty for the whole desk."""

    level: StopLevel
    scope: Scope
    name: str = ""
    reason: str


def set_stop(form: StopForm, actor: str) -> Stop:
    """Put a stop in force; raises InvalidInput when nothing is called so."""
    with transaction() as session:
        snapshots.bump_version(session)
        name = form.name.strip() if form.scope is Scope.ACCOUNT else form.name.strip().upper()
        _check_name(session, form.scope, name)
        stop = Stop(
            level=form.level, scope=form.scope, scope_name=name, reason=form.reason.strip(), actor=actor, at=utc_now()
        )
        if form.level is StopLevel.ENTRIES:
            stop.done_at = utc_now()
        session.add(stop)
        session.flush()
        journal.record(session, actor, f"stop {form.level}", f"{form.scope} {name}".strip(), form.reason)
        session.refresh(stop)
        announce(session)
    return stop


def release_stop(stop_id: int, reason: str, actor: str) -> Stop:
    """End a stop; raises NotFound, or Conflict when it has been released before."""
    with transaction() as session:
        snapshots.bump_version(session)
        stop = session.execute(sa.select(Stop).where(Stop.id == stop_id).with_for_update()).scalar_one_or_none()
        if stop is None:
            raise NotFound("item not found.")
        if stop.released_at is not None:
            raise Conflict(f"Stop {stop_id} was released by {stop.released_by} before.")
        stop.released_at, stop.released_by, stop.release_reason = utc_now(), actor, reason.strip()
        journal.record(session, actor, "release", f"stop {stop_id}", reason)
        session.flush()
        session.refresh(stop)
        announce(session)
    return stop


def list_stops(*, in_force: bool = False, limit: int = 100) -> Sequence[Stop]:
    """Return stops, newest first."""
    query = sa.select(Stop).order_by(Stop.id.desc()).limit(limit)
    with reading() as session:
        stops = session.execute(query.where(IN_FORCE) if in_force else query).scalars().all()
        session.expunge_all()
    return stops


def stopping(order: Order, known: snapshots.Snapshot) -> str | None:
    """Return in words which stop keeps an order from being sent; None when none does."""
    if not known.stops:
        return None
    symbols = {order.symbol, *order.name.split("-")}
    stop = first_stop(known.stops, known.account_name(order.account_id), order.name, symbols)
    return None if stop is None else f"not sent, because {stop.text}"


def carry_out(connected: Collection[int], actor: str) -> None:
    """Cancel and close what stops in force ask for, in all accounts of the desk.

    Positions are closed in those that are connected; a stop is not done while others hold any.
    """
    accounts = tuple(desk_accounts())
    for stop in _to_carry_out():
        found = _covered_orders(stop, accounts)
        for order_id in found:
            _cancel(order_id, found, stop, actor)
        waiting = _open_orders_left(stop, accounts)
        if waiting:
            what = "1 order is" if waiting == 1 else f"{waiting} orders are"
            _report(stop, f"{what} still to be ended", done=False)
        elif stop.reaches(StopLevel.FLATTEN):
            _flatten(stop, accounts, connected)
        else:
            _report(stop, "no order is left", done=True)


def _check_name(session: Session, scope: Scope, name: str) -> None:
    if scope is Scope.DESK:
        if name:
            raise InvalidInput({"name": "must be empty for the whole desk"})
        return
    column = {Scope.ACCOUNT: BrokerAccount.name, Scope.STOCK: Instrument.symbol, Scope.PAIR: Pair.name}[scope]
    held = sa.select(Position.account_id).where((Position.name == name) | (Position.symbol == name)).limit(1)
    known = session.execute(sa.select(column).where(column == name)).first()
    if known is None and (scope is Scope.ACCOUNT or session.execute(held).first() is None):
        raise InvalidInput({"name": f"no {scope} is called {name}" if name else f"must name the {scope}"})


def _to_carry_out() -> list[StopInForce]:
    with reading() as session:
        rows = session.execute(sa.select(Stop).where(IN_FORCE, Stop.done_at.is_(None)).order_by(Stop.id)).scalars()
        return [StopInForce(row.id, StopLevel(row.level), Scope(row.scope), row.scope_name) for row in rows]


def _books(stop: StopInForce, rows: Sequence[tuple[int, str, str]]) -> set[tuple[int, str]]:
    """Return which (account, book) of these a stop covers."""
    known = snapshots.snapshot()
    symbols: dict[tuple[int, str], set[str]] = {}
    for account_id, name, symbol in rows:
        symbols.setdefault((account_id, name), {name}).add(symbol)
    return {
        (account_id, name)
        for (account_id, name), of_book in symbols.items()
        if stop.covers(known.account_name(account_id), name, of_book)
    }


def _covered_orders(stop: StopInForce, accounts: Collection[int]) -> list[int]:
    with reading() as session:
        rows = _open_orders(session, stop, accounts)
        books = _books(stop, [(row.account_id, row.name, row.symbol) for row in rows])
        return [row.id for row in rows if (row.account_id, row.name) in books and row.cancel_requested_at is None]


def _open_orders_left(stop: StopInForce, accounts: Collection[int]) -> int:
    with reading() as session:
        rows = _open_orders(session, stop, accounts)
        books = _books(stop, [(row.account_id, row.name, row.symbol) for row in rows])
        return sum((row.account_id, row.name) in books for row in rows)


def _open_orders(session: Session, stop: StopInForce, accounts: Collection[int]) -> Sequence[sa.Row]:  # type: ignore[type-arg]
    """Return the open orders that a stop may end: not those that close positions, nor those that mend a pair."""
    query = (
        sa.select(Order.id, Order.account_id, Order.name, Order.symbol, Order.cancel_requested_at)
        .outerjoin(Signal, Signal.id == Order.signal_id)
        .where(OPEN, Order.account_id.in_(accounts), Order.purpose == Purpose.SIGNAL)
        .where(Signal.source.is_(None) | (Signal.source != Source.FLATTEN))
        .order_by(Order.id)
    )
    return session.execute(query).all()


def _cancel(order_id: int, found: Collection[int], stop: StopInForce, actor: str) -> None:
    """Request the cancel of an order and of those of its signal that a stop ends too, before anything follows from it.

    A leg that was not sent ends at once. Were the other one still to work by then, the pair would be taken for broken.
    """
    with transaction() as session:
        locked = lock_order(session, order_id)
        if locked.order.cancel_requested_at is None:
            for order in locked.siblings or [locked.order]:
                if order.id in found and order.cancel_requested_at is None:
                    request_cancel(session, order, stop.text, actor, locked.now)
            refresh_signal(session, locked.signal, locked.order, locked.now, actor)


def _flatten(stop: StopInForce, accounts: Collection[int], connected: Collection[int]) -> None:
    with transaction() as session:
        now = database_time()
        held = session.execute(
            sa.select(Position).where(Position.account_id.in_(accounts)).order_by(Position.name, Position.symbol)
        ).scalars()
        rows = [row for row in held if row.quantity != 0]
        books = _books(stop, [(row.account_id, row.name, row.symbol) for row in rows])
        left: list[str] = []
        for account_id, name in sorted(books):
            of_book = [row for row in rows if (row.account_id, row.name) == (account_id, name)]
            if account_id in connected:
                left.append(_close_book(session, stop, account_id, of_book, now))
            else:
                account = snapshots.snapshot().account_name(account_id)
                left.append(f"{name}: held in account {account}, which is not connected; waiting for it")
        text = "; ".join(left) or "no position is left"
        text += "".join(f"; {what}, which your own executor trades" for what in _held_outside(session, stop))
        row = session.execute(sa.select(Stop).where(Stop.id == stop.id).with_for_update()).scalar_one()
        if row.progress != text[:1000]:
            row.progress = text[:1000]
            announce(session)
        if not left:
            row.done_at = now
            logger.warning("%s: carried out, %s", stop.text, text)


def _held_outside(session: Session, stop: StopInForce) -> list[str]:
    """Return in words what a stop covers at accounts that an outside executor trades: the desk sends nothing there."""
    held = (
        sa.select(BrokerAccount.name.label("account"), Position)
        .join(BrokerAccount, BrokerAccount.id == Position.account_id)
        .where(BrokerAccount.route == Route.EXTERNAL)
        .order_by(Position.name, Position.symbol)
    )
    rows = [(row.account, row.Position) for row in session.execute(held) if row.Position.quantity]
    books = _books(stop, [(position.account_id, position.name, position.symbol) for _, position in rows])
    return [
        f"{position.name}: {plain_text(position.quantity)} {position.symbol} at {account}"
        for account, position in rows
        if (position.account_id, position.name) in books
    ]


def _close_book(session: Session, stop: StopInForce, account_id: int, held: Sequence[Position], now: datetime) -> str:
    """Request the close of what a book holds, once a round; returns in words how far that has come."""
    name = held[0].name
    what = ", ".join(f"{plain_text(row.quantity)} {row.symbol}" for row in held)
    key = f"stop:{stop.id}:{account_id}:{name}:"
    earlier = (
        session.execute(
            sa.select(Signal)
            .where(Signal.source == Source.FLATTEN, Signal.dedupe_key.startswith(key, autoescape=True))
            .order_by(Signal.id)
        )
        .scalars()
        .all()
    )
    working = sa.exists().where(OPEN, Order.account_id == account_id, Order.name == name)
    if session.execute(sa.select(working)).scalar_one():  # to close now what it still trades would trade it twice
        return f"{name}: {what}, orders of it are still open"
    if earlier:
        last = earlier[-1]
        if last.status in (SignalStatus.WAITING, SignalStatus.CREATED, SignalStatus.LEG_FILLED) or last.unbalanced_at:
            return f"{name}: {what}, being closed by signal {last.id}"
        if len(earlier) >= ROUNDS:
            return f"{name}: {what} could not be closed, see signal {last.id}; a person must look"
        if last.received_at > now - STOP_ROUND_DELAY:
            return f"{name}: {what}, tried again soon"
    first = held[0]
    add_signal(
        session,
        InternalSignal(
            source=Source.FLATTEN,
            key=f"{key}{len(earlier) + 1}",
            account_id=account_id,
            name=name,
            symbols=tuple(row.symbol for row in held),
            side=Side.SELL if first.quantity > 0 else Side.BUY,
            quantity=abs(first.quantity),
            comment=stop.text,
        ),
    )
    return f"{name}: {what}, being closed"


def _report(stop: StopInForce, text: str, *, done: bool) -> None:
    with transaction() as session:
        row = session.execute(sa.select(Stop).where(Stop.id == stop.id).with_for_update()).scalar_one()
        if row.progress == text and not done:
            return
        row.progress = text
        if done:
            row.done_at = utc_now()
        announce(session)
