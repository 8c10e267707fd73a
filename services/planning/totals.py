"""Sums over many rows that limits are held against: what is open, what today earned, what a minute saw.

Read once for a batch of signals, and answered for each of them in memory; each sees what the ones before it took.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.checks.catalog import SLIP_FILLS
from domain.checks.facts import Facts, MeanSlip
from domain.enums import Scope, Side, TickerType
from domain.order_status import SignalStatus
from models import BrokerAccount, Order, Position, Signal
from models.order import OPEN
from services.catalog.snapshots import AccountRef
from services.planning.day_results import DayResults, read_day
from services.planning.promises import Promise, read_promises

MINUTE = timedelta(seconds=60)
RECENT_ORDERS = 2000  # the newest so many are looked through; no limit of a minute is larger
OPEN_BOOKS, RESULTS, ORDERS, SLIPS = "open_positions", "daily_loss", "orders_per_minute", "slippage_guard"
CHECKS = (OPEN_BOOKS, RESULTS, ORDERS, SLIPS)  # those that go by these sums
T = TypeVar("T")
OrderKey = tuple[int, str, str]  # account, book, symbol


class SlipKey(NamedTuple):
    """Whose fills are asked for: those of one name and side at one account."""

    account_id: int
    name: str
    side: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What is to be read: the checks that are on for any signal of a batch, and whose fills the slippage guard asks.

    `promises`: what signals under way are still to order is wanted for itself; for open positions it is read anyway.
    """

    checks: frozenset[str] = frozenset()
    slips: frozenset[SlipKey] = frozenset()
    promises: bool = False

    @classmethod
    def of(cls, on: Iterable[str], slips: Iterable[SlipKey] = (), *, promises: bool = False) -> Needs:
        """Return the needs of the checks that are on; others than those that go by sums are left aside."""
        checks = frozenset(on) & frozenset(CHECKS)
        return cls(checks=checks, slips=frozenset(slips) if SLIPS in checks else frozenset(), promises=promises)


class PlannedOrder(Protocol):
    """An order as far as it counts here."""

    @property
    def symbol(self) -> str:
        """Return what it trades."""

    @property
    def is_exit(self) -> bool:
        """Return True if it only closes."""


class Totals:
    """The sums at one moment. What was not read raises LookupError, for nothing is not the same as none."""

    def __init__(
        self,
        *,
        open_books: frozenset[tuple[str, str]] | None = None,
        promises: tuple[Promise, ...] | None = None,
        day: DayResults | None = None,
        orders: Mapping[OrderKey, int] | None = None,
        slips: Mapping[SlipKey, MeanSlip | None] | None = None,
    ) -> None:
        self._open_books, self._promises, self._day = open_books, promises, day
        self._orders = None if orders is None else Counter(orders)
        self._slips = slips or {}

    @property
    def open_books(self) -> frozenset[tuple[str, str]]:
        """Return the books, as (account, name), with a position, a working entry, or something still to be ordered."""
        return _read(self._open_books, "open books")

    @property
    def promises(self) -> tuple[Promise, ...]:
        """Return what signals under way are still to order, whose symbols are therefore spoken for."""
        return _read(self._promises, "promises")

    def results(self, account: AccountRef, name: str, kind: TickerType) -> dict[Scope, dict[str, Decimal]]:
        """Return what today earned in each currency, by scope: realised less commission, and unrealised.

        Money of two currencies is never added up. The desk's are those of the same kind of money, real or play.
        """
        day = _read(self._day, "results of today")
        found = {Scope.DESK: day.of_desk(account.id), Scope.ACCOUNT: day.by_account.get(account.id, {})}
        found[_own(kind)] = day.by_book.get((account.id, name), {})
        return {scope: dict(amounts) for scope, amounts in found.items() if amounts}

    def currency(self, account: AccountRef) -> str | None:
        """Return what the account counts its money in, as its broker said; None where it has not said it."""
        return _read(self._day, "results of today").currencies.get(account.id)

    def orders_in_minute(self, account: AccountRef, name: str, kind: TickerType) -> dict[Scope, int]:
        """Return how many orders of entries were made within the last 60 seconds, by scope."""
        orders = _read(self._orders, "orders of a minute")
        of_account = {key: count for key, count in orders.items() if key[0] == account.id}
        own = sum(count for (_, book, _), count in of_account.items() if book == name)
        if kind is TickerType.SINGLE:  # of a stock those that trade it as a leg of a pair count too
            own = self.orders_of(account, [name])[name]
        return {Scope.DESK: orders.total(), Scope.ACCOUNT: sum(of_account.values()), _own(kind): own}

    def orders_of(self, account: AccountRef, symbols: Iterable[str]) -> dict[str, int]:
        """Return how many orders of entries in each symbol were made within the last 60 seconds, in any book."""
        found = dict.fromkeys(symbols, 0)
        for (account_id, _, symbol), count in _read(self._orders, "orders of a minute").items():
            if account_id == account.id and symbol in found:
                found[symbol] += count
        return found

    def mean_slip(self, key: SlipKey) -> MeanSlip | None:
        """Return the mean slip of the last fills of a name and side, weighted by their quantities."""
        if key not in self._slips:
            raise LookupError(f"the slips of {key.name} were not read")
        return self._slips[key]

    def add_planned(
        self, account: AccountRef, name: str, orders: Iterable[PlannedOrder], promises: Iterable[Promise] = ()
    ) -> None:
        """Count the orders of a signal that was just planned, and what is to follow them, for the signals after it."""
        entries, promised = [order.symbol for order in orders if not order.is_exit], tuple(promises)
        if self._open_books is not None and (entries or promised):
            self._open_books |= {(account.name, name)}
        if self._promises is not None:
            self._promises += promised
        if self._orders is not None:
            self._orders.update((account.id, name, symbol) for symbol in entries)

    def answer(self, facts: Facts, account: AccountRef, on: Collection[str]) -> dict[str, Any]:
        """Return the fields of the facts of one signal that the checks that are on go by."""
        name, kind = facts.subject.name, facts.subject.kind or TickerType.SINGLE
        found: dict[str, Any] = {}
        if OPEN_BOOKS in on:
            found["open_books"] = self.open_books
        if RESULTS in on:
            found |= {"results": self.results(account, name, kind), "account_currency": self.currency(account)}
        if ORDERS in on:
            found["orders_in_minute"] = self.orders_in_minute(account, name, kind)
            found["orders_of_stocks"] = self.orders_of(account, facts.symbols)
        if SLIPS in on:
            found["mean_slip"] = self.mean_slip(SlipKey(account.id, name, facts.side))
        return found


