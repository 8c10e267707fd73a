"""Orders and fills of the paper store: rows in, values out. Statements are built once and compiled once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, or_, select, update

from brokers.paper.orders import Order
from brokers.paper.positions import Fill
from brokers.paper.pricing import Price
from brokers.paper.tables import fills, orders
from domain.enums import OrderType, Side, TimeInForce
from domain.messages import Trail
from domain.order_status import OrderStatus

OF_ACCOUNT = orders.c.account == bindparam("account")
OF_CLIENT_ID = orders.c.client_order_id == bindparam("client_order_id")
WORKS = orders.c.closed_at.is_(None)
IS_DUE = or_(orders.c.due_at <= bindparam("now"), orders.c.expires_at <= bindparam("now"))
IS_VISIBLE = or_(orders.c.visible_at.is_(None), orders.c.visible_at <= bindparam("now"))
CHANGED = orders.c.changed_at >= bindparam("since")

# One statement for orders and their fills: two could see two moments.
_FILL = [column.label(f"fill_{column.name}") for column in fills.c if column.name != "order_id"]
ALL = (
    select(orders, *_FILL)
    .select_from(orders.outerjoin(fills))
    .order_by(orders.c.changed_at, orders.c.id, fills.c.sequence)
)
DUE = ALL.where(OF_ACCOUNT, WORKS, IS_DUE)
ONE = ALL.where(OF_ACCOUNT, OF_CLIENT_ID, IS_VISIBLE)
SINCE = ALL.where(OF_ACCOUNT, or_(WORKS, CHANGED), IS_VISIBLE)
OF_SYMBOL = orders.c.symbol == bindparam("symbol")
WAITING = ALL.where(OF_ACCOUNT, WORKS, OF_SYMBOL, orders.c.due_at.is_(None))
HELD = ALL.where(OF_ACCOUNT, WORKS, orders.c.held.is_(True))
FOLLOWERS = ALL.where(OF_ACCOUNT, WORKS, orders.c.attached_to == bindparam("client_order_id"))

ANY_DUE = select(orders.c.id).where(OF_ACCOUNT, WORKS, IS_DUE).limit(1)
_INSERT = orders.insert().returning(orders.c.client_order_id, orders.c.id)
_SAVE = update(orders).where(orders.c.id == bindparam("order_id"))
_CHANGING = (
    "status",
    "reason",
    "next_fill",
    "changed_at",
    "due_at",
    "expires_at",
    "closed_at",
    "held",
    "triggered",
    "best_price",
)


def is_any_due(connection: Connection, account: str, now: datetime) -> bool:
    """Return True if an order has something to do by `now`."""
    return connection.execute(ANY_DUE, {"account": account, "now": now}).first() is not None


def load(connection: Connection, which: Select[Any], values: Mapping[str, object]) -> Sequence[Order]:
    """Return the orders that one of the statements above selects, oldest change first."""
    found: dict[int, Order] = {}
    for row in connection.execute(which, values).mappings():
        order = found.get(row["id"])
        if order is None:
            order = found[row["id"]] = _order(row)
        if row["fill_sequence"] is not None:
            order.fills.append(Fill(**{name: row[f"fill_{name}"] for name in Fill.__slots__}))
    return list(found.values())


def insert(connection: Connection, new: Sequence[Order]) -> None:
    """Store new orders of one account and give them their ids, which rise as they stand."""
    ids = {row.client_order_id: row.id for row in connection.execute(_INSERT, [_row(order) for order in new])}
    for order in new:
        order.id = ids[order.client_order_id]


def save(connection: Connection, order: Order) -> None:
    """Store what has changed of an order."""
    connection.execute(_SAVE, {"order_id": order.id, **_changing(order)})


def insert_fills(connection: Connection, new: Sequence[tuple[Order, Fill]]) -> None:
    """Store new executions, each with the order it is of."""
    rows = [{"order_id": order.id, **{name: getattr(fill, name) for name in Fill.__slots__}} for order, fill in new]
    connection.execute(fills.insert(), rows)


def _row(order: Order) -> dict[str, Any]:
    alert = order.alert_price
    return {
        "account": order.account,
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "quantity": order.quantity,
        "order_type": order.order_type.value,
        "time_in_force": order.time_in_force.value,
        "limit_price": order.limit_price,
        "alert_price": None if alert is None else alert.amount,
        "alert_synthetic": alert is not None and alert.synthetic,
        "visible_at": order.visible_at,
        "attached_to": order.attached_to,
        "hedge_ratio": order.hedge_ratio,
        "stop_price": order.stop_price,
        "extended_hours": order.extended_hours,
        "trail_percent": None if order.trail is None else order.trail.percent,
        "trail_price": None if order.trail is None else order.trail.price,
        **_changing(order),
    }


def _changing(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in _CHANGING} | {"status": order.status.value}


def _order(row: RowMapping) -> Order:
    alert = None if row["alert_price"] is None else Price(row["alert_price"], row["alert_synthetic"])
    order_type = OrderType(row["order_type"])
    return Order(
        id=row["id"],
        account=row["account"],
        client_order_id=row["client_order_id"],
        symbol=row["symbol"],
        side=Side(row["side"]),
        quantity=row["quantity"],
        order_type=order_type,
        time_in_force=TimeInForce(row["time_in_force"]),
        limit_price=row["limit_price"],
        alert_price=alert,
        status=OrderStatus(row["status"]),
        reason=row["reason"],
        changed_at=row["changed_at"],
        visible_at=row["visible_at"],
        due_at=row["due_at"],
        expires_at=row["expires_at"],
        closed_at=row["closed_at"],
        next_fill=row["next_fill"],
        held=bool(row["held"]),
        attached_to=row["attached_to"],
        hedge_ratio=row["hedge_ratio"],
        stop_price=row["stop_price"],
        triggered=bool(row["triggered"]),
        extended_hours=bool(row["extended_hours"]),
        trail=Trail(percent=row["trail_percent"], price=row["trail_price"]) if order_type.has_trail else None,
        best_price=row["best_price"],
    )
