"""Orders and fills of the paper store: rows in, values out. Statements are built once and compiled once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, exists, or_, select, update

from brokers.paper.control_rows import NEXT_FOR_ORDERS, THE_SESSION
from brokers.paper.market import Asset, Session
from brokers.paper.orders import Fill, Order
from brokers.paper.positions import Holding
from brokers.paper.pricing import Price, Quote
from brokers.paper.tables import accounts, assets, fills, orders, positions, quotes, sessions
from domain.enums import OrderType, Side, TimeInForce
from domain.messages import OrderRequest
from domain.order_status import OrderStatus

OF_ACCOUNT = orders.c.account == bindparam("account")
OF_CLIENT_ID = orders.c.client_order_id == bindparam("client_order_id")
WORKS = orders.c.closed_at.is_(None)
IS_DUE = or_(orders.c.due_at <= bindparam("now"), orders.c.expires_at <= bindparam("now"))
IS_VISIBLE = or_(orders.c.visible_at.is_(None), orders.c.visible_at <= bindparam("now"))
CHANGED = orders.c.changed_at >= bindparam("since")

# One statement for orders and their fills: two could see two moments.
_FILL = [column.label(f"fill_{column.name}") for column in fills.c if column.name != "order_id"]
_ALL = (
    select(orders, *_FILL)
    .select_from(orders.outerjoin(fills))
    .order_by(orders.c.changed_at, orders.c.id, fills.c.sequence)
)
DUE = _ALL.where(OF_ACCOUNT, WORKS, IS_DUE)
ONE = _ALL.where(OF_ACCOUNT, OF_CLIENT_ID, IS_VISIBLE)
SINCE = _ALL.where(OF_ACCOUNT, or_(WORKS, CHANGED), IS_VISIBLE)
OF_SYMBOL = orders.c.symbol == bindparam("symbol")
WAITING = _ALL.where(OF_ACCOUNT, WORKS, OF_SYMBOL, orders.c.due_at.is_(None))
HELD = _ALL.where(OF_ACCOUNT, WORKS, orders.c.held.is_(True))
SELLING = _ALL.where(OF_ACCOUNT, WORKS, OF_SYMBOL, orders.c.side == Side.SELL.value)
FOLLOWERS = _ALL.where(OF_ACCOUNT, WORKS, orders.c.attached_to == bindparam("client_order_id"))

_ANY_DUE = select(orders.c.id).where(OF_ACCOUNT, WORKS, IS_DUE).limit(1)
_SCENE = (
    select(
        exists(_ANY_DUE.correlate(None)).label("due"),
        orders.c.id.label("order_id"),
        NEXT_FOR_ORDERS.scalar_subquery().label("instruction_id"),
        quotes.c.bid,
        quotes.c.ask,
        positions.c.quantity,
        positions.c.average_price,
        positions.c.last_price,
        assets.c.tradable,
        assets.c.shortable,
        assets.c.quantity_step,
        sessions.c.is_open,
        sessions.c.opens_at,
        sessions.c.closes_at,
    )
    .select_from(
        accounts.outerjoin(orders, and_(orders.c.account == accounts.c.name, OF_CLIENT_ID))
        .outerjoin(quotes, quotes.c.symbol == bindparam("symbol"))
        .outerjoin(
            positions,
            and_(positions.c.account == accounts.c.name, positions.c.symbol == bindparam("symbol")),
        )
        .outerjoin(assets, assets.c.symbol == bindparam("symbol"))
        .outerjoin(sessions, sessions.c.id == THE_SESSION)
    )
    .where(accounts.c.name == bindparam("account"))
)
_SAVE = update(orders).where(orders.c.id == bindparam("order_id"))
_CHANGING = ("status", "reason", "next_fill", "changed_at", "due_at", "expires_at", "closed_at", "held")


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a new order depends on, read at one moment."""

    due: bool  # another order of the account has something to do first
    duplicate: bool
    instruction_id: int | None
    quote: Quote | None
    holding: Holding
    last_price: Decimal | None  # of the account's last fill of this symbol
    asset: Asset
    session: Session


def scene(connection: Connection, request: OrderRequest, now: datetime) -> Scene:
    """Read what a new order depends on; the account must exist."""
    values = {
        "account": request.account,
        "client_order_id": request.client_order_id,
        "symbol": request.symbol,
        "now": now,
    }
    row = connection.execute(_SCENE, values).one()
    return Scene(
        due=bool(row.due),
        duplicate=row.order_id is not None,
        instruction_id=row.instruction_id,
        quote=None if row.bid is None else Quote(row.bid, row.ask),
        holding=Holding() if row.quantity is None else Holding(row.quantity, row.average_price),
        last_price=row.last_price,
        asset=(
            Asset()
            if row.tradable is None
            else Asset(tradable=row.tradable, shortable=row.shortable, quantity_step=row.quantity_step)
        ),
        session=(
            Session()
            if row.is_open is None
            else Session(is_open=row.is_open, opens_at=row.opens_at, closes_at=row.closes_at)
        ),
    )


def is_any_due(connection: Connection, account: str, now: datetime) -> bool:
    """Tell whether an order has something to do by `now`."""
    return connection.execute(_ANY_DUE, {"account": account, "now": now}).first() is not None


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


def insert(connection: Connection, order: Order) -> None:
    """Store a new order and give it its id."""
    alert = order.alert_price
    row = {
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
        **_changing(order),
    }
    key = connection.execute(orders.insert(), row).inserted_primary_key
    order.id = key[0] if key else 0


def save(connection: Connection, order: Order) -> None:
    """Store what has changed of an order."""
    connection.execute(_SAVE, {"order_id": order.id, **_changing(order)})


def insert_fills(connection: Connection, order: Order, new: Sequence[Fill]) -> None:
    """Store new executions of an order."""
    found = [{"order_id": order.id, **{name: getattr(fill, name) for name in Fill.__slots__}} for fill in new]
    connection.execute(fills.insert(), found)


def _changing(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in _CHANGING} | {"status": order.status.value}


def _order(row: RowMapping) -> Order:
    alert = None if row["alert_price"] is None else Price(row["alert_price"], row["alert_synthetic"])
    return Order(
        id=row["id"],
        account=row["account"],
        client_order_id=row["client_order_id"],
        symbol=row["symbol"],
        side=Side(row["side"]),
        quantity=row["quantity"],
        order_type=OrderType(row["order_type"]),
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
    )
