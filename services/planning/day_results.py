"""What today (UTC) earned in each book and currency: realised less commission, and unrealised at the last quotes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from domain.enums import Environment
from domain.position import unrealised
from extensions import ExactDecimal
from models import AccountState, BrokerAccount, DailyResult, Instrument, Order, Position, Quote

Amounts = dict[str, Decimal]  # by currency


@dataclass(slots=True)
class DayResults:
    """By account and book and currency; "" = a currency that is not known. And of the accounts, what they count in."""

    by_book: dict[tuple[int, str], Amounts] = field(default_factory=dict)
    by_account: dict[int, Amounts] = field(default_factory=dict)
    real_money: dict[int, bool] = field(default_factory=dict)  # by account
    currencies: dict[int, str] = field(default_factory=dict)  # by account, of those whose broker has told it

    def add(self, account_id: int, name: str, currency: str, amount: Decimal) -> None:
        """Add what was earned in a book, to what the book and the account have earned in that currency."""
        for amounts in (self.by_book.setdefault((account_id, name), {}), self.by_account.setdefault(account_id, {})):
            amounts[currency] = amounts.get(currency, Decimal(0)) + amount

    def of_desk(self, account_id: int) -> Amounts:
        """Return what all accounts of the same kind of money, real or play, as one of them have earned."""
        found: Amounts = {}
        for other, amounts in self.by_account.items():
            if self.real_money.get(other) == self.real_money.get(account_id):
                for currency, amount in amounts.items():
                    found[currency] = found.get(currency, Decimal(0)) + amount
        return found


def _currency_of(account_id: Any, symbol: Any) -> sa.ColumnElement[str]:
    """Return the currency of a symbol: as it is registered, else that of its last order at the account."""
    registered = sa.select(Instrument.currency).where(Instrument.symbol == symbol).scalar_subquery()
    ordered = (
        sa.select(Order.currency)
        .where(Order.account_id == account_id, Order.symbol == symbol)
        .order_by(Order.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return sa.func.coalesce(registered, ordered, "")


_NOTHING = sa.cast(sa.literal("0"), ExactDecimal)
_TODAY = sa.union_all(
    sa.select(
        sa.literal("day").label("what"),
        DailyResult.account_id,
        DailyResult.name,
        _currency_of(DailyResult.account_id, DailyResult.symbol).label("currency"),
        DailyResult.realised.label("first"),
        DailyResult.commission.label("second"),
        _NOTHING.label("bid"),
        _NOTHING.label("ask"),
    ).where(DailyResult.day == sa.bindparam("day")),
    sa.select(
        sa.literal("held"),
        Position.account_id,
        Position.name,
        _currency_of(Position.account_id, Position.symbol),
        Position.quantity,
        Position.average_price,
        Quote.bid,
        Quote.ask,
    )
    .join(Quote, (Quote.account_id == Position.account_id) & (Quote.symbol == Position.symbol))
    .where(sa.cast(Position.quantity, sa.Numeric) != 0),
    sa.select(
        sa.literal("account"),
        BrokerAccount.id,
        BrokerAccount.environment,
        sa.func.coalesce(AccountState.currency, ""),
        _NOTHING,
        _NOTHING,
        _NOTHING,
        _NOTHING,
    ).outerjoin(AccountState, AccountState.account_id == BrokerAccount.id),
)


def read_day(session: Session, now: datetime) -> DayResults:
    """Return what today (UTC) earned, and what the accounts count in."""
    day = DayResults()
    for row in session.execute(_TODAY, {"day": f"{now:%Y-%m-%d}"}):
        if row.what == "account":
            day.real_money[row.account_id] = row.name == Environment.LIVE
            if row.currency:
                day.currencies[row.account_id] = row.currency
            continue
        if row.what == "day":
            amount = row.first - row.second
        else:  # what closing would bring: a long position is sold at the bid, a short one bought back at the ask
            amount = unrealised(row.first, row.second, row.bid if row.first > 0 else row.ask)
        day.add(row.account_id, row.name, row.currency, amount)
    return day
