"""Stocks and pairs as v3 clients write and read them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from domain.enums import Activity, AssetClass, FailurePolicy, LegPolicy, OrderType, TimeInForce
from domain.errors import InvalidInput
from domain.ticker import Pair as PairTicker
from domain.ticker import TickerError, parse_ticker
from models import Instrument, Pair
from resources.schemas.fields import Blank, Out, OutNumber, Positive, Symbol, V3Body, Visible
from services.catalog.pairs import PairForm
from services.catalog.stocks import StockForm


def _no_yes(value: object) -> object:
    """Return whole numbers written as text too; `true` is no number."""
    if isinstance(value, bool):
        raise ValueError("must be 1 (active), 0 (passive) or -1 (watch-list)")
    if isinstance(value, str) and value.strip() in ("1", "0", "-1"):
        return int(value)
    if value not in (1, 0, -1):
        raise ValueError("must be 1 (active), 0 (passive) or -1 (watch-list)")
    return int(value)


def _upper(text: str) -> str:
    return text.upper()


ActivityNumber = Annotated[Literal[1, 0, -1], BeforeValidator(_no_yes)]
Exchange = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=32, pattern=r"^[A-Za-z0-9._-]+$"),
    AfterValidator(_upper),
]
Currency = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z]{3,8}$"), AfterValidator(_upper)]
AccountName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]
LegTimeout = Annotated[int, Field(ge=1, le=86400, strict=True)]
Notes = Annotated[str, StringConstraints(max_length=500), Visible]


class StockIn(V3Body):
    symbol: Symbol
    prixch: Exchange = "SMART"
    secxch: Exchange = "ISLAND"
    active: ActivityNumber = 0
    sectype: AssetClass = AssetClass.STOCK
    currency: Currency = "USD"
    order_type: OrderType = Field(
        OrderType.MARKET, description="limit and stop are the alert's price; legs of pairs always go to the market"
    )
    time_in_force: TimeInForce = TimeInForce.DAY
    extended_hours: bool = Field(
        False, description="may trade before the opening and after the close; with LIMIT and DAY or GTC only"
    )
    account: Annotated[AccountName | None, Blank] = None

    def form(self) -> StockForm:
        """Return the stock in the desk's terms."""
        return StockForm(
            symbol=self.symbol,
            primary_exchange=self.prixch,
            secondary_exchange=self.secxch,
            activity=Activity.from_number(self.active),
            asset_class=self.sectype,
            currency=self.currency,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            extended_hours=self.extended_hours,
            account=self.account,
        )


class StockPut(V3Body):
    """A change of a stock: what is left out stays as it is, null brings the default back."""

    symbol: Symbol
    prixch: Exchange | None = None
    secxch: Exchange | None = None
    active: ActivityNumber | None = None
    sectype: AssetClass | None = None
    currency: Currency | None = None
    order_type: OrderType | None = Field(
        None, description="limit and stop are the alert's price; legs of pairs always go to the market"
    )
    time_in_force: TimeInForce | None = None
    extended_hours: bool | None = Field(
        None, description="may trade before the opening and after the close; with LIMIT and DAY or GTC only"
    )
    account: Annotated[AccountName | None, Blank] = Field(
        None, description="where its alerts are traded; an admin changes it"
    )

    def form(self) -> StockForm:
        """Return the stock in the desk's terms, with the defaults where nothing is said."""
        return StockIn.model_validate(self.model_dump(exclude_none=True)).form()

    def named(self) -> frozenset[str]:
        """Return the desk's names of the fields that were said."""
        return frozenset(STOCK_FIELDS[field] for field in self.model_fields_set if field in STOCK_FIELDS)


STOCK_FIELDS = {
    "prixch": "primary_exchange",
    "secxch": "secondary_exchange",
    "active": "activity",
    "sectype": "asset_class",
    "currency": "currency",
    "order_type": "order_type",
    "time_in_force": "time_in_force",
    "extended_hours": "extended_hours",
    "account": "account",
}


class StockOut(Out):
    symbol: str
    prixch: str
    secxch: str
    active: Literal[1, 0, -1]
    sectype: str
    currency: str
    order_type: str
    time_in_force: str
    extended_hours: bool
    account: str | None

    @classmethod
    def of(cls, row: Instrument) -> StockOut:
        """Return the stock in v3 terms."""
        return cls(
            symbol=row.symbol,
            prixch=row.primary_exchange,
            secxch=row.secondary_exchange,
            active=Activity(row.activity).number,
            sectype=row.asset_class,
            currency=row.currency,
            order_type=row.order_type,
            time_in_force=row.time_in_force,
            extended_hours=row.extended_hours,
            account=row.account.name if row.account else None,
        )


class StockList(Out):
    stocks: list[StockOut]


