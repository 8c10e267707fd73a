"""What an account of the paper store is worth, and what its working orders take of its buying power.

PostgreSQL adds up by itself. SQLite has no exact numbers, so its rows are added up here; both come to the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, Text, bindparam, func, select, text, type_coerce

from brokers.paper.columns import TextList
from brokers.paper.margin import Resting, Stake, Totals, Worth, mark_of, totals_of, totals_of_values
from brokers.paper.pricing import EXACT, Quote, resting_price, slippage_factor
from brokers.paper.settings import PaperSettings
from brokers.paper.tables import accounts, fills, orders, positions, quotes
from domain.enums import Side

Restings = Mapping[tuple[str, Side], Resting]

# On PostgreSQL. A product with 0.5 is exact where a quotient may not be, and so is `div` of what is a whole number.
_WORKING = """
    SELECT o.symbol, o.side,
        o.quantity - coalesce((SELECT sum(f.quantity) FROM paper.fills f WHERE f.order_id = o.id), 0) AS quantity,
        coalesce(
            o.limit_price,
            o.stop_price,
            coalesce(CASE o.side WHEN 'buy' THEN q.ask ELSE q.bid END, o.alert_price)
                * CASE o.side WHEN 'buy' THEN CAST(:buying AS numeric) ELSE CAST(:selling AS numeric) END,
            0
        ) AS price
    FROM paper.orders o LEFT JOIN paper.quotes q ON q.symbol = o.symbol
    WHERE o.account = :account AND o.closed_at IS NULL AND
"""
_SUMS = (
    "SELECT symbol, side, sum(quantity) AS quantity, sum(quantity * price) AS cost FROM working GROUP BY symbol, side"
)
_RESTING = text(f"WITH working AS ({_WORKING} o.symbol = ANY (:symbols)) {_SUMS}")
_HELD_VALUES = """
    SELECT p.symbol, p.quantity, p.quantity * coalesce((q.bid + q.ask) * 0.5, p.last_price, p.average_price) AS value
    FROM paper.positions p LEFT JOIN paper.quotes q ON q.symbol = p.symbol
    WHERE p.account = :account AND p.quantity <> 0 AND p.symbol <> ALL (:symbols)
