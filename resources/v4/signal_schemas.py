"""Signals, alerts and reports of fills as v4's clients write and read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from domain.alert import Alert
from domain.enums import Side
from domain.errors import InvalidInput
from domain.order_status import SignalStatus
from models import Signal
from resources.schemas.alerts import (
    OF_THE_DESK,
    Action,
    AlertIn,
    OptionalNumber,
    OptionalText,
    Position,
    Size,
    Ticker,
    no_yes,
)
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
    Time,
    V3Body,
    show_time,
)
from resources.schemas.signals import UpdatedSignalOut
from resources.v4.names import ErrorText, OneOf, StatusText, SymbolText
from services.catalog.ibkr_symbols import symbols_for_ibkr, symbols_meant
from services.interventions.edit_signal import SignalEdit
from services.interventions.external_fill import ExternalFill

# How an executor says that it has ordered another amount than the alert's, minus for a sale.
SYNCED = re.compile(r"\+synced\([-\d.]+->(-?)(\d+(?:\.\d+)?)\)")
SAME = (
    "rowid", "ticker", "order_action", "order_contracts", "order_price", "mar_pos", "pre_mar_pos", "order_comment",
    "order_status", "ticker_type", "hedge_param", "order_id1", "order_id2", "fill_price", "slip", "error_msg",
    "status_msg",
)  # fmt: skip


class V4UpdatedRow(Out):
    """A signal as v4 answers an update: without its time."""

    rowid: int
    ticker: str
    order_action: str
    order_contracts: OutNumber
    order_price: OutNumber | None
    mar_pos: str | None
    mar_pos_size: OutNumber
    pre_mar_pos: str | None
    pre_mar_pos_size: OutNumber
    order_comment: str | None
    order_status: str
    ticker_type: str | None
    ticker1: str | None
    ticker2: str | None
    hedge_param: OutNumber | None
    order_id1: OutOrderId | None
    order_id2: OutOrderId | None
    price1: OutNumber | None
    price2: OutNumber | None
    fill_price: OutNumber | None
    slip: OutNumber | None
    error_msg: str | None
    status_msg: str | None

    @classmethod
    def of(cls, row: Signal) -> V4UpdatedRow:
        """Return the signal in v4 terms, without its time."""
        return cls(**_fields_of(row, symbols_for_ibkr((row.symbol1, row.symbol2))))


class V4Row(V4UpdatedRow):
    """A signal; sizes are numbers always, for clients calculate with them."""

    timestamp: str

    @classmethod
    def of(cls, row: Signal) -> V4Row:
        """Return the signal in v4 terms."""
        return cls.of_many([row])[0]

    @classmethod
    def of_many(cls, rows: Sequence[Signal]) -> list[V4Row]:
        """Return the signals in v4 terms."""
        symbols = symbols_for_ibkr(symbol for row in rows for symbol in (row.symbol1, row.symbol2))
        return [cls(**_fields_of(row, symbols), timestamp=show_time(row.alert_at or row.received_at)) for row in rows]


class V4SignalList(Out):
    signals: list[V4Row]
    notoken_limit: int


def _fields_of(row: Signal, symbols: Mapping[str, str]) -> dict[str, Any]:
    fields = UpdatedSignalOut.fields_of(row)
    return {
        **{name: fields[name] for name in SAME},
        "mar_pos_size": fields["mar_pos_size"] or Decimal(0),
        "pre_mar_pos_size": fields["pre_mar_pos_size"] or Decimal(0),
        "ticker1": None if row.symbol1 is None else symbols[row.symbol1],
        "ticker2": None if row.symbol2 is None else symbols[row.symbol2],
        "price1": row.leg_price1,
        "price2": row.leg_price2,
    }


class V4AlertIn(AlertIn):
    """An alert, also one that an executor makes itself to bring leg 2 in step."""

    OURS: ClassVar[tuple[str, ...]] = (*OF_THE_DESK, "price1", "price2")

    status_msg: StatusText = None
    bypass_ticker_status: bool = Field(
        False, strict=True, description="a leg of an active pair of the executor's may be traded singly"
    )

    def alert(self, body_sha256: str) -> Alert:
        """Return the alert in the desk's terms."""
        return replace(super().alert(body_sha256), as_leg=self.bypass_ticker_status, reason=self.status_msg)