class PairName(V3Body):
    """How a pair is named: by its legs, or as in older versions by its name alone."""

    ticker1: Symbol | None = None
    ticker2: Symbol | None = None
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=129)] | None = Field(
        None, description="the legs joined by '-'; gives the legs when they are absent"
    )

    @model_validator(mode="after")
    def _legs_from_name(self) -> Self:
        if self.name and not self.ticker1 and not self.ticker2:
            try:
                parsed = parse_ticker(self.name)
            except TickerError as e:
                raise InvalidInput({"name": e.reason}) from None
            if not isinstance(parsed, PairTicker) or parsed.hedge_ratio != 1:
                raise InvalidInput({"name": "must be two symbols joined by '-'"})
            self.ticker1, self.ticker2 = parsed.leg1.symbol, parsed.leg2.symbol
        missing = {name: f"'{name}' cannot be empty!" for name in ("ticker1", "ticker2") if not getattr(self, name)}
        if missing:
            raise InvalidInput(missing)
        if self.ticker1 == self.ticker2:
            raise InvalidInput({"ticker2": "must differ from ticker1"})
        if self.name and self.name.upper() != f"{self.ticker1}-{self.ticker2}":
            raise InvalidInput({"name": f"must be {self.ticker1}-{self.ticker2}, or left out"})
        return self


class PairIn(PairName):
    hedge: Positive
    status: ActivityNumber = 0
    notes: Annotated[Notes | None, Blank] = None
    contracts: Annotated[Positive | None, Blank] = None
    account: Annotated[AccountName | None, Blank] = None
    leg_policy: Annotated[LegPolicy | None, Blank] = Field(
        None, description="when leg 2 is sent: together (where nothing is said), leg1_first or attached"
    )
    on_leg_failure: Annotated[FailurePolicy | None, Blank] = Field(
        None, description="when one leg fails: unwind (where nothing is said), complete or hold"
    )
    leg_timeout: Annotated[LegTimeout | None, Blank] = Field(
        None, description="seconds one leg may work while the other is filled; absent: as the desk is set"
    )

    def form(self) -> PairForm:
        """Return the pair in the desk's terms."""
        return _pair_form(self, self.hedge)


class PairPut(PairName):
    """A change of a pair: what is left out stays as it is, null brings the default back."""

    hedge: Positive | None = Field(None, description="needed for a pair that is not registered yet")
    status: ActivityNumber | None = None
    notes: Annotated[Notes | None, Blank] = None
    contracts: Annotated[Positive | None, Blank] = None
    account: Annotated[AccountName | None, Blank] = Field(
        None, description="where its alerts are traded; an admin changes it"
    )
    leg_policy: Annotated[LegPolicy | None, Blank] = Field(
        None, description="when leg 2 is sent: together (at first), leg1_first or attached"
    )
    on_leg_failure: Annotated[FailurePolicy | None, Blank] = Field(
        None, description="when one leg fails: unwind (at first), complete or hold"
    )
    leg_timeout: Annotated[LegTimeout | None, Blank] = Field(
        None, description="seconds one leg may work while the other is filled; null: as the desk is set"
    )

    @model_validator(mode="after")
    def _hedge_is_a_number(self) -> Self:
        if "hedge" in self.model_fields_set and self.hedge is None:
            raise InvalidInput({"hedge": "'hedge' cannot be empty!"})
        return self

    def form(self) -> PairForm:
        """Return the pair in the desk's terms, with the defaults where nothing is said."""
        return _pair_form(self, self.hedge)

    def named(self) -> frozenset[str]:
        """Return the desk's names of the fields that were said."""
        return frozenset(PAIR_FIELDS[field] for field in self.model_fields_set if field in PAIR_FIELDS)


PAIR_FIELDS = {
    "hedge": "hedge_ratio",
    "status": "activity",
    "notes": "notes",
    "contracts": "contracts",
    "account": "account",
    "leg_policy": "leg_policy",
    "on_leg_failure": "on_leg_failure",
    "leg_timeout": "leg_timeout",
}


def _pair_form(body: PairIn | PairPut, hedge: Decimal | None) -> PairForm:
    return PairForm(
        symbol1=str(body.ticker1),
        symbol2=str(body.ticker2),
        hedge_ratio=hedge,
        activity=Activity.from_number(body.status or 0),
        notes=body.notes,
        contracts=body.contracts,
        account=body.account,
        leg_policy=body.leg_policy or LegPolicy.TOGETHER,
        on_leg_failure=body.on_leg_failure or FailurePolicy.UNWIND,
        leg_timeout=body.leg_timeout,
    )


class PairOut(Out):
    name: str
    ticker1: str
    ticker2: str
    hedge: OutNumber
    status: Literal[1, 0, -1]
    notes: str | None
    contracts: OutNumber | None
    account: str | None
    leg_policy: str
    on_leg_failure: str
    leg_timeout: int | None

    @classmethod
    def of(cls, row: Pair) -> PairOut:
        """Return the pair in v3 terms."""
        return cls(
            name=row.name,
            ticker1=row.leg1.symbol,
            ticker2=row.leg2.symbol,
            hedge=row.hedge_ratio,
            status=Activity(row.activity).number,
            notes=row.notes,
            contracts=row.contracts,
            account=row.account.name if row.account else None,
            leg_policy=row.leg_policy,
            on_leg_failure=row.on_leg_failure,
            leg_timeout=row.leg_timeout,
        )


class PairList(Out):
    pairs: list[PairOut]
