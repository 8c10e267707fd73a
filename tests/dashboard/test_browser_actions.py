"""What people do with orders, stops and hedges, in Chromium, on a running desk."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from brokers import registry
from extensions import announce_now, transaction
from models import Position, Worker
from services.broker_state import account_state
from tests.dashboard.support import add_signal
from tests.dashboard.trading import HOSTILE, account_said, add_drifted_pair, add_order, count_stops, journal, set_stop
from tests.support import book_rows
from tests.support.factories import ADMIN_PASSWORD
from tests.support.keyed_broker import LIVE_KEYS, PAPER_KEYS, FrontDoor, add

pytestmark = pytest.mark.browser


@pytest.fixture
def own_desk(sqlite_url, run_desk):
    """A desk of this test's own."""
    return run_desk(sqlite_url)


def tell(app):
    """Let the pages know of rows that no service wrote."""
    with app.app_context():
        announce_now()


def test_an_order_is_canceled_from_the_list(own_desk, visit):
    app = own_desk.app()
    rowid = add_signal(app, status="created")
    order = add_order(app, status="ACCEPTED", signal_id=rowid)
    there = visit(own_desk)
    there.page.click("nav >> text=Orders")
    there.page.click(f'tr[data-key="o{order}"] >> text=Cancel')
    there.page.fill("#cancel-reason", "changed my mind")
    there.page.click("button:text('Cancel order')")
    expect(there.page.locator(".banner.done")).to_contain_text("the broker decides")
    expect(there.page.locator("h1 .badge")).to_have_text("CANCEL_PENDING")
    expect(there.page.locator("main")).to_contain_text("changed my mind (user admin)")


def test_a_stop_is_set_seen_on_other_pages_and_released(own_desk, visit):
    there, elsewhere = visit(own_desk, expected=("status of 401",)), visit(own_desk)
    elsewhere.page.goto("/orders")
    elsewhere.wait_until_live()
    elsewhere.page.wait_for_timeout(1500)
    there.page.goto("/controls")
    there.page.check("input[value=flatten]")
    there.page.fill("#stop-reason", "CPI at 14:30")
    there.page.fill("#stop-password", "not this one")
    there.page.click("button.grave:text-is('Stop')")
    expect(there.page.locator("#wrong-password")).to_have_text("is wrong")
    assert there.page.is_checked("input[value=flatten]")
    assert there.page.input_value("#stop-reason") == "CPI at 14:30"
    there.page.fill("#stop-password", ADMIN_PASSWORD)
    there.page.click("button.grave:text-is('Stop')")
    expect(there.page.locator(".banner.done")).to_contain_text("Stopped:")
    expect(elsewhere.page.locator(".banner.stop")).to_contain_text("by admin since", timeout=4000)
    there.page.fill("[id$=-reason] >> nth=0", "over")
    there.page.fill("[id^=release-][id$=-password]", ADMIN_PASSWORD)
    there.page.click("text=Release")
    expect(there.page.locator("main")).to_contain_text("No stop is in force")
    expect(elsewhere.page.locator(".banner.stop")).to_have_count(0, timeout=4000)
    assert count_stops(own_desk.app()) == 0


def test_what_is_typed_in_a_form_stays_while_the_page_updates_itself(own_desk, visit):
    app = own_desk.app()
    add_drifted_pair(app)
    set_stop(app)
    there = visit(own_desk)
    there.page.goto("/controls")
    there.wait_until_live()
    there.page.fill("[id^=release-][id$=-reason]", "half a sent")
    set_stop(app, reason="another")
    expect(there.page.locator(".stop-card")).to_have_count(2, timeout=4000)
    assert there.page.locator("[id^=release-][id$=-reason]").nth(1).input_value() == "half a sent"
    there.page.goto("/positions")
    there.wait_until_live()
    there.page.click("summary")
    there.page.fill(".proposal [id$=-reason]", "half a sent")
    set_stop(app, reason="a third")
    expect(there.page.locator(".banner.stop")).to_have_count(3, timeout=4000)
    assert there.page.input_value(".proposal [id$=-reason]") == "half a sent"
    with app.app_context(), transaction() as session:
        session.execute(sa.update(Position).where(Position.symbol == "FTS").values(quantity=-110))
    tell(app)
    expect(there.page.locator(".proposal")).to_contain_text("15 shares of FTS", timeout=12_000)
    expect(there.page.locator(".proposal details[open]")).to_have_count(0)


def test_what_was_wrong_with_a_form_stays_while_the_page_updates_itself(own_desk, visit):
    app = own_desk.app()
    set_stop(app)
    there = visit(own_desk, expected=("status of 401",))
    there.page.goto("/controls")
    there.page.fill("#release-1-reason", "the news was nothing")
    there.page.fill("#release-1-password", "not this one")
    there.page.click("text=Release")
    there.wait_until_live()
    set_stop(app, reason="another")
    expect(there.page.locator(".stop-card")).to_have_count(2, timeout=4000)
    expect(there.page.locator("#wrong-password")).to_have_text("is wrong")
    assert there.page.input_value("#release-1-reason") == "the news was nothing"


def test_a_hedge_is_healed(own_desk, visit):
    app = own_desk.app()
    add_drifted_pair(app)
    there = visit(own_desk)
    there.page.goto("/positions")
    there.page.click("summary")
    there.page.fill(".proposal [id$=-reason]", "too far off")
    there.page.fill(".proposal [id$=-password]", ADMIN_PASSWORD)
    there.page.click("button:text-is('Send')")
    expect(there.page.locator(".banner.done")).to_contain_text("as signal 1")
    assert journal(app)[0][1] == "heal"


