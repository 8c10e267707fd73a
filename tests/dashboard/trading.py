"""A desk in the midst of trading: pairs hedged and drifted, orders of every kind, stops, and a broker that spoke."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from domain.enums import Scope, StopLevel
from extensions import db
from models import AccountState, DailyResult, ForeignOrder, JournalEntry, Order, PositionDifference, Stop
from services.catalog import check_limits
from services.catalog.check_limits import RuleForm
from services.execution import stops
from services.reports import drift
from tests.dashboard.support import add_signal, form_token
from tests.support import book_rows
from tests.support.factories import TESTER, make_pair, make_stock

HOSTILE = "\"'><img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>{{7*7}}"


def account_said(**fields: Any) -> AccountState:
    """Return what the broker of the account paper said just now."""
    now = datetime.now(UTC)
    said = {
        "account_id": 1,
        "cash": Decimal("84210.5"),
        "currency": "USD",
        "buying_power": Decimal("168421"),
        "equity": Decimal("101733.12"),
        "is_open": True,
        "closes_at": now + timedelta(hours=3),
        "heard_at": now - timedelta(seconds=4),
        "reconciled_at": now - timedelta(seconds=20),
    }
    return AccountState(**{**said, **fields})


def set_stop(
    app: Flask, level: str = "entries", scope: str = "desk", name: str = "", reason: str = "CPI at 14:30"
) -> int:
    """Put a stop in force and return its number."""
    form = stops.StopForm(level=StopLevel(level), scope=Scope(scope), name=name, reason=reason)
    with app.app_context():
        return stops.set_stop(form, "user anna").id


def count_stops(app: Flask) -> int:
    with app.app_context():
        query = sa.select(sa.func.count()).select_from(Stop).where(Stop.released_at.is_(None))
        found: int = db.session.execute(query).scalar_one()
        return found


def add_order(app: Flask, **fields: Any) -> int:
    """Store an order with its first event; returns its number."""
    row: Order = book_rows.order(moves=1, **fields)
    (order_id,) = book_rows.add(app, row)
    book_rows.add(app, book_rows.event(order_id, at=datetime.now(UTC)))
    found: int = order_id
    return found


def add_drifted_pair(app: Flask) -> None:
    """Register LNT-FTS and let it hold 100 LNT against 120 FTS, where 125 would hedge them."""
    make_pair(app, "LNT-FTS", "1.25")
    book_rows.add(
        app,
        book_rows.position("LNT", "100", "61.204", name="LNT-FTS", realised=Decimal("412.5"), commission=Decimal("7")),
        book_rows.position(
            "FTS", "-120", "48.91", name="LNT-FTS", realised=Decimal("-80.25"), commission=Decimal("6.3")
        ),
        book_rows.quote("LNT", "62.11", "62.14", source="paper"),
        book_rows.quote("FTS", "48.52", "48.55", source="paper"),
        book_rows.step("LNT", "1"),
        book_rows.step("FTS", "1"),
    )


def add_orphan(app: Flask) -> None:
    """Register MA-V and let it hold MA alone, of which no quote is known."""
    make_pair(app, "MA-V", "3")
    book_rows.add(app, book_rows.position("MA", "20", "512.3312", name="MA-V"), book_rows.step("MA", "1"))


def trade(app: Flask) -> None:
    """Fill the desk with all that the pages show."""
    now = datetime.now(UTC)
    make_stock(app, "AAPL")
    add_drifted_pair(app)
    add_orphan(app)
    make_pair(app, "KO-PEP", "0.4")
    make_pair(app, "XOM-CVX", "0.7")
    pair_fields = {"ticker_type": "pair", "name": "KO-PEP", "symbol1": "KO", "symbol2": "PEP", "ticker": "KO-0.4*PEP"}
    working = add_signal(app, status="created", hedge_ratio=Decimal("0.4"), comment="Enter Long", **pair_fields)
    critical = add_signal(
        app,
        status="critical err",
        status_reason="MA is held, V was rejected",
        error_text="leg 2 (sell 60 V) was rejected: shares cannot be borrowed",
        ticker="MA-3*V", ticker_type="pair", name="MA-V", symbol1="MA", symbol2="V", age=4000,
    )  # fmt: skip
    add_order(
        app,
        symbol="KO",
        name="KO-PEP",
        quantity="50",
        status="PARTIALLY_FILLED",
        filled_quantity=Decimal(15),
        average_price=Decimal("71.2150"),
        signal_id=working,
        sent_at=now,
        broker_order_id="9a6e0e55",
    )
    add_order(
        app,
        symbol="PEP",
        name="KO-PEP",
        leg=2,
        side="sell",
        quantity="20",
        status="ACCEPTED",
        signal_id=working,
        sent_at=now,
    )
    ma = add_order(
        app,
        symbol="MA",
        name="MA-V",
        quantity="20",
        filled_quantity=Decimal(20),
        average_price=Decimal("512.3312"),
        signal_id=critical,
    )
    book_rows.add(app, book_rows.fill(ma, "20", "512.3312", at=now, commission=Decimal("0.35")))
    add_order(
        app,
        symbol="V",
        name="MA-V",
        leg=2,
        side="sell",
        quantity="60",
        status="REJECTED",
        reason="shares cannot be borrowed",
        signal_id=critical,
    )
    add_order(
        app,
        symbol="CVX",
        name="XOM-CVX",
        leg=2,
        side="sell",
        quantity="60",
        status="MANUAL",
        purpose="complete",
        generation=2,
        reason="no answer came, and this broker cannot be asked for one order",
    )
    add_order(app, symbol="AAPL", quantity="10", status="QUEUED")
    book_rows.add(
        app,
        account_said(),
        book_rows.position("AAPL", "12.5", "187.25", realised=Decimal("1204.11"), commission=Decimal("3.5")),
        book_rows.quote("AAPL", "191.02", "191.04", source="paper", at=now - timedelta(minutes=9)),
        book_rows.position("KO", "50", "70.1", name="KO-PEP"),
        book_rows.position("PEP", "-20", "165.33", name="KO-PEP"),
        book_rows.quote("KO", "71.2", "71.22", source="paper"),
        book_rows.quote("PEP", "164.9", "164.95", source="paper"),
        PositionDifference(account_id=1, symbol="AAPL", ours=Decimal("12.5"), theirs=Decimal("10")),
        ForeignOrder(account_id=1, broker_order_id="77", symbol="TSLA", side="buy", quantity=Decimal(5), status="ACCEPTED"),
        *(
            DailyResult(account_id=1, day=f"{now - timedelta(days=days):%Y-%m-%d}", name=name, symbol=name[-4:].strip("-"), realised=Decimal(won), commission=Decimal("2.1"), traded=Decimal(100))
            for days, name, won in ((0, "LNT-FTS", "212.37"), (3, "LNT-FTS", "-80.2"), (20, "AAPL", "990"))
        ),
        book_rows.filled_signal("LNT-FTS", "buy", "0.041", "100", received_at=now, price=Decimal("-0.3")),
        book_rows.filled_signal("LNT-FTS", "sell", "-0.013", "80", received_at=now, price=Decimal("-0.3")),
        book_rows.filled_signal("AAPL", "buy", "-0.02", "12.5", received_at=now),
    )  # fmt: skip
    with app.app_context():
        check_limits.set_rule(RuleForm(check="max_notional", limit=Decimal(25000)), "user anna")
        check_limits.set_rule(
            RuleForm(check="open_positions", scope=Scope.ACCOUNT, scope_name="paper", limit=Decimal(8)), "user anna"
        )
    set_stop(app)
    set_stop(app, "flatten", "pair", "MA-V", reason="leg 2 cannot be borrowed")


def send(client: FlaskClient, path: str, deed: str, **fields: Any) -> TestResponse:
    """Fill in a form of a page and send it, as a browser does."""
    fields = {"reason": "the news", **fields}
    token = form_token(client, "/guide")
    return client.post(path, data={"csrf_token": token, "deed": deed, **fields})


def drift_state(app: Flask, pair: str = "LNT-FTS") -> str:
    """Return the word that names the state in which a pair is now."""
    with app.app_context():
        return drift.report(pair)[0].state


def journal(app: Flask) -> list[tuple[str, str, str, str]]:
    """Return what was done by hand since the test began, oldest first: who, what, to what, and the text."""
    with app.app_context():
        done = sa.select(JournalEntry).where(JournalEntry.actor != TESTER.name)
        rows = db.session.execute(done.order_by(JournalEntry.id)).scalars()
        return [(row.actor, row.action, row.subject, row.text) for row in rows]
