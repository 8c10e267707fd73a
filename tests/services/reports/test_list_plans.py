"""Each list is one walk along one index, on both databases: what a page costs does not grow with the history."""

import re
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from domain.enums import Purpose
from domain.order_status import OrderStatus
from extensions import db, is_postgresql, transaction
from models import Fill, Order, OrderEvent, Signal
from services.reports import slippage
from services.reports.order_queries import EventFilter, FillFilter, OrderFilter, list_events, list_fills, list_orders
from services.reports.slippage import SlippageFilter
from tests.support.book_rows import NOON, event, fill, filled_signal, order

ORDERS = 3000
MIDDLE = ORDERS // 2
LONG_AGO = NOON - timedelta(hours=ORDERS - 100)
LARGE = re.compile(
    r"FROM (orders|fills|order_events|signals)\b(?!.*WHERE fills.id IN )", re.DOTALL
)  # not the page itself

WALKS = {
    **{
        f"orders, {wanted}": (lambda wanted=wanted, after=after: list_orders(wanted, 20, after))
        for after in (None, MIDDLE)
        for wanted in (
            OrderFilter(),
            OrderFilter(status=OrderStatus.REJECTED),
            OrderFilter(symbol="RARE"),
            OrderFilter(name="RARE"),
            OrderFilter(account="external"),
            OrderFilter(purpose=Purpose.UNWIND),
            OrderFilter(until=LONG_AGO),
        )
    },
    "fills": lambda: list_fills(FillFilter(), 20),
    "fills, next page": lambda: list_fills(FillFilter(), 20, MIDDLE),
    "fills of an account": lambda: list_fills(FillFilter(account="external"), 20),
    "fills of long ago": lambda: list_fills(FillFilter(until=LONG_AGO), 20),
    "events": lambda: list_events(EventFilter(), 20),
    "events, next page": lambda: list_events(EventFilter(), 20, (MIDDLE, 1)),
    "events of long ago": lambda: list_events(EventFilter(until=LONG_AGO), 20),
}
# These may sort what they have found: few rows by their nature, or all that is asked for. They find it by an index.
SMALL = {
    "open orders of a symbol with many": lambda: list_orders(OrderFilter(is_open=True, symbol="S0"), 20),
    "fills of a rare symbol": lambda: list_fills(FillFilter(symbol="RARE"), 20),
    "fills of a rare name": lambda: list_fills(FillFilter(name="RARE"), 20),
    "fills of an order": lambda: list_fills(FillFilter(order_id=5), 20),
    "events of an order": lambda: list_events(EventFilter(order_id=5), 20),
    "slippage of a name": lambda: slippage.report(SlippageFilter(name="RARE")),
    "slippage of long ago": lambda: slippage.report(SlippageFilter(until=LONG_AGO)),
    "events of a signal": lambda: list_events(EventFilter(signal_id=5), 20),
}


@pytest.fixture
def history(context):
    """An order an hour, each with its fill and two events; one in 30 of a rare symbol."""
    batches = {Order: [], Fill: [], OrderEvent: [], Signal: []}
    for number in range(1, ORDERS + 1):
        at = NOON - timedelta(hours=ORDERS - number)
        symbol = "RARE" if number % 30 == 0 else f"S{number % 3}"
        status = "ACCEPTED" if number > ORDERS - 5 else "REJECTED" if number % 50 == 0 else "FILLED"
        purpose = "unwind" if number % 500 == 0 else "signal"
        made = order(symbol, id=number, created_at=at, next_at=at, status=status, purpose=purpose)
        batches[Order].append(made)
        batches[Fill].append(fill(number, id=number, at=at))
        batches[OrderEvent] += [event(number, seq, at=at) for seq in (1, 2)]
        batches[Signal].append(filled_signal(symbol, received_at=at, slip="0.1" if number % 4 != 1 else None))
    with transaction() as session:
        for rows in batches.values():
            session.bulk_save_objects(rows)
    if is_postgresql():
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("analyze")


@contextmanager
def plans(*, of_longer: bool = False):
    """Collect the plans of the statements on the large tables; `of_longer`: as for tables too long to be read whole."""
    found = []
    explain = "explain" if is_postgresql() else "explain query plan"

    def look(connection, cursor, statement, parameters, *more):
        if statement.startswith("SELECT") and LARGE.search(statement):
            if of_longer and is_postgresql():
                cursor.execute("set local enable_seqscan = off")
            cursor.execute(f"{explain} {statement}", parameters)
            found.append("\n".join(str(row[0] if is_postgresql() else row[3]) for row in cursor.fetchall()))

    sa.event.listen(db.engine, "before_cursor_execute", look)
    try:
        yield found
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", look)


def reads_all(plan):
    """Return True if a plan reads a whole table otherwise than along an index; SQLite's orders lie in their order."""
    if is_postgresql():
        return "Seq Scan" in plan
    return re.search(r"^SCAN (?!orders$)\w+$", plan, re.MULTILINE) is not None


def sorts(plan):
    return re.search("Sort|TEMP B-TREE", plan) is not None


def test_a_page_of_any_list_is_one_walk_along_an_index(history):
    for name, read in WALKS.items():
        with plans() as found:
            read()
        assert found, name
        assert [plan for plan in found if reads_all(plan) or sorts(plan)] == [], name
    for name, read in SMALL.items():
        with plans(of_longer=True) as found:
            read()
        assert found, name
        assert [plan for plan in found if reads_all(plan) or re.search("^SCAN", plan, re.MULTILINE)] == [], name
