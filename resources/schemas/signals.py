"""Alerts and signals as v3 clients and TradingView write and read them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from domain.alert import Alert
from domain.enums import MarketPosition, Side
from domain.errors import InvalidInput
from domain.order_status import SignalStatus
from models import Order, Signal
from resources.schemas.fields import (
    Blank,
    NotNegative,
    Number,
    OrderId,
    Out,
    OutNumber,
    OutOrderId,
    Positive,
    Secret,
    Text,
    Time,
    Tolerant,
    show_iso,
    show_order_id,
    show_time,
)
from services.edit_signal import SignalEdit
from services.external_fill import ExternalFill

OF_THE_DESK = ("rowid", "order_id1", "order_id2", "stk_price1", "stk_price2", "fill_price", "slip")


def _plain_ticker(text: str) -> str:
    """Return the ticker text; control characters become visible, so that the signal can be kept and read."""
    if not text.strip():
        raise ValueError("'ticker' cannot be empty!")
    return "".join(c if c.isprintable() else "\ufffd" for c in text.strip(" \t\r\n"))


def _no_yes(value: Any) -> Any:
    """Return the value; raises ValueError for true and false, which would count as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def _cut(value: Any) -> Any:
    """Return a text at the length that is kept."""
    return value.strip()[:128] if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Ticker = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_plain_ticker)]
Action = Annotated[Side, BeforeValidator(_lower)]
Position = Annotated[MarketPosition | None, BeforeValidator(_lower), Blank]
Size = Annotated[NotNegative | None, Blank]
OptionalNumber = Annotated[Number | None, Blank]
OptionalText = Annotated[Text | None, BeforeValidator(_cut), Blank]  # no alert is lost for a long comment


class AlertIn(Tolerant):
    """An alert as the webhook takes it."""

    passphrase: Secret
    ticker: Ticker
    order_action: Action
    order_contracts: Positive
    order_price: OptionalNumber = None
    mar_pos: Position = None
    mar_pos_size: Size = None
    pre_mar_pos: Position = None
    pre_mar_pos_size: Size = None
    order_comment: OptionalText = None
    order_status: Annotated[Literal["waiting"] | None, Blank] = None
    timestamp: Annotated[Time | None, Blank] = None
    signal_id: Annotated[Annotated[str, StringConstraints(max_length=4096)] | None, Blank] = Field(
        None, description="the sender's own name of this event; a repeat of it is not traded again"
    )
    bar_time: OptionalText = None
    strategy: OptionalText = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_ours(cls, data: dict[str, Any]) -> dict[str, Any]:
        ours = {name: "is set by the desk, not by an alert" for name in OF_THE_DESK if data.get(name) is not None}
        if ours:
            raise InvalidInput(ours)
        return data

    def alert(self, body_sha256: str) -> Alert:
        """Return the alert in the desk's terms."""
        return Alert(
            ticker=self.ticker,
            side=self.order_action,
            quantity=self.order_contracts,
            price=self.order_price,
            position=self.mar_pos,
            position_size=self.mar_pos_size,
            previous_position=self.pre_mar_pos,
            previous_position_size=self.pre_mar_pos_size,
            comment=self.order_comment,
            strategy=self.strategy,
            bar_time=self.bar_time,
            alert_at=self.timestamp,
            signal_id=self.signal_id,
            body_sha256=body_sha256,
        )


class AlertOut(Out):
    message: str
    rowid: int
    order_status: str
    status_msg: str | None
    duplicate: bool


class SignalUpdateIn(Tolerant):
    """A signal as an outside executor puts it back; what the alert said must be unchanged."""

    passphrase: Secret | None = None
    rowid: Annotated[int, BeforeValidator(_no_yes)] = Field(gt=0, le=2**53)
    ticker: Ticker | None = None
    order_action: Action | None = None
    order_contracts: Annotated[Positive | None, Blank] = None
    order_price: OptionalNumber = None
    mar_pos: Position = None
    mar_pos_size: Size = None
    pre_mar_pos: Position = None
    pre_mar_pos_size: Size = None
    order_comment: OptionalText = None
    timestamp: Annotated[Time | None, Blank] = None
    order_status: SignalStatus | None = None
    order_id1: OrderId | None = None
    order_id2: OrderId | None = None
    stk_price1: OptionalNumber = None
    stk_price2: OptionalNumber = None
    error_msg: Annotated[str, StringConstraints(max_length=1000)] | None = None

    def edit(self) -> SignalEdit:
        """Return the change in the desk's terms; a field that is absent or null is left as it is."""
        return SignalEdit(
            said={
                "ticker": self.ticker,
                "side": self.order_action,
                "quantity": self.order_contracts,
                "price": self.order_price,
                "position": self.mar_pos,
                "position_size": self.mar_pos_size,
                "previous_position": self.pre_mar_pos,
                "previous_position_size": self.pre_mar_pos_size,
                "comment": self.order_comment,
            },
            status=self.order_status,
            order_id1=self.order_id1,
            order_id2=self.order_id2,
            leg_price1=self.stk_price1,
            leg_price2=self.stk_price2,
            error_text=self.error_msg,
        )


V3_NAMES = {
    "ticker": "ticker",
    "side": "order_action",
    "quantity": "order_contracts",
    "price": "order_price",
    "position": "mar_pos",
    "position_size": "mar_pos_size",
    "previous_position": "pre_mar_pos",
    "previous_position_size": "pre_mar_pos_size",
    "comment": "order_comment",
}


