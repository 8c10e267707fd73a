"""Signals as v3 clients read them, and the filters of their lists."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from domain.order_status import SignalStatus
from models import Order, Signal
from resources.schemas.fields import (
    Out,
    OutNumber,
    OutOrderId,
    PageQuery,
    show_iso,
    show_order_id,
    show_time,
)


class LegOut(Out):
    """One leg's order."""

    order: int
    leg: int
    generation: int
    purpose: str
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
            order=row.id,
            leg=row.leg,
            generation=row.generation,
            purpose=row.purpose,
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


class SignalQuery(PageQuery):
    """Filters of a list of signals, by when they were received."""

    ticker: Annotated[str, StringConstraints(strip_whitespace=True, max_length=160)] | None = None
    status: SignalStatus | None = None
