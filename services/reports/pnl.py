"""What was earned and lost: realised by day and book, and unrealised now."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

import sqlalchemy as sa

from domain.enums import Environment
from domain.exact import EXACT, round8
from extensions import db
from models import BrokerAccount, DailyResult, Instrument
from services.catalog.registry_changes import find_account
from services.paging import account_names
from services.reports.position_queries import PositionFilter, ValuedPosition, list_positions


class Group(StrEnum):
    """By what results are added up."""

    ACCOUNT = "account"
    INSTRUMENT = "instrument"
    PAIR = "pair"  # the books of stocks are left out
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFilter:
    """Which results to add up: days are UTC, both included; name is that of a stock's or pair's book."""

    group: Group = Group.ACCOUNT
    first_day: date | None = None
    last_day: date | None = None
    account: str | None = None
    name: str | None = None


@dataclass(slots=True)
class Line:
    """Results of one group in one currency, of real money or of play money; `traded` in shares.

    `unrealised` is what closing all positions now would gain, None where a symbol lacks a quote or where the group
    is a day. A stock that is no longer registered has no currency: None.
    """

    key: str
    currency: str | None
    real_money: bool
    realised: Decimal = Decimal(0)  # before commission
    commission: Decimal = Decimal(0)
    traded: Decimal = Decimal(0)
    unrealised: Decimal | None = Decimal(0)
    without_quote: set[str] = field(default_factory=set)

    @property
    def net(self) -> Decimal:
        """Return the realised result after commission."""
        return round8(EXACT.subtract(self.realised, self.commission))

    def add_result(self, realised: Decimal, commission: Decimal, traded: Decimal) -> None:
        """Add what one day brought in one symbol of one book."""
        self.realised = round8(EXACT.add(self.realised, realised))
        self.commission = round8(EXACT.add(self.commission, commission))
        self.traded = round8(EXACT.add(self.traded, traded))

    def add_position(self, row: ValuedPosition) -> None:
        """Add what is held now; one position without a quote makes the sum unknown."""
        if row.valuation is None:
            self.without_quote.add(row.position.symbol)
            self.unrealised = None
        elif self.unrealised is not None:
            self.unrealised = round8(EXACT.add(self.unrealised, row.valuation.unrealised))


@dataclass(frozen=True, slots=True)
class Report:
    """The lines in order of their keys, and one total for each currency, real money first.

    Neither money of two currencies nor real and play money is ever added up.
    """

    lines: list[Line]
    totals: list[Line]


class _Sums:
    """Lines and totals while they are added up; `live` are the accounts of real money."""

    def __init__(self, live: Collection[int]) -> None:
        self._live = live
        self.lines: dict[tuple[str, str, bool], Line] = {}
        self.totals: dict[tuple[str, bool], Line] = {}

    def of(self, key: str, currency: str | None, account_id: int) -> Line:
        real = account_id in self._live
        return self.lines.setdefault((key, currency or "", not real), Line(key, currency, real))

    def total(self, currency: str | None, account_id: int) -> Line:
        real = account_id in self._live
        return self.totals.setdefault((currency or "", not real), Line("total", currency, real))


def report(wanted: ResultFilter) -> Report:
    """Return the results that were asked for; raises InvalidInput."""
    accounts = account_names()
    live = sa.select(BrokerAccount.id).where(BrokerAccount.environment == Environment.LIVE)
    sums = _Sums(db.session.execute(live).scalars().all())
    key_of = _key_maker(wanted.group, accounts)
    for row in db.session.execute(_daily_results(wanted)):
        if wanted.group is Group.PAIR and row.name == row.symbol:
            continue
        key = key_of(row.account_id, row.name, row.symbol, row.day)
        for line in (sums.of(key, row.currency, row.account_id), sums.total(row.currency, row.account_id)):
            line.add_result(row.realised, row.commission, row.traded)
    for held in list_positions(PositionFilter(account=wanted.account, name=wanted.name), None).rows:
        position = held.position
        if wanted.group is Group.PAIR and position.name == position.symbol:
            continue
        sums.total(held.currency, position.account_id).add_position(held)
        if wanted.group is not Group.DAY:
            key = key_of(position.account_id, position.name, position.symbol, "")
            sums.of(key, held.currency, position.account_id).add_position(held)
    if wanted.group is Group.DAY:
        for line in sums.lines.values():
            line.unrealised = None
    totals = sorted(sums.totals, key=lambda of: (of[1], of[0]))
    return Report([sums.lines[of] for of in sorted(sums.lines)], [sums.totals[of] for of in totals])


def _key_maker(group: Group, accounts: dict[int, str]) -> Callable[[int, str, str, str], str]:
    def key_of(account_id: int, name: str, symbol: str, day: str) -> str:
        keys = {Group.ACCOUNT: accounts[account_id], Group.INSTRUMENT: symbol, Group.PAIR: name, Group.DAY: day}
        return keys[group]

    return key_of


def _daily_results(wanted: ResultFilter) -> sa.Select[int, str, str, str, Decimal, Decimal, Decimal, str]:
    """Return the query of the results; the sums are made here, because SQLite would make them with floats."""
    query = sa.select(
        DailyResult.account_id,
        DailyResult.name,
        DailyResult.symbol,
        DailyResult.day,
        DailyResult.realised,
        DailyResult.commission,
        DailyResult.traded,
        Instrument.currency,
    ).outerjoin(Instrument, Instrument.symbol == DailyResult.symbol)
    account_id = find_account(db.session(), wanted.account)
    if account_id is not None:
        query = query.where(DailyResult.account_id == account_id)
    if wanted.name is not None:
        query = query.where(DailyResult.name == wanted.name)
    if wanted.first_day is not None:
        query = query.where(DailyResult.day >= wanted.first_day.isoformat())
    if wanted.last_day is not None:
        query = query.where(DailyResult.day <= wanted.last_day.isoformat())
    return query
