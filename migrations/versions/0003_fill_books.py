"""give the orders of before their book, and add up their fills: realised results, positions and days"""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import sqlalchemy as sa
from alembic import op

import extensions

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    connection = op.get_bind()
    connection.execute(
        sa.text("update orders set name = coalesce((select name from signals where id = orders.signal_id), symbol)")
    )
    fills = table("fills", "id", "order_id", "quantity", "price", "commission", "realised", "at")
    orders = table("orders", "id", "account_id", "name", "symbol", "side")
    wanted = (
        sa.select(
            fills.c.id, fills.c.quantity, fills.c.price, fills.c.commission, fills.c.at,
            orders.c.account_id, orders.c.name, orders.c.symbol, orders.c.side,
        )
        .join(orders, orders.c.id == fills.c.order_id)
        .order_by(fills.c.id)
    )  # fmt: skip
    positions: dict[tuple[object, ...], list[Decimal]] = {}  # quantity, average price, realised, commission
    days: dict[tuple[object, ...], list[Decimal]] = {}  # realised, commission, traded
    for fill in connection.execute(wanted).all():
        held = positions.setdefault((fill.account_id, fill.name, fill.symbol), [Decimal(0)] * 4)
        day = days.setdefault((fill.account_id, f"{fill.at:%Y-%m-%d}", fill.name, fill.symbol), [Decimal(0)] * 3)
        realised = add_fill(held, fill.quantity if fill.side == "buy" else -fill.quantity, fill.price)
        held[2] += realised
        held[3] += fill.commission
        day[0] += realised
        day[1] += fill.commission
        day[2] += fill.quantity
        connection.execute(sa.update(fills).where(fills.c.id == fill.id).values(realised=realised))
    now = datetime.now(UTC)
    names = ("account_id", "name", "symbol", "quantity", "average_price", "realised", "commission", "changed_at")
    for key, held in positions.items():
        values = dict(zip(names, (*key, *held, now), strict=True))
        connection.execute(sa.insert(table("positions", *names)).values(values))
    names = ("account_id", "day", "name", "symbol", "realised", "commission", "traded")
    for key, day in days.items():
        connection.execute(
            sa.insert(table("daily_results", *names)).values(dict(zip(names, (*key, *day), strict=True)))
        )


def add_fill(held: list[Decimal], signed: Decimal, price: Decimal) -> Decimal:
    """Add one fill to [quantity, average price, …] and return what it realised."""
    quantity, average = held[0], held[1]
    total = quantity + signed
    closed = min(abs(quantity), abs(signed)) if quantity * signed < 0 else Decimal(0)
    if quantity * signed >= 0:
        held[1] = round8((abs(quantity) * average + abs(signed) * price) / abs(total))
    elif quantity * total <= 0:
        held[1] = price if total else Decimal(0)
    held[0] = total
    return round8(closed * (price - average) * (1 if quantity > 0 else -1))


def round8(number: Decimal) -> Decimal:
    return number.quantize(Decimal("1e-8"), ROUND_HALF_EVEN)


def table(name: str, *columns: str) -> sa.TableClause:
    types = {"at": extensions.UtcDateTime(), "changed_at": extensions.UtcDateTime()}
    numbers = ("quantity", "price", "commission", "realised", "average_price", "traded")
    types |= dict.fromkeys(numbers, extensions.ExactDecimal())
    return sa.table(name, *(sa.column(column, types.get(column, sa.types.NullType())) for column in columns))


def downgrade() -> None:
    """Go back: the columns and tables go with the migration before."""