"""
_HOLDINGS = text(
    "SELECT coalesce(sum(value), 0) AS value, coalesce(sum(abs(value)), 0) AS gross, 0.0 AS reserved"  # noqa: S608
    f" FROM ({_HELD_VALUES}) held"
)
_TOTALS = text(
    f"""
    WITH held AS ({_HELD_VALUES}), working AS ({_WORKING} o.symbol <> ALL (:symbols)), resting AS ({_SUMS}),
    enlarging AS (
        SELECT r.quantity, r.cost, greatest(0, abs(
            coalesce(h.quantity, 0) + CASE r.side WHEN 'buy' THEN r.quantity ELSE -r.quantity END
        ) - abs(coalesce(h.quantity, 0))) AS more
        FROM resting r LEFT JOIN held h ON h.symbol = r.symbol
    )
    SELECT a.cash, a.blocked,
        (SELECT coalesce(sum(value), 0) FROM held) AS value,
        (SELECT coalesce(sum(abs(value)), 0) FROM held) AS gross,
        (SELECT coalesce(sum(
            CASE WHEN more = quantity THEN cost ELSE div(cost * more * 100000000, quantity) * 0.00000001 END
        ), 0) FROM enlarging) AS reserved
    FROM paper.accounts a WHERE a.name = :account
    """  # noqa: S608 - fixed texts
)

# On SQLite: numbers as the texts they are stored as, so that only those that count are read.
_SYMBOLS = select(func.json_each(bindparam("symbols", type_=TextList)).table_valued("value").c.value)
_CASH = select(accounts.c.cash, accounts.c.blocked).where(accounts.c.name == bindparam("account"))
_HELD = (
    select(
        positions.c.symbol,
        type_coerce(positions.c.quantity, Text),
        type_coerce(positions.c.average_price, Text),
        type_coerce(positions.c.last_price, Text),
        type_coerce(quotes.c.bid, Text),
        type_coerce(quotes.c.ask, Text),
    )
    .select_from(positions.outerjoin(quotes, quotes.c.symbol == positions.c.symbol))
    .where(
        positions.c.account == bindparam("account"),
        positions.c.quantity != Decimal(0),
        positions.c.symbol.not_in(_SYMBOLS),
    )
)
_ORDERS = (
    select(
        orders.c.id,
        orders.c.symbol,
        orders.c.side,
        orders.c.quantity,
        orders.c.limit_price,
        orders.c.stop_price,
        orders.c.alert_price,
        quotes.c.bid,
        quotes.c.ask,
        fills.c.quantity.label("filled"),
    )
    .select_from(
        orders.outerjoin(quotes, quotes.c.symbol == orders.c.symbol).outerjoin(fills, fills.c.order_id == orders.c.id)
    )
    .where(orders.c.account == bindparam("account"), orders.c.closed_at.is_(None))
)
_ORDERS_IN, _ORDERS_ELSE = (
    _ORDERS.where(orders.c.symbol.in_(_SYMBOLS)),
    _ORDERS.where(orders.c.symbol.not_in(_SYMBOLS)),
)


def worth(connection: Connection, account: str, settings: PaperSettings) -> tuple[Worth, str] | None:
    """Return what an account is worth and why it is blocked (empty = it is not); None = no such account."""
    if connection.dialect.name == "sqlite":  # a transaction there sees one moment, whatever it asks
        row = connection.execute(_CASH, {"account": account}).first()
        totals = totals_elsewhere(connection, account, (), settings)
    else:
        row = connection.execute(_TOTALS, _values(account, (), settings)).first()
        totals = Totals() if row is None else Totals(row.value, row.gross, row.reserved)
    return None if row is None else (totals.worth(row.cash), row.blocked or "")


def totals_elsewhere(
    connection: Connection, account: str, symbols: Sequence[str], settings: PaperSettings, *, orders_work: bool = True
) -> Totals:
    """Return the sums over all symbols of a locked account but these; `orders_work` there, or none are looked for."""
    if connection.dialect.name != "sqlite":
        which = _TOTALS if orders_work else _HOLDINGS
        row = connection.execute(which, _values(account, symbols, settings)).one()
        return Totals(row.value, row.gross, row.reserved)
    values = {"account": account, "symbols": symbols}
    if (
        not orders_work
    ):  # most of the time: all holdings are added up for each batch of orders, so nothing is made of one
        return totals_of_values(
            (Decimal(quantity), _mark(average_price, last_price, bid, ask))
            for _, quantity, average_price, last_price, bid, ask in connection.execute(_HELD, values)
        )
    stakes = {
        symbol: Stake(Decimal(quantity), _mark(average_price, last_price, bid, ask))
        for symbol, quantity, average_price, last_price, bid, ask in connection.execute(_HELD, values)
    }
    resting = _resting(connection, _ORDERS_ELSE, account, symbols, settings)
    flat = Stake(Decimal(0), Decimal(0))
    return totals_of(
        stakes.values(),
        (working.reserve(stakes.get(symbol, flat).quantity, side) for (symbol, side), working in resting.items()),
    )


def resting_in(connection: Connection, account: str, symbols: Sequence[str], settings: PaperSettings) -> Restings:
    """Return what works in these symbols of a locked account; a side without working orders is left out."""
    if connection.dialect.name == "sqlite":
        return _resting(connection, _ORDERS_IN, account, symbols, settings)
    rows = connection.execute(_RESTING, _values(account, symbols, settings))
    return {(row.symbol, Side(row.side)): Resting(row.quantity, row.cost) for row in rows}


def _values(account: str, symbols: Sequence[str], settings: PaperSettings) -> dict[str, Any]:
    buying, selling = (slippage_factor(side, settings.slippage_bps) for side in (Side.BUY, Side.SELL))
    return {"account": account, "symbols": list(symbols), "buying": buying, "selling": selling}


def _mark(average_price: str, last_price: str | None, bid: str | None, ask: str | None) -> Decimal:
    if bid is not None and ask is not None:
        return mark_of(Quote(Decimal(bid), Decimal(ask)), None, Decimal(0))
    return Decimal(average_price if last_price is None else last_price)


def _resting(
    connection: Connection, which: Select[Any], account: str, symbols: Sequence[str], settings: PaperSettings
) -> Restings:
    found: dict[tuple[str, Side], Resting] = {}
    for symbol, side, quantity, price in _working(connection, which, account, symbols, settings):
        found[symbol, side] = found.get((symbol, side), Resting()).plus(quantity, price)
    return found


def _working(
    connection: Connection, which: Select[Any], account: str, symbols: Sequence[str], settings: PaperSettings
) -> Iterator[tuple[str, Side, Decimal, Decimal]]:
    """Give symbol, side, shares still to fill and their price, order by order: one with fills has a row for each."""
    left: dict[int, Decimal] = {}
    rows = {}
    for row in connection.execute(which, {"account": account, "symbols": symbols}):
        rows[row.id] = row
        left[row.id] = EXACT.subtract(left.get(row.id, row.quantity), row.filled or Decimal(0))
    for key, row in rows.items():
        side = Side(row.side)
        quote = None if row.bid is None else Quote(row.bid, row.ask)
        worst = row.stop_price if row.limit_price is None else row.limit_price
        price = resting_price(side, worst, quote, row.alert_price, settings.slippage_bps)
        yield row.symbol, side, left[key], price
