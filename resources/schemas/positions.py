"""Positions and what they are worth, as clients read them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from resources.schemas.fields import Limit, Name, Out, OutNumber, SymbolFilter, Tolerant, show_iso
from resources.schemas.orders import AccountName
from services.paging import Page
from services.reports.position_queries import PositionFilter, PositionKey, ValuedPosition

PositionAfter = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}:[A-Z0-9._&!-]{1,129}:[A-Z0-9._&!-]{1,64}$")]


class QuoteOut(Out):
    """The last quote of a symbol at an account's broker; its age in seconds."""

    bid: OutNumber
    ask: OutNumber
    middle: OutNumber | None
    age: OutNumber
    at: str
    source: str

    @classmethod
    def of(cls, row: ValuedPosition) -> QuoteOut | None:
        """Return the quote; None where there is none."""
        if row.quote is None or row.quote_age is None:
            return None
        return cls(
            bid=row.quote.bid,
            ask=row.quote.ask,
            middle=row.middle,
            age=row.quote_age,
            at=show_iso(row.quote.at),
            source=row.quote.source,
        )


class PositionOut(Out):
    """A holding in the book of a stock or pair; quantity negative = short, realised before commission.

    `market_value` and `unrealised` are by the price at which it could be closed, bid for a long and ask for a short;
    null where that is not known.
    """

    account: str
    name: str
    symbol: str
    currency: str | None
    quantity: OutNumber
    average_price: OutNumber
    realised: OutNumber
    commission: OutNumber
    quote: QuoteOut | None
    market_value: OutNumber | None
    unrealised: OutNumber | None
    changed_at: str

    @classmethod
    def of(cls, row: ValuedPosition, account: str) -> PositionOut:
        """Return the position with its worth."""
        position = row.position
        return cls(
            account=account,
            name=position.name,
            symbol=position.symbol,
            currency=row.currency,
            quantity=position.quantity,
            average_price=position.average_price,
            realised=position.realised,
            commission=position.commission,
            quote=QuoteOut.of(row),
            market_value=row.valuation.market_value if row.valuation else None,
            unrealised=row.valuation.unrealised if row.valuation else None,
            changed_at=show_iso(position.changed_at),
        )


class PositionPage(Out):
    positions: list[PositionOut]
    next_after: str | None = Field(description="`after` of the next page, null on the last")

    @classmethod
    def of(cls, page: Page[ValuedPosition, PositionKey]) -> PositionPage:
        """Return the page."""
        rows = [PositionOut.of(row, page.accounts[row.position.account_id]) for row in page.rows]
        after = page.next_after
        return cls(positions=rows, next_after=after and ":".join(str(part) for part in after))


class PositionQuery(Tolerant):
    """Filters of the positions; `flat` includes those that are closed."""

    limit: Limit = 50
    after: PositionAfter | None = None
    account: AccountName | None = None
    name: Name | None = None
    symbol: SymbolFilter | None = None
    flat: bool = False

    @property
    def key(self) -> PositionKey | None:
        """Return the account, name and symbol of the position to start after."""
        if self.after is None:
            return None
        account_id, name, symbol = self.after.split(":")
        return int(account_id), name, symbol

    def filter(self) -> PositionFilter:
        """Return the filter in the desk's terms."""
        return PositionFilter(account=self.account, name=self.name, symbol=self.symbol, flat=self.flat)