def read_totals(session: Session, now: datetime, needs: Needs) -> Totals:
    """Return the sums that a batch of signals needs, each read by one statement for the whole desk; `now` in UTC."""
    wanted = needs.checks
    promises = read_promises(session) if needs.promises or OPEN_BOOKS in wanted else None
    return Totals(
        open_books=_read_open_books(session, promises or ()) if OPEN_BOOKS in wanted else None,
        promises=promises,
        day=read_day(session, now) if RESULTS in wanted else None,
        orders=_read_orders(session, now) if ORDERS in wanted else None,
        slips=_read_slips(session, sorted(needs.slips)) if needs.slips else None,
    )


def _read(part: T | None, what: str) -> T:
    if part is None:
        raise LookupError(f"the {what} were not read")
    return part


def _own(kind: TickerType) -> Scope:
    return Scope.PAIR if kind is TickerType.PAIR else Scope.STOCK


_OPEN_BOOKS = sa.union(
    sa.select(BrokerAccount.name.label("account"), Position.name)
    .join(BrokerAccount, BrokerAccount.id == Position.account_id)
    .where(sa.cast(Position.quantity, sa.Numeric) != 0),
    sa.select(BrokerAccount.name, Order.name)
    .join(BrokerAccount, BrokerAccount.id == Order.account_id)
    .where(OPEN, Order.is_exit.is_(False)),
)


def _read_open_books(session: Session, promises: Iterable[Promise]) -> frozenset[tuple[str, str]]:
    found = {(row.account, row.name) for row in session.execute(_OPEN_BOOKS)}
    return frozenset(found | {(promise.account, promise.name) for promise in promises})


def _read_orders(session: Session, now: datetime) -> dict[OrderKey, int]:
    newest = (
        sa.select(Order.account_id, Order.name, Order.symbol, Order.created_at, Order.is_exit)
        .order_by(Order.id.desc())
        .limit(RECENT_ORDERS)
        .subquery()
    )
    key = (newest.c.account_id, newest.c.name, newest.c.symbol)
    query = (
        sa.select(*key, sa.func.count())
        .where(newest.c.created_at > now - MINUTE, newest.c.is_exit.is_(False))
        .group_by(*key)
    )
    return {(account_id, name, symbol): count for account_id, name, symbol, count in session.execute(query)}


def _read_slips(session: Session, keys: Sequence[SlipKey]) -> dict[SlipKey, MeanSlip | None]:
    """Return the mean slip of each key; each part of the statement walks one index from the newest fill on."""
    found: dict[SlipKey, list[tuple[Decimal, Decimal]]] = {key: [] for key in keys}
    for number, slip, quantity in session.execute(sa.union_all(*(_slips(*item) for item in enumerate(keys)))):
        found[keys[number]].append((slip, quantity))
    return {key: _mean(rows) for key, rows in found.items()}


def _slips(number: int, key: SlipKey) -> sa.Select[int, Decimal, Decimal]:
    last = (
        sa.select(Signal.slip, Signal.filled_quantity)
        .where(
            Signal.name == key.name,
            Signal.status == SignalStatus.FILLED,
            Signal.side == key.side,
            Signal.account_id == key.account_id,
            Signal.slip.is_not(None),
            Signal.filled_quantity.is_not(None),
        )
        .order_by(Signal.received_at.desc(), Signal.id.desc())
        .limit(SLIP_FILLS)
        .subquery()
    )
    return sa.select(sa.literal(number, sa.Integer), last.c.slip, last.c.filled_quantity)


def _mean(rows: Sequence[tuple[Decimal, Decimal]]) -> MeanSlip | None:
    quantity = sum((filled for _, filled in rows), Decimal(0))
    if not quantity:
        return None
    return MeanSlip(sum((slip * filled for slip, filled in rows), Decimal(0)) / quantity, len(rows))