class FillIn(Tolerant):
    """A fill or cancel that an outside executor reports by order id."""

    passphrase: Secret
    order_id: OrderId
    stk_price: OptionalNumber = None
    cancel: bool = Field(False, strict=True)
    partial: bool = Field(False, strict=True)
    order_contracts: Annotated[NotNegative | None, Blank] = None

    def fill(self) -> ExternalFill:
        """Return the report in the desk's terms; raises InvalidInput for words that do not go together."""
        if self.cancel and self.partial:
            raise InvalidInput({"cancel": "does not go together with partial"})
        if self.partial and not self.order_contracts:
            raise InvalidInput({"order_contracts": "a partial fill needs its amount, greater than 0"})
        if not self.cancel and not self.partial and self.stk_price is None:
            raise InvalidInput({"stk_price": "'stk_price' cannot be empty!"})
        price = None if self.cancel else self.stk_price  # executors send 0 along with a cancel
        return ExternalFill(self.order_id, price, self.cancel, self.order_contracts if self.partial else None)


class LegOut(Out):
    """One leg's order."""

    leg: int
    order_id: OutOrderId | None
    client_order_id: str
    symbol: str
    side: str
    quantity: OutNumber
    status: str
    filled_quantity: OutNumber
    average_price: OutNumber | None
    reason: str | None
    synthetic: bool

    @classmethod
    def of(cls, row: Order) -> LegOut:
        """Return the order in the words of the edge."""
        return cls(
            leg=row.leg,
            order_id=show_order_id(row.broker_order_id),
            client_order_id=row.client_order_id,
            symbol=row.symbol,
            side=row.side,
            quantity=row.quantity,
            status=row.status,
            filled_quantity=row.filled_quantity,
            average_price=row.average_price,
            reason=row.reason,
            synthetic=any(fill.synthetic for fill in row.fills),
        )


def _shown_quantity(row: Signal) -> Decimal:
    """Return what v3 shows: of a partial fill by an outside executor the amount that was filled."""
    partial = row.external and row.status == SignalStatus.PART_FILLED and row.filled_quantity is not None
    return row.filled_quantity if partial and row.filled_quantity is not None else row.quantity


class UpdatedSignalOut(Out):
    """A signal as v3 answers an update: without its time."""

    rowid: int
    ticker: str
    order_action: str
    order_contracts: OutNumber
    order_price: OutNumber | None
    mar_pos: str | None
    mar_pos_size: OutNumber | None
    pre_mar_pos: str | None
    pre_mar_pos_size: OutNumber | None
    order_comment: str | None
    order_status: str
    ticker_type: str | None
    stk_ticker1: str | None
    stk_ticker2: str | None
    hedge_param: OutNumber | None
    order_id1: OutOrderId | None
    order_id2: OutOrderId | None
    stk_price1: OutNumber | None
    stk_price2: OutNumber | None
    fill_price: OutNumber | None
    slip: OutNumber | None
    error_msg: str | None
    status_msg: str | None
    source: str
    account: str | None

    @staticmethod
    def fields_of(row: Signal) -> dict[str, Any]:
        """Return the v3 fields of a signal."""
        return {
            "rowid": row.id,
            "ticker": row.ticker,
            "order_action": row.side,
            "order_contracts": _shown_quantity(row),
            "order_price": row.price,
            "mar_pos": row.position,
            "mar_pos_size": row.position_size,
            "pre_mar_pos": row.previous_position,
            "pre_mar_pos_size": row.previous_position_size,
            "order_comment": row.comment,
            "order_status": row.status,
            "ticker_type": row.ticker_type,
            "stk_ticker1": row.symbol1,
            "stk_ticker2": row.symbol2,
            "hedge_param": row.hedge_ratio,
            "order_id1": show_order_id(row.order_id1),
            "order_id2": show_order_id(row.order_id2),
            "stk_price1": row.leg_price1,
            "stk_price2": row.leg_price2,
            "fill_price": row.fill_price,
            "slip": row.slip,
            "error_msg": row.error_text,
            "status_msg": row.status_reason,
            "source": row.source,
            "account": row.account.name if row.account else None,
        }

    @classmethod
    def of(cls, row: Signal) -> UpdatedSignalOut:
        """Return the signal in v3 terms, without its time."""
        return cls(**cls.fields_of(row))


class SignalRowOut(UpdatedSignalOut):
    """A signal in a list."""

    timestamp: str
    received_at: str
    seen_count: int

    @staticmethod
    def fields_of(row: Signal) -> dict[str, Any]:
        """Return the fields of a list entry."""
        return {
            **UpdatedSignalOut.fields_of(row),
            "timestamp": show_time(row.alert_at or row.received_at),
            "received_at": show_iso(row.received_at),
            "seen_count": row.seen_count,
        }


class SignalOut(SignalRowOut):
    """A signal with its orders and with every check that was made."""

    legs: list[LegOut]
    trace: list[dict[str, Any]]

    @classmethod
    def of(cls, row: Signal) -> SignalOut:
        """Return the whole signal in v3 terms."""
        return cls(**cls.fields_of(row), legs=[LegOut.of(order) for order in row.orders], trace=row.trace)


class SignalList(Out):
    signals: list[SignalRowOut]
    notoken_limit: int


class SignalPage(Out):
    signals: list[SignalRowOut]
    notoken_limit: int
    next_after: int | None = Field(description="`after` of the next page, null on the last")


class SignalQuery(Tolerant):
    """Filters of a list of signals; times are UTC, `to` is excluded."""

    limit: Annotated[
        int, BeforeValidator(lambda v: int(v) if isinstance(v, str) and v.isascii() and v.isdigit() else v)
    ] = Field(50, ge=1, le=500)
    after: Annotated[
        int | None,
        BeforeValidator(lambda v: int(v) if isinstance(v, str) and v.isascii() and v.isdigit() else v),
    ] = Field(None, ge=1, le=2**53)
    ticker: Annotated[str, StringConstraints(strip_whitespace=True, max_length=129)] | None = None
    status: SignalStatus | None = None
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None
