"""Orders, fills and events as clients read them, and the filters of their lists."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from domain.enums import Purpose, Side
from domain.order_status import OrderStatus
from models import Fill, Order, OrderEvent
from resources.schemas.fields import Limit, Name, Out, OutNumber, PageQuery, RowId, SymbolFilter, TimeQuery, show_iso
from services.paging import Page
from services.reports.order_queries import EventFilter, FillFilter, OrderFilter, OrderRecord

AccountName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


EventKey = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}-[0-9]{1,9}$")]


class FillOut(Out):
    """One execution at the broker; `realised` is what it earned before commission."""

    fill: int
    execution_id: str
    order: int
    client_order_id: str
    signal: int | None
    account: str
    name: str
    symbol: str
    side: str
    quantity: OutNumber
    price: OutNumber
    commission: OutNumber
    currency: str
    realised: OutNumber
    synthetic: bool
    at: str
    recorded_at: str

    @classmethod
    def of(cls, row: Fill, order: Order, account: str) -> FillOut:
        """Return the fill with what its order says of it."""
        return cls(
            fill=row.id,
            execution_id=row.execution_id,
            order=order.id,
            client_order_id=order.client_order_id,
            signal=order.signal_id,
            account=account,
            name=order.name,
            symbol=order.symbol,
            side=order.side,
            quantity=row.quantity,
            price=row.price,
            commission=row.commission,
            currency=order.currency,
            realised=row.realised,
            synthetic=row.synthetic,
            at=show_iso(row.at),
            recorded_at=show_iso(row.recorded_at),
        )


class EventOut(Out):
    """One move of an order; from null = it was made, from and to alike = something that moved nothing."""

    event: str = Field(description="order and number, as `after` takes it")
    order: int
    number: int
    client_order_id: str
    signal: int | None
    account: str
    name: str
    symbol: str
    side: str
    from_status: str | None
    to_status: str
    cause: str
    actor: str
    at: str

    @classmethod
    def of(cls, row: OrderEvent, order: Order, account: str) -> EventOut:
        """Return the event with what it happened to."""
        return cls(
            event=f"{row.order_id}-{row.seq}",
            order=order.id,
            number=row.seq,
            client_order_id=order.client_order_id,
            signal=order.signal_id,
            account=account,
            name=order.name,
            symbol=order.symbol,
            side=order.side,
            from_status=row.from_status,
            to_status=row.to_status,
            cause=row.cause,
            actor=row.actor,
            at=show_iso(row.at),
        )


class OrderRowOut(Out):
    """An order in a list: `order` is our number, `signal` the rowid of what it was made for."""

    order: int
    client_order_id: str
    broker_order_id: str | None
    signal: int | None
    leg: int
    generation: int
    name: str
    purpose: str
    is_exit: bool
    attached: bool
    account: str
    symbol: str
    asset_class: str
    currency: str
    side: str
    quantity: OutNumber
    order_type: str
    time_in_force: str
    limit_price: OutNumber | None
    stop_price: OutNumber | None
    trail_percent: OutNumber | None
    trail_price: OutNumber | None
    extended_hours: bool
    status: str
    reason: str | None
    filled_quantity: OutNumber
    average_price: OutNumber | None
    created_at: str
    not_after: str | None
    sent_at: str | None
    send_attempts: int
    lookups: int
    cancel_requested_at: str | None
    cancel_reason: str | None

    @staticmethod
    def fields_of(row: Order, account: str) -> dict[str, Any]:
        """Return the fields of a list entry."""
        times = {name: getattr(row, name) for name in ("not_after", "sent_at", "cancel_requested_at")}
        return {
            "order": row.id,
            "signal": row.signal_id,
            "account": account,
            "created_at": show_iso(row.created_at),
            **{name: None if time is None else show_iso(time) for name, time in times.items()},
            **{name: getattr(row, name) for name in _PLAIN},
        }


_PLAIN = (
    "client_order_id", "broker_order_id", "leg", "generation", "name", "purpose", "is_exit", "attached", "symbol",
    "asset_class", "currency", "side", "quantity", "order_type", "time_in_force", "limit_price", "stop_price",
    "trail_percent", "trail_price", "extended_hours", "status", "reason", "filled_quantity", "average_price",
    "send_attempts", "lookups", "cancel_reason",
)  # fmt: skip


class OrderOut(OrderRowOut):
    """An order with its fills and with every move, in order of time."""

    fills: list[FillOut]
    events: list[EventOut]

    @classmethod
    def of(cls, record: OrderRecord) -> OrderOut:
        """Return the whole order."""
        order, account = record.order, record.account
        return cls(
            **cls.fields_of(order, account),
            fills=[FillOut.of(fill, order, account) for fill in record.fills],
            events=[EventOut.of(event, order, account) for event in record.events],
        )


class OrderPage(Out):
    orders: list[OrderRowOut]
    next_after: int | None = Field(description="`after` of the next page, null on the last")

    @classmethod
    def of(cls, page: Page[Order, int]) -> OrderPage:
        """Return the page."""
        rows = [OrderRowOut(**OrderRowOut.fields_of(row, page.accounts[row.account_id])) for row in page.rows]
        return cls(orders=rows, next_after=page.next_after)


class FillPage(Out):
    fills: list[FillOut]
    next_after: int | None = Field(description="`after` of the next page, null on the last")

    @classmethod
    def of(cls, page: Page[Fill, int]) -> FillPage:
        """Return the page."""
        rows = [FillOut.of(row, row.order, page.accounts[row.account_id]) for row in page.rows]
        return cls(fills=rows, next_after=page.next_after)


class EventPage(Out):
    events: list[EventOut]
    next_after: str | None = Field(description="`after` of the next page, null on the last")

    @classmethod
    def of(cls, page: Page[OrderEvent, tuple[int, int]]) -> EventPage:
        """Return the page."""
        rows = [EventOut.of(row, row.order, page.accounts[row.order.account_id]) for row in page.rows]
        key = page.next_after
        return cls(events=rows, next_after=None if key is None else f"{key[0]}-{key[1]}")


class OrderQuery(PageQuery):
    """Filters of a list of orders; times are those of their making, `open` is what has not ended."""

    status: OrderStatus | None = None
    open: bool | None = None
    symbol: SymbolFilter | None = None
    name: Name | None = None
    account: AccountName | None = None
    side: Side | None = None
    purpose: Purpose | None = None

    def filter(self) -> OrderFilter:
        """Return the filter in the desk's terms."""
        return OrderFilter(
            status=self.status,
            is_open=self.open,
            symbol=self.symbol,
            name=self.name,
            account=self.account,
            side=self.side,
            purpose=self.purpose,
            since=self.from_,
            until=self.to,
        )


class FillQuery(PageQuery):
    """Filters of a list of fills; times are those of the executions."""

    symbol: SymbolFilter | None = None
    name: Name | None = None
    account: AccountName | None = None
    order: RowId | None = None

    def filter(self) -> FillFilter:
        """Return the filter in the desk's terms."""
        return FillFilter(
            symbol=self.symbol,
            name=self.name,
            account=self.account,
            order_id=self.order,
            since=self.from_,
            until=self.to,
        )


class OrderEventsQuery(TimeQuery):
    """Filters of the events of one order; `after` is `next_after` of the page before."""

    limit: Limit = 50
    after: EventKey | None = None

    @property
    def key(self) -> tuple[int, int] | None:
        """Return the order and the number there of the event to start after."""
        if self.after is None:
            return None
        order_id, _, number = self.after.partition("-")
        return int(order_id), int(number)


class EventQuery(OrderEventsQuery):
    """Filters of a list of events."""

    order: RowId | None = None
    signal: RowId | None = None

    def filter(self) -> EventFilter:
        """Return the filter in the desk's terms."""
        return EventFilter(order_id=self.order, signal_id=self.signal, since=self.from_, until=self.to)
