"""What people do, in Chromium, on a running desk."""

import re
import subprocess
import time

import pytest
from playwright.sync_api import expect

from tests.dashboard.support import add_filled_pair, add_signal, add_worker
from tests.support.factories import ADMIN_PASSWORD, make_stock

pytestmark = pytest.mark.browser


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def own_desk(request, run_desk):
    """A desk of this test's own, on both databases."""
    return run_desk(request.getfixturevalue(f"{request.param}_url"), WEB_WORKERS="2")


def test_log_in_and_out(desk, visit):
    there = visit(desk, log_in=False)
    there.page.goto("/signals?status=filled")
    there.page.click("a:text-is('Log in')")
    there.page.fill("#username", "admin")
    there.page.fill("#password", ADMIN_PASSWORD)
    there.page.keyboard.press("Enter")
    expect(there.page.locator(".user")).to_have_text("admin")
    expect(there.page).to_have_url(re.compile(r"/signals\?status=filled$"))
    there.page.click("text=Log out")
    expect(there.page).to_have_url(re.compile("/login$"))
    there.page.goto("/")
    expect(there.page.locator(".user")).to_have_count(0)


def test_a_refused_log_in_keeps_the_name(desk, visit):
    there = visit(desk, log_in=False, expected=("status of 401",))
    there.log_in("trader", "not the password")
    expect(there.page.get_by_role("alert")).to_contain_text("wrong")
    assert there.page.input_value("#username") == "trader"
    assert there.page.input_value("#password") == ""
    assert there.page.evaluate("document.activeElement.id") == "password"


def test_an_alert_is_on_the_page_within_two_seconds(own_desk, visit):
    app = own_desk.app()
    make_stock(app, "LNT")
    add_signal(app, age=100)
    there = visit(own_desk)
    there.wait_until_live()
    there.page.wait_for_timeout(1500)
    rowid = own_desk.post_alert(order_comment="Enter Long")
    start = time.monotonic()
    expect(there.row(rowid)).to_be_visible(timeout=2000)
    assert time.monotonic() - start < 2
    assert "changed" in there.row(rowid).get_attribute("class")
    expect(there.row(rowid)).to_contain_text("Enter Long")


def test_only_what_changed_is_replaced_and_the_focus_stays(own_desk, visit):
    app = own_desk.app()
    first = add_signal(app, status="waiting")
    there = visit(own_desk)
    there.wait_until_live()
    there.page.wait_for_timeout(1500)
    there.page.focus(f"#s{first}-ticker")
    there.row(first).evaluate("row => row.dataset.kept = 'yes'")
    rowid = add_signal(app, name="FTS", ticker="FTS")
    own_desk.post_alert(ticker="FTS")  # tells the pages; the row before it told nobody
    expect(there.row(rowid)).to_be_visible(timeout=4000)
    assert there.row(first).get_attribute("data-kept") == "yes"
    assert there.page.evaluate("document.activeElement.id") == f"s{first}-ticker"
    assert there.row(first).get_attribute("class") is None


def test_a_worker_that_falls_silent_is_told_without_reloading(sqlite_url, run_desk, visit):
    desk = run_desk(sqlite_url)
    app = desk.app()
    add_signal(app)
    add_worker(app, silent=25)
    there = visit(desk)
    expect(there.page.locator(".dot.good")).to_be_visible()
    expect(there.page.get_by_role("alert")).to_contain_text("not heard from for", timeout=25_000)


def test_a_lost_connection_is_shown_and_made_again(sqlite_url, run_desk, visit, free_port):
    desk = run_desk(sqlite_url, PORT=str(free_port))
    add_signal(desk.app())
    there = visit(
        desk,
        expected=(
            "net::ERR_",
            "status of 503",
        ),
    )
    there.wait_until_live()
    start = time.monotonic()
    desk.process.terminate()
    desk.process.wait(20)
    assert time.monotonic() - start < 18  # open streams do not hold up the end, as long as gunicorn would wait for them
    expect(there.page.locator("[data-light]")).to_have_text("reconnecting…", timeout=15_000)
    again = run_desk(sqlite_url, PORT=str(free_port))
    there.wait_until_live()
    rowid = again.post_alert()
    expect(there.row(rowid)).to_be_visible(timeout=4000)


def test_without_a_free_stream_the_page_looks_every_few_seconds(sqlite_url, run_desk, visit):
    desk = run_desk(sqlite_url, WEB_THREADS="16")
    add_signal(desk.app())
    there = visit(desk, expected=("status of 503",))
    expect(there.page.locator("[data-light]")).to_have_text("every 5 s")
    rowid = desk.post_alert()
    expect(there.row(rowid)).to_be_visible(timeout=8000)


def test_the_end_of_a_session_leads_to_the_log_in(sqlite_url, run_desk, visit):
    desk = run_desk(sqlite_url, OPEN_READS="false")
    there = visit(desk, expected=("status of 401",))
    there.wait_until_live()
    there.page.context.clear_cookies()
    desk.post_alert()
    expect(there.page).to_have_url(re.compile("/login"), timeout=8000)


