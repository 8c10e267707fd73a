"""A store that an older version made is brought up when it is opened, and keeps what it holds."""

import multiprocessing
import time
from contextlib import closing
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from brokers.errors import OrderRejected
from brokers.paper.venue import PaperVenue
from domain.enums import Side
from domain.messages import OrderReport
from domain.order_status import OrderStatus
from tests.brokers.paper_support import ACCOUNT, make_request, make_settings, submit_one

D = Decimal
LATER_TABLES = ("assets", "sessions")
LATER_COLUMNS = (
    ("accounts", "blocked"),
    ("orders", "held"),
    ("orders", "attached_to"),
    ("orders", "hedge_ratio"),
    ("positions", "last_price"),
)


@pytest.fixture
def working(paper_url: str) -> OrderReport:
    """A working order in a store as the first version made it; 10 AAPL are held."""
    with closing(PaperVenue(make_settings(paper_url))) as venue:
        venue.submit(make_request(quantity=D(10), alert="100"))
        report = venue.submit(make_request(limit="90"))
        prefix = "" if venue._store.is_sqlite else "paper."
        engine: Engine = venue._store._engine
        with engine.begin() as connection:
            for table in LATER_TABLES:
                connection.execute(text(f"DROP TABLE {prefix}{table}"))
            for table, column in LATER_COLUMNS:
                connection.execute(text(f"ALTER TABLE {prefix}{table} DROP COLUMN {column}"))
    return report


def test_an_older_store_keeps_its_books_and_gains_the_rest(paper_url: str, working: OrderReport):
    with closing(PaperVenue(make_settings(paper_url))) as venue:
        assert venue.find(ACCOUNT, working.client_order_id) == working
        account = venue.account(ACCOUNT)
        assert (account.cash, account.equity, account.blocked) == (999_000, 10**6, "")
        assert venue.session().is_open
        second = venue.submit(
            make_request(
                symbol="MSFT", side=Side.SELL, attached_to=working.client_order_id, hedge_ratio=D("0.5"), quantity=D(5)
            )
        )
        venue.set_asset("AAPL", shortable=False)
        venue.set_session(False)
        venue.set_quote("AAPL", D(88), D(89))
        venue.set_session(True)
        for order in (working, second):
            report = venue.find(ACCOUNT, order.client_order_id)
            assert report is not None
            assert report.status is OrderStatus.FILLED
        venue.block(ACCOUNT, "margin call")
        with pytest.raises(OrderRejected, match="margin call"):
            venue.submit(make_request())


def test_four_processes_may_bring_it_up_at_once(paper_url: str, working: OrderReport):
    start = time.time() + 1.5
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        outcomes = pool.starmap(submit_one, [(paper_url, start, f"first-{n}") for n in range(4)])
    assert outcomes == ["FILLED"] * 4
    with closing(PaperVenue(make_settings(paper_url))) as venue:
        assert [position.quantity for position in venue.positions(ACCOUNT)] == [50]


@pytest.mark.parametrize(("table", "column"), [("accounts", "blocked"), ("positions", "last_price")])
def test_a_half_done_change_is_completed(paper_url: str, working: OrderReport, table: str, column: str):
    with closing(PaperVenue(make_settings(paper_url))) as venue:
        venue.open()
        prefix = "" if venue._store.is_sqlite else "paper."
        with venue._store._engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {prefix}{table} DROP COLUMN {column}"))
    with closing(PaperVenue(make_settings(paper_url))) as venue:
        assert venue.submit(make_request()).status is OrderStatus.FILLED
