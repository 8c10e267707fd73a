"""All that new orders of one account depend on, read by key in a fixed number of statements."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, any_, bindparam, exists, func, not_, or_, select

from brokers.paper import control_rows, order_rows
from brokers.paper.book import Book
from brokers.paper.columns import TextList
from brokers.paper.control_rows import FOR_ORDERS, THE_SESSION
from brokers.paper.market import Asset, Session
from brokers.paper.placing.context import OpenInstruction, PlacingContext, SymbolState, can_enlarge
from brokers.paper.positions import Holding
from brokers.paper.pricing import Quote
from brokers.paper.rules.requests import is_text
from brokers.paper.tables import assets, instructions, orders, positions, quotes, sessions
from brokers.paper.worth_rows import resting_in, totals_elsewhere
from domain.messages import OrderRequest

DIALECTS = ("sqlite", "postgresql")
SYMBOLS, IDS = bindparam("symbols", type_=TextList), bindparam("ids", type_=TextList)


def _is_one_of(column: Column[Any], texts: ColumnElement[Any], dialect: str) -> ColumnElement[bool]:
    if dialect == "sqlite":
        return column.in_(select(func.json_each(texts).table_valued("value").c.value))
    return column == any_(texts)


def _by_symbol(dialect: str) -> Select[Any]:
    """Return the statement that has a row for each symbol; what is not of the symbol is the same in all rows."""
    if dialect == "sqlite":
        each = func.json_each(SYMBOLS).table_valued("value", name="each")
    else:
        each = func.unnest(SYMBOLS).table_valued("value", name="each").render_derived()
    symbol = each.c.value
    of_account = orders.c.account == bindparam("account")
    works = of_account & orders.c.closed_at.is_(None)
    is_here = _is_one_of(orders.c.symbol, SYMBOLS, dialect)
    return select(
        symbol.label("symbol"),
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
        exists(order_rows.ANY_DUE.correlate(None)).label("is_due"),
        exists().where(of_account, _is_one_of(orders.c.client_order_id, IDS, dialect)).label("has_orders"),
        exists().where(works, is_here).label("works_here"),
        exists().where(works, not_(is_here)).label("works_elsewhere"),
        exists().where(FOR_ORDERS, _fits(dialect)).label("has_instructions"),
    ).select_from(
        each.outerjoin(quotes, quotes.c.symbol == symbol)
        .outerjoin(positions, (positions.c.account == bindparam("account")) & (positions.c.symbol == symbol))
        .outerjoin(assets, assets.c.symbol == symbol)
        .outerjoin(sessions, sessions.c.id == THE_SESSION)
    )


def _fits(dialect: str) -> ColumnElement[bool]:
    return or_(instructions.c.symbol.is_(None), _is_one_of(instructions.c.symbol, SYMBOLS, dialect))


_BY_SYMBOL = {dialect: _by_symbol(dialect) for dialect in DIALECTS}
_BY_ID = {
    dialect: order_rows.ALL.where(order_rows.OF_ACCOUNT, _is_one_of(orders.c.client_order_id, IDS, dialect))
    for dialect in DIALECTS
}
# Locked in one order by all: nothing deadlocks.
_INSTRUCTIONS = {
    dialect: select(instructions)
    .where(FOR_ORDERS, _fits(dialect))
    .order_by(instructions.c.id)
    .with_for_update()
    for dialect in DIALECTS
}  # fmt: skip


def read_context(book: Book, requests: Sequence[OrderRequest]) -> PlacingContext:
    """Return what these orders depend on, once what fell due before them is done."""
    connection, dialect = book.connection, book.connection.dialect.name
    symbols = sorted({request.symbol for request in requests})
    ids = {request.client_order_id for request in requests}
    ids.update(request.attached_to for request in requests if request.attached_to and is_text(request.attached_to))
    values = {"account": book.account, "symbols": symbols, "ids": sorted(ids), "now": book.now}
    rows = connection.execute(_BY_SYMBOL[dialect], values).all()
    if rows[0].is_due:
        book.catch_up()
        rows = connection.execute(_BY_SYMBOL[dialect], values).all()
    first = rows[0]
    context = PlacingContext(
        settings=book.settings,
        now=book.now,
        cash=book.cash,
        blocked=book.blocked,
        session=_session(first),
        symbols={row.symbol: _symbol_state(row) for row in rows},
    )
    if first.has_orders:
        found = order_rows.load(connection, _BY_ID[dialect], values)
        context.orders = {order.client_order_id: order for order in found}
    if first.works_here:
        for (symbol, side), resting in resting_in(connection, book.account, symbols, book.settings).items():
            context.symbols[symbol].resting[side] = resting
    if first.has_instructions:
        locked = control_rows.lock_instructions(connection, _INSTRUCTIONS[dialect], symbols)
        context.instructions = [OpenInstruction(*each) for each in locked]
    if can_enlarge(context.symbols, requests):
        totals = totals_elsewhere(
            connection, book.account, symbols, book.settings, orders_work=bool(first.works_elsewhere)
        )
        for state in context.symbols.values():
            totals = totals.plus(state.totals())
        context.totals = totals
    return context


def _session(row: Any) -> Session:
    if row.is_open is None:
        return Session()
    return Session(is_open=row.is_open, opens_at=row.opens_at, closes_at=row.closes_at)


def _symbol_state(row: Any) -> SymbolState:
    state = SymbolState(last_price=row.last_price)
    if row.bid is not None:
        state.quote = Quote(row.bid, row.ask)
    if row.quantity is not None:
        state.holding = Holding(row.quantity, row.average_price)
    if row.tradable is not None:
        state.asset = Asset(tradable=row.tradable, shortable=row.shortable, quantity_step=row.quantity_step)
    return state
