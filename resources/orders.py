"""/v3/orders, /v3/order/<id> with its events and fills, /v3/events: what became of the orders."""

from __future__ import annotations

from resources.base import Access, ApiResource, endpoint
from resources.schemas.fields import PageQuery
from resources.schemas.orders import (
    EventPage,
    EventQuery,
    FillPage,
    OrderEventsQuery,
    OrderOut,
    OrderPage,
    OrderQuery,
)
from services.reports.order_queries import (
    EventFilter,
    FillFilter,
    get_order,
    get_record,
    list_events,
    list_fills,
    list_orders,
)


class Orders(ApiResource):
    @endpoint(Access.TOKEN, "orders", query=OrderQuery, answers={200: OrderPage}, errors=(400, 401))
    def get(self, query: OrderQuery) -> OrderPage:
        """List orders page by page, newest first, with filters."""
        return OrderPage.of(list_orders(query.filter(), query.limit, query.after))


class Order(ApiResource):
    @endpoint(Access.TOKEN, "orders", answers={200: OrderOut}, errors=(401, 404))
    def get(self, order: str) -> OrderOut:
        """Show an order, by its number or its client order id, with its fills and every move."""
        return OrderOut.of(get_record(order))


class OrderEvents(ApiResource):
    @endpoint(Access.TOKEN, "orders", query=OrderEventsQuery, answers={200: EventPage}, errors=(400, 401, 404))
    def get(self, order: str, query: OrderEventsQuery) -> EventPage:
        """List the moves of an order page by page, newest first."""
        wanted = EventFilter(order_id=get_order(order).id, since=query.from_, until=query.to)
        return EventPage.of(list_events(wanted, query.limit, query.key))


class OrderFills(ApiResource):
    @endpoint(Access.TOKEN, "orders", query=PageQuery, answers={200: FillPage}, errors=(400, 401, 404))
    def get(self, order: str, query: PageQuery) -> FillPage:
        """List the fills of an order page by page, newest first."""
        wanted = FillFilter(order_id=get_order(order).id, since=query.from_, until=query.to)
        return FillPage.of(list_fills(wanted, query.limit, query.after))


class Events(ApiResource):
    @endpoint(Access.TOKEN, "orders", query=EventQuery, answers={200: EventPage}, errors=(400, 401))
    def get(self, query: EventQuery) -> EventPage:
        """List the moves of all orders page by page, newest first, with filters."""
        return EventPage.of(list_events(query.filter(), query.limit, query.key))
