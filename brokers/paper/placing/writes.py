"""What new orders have changed, stored in a fixed number of statements, however many they are."""

from brokers.paper import control_rows, holding_rows, order_rows
from brokers.paper.book import Book
from brokers.paper.placing.context import PlacingContext


def store(book: Book, context: PlacingContext) -> None:
    """Store the orders that were placed, and give them their ids, with their fills and what these have moved."""
    connection = book.connection
    used = [(each.id, each.instruction, each.remaining) for each in context.instructions if each.is_used]
    if used:
        control_rows.save_remaining(connection, used)
    if context.placed:
        order_rows.insert(connection, context.placed)
    fills = [(order, fill) for order in context.placed for fill in order.fills]
    if not fills:
        return
    order_rows.insert_fills(connection, fills)
    traded = [(symbol, context.symbols[symbol]) for symbol in sorted(context.traded)]
    holdings = [(symbol, state.holding, state.last_price) for symbol, state in traded]
    holding_rows.save_holdings(connection, book.account, holdings, book.now)
    book.cash = context.cash
    holding_rows.save_cash(connection, book.account, book.cash)
