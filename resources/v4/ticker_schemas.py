"""Tickers as v4's clients write and read them: v3's stocks under other names, with what their executor holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from domain.edge.ibkr_symbols import with_point
from domain.enums import Activity, AssetClass, OrderType, TimeInForce
from models import Instrument, ToldPosition
from resources.schemas.fields import Blank, Number, Out, OutNumber, Secret, V3Body, show_iso
from resources.schemas.registry import AccountName, ActivityNumber, Currency, Exchange, StockIn, StockPut
from resources.v4.names import SymbolText, V4Symbol
from services.catalog.stocks import StockForm
from services.interventions.executor_reports import PositionReport

# By v4's names those of v3: there the exchange that orders are routed to was the primary one.
V3_NAMES = {"xch": "prixch", "prixch": "secxch"}


class V4TickerIn(V3Body):
    symbol: V4Symbol
    sectype: AssetClass = AssetClass.STOCK
    xch: Exchange = Field("SMART", description="where orders are routed to")
    prixch: Exchange = Field("ISLAND", description="where it is listed")
    currency: Currency = "USD"
    order_type: OrderType = OrderType.MARKET
    active: ActivityNumber = 0
    time_in_force: TimeInForce = TimeInForce.DAY
    extended_hours: bool = False
    account: Annotated[AccountName | None, Blank] = None

    def form(self) -> StockForm:
        """Return the ticker in the desk's terms."""
        return StockIn.model_validate(_in_v3_names(self.model_dump())).form()


class V4TickerPut(V3Body):
    """A change of a ticker: what is left out stays as it is, null brings the default back."""

    symbol: V4Symbol
    sectype: AssetClass | None = None
    xch: Exchange | None = None
    prixch: Exchange | None = None
    currency: Currency | None = None
    order_type: OrderType | None = None
    active: ActivityNumber | None = None
    time_in_force: TimeInForce | None = None
    extended_hours: bool | None = None
    account: Annotated[AccountName | None, Blank] = None

    def in_v3(self) -> StockPut:
        """Return the same change as a client of v3 writes it."""
        return StockPut.model_validate(_in_v3_names(self.model_dump(exclude_unset=True)))


def _in_v3_names(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {V3_NAMES.get(name, name): value for name, value in fields.items()}


class V4TickerOut(Out):
    symbol: str
    sectype: str
    xch: str
    prixch: str
    currency: str
    order_type: str
    active: Literal[1, 0, -1]
    active_pos: OutNumber | None = Field(
        description="what its executor holds of it; null where that is not told, or without a token"
    )
    active_pnl: OutNumber | None
    active_cost: OutNumber | None
    active_at: str | None = Field(description="when that was told")
    time_in_force: str
    extended_hours: bool
    account: str | None

    @classmethod
    def of(cls, row: Instrument, told: ToldPosition | None) -> V4TickerOut:
        """Return the ticker in v4 terms, with what was told of it."""
        return cls(
            symbol=with_point(row.symbol, row.asset_class, row.currency),
            sectype=row.asset_class,
            xch=row.primary_exchange,
            prixch=row.secondary_exchange,
            currency=row.currency,
            order_type=row.order_type,
            active=Activity(row.activity).number,
            active_pos=told.quantity if told else None,
            active_pnl=told.unrealised if told else None,
            active_cost=told.average_cost if told else None,
            active_at=show_iso(told.told_at) if told else None,
            time_in_force=row.time_in_force,
            extended_hours=row.extended_hours,
            account=row.account.name if row.account else None,
        )


class V4TickerList(Out):
    tickers: list[V4TickerOut]


class V4PositionIn(V3Body):
    """What the executor's account holds of a ticker."""

    passphrase: Secret = Field(repr=False)
    symbol: SymbolText
    active_pos: Number = Field(description="shares, negative = short")
    active_cost: Annotated[Number | None, Blank] = Field(None, description="of one share")
    active_pnl: Annotated[Number | None, Blank] = Field(None, description="not realised yet")

    def report(self) -> PositionReport:
        """Return it in the desk's terms."""
        return PositionReport(
            symbol=self.symbol,
            quantity=self.active_pos,
            average_cost=self.active_cost,
            unrealised=self.active_pnl,
        )