class V4SignalUpdateIn(V3Body):
    """A whole row that an executor has read, changed and puts back."""

    KNOWN_BESIDES: ClassVar[frozenset[str]] = frozenset({*V4Row.model_fields, "bypass_ticker_status"})

    passphrase: Secret | None = Field(None, repr=False)
    rowid: Annotated[int, BeforeValidator(no_yes)] = Field(gt=0, le=2**53)
    ticker: Ticker | None = None
    order_action: Action | None = None
    order_contracts: Annotated[Positive | None, Blank] = Field(
        None, description="what is ordered; may differ from the alert's until an order id is told"
    )
    order_price: OptionalNumber = None
    mar_pos: Position = None
    mar_pos_size: Size = None
    pre_mar_pos: Position = None
    pre_mar_pos_size: Size = None
    order_comment: OptionalText = None
    timestamp: Annotated[Time | None, Blank] = None
    order_status: Annotated[SignalStatus | None, OneOf] = None
    order_id1: OrderId | None = None
    order_id2: OrderId | None = None
    price1: OptionalNumber = None
    price2: OptionalNumber = None
    error_msg: ErrorText = None
    status_msg: StatusText = None

    def edit(self) -> SignalEdit:
        """Return the change in the desk's terms; a size of 0 may stand for none, and says nothing."""
        side = self._ordered_side()
        return SignalEdit(
            said={
                "ticker": self.ticker,
                "side": self.order_action if side is None else None,
                "price": self.order_price,
                "position": self.mar_pos,
                "position_size": self.mar_pos_size or None,
                "previous_position": self.pre_mar_pos,
                "previous_position_size": self.pre_mar_pos_size or None,
                "comment": self.order_comment,
            },
            status=self.order_status,
            order_id1=self.order_id1,
            order_id2=self.order_id2,
            leg_price1=self.price1,
            leg_price2=self.price2,
            error_text=self.error_msg,
            side=side,
            quantity=self.order_contracts,
            reason=self.status_msg,
        )

    def _ordered_side(self) -> Side | None:
        """Return the side on which a synced amount is ordered: the row itself goes on showing the alert's."""
        found = SYNCED.search(self.status_msg or "")
        if found is None or self.order_id1 is None or Decimal(found[2]) != self.order_contracts:
            return None
        return Side.SELL if found[1] else Side.BUY


def left_as_is(sent: Mapping[str, Any], row: V4UpdatedRow) -> list[str]:
    """Return the names of a row's values that were sent otherwise than they are, and that nobody can set."""
    read_only = V4UpdatedRow.model_fields.keys() - V4SignalUpdateIn.model_fields.keys()
    return sorted(name for name in read_only if sent.get(name) is not None and sent[name] != getattr(row, name))


class V4FillIn(V3Body):
    """A fill or cancel that an executor reports by order id and symbol."""

    passphrase: Secret = Field(repr=False)
    order_id: OrderId
    symbol: SymbolText
    price: OptionalNumber = Field(None, description="average price of all shares of the order that are filled")
    filled_qty: Annotated[Number | None, Blank] = Field(
        None, description="shares of the order that are filled by now; without it all of them are"
    )
    cancel: bool = Field(False, strict=True)
    partial: bool = Field(False, strict=True)
    order_contracts: Annotated[NotNegative | None, Blank] = Field(
        None, description="with partial: shares that are filled"
    )

    def fill(self) -> ExternalFill:
        """Return the report in the desk's terms; raises InvalidInput for words that do not go together."""
        if self.cancel and self.partial:
            raise InvalidInput({"cancel": "does not go together with partial"})
        if self.partial and not self.order_contracts:
            raise InvalidInput({"order_contracts": "a partial fill needs its amount, greater than 0"})
        is_fill = not self.cancel and not self.partial
        if is_fill and self.price is None:
            raise InvalidInput({"price": "'price' cannot be empty!"})
        if is_fill and self.filled_qty is not None and self.filled_qty <= 0:
            raise InvalidInput({"filled_qty": "must be greater than 0"})
        return ExternalFill(
            order_id=self.order_id,
            price=None if self.cancel else self.price,  # executors send any number along with a cancel
            cancel=self.cancel,
            partial_quantity=self.order_contracts if self.partial else None,
            filled=self.filled_qty if is_fill else None,
            symbols=symbols_meant(self.symbol),
            ends_both=True,  # leg 2 hangs on leg 1 at the executor's broker
        )
