"""Alerts, and what outside executors report, as TradingView and v3 clients write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from domain.alert import Alert, OwnTerms
from domain.edge.visible import visible
from domain.enums import MarketPosition, Side, WhenClosed
from domain.errors import InvalidInput
from domain.order_status import SignalStatus
from resources.schemas.fields import (
    Blank,
    NotNegative,
    Number,
    OrderId,
    Out,
    Positive,
    Secret,
    Text,
    Time,
    V3Body,
    Visible,
)
from resources.schemas.signals import SignalOut, UpdatedSignalOut
from services.interventions.edit_signal import SignalEdit
from services.interventions.external_fill import ExternalFill

# As TradingView writes what it fills in: a word of its own, not any text between braces.
PLACEHOLDER = re.compile(r"\{\{[A-Za-z_][\w.]{0,60}(?:\([^{}]{0,60}\))?\}\}")
OF_THE_DESK = ("rowid", "order_id1", "order_id2", "stk_price1", "stk_price2", "fill_price", "slip")


def _plain_ticker(text: str) -> str:
    """Return the ticker text; control characters become visible, so that the signal can be kept and read."""
    if not text.strip():
        raise ValueError("'ticker' cannot be empty!")
    text = text.strip(" \t\r\n")
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def no_yes(value: Any) -> Any:
    """Return the value; raises ValueError for true and false, which would count as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def _cut(value: Any) -> Any:
    """Return a text at the length that is kept, with nothing hidden in it."""
    return visible(value.strip())[:128] if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Ticker = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_plain_ticker)]
Action = Annotated[Side, BeforeValidator(_lower)]
Position = Annotated[MarketPosition | None, BeforeValidator(_lower), Blank]
Size = Annotated[NotNegative | None, Blank]
OptionalNumber = Annotated[Number | None, Blank]
OptionalText = Annotated[Text | None, BeforeValidator(_cut), Blank]  # no alert is lost for a long comment

Price = Annotated[Positive | None, Blank]

Lifetime = Annotated[
    Annotated[int, BeforeValidator(no_yes), Field(ge=1, le=86400)] | None,
    Blank,
]
ClosedMarket = Annotated[WhenClosed | None, BeforeValidator(_lower), Blank]


class AlertIn(V3Body):
    """An alert as the webhook takes it."""

    OURS: ClassVar[tuple[str, ...]] = OF_THE_DESK  # names of what the desk alone sets

    passphrase: Secret = Field(repr=False)
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
    timestamp: Annotated[Time | None, Blank] = Field(
        None, description="when the alert fired, {{timenow}}: its age counts from then; never the time of its bar"
    )
    signal_id: Annotated[Annotated[str, StringConstraints(max_length=4096)] | None, Blank] = Field(
        None,
        description="the sender's own name of this event; a repeat of it is not traded again. Without one, the same "
        "body within 30 seconds is a repeat, unless another alert of the name came between or the first was refused",
    )
    bar_time: OptionalText = Field(None, description="shown, and used for nothing")
    strategy: OptionalText = None
    lifetime: Lifetime = Field(
        None, description="seconds from its own time, else from receipt, or from the open it waits for"
    )
    when_closed: ClosedMarket = Field(None, description="what becomes of it while its market is closed: expire or hold")
    limit_price: Price = Field(None, description="an entry of a stock is a limit order at it, however it is registered")
    stop_price: Price = Field(None, description="the entry waits for it; with limit_price it is a stop limit order")
    trail_percent: Price = Field(None, description="the entry's stop follows the market at so many percent")
    trail_price: Price = Field(None, description="the entry's stop follows the market at so much money a share")
    take_profit: Price = Field(None, description="not traded: an entry with it is refused by name")
    stop_loss: Price = Field(None, description="not traded: an entry with it is refused by name")
    notional: Price = Field(
        None, description="so much money instead of order_contracts, for entries of a stock: a quantity, rounded down"
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_ours(cls, data: dict[str, Any]) -> dict[str, Any]:
        ours = {name: "is set by the desk, not by an alert" for name in cls.OURS if data.get(name) is not None}
        if ours:
            raise InvalidInput(ours)
        return data

    @model_validator(mode="before")
    @classmethod
    def _refuse_unfilled(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Refuse what TradingView was to fill in and has not, as in alerts that are not those of a strategy."""
        unfilled = {
            name: f"still holds {found[0]}, which the sender has not filled in"
            for name in cls.model_fields.keys() - {"passphrase"}
            if isinstance(text := data.get(name), str) and "{{" in text and (found := PLACEHOLDER.search(text))
        }
        if unfilled:
            raise InvalidInput(unfilled)
        return data

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        if wrong := self.own_terms.contradictions():
            raise InvalidInput(wrong)
        return self

    @property
    def own_terms(self) -> OwnTerms:
        """Return what the alert says of its order."""
        return OwnTerms(**{each.name: getattr(self, each.name) for each in fields(OwnTerms)})

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
            lifetime=self.lifetime,
            when_closed=self.when_closed,
            signal_id=self.signal_id,
            own_terms=self.own_terms,
            body_sha256=body_sha256,
            ignored=self.ignored,
        )


class AlertOut(Out):
    message: str
    rowid: int
    order_status: str
    status_msg: str | None
    duplicate: bool


class SignalUpdateIn(V3Body):
    """A signal as an outside executor puts it back; what the alert said must be unchanged.

    Executors send the whole row that they have read, so all that a row holds is known.
    """

    KNOWN_BESIDES: ClassVar[frozenset[str]] = frozenset(SignalOut.model_fields)

    passphrase: Secret | None = Field(None, repr=False)
    rowid: Annotated[int, BeforeValidator(no_yes)] = Field(gt=0, le=2**53)
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
    error_msg: Annotated[str, StringConstraints(max_length=1000), Visible] | None = None

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


def left_as_is(sent: Mapping[str, Any], row: UpdatedSignalOut) -> list[str]:
    """Return the names of a row's values that an executor has sent otherwise than they are now, and cannot set."""
    read_only = UpdatedSignalOut.model_fields.keys() - SignalUpdateIn.model_fields.keys()
    return sorted(name for name in read_only if sent.get(name) is not None and sent[name] != getattr(row, name))


class FillIn(V3Body):
    """A fill or cancel that an outside executor reports by order id."""

    passphrase: Secret = Field(repr=False)
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
