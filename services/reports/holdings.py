"""What each account holds, book by book, with what its broker said, and what the books add up to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from domain.exact import EXACT, round8
from services.reports import drift
from services.reports.account_views import AccountView, list_accounts
from services.reports.drift import PairDrift
from services.reports.position_queries import PositionFilter, ValuedPosition, list_positions

BookKey = tuple[int, str]  # account, name of the stock or pair


@dataclass(frozen=True, slots=True)
class Book:
    """One stock or pair at an account, with its positions in order of symbol; `drift` of a registered pair."""

    name: str
    rows: Sequence[ValuedPosition]
    drift: PairDrift | None


@dataclass(slots=True)
class Sum:
    """Money of one currency; market value and unrealised are None where a symbol has no quote."""

    currency: str | None
    market_value: Decimal | None = Decimal(0)
    unrealised: Decimal | None = Decimal(0)
    realised: Decimal = Decimal(0)  # before commission
    commission: Decimal = Decimal(0)
    without_quote: set[str] = field(default_factory=set)

    def add(self, row: ValuedPosition) -> None:
        """Add a position; one without a quote makes its worth, and so the sum's, unknown."""
        position, worth = row.position, row.valuation
        self.realised = round8(EXACT.add(self.realised, position.realised))
        self.commission = round8(EXACT.add(self.commission, position.commission))
        if worth is None:
            self.without_quote.add(position.symbol)
            self.market_value = self.unrealised = None
        elif self.market_value is not None and self.unrealised is not None:
            self.market_value = round8(EXACT.add(self.market_value, worth.market_value))
            self.unrealised = round8(EXACT.add(self.unrealised, worth.unrealised))


@dataclass(frozen=True, slots=True)
class AccountHoldings:
    """An account with its books in order of name, and a sum for each currency."""

    view: AccountView
    books: Sequence[Book]
    sums: Sequence[Sum]


def read_holdings() -> list[AccountHoldings]:
    """Return all accounts; a book is among its account's as long as it holds something or has open orders.

    The legs of a pair stay together, also where one of them is flat.
    """
    drifts: dict[BookKey, PairDrift] = {(row.account_id, row.pair): row for row in drift.report()}
    rows: dict[BookKey, list[ValuedPosition]] = {}
    for row in list_positions(PositionFilter(flat=True), None).rows:
        rows.setdefault((row.position.account_id, row.position.name), []).append(row)
    shown = set(drifts) | {key for key, of_book in rows.items() if any(row.position.quantity for row in of_book)}
    books: dict[int, list[Book]] = {}
    for account_id, name in sorted(shown):
        key = (account_id, name)
        books.setdefault(account_id, []).append(Book(name, rows.get(key, []), drifts.get(key)))
    return [
        AccountHoldings(view, books.get(view.account.id, []), _sums(books.get(view.account.id, [])))
        for view in list_accounts()
    ]


def _sums(books: Iterable[Book]) -> list[Sum]:
    sums: dict[str | None, Sum] = {}
    for book in books:
        for row in book.rows:
            sums.setdefault(row.currency, Sum(row.currency)).add(row)
    return [sums[currency] for currency in sorted(sums, key=lambda of: of or "")]