def test_filters_are_used_and_cleared(own_desk, visit):
    app = own_desk.app()
    pair, single = add_filled_pair(app), add_signal(app, status="error")
    there = visit(own_desk, expected=("status of 400",))
    there.page.goto("/signals")
    there.page.fill("#filter-ticker", "ma-v")
    there.page.select_option("#filter-status", "filled")
    there.page.click("button:text('Filter')")
    expect(there.row(pair)).to_be_visible()
    expect(there.row(single)).to_have_count(0)
    assert "ticker=ma-v" in there.page.url
    there.page.click("text=Clear")
    expect(there.row(single)).to_be_visible()
    there.page.goto("/signals?status=nope")
    expect(there.page.locator("#wrong-status")).to_contain_text("must be one of")


def test_the_message_for_tradingview_is_copied(desk, visit):
    there = visit(desk, permissions=["clipboard-read", "clipboard-write"])
    there.page.goto("/guide")
    there.page.click('[data-copy="alert-message"]')
    expect(there.page.locator('[data-copy="alert-message"]')).to_contain_text("Copied")
    copied = there.page.evaluate("navigator.clipboard.readText()")
    assert '"ticker": "{{ticker}}"' in copied
    assert copied == there.page.locator("#alert-message").text_content()
    there.page.click('[data-copy="webhook-url"]')
    expect(there.page.locator('[data-copy="webhook-url"]')).to_contain_text("Copied")
    assert there.page.evaluate("navigator.clipboard.readText()") == f"{desk.url}/v3/webhook"


def test_without_a_clipboard_the_older_way_copies(desk, visit):
    there = visit(desk, permissions=["clipboard-read"])
    there.page.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error('not here'))")
    there.page.goto("/guide")
    there.page.click('[data-copy="webhook-url"]')
    expect(there.page.locator('[data-copy="webhook-url"]')).to_contain_text("Copied")
    assert there.page.evaluate("navigator.clipboard.readText()") == f"{desk.url}/v3/webhook"


def test_tooltips_open_by_keyboard_and_close_with_escape(desk, visit):
    rowid = add_filled_pair(desk.app())
    there = visit(desk)
    tip = there.page.locator(f"#s{rowid}-fill-tip")
    expect(tip).to_be_hidden()
    there.page.focus(f"#s{rowid}-status")
    expect(there.page.locator(f"#s{rowid}-status-tip")).to_be_visible()
    there.page.keyboard.press("Tab")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("better than the alert")
    expect(there.page.locator(f"#s{rowid}-status-tip")).to_be_hidden()
    there.page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_the_time_has_exact_local_and_relative_forms(desk, visit):
    rowid = add_signal(desk.app(), age=7200)
    there = visit(desk, timezone_id="America/New_York")
    there.page.focus(f"#s{rowid}-time")
    tip = there.page.locator(f"#s{rowid}-time-tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text(re.compile(r"received \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC"))
    expect(tip).to_contain_text(re.compile(r"your time .*(GMT-[45]|E[SD]T)"))
    expect(tip).to_contain_text("age 2 h 0 min")


def test_the_documentation_of_the_api_is_complete_and_stays_here(desk, visit):
    there = visit(desk, log_in=False)
    there.page.goto("/v3/docs")
    expect(there.page.locator(".opblock-summary-path", has_text="/v3/webhook").first).to_be_visible()
    there.page.locator(".opblock", has_text="/healthz").locator(".opblock-summary-control").click()
    there.page.click("text=Try it out")
    there.page.click(".execute")
    expect(there.page.locator(".live-responses-table td.response-col_status").last).to_contain_text("200")


def test_hostile_text_does_nothing(desk, visit):
    hostile = "\"'><img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
    rowid = add_signal(desk.app(), ticker=hostile, name=None, comment=hostile[:128], status_reason=hostile)
    there = visit(desk)
    for path in ("/", "/signals", f"/signals/{rowid}"):
        there.page.goto(path)
        there.page.wait_for_timeout(1500)
        assert "hacked" not in there.page.title()
        assert there.page.locator("main img").count() == 0


def test_a_hidden_page_is_left_alone(desk, visit):
    add_signal(desk.app())
    there = visit(desk)
    there.wait_until_live()
    there.page.evaluate(
        """() => {
          Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true});
          window.away = true;
          document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    rowid = desk.post_alert(signal_id="while hidden")
    there.page.wait_for_timeout(2500)
    assert there.row(rowid).count() == 0
    there.page.evaluate("() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }")
    expect(there.row(rowid)).to_be_visible(timeout=4000)


def test_a_desk_with_open_pages_stops_promptly(sqlite_url, run_desk, visit):
    desk = run_desk(sqlite_url)
    there = visit(desk)
    there.wait_until_live()
    there.page.goto("about:blank")
    stream = subprocess.Popen(["curl", "-sN", f"{desk.url}/events"], stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)
        start = time.monotonic()
        desk.process.terminate()
        desk.process.wait(20)
        assert time.monotonic() - start < 5
    finally:
        stream.kill()
        stream.wait()
