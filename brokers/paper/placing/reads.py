"""All that new orders of one account depend on, read by key in a fixed number of statements."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, FromClause, Select, any_, bindparam, exists, func, not_, or_, select

from brokers.paper import control_rows, order_rows
from brokers.paper.book import Book
from brokers.paper.columns import TextList
from brokers.paper.control_rows import FOR_ORDERS, THE_SESSION
from brokers.paper.market import Asset, Session
from brokers.paper.orders import is_text
from brokers.paper.placing.scene import Line, Scene, Told, can_enlarge
from brokers.paper.positions import Holding
from brokers.paper.pricing import Quote
from brokers.paper.tables import assets, instructions, orders, positions, quotes, sessions
from brokers.paper.worth_rows import resting_in, totals_elsewhere
from domain.messages import OrderRequest

SYMBOLS, IDS = bindparam("symbols", type_=TextList), bindparam("ids", type_=TextList)


def read_scene(book: Book, requests: Sequence[OrderRequest]) -> Scene:
    """Return what these orders depend on, once what fell due before them is done."""
    symbols = sorted({request.symbol for request in requests})
    ids = {request.client_order_id for request in requests}
    ids.update(request.attached_to for request in requests if request.attached_to and is_text(request.attached_to))
    dialect = book.connection.dialect.name
    values = {"account": book.account, "symbols": symbols, "ids": sorted(ids), "now": book.now}
    rows = book.connection.execute(_SCENE[dialect], values).all()
    if rows[0].is_due:
        book.catch_up()
        rows = book.connection.execute(_SCENE[dialect], values).all()
    first = rows[0]
    scene = Scene(
        settings=book.settings,
        now=book.now,
        cash=book.cash,
        blocked=book.blocked,
        session=(
            Session()
            if first.is_open is None
            else Session(is_open=first.is_open, opens_at=first.opens_at, closes_at=first.closes_at)
        ),
        lines={row.symbol: _line(row) for row in rows},
        known={},
        told=[],
    )
    if first.has_known:
        found = order_rows.load(book.connection, _KNOWN[dialect], values)
        scene.known = {order.client_order_id: order for order in found}
    if first.works_here:
        for (symbol, side), resting in resting_in(book.connection, book.account, symbols, book.settings).items():
            scene.lines[symbol].resting[side] = resting
    if first.has_instructions:
        found_told = control_rows.lock_instructions(book.connection, _TOLD[dialect], symbols)
        scene.told = [Told(id, instruction, remaining) for id, instruction, remaining in found_told]
    if can_enlarge(scene.lines, requests):
        scene.totals = totals_elsewhere(
            book.connection, book.account, symbols, book.settings, orders_work=bool(first.works_elsewhere)
        )
        for line in scene.lines.values():
            scene.totals = scene.totals.plus(line.totals())
    return scene


def _line(row: Any) -> Line:
    line = Line(last_price=row.last_price)
    if row.bid is not None:
        line.quote = Quote(row.bid, row.ask)
    if row.quantity is not None:
        line.holding = Holding(row.quantity, row.average_price)
    if row.tradable is not None:
        line.asset = Asset(tradable=row.tradable, shortable=row.shortable, quantity_step=row.quantity_step)
    return line


def _is_one_of(column: Column[Any], texts: ColumnElement[Any], dialect: str) -> ColumnElement[bool]:
    if dialect == "sqlite":
        return column.in_(select(func.json_each(texts).table_valued("value").c.value))
    return column == any_(texts)


def _scene(dialect: str) -> Select[Any]:
    """Return the statement that has a row for each symbol; what is not of the symbol is the same in all."""
    each: FromClause
    if dialect == "sqlite":
        each = func.json_each(SYMBOLS).table_valued("value", name="each")
        symbol = each.c.value
    else:
        each = func.unnest(SYMBOLS).table_valued("value", name="each").render_derived()
        symbol = each.c.value
    of_account = orders.c.account == bindparam("account")
    works = of_account & orders.c.closed_at.is_(None)
    told = or_(instructions.c.symbol.is_(None), _is_one_of(instructions.c.symbol, SYMBOLS, dialect))
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
        exists().where(of_account, _is_one_of(orders.c.client_order_id, IDS, dialect)).label("has_known"),
        exists().where(works, _is_one_of(orders.c.symbol, SYMBOLS, dialect)).label("works_here"),
        exists().where(works, not_(_is_one_of(orders.c.symbol, SYMBOLS, dialect))).label("works_elsewhere"),
        exists().where(FOR_ORDERS, told).label("has_instructions"),
    ).select_from(
        each.outerjoin(quotes, quotes.c.symbol == symbol)
        .outerjoin(positions, (positions.c.account == bindparam("account")) & (positions.c.symbol == symbol))
        .outerjoin(assets, assets.c.symbol == symbol)
        .outerjoin(sessions, sessions.c.id == THE_SESSION)
    )


_DIALECTS = ("sqlite", "postgresql")
_SCENE = {dialect: _scene(dialect) for dialect in _DIALECTS}
_KNOWN = {
    dialect: order_rows.ALL.where(order_rows.OF_ACCOUNT, _is_one_of(orders.c.client_order_id, IDS, dialect))
    for dialect in _DIALECTS
}
_TOLD = {
    dialect: select(instructions)
    .where(FOR_ORDERS, or_(instructions.c.symbol.is_(None), _is_one_of(instructions.c.symbol, SYMBOLS, dialect)))
    .order_by(instructions.c.id)
    .with_for_update()
    for dialect in _DIALECTS
}
