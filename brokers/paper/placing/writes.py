"""What new orders have changed, stored in a fixed number of statements, however many they are."""

from brokers.paper import control_rows, holding_rows, order_rows
from brokers.paper.book import Book
from brokers.paper.placing.scene import Scene


def store(book: Book, scene: Scene) -> None:
    """Store the orders that were placed, and give them their ids, with their fills and what these have moved."""
    connection = book.connection
    used = [told for told in scene.told if told.is_used]
    if used:
        control_rows.save_remaining(connection, [(told.id, told.instruction, told.remaining) for told in used])
    if scene.placed:
        order_rows.insert(connection, scene.placed)
    new = [(order, fill) for order in scene.placed for fill in order.fills]
    if not new:
        return
    order_rows.insert_fills(connection, new)
    moved = [(symbol, scene.lines[symbol]) for symbol in sorted(scene.traded)]
    holding_rows.save_holdings(
        connection,
        book.account,
        [(symbol, line.holding, line.last_price) for symbol, line in moved],
        book.now,
    )
    book.cash = scene.cash
    holding_rows.save_cash(connection, book.account, book.cash)
