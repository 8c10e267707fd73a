"""`from` and `to` mean the same in every list, report and page: a day that is named alone counts whole."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from extensions import transaction
from models import JournalEntry, Signal
from tests.support.factories import make_stock, store_alert

LATE = datetime(2026, 11, 29, 23, 59, 59, 999000, tzinfo=UTC)


@pytest.fixture
def late(app, client):
    """One row of each kind, at the end of 29 November 2026."""
    make_stock(app, "LNT")
    store_alert(client)
    with app.app_context(), transaction() as session:
        session.execute(sa.update(Signal).values(received_at=LATE))
        session.execute(sa.update(JournalEntry).values(at=LATE))


PERIODS = [
    ("from=2026-11-29&to=2026-11-29", True),
    ("to=2026-11-29", True),
    ("to=2026-11-28", False),
    ("from=2026-11-30", False),
    ("from=2026-11-29 23:59:59&to=2026-11-29", True),
    ("to=2026-11-29 23:59:59", False),
    ("to=2026-11-30 00:00:00", True),
    ("to=2026-11-29T00:00:00Z", False),
    ("to=9999-12-31", True),
]


@pytest.mark.parametrize(("period", "is_in"), PERIODS)
def test_a_day_as_the_end_is_included(app, client, admin_headers, late, period, is_in):
    signals = client.get(f"/v3/signals?{period}", headers=admin_headers)
    assert len(signals.json["signals"]) == is_in
    entries = client.get(f"/v3/journal?{period}", headers=admin_headers)
    assert bool(entries.json["entries"]) == is_in


@pytest.mark.parametrize(("period", "is_in"), [p for p in PERIODS if " " not in p[0] and "T" not in p[0]])
def test_the_page_means_the_same(client, late, period, is_in):
    page = client.get(f"/signals?{period}")
    assert page.status_code == 200
    assert ("No signal" not in page.text) == is_in


@pytest.mark.parametrize("address", ["signals", "orders", "fills", "events", "journal", "slippage", "pnl"])
def test_an_end_before_its_beginning_is_refused_everywhere(client, admin_headers, address):
    response = client.get(f"/v3/{address}?from=2026-11-30&to=2026-11-29", headers=admin_headers)
    rule = "must not be before 'from'" if address == "pnl" else "must be after 'from'"
    assert (response.status_code, response.json["message"]) == (400, {"to": rule})
    assert client.get(f"/v3/{address}?from=2026-11-29&to=2026-11-29", headers=admin_headers).status_code == 200