def test_the_age_of_a_quote_is_filled_in(own_desk, visit):
    add_drifted_pair(own_desk.app())
    there = visit(own_desk)
    there.page.goto("/positions")
    expect(there.page.locator(".leg-row .age").first).to_contain_text(" s")
    spot = there.page.locator(".leg-row .tip-at").first
    spot.focus()
    expect(there.page.locator(f"#{spot.get_attribute('id')}-tip")).to_contain_text("source paper")


def test_hostile_reasons_do_nothing(own_desk, visit):
    app = own_desk.app()
    order = add_order(app, status="REJECTED", reason=HOSTILE)
    set_stop(app, reason=HOSTILE)
    there = visit(own_desk)
    for path in ("/orders?show=all", f"/orders/{order}", "/controls", "/"):
        there.page.goto(path)
        there.page.wait_for_timeout(1200)
        assert "hacked" not in there.page.title()
        assert there.page.locator("main img").count() == 0


def test_a_rule_is_changed_from_the_table_of_checks(own_desk, visit):
    there = visit(own_desk)
    there.page.goto("/controls")
    there.page.click('tr[data-key="check-max_quantity"] >> text=Change')
    assert there.page.input_value("#rule-check") == "max_quantity"
    there.page.fill("#rule-limit", "500")
    there.page.fill("#rule-reason", "small steps")
    there.page.click("button:text-is('Set')")
    expect(there.page.locator(".banner.done")).to_contain_text("max_quantity")
    expect(there.page.locator('tr[data-key="check-max_quantity"]')).to_contain_text("500 shares of leg 1")


def test_live_trading_is_switched_on_and_off(own_desk, visit):
    app = own_desk.app()
    with pytest.MonkeyPatch.context() as patch, app.app_context():
        patch.setitem(registry.SPECS, "alpaca", FrontDoor().spec)
        add("real", "live", LIVE_KEYS)
    there = visit(own_desk, expected=("status of 401",))
    there.page.click("nav >> text=Accounts")
    card = there.page.locator(".broker-card.loud")
    expect(card.locator("h2")).to_contain_text("LIVE real")
    card.locator("summary:text('Switch live trading on')").click()
    expect(card).to_contain_text("Real money will be traded.")
    card.locator("[id$=-live-reason]").fill("tested for a month")
    card.locator("[id$=-live-password]").fill("not this one")
    card.locator("button.grave:text-is('Trade real money')").click()
    expect(card.locator("#wrong-password")).to_have_text("is wrong")
    there.wait_until_live()
    tell(app)
    there.page.wait_for_timeout(1200)
    assert card.locator("[id$=-live-reason]").input_value() == "tested for a month"
    card.locator("[id$=-live-password]").fill(ADMIN_PASSWORD)
    card.locator("button.grave:text-is('Trade real money')").click()
    expect(card).to_contain_text("trades real money")
    card.locator("summary:text('Switch live trading off')").click()
    card.locator("[id$=-live-reason]").fill("holiday")
    card.locator("button:text-is('Switch off')").click()
    expect(card).to_contain_text("live trading is off, nothing is sent")
    assert [entry[1] for entry in journal(app)] == ["add account", "live trading on", "live trading off"]


def test_an_account_that_is_refused_is_told_where_one_looks(own_desk, visit):
    there = visit(own_desk, expected=("status of 401",), viewport={"width": 390, "height": 700})
    there.page.goto("/accounts")
    there.page.fill("#add-alpaca-name", "anna")
    there.page.fill("#add-alpaca-key_id", PAPER_KEYS["key_id"])
    there.page.fill("#add-alpaca-secret_key", PAPER_KEYS["secret_key"])
    there.page.fill("#add-alpaca-password", "not this one")
    there.page.click("button:text('Try the keys and add')")
    told = there.page.locator("#add-alpaca .refusal")
    expect(told).to_be_focused()
    expect(told).to_be_in_viewport()
    expect(told).to_contain_text("Not done. Your password is wrong.")
    expect(there.page.locator("#add-alpaca-key_id")).to_have_value(PAPER_KEYS["key_id"])
    expect(there.page.locator("#add-alpaca-secret_key")).to_have_value("")
    expect(there.page.locator("nav [aria-current=page]")).to_have_text("Accounts")


def test_a_broker_that_goes_away_and_comes_back_is_told_on_open_pages(own_desk, visit):
    app = own_desk.app()
    now = datetime.now(UTC)
    book_rows.add(app, Worker(name="w", started_at=now - timedelta(hours=1), seen_at=now + timedelta(hours=1)))
    add_order(app, status="ACCEPTED", sent_at=now)
    book_rows.add(app, account_said(synced_until=now))
    there = visit(own_desk)
    there.page.goto("/orders")
    there.wait_until_live()
    banner = there.page.locator("[data-key=banner-away-1]")
    expect(banner).to_have_count(0)
    with app.app_context():
        account_state.set_state(1, trouble="Alpaca refuses the keys", heard_at=now - timedelta(minutes=4))
    expect(banner).to_contain_text("paper is not in step with its broker: Alpaca refuses the keys.")
    expect(banner).to_contain_text("Nobody watches 1 open order there")
    expect(banner).to_contain_text("Last heard 4 min ago.")
    with app.app_context():
        account_state.set_state(1, trouble=None, heard_at=datetime.now(UTC))
    expect(banner).to_have_count(0)
